//! Files that were forged: their content is changed, in bytes or in structure, and then the checksums of frame, page, file and
//! manifest are made to match. No checksum protects a reader from them. A store that holds one answers, or gives an error
//! that is no more than damage; it does not panic, loop, or take memory out of proportion. The same changes without the
//! checksums must be told or be harmless, as any damage.
//!
//! A case is a number: its forgery and its changes follow from it. `TIDALITE_HOSTILE=<number>` runs one case alone.

mod forged;
mod mutate;
mod watch;

use super::judge::{DamageOutcome, judge, kind_of, look};
use super::sample::{Golden, golden};
use super::{Change, Damage};
use crate::{allocation, factor, note, threads};
use forged::Forgery;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidalite::{
    Aggregate, AlignOn, By, Error, ErrorKind, Fill, OnDamage, Options, Repeats, Selection, Store, Thin, XAxis,
};
use tidalite_testkit::{PagedFile, Random, StoreFiles};
use tidalite_vfs::{LockMode, SimVfs, Vfs};

const STORE: &str = "/data/store";
/// What each store may hold in memory, and what one allocation may be.
const MEMORY_BYTES: u64 = 16 << 20;
const ALLOCATION_MAX: usize = (16 + 64) << 20;
/// How many cases there are in a usual run, and in a long one.
const CASES: u64 = 2500;
const CASES_LONG: u64 = 60_000;
/// How many times as many cases there are in which the store is only read, in the ways that reach most of the code.
const READ_ALONE: u64 = 3;
/// The number of the first of them.
const READ_ALONE_FROM: u64 = 1 << 32;

fn options() -> Options {
    let options = Options::new().background(false).threads(1).memory_bytes(MEMORY_BYTES);
    options.segment_bytes(4096, 8192).tile_rows(100).rollups(8, 64).grace(Duration::ZERO)
}

/// A disk with these files of a store.
fn disk_with(files: &StoreFiles) -> SimVfs {
    // Not the seed of the disk on which the files were made: uuids would come again.
    let disk = SimVfs::new(77);
    for (name, bytes) in files {
        let path = Path::new(STORE).join(name);
        let mut folders: Vec<&Path> = path.ancestors().skip(1).filter(|f| f.parent().is_some()).collect();
        folders.reverse();
        folders.into_iter().for_each(|folder| assert!(disk.create_dir(folder).is_ok()));
        disk.create(&path).unwrap().write_all(bytes).unwrap();
    }
    for folder in ["log", "manifest", "parts", "hidden", "series", "rollups", "runs", "writers"] {
        disk.create_dir(&Path::new(STORE).join(folder)).unwrap();
    }
    disk
}

fn open(disk: &SimVfs, read_only: bool) -> tidalite::Result<Store> {
    options().read_only(read_only).vfs(Arc::new(disk.clone())).open(STORE)
}

/// Stores with files of every kind: one whose logs are not flushed, and one where they were, so that it has a writer table.
fn bases() -> [StoreFiles; 2] {
    let first = crate::golden::store_files();
    let disk = disk_with(&first);
    let store = open(&disk, false).unwrap();
    store.flush().unwrap();
    let run = store.run("late").start().unwrap();
    run.log(0, &[("loss", 1.0)]).unwrap();
    run.finish().unwrap();
    store.flush().unwrap();
    store.close().unwrap();
    let mut files = BTreeMap::new();
    super::sample::collect_files(&disk, Path::new(STORE), &mut files);
    let below = |(path, bytes): (PathBuf, Vec<u8>)| (path.strip_prefix(STORE).unwrap().to_path_buf(), bytes);
    let mut second: StoreFiles = files.into_iter().map(below).collect();
    second.retain(|path, _| !path.ends_with("reserve"));
    assert!(second.keys().any(|path| path.starts_with("writers")), "{:?}", second.keys());
    [first, second]
}

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ForgedOutcome {
    /// An answer was refused.
    Refused,
    /// `verify` finds something, and no answer is refused.
    Reported,
    /// Another store with sound files.
    Accepted,
}

/// Asks everything of a store, and changes it. Returns the errors.
fn use_all(disk: &SimVfs, read_only: bool) -> (Vec<Error>, bool) {
    let mut errors = Vec::new();
    let store = match open(disk, read_only) {
        Ok(store) => store,
        Err(e) => return (vec![e], false),
    };
    let is_sound = match store.verify() {
        Ok(report) => report.is_sound(),
        Err(e) => {
            errors.push(e);
            false
        }
    };
    ask_all(&store, &mut errors);
    if !read_only {
        let thin = Thin::new().run("train").buckets(8).bucket_points(3);
        let jobs: [&dyn Fn() -> tidalite::Result<()>; 5] = [
            &|| store.run("new").start()?.log(0, &[("loss", 1.0)]).map(drop),
            &|| store.flush().map(drop),
            &|| store.compact().map(drop),
            &|| store.thin(&thin).map(drop),
            &|| store.select().points()?.collect().map(drop),
        ];
        errors.extend(jobs.into_iter().filter_map(|job| job().err()));
    }
    (errors, is_sound)
}

