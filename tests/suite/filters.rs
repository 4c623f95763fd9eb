//! Filters of runs and series: an answer holds everything that matches and nothing else.
//!
//! Each answer of a filtered selection is compared with the answer of a selection that names the same runs, or with a
//! plain computation over the points. The store holds parts and live tails, so that summaries and points both answer.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::Path;
use tidalite::{
    Aggregate, AlignOn, By, Compare, Fill, Options, Param, Point, Repeats, RunField, RunFilter, Selection,
    SeriesKey, Store,
};
use tidalite_testkit::{Random, points, points_of};

/// Runs `r0` to `r7` with a learning rate each, all but `r7` in parts, every second one tagged.
fn store(path: &Path) -> Store {
    let store = Options::new().background(false).tile_rows(64).open(path).unwrap();
    let mut r = Random::new(3);
    for i in 0..8i64 {
        let model = Param::Map(BTreeMap::from([("depth".to_string(), Param::Int(i / 4))]));
        let mut builder = store.run(format!("r{i}")).param("lr", i as f64 / 10.0).param("model", model);
        if i % 2 == 0 {
            builder = builder.tag("even").param("kind", if i < 4 { "adam" } else { "sgd" });
        }
        let run = builder.start().unwrap();
        for step in 0..120 {
            let value = if r.below(20) == 0 { f64::NAN } else { r.normal() * (i + 1) as f64 };
            run.log(step - step % 3, &[("loss", value), ("acc", r.unit())]).unwrap();
        }
        if i == 6 {
            store.flush().unwrap();
        }
        run.finish().unwrap();
    }
    store
}

fn named(of: Selection, ids: &[&str]) -> Selection {
    ids.iter().fold(of, |s, id| s.run(*id))
}

#[test]
fn runs_that_do_not_match_have_no_part_in_any_answer() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("metrics"));
    let cases: [(&str, &[&str]); 6] = [
        ("params.lr > 0.45", &["r5", "r6", "r7"]),
        ("tags has 'even' and params.model.depth = 0", &["r0", "r2"]),
        ("id like 'r[67]' or params.kind = 'adam'", &["r0", "r2", "r6", "r7"]),
        ("not has params.kind", &["r1", "r3", "r5", "r7"]),
        ("params.kind != 'adam'", &["r4", "r6"]),
        ("status = 'finished' and started >= '2000-01-01' and params.lr in (0.7, 0.1)", &["r1", "r7"]),
    ];
    for (text, ids) in cases {
        let filtered = store.select().where_runs(text.parse().unwrap());
        let plain = named(store.select(), ids);
        let found: BTreeSet<String> =
            points(&filtered).unwrap().into_iter().map(|(k, _)| k.run.to_string()).collect();
        assert_eq!(found, ids.iter().map(|s| s.to_string()).collect(), "{text}");
        // By their text, since NaN equals nothing.
        let same = |of: &dyn Fn(&Selection) -> String| assert_eq!(of(&filtered), of(&plain), "{text}");
        same(&|s| format!("{:?}", points(s).unwrap()));
        same(&|s| format!("{:?}", s.aggregate(&[Aggregate::Count, Aggregate::Mean], &[By::Metric]).unwrap()));
        same(&|s| format!("{:?}", s.chart(16).unwrap()));
        same(&|s| format!("{:?}", s.band(8, &[By::Metric]).unwrap()));
        same(&|s| format!("{:?}", s.align(AlignOn::Step, Fill::None).unwrap().columns()));
        same(&|s| format!("{:?}", s.lttb(10).unwrap()));
        same(&|s| format!("{:?}", s.latest().unwrap()));
        same(&|s| format!("{:?}", s.follow().unwrap().poll().unwrap()));
    }
    let none = store.select().where_runs("params.lr > 9".parse().unwrap());
    assert!(points(&none).unwrap().is_empty() && none.chart(4).unwrap().is_empty());
    let both = store
        .select()
        .where_runs("params.lr > 0.45".parse().unwrap())
        .where_runs("tags has 'even'".parse().unwrap());
    assert_eq!(both.run("r6").run("r0").summaries().unwrap()[0].0.run.as_ref(), "r6");
}

#[test]
fn filters_built_and_read_find_the_same_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("metrics"));
    let built = RunField::nested(["model", "depth"])
        .is(Compare::Equal, 1i64)
        .unwrap()
        .and(RunFilter::tag("even").negated())
        .or(RunField::Id.like("r0").unwrap());
    let ids = |f: &RunFilter| store.where_runs(f).unwrap().into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(ids(&built), ["r0", "r5", "r7"]);
    assert_eq!(ids(&built.to_string().parse().unwrap()), ["r0", "r5", "r7"]);
    let wrong = "params.lr >".parse::<RunFilter>().unwrap_err();
    assert!(wrong.to_string().contains("column 12"), "{wrong}");
}

#[test]
fn a_follower_applies_the_filter_at_each_poll() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("metrics")).unwrap();
    let run = store.run("a").start().unwrap();
    run.log(0, &[("loss", 0.0)]).unwrap();
    let mut follow = store.select().where_runs("tags has 'good'".parse().unwrap()).follow().unwrap();
    assert!(follow.poll().unwrap().is_empty());
    run.set_tags(["good"], []).unwrap();
    run.log(1, &[("loss", 1.0)]).unwrap();
    let steps: Vec<i64> = follow.poll().unwrap().iter().flat_map(points_of).map(|(_, p)| p.step).collect();
    assert_eq!(steps, [1], "what came before the run matched is not handed out");
    let having = store.select().having(Aggregate::Count, Compare::Greater, 0.0, ..);
    assert!(having.follow().is_err());
}

