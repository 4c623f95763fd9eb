//! Aggregates compared with a naive oracle: a map from group to all its points, and each aggregate from its
//! definition. Values include NaN, ±Inf and −0, steps the ends of i64. Series come in pieces, unsorted, into several
//! states that merge in any order, as points or as summaries.

use super::{Aggregate, By, Grouping, Partial};
use crate::points::Points;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidalite_model::{Labels, Point, SeriesKey, Summary};

const WORDS: [&str; 23] = [
    "count",
    "finite",
    "nan",
    "inf",
    "sum",
    "mean",
    "std",
    "var",
    "min",
    "max",
    "first",
    "last",
    "argmin",
    "argmax",
    "argnan",
    "time_first",
    "time_last",
    "median",
    "p0",
    "p99.9",
    "p100",
    "p0~",
    "p60~",
];

fn key(run: &str, metric: &str, labels: &str) -> SeriesKey {
    SeriesKey::new(run, metric, Labels::parse(labels).unwrap())
}

fn grouping(by: Vec<By>, words: &[&str]) -> Grouping {
    Grouping::new(by, Aggregate::parse_list(words).unwrap()).unwrap()
}

fn points(list: &[(i64, i64, f64)]) -> Points {
    let mut points = Points::default();
    list.iter().for_each(|&(step, time_us, value)| points.push(step, 0, time_us, value));
    points
}

/// A series of distinct steps in push order, and the length of the pieces to push.
type PushedSeries = (SeriesKey, Vec<(i64, i64, f64)>, usize);
/// A group: its names (`None` sorts first) and bucket starts, in the order grouped by.
type ExpectedGroup = Vec<(Option<String>, i64)>;

fn floor(x: i64, width: u64) -> i64 {
    let start = i128::from(x).div_euclid(i128::from(width)) * i128::from(width);
    i64::try_from(start).unwrap_or(i64::MIN)
}

fn group_of(by: &[By], key: &SeriesKey, step: i64, time_us: i64) -> ExpectedGroup {
    let name = |s: &str| (Some(s.to_string()), 0);
    by.iter()
        .map(|b| match b {
            By::Run => name(&key.run),
            By::Metric => name(&key.metric),
            By::Labels => name(key.labels.as_str()),
            By::Label(label) => (key.labels.get(label), 0),
            By::Param(name) => unreachable!("no case groups by param {name}"),
            By::StepBucket(width) => (None, floor(step, *width)),
            By::TimeBucket(width) => (None, floor(time_us, *width)),
            By::Calendar(calendar) => (None, calendar.range(calendar.index(time_us)).first),
        })
        .collect()
}

fn oracle(by: &[By], series: &[PushedSeries]) -> BTreeMap<ExpectedGroup, Vec<(i64, SeriesKey, i64, f64)>> {
    let mut groups: BTreeMap<ExpectedGroup, Vec<(i64, SeriesKey, i64, f64)>> = BTreeMap::new();
    if by.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    for (key, list, _) in series {
        for &(step, time, value) in list {
            groups.entry(group_of(by, key, step, time)).or_default().push((step, key.clone(), time, value));
        }
    }
    for list in groups.values_mut() {
        list.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    }
    groups
}

/// An expected cell: null, an integer, or a float with its tolerance.
#[derive(Debug, Clone, Copy)]
enum ExpectedCell {
    Null,
    Whole(i64),
    Float(f64, f64),
}

fn quantile(finite: &[f64], fraction: f64) -> ExpectedCell {
    if finite.is_empty() {
        return ExpectedCell::Null;
    }
    let mut sorted = finite.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() - 1) as f64 * fraction;
    let (lo, hi) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    ExpectedCell::Float(lo + (hi - lo) * rank.fract(), 0.0)
}

/// The tolerance of a sketch: a hundredth of the greatest magnitude.
fn about(exact: ExpectedCell, finite: &[f64]) -> ExpectedCell {
    let greatest = finite.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    if let ExpectedCell::Float(value, _) = exact {
        ExpectedCell::Float(value, greatest * 0.010_001)
    } else {
        exact
    }
}

