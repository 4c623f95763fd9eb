//! Several chunks of one series become one, ascending by step, with the rule for repeats applied.
//!
//! Steps: sorted chunks that do not overlap are joined (a single one is not even copied). Other chunks are sorted
//! where they need it, then merged. Both are stable: of two points with one step, clock and seq, the later
//! position stays the later one. Then repeats are resolved.

use super::columns::Points;
use super::repeats::Repeats;
use super::rising::rises;
use tidalite_model::Written;

/// Merges chunks into one that ascends by step, then clock, then seq, then position (the chunks' order, then the order
/// within), with repeats resolved. Points with automatic steps are all kept.
///
/// Needs steps, and all other columns but values wherever a step may repeat: points without seqs count as written at once,
/// and points without written as points at steps that the caller chose. Chunks may overlap
/// and may be unsorted. Sorted chunks that do not overlap cost one copy, a single sorted chunk none.
///
/// ```
/// use tidalite_query::{Points, Repeats, merge};
/// let (mut old, mut new) = (Points::default(), Points::default());
/// old.push(1, 10, 0, 0.5);
/// old.push(2, 11, 0, 0.4);
/// new.push(2, 20, 0, 0.3);
/// let points = merge(vec![new, old], Repeats::Last);
/// assert_eq!((points.steps, points.values), (vec![1, 2], vec![0.5, 0.3]));
/// ```
pub fn merge(mut chunks: Vec<Points>, repeats: Repeats) -> Points {
    chunks.retain(|c| !c.is_empty());
    let mut points = match end_to_end(&chunks) {
        Some(order) => join(chunks, &order),
        None => interleaved(chunks),
    };
    resolve(&mut points, repeats);
    points
}

/// Step, then clock and seq.
type MergeKey = (i64, (i64, i64));

fn key(points: &Points, i: usize) -> MergeKey {
    (points.steps[i], points.view().order(i))
}

/// The order in which the chunks are sorted and do not overlap; `None` where there is none.
fn end_to_end(chunks: &[Points]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..chunks.len()).collect();
    order.sort_by_key(|&i| key(&chunks[i], 0));
    let follows = |w: &[usize]| {
        let (a, b) = (&chunks[w[0]], &chunks[w[1]]);
        let (end, start) = (key(a, a.len() - 1), key(b, 0));
        // Points of one step, clock and seq keep the order of their positions.
        end < start || (end == start && w[0] < w[1])
    };
    (order.windows(2).all(follows) && chunks.iter().all(Points::is_ascending)).then_some(order)
}

fn join(mut chunks: Vec<Points>, order: &[usize]) -> Points {
    let Some((&first, rest)) = order.split_first() else { return Points::default() };
    let mut points = std::mem::take(&mut chunks[first]);
    if !rest.is_empty() {
        points.reserve(rest.iter().map(|&i| chunks[i].len()).sum());
    }
    for &i in rest {
        points.extend(&chunks[i]);
    }
    points
}

/// Merges chunks that overlap or are not sorted.
fn interleaved(chunks: Vec<Points>) -> Points {
    let mut chunks: Vec<Points> =
        chunks.into_iter().map(|c| if c.is_ascending() { c } else { sorted(c) }).collect();
    while chunks.len() > WAYS_MAX {
        // Merging neighbours keeps the order of positions.
        chunks = chunks.chunks(WAYS_MAX).map(merge_runs).collect();
    }
    merge_runs(&chunks)
}

fn sorted(points: Points) -> Points {
    let mut places: Vec<(MergeKey, usize)> = (0..points.len()).map(|i| (key(&points, i), i)).collect();
    places.sort_by_key(|p| p.0);
    Points {
        steps: places.iter().map(|p| p.0.0).collect(),
        seqs: gather(&points.seqs, &places),
        written: gather(&points.written, &places),
        times_us: gather(&points.times_us, &places),
        values: gather(&points.values, &places),
    }
}

fn gather<T: Copy>(column: &[T], places: &[(MergeKey, usize)]) -> Vec<T> {
    if column.is_empty() { Vec::new() } else { places.iter().map(|p| column[p.1]).collect() }
}

/// Each run of points compares the next points of all chunks, so more chunks than this are merged in several rounds.
const WAYS_MAX: usize = 16;

