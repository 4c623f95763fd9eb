//! What a power cut leaves. Each test runs a short history on a simulated disk, cuts it in every way, and compares
//! the result with what was synced.

use super::*;
use crate::publish;
use std::collections::BTreeSet;

fn root() -> &'static Path {
    Path::new("/")
}

fn read(disk: &SimVfs, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path)).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    Some(bytes)
}

fn every_survival() -> impl Iterator<Item = Survive> {
    let seeded = (0..100).flat_map(|seed| [Survive::One(seed), Survive::Random(seed)]);
    [Survive::None, Survive::All].into_iter().chain(seeded)
}

fn every_tear() -> impl Iterator<Item = Tear> {
    [1, 512, 4096].into_iter().flat_map(|bytes| [false, true].map(|zeros| Tear { bytes, zeros }))
}

/// A segment of 16 KiB, durable by name and length. Its first `synced` bytes are 1 and durable; the bytes from there
/// to `written` are 2 and not durable.
fn half_synced(disk: &SimVfs, synced: usize, written: usize) -> Box<dyn SegmentFile> {
    let segment = disk.create_segment(Path::new("/s"), 16 << 10).unwrap();
    segment.write_at(0, &vec![1; synced]).unwrap();
    segment.sync().unwrap();
    disk.sync_dir(root()).unwrap();
    segment.write_at(synced as u64, &vec![2; written - synced]).unwrap();
    segment
}

#[test]
fn synced_bytes_under_synced_names_survive_every_cut() {
    let disk = SimVfs::new(0);
    let _segment = half_synced(&disk, 5000, 9000);
    for survive in every_survival() {
        for tear in every_tear() {
            let bytes = read(&disk.crash_torn(survive, tear), "/s").unwrap();
            assert_eq!(bytes.len(), 16 << 10);
            assert!(bytes[..5000].iter().all(|&b| b == 1), "{survive:?} {tear:?}");
            assert!(bytes[5000..9000].iter().all(|&b| b == 0 || b == 2));
            assert!(bytes[9000..].iter().all(|&b| b == 0));
        }
    }
}

#[test]
fn unsynced_bytes_survive_as_requested() {
    let disk = SimVfs::new(0);
    let _segment = half_synced(&disk, 5000, 9000);
    let kept = |survive, bytes| {
        let tear = Tear { bytes, zeros: false };
        read(&disk.crash_torn(survive, tear), "/s").unwrap().iter().filter(|&&b| b == 2).count()
    };
    assert_eq!((kept(Survive::None, 1), kept(Survive::All, 1)), (0, 4000));
    let one: BTreeSet<usize> = (0..50).map(|seed| kept(Survive::One(seed), 4096)).collect();
    assert_eq!(one, BTreeSet::from([8192 - 5000, 9000 - 8192]));
    assert!((0..50).all(|seed| kept(Survive::One(seed), 1) == 1));
    let random: BTreeSet<usize> = (0..50).map(|seed| kept(Survive::Random(seed), 1)).collect();
    assert!(random.len() > 40, "{random:?}");
}

#[test]
fn lost_bytes_become_zeros_if_requested() {
    let disk = SimVfs::new(0);
    let segment = half_synced(&disk, 512, 512);
    segment.write_at(256, &[3; 100]).unwrap();
    let after = |zeros| read(&disk.crash_torn(Survive::None, Tear { bytes: 512, zeros }), "/s").unwrap();
    assert!(after(false)[..512].iter().all(|&b| b == 1));
    let zeroed = after(true);
    assert!(zeroed[256..356].iter().all(|&b| b == 0));
    assert!(zeroed[..256].iter().chain(&zeroed[356..512]).all(|&b| b == 1));
}

#[test]
fn a_tear_of_one_byte_splits_a_published_word() {
    let disk = SimVfs::new(0);
    let segment = half_synced(&disk, 8, 8);
    segment.publish(56, u64::MAX);
    let tear = Tear { bytes: 1, zeros: false };
    let torn = (0..20).any(|seed| {
        let bytes = read(&disk.crash_torn(Survive::Random(seed), tear), "/s").unwrap();
        (1..8).contains(&bytes[56..64].iter().filter(|&&b| b == 0xff).count())
    });
    assert!(torn);
}

