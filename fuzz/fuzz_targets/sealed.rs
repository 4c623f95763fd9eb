//! Any text in a marker, manifest, run table or writer table, with checksums that match.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidalite_fuzz::{base, sealed_files, try_file};
use tidalite_testkit::{seal, sealed_text};

fuzz_target!(|data: &[u8]| {
    let [which, text @ ..] = data else { return };
    let files = sealed_files();
    let path = files[usize::from(*which) % files.len()];
    let (kind, _) = sealed_text(&base()[path]).expect("a sound file");
    try_file(path, seal(&kind, text), None);
});