fn expected(word: &str, list: &[(i64, SeriesKey, i64, f64)]) -> ExpectedCell {
    let finite: Vec<f64> = list.iter().map(|p| p.3).filter(|v| v.is_finite()).collect();
    let n = finite.len() as f64;
    let scale = 1e-9 * finite.iter().map(|v| v.abs()).sum::<f64>();
    let sum: f64 = finite.iter().sum();
    let var = finite.iter().map(|v| (v - sum / n).powi(2)).sum::<f64>() / n;
    let min = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let max = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step_of = |value: f64| {
        list.iter()
            .find(|p| p.3.is_finite() && p.3 == value)
            .map_or(ExpectedCell::Null, |p| ExpectedCell::Whole(p.0))
    };
    let end = |p: Option<&(i64, SeriesKey, i64, f64)>| {
        p.map_or(ExpectedCell::Null, |p| ExpectedCell::Float(p.3, 0.0))
    };
    let end_time =
        |p: Option<&(i64, SeriesKey, i64, f64)>| p.map_or(ExpectedCell::Null, |p| ExpectedCell::Whole(p.2));
    let of_finite = |value: f64, error: f64| {
        if finite.is_empty() { ExpectedCell::Null } else { ExpectedCell::Float(value, error) }
    };
    match word {
        "count" => ExpectedCell::Whole(list.len() as i64),
        "finite" => ExpectedCell::Whole(finite.len() as i64),
        "nan" => ExpectedCell::Whole(list.iter().filter(|p| p.3.is_nan()).count() as i64),
        "inf" => ExpectedCell::Whole(list.iter().filter(|p| p.3.is_infinite()).count() as i64),
        "sum" => of_finite(sum, scale),
        "mean" => of_finite(sum / n, scale),
        "var" => of_finite(var, scale * scale * 1e9),
        "std" => of_finite(var.sqrt(), scale * 1e3),
        "min" => of_finite(min, 0.0),
        "max" => of_finite(max, 0.0),
        "argmin" => step_of(min),
        "argmax" => step_of(max),
        "argnan" => {
            list.iter().find(|p| p.3.is_nan()).map_or(ExpectedCell::Null, |p| ExpectedCell::Whole(p.0))
        }
        "first" => end(list.first()),
        "last" => end(list.last()),
        "time_first" => end_time(list.first()),
        "time_last" => end_time(list.last()),
        "median" => quantile(&finite, 0.5),
        "p0" => quantile(&finite, 0.0),
        "p99.9" => quantile(&finite, 0.999),
        "p100" => quantile(&finite, 1.0),
        "p0~" => about(quantile(&finite, 0.0), &finite),
        "p60~" => about(quantile(&finite, 0.6), &finite),
        other => panic!("no definition of {other}"),
    }
}

fn whole(batch: &RecordBatch, column: usize, row: usize) -> Option<i64> {
    let array = batch.column(column);
    if array.is_null(row) {
        return None;
    }
    let time = array.as_primitive_opt::<TimestampMicrosecondType>().map(|t| t.value(row));
    Some(time.unwrap_or_else(|| array.as_primitive::<Int64Type>().value(row)))
}