#[test]
fn series_are_chosen_by_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("metrics"));
    let mut r = Random::new(11);
    for repeats in [Repeats::Last, Repeats::First, Repeats::All] {
        let mut all: BTreeMap<SeriesKey, Vec<Point>> = BTreeMap::new();
        for (key, point) in points(&store.select().repeats(repeats)).unwrap() {
            all.entry(key).or_default().push(point);
        }
        for _ in 0..40 {
            let (lo, width) = (r.below(150).cast_signed() - 10, r.below(60).cast_signed());
            let steps = [(Some(lo), Some(lo + width)), (Some(lo), None), (None, None)]
                [usize::try_from(r.below(3)).unwrap()];
            let inside =
                |p: &&Point| steps.0.is_none_or(|lo| p.step >= lo) && steps.1.is_none_or(|hi| p.step < hi);
            let value = [0.0, 3.0, (r.normal() * 10.0).round()][usize::try_from(r.below(3)).unwrap()];
            let range = (
                steps.0.map_or(Bound::Unbounded, Bound::Included),
                steps.1.map_or(Bound::Unbounded, Bound::Excluded),
            );
            let asked = store.select().repeats(repeats).steps(40..);
            for (aggregate, compare) in [
                (Aggregate::Max, Compare::Greater),
                (Aggregate::Count, Compare::LessOrEqual),
                (Aggregate::ArgMin, Compare::Less),
                (Aggregate::Last, Compare::NotEqual),
            ] {
                let holds = |ps: &Vec<Point>| {
                    let of = || ps.iter().filter(inside);
                    let finite = || of().filter(|p| p.value.is_finite());
                    let least = finite().map(|p| p.value).reduce(f64::min);
                    let order = match aggregate {
                        Aggregate::Max => finite().map(|p| p.value).reduce(f64::max)?.partial_cmp(&value),
                        Aggregate::Count => (of().count() as f64).partial_cmp(&value),
                        Aggregate::ArgMin => {
                            (finite().find(|p| Some(p.value) == least)?.step as f64).partial_cmp(&value)
                        }
                        _ => of().next_back()?.value.partial_cmp(&value),
                    };
                    Some(compare.holds(order))
                };
                let expected: Vec<&SeriesKey> = all
                    .iter()
                    .filter(|(_, ps)| ps.iter().any(|p| p.step >= 40) && holds(ps) == Some(true))
                    .map(|(k, _)| k)
                    .collect();
                let found = asked.clone().having(aggregate, compare, value, range).summaries().unwrap();
                let found: Vec<&SeriesKey> = found.iter().map(|(k, _)| k).collect();
                assert_eq!(found, expected, "{aggregate} {compare} {value} at {steps:?}, {repeats:?}");
            }
        }
    }
}

#[test]
fn groups_by_param_are_those_of_the_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir.path().join("metrics"));
    let by = [By::Param("kind".into()), By::Param("model.depth".into())];
    let losses = store.select().metric("loss");
    let table = losses.aggregate(&[Aggregate::Count], &by).unwrap();
    assert_eq!(table.schema().field(0).name(), "param:kind");
    let groups: Vec<(Option<&str>, i64, i64)> = (0..table.num_rows())
        .map(|row| {
            let kind = table.column(0).as_string::<i32>();
            let depth = table.column(1).as_primitive::<Int64Type>().value(row);
            let count = table.column(2).as_primitive::<Int64Type>().value(row);
            (kind.is_valid(row).then(|| kind.value(row)), depth, count)
        })
        .collect();
    // 40 steps per run, since each step occurs three times.
    let expected = [(None, 0, 80), (None, 1, 80), (Some("adam"), 0, 80), (Some("sgd"), 1, 80)];
    assert_eq!(groups, expected);
    let band = losses.band(1, &[By::Param("kind".into())]).unwrap();
    assert_eq!(band["runs"].as_primitive::<Int64Type>().values(), &[4, 2, 2]);
    assert!(band["std"].as_primitive::<Float64Type>().value(0) >= 0.0);
}

/// The later write of a step is the one that counts, whatever its time. So it must not be left out while rows are read, or the
/// earlier one would take its place.
#[test]
fn a_write_in_a_range_of_times_does_not_count_where_a_later_one_of_its_step_is_outside() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    let written = |steps: std::ops::Range<i64>, late_us: i64| {
        let points: Vec<(i64, i64, f64)> =
            steps.map(|step| (step, late_us + step, (late_us + step) as f64)).collect();
        store.append(&crate::rollups::batch("a", "loss", &points)).unwrap();
        store.flush().unwrap();
    };
    // Two parts, in each of which times ascend with steps, and rows in the log.
    written(0..1000, 0);
    written(500..600, 1_000_000);
    let run = store.run("a").start().unwrap();
    run.log(300, &[("loss", 0.0)]).unwrap();
    let found = points(&store.select().times_us(..=900)).unwrap();
    let steps: Vec<i64> = found.iter().map(|(_, point)| point.step).collect();
    let expected: Vec<i64> = (0..=900).filter(|step| *step != 300 && !(500..600).contains(step)).collect();
    assert_eq!(steps, expected);
}
