//! Any bytes as a series table, with a checksum that matches.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [which, table @ ..] = data else { return };
    let files = tidalite_fuzz::files_in(&["series"]);
    tidalite_fuzz::try_file(files[usize::from(*which) % files.len()], table.to_vec(), None);
});
