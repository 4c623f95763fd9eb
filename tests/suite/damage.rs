//! Damage is an error that names the file, or a report that does, or harmless: never a wrong number unsaid (T4).
//!
//! Method: a small store is made once (two runs, two parts, two versions of the manifest, a run table, the unflushed log of
//! a dead writer with a durable and an undurable end). Then each file is damaged in one place at a time (a flipped bit, a
//! zeroed block, a cut, junk behind it, the file gone, doubled or renamed), and each damaged store is opened, read in
//! every way and verified. An allocator watches that no damage asks for much memory.

use crate::allocation;
use crate::{factor, note, threads};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tidalite::{
    Error, ErrorKind, Finding, FindingKind, History, Options, Point, Repeats, RunInfo, SeriesKey, Store,
};
use tidalite_testkit::{
    Answer, Ask, Machine, Op, Oracle, Random, STORE, bits, check_state, points, same, same_runs, select,
    summaries, survivors,
};
use tidalite_vfs::{SimVfs, Survive, Vfs};

/// No damage may make anybody ask for more at once.
const ALLOCATION_MAX: usize = 64 << 20;

struct Golden {
    disk: SimVfs,
    oracle: Oracle,
    answer: Answer,
    runs: Vec<RunInfo>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

fn options() -> Options {
    Options::new().background(false).threads(1).segment_bytes(4096, 8192).tile_rows(64).rollups(4, 16)
}

fn rows(run: usize, steps: std::ops::Range<i64>) -> impl Iterator<Item = Op> {
    let value = move |step: i64| step.cast_unsigned() + 1000 * u64::try_from(run).unwrap();
    steps.map(move |step| Op::Row {
        store: 0,
        run,
        metrics: (0, 3),
        labels: 0,
        step: Some(step),
        value: value(step),
    })
}

fn golden() -> Golden {
    let mut ops: Vec<Op> =
        vec![Op::Start { store: 0, run: 0, about: 5 }, Op::Start { store: 0, run: 1, about: 6 }];
    ops.extend(rows(0, 0..50));
    ops.extend([Op::Flush { store: 0 }, Op::Hold { store: 0 }, Op::Batch { store: 0, rows: 60, seed: 4 }]);
    // The held snapshot keeps the version before alive.
    ops.extend([Op::Change { store: 0, run: 1, about: 12 }, Op::Flush { store: 0 }, Op::Kill]);
    ops.extend(rows(1, 0..40));
    ops.push(Op::Sync { store: 0 });
    ops.extend(rows(0, 45..60));
    ops.push(Op::Sync { store: 0 });
    ops.extend(rows(1, 40..50));
    ops.push(Op::Kill);
    let mut machine = Machine::new(7, 1, options());
    machine.run(&ops).map_err(|(i, f)| (i, f.text())).unwrap();
    let disk = machine.disk().crash(Survive::All);
    let oracle = machine.oracle().clone();
    check_state(&disk, &oracle, &options()).unwrap();
    let mut files = BTreeMap::new();
    collect_files(&disk, Path::new(STORE), &mut files);
    let count = |part: &str| files.keys().filter(|p| p.to_str().unwrap().contains(part)).count();
    assert_eq!((count("/manifest/"), count("/parts/"), count("/series/")), (2, 2, 2), "{:?}", files.keys());
    assert!(count("/rollups/") >= 1, "{:?}", files.keys());
    assert!(count(".seg") >= 2 && count("/runs/") >= 1, "{:?}", files.keys());
    Golden {
        answer: oracle.answer(&Ask::all(Repeats::All)),
        runs: oracle.runs(|_| false),
        disk,
        oracle,
        files,
    }
}

fn collect_files(disk: &SimVfs, dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for name in disk.read_dir(dir).unwrap() {
        let path = dir.join(name);
        if disk.stat(&path).unwrap().unwrap().is_dir {
            collect_files(disk, &path, files);
        } else {
            files.insert(path.clone(), read(disk, &path));
        }
    }
}

fn read(disk: &SimVfs, path: &Path) -> Vec<u8> {
    let file = disk.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

/// One damage: what the file holds then, and where.
struct Damage {
    what: String,
    /// The file that an error or report must name.
    path: PathBuf,
    change: Change,
    /// Whether it is one flipped bit, so that the loss is bounded.
    one_bit: bool,
}

enum Change {
    Bytes(Vec<u8>),
    Gone,
    Doubled(PathBuf),
    Renamed(PathBuf),
}

impl Damage {
    fn new(what: impl Into<String>, path: &Path, change: Change) -> Self {
        Damage { what: what.into(), path: path.to_path_buf(), change, one_bit: false }
    }

    fn apply(&self, golden: &Golden) -> SimVfs {
        let disk = golden.disk.kill();
        let put = |path: &Path, bytes: &[u8]| {
            disk.remove(path).unwrap();
            disk.create(path).unwrap().write_all(bytes).unwrap();
        };
        match &self.change {
            Change::Bytes(bytes) => put(&self.path, bytes),
            Change::Gone => disk.remove(&self.path).unwrap(),
            Change::Doubled(to) => put(to, &golden.files[&self.path]),
            Change::Renamed(to) => {
                put(to, &golden.files[&self.path]);
                disk.remove(&self.path).unwrap();
            }
        }
        disk
    }
}

/// What somebody sees who reads a store in every way.
#[derive(Default)]
struct Seen {
    errors: Vec<Error>,
    findings: Vec<Finding>,
    points: Option<Vec<(SeriesKey, Point)>>,
    runs: Option<Vec<RunInfo>>,
    /// A wrong number.
    wrong: Option<String>,
}

fn grouped(points: &[(SeriesKey, Point)]) -> Answer {
    points
        .chunk_by(|a, b| a.0 == b.0)
        .map(|of| (of[0].0.clone(), of.iter().map(|(_, p)| *p).collect()))
        .collect()
}

fn look(golden: &Golden, disk: &SimVfs, read_only: bool) -> (Seen, Option<Store>) {
    let mut seen = Seen::default();
    let opened = options().read_only(read_only).vfs(Arc::new(disk.clone())).open(STORE);
    let store = match opened {
        Ok(store) => store,
        Err(e) => {
            seen.errors.push(e);
            return (seen, None);
        }
    };
    match store.verify(&|_, _| {}) {
        Ok(report) => seen.findings.extend(report.findings),
        Err(e) => seen.errors.push(e),
    }
    match store.snapshot() {
        Ok(snapshot) => {
            seen.findings.extend(snapshot.recovery().findings);
            seen.runs = Some(snapshot.runs());
            match points(&select(snapshot.select(), &Ask::all(Repeats::All))) {
                Ok(points) => seen.points = Some(points),
                Err(e) => seen.errors.push(e),
            }
            // Summaries are those of the points, or an error.
            let expected = seen.points.as_ref().map_or_else(|| golden.answer.clone(), |p| grouped(p));
            match summaries(
                &snapshot.select().repeats(Repeats::All).history(History::Own),
                &expected,
                &BTreeSet::new(),
            ) {
                Ok(fits) => seen.wrong = fits.err(),
                Err(e) => seen.errors.push(e),
            }
            if let Err(e) = snapshot.stats() {
                seen.errors.push(e);
            }
        }
        Err(e) => seen.errors.push(e),
    }
    (seen, Some(store))
}

/// What came of one damage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Outcome {
    Refused,
    Reported,
    Harmless,
}

/// Judges what was seen; the text says what is wrong.
fn judge(golden: &Golden, damage: &Damage, seen: &Seen) -> Result<Outcome, String> {
    if let Some(wrong) = &seen.wrong {
        return Err(wrong.clone());
    }
    let name = damage.path.file_name().unwrap().to_str().unwrap();
    let named = |text: &str, path: Option<&Path>| text.contains(name) || path == Some(&damage.path);
    for e in &seen.errors {
        let of_a_kind = matches!(
            e.kind(),
            ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::Invalid
        );
        // A folder without its marker is no store: then the folder is what an error can name.
        let by_folder = name == "TIDALITE" && e.path() == Some(Path::new(STORE));
        if !of_a_kind || !(named(&e.to_string(), e.path()) || by_folder) {
            return Err(format!("the error does not name the file, or is of a wrong kind: {e:?}"));
        }
    }
    // A segment that is gone is named by its writer's folder.
    let gone = matches!(damage.change, Change::Gone | Change::Renamed(_));
    let by_parent = |f: &Finding| {
        gone && f.kind == FindingKind::Missing && Some(f.path.as_path()) == damage.path.parent()
    };
    let reported = seen.findings.iter().any(|f| named(&f.message, Some(&f.path)) || by_parent(f));
    if let Some(strange) = seen.findings.iter().find(|f| !named(&f.message, Some(&f.path)) && !by_parent(f)) {
        // What a damaged file says of others is found in these: a part by its manifest, a segment by its neighbour.
        if strange.path.parent() != damage.path.parent() && kind_of(&damage.path) != "manifest" {
            return Err(format!("a report names another file: {strange:?}"));
        }
    }
    let exact_points = seen.points.as_ref().is_none_or(|p| same(&golden.answer, p).is_ok());
    let exact_runs = seen.runs.as_ref().is_none_or(|r| same_runs(&golden.runs, r).is_ok());
    if let Some(found) = &seen.points {
        no_wrong_point(golden, found)?;
        if !exact_points {
            bounded_loss(golden, damage, seen, found)?;
        }
    }
    let complete = exact_points && exact_runs;
    if !complete && !reported && seen.errors.is_empty() {
        return Err("something is missing, and nothing says so".into());
    }
    if !complete && !reported && seen.points.is_some() && !exact_points {
        return Err(format!(
            "points are missing, and only an error elsewhere speaks of it: {:?}",
            seen.errors
        ));
    }
    Ok(match (seen.errors.is_empty(), reported) {
        (false, _) => Outcome::Refused,
        (true, true) => Outcome::Reported,
        (true, false) => Outcome::Harmless,
    })
}

/// Every point found is one that was written, as often as it was written.
fn no_wrong_point(golden: &Golden, found: &[(SeriesKey, Point)]) -> Result<(), String> {
    let mut left: BTreeMap<_, usize> = BTreeMap::new();
    golden
        .answer
        .iter()
        .flat_map(|(k, ps)| ps.iter().map(move |p| bits(k, p)))
        .for_each(|b| *left.entry(b).or_default() += 1);
    for (key, p) in found {
        match left.get_mut(&bits(key, p)) {
            Some(n) if *n > 0 => *n -= 1,
            _ => return Err(format!("a point that was never written, or twice one that was: {key:?} {p:?}")),
        }
    }
    Ok(())
}

/// One flipped bit costs one frame where the place was durable, and else the end of the log, from there on.
fn bounded_loss(
    golden: &Golden,
    damage: &Damage,
    seen: &Seen,
    found: &[(SeriesKey, Point)],
) -> Result<(), String> {
    if !damage.one_bit {
        return Ok(());
    }
    let times = |points: &mut dyn Iterator<Item = i64>| points.collect::<BTreeSet<i64>>();
    let there = times(&mut found.iter().map(|(_, p)| p.time_us));
    let all = times(&mut golden.answer.iter().flat_map(|(_, ps)| ps.iter().map(|p| p.time_us)));
    let lost: Vec<i64> = all.difference(&there).copied().collect();
    let damaged = seen.findings.iter().any(|f| f.kind.is_damage());
    if damaged && lost.len() > 1 {
        return Err(format!("one bit cost {} units: {lost:?}", lost.len()));
    }
    if !damaged {
        // A torn tail is a prefix of what was not durable.
        let mut bare = Oracle::new();
        for unit in golden.oracle.units() {
            bare.accept(unit.seq, unit.what.clone());
        }
        survivors(&bare, found, seen.runs.as_deref().unwrap_or_default())
            .map_err(|e| format!("no prefix: {e}"))?;
    }
    Ok(())
}

/// What kind of file it is: the folder it lies in.
fn kind_of(path: &Path) -> String {
    let below = path.strip_prefix(STORE).unwrap();
    below.components().next().unwrap().as_os_str().to_str().unwrap().to_string()
}

/// Applies and judges each damage, on all threads; gives how many had each outcome, by kind of file.
fn inflict(golden: &Golden, damages: &[Damage]) -> BTreeMap<(String, Outcome), usize> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(damage) = damages.get(next.fetch_add(1, Ordering::Relaxed)) {
            let at = next.load(Ordering::Relaxed);
            let one = || {
                let disk = damage.apply(golden);
                let (seen, _store) = look(golden, &disk, at % 2 == 0);
                let outcome = judge(golden, damage, &seen)?;
                if at.is_multiple_of(7) {
                    change_nothing_unsaid(golden, damage, disk, &seen)?;
                }
                Ok::<_, String>(outcome)
            };
            match catch_unwind(AssertUnwindSafe(one)) {
                Ok(Ok(outcome)) => {
                    *outcomes.lock().unwrap().entry((kind_of(&damage.path), outcome)).or_default() += 1
                }
                Ok(Err(what)) => {
                    wrong.lock().unwrap().push(format!("{} {:?}: {what}", damage.what, damage.path))
                }
                Err(_) => wrong.lock().unwrap().push(format!("{} {:?}: panic", damage.what, damage.path)),
            }
            if wrong.lock().unwrap().len() > 20 {
                return;
            }
        }
    };
    std::thread::scope(|s| {
        (1..threads()).for_each(|_| drop(s.spawn(work)));
        work();
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), damages.len(), wrong.join("\n"));
    let largest = allocation::largest();
    assert!(largest <= ALLOCATION_MAX, "somebody asked for {largest} bytes at once");
    outcomes.into_inner().unwrap()
}

