//! From a slice of points to its summary, in passes that the compiler turns into vectors.
//!
//! The result is what [`Summary::push`] gives point by point. Only what the aggregates need is computed.

use super::needs::AggregateNeeds;
use crate::points::PointsView;
use tidalite_model::{ExactSquares, ExactSum, Extreme, Summary};

/// The statistics of values, as far as they are needed; all but `nan` are of the finite ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValueTally {
    pub(crate) finite: u64,
    pub(crate) nan: u64,
    pub(crate) sum: ExactSum,
    pub(crate) squares: ExactSquares,
    /// +Inf where there is no finite value.
    pub(crate) min: f64,
    /// −Inf where there is no finite value.
    pub(crate) max: f64,
}

/// Values that are summed while they are in the first-level cache.
const BLOCK: usize = 2048;

/// The statistics of values.
#[inline]
pub(crate) fn tally(values: &[f64], needs: AggregateNeeds) -> ValueTally {
    let mut t = ValueTally { min: f64::INFINITY, max: f64::NEG_INFINITY, ..ValueTally::default() };
    for block in values.chunks(BLOCK) {
        let Sweep { finite, min, max } = sweep(block);
        t.finite += finite;
        t.min = t.min.min(min);
        t.max = t.max.max(max);
        if needs.sum && finite > 0 {
            add_sums(block, finite, min.abs().max(max.abs()), needs.squares, &mut t);
        }
    }
    if t.finite < values.len() as u64 {
        t.nan = values.iter().map(|v| u64::from(v.is_nan())).sum();
    }
    t
}

/// Adds the finite values of a block, none above `greatest` in magnitude, to the sums.
#[inline]
fn add_sums(block: &[f64], finite: u64, greatest: f64, squares: bool, t: &mut ValueTally) {
    let kept: Vec<f64>;
    let all_finite = if finite == block.len() as u64 {
        block
    } else {
        kept = block.iter().copied().filter(|v| v.is_finite()).collect();
        &kept
    };
    t.sum.add_all(all_finite, greatest);
    if squares {
        t.squares.add_squares(all_finite, greatest);
    }
}

/// The summary of points that ascend by step. `count` is always set, what is not needed keeps its default. In
/// particular, extremes whose steps are not needed have step 0, and the least and the greatest time are never set.
pub(crate) fn summarize(points: PointsView<'_>, needs: AggregateNeeds) -> Summary {
    let mut s = Summary { count: points.len() as u64, ..Summary::default() };
    if points.is_empty() {
        return s;
    }
    if needs.ends() {
        s.first = Some(points.point(0));
        s.last = Some(points.point(points.len() - 1));
    }
    if !needs.values() {
        return s;
    }
    let t = tally(points.values, needs);
    (s.finite, s.nan, s.sum, s.squares) = (t.finite, t.nan, t.sum, t.squares);
    if s.finite < s.count {
        s.pos_inf = points.values.iter().map(|&v| u64::from(v == f64::INFINITY)).sum();
        s.neg_inf = s.count - s.finite - s.nan - s.pos_inf;
    }
    if s.finite == 0 {
        return s;
    }
    let step = |needed: bool, value: f64| if needed { step_of(points, value) } else { 0 };
    if needs.min {
        s.min = Some(Extreme { value: t.min, step: step(needs.min_step, t.min) });
    }
    if needs.max {
        s.max = Some(Extreme { value: t.max, step: step(needs.max_step, t.max) });
    }
    s
}

/// The first step with an extreme.
pub(crate) fn step_of(points: PointsView<'_>, extreme: f64) -> i64 {
    let at = points.values.iter().position(|&v| v == extreme).expect("an extreme is one of the values");
    points.point(at).step
}

/// The result of one pass over values: the number of finite ones, the least and the greatest.
struct Sweep {
    finite: u64,
    min: f64,
    max: f64,
}

/// Eight independent accumulators: enough for every vector width in use, and to hide the latency of an addition.
const LANES: usize = 8;

/// The fast pass for finite values. A value that is not finite makes their plain sum infinite or NaN, which the slow
/// pass then handles.
#[inline]
fn sweep(values: &[f64]) -> Sweep {
    let mut sum = [0.0; LANES];
    let mut min = [f64::INFINITY; LANES];
    let mut max = [f64::NEG_INFINITY; LANES];
    let mut take = |lane: usize, v: f64| {
        sum[lane] += v;
        min[lane] = if v < min[lane] { v } else { min[lane] };
        max[lane] = if v > max[lane] { v } else { max[lane] };
    };
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        block.iter().enumerate().for_each(|(lane, &v)| take(lane, v));
    }
    rest.iter().enumerate().for_each(|(lane, &v)| take(lane, v));
    if !sum.iter().sum::<f64>().is_finite() {
        return sweep_of_any(values);
    }
    Sweep { finite: values.len() as u64, min: least(min), max: greatest(max) }
}