#[test]
fn a_name_is_durable_after_its_folders_sync_and_not_before() {
    let disk = SimVfs::new(0);
    let dir = Path::new("/d");
    disk.create_dir(dir).unwrap();
    disk.create(&dir.join("f")).unwrap().sync().unwrap();
    disk.sync_dir(dir).unwrap();
    assert_eq!(disk.crash(Survive::None).stat(dir).unwrap(), None);
    disk.sync_dir(root()).unwrap();
    assert_eq!(disk.crash(Survive::None).read_dir(dir).unwrap(), ["f"]);
    disk.remove(&dir.join("f")).unwrap();
    disk.remove_dir(dir).unwrap();
    assert_eq!(disk.crash(Survive::None).read_dir(dir).unwrap(), ["f"], "the removal was not synced");
    assert_eq!(disk.crash(Survive::All).stat(dir).unwrap(), None);
    disk.sync_dir(root()).unwrap();
    assert_eq!(disk.crash(Survive::None).stat(dir).unwrap(), None);
}

#[test]
fn unsynced_names_survive_independently() {
    let disk = SimVfs::new(0);
    for name in ["/old1", "/old2"] {
        disk.create(Path::new(name)).unwrap();
    }
    disk.sync_dir(root()).unwrap();
    disk.remove(Path::new("/old1")).unwrap();
    disk.create(Path::new("/new")).unwrap();
    disk.create(Path::new("/brief")).unwrap();
    disk.remove(Path::new("/brief")).unwrap();
    let seen: BTreeSet<Vec<String>> =
        (0..200).map(|seed| disk.crash(Survive::Random(seed)).read_dir(root()).unwrap()).collect();
    assert_eq!(seen.len(), 8, "each of old1, new, brief there or not: {seen:?}");
    assert!(seen.iter().all(|names| names.contains(&"old2".to_string())));
}

#[test]
fn a_name_may_survive_without_its_bytes() {
    let disk = SimVfs::new(0);
    disk.create(Path::new("/f")).unwrap().write_all(b"never synced").unwrap();
    disk.sync_dir(root()).unwrap();
    assert_eq!(read(&disk.crash(Survive::None), "/f").unwrap(), b"");
    assert_eq!(read(&disk.crash(Survive::All), "/f").unwrap(), b"never synced");
    let zeros = (0..50).map(|seed| read(&disk.crash(Survive::Random(seed)), "/f").unwrap());
    assert!(zeros.collect::<BTreeSet<_>>().contains(&vec![0; 12]), "the length may survive alone");
}

#[test]
fn a_cut_of_the_length_is_durable_with_its_sync() {
    let disk = SimVfs::new(0);
    half_synced(&disk, 100, 200).truncate(150).unwrap();
    let bytes = read(&disk.crash(Survive::None), "/s").unwrap();
    assert_eq!(bytes, [vec![1; 100], vec![2; 50]].concat());
}

#[test]
fn a_sync_that_succeeds_after_one_that_failed_has_lost_the_bytes() {
    let disk = SimVfs::new(0);
    let segment = half_synced(&disk, 100, 5000);
    disk.set_failure(SimFailure { at_step: disk.steps(), kind: FailKind::Eio, persist: false });
    assert_eq!(segment.sync().unwrap_err().kind(), ErrorKind::Io);
    segment.sync().unwrap();
    assert_eq!(read(&disk, "/s").unwrap()[4999], 2, "readers see the page cache");
    for survive in every_survival() {
        let bytes = read(&disk.crash(survive), "/s").unwrap();
        assert!(bytes[100..].iter().all(|&b| b == 0), "{survive:?}");
    }
}

#[test]
fn locks_exclude_and_end_with_their_holder_and_with_the_power() {
    let disk = SimVfs::new(0);
    let path = Path::new("/lock");
    assert_eq!(disk.lock(path, LockMode::Shared).unwrap_err().kind(), ErrorKind::NotFound);
    let held = disk.lock(path, LockMode::Exclusive).unwrap().unwrap();
    disk.sync_dir(root()).unwrap();
    assert!(disk.lock(path, LockMode::Shared).unwrap().is_none());
    assert!(disk.crash(Survive::None).lock(path, LockMode::Exclusive).unwrap().is_some());
    assert!(disk.kill().lock(path, LockMode::Exclusive).unwrap().is_some());
    assert!(disk.lock(path, LockMode::Exclusive).unwrap().is_none());
    drop(held);
    assert!(disk.lock(path, LockMode::Exclusive).unwrap().is_some());
}

