//! Comparing a store with the oracle, bit for bit: points under each rule, runs, reports.
//!
//! Each check gives the difference in words instead of a panic, so that negative controls can count differences and the
//! crash driver can name the cut.

use crate::aggregates::Naive;
use crate::difference::{CheckResult, same_value, unexpected};
use crate::expected_runs::{ExpectedParticipant, ExpectedRun, ExpectedTime};
use crate::oracle::{ExpectedPoints, Oracle};
use crate::question::{NameTest, Question};
use crate::run_values::run_values;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use std::collections::BTreeSet;
use std::ops::Bound;
use tidalite::{
    Aggregate, By, Error, Labels, Param, Participant, Pattern, Point, Repeats, Report, RunInfo, Selection,
    SeriesKey, Snapshot, Status, Store,
};

/// The selection that asks a question.
pub fn select(of: Selection, ask: &Question) -> Selection {
    let mut select = of.repeats(ask.repeats).history(ask.history).include_rewound(ask.hidden);
    let pattern = |name: &NameTest| match name {
        NameTest::Exact(name) => Pattern::exact(name),
        NameTest::Prefix(prefix) => Pattern::glob(format!("{prefix}*")),
        NameTest::Text(text) => Pattern::from(text),
        NameTest::Glob(glob) => Pattern::glob(glob),
    };
    for name in &ask.runs {
        select = select.runs(pattern(name));
    }
    for name in &ask.metrics {
        select = select.metrics(pattern(name));
    }
    for (key, value) in &ask.labels {
        select = select.label(key, pattern(value));
    }
    select.steps(range(ask.steps)).times_us(range(ask.times_us)).values(ask.values.0, ask.values.1)
}

fn range((lo, hi): (Option<i64>, Option<i64>)) -> (Bound<i64>, Bound<i64>) {
    (lo.map_or(Bound::Unbounded, Bound::Included), hi.map_or(Bound::Unbounded, Bound::Excluded))
}

/// The points of record batches, in their order.
///
/// # Panics
/// Where the columns are not those that the engine documents.
pub fn points_of(batch: &RecordBatch) -> Vec<(SeriesKey, Point)> {
    let text = |name: &str| {
        let column = batch.column_by_name(name).expect("the schema is documented");
        assert_eq!(column.null_count(), 0, "{name} has no nulls");
        let dictionary = column.as_dictionary::<Int32Type>();
        let texts = dictionary.values().as_string::<i32>().clone();
        let keys = dictionary.keys().values().to_vec();
        move |row: usize| texts.value(usize::try_from(keys[row]).expect("a key of a dictionary")).to_string()
    };
    let (run, metric, labels) = (text("run"), text("metric"), text("labels"));
    let column = |name: &str| batch.column_by_name(name).expect("the schema is documented");
    let steps = column("step").as_primitive::<Int64Type>();
    let times = column("time").as_primitive::<TimestampMicrosecondType>();
    let values = column("value").as_primitive::<Float64Type>();
    (0..batch.num_rows())
        .map(|i| {
            let labels = Labels::parse(&labels(i)).expect("labels are canonical");
            let point = Point { step: steps.value(i), time_us: times.value(i), value: values.value(i) };
            (SeriesKey::new(run(i), metric(i), labels), point)
        })
        .collect()
}

/// The points of a selection.
///
/// # Errors
/// Those of the engine.
pub fn points(select: &Selection) -> Result<Vec<(SeriesKey, Point)>, Error> {
    let mut found = Vec::new();
    for batch in select.points()? {
        found.extend(points_of(&batch?));
    }
    Ok(found)
}

/// A point as bits, for comparison.
pub fn bits(key: &SeriesKey, p: &Point) -> (SeriesKey, i64, i64, u64) {
    (key.clone(), p.step, p.time_us, p.value.to_bits())
}

/// Compares points, bit for bit and in order.
pub fn same(expected: &ExpectedPoints, found: &[(SeriesKey, Point)]) -> CheckResult {
    let expected: Vec<_> = expected.iter().flat_map(|(k, ps)| ps.iter().map(move |p| bits(k, p))).collect();
    let found: Vec<_> = found.iter().map(|(k, p)| bits(k, p)).collect();
    if expected == found {
        return Ok(());
    }
    let at = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
    let (should, is) = (expected.get(at), found.get(at));
    let counts = (expected.len(), found.len());
    Err(format!(
        "of {} points {} are there; at place {at} should be {should:?}, is {is:?}",
        counts.0, counts.1
    ))
}

/// One question.
pub fn ask(of: Selection, oracle: &Oracle, ask: &Question) -> CheckResult {
    let select = select(of, ask);
    let expected = oracle.answer(ask);
    let found = points(&select).map_err(|e| unexpected(&e))?;
    same(&expected, &found).map_err(|e| format!("{ask:?}: {e}"))?;
    let sums = summaries(&select, &expected, oracle.thinned()).map_err(|e| unexpected(&e))?;
    sums.map_err(|e| format!("{ask:?}: {e}"))?;
    aggregates(&select, &expected, oracle.thinned()).map_err(|e| format!("{ask:?}: {e}"))?;
    run_values(&select, &expected, oracle.thinned()).map_err(|e| format!("{ask:?}: {e}"))
}

