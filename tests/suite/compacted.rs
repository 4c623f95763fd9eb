//! After a compaction no query reads more than before, whatever was restarted, rewound or forked.
//!
//! Method: work is counted as [`Explain`] counts it, not timed.

use std::path::Path;
use tidalite::{Aggregate, By, Explain, Options, Selection, Store};

const RANKS: usize = 4;
const METRICS: usize = 150;
const ATTEMPTS: i64 = 6;

fn open(path: &Path) -> Store {
    // Tiles of one flush are large enough to be copied.
    Options::new().background(false).threads(2).tile_rows(1 << 13).open(path).unwrap()
}

/// Attempts of one run by several ranks. Each rewinds its rank by some steps, and logs further ones; a second run is forked
/// from the first. Each attempt is flushed to a part of its own.
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
    let all = |run: &str| store.select().run(run);
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
    let steps = |select: &Selection| drop(select.aggregate(&[Aggregate::ArgMax], &[By::Metric]).unwrap());
    vec![
        ("points of one series", explain(one("a"), &points)),
        ("points of one series of a fork", explain(one("b"), &points)),
        ("chart of one series", explain(one("a"), &|s| drop(s.chart(50).unwrap()))),
        ("summaries of a run", explain(all("a"), &|s| drop(s.summaries().unwrap()))),
        ("steps of the greatest values of a run", explain(all("a"), &steps)),
    ]
}

#[test]
fn no_question_reads_more_after_a_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    fill(&path);
    let before = asked(&open(&path));
    open(&path).compact().unwrap();
    let after = asked(&open(&path));
    for ((question, before), (_, after)) in before.into_iter().zip(after) {
        let work = |e: &Explain| {
            [
                ("series merged", e.series_merged),
                ("tiles read", e.tiles_read),
                ("pages read", e.pages_read),
                ("points decoded", e.page_points),
                ("summaries", e.summaries),
            ]
        };
        for ((what, less), (_, more)) in work(&after).into_iter().zip(work(&before)) {
            // A series that needed a merge has summaries afterwards.
            if what != "summaries" || more > 0 {
                assert!(less <= more, "{question}: {what} {less} after, {more} before");
            }
        }
    }
}

#[test]
fn a_compacted_series_has_one_row_in_the_series_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    fill(&path);
    let store = open(&path);
    store.compact().unwrap();
    let read = store.select().run("a").explain(|s| s.summaries().map(drop)).unwrap().1;
    assert_eq!(read.series, (RANKS * METRICS) as u64);
    assert_eq!((read.summaries, read.series_merged), ((RANKS * METRICS) as u64, 0));
}
