//! After a compaction no query of one series reads more than before, whatever was restarted, rewound or forked.
//!
//! Method: work is counted as [`Explain`] counts it, not timed.

use crate::rollups::batch;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use std::path::Path;
use tidalite::{By, Explain, Options, Selection, Store};

const RANKS: usize = 4;
const METRICS: usize = 150;
const ATTEMPTS: i64 = 6;

fn open(path: &Path) -> Store {
    // Tiles of one flush are large enough to be copied.
    Options::new().background(false).threads(2).tile_rows(1 << 13).open(path).unwrap()
}

/// Attempts of one run by several ranks. Each rewinds its rank by some steps, and logs further ones; a second run is forked
/// from the first, and a third one goes on without a rewind. Each attempt is flushed to a part of its own.
fn fill(path: &Path) {
    let names: Vec<String> = (0..METRICS).map(|m| format!("layer-{m:03}/norm")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for attempt in 0..ATTEMPTS {
        let store = open(path);
        for rank in 0..RANKS {
            let run = store.run("a").label("rank", rank.to_string()).start().unwrap();
            let first = attempt * 8;
            if attempt > 0 {
                run.rewind(first - 1).unwrap();
            }
            let columns = run.columns(&names).unwrap();
            for step in first..first + 12 {
                columns.log(step, &vec![step as f64; METRICS]).unwrap();
            }
            run.finish().unwrap();
        }
        let goes_on = store.run("c").label("rank", "2").start().unwrap();
        let columns = goes_on.columns(&names).unwrap();
        for step in attempt * 60..(attempt + 1) * 60 {
            columns.log(step, &vec![step as f64; METRICS]).unwrap();
        }
        goes_on.finish().unwrap();
        if attempt == ATTEMPTS / 2 {
            let fork = store.run("b").parent("a", Some(20)).start().unwrap();
            fork.log(21, &[(names[0], 1.0)]).unwrap();
            fork.finish().unwrap();
        }
        store.flush().unwrap();
        store.close().unwrap();
    }
}

/// What each of some questions reads.
fn asked(store: &Store) -> Vec<(&'static str, Explain)> {
    let one = |run: &str| store.select().run(run).metric("layer-007/norm").label("rank", "2");
    let explain = |select: Selection, ask: &dyn Fn(&Selection)| {
        select
            .explain(|select| {
                ask(select);
                Ok(())
            })
            .unwrap()
            .1
    };
    let points = |select: &Selection| drop(select.points().unwrap().collect().unwrap());
    vec![
        ("points of one series", explain(one("a"), &points)),
        ("points of one series that was never rewound", explain(one("c"), &points)),
        ("points of one series of a fork", explain(one("b"), &points)),
        ("chart of one series", explain(one("a"), &|s| drop(s.chart(50).unwrap()))),
    ]
}

#[test]
fn no_question_about_one_series_reads_more_after_a_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    fill(&path);
    let before = asked(&open(&path));
    open(&path).compact().unwrap();
    let after = asked(&open(&path));
    for ((question, before), (_, after)) in before.into_iter().zip(after) {
        // How many pages there are follows from the size of tiles. Series of a few rows share their pages with others,
        // and which others these are changes the bytes by some percent.
        let work = |e: &Explain| {
            [("series merged", e.series_merged), ("tiles read", e.tiles_read), ("bytes read", e.bytes_read)]
        };
        for ((what, less), (_, more)) in work(&after).into_iter().zip(work(&before)) {
            let more = if what == "bytes read" { more + more / 8 } else { more };
            assert!(less <= more, "{question}: {what} {less} after, {more} before");
        }
    }
}

#[test]
fn a_compacted_series_is_in_one_tile() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    fill(&path);
    let tiles = |question: usize| asked(&open(&path))[question].1.tiles_read;
    assert_eq!([tiles(0), tiles(1)], [ATTEMPTS as u64; 2]);
    open(&path).compact().unwrap();
    assert_eq!([tiles(0), tiles(1)], [1; 2]);
}

