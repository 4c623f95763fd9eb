//! Any bytes as a file to import, in each format: points or an error, and a store that still answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::panic::{catch_unwind, set_hook};
use std::sync::Mutex;
use tidalite::{FileFormat, Import, Options};

/// The last panic's message. The engine catches panics of third-party decoders, so a panic alone is not a finding.
static LAST: Mutex<String> = Mutex::new(String::new());

fuzz_target!(
    init: {
        set_hook(Box::new(|panic| *LAST.lock().expect("nobody panics with it") = panic.to_string()));
    },
    |data: &[u8]| {
        if catch_unwind(|| import(data)).is_err() {
            eprintln!("{}", LAST.lock().expect("nobody panics with it"));
            std::process::abort();
        }
    }
);

fn import(data: &[u8]) {
    let [format, wide, body @ ..] = data else { return };
    let formats = [FileFormat::Csv, FileFormat::JsonLines, FileFormat::Parquet, FileFormat::ArrowIpc];
    let format = formats[usize::from(*format) % formats.len()];
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("in");
    std::fs::write(&file, body).expect("space on the disk");
    let store = Options::new().background(false).open(dir.path().join("s")).expect("a new store");
    let import = Import::new().format(format).wide(wide & 1 == 1);
    let import = if wide & 2 == 2 { import.run("r") } else { import };
    let _ = store.import(&file, &import);
    store.runs().expect("a sound store");
}
