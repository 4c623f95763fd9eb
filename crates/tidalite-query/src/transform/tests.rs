//! Transforms compared with their definitions, over any values, whole and in pieces.

use super::{Transform, TransformChain};
use crate::points::Points;
use proptest::prelude::*;

/// (step, time, value)
type TransformRow = (i64, i64, f64);

fn points(rows: &[TransformRow]) -> Points {
    let mut points = Points::default();
    rows.iter().for_each(|&(step, time, value)| points.push(step, 7, time, value));
    points
}

fn transformed(words: &[&str], rows: &[TransformRow]) -> Vec<TransformRow> {
    let transforms: Vec<Transform> = words.iter().map(|w| w.parse().unwrap()).collect();
    let mut made = points(rows);
    TransformChain::new(&transforms).apply(&mut made);
    rows_of(&made)
}

fn rows_of(made: &Points) -> Vec<TransformRow> {
    (0..made.len()).map(|i| (made.steps[i], made.times_us[i], made.values[i])).collect()
}

/// The definitions of [`Transform`]'s table: each output from all inputs up to it.
fn naive(word: &str, rows: &[TransformRow]) -> Vec<TransformRow> {
    let value = |i: usize| {
        let (step, time, x) = rows[i];
        if !x.is_finite() {
            return Some(x);
        }
        let finite: Vec<TransformRow> = rows[..=i].iter().copied().filter(|r| r.2.is_finite()).collect();
        let before = finite.len().checked_sub(2).map(|at| finite[at]);
        match word.split_once(':').unwrap_or((word, "")) {
            ("mean", "time") => {
                let seconds = |w: &[TransformRow]| (w[1].1 - w[0].1).max(0) as f64 / 1e6;
                let area = |w: &[TransformRow]| (w[0].2 + w[1].2) / 2.0 * seconds(w);
                let all: f64 = finite.windows(2).map(seconds).sum();
                Some(if all > 0.0 { finite.windows(2).map(area).sum::<f64>() / all } else { x })
            }
            ("mean", n) => {
                let window = &finite[finite.len().saturating_sub(n.parse().unwrap())..];
                Some(window.iter().map(|r| r.2).sum::<f64>() / window.len() as f64)
            }
            ("ema", w) => {
                let w: f64 = w.parse().unwrap();
                let biased = finite.iter().fold(0.0, |last: f64, r| last * w + (1.0 - w) * r.2);
                Some(biased / (1.0 - w.powf(finite.len() as f64)))
            }
            ("half-life", h) => {
                let (weights, sum) = finite.iter().enumerate().fold((0.0, 0.0), |(n, sum), (k, r)| {
                    let since = match h.strip_suffix("us") {
                        None => (step - r.0) as f64 / h.parse::<f64>().unwrap(),
                        // A time that goes back counts as the same time.
                        Some(us) => {
                            let gaps = finite[k..].windows(2).map(|p| (p[1].1 - p[0].1).max(0)).sum::<i64>();
                            gaps as f64 / us.parse::<f64>().unwrap()
                        }
                    };
                    let w = 0.5f64.powf(since);
                    (n + w, sum + w * r.2)
                });
                Some(sum / weights)
            }
            ("derivative", on) => {
                let before = before?;
                let d = if on == "step" { (step - before.0) as f64 } else { (time - before.1) as f64 / 1e6 };
                (d > 0.0).then(|| (x - before.2) / d)
            }
            ("rate", _) => {
                let before = before?;
                if time <= before.1 {
                    return None;
                }
                // The growth since the last point of another time.
                let from =
                    finite[..finite.len() - 1].iter().rposition(|r| r.1 != before.1).map_or(0, |p| p + 1);
                let grown = |w: &[TransformRow]| if w[1].2 >= w[0].2 { w[1].2 - w[0].2 } else { w[1].2 };
                Some(finite[from..].windows(2).map(grown).sum::<f64>() / ((time - before.1) as f64 / 1e6))
            }
            ("integral", _) => {
                let area =
                    |w: &[TransformRow]| (w[0].2 + w[1].2) / 2.0 * (w[1].1 - w[0].1).max(0) as f64 / 1e6;
                Some(finite.windows(2).map(area).sum())
            }
            other => panic!("{other:?}"),
        }
    };
    (0..rows.len()).filter_map(|i| Some((rows[i].0, rows[i].1, value(i)?))).collect()
}

const WORDS: [&str; 12] = [
    "ema:0",
    "ema:0.9",
    "ema:0.999",
    "half-life:3",
    "half-life:40us",
    "mean:1",
    "mean:5",
    "mean:time",
    "rate",
    "derivative:step",
    "derivative:time",
    "integral",
];

fn value() -> impl Strategy<Value = f64> {
    let odd = prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    prop_oneof![8 => -9.0..9.0f64, 1 => Just(0.0), 1 => odd]
}

fn rows() -> impl Strategy<Value = Vec<TransformRow>> {
    let row = (1..5i64, prop_oneof![5 => 0..90i64, 1 => -90..0i64], value());
    prop::collection::vec(row, 0..60).prop_map(|gaps| {
        let (mut step, mut time) = (-20, -1000);
        gaps.into_iter()
            .map(|(ds, dt, v)| {
                step += ds;
                time += dt;
                (step, time, v)
            })
            .collect()
    })
}

fn same(found: &[TransformRow], expected: &[TransformRow]) -> bool {
    let close = |a: f64, b: f64| {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * (1.0 + a.abs())
    };
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(f, e)| (f.0, f.1) == (e.0, e.1) && close(f.2, e.2))
}