#[test]
fn a_series_whose_steps_fell_back_is_answered_from_summaries_after_a_compaction() {
    // Few steps that are written again leave few rows to merge, so that no tile ends by chance where the copied ones begin.
    for again in [100, 10_000] {
        answered_from_summaries_after_a_compaction(again);
    }
}

fn answered_from_summaries_after_a_compaction(again: i64) {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).threads(2).tile_rows(1 << 13);
    let store = store.rollups(64, 1024).open(dir.path().join("m")).unwrap();
    // The job was resumed from an older checkpoint, twice, without a rewind. So some steps were written again, between
    // many that are copied unchanged.
    let steps = (0..60_000).chain(60_000 - again..150_000).chain(150_000 - again..200_000);
    let points: Vec<(i64, i64, f64)> = steps.zip(0..).map(|(step, time)| (step, time, time as f64)).collect();
    store.append(&batch("a", "loss", &points)).unwrap();
    store.append(&batch("a", "acc", &points)).unwrap();
    let count = ["count", "last"].map(|word| word.parse().unwrap());
    let ask = |select: &Selection| select.aggregate(&count, &[By::Metric]);
    let (before, how) = store.select().explain(ask).unwrap();
    assert_eq!(how.series_merged, 2, "{again} again: {how:?}");
    store.compact().unwrap();
    let (after, how) = store.select().explain(ask).unwrap();
    assert_eq!(after, before);
    assert_eq!(after["count"].as_primitive::<Int64Type>().values(), &[200_000; 2]);
    assert_eq!((how.series_merged, how.page_points, how.summary_points), (0, 0, 400_000), "{again}: {how:?}");
    // Rollups as well.
    let (_, how) = store.select().explain(|s| s.chart_batch(100)).unwrap();
    assert_eq!((how.page_points, how.bucket_points), (0, 400_000), "{again}: {how:?}");
    assert!(store.verify().unwrap().findings.is_empty());
}

#[test]
fn a_rewind_after_a_compaction_counts_whoever_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    // This writer is older than the compaction, and has rewound before it.
    let (early, late) = (open(&path), open(&path));
    let run = early.run("a").start().unwrap();
    let count = |store: &Store| store.select().run("a").summaries().unwrap()[0].1.count;
    for step in 0..20 {
        run.log(step, &[("x", 1.0)]).unwrap();
    }
    run.rewind(14).unwrap();
    late.compact().unwrap();
    assert_eq!(count(&late), 15);
    run.rewind(9).unwrap();
    assert_eq!([count(&early), count(&late)], [10; 2]);
    late.flush().unwrap();
    assert_eq!([count(&early), count(&open(&path))], [10; 2]);
    late.compact().unwrap();
    assert_eq!([count(&early), count(&open(&path))], [10; 2]);
    late.delete_run("a").unwrap();
    assert!(open(&path).select().run("a").summaries().unwrap().is_empty());
}

#[test]
fn a_few_points_beside_a_long_series_replace_its_points_and_are_replaced_as_before() {
    const LONG: i64 = 300_000;
    let dir = tempfile::tempdir().unwrap();
    let open = |mib: u64| {
        let options = Options::new().background(false).threads(2).part_rows(1000).memory_bytes(mib << 20);
        options.open(dir.path().join("m")).unwrap()
    };
    let store = open(32);
    let run = store.run("a").start().unwrap();
    let columns = run.columns(&["loss"]).unwrap();
    // The first part is written again by the third, and the second is as long as no merge of several reads at once.
    let steps: [Vec<i64>; 3] =
        [vec![1, 7, 150_000, LONG - 1], (0..LONG).collect(), vec![0, 7, 150_000, LONG - 1, LONG + 5]];
    for (value, steps) in (1..).zip(&steps) {
        for step in steps {
            columns.log(*step, &[f64::from(value)]).unwrap();
        }
        store.flush().unwrap();
    }
    let read = || store.select().metric("loss").points().unwrap().collect().unwrap();
    let before = read();
    let compacted = store.compact().unwrap();
    assert_eq!(compacted.hidden, 4 + 4, "those of the first part, and those that the third replaces");
    assert_eq!(read(), before);
    assert_eq!(before.num_rows() as i64, LONG + 1);
    assert!(store.verify().unwrap().is_sound());
}
