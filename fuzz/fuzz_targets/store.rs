//! A small store with one range of one file overwritten by any bytes: every call ends with an answer, a report or an error,
//! never with a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tidalite::{Aggregate, By, Options};

/// Files of a store with two parts, two versions, a run table and the log of a dead writer.
fn golden() -> &'static Vec<(PathBuf, Vec<u8>)> {
    static FILES: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Options::new().background(false).open(dir.path().join("s")).expect("a new store");
        let run = store.run("r").param("lr", 0.1).start().expect("a new run");
        for step in 0..300 {
            run.log(step, &[("a", step as f64), ("b", f64::NAN)]).expect("space on the disk");
            if step % 100 == 50 {
                store.flush().expect("space on the disk");
            }
        }
        store.close().expect("space on the disk");
        let mut files = Vec::new();
        gather(&dir.path().join("s"), Path::new(""), &mut files);
        files
    })
}

fn gather(root: &Path, below: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    let mut entries: Vec<_> = std::fs::read_dir(root.join(below)).expect("a folder").flatten().collect();
    entries.sort_by_key(|e| e.file_name());
    for entry in entries {
        let name = below.join(entry.file_name());
        if entry.path().is_dir() {
            gather(root, &name, files);
        } else {
            files.push((name, std::fs::read(entry.path()).expect("a file")));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [which, at_hi, at_lo, patch @ ..] = data else { return };
    let files = golden();
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (i, (name, bytes)) in files.iter().enumerate() {
        let mut bytes = bytes.clone();
        if i == usize::from(*which) % files.len() && !bytes.is_empty() {
            let at = usize::from(u16::from_be_bytes([*at_hi, *at_lo])) % bytes.len();
            let end = bytes.len().min(at + patch.len());
            bytes[at..end].copy_from_slice(&patch[..end - at]);
        }
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        std::fs::write(path, bytes).expect("space on the disk");
    }
    let Ok(store) = Options::new().background(false).open(dir.path()) else { return };
    let _ = store.verify();
    let _ = store.recovery();
    let _ = store.select().points().and_then(|p| p.collect());
    let _ = store.select().aggregate(&[Aggregate::Mean, Aggregate::Last], &[By::Metric, By::StepBucket(7)]);
    let _ = store.select().chart(10);
    let _ = store.compact();
    let _ = store.runs();
});