/// The slow pass, for values that are not all finite or whose plain sum overflows.
#[cold]
fn sweep_of_any(values: &[f64]) -> Sweep {
    let mut finite = [0u64; LANES];
    let mut min = [f64::INFINITY; LANES];
    let mut max = [f64::NEG_INFINITY; LANES];
    let mut take = |lane: usize, v: f64| {
        let is_finite = v.abs() <= f64::MAX;
        let (low, high) = if is_finite { (v, v) } else { (f64::INFINITY, f64::NEG_INFINITY) };
        finite[lane] += u64::from(is_finite);
        min[lane] = if low < min[lane] { low } else { min[lane] };
        max[lane] = if high > max[lane] { high } else { max[lane] };
    };
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        block.iter().enumerate().for_each(|(lane, &v)| take(lane, v));
    }
    rest.iter().enumerate().for_each(|(lane, &v)| take(lane, v));
    Sweep { finite: finite.iter().sum(), min: least(min), max: greatest(max) }
}

#[inline]
fn least(m: [f64; LANES]) -> f64 {
    let lesser = |a: f64, b: f64| if b < a { b } else { a };
    let four: [f64; 4] = std::array::from_fn(|i| lesser(m[i], m[i + 4]));
    lesser(lesser(four[0], four[2]), lesser(four[1], four[3]))
}

#[inline]
fn greatest(m: [f64; LANES]) -> f64 {
    let greater = |a: f64, b: f64| if b > a { b } else { a };
    let four: [f64; 4] = std::array::from_fn(|i| greater(m[i], m[i + 4]));
    greater(greater(four[0], four[2]), greater(four[1], four[3]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidalite_model::Point;

    const ALL: AggregateNeeds = AggregateNeeds {
        count: true,
        finite: true,
        nan: true,
        sum: true,
        squares: true,
        min: true,
        min_step: true,
        max: true,
        max_step: true,
        first: true,
        first_time: true,
        last: true,
        last_time: true,
        time_min: true,
        time_max: true,
        nan_step: false,
        samples: false,
        sketch: false,
    };

    fn value() -> impl Strategy<Value = f64> {
        let special = vec![
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            0.0,
            1e150,
            -1e308,
            1e308,
            5e-324,
        ];
        prop_oneof![4 => -1e3..1e3f64, 1 => prop::sample::select(special)]
    }

    proptest! {
        #[test]
        fn a_slice_equals_its_points_one_by_one(values in prop::collection::vec(value(), 0..2100)) {
            let steps: Vec<i64> = (0..values.len() as i64).collect();
            let times_us: Vec<i64> = steps.iter().map(|s| s * 7).collect();
            let points = PointsView { steps: &steps, times_us: &times_us, values: &values, ..PointsView::default() };
            let mut one = Summary::default();
            for i in 0..values.len() {
                one.push(Point { step: steps[i], time_us: times_us[i], value: values[i] });
            }
            let all = summarize(points, ALL);
            prop_assert_eq!(
                (all.count, all.finite, all.nan, all.pos_inf, all.neg_inf),
                (one.count, one.finite, one.nan, one.pos_inf, one.neg_inf)
            );
            prop_assert_eq!((all.min, all.max), (one.min, one.max));
            let same = |a: Option<Point>, b: Option<Point>| {
                a.map(|p| (p.step, p.time_us, p.value.to_bits())) == b.map(|p| (p.step, p.time_us, p.value.to_bits()))
            };
            prop_assert!(same(all.first, one.first) && same(all.last, one.last));
            prop_assert!(all.sum == one.sum && all.squares == one.squares);
        }
    }

    #[test]
    fn the_mean_is_finite_where_the_sum_overflows() {
        let values = [f64::MAX; 20];
        let s = summarize(PointsView { values: &values, ..PointsView::default() }, ALL);
        assert_eq!((s.sum(), s.mean(), s.std()), (Some(f64::INFINITY), Some(f64::MAX), Some(0.0)));
    }

    #[test]
    fn a_small_spread_on_a_large_offset_survives() {
        let values: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 2)).collect();
        let s = summarize(PointsView { values: &values, ..PointsView::default() }, ALL);
        assert_eq!((s.mean(), s.var()), (Some(1e9 + 0.5), Some(0.25)));
    }
}