/// Flushing and compacting a damaged store gives an error or loses nothing more than reading it did, and what was reported
/// of a log before is still reported after.
fn change_nothing_unsaid(
    golden: &Golden,
    damage: &Damage,
    disk: SimVfs,
    before: &Seen,
) -> Result<(), String> {
    let Ok(store) = options().vfs(Arc::new(disk.clone())).open(STORE) else { return Ok(()) };
    let changed = store.flush().map(|_| ()).and_then(|()| store.compact().map(|_| ()));
    drop(store);
    let (after, _store) = look(golden, &disk, true);
    if let (Some(was), Some(is)) = (&before.points, &after.points) {
        let all = |p: &[(SeriesKey, Point)]| {
            let mut all: Vec<_> = p.iter().map(|(k, p)| bits(k, p)).collect();
            all.sort();
            all
        };
        if all(was) != all(is) {
            return Err(format!(
                "{} points before a flush are {} after it ({changed:?})",
                was.len(),
                is.len()
            ));
        }
    }
    let log_damage = |seen: &Seen| {
        seen.findings.iter().any(|f| f.kind.is_damage() && f.path.starts_with(Path::new(STORE).join("log")))
    };
    if log_damage(before) && !log_damage(&after) && damage.path.extension().is_some_and(|e| e == "seg") {
        let evidence = disk.stat(&damage.path).unwrap().is_some()
            || matches!(damage.change, Change::Gone | Change::Renamed(_));
        if !evidence {
            return Err("the damaged log is deleted".into());
        }
    }
    no_wrong_point(golden, after.points.as_deref().unwrap_or_default())
}

