//! SIGKILL at any moment loses nothing accepted, needs no repair and leaves no lock (T3).
//!
//! Method: rounds on a real file system. Two processes log to one run and report each step after `log` returned, one flushes
//! and compacts without pause, one reads and checks. They are killed one by one at random moments, so that the others go
//! on next to a dead process. After each round every reported row is there, whole, exactly once and without a gap. The
//! store reads before any process has written to it again, and reading changes no file.

use crate::process::{Player, say};
use crate::{factor, note};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tidalite::{Options, Point, Repeats, SeriesKey, Status, Store, Thin};
use tidalite_testkit::{NameTest, Question, Random, points, select, sound};
use tidalite_vfs::{LockMode, RealVfs, Vfs};

/// Rounds of the short run.
const ROUNDS: usize = 120;

fn options() -> Options {
    // Small segments, so that rotation is met too. Everything else is the default.
    Options::new().threads(1).segment_bytes(4096, 64 << 10)
}

/// Logs rows of two metrics without end. The argument is `<run> <rank>`.
pub(crate) fn writer(path: &Path, arg: &str) {
    let (run, rank) = arg.split_once(' ').unwrap();
    let store = options().open(path).unwrap();
    let run = store.run(run).label("rank", rank).start().unwrap();
    for step in 0.. {
        run.log(step, &[("up", step as f64), ("down", -step as f64)]).unwrap();
        say(step);
        if step > 3000 {
            // It was not killed yet, and has written enough.
            std::thread::sleep(Duration::from_micros(500));
        }
    }
}

/// Flushes and compacts without end.
pub(crate) fn maintainer(path: &Path) {
    let store = options().open(path).unwrap();
    for round in 0.. {
        let done = if round % 4 == 3 { store.compact().map(|_| ()) } else { store.flush().map(|_| ()) };
        done.unwrap();
        say(round);
    }
}

/// Thins all finished runs without end, into other buckets each time.
pub(crate) fn thinner(path: &Path) {
    let store = options().open(path).unwrap();
    for round in 0.. {
        let what = Thin::new().matching("*").buckets(256 >> (round % 4)).bucket_points(1);
        store.thin(&what).unwrap();
        say(round);
    }
}

/// Reads a run without end and checks that no row is torn, duplicated or lost again.
pub(crate) fn reader(path: &Path, run: &str) {
    let store = options().read_only(true).open(path).unwrap();
    let mut before = BTreeMap::new();
    for round in 0.. {
        let counts = steps_by_rank(&store, run).unwrap_or_else(|e| panic!("{e}"));
        for (rank, count) in &before {
            assert!(
                counts.get(rank) >= Some(count),
                "rank {rank} had {count} rows, and has {:?}",
                counts.get(rank)
            );
        }
        before = counts;
        say(round);
    }
}

/// How many steps each rank has logged: all from 0 on, each once, with both metrics.
pub(crate) fn steps_by_rank(store: &Store, run: &str) -> Result<BTreeMap<String, usize>, String> {
    let ask = Question { runs: vec![NameTest::Exact(run.into())], ..Question::all(Repeats::All) };
    let found = points(&select(store.select(), &ask)).map_err(|e| e.to_string())?;
    let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for series in found.chunk_by(|a, b| a.0 == b.0) {
        let key: &SeriesKey = &series[0].0;
        let sign = if &*key.metric == "up" { 1.0 } else { -1.0 };
        let fits =
            |(i, (_, p)): (usize, &(SeriesKey, Point))| p.step == i as i64 && p.value == sign * i as f64;
        if let Some(at) = series.iter().enumerate().position(|s| !fits(s)) {
            return Err(format!("{key:?}: at place {at} is {:?}", series[at].1));
        }
        counts
            .entry(key.labels.get("rank").unwrap())
            .or_default()
            .insert(key.metric.to_string(), series.len());
    }
    let whole = |(rank, by_metric): (String, BTreeMap<String, usize>)| {
        let (up, down) = (by_metric.get("up"), by_metric.get("down"));
        if up == down {
            Ok((rank, *up.unwrap()))
        } else {
            Err(format!("rank {rank} has {by_metric:?}: a row is not whole"))
        }
    };
    counts.into_iter().map(whole).collect()
}

/// Names and lengths of all files.
fn files(path: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path().to_str().unwrap().to_string(), entry.metadata().unwrap().len());
        }
    }
    found
}

/// Updates the rows that one writer has reported.
fn hear(told: &mut BTreeMap<String, usize>, name: &str, lines: &[String]) {
    if let (Some(last), Some(count)) = (lines.last(), told.get_mut(name)) {
        *count = last.parse::<usize>().unwrap() + 1;
    }
}

/// Four processes at work on one run, killed one by one; gives how many rows each writer has reported.
fn kill_round(path: &Path, run: &str, random: &mut Random) -> BTreeMap<String, usize> {
    let writer =
        |rank: &str| (rank.to_string(), Player::start("kill writer", path, &format!("{run} {rank}")));
    let mut crew = vec![writer("0"), writer("1")];
    crew.push(("maintainer".into(), Player::start("kill maintainer", path, "")));
    crew.push(("reader".into(), Player::start("kill reader", path, run)));
    let mut told = BTreeMap::from([("0".to_string(), 0), ("1".to_string(), 0)]);
    let rows = 1 + random.below(300);
    for (name, player) in &crew[..2] {
        for _ in 0..rows {
            let line = player.line().expect("a writer writes until it is killed");
            hear(&mut told, name, &[line]);
        }
    }
    let mut first = true;
    while !crew.is_empty() {
        // A moment between two lines.
        std::thread::sleep(Duration::from_micros(random.below(2000)));
        let (name, victim) = crew.swap_remove(usize::try_from(random.below(crew.len() as u64)).unwrap());
        hear(&mut told, &name, &victim.kill());
        if first && random.below(3) == 0 {
            for (name, player) in &crew {
                hear(&mut told, name, &player.heard());
                for _ in 0..3 {
                    let line = player
                        .line()
                        .unwrap_or_else(|| panic!("{name} waits or died next to a dead process"));
                    hear(&mut told, name, &[line]);
                }
            }
        }
        first = false;
    }
    told
}