/// Verifies a store, reads all that is left of it, and sums it up. Returns the errors.
fn read_alone(disk: &SimVfs) -> (Vec<Error>, bool) {
    let mut errors = Vec::new();
    let read = || -> tidalite::Result<bool> {
        let store = open(disk, true)?;
        let is_sound = store.verify()?.is_sound();
        let snapshot = store.snapshot()?.on_damage(OnDamage::Report);
        snapshot.runs()?;
        snapshot.select().repeats(Repeats::All).points()?.collect()?;
        snapshot.select().aggregate(&[Aggregate::Mean, Aggregate::Last], &[By::StepBucket(64)])?;
        Ok(is_sound)
    };
    let is_sound = read().map_err(|e| errors.push(e)).unwrap_or(false);
    (errors, is_sound)
}

fn ask_all(store: &Store, errors: &mut Vec<Error>) {
    let snapshot = match store.snapshot() {
        Ok(snapshot) => snapshot,
        Err(e) => return errors.push(e),
    };
    let whole = || snapshot.select().repeats(Repeats::All);
    type Reading = fn(Selection) -> tidalite::Result<()>;
    let asks: [Reading; 9] = [
        |s| s.points()?.collect().map(drop),
        |s| s.on_damage(OnDamage::Report).points()?.collect().map(drop),
        |s| s.summaries().map(drop),
        |s| {
            let all = [Aggregate::Mean, Aggregate::Last, Aggregate::Max, Aggregate::Sum];
            s.aggregate(&all, &[By::Metric, By::StepBucket(64)]).map(drop)
        },
        |s| s.repeats(Repeats::Last).chart(10).map(drop),
        |s| s.repeats(Repeats::Last).steps(5..40).align(AlignOn::Step, Fill::None).map(drop),
        |s| s.repeats(Repeats::Last).over(XAxis::Elapsed).points().map(drop),
        |s| s.repeats(Repeats::Last).latest().map(drop),
        |s| s.follow()?.poll().map(drop),
    ];
    errors.extend(asks.into_iter().filter_map(|ask| ask(whole()).err()));
    let lists = [
        snapshot.runs().map(drop),
        snapshot.metrics().map(drop),
        snapshot.stats().map(drop),
        snapshot.bytes_by_metric().map(drop),
    ];
    errors.extend(lists.into_iter().filter_map(Result::err));
    let _ = (snapshot.recovery(), snapshot.damage());
}

/// The forgery of a case, and the file that it changes.
fn forgery(random: &mut Random, files: &StoreFiles) -> (Forgery, PathBuf) {
    let is_there = |forgery: &&Forgery| files.keys().any(|path| forgery.fits(path));
    let there: Vec<&Forgery> = Forgery::ALL.iter().filter(is_there).collect();
    let forgery = *there[mutate::pick(random, there.len())];
    let fitting: Vec<&PathBuf> = files.keys().filter(|path| forgery.fits(path)).collect();
    (forgery, fitting[mutate::pick(random, fitting.len())].clone())
}

/// A forged file in a store whose checksums all match.
fn forged_case(bases: &[StoreFiles; 2], case: u64) -> Result<(String, ForgedOutcome), String> {
    let mut random = Random::new(case);
    let mut files = bases[mutate::pick(&mut random, 2)].clone();
    let (forgery, path) = forgery(&mut random, &files);
    forgery.apply(&mut random, &mut files, &path, true);
    let disk = disk_with(&files);
    // The log of a process that lives is read in another way.
    let lives = forgery == Forgery::Log && random.below(2) == 0;
    let lock = Path::new(STORE).join(path.with_file_name("lock"));
    let _held = lives.then(|| disk.lock(&lock, LockMode::Exclusive).unwrap());
    let (errors, is_sound) = match case < READ_ALONE_FROM {
        true => use_all(&disk, random.below(3) == 0),
        false => read_alone(&disk),
    };
    let expected = [ErrorKind::Corrupt, ErrorKind::NotFound, ErrorKind::Unsupported, ErrorKind::Invalid];
    let is_expected = |e: &&Error| expected.contains(&e.kind()) || (lives && e.kind() == ErrorKind::Busy);
    if let Some(e) = errors.iter().find(|e| !is_expected(e)) {
        return Err(format!("{forgery:?} {path:?}: {e:?}"));
    }
    let outcome = match (errors.is_empty(), is_sound) {
        (false, _) => ForgedOutcome::Refused,
        (true, false) => ForgedOutcome::Reported,
        (true, true) => ForgedOutcome::Accepted,
    };
    Ok((format!("{forgery:?}"), outcome))
}