#[test]
fn a_flipped_bit_anywhere_is_found_or_harmless() {
    let golden = golden();
    let mut random = Random::new(11);
    let mut damages = Vec::new();
    for (path, bytes) in &golden.files {
        let stride = if bytes.len() <= 2048 || factor() > 1 { 1 } else { 7 };
        let mut at = usize::try_from(random.below(stride)).unwrap();
        while at < bytes.len() {
            let bit = random.below(8);
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let mut damage = Damage::new(format!("bit {bit} of byte {at} of"), path, Change::Bytes(bad));
            damage.one_bit = true;
            damages.push(damage);
            at += usize::try_from(if stride == 1 { 1 } else { 3 + random.below(5) }).unwrap();
        }
    }
    let outcomes = inflict(&golden, &damages);
    note(&format!("bit flips: {} in {} files, {outcomes:?}", damages.len(), golden.files.len()));
    assert!(damages.len() > 3000);
}

#[test]
fn a_flipped_bit_in_a_part_is_found_by_verify_wherever_it_is() {
    let golden = golden();
    let mut random = Random::new(12);
    let mut tried = 0;
    for (path, bytes) in &golden.files {
        if path.extension().is_none_or(|e| e != "parquet") {
            continue;
        }
        for _ in 0..150 * factor() {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            let mut bad = bytes.clone();
            bad[at] ^= 1 << random.below(8);
            let disk = Damage::new("", path, Change::Bytes(bad)).apply(&golden);
            let store = options().read_only(true).vfs(Arc::new(disk)).open(STORE).unwrap();
            let report = store.verify(&|_, _| {}).unwrap();
            assert!(
                !report.is_sound() && report.findings.iter().any(|f| f.path == *path),
                "byte {at} of {path:?}"
            );
            tried += 1;
        }
    }
    note(&format!("bit flips in parts, each found by verify: {tried}"));
}