/// Checks that every reported row is there, nothing is locked, and reading needs no repair. Gives the rows of each rank.
fn check_round(path: &Path, run: &str, told: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    let before = files(path);
    let store = options().read_only(true).open(path).unwrap();
    let counts = steps_by_rank(&store, run).unwrap_or_else(|e| panic!("{run}: {e}"));
    for (rank, &told) in told {
        let count = counts.get(rank).copied().unwrap_or(0);
        // The last row may have been accepted and not reported.
        assert!(
            count == told || count == told + 1,
            "{run}, rank {rank}: {told} rows were reported, {count} are there"
        );
    }
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.run(run).unwrap().status, Status::Lost);
    assert_eq!(snapshot.stats().unwrap().writers_alive, 0);
    sound(&snapshot.recovery()).unwrap();
    drop((snapshot, store));
    assert_eq!(files(path), before, "reading changes no file");
    let lock = RealVfs::new().lock(&path.join("lock"), LockMode::Exclusive).unwrap();
    assert!(lock.is_some(), "a dead process holds the store's lock");
    counts
}

#[test]
fn nothing_accepted_is_lost_when_processes_are_killed_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    // Readers do not make a store.
    drop(options().open(&path).unwrap());
    let mut random = Random::new(std::process::id().into());
    let mut rounds: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut rows = 0;
    for round in 0..ROUNDS * factor() {
        let run = format!("round-{round}");
        let told = kill_round(&path, &run, &mut random);
        rows += told.values().sum::<usize>();
        rounds.insert(run.clone(), check_round(&path, &run, &told));
        if round % 20 == 19 {
            // Rows of earlier rounds are still there after many flushes and compactions.
            let store = options().open(&path).unwrap();
            store.compact().unwrap();
            for (run, counts) in &rounds {
                assert_eq!(steps_by_rank(&store, run).as_ref(), Ok(counts), "{run}");
            }
            sound(&store.verify().unwrap()).unwrap();
        }
    }
    note(&format!("SIGKILL: {} rounds, {rows} rows were acknowledged and are there", ROUNDS * factor()));
}

/// Rows of a run that is thinned.
const OLD_ROWS: i64 = 2000;

/// Checks that every total of every run is unchanged; gives how many points of the last run are left.
fn check_thinned(path: &Path, runs: usize) -> usize {
    let store = options().read_only(true).open(path).unwrap();
    let summaries = store.select().summaries().unwrap();
    assert_eq!(summaries.len(), 2 * runs);
    for (key, summary) in summaries {
        let sign = if &*key.metric == "up" { 1.0 } else { -1.0 };
        let last = (OLD_ROWS - 1) as f64;
        let ends = [summary.first, summary.last].map(|p| p.map(|p| (p.step, p.value)));
        assert_eq!(summary.count, OLD_ROWS.cast_unsigned(), "{key:?}");
        // Whole numbers, whose sums are exact.
        assert_eq!(summary.sum(), Some(sign * last * OLD_ROWS as f64 / 2.0), "{key:?}");
        assert_eq!(ends, [Some((0, 0.0 * sign)), Some((OLD_ROWS - 1, sign * last))], "{key:?}");
    }
    // Wider buckets than any that is kept.
    for (key, chart) in store.select().chart(4).unwrap() {
        let count: u64 = chart.buckets.iter().map(|bucket| bucket.count).sum();
        assert_eq!(count, OLD_ROWS.cast_unsigned(), "{key:?}");
    }
    sound(&store.verify().unwrap()).unwrap();
    let last =
        Question { runs: vec![NameTest::Exact(format!("old-{}", runs - 1))], ..Question::all(Repeats::All) };
    points(&select(store.select(), &last)).unwrap().len()
}

#[test]
fn a_thinning_that_is_killed_at_any_moment_leaves_every_total_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut random = Random::new(std::process::id().into());
    let (mut whole, mut thinned) = (0, 0);
    let rounds = ROUNDS / 4 * factor();
    for round in 0..rounds {
        let store = options().open(&path).unwrap();
        let run = store.run(format!("old-{round}")).start().unwrap();
        for step in 0..OLD_ROWS {
            run.log(step, &[("up", step as f64), ("down", -step as f64)]).unwrap();
        }
        run.finish().unwrap();
        drop((run, store));
        let thinner = Player::start("kill thinner", &path, "");
        if round % 3 == 0 {
            // After one full pass, so that thinnings of thinned runs are killed too.
            thinner.line().expect("it thins until it is killed");
        }
        std::thread::sleep(Duration::from_micros(random.below(50_000)));
        thinner.kill();
        if check_thinned(&path, round + 1) == 2 * OLD_ROWS as usize {
            whole += 1;
        } else {
            thinned += 1;
        }
    }
    note(&format!("thinnings killed: {rounds}; nothing was thinned yet after {whole}"));
    assert!(thinned > 0, "some have come to something");
}
