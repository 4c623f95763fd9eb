//! Several chunks of one series become one, ascending by step, with the rule for repeats applied.
//!
//! Steps: sorted chunks that do not overlap are joined (a single one is not even copied). Other chunks are sorted
//! where they need it, then merged. Both are stable: of two points with one step and one seq, the later position
//! stays the later one. Then repeats are resolved.

use super::columns::Points;
use super::repeats::Repeats;
use super::rising::rises;

/// Merges chunks into one that ascends by step, then seq, then position (the chunks' order, then the order within),
/// with repeats resolved.
///
/// Needs steps, and seqs wherever a step may repeat: points without seqs count as written at once. Chunks may overlap
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

type MergeKey = (i64, i64);

fn key(points: &Points, i: usize) -> MergeKey {
    (points.steps[i], points.seqs.get(i).copied().unwrap_or_default())
}

/// The order in which the chunks are sorted and do not overlap; `None` where there is none.
fn end_to_end(chunks: &[Points]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..chunks.len()).collect();
    order.sort_by_key(|&i| key(&chunks[i], 0));
    let follows = |w: &[usize]| {
        let (a, b) = (&chunks[w[0]], &chunks[w[1]]);
        let (end, start) = (key(a, a.len() - 1), key(b, 0));
        // Points of one step and seq keep the order of their positions.
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
    merged.reserve_columns(total, has(|c| !c.seqs.is_empty()), has(|c| !c.times_us.is_empty()));
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

/// Applies the rule to points that ascend by step, then seq, then position.
fn resolve(points: &mut Points, repeats: Repeats) {
    if repeats == Repeats::All || rises(&points.steps, 1) {
        return;
    }
    let steps = &points.steps;
    let mask: Vec<bool> = match repeats {
        Repeats::First => (0..steps.len()).map(|i| i == 0 || steps[i - 1] != steps[i]).collect(),
        _ => (0..steps.len()).map(|i| i + 1 == steps.len() || steps[i + 1] != steps[i]).collect(),
    };
    points.keep(&mask);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Chunks whose values are the positions of their points, so that ties show which point was taken.
    fn chunks(lists: &[Vec<(i64, i64)>]) -> Vec<Points> {
        let mut position = 0.0;
        let mut chunk = |list: &Vec<(i64, i64)>| {
            let mut points = Points::default();
            for &(step, seq) in list {
                points.push(step, seq, step ^ seq, position);
                position += 1.0;
            }
            points
        };
        lists.iter().map(&mut chunk).collect()
    }

    /// The definition: a map from each step to its points in write order.
    fn oracle(chunks: &[Points], repeats: Repeats) -> Points {
        let mut map: BTreeMap<i64, Vec<(i64, i64, f64)>> = BTreeMap::new();
        for c in chunks {
            for i in 0..c.len() {
                map.entry(c.steps[i]).or_default().push((c.seqs[i], c.times_us[i], c.values[i]));
            }
        }
        let mut expected = Points::default();
        for (step, mut list) in map {
            list.sort_by_key(|p| p.0);
            let taken = match repeats {
                Repeats::Last => &list[list.len() - 1..],
                Repeats::First => &list[..1],
                Repeats::All => &list[..],
            };
            taken.iter().for_each(|&(seq, time, value)| expected.push(step, seq, time, value));
        }
        expected
    }

    fn step() -> impl Strategy<Value = i64> {
        prop_oneof![8 => -6..6i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
    }

    proptest! {
        #[test]
        fn merging_equals_the_map_of_steps_to_writes(
            lists in prop::collection::vec(prop::collection::vec((step(), 0..5i64), 0..12), 0..40),
            sort in any::<bool>(),
        ) {
            let mut lists = lists;
            if sort {
                lists.iter_mut().for_each(|l| l.sort());
            }
            let chunks = chunks(&lists);
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
            c.times_us.clear();
        }
        let merged = merge(chunks, Repeats::Last);
        assert_eq!((merged.steps, merged.values), (vec![1, 2, 3], vec![1.0, 0.0, 2.0]));
        assert!(merged.seqs.is_empty() && merged.times_us.is_empty());
    }
}