/// Compares the summary of each series, unless it is thinned, and its latest point.
///
/// # Errors
/// Those of the engine; a difference is within.
pub fn summaries(
    select: &Selection,
    expected: &ExpectedPoints,
    thinned: &BTreeSet<SeriesKey>,
) -> Result<CheckResult, Error> {
    let (found, latest) = (select.summaries()?, points_of(&select.latest()?));
    if found.len() != expected.len() {
        return Ok(Err(format!("{} series should have a summary, {} do", expected.len(), found.len())));
    }
    for ((key, points), (found_key, s)) in expected.iter().zip(&found) {
        let n = Naive::of(points);
        let times = points.iter().map(|p| p.time_us);
        if key == found_key && thinned.contains(key) {
            continue;
        }
        let fits = key == found_key
            && (s.count, s.finite, s.nan) == (n.count, n.finite, n.nan)
            && same_value(s.sum(), n.sum)
            && same_value(s.mean(), n.mean)
            && same_value(s.std(), n.std)
            && same_value(s.min.map(|m| m.value), n.min)
            && same_value(s.max.map(|m| m.value), n.max)
            && s.first.map(|p| p.value.to_bits()) == n.first.map(f64::to_bits)
            && s.last.map(|p| p.value.to_bits()) == n.last.map(f64::to_bits)
            && s.time_min_us == times.clone().min()
            && s.time_max_us == times.max();
        if !fits {
            return Ok(Err(format!("the summary of {key:?} should be {n:?}, is {s:?} of {found_key:?}")));
        }
    }
    let last = |(k, ps): &(SeriesKey, Vec<Point>)| ps.last().map(|p| (k.clone(), vec![*p]));
    let expected = expected.iter().filter_map(last).collect();
    Ok(same(&expected, &latest).map_err(|e| format!("latest points: {e}")))
}

/// A few aggregates by run and by bucket of steps; of runs with thinned series, which groups there are.
fn aggregates(select: &Selection, expected: &ExpectedPoints, thinned: &BTreeSet<SeriesKey>) -> CheckResult {
    const WIDTH: i64 = 8;
    let words =
        ["count", "nan", "min", "max", "mean", "std"].map(|w| w.parse::<Aggregate>().expect("a known word"));
    let table =
        select.aggregate(&words, &[By::Run, By::StepBucket(WIDTH as u64)]).map_err(|e| unexpected(&e))?;
    // The order of groups is that of runs, then buckets: the map's own.
    let mut groups: std::collections::BTreeMap<(String, i64), Vec<Point>> = Default::default();
    for (key, points) in expected {
        for p in points {
            let start = p.step.div_euclid(WIDTH).saturating_mul(WIDTH);
            groups.entry((key.run.to_string(), start)).or_default().push(*p);
        }
    }
    if table.num_rows() != groups.len() {
        return Err(format!("there should be {} groups, there are {}", groups.len(), table.num_rows()));
    }
    let column = |name: &str| table.column_by_name(name).expect("a column for each word asked");
    for (row, ((run, start), points)) in groups.iter().enumerate() {
        let n = Naive::of(points);
        let number = |name: &str| {
            let column = column(name).as_primitive::<Float64Type>();
            (!column.is_null(row)).then(|| column.value(row))
        };
        let count = |name: &str| column(name).as_primitive::<Int64Type>().value(row);
        let group = (texts(column("run"), row), count("step_bucket"));
        if group == (run.clone(), *start) && thinned.iter().any(|key| *key.run == **run) {
            continue;
        }
        let fits = group == (run.clone(), *start)
            && u64::try_from(count("count")) == Ok(n.count)
            && u64::try_from(count("nan")) == Ok(n.nan)
            && same_value(number("min"), n.min)
            && same_value(number("max"), n.max)
            && same_value(number("mean"), n.mean)
            && same_value(number("std"), n.std);
        if !fits {
            let found = (count("count"), count("nan"), number("min"), number("max"), number("mean"));
            return Err(format!("group {group:?} should be {:?} {n:?}, is {found:?}", (run, start)));
        }
    }
    Ok(())
}

fn texts(column: &dyn Array, row: usize) -> String {
    match column.as_string_opt::<i32>() {
        Some(plain) => plain.value(row).to_string(),
        None => {
            let dictionary = column.as_dictionary::<Int32Type>();
            let key = usize::try_from(dictionary.keys().value(row)).expect("a key of a dictionary");
            dictionary.values().as_string::<i32>().value(key).to_string()
        }
    }
}