#[test]
fn zeroed_blocks_cuts_and_junk_are_found_or_harmless() {
    let golden = golden();
    let mut random = Random::new(13);
    let mut damages = Vec::new();
    for (path, bytes) in &golden.files {
        for start in (0..bytes.len()).step_by(512) {
            let mut bad = bytes.clone();
            let end = bad.len().min(start + 512);
            bad[start..end].fill(0);
            damages.push(Damage::new(format!("zeroed block at {start} of"), path, Change::Bytes(bad)));
        }
        let stride = (bytes.len() / 40).max(1);
        for len in (0..bytes.len()).step_by(stride) {
            damages.push(Damage::new(format!("cut to {len} of"), path, Change::Bytes(bytes[..len].to_vec())));
        }
        for len in [1, 8, 511, 4096] {
            let mut bad = bytes.clone();
            bad.extend((0..len).map(|_| random.next_u64().to_le_bytes()[0]));
            damages.push(Damage::new(format!("{len} bytes of junk behind"), path, Change::Bytes(bad)));
        }
        // Numbers of all ones, where lengths may stand.
        for start in (0..bytes.len().saturating_sub(8)).step_by((bytes.len() / 60).max(1)) {
            let mut bad = bytes.clone();
            bad[start..start + 8].fill(0xff);
            damages.push(Damage::new(format!("ones at {start} of"), path, Change::Bytes(bad)));
        }
    }
    let outcomes = inflict(&golden, &damages);
    note(&format!("zeroed, cut, lengthened: {} damages, {outcomes:?}", damages.len()));
}

