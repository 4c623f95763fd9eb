//! Tests of the rules that every `Vfs` follows. Each runs in a temporary folder on the operating system, with mapped
//! and with positioned segments, and on the simulated disk.

use crate::{LockMode, RealVfs, SimVfs, Vfs, publish};
use std::path::{Path, PathBuf};
use tidalite_model::ErrorKind;

/// Runs a test on each implementation, in a new empty folder.
fn on_each(claim: fn(&dyn Vfs, &Path)) {
    for vfs in [RealVfs::new(), RealVfs::positioned()] {
        let dir = tempfile::tempdir().unwrap();
        claim(&vfs, dir.path());
    }
    claim(&SimVfs::new(7), Path::new("/"));
}

fn read(vfs: &dyn Vfs, path: &Path) -> Vec<u8> {
    let file = vfs.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_file_reads_back_as_written() {
    on_each(|vfs, dir| {
        let path = dir.join("f");
        let mut file = vfs.create(&path).unwrap();
        file.write_all(b"hello ").unwrap();
        file.write_all(b"world").unwrap();
        file.sync().unwrap();
        assert_eq!((file.bytes(), file.path()), (11, path.as_path()));
        assert_eq!(read(vfs, &path), b"hello world");
        let reader = vfs.open(&path).unwrap();
        let mut buf = [0; 8];
        assert_eq!(reader.read_at(6, &mut buf).unwrap(), 5);
        assert_eq!(reader.read_at(600, &mut buf).unwrap(), 0);
        assert_eq!(reader.read_exact_at(6, &mut buf).unwrap_err().kind(), ErrorKind::Corrupt);
    });
}

/// Data that was stored through a mapping and not yet synced counts, as do single bytes far apart.
#[test]
fn what_is_skipped_as_a_hole_holds_no_data() {
    on_each(|vfs, dir| {
        const BYTES: u64 = 16 << 20;
        let path = dir.join("s");
        let segment = vfs.create_segment(&path, BYTES).unwrap();
        let written = [0, 4096 * 3 + 8, 5 << 20, BYTES - 8];
        for at in written {
            segment.write_at(at, &[7; 8]).unwrap();
        }
        let reader = vfs.open(&path).unwrap();
        let mut from = 0;
        for at in written {
            let found = reader.skip_hole(from).unwrap();
            assert!((from..=at).contains(&found), "{found} from {from} on, before {at}");
            from = at + 8;
        }
        assert!((from..=BYTES).contains(&reader.skip_hole(from).unwrap()));
        assert_eq!(reader.skip_hole(BYTES + 9).unwrap(), BYTES + 9);
        let mut last = [0; 8];
        reader.read_exact_at(BYTES - 8, &mut last).unwrap();
        assert_eq!(last, [7; 8]);
    });
}

#[test]
fn a_taken_name_is_busy_and_its_file_unchanged() {
    on_each(|vfs, dir| {
        let path = dir.join("f");
        vfs.create(&path).unwrap().write_all(b"first").unwrap();
        assert_eq!(vfs.create(&path).unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(vfs.create_segment(&path, 4096).unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(read(vfs, &path), b"first");
    });
}

#[test]
fn folders_list_their_names_in_order_and_missing_files_are_reported() {
    on_each(|vfs, dir| {
        let sub = dir.join("d");
        assert!(vfs.create_dir(&sub).unwrap());
        assert!(!vfs.create_dir(&sub).unwrap());
        for name in ["b", "a", "c"] {
            vfs.create(&sub.join(name)).unwrap();
        }
        assert_eq!(vfs.create_dir(&sub.join("a")).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(vfs.read_dir(&sub).unwrap(), ["a", "b", "c"]);
        assert!(vfs.stat(&sub).unwrap().unwrap().is_dir);
        assert!(vfs.stat(&sub.join("x")).unwrap().is_none() && vfs.stat(&sub.join("a/x")).unwrap().is_none());
        assert_eq!(vfs.open(&sub.join("x")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(vfs.create(&dir.join("x/f")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(vfs.read_dir(&dir.join("x")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(vfs.remove_dir(&sub).is_err(), "not empty");
        for name in ["a", "b", "c", "never was"] {
            vfs.remove(&sub.join(name)).unwrap();
        }
        vfs.remove_dir(&sub).unwrap();
        vfs.remove_dir(&sub).unwrap();
        vfs.sync_dir(dir).unwrap();
        assert!(vfs.file_system(&sub).is_err() && vfs.file_system(dir).unwrap().free_bytes > 0);
    });
}

#[test]
fn a_segment_starts_as_zeros_keeps_writes_and_is_cut_to_its_length() {
    on_each(|vfs, dir| {
        let path = dir.join("s");
        let bytes: u64 = 300_000;
        let segment = vfs.create_segment(&path, bytes).unwrap();
        assert_eq!((segment.capacity(), segment.path()), (bytes, path.as_path()));
        let mut model = vec![0; 300_000];
        assert_eq!(read(vfs, &path), model);
        // Every alignment of both ends, and writes across the boundaries at which pages are populated.
        for i in 0..400_usize {
            let at = i * 797 % 299_000;
            let piece: Vec<u8> = (0..i * 7 % 50).map(|j| u8::try_from((i + j) % 251).unwrap()).collect();
            segment.write_at(at as u64, &piece).unwrap();
            model[at..at + piece.len()].copy_from_slice(&piece);
        }
        segment.write_at(60_001, &[9; 100_000]).unwrap();
        model[60_001..160_001].fill(9);
        segment.publish(56, 0x0102_0304_0506_0708);
        model[56..64].copy_from_slice(&[8, 7, 6, 5, 4, 3, 2, 1]);
        segment.sync().unwrap();
        assert!(read(vfs, &path) == model);
        segment.truncate(200_003).unwrap();
        model.truncate(200_003);
        assert!(read(vfs, &path) == model);
    });
}

#[test]
fn a_segment_is_not_written_beyond_its_capacity() {
    on_each(|vfs, dir| {
        for wrong in [0, 4, 4097] {
            assert_eq!(vfs.create_segment(&dir.join("s"), wrong).unwrap_err().kind(), ErrorKind::Invalid);
        }
        let segment = vfs.create_segment(&dir.join("s"), 4096).unwrap();
        segment.write_at(4088, &[1; 8]).unwrap();
        segment.write_at(4096, &[]).unwrap();
        for (offset, bytes) in [(4089, 8), (4097, 0), (u64::MAX, 1), (0, 4097)] {
            let refused = segment.write_at(offset, &vec![1; bytes]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid);
        }
        assert_eq!(segment.truncate(4097).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(read(vfs, &dir.join("s")).len(), 4096);
    });
}

#[test]
#[should_panic(expected = "a published word is inside the file")]
fn publishing_an_unaligned_word_panics() {
    let dir = tempfile::tempdir().unwrap();
    RealVfs::new().create_segment(&dir.path().join("s"), 4096).unwrap().publish(4, 1);
}

#[test]
fn a_folder_that_others_create_and_remove_is_not_mistaken_for_a_file() {
    on_each(|vfs, dir| {
        let sub = dir.join("claim");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        match vfs.create_dir(&sub) {
                            Ok(true) => vfs.remove_dir(&sub).unwrap(),
                            Ok(false) => {}
                            Err(e) => assert_eq!(e.kind(), ErrorKind::Busy, "{e}"),
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn threads_that_write_adjacent_bytes_do_not_disturb_each_other() {
    on_each(|vfs, dir| {
        let path = dir.join("s");
        let segment = vfs.create_segment(&path, 80_000).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let segment = &segment;
                scope.spawn(move || {
                    for i in 0..500 {
                        let at = (i * 4 + u64::from(thread)) * 40;
                        segment.write_at(at, &[thread + 1; 40]).unwrap();
                    }
                });
            }
        });
        let writers = (1..=4).cycle();
        assert!(read(vfs, &path).chunks(40).zip(writers).all(|(chunk, w)| chunk.iter().all(|&b| b == w)));
    });
}

#[test]
fn a_link_never_replaces_a_file() {
    on_each(|vfs, dir| {
        let path = |name: &str| -> PathBuf { dir.join(name) };
        vfs.create(&path("a")).unwrap().write_all(b"a").unwrap();
        vfs.create(&path("b")).unwrap().write_all(b"b").unwrap();
        assert!(vfs.link(&path("a"), &path("c")).unwrap());
        assert!(!vfs.link(&path("b"), &path("c")).unwrap());
        assert!(vfs.link(&path("a"), &path("c")).unwrap(), "it is the same file");
        vfs.remove(&path("a")).unwrap();
        assert_eq!(read(vfs, &path("c")), b"a");
        assert_eq!(vfs.link(&path("a"), &path("d")).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn the_first_to_publish_a_name_wins_and_no_temporary_name_is_left() {
    on_each(|vfs, dir| {
        assert!(publish(vfs, dir, "v.1", "v", b"first").unwrap());
        assert!(!publish(vfs, dir, "v.2", "v", b"second").unwrap());
        assert_eq!(read(vfs, &dir.join("v")), b"first");
        assert_eq!(vfs.read_dir(dir).unwrap(), ["v"]);
    });
}

#[test]
fn locks_exclude_other_descriptors_and_end_with_their_own() {
    on_each(|vfs, dir| {
        let path = dir.join("lock");
        assert_eq!(vfs.lock(&path, LockMode::Shared).unwrap_err().kind(), ErrorKind::NotFound);
        let exclusive = vfs.lock(&path, LockMode::Exclusive).unwrap().unwrap();
        assert_eq!(exclusive.path(), path);
        assert!(vfs.lock(&path, LockMode::Exclusive).unwrap().is_none());
        assert!(vfs.lock(&path, LockMode::Shared).unwrap().is_none());
        drop(vfs.open(&path).unwrap());
        assert!(
            vfs.lock(&path, LockMode::Shared).unwrap().is_none(),
            "closing another descriptor frees nothing"
        );
        drop(exclusive);
        let shared = vfs.lock(&path, LockMode::Shared).unwrap().unwrap();
        let second = vfs.lock(&path, LockMode::Shared).unwrap().unwrap();
        assert!(vfs.lock(&path, LockMode::Exclusive).unwrap().is_none());
        drop((shared, second));
        assert!(vfs.lock(&path, LockMode::Exclusive).unwrap().is_some());
    });
}

#[test]
fn an_open_file_can_be_pinned_by_a_lock_and_knows_when_its_name_is_gone() {
    on_each(|vfs, dir| {
        let path = dir.join("f");
        vfs.create(&path).unwrap().write_all(b"kept").unwrap();
        let (reader, collector) = (vfs.open(&path).unwrap(), vfs.open(&path).unwrap());
        assert!(reader.try_lock_shared().unwrap() && !collector.try_lock_exclusive().unwrap());
        drop(reader);
        assert!(collector.try_lock_exclusive().unwrap());
        assert!(collector.is_linked().unwrap());
        vfs.remove(&path).unwrap();
        assert!(!collector.is_linked().unwrap());
        vfs.create(&path).unwrap();
        assert!(!collector.is_linked().unwrap(), "the name refers to another file now");
        assert_eq!(collector.len().unwrap(), 4, "an open file stays readable");
    });
}

#[test]
fn identifiers_ascend_and_the_clock_runs() {
    on_each(|vfs, _| {
        let ids = [vfs.uuid(), vfs.uuid(), vfs.uuid()];
        assert!(ids.is_sorted_by(|a, b| a < b) && ids[0].get_version_num() == 7);
        assert!(vfs.now_us() > 1_700_000_000_000_000);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_segment_allocates_its_disk_space_immediately() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _segment = RealVfs::new().create_segment(&path, 1 << 20).unwrap();
    assert!(std::fs::metadata(&path).unwrap().blocks() * 512 >= 1 << 20);
}

#[test]
#[cfg(target_os = "linux")]
fn a_segment_that_no_disk_can_hold_is_refused_as_full_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let vfs = RealVfs::new();
    // These refuse immediately. Others may first allocate all space that is left.
    if !["ext4", "tmpfs"].contains(&vfs.file_system(dir.path()).unwrap().name.as_str()) {
        return;
    }
    let refused = vfs.create_segment(&dir.path().join("s"), 1 << 60).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    assert!(vfs.read_dir(dir.path()).unwrap().is_empty());
}

#[test]
fn a_held_folder_that_was_removed_holds_nothing_even_if_its_name_is_taken_again() {
    on_each(|vfs, dir| {
        let folder = dir.join("d");
        vfs.create_dir(&folder).unwrap();
        let held = vfs.hold(&folder).unwrap();
        drop(held.create(&folder.join("f")).unwrap());
        let file = held.open(&folder.join("f")).unwrap();
        let lock = held.lock(&folder.join("l"), LockMode::Exclusive).unwrap().unwrap();
        assert_eq!(vfs.read_dir(&folder).unwrap(), ["f", "l"]);
        assert!(file.is_linked().unwrap() && lock.is_linked().unwrap());
        for name in ["f", "l"] {
            vfs.remove(&folder.join(name)).unwrap();
        }
        vfs.remove_dir(&folder).unwrap();
        let check = || {
            assert!(!file.is_linked().unwrap() && !lock.is_linked().unwrap());
            let kind = |e: tidalite_model::Error| e.kind();
            assert_eq!(held.open(&folder.join("f")).map_err(kind).unwrap_err(), ErrorKind::NotFound);
            assert_eq!(held.create(&folder.join("g")).map_err(kind).unwrap_err(), ErrorKind::NotFound);
            assert_eq!(held.create_dir(&folder.join("e")).map_err(kind).unwrap_err(), ErrorKind::NotFound);
            assert_eq!(held.stat(&folder.join("f")).unwrap(), None);
        };
        check();
        vfs.create_dir(&folder).unwrap();
        drop(vfs.create(&folder.join("f")).unwrap());
        check();
        assert!(vfs.hold(&folder).unwrap().stat(&folder.join("f")).unwrap().is_some(), "held anew");
    });
}

#[test]
fn a_held_folder_that_was_moved_is_found_by_its_old_path() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let vfs = RealVfs::new();
    vfs.create_dir(&old).unwrap();
    let held = vfs.hold(&old).unwrap();
    drop(held.create(&old.join("f")).unwrap());
    let file = held.open(&old.join("f")).unwrap();
    std::fs::rename(&old, &new).unwrap();
    vfs.create_dir(&old).unwrap();
    assert!(held.create_dir(&old.join("d")).unwrap() && file.is_linked().unwrap());
    assert!(held.link(&old.join("f"), &old.join("g")).unwrap());
    assert_eq!(held.read_dir(&old).unwrap(), ["d", "f", "g"]);
    assert_eq!(vfs.read_dir(&new).unwrap(), ["d", "f", "g"]);
    assert!(vfs.read_dir(&old).unwrap().is_empty());
}