fn check(batch: &RecordBatch, by: &[By], words: &[&str], series: &[PushedSeries]) {
    let groups = oracle(by, series);
    assert_eq!(batch.num_rows(), groups.len());
    for (row, (group, list)) in groups.iter().enumerate() {
        for (c, b) in by.iter().enumerate() {
            let found = match b {
                By::StepBucket(_) | By::TimeBucket(_) | By::Calendar(_) => {
                    (None, whole(batch, c, row).unwrap())
                }
                _ => {
                    let texts = batch.column(c).as_string::<i32>();
                    ((!texts.is_null(row)).then(|| texts.value(row).to_string()), 0)
                }
            };
            assert_eq!(found, group[c], "group column {c} of row {row}");
        }
        for (c, word) in words.iter().enumerate() {
            let c = c + by.len();
            match expected(word, list) {
                ExpectedCell::Null => assert!(batch.column(c).is_null(row), "{word} of {list:?}"),
                ExpectedCell::Whole(x) => assert_eq!(whole(batch, c, row), Some(x), "{word} of {list:?}"),
                ExpectedCell::Float(x, error) => {
                    assert!(!batch.column(c).is_null(row), "{word} of {list:?}");
                    let found = batch.column(c).as_primitive::<Float64Type>().value(row);
                    let same = found == x || (found.is_nan() && x.is_nan()) || (found - x).abs() <= error;
                    assert!(same, "{word} is {found}, expected {x}, of {list:?}");
                }
            }
        }
    }
}

/// Pushes the pieces of each series into several states in turn, and merges the states.
fn run(grouping: &Grouping, series: &[PushedSeries], states: usize, reversed: bool) -> Partial {
    let mut partials: Vec<Partial> = (0..states).map(|_| grouping.partial()).collect();
    let mut turn = 0;
    for (key, list, cut) in series {
        for piece in list.chunks((*cut).max(1)) {
            partials[turn % states].push_series(key, &points(piece));
            turn += 1;
        }
    }
    if reversed {
        partials.reverse();
    }
    let mut all = partials.remove(0);
    partials.into_iter().for_each(|p| all.merge(p));
    all
}

fn value() -> impl Strategy<Value = f64> {
    let special = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1.0, 1.0, -1.0];
    prop_oneof![2 => -100.0..100.0f64, 1 => prop::sample::select(special)]
}

fn step() -> impl Strategy<Value = i64> {
    prop_oneof![20 => -30..90i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -50..50i64, 1 => any::<i64>(), 1 => Just(i64::MIN)]
}

fn series() -> impl Strategy<Value = Vec<PushedSeries>> {
    let key = (0..3usize, 0..2usize, 0..3usize)
        .prop_map(|(r, m, l)| key(["a", "b", "c"][r], ["x", "y"][m], ["", "rank=0", "host=h,rank=1"][l]));
    let list = prop::collection::btree_map(step(), (time(), value()), 0..40);
    let one = (list, 1..60usize, any::<bool>()).prop_map(|(map, cut, ascending)| {
        let mut list: Vec<_> = map.into_iter().map(|(s, (t, v))| (s, t, v)).collect();
        if !ascending {
            list.reverse();
        }
        (list, cut)
    });
    prop::collection::btree_map(key, one, 0..7)
        .prop_map(|map| map.into_iter().map(|(key, (list, cut))| (key, list, cut)).collect())
}

