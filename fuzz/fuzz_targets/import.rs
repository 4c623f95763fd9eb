//! Any bytes as a file to import, in each format: points or an error, and a store that still answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidalite::{FileFormat, Import, Options};

fuzz_target!(|data: &[u8]| {
    let [format, wide, body @ ..] = data else { return };
    let formats = [FileFormat::Csv, FileFormat::JsonLines, FileFormat::Parquet, FileFormat::ArrowIpc];
    let format = formats[usize::from(*format) % formats.len()];
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("in");
    std::fs::write(&file, body).expect("room on the disk");
    let store = Options::new().background(false).open(dir.path().join("s")).expect("a new store");
    let import = Import::new().format(format).wide(wide & 1 == 1);
    let import = if wide & 2 == 2 { import.run("r") } else { import };
    let _ = store.import(&file, &import, &|_, _| {});
    store.runs().expect("a sound store");
});