/// The same changes with checksums that do not match.
fn damaged_case(golden: &Golden, case: u64) -> Result<(String, DamageOutcome), String> {
    let mut random = Random::new(case);
    let below = |(path, bytes): (&PathBuf, &Vec<u8>)| {
        (path.strip_prefix(tidalite_testkit::STORE).unwrap().to_path_buf(), bytes.clone())
    };
    let mut files: StoreFiles = golden.files.iter().map(below).collect();
    let (forgery, path) = forgery(&mut random, &files);
    forgery.apply(&mut random, &mut files, &path, false);
    let bytes = files.remove(&path).unwrap();
    let path = Path::new(tidalite_testkit::STORE).join(path);
    if bytes == golden.files[&path] {
        return Ok((kind_of(&path), DamageOutcome::Harmless));
    }
    let damage = Damage::new("forged", &path, Change::Bytes(bytes));
    let (seen, _store) = look(golden, &damage.apply(golden), case.is_multiple_of(2));
    let outcome = judge(golden, &damage, &seen).map_err(|what| format!("{forgery:?} {path:?}: {what}"))?;
    Ok((kind_of(&path), outcome))
}

/// Runs cases on all threads, and counts what became of them.
fn run<T: Ord + Send>(
    name: &'static str,
    cases: Range<u64>,
    one: impl Fn(u64) -> Result<(String, T), String> + Sync,
) -> BTreeMap<(String, T), u64> {
    let chosen = std::env::var("TIDALITE_HOSTILE").ok().map(|case| case.parse::<u64>().unwrap());
    let (first, end) = chosen.map_or((cases.start, cases.end), |case| (case, case + 1));
    let (next, outcomes) = (AtomicU64::new(first), Mutex::new(BTreeMap::new()));
    let wrong = Mutex::new(Vec::new());
    let work = || {
        let watched = watch::CaseWatch::new(name);
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= end || wrong.lock().unwrap().len() > 10 {
                return;
            }
            allocation::take_largest_here();
            watched.begin(case);
            let done = catch_unwind(AssertUnwindSafe(|| one(case)));
            watched.end();
            let largest = allocation::take_largest_here();
            let told = match done {
                _ if largest > ALLOCATION_MAX => Err(format!("{largest} bytes were allocated at once")),
                Ok(told) => told,
                Err(_) => Err("panic".to_string()),
            };
            match told {
                Ok(outcome) => *outcomes.lock().unwrap().entry(outcome).or_insert(0) += 1,
                Err(what) => wrong.lock().unwrap().push(format!("TIDALITE_HOSTILE={case}: {what}")),
            }
        }
    };
    std::thread::scope(|s| {
        (1..threads()).for_each(|_| drop(s.spawn(work)));
        work();
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    outcomes.into_inner().unwrap()
}

fn cases() -> u64 {
    if factor() > 1 { CASES_LONG } else { CASES }
}

#[test]
fn forged_files_whose_checksums_match_cause_no_panic_no_loop_and_no_large_allocation() {
    let bases = bases();
    let outcomes = run("forged", 0..cases(), |case| forged_case(&bases, case));
    note(&format!("forged files with right checksums: {} stores, {outcomes:?}", cases()));
}

#[test]
fn many_more_forged_files_are_read_without_a_panic_a_loop_or_a_large_allocation() {
    let bases = bases();
    let stores = READ_ALONE * cases();
    let numbers = READ_ALONE_FROM..READ_ALONE_FROM + stores;
    let outcomes = run("forged and read", numbers, |case| forged_case(&bases, case));
    note(&format!("forged files with right checksums, read alone: {stores} stores, {outcomes:?}"));
}

#[test]
fn the_same_changes_with_wrong_checksums_are_found_or_harmless() {
    let golden = golden();
    let outcomes = run("forged with wrong checksums", 0..cases() / 4, |case| damaged_case(&golden, case));
    note(&format!("forged files with wrong checksums: {} stores, {outcomes:?}", cases() / 4));
}

/// Otherwise the forger's own mistakes would be what is refused.
#[test]
fn files_that_are_taken_apart_and_put_together_again_are_sound() {
    for mut files in bases() {
        let paths: Vec<PathBuf> = files.keys().cloned().collect();
        for path in paths {
            let bytes = files[&path].clone();
            let (again, footer) = match Forgery::ALL.iter().find(|forgery| forgery.fits(&path)) {
                Some(Forgery::Log) => (tidalite_testkit::LogSegment::parse(&bytes).unwrap().to_bytes(), None),
                Some(Forgery::Text) => {
                    let (kind, text) = tidalite_testkit::sealed_text(&bytes).unwrap();
                    (tidalite_testkit::seal(&kind, &text), None)
                }
                Some(Forgery::Pages) => {
                    let (bytes, footer) = PagedFile::parse(&bytes).unwrap().to_bytes().unwrap();
                    (bytes, Some(footer))
                }
                _ => continue,
            };
            assert!(footer.is_some() || again == bytes, "{path:?}");
            files.insert(path.clone(), again);
            tidalite_testkit::name_again(&mut files, &path, footer);
        }
        let (errors, is_sound) = use_all(&disk_with(&files), true);
        assert!(errors.is_empty() && is_sound, "{errors:?}");
    }
}