/// Merges ascending chunks run by run: takes the chunk whose next point is least, and copies at once all its points
/// that come before the next point of every other chunk.
fn merge_runs(chunks: &[Points]) -> Points {
    let mut merged = Points::default();
    let has = |column: fn(&Points) -> bool| chunks.iter().all(column);
    let total: usize = chunks.iter().map(Points::len).sum();
    let seqs = has(|c| !c.seqs.is_empty());
    merged.reserve_columns(total, seqs, has(|c| !c.written.is_empty()), has(|c| !c.times_us.is_empty()));
    // The chunks that have points left: (key of the next point, chunk, index of the next point).
    let mut open: Vec<(MergeKey, usize, usize)> =
        (0..chunks.len()).map(|c| (key(&chunks[c], 0), c, 0)).collect();
    while open.len() > 1 {
        let least = (0..open.len()).min_by_key(|&i| (open[i].0, open[i].1)).expect("there are several");
        let (_, c, from) = open[least];
        let others = (0..open.len()).filter(|&i| i != least);
        let (other, d) = others.map(|i| (open[i].0, open[i].1)).min().expect("there are several");
        // At equal keys the chunk that is first in the list goes first.
        let to = end_of_run(&chunks[c], from, |k| k < other || (k == other && c < d));
        merged.extend(chunks[c].view().slice(from..to));
        if to < chunks[c].len() {
            open[least] = (key(&chunks[c], to), c, to);
        } else {
            open.swap_remove(least);
        }
    }
    for (_, c, from) in open {
        merged.extend(chunks[c].view().slice(from..chunks[c].len()));
    }
    merged
}

/// The index after the run of points that come `before`, in an ascending chunk whose point `from` does: doubling
/// strides, then halving.
fn end_of_run(chunk: &Points, from: usize, before: impl Fn(MergeKey) -> bool) -> usize {
    let mut stride = 1;
    while from + stride < chunk.len() && before(key(chunk, from + stride)) {
        stride *= 2;
    }
    let (mut lo, mut hi) = (from + stride / 2 + 1, (from + stride).min(chunk.len()));
    while lo < hi {
        let middle = lo.midpoint(hi);
        if before(key(chunk, middle)) { lo = middle + 1 } else { hi = middle }
    }
    lo
}

/// Applies the rule to points that ascend by step, then clock, then seq, then position.
fn resolve(points: &mut Points, repeats: Repeats) {
    if repeats == Repeats::All || rises(&points.steps, 1) {
        return;
    }
    let steps = &points.steps;
    let is_automatic = |&written: &i64| Written::from_i64(written).is_automatic();
    let mask: Vec<bool> = match repeats {
        _ if points.written.iter().any(is_automatic) => chosen_or_automatic(points, repeats),
        Repeats::First => (0..steps.len()).map(|i| i == 0 || steps[i - 1] != steps[i]).collect(),
        _ => (0..steps.len()).map(|i| i + 1 == steps.len() || steps[i + 1] != steps[i]).collect(),
    };
    points.keep(&mask);
}