/// The last segment of the dead writer whose log is not flushed.
fn last_segment(golden: &Golden) -> PathBuf {
    golden.files.keys().rfind(|p| p.extension().is_some_and(|e| e == "seg")).unwrap().clone()
}

#[test]
fn files_that_are_gone_doubled_or_renamed_are_found_or_harmless() {
    let golden = golden();
    let mut damages = Vec::new();
    for path in golden.files.keys().filter(|p| **p != last_segment(&golden)) {
        damages.push(Damage::new("gone", path, Change::Gone));
        let name = path.file_name().unwrap().to_str().unwrap();
        let other = match name.split_once('.') {
            Some((stem, ext)) if stem.bytes().all(|b| b.is_ascii_digit()) => {
                let next = stem.parse::<u64>().unwrap() + 7;
                format!("{next:0width$}.{ext}", width = stem.len())
            }
            Some((stem, ext)) => format!("{}.{ext}", stem.chars().rev().collect::<String>()),
            None => format!("{name}2"),
        };
        let other = path.with_file_name(other);
        damages.push(Damage::new("doubled", path, Change::Doubled(other.clone())));
        damages.push(Damage::new("renamed", path, Change::Renamed(other)));
    }
    damages.push(Damage::new(
        "doubled",
        &last_segment(&golden),
        Change::Doubled(last_segment(&golden).with_file_name("00000009.seg")),
    ));
    // One file in the place of another of its kind.
    for kind in ["/parts/", "/series/", "/manifest/", ".seg"] {
        let of_kind: Vec<&PathBuf> =
            golden.files.keys().filter(|p| p.to_str().unwrap().contains(kind)).collect();
        for pair in of_kind.windows(2) {
            for (path, other) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                damages.push(Damage::new(
                    "another's bytes in",
                    path,
                    Change::Bytes(golden.files[other].clone()),
                ));
            }
        }
    }
    let outcomes = inflict(&golden, &damages);
    note(&format!("gone, doubled, renamed: {} damages, {outcomes:?}", damages.len()));
}