/// Compares all points under each rule for repeats, their number, and the runs.
pub fn everything(store: &Store, oracle: &Oracle, alive: &dyn Fn(u32) -> bool) -> CheckResult {
    let snapshot = store.snapshot().map_err(|e| unexpected(&e))?;
    for repeats in [Repeats::All, Repeats::Last, Repeats::First] {
        ask(snapshot.select(), oracle, &Question::all(repeats))?;
        ask(snapshot.select(), oracle, &Question { repeats, ..Question::default() })?;
    }
    let stats = snapshot.stats().map_err(|e| unexpected(&e))?;
    // Deleted points count until a compaction removes them.
    let least: usize =
        oracle.answer(&Question::all(Repeats::All)).iter().map(|(_, points)| points.len()).sum();
    let most = if oracle.has_deletions() { u64::MAX } else { least as u64 };
    if !(least as u64..=most).contains(&stats.points) {
        return Err(format!("the store should count {least} points, and counts {}", stats.points));
    }
    runs(&snapshot, oracle, alive)
}

/// Compares all points of a snapshot.
pub fn snapshot(snapshot: &Snapshot, expected: &ExpectedPoints) -> CheckResult {
    same(
        expected,
        &points(&select(snapshot.select(), &Question::all(Repeats::All))).map_err(|e| unexpected(&e))?,
    )
}

/// The runs.
fn runs(snapshot: &Snapshot, oracle: &Oracle, alive: &dyn Fn(u32) -> bool) -> CheckResult {
    same_runs(&oracle.runs(alive), &snapshot.runs().map_err(|e| e.to_string())?)
}

/// Compares runs with those of a store. Times that the engine's clock gave are compared only by whether they are there.
pub fn same_runs(expected: &[ExpectedRun], found: &[RunInfo]) -> CheckResult {
    let expected: Vec<String> = expected.iter().map(expected_text).collect();
    let found: Vec<String> = found.iter().map(found_text).collect();
    if expected == found {
        return Ok(());
    }
    let at = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
    Err(format!(
        "of {} runs {} are there; first difference: {:?} and {:?}",
        expected.len(),
        found.len(),
        expected.get(at),
        found.get(at)
    ))
}

/// Params are compared as text, since NaN differs from itself.
fn params_text<'a>(params: impl Iterator<Item = (&'a String, &'a Param)>) -> Vec<String> {
    params.map(|(k, v)| format!("{k}={v:?}")).collect()
}

/// Whether a participant with this status has said how far it came. What others logged follows from their rows; a test of
/// its own compares it.
fn is_over(status: Status) -> bool {
    matches!(status, Status::Finished | Status::Failed)
}

fn expected_text(r: &ExpectedRun) -> String {
    let part = |p: &ExpectedParticipant| {
        let last_step = if is_over(p.status) { p.last_step } else { None };
        format!("{} {:?} {:?} {last_step:?} {}", p.labels, p.status, p.reason, p.current)
    };
    let parts: Vec<String> = r.participants.iter().map(part).collect();
    let params = params_text(r.params.iter());
    let environment = params_text(r.environment.iter().flatten());
    let first = format!("{:?} {params:?} {environment:?} {:?} {}", r.id, r.tags, r.labels);
    let times = r.times;
    format!(
        "{first} {:?} {:?} {times:?} {:?} {:?} {parts:?} {:?}",
        r.texts, r.parent, r.status, r.reason, r.rewinds
    )
}

/// Times below this are those of edits: the simulated clock begins later.
const EDITED_US_MAX: i64 = 1_000_000;

fn found_text(r: &RunInfo) -> String {
    let part = |p: &Participant| {
        let last_step = if is_over(p.status) { p.last_step } else { None };
        format!("{} {:?} {:?} {last_step:?} {}", p.labels, p.status, p.reason, p.current)
    };
    let parts: Vec<String> = r.participants.iter().map(part).collect();
    let params = params_text(r.params.iter());
    let times = [r.started_us, r.ended_us].map(|time| match time {
        None => ExpectedTime::None,
        Some(at) if at < EDITED_US_MAX => ExpectedTime::At(at),
        Some(_) => ExpectedTime::Some,
    });
    let texts = [&r.name, &r.notes, &r.group];
    let mut rewinds = r.rewinds.clone();
    rewinds.sort_unstable();
    let environment = params_text(r.environment.iter());
    let first = format!("{:?} {params:?} {environment:?} {:?} {}", r.id, r.tags, r.labels);
    format!("{first} {texts:?} {:?} {times:?} {:?} {:?} {parts:?} {rewinds:?}", r.parent, r.status, r.reason)
}

/// Checks that a report finds no damage.
pub fn sound(report: &Report) -> CheckResult {
    if report.is_sound() {
        return Ok(());
    }
    let messages: Vec<&str> = report.findings.iter().map(|f| f.message.as_str()).collect();
    Err(format!("damage is reported where there is none: {messages:?}"))
}
