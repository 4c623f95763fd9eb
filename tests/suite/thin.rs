//! Thinned runs (T7): sums and wide charts are unchanged, few points stay, and no answer silently differs.
//!
//! Method: a store is filled at random (dense and sparse series, several parts, late points, rewinds, NaN, ±Inf),
//! queried, thinned, and queried again. Answers that the kept buckets determine are equal. The points are the naive
//! outline of the earlier ones. The same holds after a compaction, after more writes, and after a second thinning. A
//! power cut or kill at each step of a thinning leaves the store as before it or as after it. Each flipped bit in a
//! thinned part is an error or changes nothing.

use crate::note;
use crate::rollups::{assert_same, batch, fill, open};
use arrow::array::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tidalite::{
    Aggregate, By, ErrorKind, History, Options, Point, Repeats, Selection, SeriesKey, Store, Thin, ThinStats,
};
use tidalite_testkit::{Random, points, points_of};
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Survive, Tear};

/// Wider than any bucket that is kept here.
const WIDE: u64 = 1 << 16;

fn aggregates() -> Vec<Aggregate> {
    let words = ["count", "finite", "nan", "inf", "sum", "mean", "std", "var", "min", "max", "first", "last"];
    let more = ["argmin", "argmax", "time_first", "time_last"];
    words.iter().chain(&more).map(|w| w.parse().unwrap()).collect()
}

/// What thinning into `buckets` must not change.
fn answers(select: &Selection, buckets: usize) -> Vec<RecordBatch> {
    let all = aggregates();
    let by = |by: &[By]| select.aggregate(&all, by).unwrap();
    let mut found = vec![
        by(&[By::Run, By::Metric]),
        by(&[]),
        by(&[By::Run, By::StepBucket(WIDE)]),
        by(&[By::Metric, By::StepBucket(3 * WIDE)]),
        by(&[By::TimeBucket(1 << 62)]),
        select.latest().unwrap(),
    ];
    for n in [1, 2, buckets.div_ceil(3), buckets] {
        found.push(select.chart_batch(n).unwrap());
    }
    found
}

fn assert_all_same(found: &[RecordBatch], expected: &[RecordBatch], what: &str) {
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert_same(a, b, &format!("{what}, answer {i}"));
    }
}

type SeriesLines = BTreeMap<SeriesKey, Vec<Point>>;

fn lines(select: &Selection) -> SeriesLines {
    let mut found = SeriesLines::new();
    for (key, point) in points(select).unwrap() {
        found.entry(key).or_default().push(point);
    }
    found
}

/// The outline by its definition: the first, last, least and greatest point of each bucket, and the first of each kind that
/// is not finite.
fn outline(points: &[Point], width: i64) -> Vec<Point> {
    let mut buckets: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
    points.iter().for_each(|p| buckets.entry(p.step.div_euclid(width)).or_default().push(*p));
    let mut steps = BTreeSet::new();
    for of in buckets.values() {
        let first = |is: &dyn Fn(f64) -> bool| of.iter().find(|p| is(p.value)).map(|p| p.step);
        let finite = || of.iter().map(|p| p.value).filter(|v| v.is_finite());
        let (least, greatest) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        steps.extend([of[0].step, of[of.len() - 1].step]);
        steps.extend(first(&|v| v == least && v.is_finite()));
        steps.extend(first(&|v| v == greatest && v.is_finite()));
        steps.extend(first(&f64::is_nan));
        steps.extend(first(&|v| v == f64::INFINITY));
        steps.extend(first(&|v| v == f64::NEG_INFINITY));
    }
    points.iter().filter(|p| steps.contains(&p.step)).copied().collect()
}

fn text(points: &[Point]) -> String {
    points.iter().map(|p| format!("{} {} {:x}\n", p.step, p.time_us, p.value.to_bits())).collect()
}

