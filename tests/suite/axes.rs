//! X-axes other than the step. The expected x of each point is looked up in the points themselves.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use std::collections::BTreeMap;
use tidalite::{Aggregate, ErrorKind, Fill, Labels, Options, Point, RowAt, SeriesKey, Store, XAxis};
use tidalite_testkit::{Random, points};

/// Two runs of two ranks, a third of one rank, and one that was never started. Tokens are logged now and then, by rank in
/// the first run only.
fn store(dir: &tempfile::TempDir) -> Store {
    let store = Options::new().background(false).tile_rows(64).open(dir.path().join("m")).unwrap();
    let mut r = Random::new(8);
    for id in ["a", "b", "c"] {
        let run = store.run(id).start().unwrap();
        let ranks: &[&str] = if id == "c" { &[""] } else { &["rank=0", "rank=1"] };
        for step in 0..300 {
            for labels in ranks {
                let at = |labels: &str| {
                    RowAt::step(step).time_us(1_000_000 + step * 500).labels(Labels::parse(labels).unwrap())
                };
                run.log_at(&at(labels), &[("loss", r.normal())]).unwrap();
                if step > 5 && r.below(6) == 0 {
                    // Tokens sometimes decrease, and sometimes are NaN.
                    let tokens = if r.below(10) == 0 { f64::NAN } else { (step * 100) as f64 * r.unit() };
                    run.log_at(&at(if id == "a" { labels } else { "" }), &[("tokens", tokens)]).unwrap();
                }
            }
        }
        if id == "b" {
            store.flush().unwrap();
        }
    }
    let bulk = store.select().run("c").metric("loss").points().unwrap().collect().unwrap();
    let renamed = arrow::array::StringArray::from(vec!["bulk"; bulk.num_rows()]);
    let schema = bulk.schema();
    let columns = schema.fields().iter().map(|f| f.name().clone()).zip(bulk.columns().iter().cloned());
    let columns = columns.map(|(name, column)| {
        let column = if name == "run" { std::sync::Arc::new(renamed.clone()) as _ } else { column };
        (name, column)
    });
    store.append(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    store
}

/// (run, labels) to (x, step, value).
type Told = BTreeMap<(String, String), Vec<(f64, i64, f64)>>;

fn told(batch: &RecordBatch) -> Told {
    let text = |name: &str| arrow::compute::cast(&batch[name], &DataType::Utf8).unwrap();
    let (runs, labels) = (text("run"), text("labels"));
    let xs = arrow::compute::cast(&batch["x"], &DataType::Int64).unwrap();
    let real = batch["x"].as_primitive_opt::<Float64Type>();
    let mut told = Told::new();
    for i in 0..batch.num_rows() {
        let word = |a: &dyn Array| a.as_string::<i32>().value(i).to_string();
        let x = real.map_or_else(|| xs.as_primitive::<Int64Type>().value(i) as f64 / 1e6, |x| x.value(i));
        let (steps, values) =
            (batch["step"].as_primitive::<Int64Type>(), batch["value"].as_primitive::<Float64Type>());
        let of = (word(&runs), word(&labels));
        told.entry(of).or_default().push((x, steps.value(i), values.value(i)));
    }
    told
}

fn expected(store: &Store, x: impl Fn(&SeriesKey, &Point) -> Option<f64>) -> Told {
    let mut told = Told::new();
    for (key, point) in points(&store.select().metric("loss")).unwrap() {
        let of = (key.run.to_string(), key.labels.as_str().to_string());
        if let Some(x) = x(&key, &point) {
            told.entry(of).or_default().push((x, point.step, point.value));
        }
    }
    told.values_mut().for_each(|points| points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))));
    told
}