proptest! {
    #[test]
    fn a_transform_equals_its_definition(rows in rows(), word in prop::sample::select(WORDS.to_vec())) {
        // Counters are never negative.
        let rows: Vec<TransformRow> = rows.into_iter().map(|(s, t, v)| (s, t, if word == "rate" { v.abs() } else { v })).collect();
        let (found, expected) = (transformed(&[word], &rows), naive(word, &rows));
        prop_assert!(same(&found, &expected), "{word}\n{rows:?}\n{found:?}\n{expected:?}");
    }

    #[test]
    fn pieces_give_the_same_bits_as_the_whole(
        rows in rows(),
        words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..4),
        cuts in prop::collection::vec(0..60usize, 0..5),
    ) {
        let transforms: Vec<Transform> = words.iter().map(|w| w.parse().unwrap()).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(rows.len())).chain([0, rows.len()]).collect();
        cuts.sort_unstable();
        let mut state = TransformChain::new(&transforms);
        let mut pieces = Points::default();
        for cut in cuts.windows(2) {
            let mut piece = points(&rows[cut[0]..cut[1]]);
            state.apply(&mut piece);
            pieces.extend(&piece);
        }
        let bits = |rows: Vec<TransformRow>| rows.into_iter().map(|r| (r.0, r.1, r.2.to_bits())).collect::<Vec<_>>();
        prop_assert_eq!(bits(rows_of(&pieces)), bits(transformed(&words, &rows)));
        prop_assert!(pieces.seqs.iter().all(|&s| s == 7));
    }
}

proptest! {
    #[test]
    fn each_transform_reads_back_from_its_word(
        transform in prop_oneof![
            (0.0..1.0f64).prop_map(|factor| Transform::ema(factor).unwrap()),
            (1..=u64::MAX).prop_map(|steps| Transform::half_life_steps(steps).unwrap()),
            (1..=u64::MAX).prop_map(|us| Transform::half_life_us(us).unwrap()),
            (1..=99u64).prop_map(|s| Transform::half_life_us(s * 1_000_000).unwrap()),
            (1..=65_536usize).prop_map(|points| Transform::moving_mean(points).unwrap()),
            prop::sample::select(vec![
                Transform::rate(),
                Transform::derivative_by_step(),
                Transform::derivative_by_time(),
                Transform::integral(),
                Transform::mean_by_time(),
            ]),
        ],
    ) {
        prop_assert_eq!(transform.to_string().parse::<Transform>().unwrap(), transform);
    }
}

#[test]
fn each_word_reads_back_and_unknown_ones_are_refused() {
    for word in WORDS.into_iter().chain(["half-life:10s", "half-life:18446744073709551615"]) {
        assert_eq!(word.parse::<Transform>().unwrap().to_string(), word);
    }
    for (word, same) in [("half-life:1.5m", "half-life:90s"), ("half-life:250ms", "half-life:250000us")] {
        assert_eq!(word.parse::<Transform>().unwrap().to_string(), same);
    }
    for bad in [
        "",
        "ema",
        "ema:1",
        "ema:-0.1",
        "ema:nan",
        "half-life:0",
        "half-life:0s",
        "half-life:5y",
        "half-life:-3",
        "mean:0",
        "mean:65537",
        "mean:1.5",
        "rate:5",
        "derivative",
        "derivative:value",
        "integral:time",
        "median:3",
        "half-life:..s",
        "half-life:99999999999999d",
        "half-life:1e3s",
        "half-life:0.1us",
    ] {
        let text = bad.parse::<Transform>().unwrap_err().to_string();
        assert!(text.len() > 30, "{bad}: {text}");
    }
}

#[test]
fn a_counter_that_restarts_grows_from_zero() {
    let second = |s: i64, v: f64| (s, s * 1_000_000, v);
    let rows = [second(0, 10.0), second(2, 30.0), second(3, 4.0), second(4, f64::NAN), second(5, 4.0)];
    let values: Vec<f64> = transformed(&["rate"], &rows).iter().map(|r| r.2).collect();
    assert_eq!(values[..2], [10.0, 4.0]);
    assert!(values[2].is_nan() && values[3] == 0.0, "NaN does not count as growth");
}

#[test]
fn means_are_finite_where_sums_overflow() {
    let rows: Vec<TransformRow> =
        (0..40).map(|i| (i, i, if i % 8 < 5 { f64::MAX } else { -f64::MAX })).collect();
    for word in ["mean:4", "ema:0.9", "half-life:9", "mean:7"] {
        assert!(transformed(&[word], &rows).iter().all(|r| r.2.is_finite()), "{word}");
    }
    let slopes = transformed(&["derivative:step"], &[(0, 0, -f64::MAX), (4, 0, f64::MAX)]);
    assert_eq!(slopes[0].2, f64::MAX / 2.0);
    let rows = [(0, 0, 1e300), (1, 1, 1.0), (2, 2, 2.0), (3, 3, 3.0), (4, 4, 4.0)];
    assert_eq!(transformed(&["mean:2"], &rows)[4].2, 3.5, "a huge value leaves no error");
}

#[test]
fn the_greatest_distances_do_not_overflow() {
    let rows = [(i64::MIN, i64::MIN, 1.0), (i64::MAX, i64::MAX, 3.0)];
    for word in WORDS {
        assert!(transformed(&[word], &rows).iter().all(|r| r.2.is_finite()), "{word}");
    }
}