/// Checks that each series is unchanged, or its outline in buckets of some width; counts the outlines.
fn assert_outlined(found: &SeriesLines, before: &SeriesLines, what: &str) -> u64 {
    let mut outlined = 0;
    assert_eq!(found.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{what}");
    for (key, left) in found {
        let all = &before[key];
        if text(left) == text(all) {
            continue;
        }
        let made = (1..20).any(|shift| text(&outline(all, 1 << shift)) == text(left));
        assert!(made, "{what}: {} of {} points of {key:?} are no outline", left.len(), all.len());
        outlined += 1;
    }
    outlined
}

fn assert_sound(store: &Store, what: &str) {
    let report = store.verify().unwrap();
    assert!(report.findings.is_empty(), "{what}: {:?}", report.findings);
}

fn thin_all(buckets: usize) -> Thin {
    Thin::new().matching("*").buckets(buckets).bucket_points(3)
}

#[test]
fn a_thinned_store_answers_as_before() {
    let (mut thinned, mut left, mut again) = (0, 0, 0);
    for seed in 0..60 * crate::factor() as u64 {
        let mut r = Random::new(seed);
        let tile_rows = [64, 500, 4000][usize::try_from(r.below(3)).unwrap()];
        let (_dir, store) = open((8, 64), tile_rows);
        fill(&mut r, &[&store]);
        let buckets = 2 + r.below(60) as usize;
        let select = store.select();
        let (expected, before) = (answers(&select, buckets), lines(&select));
        let what = thin_all(buckets);
        store.flush().unwrap();
        let planned = store.thin_dry_run(&what).unwrap();
        assert_eq!(lines(&select).len(), before.len());
        let done = store.thin(&what).unwrap();
        assert_eq!(done, planned, "seed {seed}: what was said is done");
        assert_all_same(&answers(&select, buckets), &expected, &format!("seed {seed}, thinned"));
        let outlines = assert_outlined(&lines(&select), &before, &format!("seed {seed}"));
        assert!(outlines <= done.series, "seed {seed}");
        let (_, how) = select.explain(|s| s.chart(buckets)).unwrap();
        assert_eq!(how.series_thinned, done.series, "seed {seed}");
        assert_sound(&store, &format!("seed {seed}, thinned"));
        (thinned, left) = (thinned + done.series, left + done.series_small);
        assert_eq!(store.thin(&what).unwrap().series, 0, "seed {seed}: nothing is left to do");
        store.compact().unwrap();
        assert_all_same(&answers(&select, buckets), &expected, &format!("seed {seed}, compacted"));
        assert_sound(&store, &format!("seed {seed}, compacted"));
        // More points after its end, then thinned again in fewer buckets.
        let end = before.values().flatten().map(|p| p.step).max().unwrap_or(0);
        let more: Vec<_> =
            (1..1 + r.below(900).cast_signed()).map(|i| (end + 2 * i, end * 1000 + i, i as f64)).collect();
        if !more.is_empty() {
            for metric in ["loss", "acc"] {
                store.append(&batch("a", metric, &more)).unwrap();
            }
        }
        let fewer = 1 + buckets / 2;
        let (expected, before) = (answers(&select, fewer), lines(&select));
        let done = store.thin(&thin_all(fewer)).unwrap();
        again += done.series;
        assert_eq!(done.series_mixed, 0, "seed {seed}");
        assert_all_same(&answers(&select, fewer), &expected, &format!("seed {seed}, thinned again"));
        assert_outlined(&lines(&select), &before, &format!("seed {seed}, thinned again"));
        store.compact().unwrap();
        assert_sound(&store, &format!("seed {seed}, at the end"));
        let reader = Options::new().read_only(true).open(store.path()).unwrap();
        assert_all_same(&answers(&reader.select(), fewer), &expected, &format!("seed {seed}, opened"));
    }
    note(&format!("thin: {thinned} series thinned, {again} again, {left} left"));
    assert!(thinned > 50 && again > 20 && left > 0, "{thinned} {again} {left}");
}

/// A store with a long finished run.
fn old_run(steps: i64) -> (TempDir, Store) {
    let (dir, store) = open((8, 64), 500);
    let run = store.run("old").start().unwrap();
    let all: Vec<_> = (0..steps).map(|i| (i, 1000 * i, ((i * 37) % 101) as f64)).collect();
    store.append(&batch("old", "loss", &all)).unwrap();
    store.append(&batch("new", "loss", &all[..100])).unwrap();
    run.finish().unwrap();
    store.compact().unwrap();
    (dir, store)
}

fn count(select: &Selection) -> u64 {
    select.summaries().unwrap().iter().map(|(_, s)| s.count).sum()
}

fn thin_old(store: &Store) -> ThinStats {
    store.thin(&Thin::new().run("old").buckets(64).bucket_points(3)).unwrap()
}

#[test]
fn only_finished_runs_that_are_named_are_thinned() {
    let (dir, store) = old_run(5000);
    let kind = |what: &Thin| store.thin(what).unwrap_err().kind();
    assert_eq!(kind(&Thin::new()), ErrorKind::Invalid);
    assert_eq!(kind(&Thin::new().run("old").buckets(0)), ErrorKind::Invalid);
    assert_eq!(kind(&Thin::new().run("no such")), ErrorKind::NotFound);
    assert_eq!(kind(&Thin::new().matching("[")), ErrorKind::Invalid);
    let run = store.run("live").start().unwrap();
    run.log(0, &[("loss", 1.0)]).unwrap();
    assert_eq!(kind(&Thin::new().run("live")), ErrorKind::Busy);
    let done = store.thin(&Thin::new().matching("*").buckets(64).bucket_points(3)).unwrap();
    assert_eq!((done.runs, done.runs_running, done.series, done.points), (1, 1, 1, 5000));
    assert_eq!(done.series_small, 1, "the run of 100 points gains nothing");
    assert_eq!(points(&store.select().run("old")).unwrap().len() as u64, done.kept);
    assert!(done.kept <= 4 * 64 && done.dropped == 0, "{done:?}");
    assert_eq!(count(&store.select().run("old")), 5000);
    let stats = store.stats().unwrap();
    assert_eq!((stats.points, stats.thinned_points), (100 + 1 + done.kept, 5000 - done.kept));
    // A backup has all of it.
    let copy = dir.path().join("copy");
    store.backup(&copy).unwrap();
    let copy = Options::new().read_only(true).open(&copy).unwrap();
    assert_eq!(count(&copy.select().run("old")), 5000);
    assert_sound(&copy, "backup");
    // A filter that matches no run.
    let filter = tidalite::RunFilter::parse("ended < \"1999-01-01\"").unwrap();
    assert_eq!(store.thin(&Thin::new().where_runs(filter)).unwrap().series, 0);
    let reader = Options::new().read_only(true).open(store.path()).unwrap();
    assert_eq!(reader.thin(&Thin::new().run("old")).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn answers_finer_than_the_buckets_come_from_the_remaining_points() {
    let (_dir, store) = old_run(6400);
    let before = lines(&store.select().run("old"));
    let done = thin_old(&store);
    let left = outline(&before.values().next().unwrap()[..], 128);
    assert_eq!(done.kept, left.len() as u64);
    let old = store.select().run("old");
    // Whole buckets of a range are exact. Cut buckets have their remaining points.
    let within = |lo: i64, hi: i64| left.iter().filter(|p| lo <= p.step && p.step < hi).count() as u64;
    assert_eq!(count(&old.clone().steps(128..1280)), 1152);
    assert_eq!(count(&old.clone().steps(130..1290)), 1024 + within(130, 256) + within(1280, 1290));
    assert_eq!(
        count(&old.clone().values(50.0, None)),
        left.iter().filter(|p| p.value >= 50.0).count() as u64
    );
    assert_eq!(count(&old.clone().times_us(0..128_000)), 128);
    assert_eq!(points(&old).unwrap().len(), left.len());
    let fine = old.aggregate(&["count".parse().unwrap()], &[By::StepBucket(32)]).unwrap();
    let counts = fine["count"].as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
    assert_eq!(counts.values().iter().sum::<i64>(), left.len() as i64);
    // A fork reads the remaining points of its parent.
    let fork = store.run("fork").parent("old", Some(3000)).start().unwrap();
    fork.log(3001, &[("loss", 1.0)]).unwrap();
    assert_eq!(count(&store.select().run("fork")), within(0, 3001) + 1);
    assert_eq!(count(&store.select().run("fork").history(History::Own)), 1);
}

#[test]
fn a_thinned_run_can_go_on_be_rewound_and_be_deleted() {
    let (_dir, store) = old_run(6400);
    let before = lines(&store.select().run("old"));
    let left = outline(&before.values().next().unwrap()[..], 128);
    // A follower that has seen part of it gets nothing twice.
    let mut follow = store.select().run("old").follow().unwrap();
    assert_eq!(follow.poll().unwrap().iter().flat_map(points_of).count(), 6400);
    thin_old(&store);
    assert_eq!(follow.poll().unwrap().iter().flat_map(points_of).count(), 0);
    let old = store.select().run("old");
    let run = store.run("old").start().unwrap();
    run.rewind(1999).unwrap();
    for flushed in [false, true] {
        // Up to 1,920 from buckets, then the remaining points of the bucket that the rewind cuts.
        let cut = left.iter().filter(|p| 1920 <= p.step && p.step < 2000).count() as u64;
        assert_eq!(count(&old), 1920 + cut, "flushed: {flushed}");
        let expected: Vec<i64> = left.iter().map(|p| p.step).filter(|&s| s < 2000).collect();
        let found: Vec<i64> = lines(&old).values().flatten().map(|p| p.step).collect();
        assert_eq!(found, expected, "flushed: {flushed}");
        assert_eq!(count(&old.clone().include_rewound(true)), 6400);
        store.flush().unwrap();
    }
    for step in 2000..2100 {
        run.log(step, &[("loss", 1.0)]).unwrap();
    }
    let cut = left.iter().filter(|p| 1920 <= p.step && p.step < 2000).count() as u64;
    for flushed in [false, true] {
        assert_eq!(count(&old), 1920 + cut + 100, "flushed: {flushed}");
        store.compact().unwrap();
    }
    assert_eq!(follow.poll().unwrap().iter().flat_map(points_of).count(), 100);
    run.finish().unwrap();
    let done = thin_old(&store);
    assert_eq!((done.series, done.series_mixed), (0, 1), "its summary cannot be cut");
    assert_sound(&store, "rewound");
    store.delete_run("old").unwrap();
    assert_eq!(count(&store.select().run("old")), 0);
    let bytes = store.stats().unwrap().bytes();
    let dropped = store.compact().unwrap().dropped;
    assert_eq!(dropped, left.len() as u64 + 100);
    assert!(store.stats().unwrap().bytes() < bytes);
    assert_eq!(
        count(&store.select().repeats(Repeats::All).include_rewound(true)),
        100,
        "the other run stays"
    );
    // A run of the same id begins anew, and is thinned anew.
    let again: Vec<_> = (0..2000).map(|i| (i, i, i as f64)).collect();
    store.append(&batch("old", "loss", &again)).unwrap();
    assert_eq!(thin_old(&store).points, 2000);
    assert_eq!(count(&store.select().run("old")), 2000);
    assert_sound(&store, "anew");
}

#[test]
fn repeats_and_rewound_points_are_removed_permanently() {
    let (_dir, store) = old_run(6400);
    let again: Vec<_> = (1000..2000).map(|i| (i, i, -1.0)).collect();
    store.append(&batch("old", "loss", &again)).unwrap();
    let run = store.run("old").start().unwrap();
    run.rewind(4999).unwrap();
    // Another writer comes later in the order of writing.
    let other = Options::new().background(false).open(store.path()).unwrap();
    let more: Vec<_> = (5000..6000).map(|i| (i, i, 7.0)).collect();
    other.append(&batch("old", "loss", &more)).unwrap();
    run.finish().unwrap();
    let old = store.select().run("old");
    let (expected, before) = (answers(&old, 64), lines(&old));
    let done = thin_old(&store);
    assert_eq!((done.points, done.dropped), (6000, 1400 + 1000));
    assert_all_same(&answers(&old, 64), &expected, "thinned");
    assert_outlined(&lines(&old), &before, "thinned");
    assert_eq!(count(&old.clone().include_rewound(true).repeats(Repeats::All)), 6000);
    assert_sound(&store, "thinned");
    // New points at old steps are merged with the remaining ones, and the series is not thinned again.
    store.append(&batch("old", "loss", &[(17, 0, 3.0)])).unwrap();
    assert_eq!(thin_old(&store).series_mixed, 1);
    let value =
        |step: i64| lines(&old).values().next().unwrap().iter().find(|p| p.step == step).unwrap().value;
    assert_eq!(value(17), 3.0);
}

/// A store on a simulated disk.
fn on(disk: &SimVfs) -> Store {
    let options = Options::new().background(false).threads(1).tile_rows(200).rollups(8, 64);
    options.vfs(Arc::new(disk.clone())).open(PathBuf::from("/data/store")).unwrap()
}

fn simulated() -> SimVfs {
    let disk = SimVfs::new(5);
    tidalite_vfs::Vfs::create_dir(&disk, Path::new("/data")).unwrap();
    tidalite_vfs::Vfs::sync_dir(&disk, Path::new("/")).unwrap();
    let store = on(&disk);
    for run in ["a", "b", "c"] {
        let all: Vec<_> = (0..700).map(|i| (i, i, ((i * 31) % 57) as f64)).collect();
        for metric in ["loss", "acc"] {
            store.append(&batch(run, metric, &all)).unwrap();
        }
    }
    store.compact().unwrap();
    // One run is thinned already, so that its part is rewritten.
    store.thin(&Thin::new().run("b").buckets(40).bucket_points(3)).unwrap();
    store.sync().unwrap();
    disk
}

#[test]
fn a_power_cut_at_any_step_leaves_the_state_before_or_after() {
    // Some series of the parts stay, or none: then only thinned parts are written.
    for (runs, series) in [("[ab]", 4), ("*", 6)] {
        cut_everywhere(runs, series);
    }
}

fn cut_everywhere(runs: &str, series: u64) {
    let filled = simulated();
    let fresh = || filled.kill();
    let what = Thin::new().matching(runs).buckets(20).bucket_points(3);
    let shape = |store: &Store| {
        let lines = lines(&store.select());
        lines.values().map(|points| text(points)).collect::<Vec<_>>()
    };
    let whole = |store: &Store| {
        let sums = store.select().summaries().unwrap();
        sums.iter().map(|(k, s)| format!("{k:?} {} {:?} {:?}", s.count, s.min, s.last)).collect::<Vec<_>>()
    };
    let (before, after, sums, steps) = {
        let disk = fresh();
        let store = on(&disk);
        let (before, sums) = (shape(&store), whole(&store));
        let from = disk.change_steps().len();
        assert_eq!(store.thin(&what).unwrap().series, series);
        (before, shape(&store), sums, disk.change_steps()[from..].to_vec())
    };
    assert!(before != after && steps.len() > 20, "{steps:?}");
    let mut met = [0, 0];
    let mut check = |disk: &SimVfs, place: &str| {
        let store = on(disk);
        let found = shape(&store);
        assert!(found == before || found == after, "{place}");
        assert_eq!(whole(&store), sums, "{place}");
        met[usize::from(found == after)] += 1;
        found == after
    };
    for (i, &at_step) in steps.iter().enumerate() {
        for kind in [FailKind::Crash, FailKind::Eio, FailKind::Enospc] {
            let disk = fresh();
            let store = on(&disk);
            disk.set_failure(SimFailure { at_step, kind, persist: kind != FailKind::Eio });
            let done = store.thin(&what);
            let place =
                format!("{kind:?} at step {at_step}: {:?}", done.as_ref().err().map(|e| e.to_string()));
            if kind == FailKind::Crash {
                for survive in [Survive::None, Survive::All, Survive::Random(i as u64)] {
                    check(&disk.crash_torn(survive, Tear { bytes: 512, zeros: i % 2 == 0 }), &place);
                }
            }
            let survivor = disk.kill();
            drop(store);
            let after_it = check(&survivor, &place);
            assert!(done.is_err() || after_it, "{place}: what was reported is there");
            if i % 7 == 0 {
                let store = on(&survivor);
                assert_sound(&store, &place);
                store.thin(&what).unwrap();
                assert_eq!(shape(&store), after, "{place}");
            }
        }
    }
    note(&format!("thin: of the cuts {} left it as before, {} as after", met[0], met[1]));
    assert!(met[0] > 4 && met[1] > 0, "{met:?}");
}

/// Every kind of answer of a thinned series, or the first error.
fn ask_all(store: &Store) -> Result<String, tidalite::Error> {
    let old = store.select().run("old");
    let (sums, chart) = (old.summaries()?, old.chart_batch(30)?);
    let means = old.aggregate(&["mean".parse()?, "count".parse()?], &[By::StepBucket(1024)])?;
    let points: Vec<String> = points(&old)?.iter().map(|(_, p)| text(&[*p])).collect();
    Ok(format!("{sums:?} {chart:?} {means:?} {points:?}"))
}

#[test]
fn a_bit_flipped_in_a_thinned_part_is_an_error_or_changes_nothing() {
    let (dir, store) = old_run(6400);
    thin_old(&store);
    let expected = ask_all(&store).unwrap();
    store.close().unwrap();
    let path = dir.path().join("m");
    let reader = || Options::new().background(false).read_only(true).open(&path).unwrap();
    let mut random = Random::new(3);
    let (mut told, mut harmless, mut rebuilt) = (0, 0, 0);
    for folder in ["parts", "series", "rollups"] {
        for entry in std::fs::read_dir(path.join(folder)).unwrap() {
            let file = entry.unwrap().path();
            let bytes = std::fs::read(&file).unwrap();
            let stride = (bytes.len() / 150).max(1);
            for at in (0..bytes.len()).step_by(stride) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << random.below(8);
                std::fs::write(&file, &damaged).unwrap();
                let store = reader();
                match ask_all(&store) {
                    Ok(found) => {
                        assert_eq!(found, expected, "{file:?}, byte {at}");
                        harmless += 1;
                        rebuilt += u64::from(folder == "series");
                    }
                    Err(e) => {
                        assert_eq!(e.kind(), ErrorKind::Corrupt, "{file:?}, byte {at}: {e}");
                        told += 1;
                    }
                }
                let report = store.verify().unwrap();
                assert!(!report.is_sound(), "{file:?}, byte {at}");
            }
            // The file is missing.
            std::fs::remove_file(&file).unwrap();
            let store = reader();
            match ask_all(&store) {
                Ok(found) => assert_eq!(found, expected, "{file:?} is gone"),
                Err(e) => assert_eq!(e.kind(), ErrorKind::Corrupt, "{file:?} is gone: {e}"),
            }
            assert!(!store.verify().unwrap().is_sound(), "{file:?} is gone");
            std::fs::write(&file, &bytes).unwrap();
        }
    }
    assert_eq!(ask_all(&reader()).unwrap(), expected);
    note(&format!(
        "thin: of the bits flipped {told} were told at once, {harmless} changed nothing ({rebuilt} rebuilt)"
    ));
    assert!(told > 100 && rebuilt > 50, "{told} {rebuilt}");
}