/// The mask of all automatic points, and of one other point of each step.
fn chosen_or_automatic(points: &Points, repeats: Repeats) -> Vec<bool> {
    let mut mask = vec![true; points.len()];
    let mut taken = None;
    let mut decide = |i: usize| {
        if !Written::from_i64(points.written[i]).is_automatic() {
            mask[i] = taken.replace(points.steps[i]) != Some(points.steps[i]);
        }
    };
    match repeats {
        Repeats::First => (0..points.len()).for_each(&mut decide),
        _ => (0..points.len()).rev().for_each(&mut decide),
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A point: its step, clock and seq, and whether the step is automatic.
    type TestPoint = (i64, i64, i64, bool);

    /// Chunks whose values are the positions of their points, so that ties show which point was taken.
    fn chunks_of(lists: &[Vec<TestPoint>]) -> Vec<Points> {
        let mut position = 0.0;
        let mut chunk = |list: &Vec<TestPoint>| {
            let mut points = Points::default();
            for &(step, clock, seq, automatic) in list {
                // Some points are written at their time, and some are not.
                let time_us = if seq % 2 == 0 { clock } else { 1000 - clock };
                points.push_written(step, seq, Written::new(clock, time_us, automatic), time_us, position);
                position += 1.0;
            }
            points
        };
        lists.iter().map(&mut chunk).collect()
    }

    /// Chunks of points that were written at one clock.
    fn chunks(lists: &[Vec<(i64, i64)>]) -> Vec<Points> {
        let at_once =
            |list: &Vec<(i64, i64)>| list.iter().map(|&(step, seq)| (step, 7, seq, false)).collect();
        chunks_of(&lists.iter().map(at_once).collect::<Vec<_>>())
    }

    /// The definition: a map from each step to its points in write order.
    fn oracle(chunks: &[Points], repeats: Repeats) -> Points {
        /// Clock, seq, how it was written, time and value.
        type Write = (i64, i64, Written, i64, f64);
        let mut map: BTreeMap<i64, Vec<Write>> = BTreeMap::new();
        for c in chunks {
            for i in 0..c.len() {
                let (written, time_us) = (Written::from_i64(c.written[i]), c.times_us[i]);
                let point = (written.clock_us(time_us), c.seqs[i], written, time_us, c.values[i]);
                map.entry(c.steps[i]).or_default().push(point);
            }
        }
        let mut expected = Points::default();
        for (step, mut list) in map {
            list.sort_by_key(|p| (p.0, p.1));
            let chosen: Vec<usize> = (0..list.len()).filter(|&i| !list[i].2.is_automatic()).collect();
            for (i, &(_, seq, written, time_us, value)) in list.iter().enumerate() {
                let counts = match repeats {
                    Repeats::Last => chosen.last() == Some(&i),
                    Repeats::First => chosen.first() == Some(&i),
                    Repeats::All => true,
                };
                if counts || written.is_automatic() {
                    expected.push_written(step, seq, written, time_us, value);
                }
            }
        }
        expected
    }

    fn step() -> impl Strategy<Value = i64> {
        prop_oneof![8 => -6..6i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn merging_equals_the_map_of_steps_to_writes(
            lists in prop::collection::vec(
                prop::collection::vec((step(), 1..4i64, 0..5i64, prop::bool::weighted(0.2)), 0..12), 0..40,
            ),
            sort in any::<bool>(),
        ) {
            let mut lists = lists;
            if sort {
                lists.iter_mut().for_each(|l| l.sort());
            }
            let chunks = chunks_of(&lists);
            for repeats in [Repeats::Last, Repeats::First, Repeats::All] {
                let merged = merge(chunks.clone(), repeats);
                prop_assert_eq!(&merged, &oracle(&chunks, repeats));
                prop_assert_eq!(&merge(vec![merged.clone()], repeats), &merged, "merging again changes nothing");
            }
        }

        #[test]
        fn chunks_end_to_end_in_any_order_equal_the_map_of_steps_to_writes(
            cuts in prop::collection::vec(1..6usize, 1..6),
            rotate in 0..6usize,
        ) {
            let mut next = 0;
            let mut lists: Vec<Vec<(i64, i64)>> = cuts.iter().map(|&n| {
                let list = (next..next + n as i64).map(|i| (i / 2, i)).collect();
                next += n as i64;
                list
            }).collect();
            let by = rotate % lists.len();
            lists.rotate_left(by);
            let chunks = chunks(&lists);
            for repeats in [Repeats::Last, Repeats::First, Repeats::All] {
                prop_assert_eq!(&merge(chunks.clone(), repeats), &oracle(&chunks, repeats));
            }
        }
    }

    #[test]
    fn nothing_merges_to_nothing() {
        assert_eq!(merge(Vec::new(), Repeats::Last), Points::default());
        assert_eq!(merge(vec![Points::default(); 2], Repeats::All), Points::default());
    }

    #[test]
    fn within_one_batch_the_later_position_wins() {
        let chunks = chunks(&[vec![(2, 7), (1, 7), (2, 7)], vec![(1, 7)]]);
        assert_eq!(merge(chunks.clone(), Repeats::Last).values, [3.0, 2.0]);
        assert_eq!(merge(chunks, Repeats::First).values, [1.0, 0.0]);
    }

    #[test]
    fn the_later_clock_wins_whatever_the_writers_number() {
        let chunks = chunks_of(&[vec![(1, 20, 1, false)], vec![(1, 10, 9, false)]]);
        assert_eq!(merge(chunks.clone(), Repeats::Last).values, [0.0]);
        assert_eq!(merge(chunks, Repeats::First).values, [1.0]);
    }

    #[test]
    fn points_with_automatic_steps_are_all_kept_in_the_order_of_writing() {
        let a = vec![(1, 10, 0, true), (1, 40, 2, false), (2, 50, 4, true)];
        let b = vec![(1, 20, 0, false), (1, 30, 2, true), (2, 50, 4, true)];
        let chunks = chunks_of(&[a, b]);
        assert_eq!(merge(chunks.clone(), Repeats::Last).values, [0.0, 4.0, 1.0, 2.0, 5.0]);
        assert_eq!(merge(chunks, Repeats::First).values, [0.0, 3.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn a_single_sorted_chunk_is_not_copied() {
        let points = chunks(&[vec![(1, 1), (2, 2)]]).remove(0);
        let before = points.values.as_ptr();
        assert_eq!(merge(vec![points], Repeats::Last).values.as_ptr(), before);
    }

    #[test]
    fn columns_that_were_not_read_stay_empty() {
        let mut chunks = chunks(&[vec![(2, 0), (1, 0)], vec![(3, 0)]]);
        for c in &mut chunks {
            c.seqs.clear();
            c.written.clear();
            c.times_us.clear();
        }
        let merged = merge(chunks, Repeats::Last);
        assert_eq!((merged.steps, merged.values), (vec![1, 2, 3], vec![1.0, 0.0, 2.0]));
        assert!(merged.seqs.is_empty() && merged.times_us.is_empty());
    }
}