#[test]
fn a_point_stands_at_the_last_value_of_the_other_metric() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let tokens = points(&store.select().metric("tokens")).unwrap();
    let at = |key: &SeriesKey, point: &Point| {
        let of = |labels: &str| {
            let mut there =
                tokens.iter().filter(|(k, _)| k.run == key.run && k.labels.as_str() == labels).peekable();
            there.peek()?;
            Some(there.rfind(|(_, p)| p.step <= point.step && p.value.is_finite()).map(|(_, p)| p.value))
        };
        of(key.labels.as_str()).or_else(|| of("")).flatten()
    };
    let over = store.select().metric("loss").over(XAxis::Metric("tokens".into()));
    let (found, expected) = (told(&over.points().unwrap()), expected(&store, at));
    assert!(found == expected, "of {} series", found.len());
    assert_eq!(found.len(), 5, "the bulk run has no tokens");
    let rows = found.values().map(Vec::len).sum::<usize>() as i64;
    let chart = over.chart(20).unwrap();
    assert_eq!(chart["count"].as_primitive::<Int64Type>().values().iter().sum::<i64>(), rows);
    assert_eq!(told(&over.lttb(10).unwrap()).values().map(Vec::len).collect::<Vec<_>>(), [10; 5]);
    assert_eq!(over.align(Fill::Previous).unwrap().num_columns(), 6);
    assert_eq!(over.align(Fill::Linear).unwrap_err().kind(), ErrorKind::Invalid);
    let ahead = |key: &SeriesKey, point: &Point| {
        let of = |labels: &str| {
            let mut there =
                tokens.iter().filter(|(k, _)| k.run == key.run && k.labels.as_str() == labels).peekable();
            there.peek()?;
            Some(there.find(|(_, p)| p.step >= point.step && p.value.is_finite()).map(|(_, p)| p.value))
        };
        of(key.labels.as_str()).or_else(|| of("")).flatten()
    };
    let next = store.select().metric("loss").over(XAxis::NextMetric("tokens".into()));
    let (found, expected) = (told(&next.points().unwrap()), self::expected(&store, ahead));
    assert!(found == expected && found != told(&over.points().unwrap()), "of {} series", found.len());
    let rows = found.values().map(Vec::len).sum::<usize>() as i64;
    let chart = next.chart(20).unwrap();
    assert_eq!(chart["count"].as_primitive::<Int64Type>().values().iter().sum::<i64>(), rows);
    // A range of steps selects the points that are drawn. The x-axis still sees earlier values.
    let late = store.select().metric("loss").steps(290..).over(XAxis::Metric("tokens".into()));
    assert_eq!(told(&late.points().unwrap()).values().map(Vec::len).collect::<Vec<_>>(), [10; 5]);
}

#[test]
fn elapsed_time_is_since_the_run_started_or_since_its_first_point() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let starts: BTreeMap<String, Option<i64>> =
        store.runs().unwrap().into_iter().map(|r| (r.id, r.started_us)).collect();
    assert!(starts["a"].is_some() && starts["bulk"].is_none());
    let at = |key: &SeriesKey, point: &Point| {
        let start = starts[&*key.run].unwrap_or(1_000_000);
        Some((point.time_us - start) as f64 / 1e6)
    };
    let over = store.select().metric("loss").over(XAxis::Elapsed);
    assert!(told(&over.points().unwrap()) == expected(&store, at));
    let late = store.select().metric("loss").run("bulk").steps(100..).over(XAxis::Elapsed);
    let first = told(&late.points().unwrap()).into_values().next().unwrap()[0];
    assert_eq!(first, (0.05, 100, first.2), "the start is that of the run, not of what is selected");
}

#[test]
fn times_order_points_whatever_their_steps() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    let run = store.run("a").start().unwrap();
    for step in 0..50i64 {
        run.log_at(&RowAt::step(step).time_us(1_000 - step % 10 * 7), &[("loss", step as f64)]).unwrap();
    }
    let over = store.select().metric("loss").over(XAxis::Time);
    let batch = over.points().unwrap();
    let times = batch["x"].as_primitive::<TimestampMicrosecondType>().values();
    assert!(times.is_sorted() && times.len() == 50);
    let table = over.align(Fill::None).unwrap();
    assert_eq!(table.num_rows(), 10);
    let last = table.column(1).as_primitive::<Float64Type>();
    assert_eq!(last.values(), &[49.0, 48.0, 47.0, 46.0, 45.0, 44.0, 43.0, 42.0, 41.0, 40.0]);
    // Transforms run along the steps, not along the x-axis.
    let slopes =
        store.select().metric("loss").transform("derivative:step".parse().unwrap()).over(XAxis::Time);
    let slopes = slopes.points().unwrap();
    assert!(slopes["value"].as_primitive::<Float64Type>().values().iter().all(|&v| v == 1.0));
    assert!(over.chart(0).is_err() && over.lttb(2).is_err() && over.m4(0).is_err());
}

#[test]
fn what_does_not_fit_into_memory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new().background(false).memory_bytes(16 << 20);
    let store = options.open(dir.path().join("m")).unwrap();
    let run = store.run("a").start().unwrap();
    let loss = run.metric("loss").unwrap();
    (0..400_000).for_each(|step| {
        loss.log(step, 1.0).unwrap();
    });
    assert_eq!(store.select().over(XAxis::Elapsed).points().unwrap_err().kind(), ErrorKind::Full);
    assert!(store.select().m4(100).is_ok(), "which is answered in pieces");
    assert!(store.select().aggregate(&["p50~".parse::<Aggregate>().unwrap()], &[]).is_ok());
}
