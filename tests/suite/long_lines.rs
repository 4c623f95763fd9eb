//! Lines of series that are longer than the memory option allows at once: they are the same as with much memory.

use crate::rollups;
use arrow::array::RecordBatch;
use tidalite::{ErrorKind, Options, Result, Selection, Store, XAxis};

const POINTS: i64 = 700_000;
/// Times are in steps of this many microseconds.
const TICK_US: i64 = 250;

/// A run whose points are logged in the order of time, and one where each block of points is.
fn fill(store: &Store) {
    let value = |i: i64| ((i * 7919) % 1013) as f64 + if i % 9973 == 0 { f64::NAN } else { 0.0 };
    let rising: Vec<(i64, i64, f64)> = (0..POINTS).map(|i| (i, i * TICK_US, value(i))).collect();
    let falling: Vec<(i64, i64, f64)> =
        rising.iter().map(|&(step, _, value)| (step, (POINTS - step) * TICK_US, value)).collect();
    let epochs: Vec<(i64, i64, f64)> =
        (1..POINTS / 100).map(|i| (i * 100, i * 100 * TICK_US, i as f64)).collect();
    for (run, metric, points) in [
        ("rising", "loss", &rising),
        ("rising", "epoch", &epochs),
        ("falling", "loss", &falling),
        // Beside the long ones.
        ("rising", "short", &rising[..50].to_vec()),
    ] {
        store.append(&rollups::batch(run, metric, points)).unwrap();
    }
}

type Line = fn(&Selection) -> Result<RecordBatch>;

/// Each kind of line, with its name.
const LINES: [(&str, Line); 8] = [
    ("line", |select| select.lttb(300)),
    ("line of means", |select| select.clone().transform("mean:8".parse()?).lttb(300)),
    ("sample", |select| select.sample(200)),
    ("sample of means", |select| select.clone().transform("mean:8".parse()?).sample(200)),
    ("line over time", |select| select.over(XAxis::Time).lttb(300)),
    ("line over elapsed time", |select| select.over(XAxis::Elapsed).lttb(300)),
    ("line over epochs", |select| select.over(XAxis::Metric("epoch".into())).lttb(300)),
    ("line over next epochs", |select| select.over(XAxis::NextMetric("epoch".into())).lttb(300)),
];

fn opened(store: &Store, memory_mib: u64) -> Store {
    let options = Options::new().read_only(true).memory_bytes(memory_mib << 20).threads(2);
    options.open(store.path()).unwrap()
}

#[test]
fn lines_of_long_series_are_the_same_with_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    fill(&store);
    for when in ["in parts", "thrice"] {
        let (little, much) = (opened(&store, 16), opened(&store, 1024));
        for (name, line) in LINES {
            let rising = |store: &Store| line(&store.select().run("rising")).unwrap();
            assert!(rising(&much).num_rows() > 200, "{name} {when}");
            assert_eq!(rising(&little), rising(&much), "{name} {when}");
        }
        fill(&store);
        store.flush().unwrap();
    }
    // The points at hand are 48 MiB: more than allowed, and not in the order of time.
    let over_time = |store: &Store| store.select().run("falling").over(XAxis::Time).lttb(300);
    let refused = over_time(&opened(&store, 16)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full);
    assert!(refused.to_string().contains("\"falling\""), "{refused}");
    let drawn = over_time(&opened(&store, 1024)).unwrap();
    assert_eq!(drawn.num_rows(), 300);
}
