//! Paths that are not stores, folders that cannot be written, and files that are damaged or of a newer format.

use super::refusal::{new_store, one_row, options, refused, still_works};
use crate::failures::Mounted;
use crate::note;
use tidalite::ErrorKind;
use tidalite_testkit::{points, sound};

#[test]
fn a_path_that_is_not_a_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    refused(
        options().read_only(true).open(&absent),
        ErrorKind::NotFound,
        &["open store", "absent", "no such folder"],
    );
    assert!(!absent.exists(), "reading creates nothing");
    refused(
        options().read_only(true).open(dir.path()),
        ErrorKind::Invalid,
        &["not a tidalite store", dir.path().to_str().unwrap()],
    );
    std::fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    refused(options().open(dir.path()), ErrorKind::Invalid, &["not a tidalite store", "thesis.tex"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is put beside what is there");
}

#[test]
fn a_file_where_a_folder_should_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "text").unwrap();
    for read_only in [false, true] {
        refused(
            options().read_only(read_only).open(&file),
            ErrorKind::Invalid,
            &["is a file", file.to_str().unwrap()],
        );
        let below = options().read_only(read_only).open(file.join("below")).unwrap_err();
        assert!(matches!(below.kind(), ErrorKind::Invalid | ErrorKind::NotFound), "{below}");
        assert!(below.to_string().contains("file"), "{below}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"text");
}

#[test]
fn every_folder_on_the_way_to_a_new_store_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/c d/🌊");
    let store = options().open(&path).unwrap();
    still_works(&store);
    assert!(path.join("TIDALITE").exists());
}

#[test]
fn a_read_only_folder_can_be_read_and_says_so_when_written_to() {
    let (dir, path, store) = new_store();
    let run = store.run("r").start().unwrap();
    run.log(0, &[("x", 1.0)]).unwrap();
    run.finish().unwrap();
    store.close().unwrap();
    let mounted = dir.path().join("mounted");
    std::fs::create_dir(&mounted).unwrap();
    let Some(_mount) = Mounted::read_only(&path, &mounted) else {
        note("a read-only folder was not tried: mounting is not permitted here");
        return;
    };
    let reader = options().read_only(true).open(&mounted).unwrap();
    assert_eq!(points(&reader.select().run("r")).unwrap().len(), 1);
    sound(&reader.verify().unwrap()).unwrap();
    // Opening for writing may be refused at once, or at the first write.
    let written = options().open(&mounted).and_then(|s| s.run("r").start().map(|_| ()));
    refused(written, ErrorKind::Io, &["mounted", "read-only"]);
    let flushed = options().open(&mounted).and_then(|s| s.flush().map(|_| ()));
    refused(flushed, ErrorKind::Io, &["mounted", "read-only"]);
}

#[test]
fn a_store_opened_for_reading_refuses_every_write() {
    let (_dir, path, store) = new_store();
    store.run("r").start().unwrap().log(0, &[("x", 1.0)]).unwrap();
    let reader = options().read_only(true).open(&path).unwrap();
    refused(reader.run("r").start(), ErrorKind::Invalid, &["read-only", path.to_str().unwrap()]);
    refused(reader.append(&one_row()), ErrorKind::Invalid, &["read-only"]);
    refused(reader.flush(), ErrorKind::Invalid, &["read-only"]);
    refused(reader.compact(), ErrorKind::Invalid, &["read-only"]);
    reader.sync().unwrap();
    assert_eq!(points(&reader.select()).unwrap().len(), 1);
}

/// A text sealed as `docs/format.md` says: a header line with kind, format, checksum and length, the text, a line feed; twice.
fn sealed(kind: &str, format: u32, text: &str) -> Vec<u8> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(format!("{kind} {format} ").as_bytes()), text.as_bytes());
    format!("tidalite {kind} {format} {crc:08x} {:016}\n{text}\n", text.len()).repeat(2).into_bytes()
}

#[test]
fn a_newer_format_is_refused_as_such_and_not_as_damage() {
    let (_dir, path, store) = new_store();
    let text = store.id().to_string();
    store.close().unwrap();
    let marker = path.join("TIDALITE");
    let ours = std::fs::read(&marker).unwrap();
    assert_eq!(ours, sealed("store", 1, &text), "the marker is sealed as documented");
    std::fs::write(&marker, sealed("store", 2, &text)).unwrap();
    for read_only in [false, true] {
        refused(
            options().read_only(read_only).open(&path),
            ErrorKind::Unsupported,
            &["format version 2", "TIDALITE", "newer tidalite"],
        );
    }
    std::fs::write(&marker, ours).unwrap();
    let version = std::fs::read_dir(path.join("manifest")).unwrap().next().unwrap().unwrap().path();
    let first = std::fs::read(&version).unwrap();
    std::fs::write(path.join("manifest/0000000000000002.json"), sealed("manifest", 7, "{}")).unwrap();
    for read_only in [false, true] {
        refused(
            options().read_only(read_only).open(&path),
            ErrorKind::Unsupported,
            &["format version 7", "0000000000000002.json"],
        );
    }
    assert_eq!(std::fs::read(&version).unwrap(), first);
}

#[test]
fn a_damaged_file_of_each_kind_is_named() {
    let (_dir, path, store) = new_store();
    let run = store.run("r").start().unwrap();
    for step in 0..100 {
        run.log(step, &[("x", step as f64)]).unwrap();
        // Two parts, so that a compaction reads them.
        if step == 50 {
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    store.close().unwrap();
    for folder in ["manifest", "runs", "parts", "series"] {
        let file = std::fs::read_dir(path.join(folder)).unwrap().next().unwrap().unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        let whole = std::fs::read(&file).unwrap();
        for bad in [whole[..whole.len() / 3].to_vec(), vec![0; whole.len()], Vec::new()] {
            std::fs::write(&file, &bad).unwrap();
            let opened = options().open(&path);
            if folder == "manifest" {
                refused(opened, ErrorKind::Corrupt, &[name, "tidalite verify"]);
                continue;
            }
            let store = opened.unwrap();
            let report = store.verify().unwrap();
            assert!(report.findings.iter().any(|f| f.path == file), "{:?}", report.findings);
            let read = store.select().points().and_then(|p| p.collect());
            if folder == "series" {
                // A series table can be rebuilt from its part, so a report may be all.
                assert!(
                    read.map_or_else(|e| e.to_string().contains(name), |points| points.num_rows() == 100)
                );
            } else {
                refused(read, ErrorKind::Corrupt, &[name, "tidalite verify"]);
            }
        }
        if folder == "parts" {
            // A part that opens and is damaged inside must not be compacted.
            let mut bad = whole.clone();
            bad[whole.len() / 4] ^= 1;
            std::fs::write(&file, &bad).unwrap();
            refused(options().open(&path).unwrap().compact(), ErrorKind::Corrupt, &[name, "tidalite verify"]);
        }
        std::fs::write(&file, &whole).unwrap();
        sound(&options().open(&path).unwrap().verify().unwrap()).unwrap();
    }
    let store = options().open(&path).unwrap();
    assert_eq!(points(&store.select()).unwrap().len(), 100);
    store.compact().unwrap();
    assert_eq!(points(&store.select()).unwrap().len(), 100);
    still_works(&store);
}