#[test]
fn a_killed_process_loses_nothing_and_makes_nothing_durable() {
    let disk = SimVfs::new(0);
    let _segment = half_synced(&disk, 100, 200);
    disk.create(Path::new("/unsynced")).unwrap();
    let after = disk.kill();
    assert_eq!(read(&after, "/s"), read(&disk, "/s"));
    assert_eq!(after.read_dir(root()).unwrap(), ["s", "unsynced"]);
    assert_eq!(after.crash(Survive::None).read_dir(root()).unwrap(), ["s"]);
    assert_eq!(read(&after.crash(Survive::None), "/s"), read(&disk.crash(Survive::None), "/s"));
}

#[test]
fn a_crash_at_a_step_prevents_that_step_and_all_later_ones() {
    let disk = SimVfs::new(0);
    disk.create(Path::new("/a")).unwrap();
    disk.set_failure(SimFailure { at_step: disk.steps(), kind: FailKind::Crash, persist: false });
    assert!(disk.create(Path::new("/b")).is_err() && disk.read_dir(root()).is_err() && disk.crashed());
    let after = disk.crash(Survive::All);
    assert_eq!((after.read_dir(root()).unwrap(), after.steps()), (vec!["a".to_string()], 1));
}

#[test]
fn a_full_disk_leaves_half_a_write_and_no_segment() {
    let disk = SimVfs::new(0);
    let mut file = disk.create(Path::new("/f")).unwrap();
    let segment = disk.create_segment(Path::new("/s"), 4096).unwrap();
    disk.set_failure(SimFailure { at_step: 0, kind: FailKind::Enospc, persist: true });
    assert_eq!(file.write_all(&[1; 100]).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(disk.create_segment(Path::new("/t"), 4096).unwrap_err().kind(), ErrorKind::Full);
    segment.write_at(0, &[1; 4096]).unwrap();
    segment.sync().unwrap();
    disk.clear_failure();
    assert_eq!(read(&disk, "/f").unwrap().len(), 50);
    assert_eq!(disk.stat(Path::new("/t")).unwrap(), None);
}

#[test]
fn what_is_published_is_whole_or_absent_after_a_cut_at_any_step() {
    let run = |disk: &SimVfs| publish(disk, root(), "v.tmp", "v", b"whole");
    let clean = SimVfs::new(0);
    assert!(run(&clean).unwrap());
    for at_step in 0..=clean.steps() {
        let disk = SimVfs::new(0);
        disk.set_failure(SimFailure { at_step, kind: FailKind::Crash, persist: true });
        let acknowledged = run(&disk).is_ok();
        for survive in every_survival() {
            for tear in every_tear() {
                match read(&disk.crash_torn(survive, tear), "/v") {
                    Some(bytes) => assert_eq!(bytes, b"whole", "step {at_step}, {survive:?}, {tear:?}"),
                    None => assert!(!acknowledged, "step {at_step}, {survive:?}"),
                }
            }
        }
    }
}

#[test]
fn planted_faults_lose_what_was_published() {
    for plant in [SimVfs::ignore_sync, SimVfs::ignore_sync_dir] {
        let disk = SimVfs::new(0);
        plant(&disk, true);
        assert!(publish(&disk, root(), "v.tmp", "v", b"whole").unwrap());
        let lost = (0..50)
            .any(|seed| read(&disk.crash(Survive::Random(seed)), "/v").is_none_or(|bytes| bytes != b"whole"));
        assert!(lost);
    }
}

#[test]
fn the_same_history_gives_the_same_disk_and_identifiers_never_repeat() {
    let history = |seed| {
        let disk = SimVfs::new(seed);
        let _segment = half_synced(&disk, 1000, 9000);
        let ids: Vec<Uuid> = (0..100).map(|_| disk.uuid()).collect();
        (read(&disk.crash(Survive::Random(9)), "/s"), ids, disk.now_us(), disk.steps(), disk.change_steps())
    };
    let (one, two, other) = (history(1), history(1), history(2));
    assert!(one == two && one.1 != other.1);
    assert!(one.1.is_sorted_by(|a, b| a < b) && one.1[0].get_version_num() == 7);
    let disk = SimVfs::new(1);
    let first = disk.uuid();
    assert_ne!(disk.crash(Survive::None).uuid(), first);
}

#[test]
fn the_clock_ticks_by_a_microsecond_and_can_be_moved() {
    let disk = SimVfs::new(0);
    let start = disk.now_us();
    assert_eq!(start, 1_780_000_000_000_000);
    disk.advance(-10);
    assert_eq!(disk.now_us(), start + 1 - 10);
}