fn by() -> impl Strategy<Value = Vec<By>> {
    let width = || prop_oneof![1..40u64, Just(1 << 63), Just(u64::MAX)];
    let calendar = prop::sample::select(vec!["15min@Asia/Kolkata", "1d", "1w@Europe/Berlin", "3mo", "1y"]);
    let time = prop_oneof![
        3 => width().prop_map(By::TimeBucket),
        1 => calendar.prop_map(|word| By::Calendar(word.parse().unwrap())),
    ];
    let all = (width(), time).prop_map(|(s, time)| {
        let names = [By::Run, By::Metric, By::Labels, By::Label("rank".into())];
        names.into_iter().chain([By::StepBucket(s), time]).collect::<Vec<_>>()
    });
    (all, 0..=3usize).prop_flat_map(|(all, n)| (Just(all).prop_shuffle(), Just(n))).prop_map(
        |(mut all, n)| {
            all.truncate(n);
            all
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn aggregates_equal_their_definitions_in_any_order_of_pushes(
        series in series(), by in by(), states in 1..4usize, reversed in any::<bool>(),
    ) {
        let grouping = grouping(by.clone(), &WORDS);
        let batch = run(&grouping, &series, states, reversed).finish().unwrap();
        prop_assert_eq!(batch.schema(), grouping.schema());
        check(&batch, &by, &WORDS, &series);
    }

    #[test]
    fn an_aggregate_alone_equals_the_same_among_others(
        series in series(), by in by(), word in prop::sample::select(WORDS.to_vec()),
    ) {
        let batch = run(&grouping(by.clone(), &[word]), &series, 2, false).finish().unwrap();
        check(&batch, &by, &[word], &series);
    }

    #[test]
    fn summaries_give_what_their_points_give(series in series(), by in by(), mix in any::<u8>()) {
        let words: Vec<&str> = WORDS.iter().copied().take(17).collect();
        let mut partial = grouping(by.clone(), &words).partial();
        for (i, (key, list, cut)) in series.iter().enumerate() {
            for (j, piece) in list.chunks((*cut).max(1)).enumerate() {
                let mut summary = Summary::default();
                piece.iter().for_each(|&(step, time_us, value)| summary.push(Point { step, time_us, value }));
                let wanted = (usize::from(mix) >> ((i + j) % 8)) & 1 == 1;
                if !wanted || !partial.push_summary(key, &summary) {
                    partial.push_series(key, &points(piece));
                }
            }
        }
        check(&partial.finish().unwrap(), &by, &words, &series);
    }
}

/// The aggregates that do not depend on the order of addition, and those that do.
const EXACT: [&str; 14] = [
    "count",
    "finite",
    "nan",
    "inf",
    "min",
    "max",
    "first",
    "last",
    "argmin",
    "argmax",
    "argnan",
    "time_first",
    "time_last",
    "p50",
];
const SUMMED: [&str; 4] = ["sum", "mean", "std", "var"];

/// A series of up to 2500 points, enough for several blocks of runs, from the gaps between its steps.
fn long_series() -> impl Strategy<Value = Vec<(i64, i64, f64)>> {
    let gap = prop_oneof![30 => Just(1i64), 3 => 2..9i64, 1 => 100..10_000i64];
    (-3000..10i64, prop::collection::vec((gap, value(), -2..9i64), 0..2500)).prop_map(|(start, list)| {
        let (mut step, mut time) = (start, start);
        let point = |(gap, value, later): (i64, f64, i64)| {
            (step, time) = (step + gap, time + later);
            (step, time, value)
        };
        list.into_iter().map(point).collect()
    })
}

fn bits(batch: &RecordBatch, columns: std::ops::Range<usize>) -> Vec<arrow::array::ArrayData> {
    batch.columns()[columns].iter().map(Array::to_data).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Appended and folded columns have the same bits where each group has one series, for every distribution of
    /// series over states and every order of merges. Pushing point by point gives the same bits for what does not
    /// depend on the order of addition.
    #[test]
    fn blocks_of_runs_give_the_same_bits_as_points_one_by_one(
        lists in prop::collection::vec(long_series(), 1..6),
        width in prop_oneof![1..4u64, 4..40u64, Just(1 << 62)],
        axis in 0..3usize,
        states in prop::collection::vec(0..3usize, 6),
    ) {
        let by: Vec<By> = [By::Run, By::StepBucket(width), By::TimeBucket(width)]
            .into_iter()
            .enumerate()
            .filter(|(i, _)| *i != axis || axis == 0)
            .map(|(_, by)| by)
            .collect();
        let grouping = grouping(by, &[&EXACT[..], &SUMMED[..]].concat());
        let keys: Vec<SeriesKey> = (0..lists.len()).map(|i| key(&format!("run-{i}"), "m", "")).collect();
        let (mut whole, mut single) = (grouping.partial(), grouping.partial());
        let mut parted: Vec<Partial> = (0..3).map(|_| grouping.partial()).collect();
        for ((key, list), state) in keys.iter().zip(&lists).zip(&states) {
            whole.push_series(key, &points(list));
            parted[*state].push_series(key, &points(list));
            list.iter().for_each(|point| single.push_series(key, &points(std::slice::from_ref(point))));
        }
        let mut merged = grouping.partial();
        parted.into_iter().rev().for_each(|p| merged.merge(p));
        let [whole, merged, single] = [whole, merged, single].map(|p| p.finish().unwrap());
        let columns = whole.num_columns();
        prop_assert_eq!(bits(&whole, 0..columns), bits(&merged, 0..columns));
        prop_assert_eq!(bits(&whole, 0..columns - SUMMED.len()), bits(&single, 0..columns - SUMMED.len()));
    }
}

#[test]
fn no_points_give_no_group_but_one_row_without_grouping() {
    let none = grouping(vec![By::Run], &WORDS).partial().finish().unwrap();
    assert_eq!((none.num_rows(), none.num_columns()), (0, 1 + WORDS.len()));
    let one = grouping(vec![], &WORDS).partial().finish().unwrap();
    check(&one, &[], &WORDS, &[]);
}

#[test]
fn only_a_summary_within_one_bucket_is_taken() {
    let mut summary = Summary::default();
    [(-1, 5), (0, 9)].iter().for_each(|&(step, time_us)| summary.push(Point { step, time_us, value: 1.0 }));
    let key = key("r", "m", "");
    let taken = |by, words: &[&str]| grouping(by, words).partial().push_summary(&key, &summary);
    assert!(taken(vec![By::Run], &["mean"]) && taken(vec![By::TimeBucket(10)], &["last"]));
    assert!(!taken(vec![By::StepBucket(1 << 40)], &["mean"]) && !taken(vec![By::TimeBucket(9)], &["last"]));
    assert!(!taken(vec![By::Run], &["median"]));
    let mut partial = grouping(vec![By::StepBucket(4)], &["count"]).partial();
    assert!(partial.push_summary(&key, &Summary::default()), "an empty summary is in no bucket");
    assert_eq!(partial.groups(), 0);
}

#[test]
fn with_all_repeats_first_is_the_earliest_write_and_last_the_newest() {
    let mut points = Points::default();
    for (seq, value) in [(3, 30.0), (1, 10.0), (2, 20.0)] {
        points.push(7, seq, 0, value);
    }
    let mut partial = grouping(vec![], &["first", "last", "count"]).partial();
    partial.push_series(&key("r", "m", ""), &points);
    let batch = partial.finish().unwrap();
    let value = |name: &str| batch[name].as_primitive::<Float64Type>().value(0);
    assert_eq!((value("first"), value("last")), (10.0, 30.0));
}

#[test]
fn percentile_jobs_may_run_in_threads_or_be_dropped() {
    let plan = grouping(vec![By::Metric], &["p50", "p95"]);
    let finished = |run: fn(Vec<super::PercentileJob<'_>>)| {
        let mut partial = plan.partial();
        for metric in ["x", "y"] {
            let list: Vec<(i64, i64, f64)> = (0..100).map(|i| (i, 0, i as f64)).collect();
            partial.push_series(&key("r", metric, ""), &points(&list));
        }
        partial.finish_with(run).unwrap()
    };
    let elsewhere = finished(|jobs| {
        std::thread::scope(|s| jobs.into_iter().for_each(|job| drop(s.spawn(|| job.run()))));
    });
    assert_eq!(elsewhere, finished(|jobs| drop(jobs)));
    assert_eq!(elsewhere["p95"].as_primitive::<Float64Type>().values(), &[94.05, 94.05]);
}

#[test]
fn memory_grows_with_groups_and_samples() {
    let mut few = grouping(vec![By::StepBucket(1000)], &["mean"]).partial();
    let mut many = grouping(vec![By::StepBucket(1)], &["mean", "p50"]).partial();
    let list: Vec<(i64, i64, f64)> = (0..10_000).map(|i| (i, 0, i as f64)).collect();
    few.push_series(&key("r", "m", ""), &points(&list));
    many.push_series(&key("r", "m", ""), &points(&list));
    assert!(few.bytes() < 10_000, "{}", few.bytes());
    assert!(many.bytes() > 10_000 * (8 + 24 + 24 + 16), "{}", many.bytes());
}
