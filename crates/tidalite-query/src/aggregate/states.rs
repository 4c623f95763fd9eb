//! The states of all groups, column by column; only the columns that the aggregates need exist.
//!
//! Steps of a push: each run of points, or each summary, becomes a state of its own, in loops over one column each.
//! These states are then appended to the others, or folded into the states of their groups. Invariants: pushing
//! points and merging give what [`Summary`] gives, in any order; `first` and `last` break ties by series, as
//! [`Grouping`](crate::Grouping) says. A state is an index into the columns.

use super::needs::AggregateNeeds;
use super::quantile::Samples;
use super::sketch::Sketch;
use super::tally::{ValueTally, step_of, tally};
use crate::points::PointsView;
use std::ops::{AddAssign, Range};
use tidalite_model::{ExactSquares, ExactSum, ExactTerms, Point, Summary};

/// Columns that are not needed stay empty.
#[derive(Debug, Default)]
pub(crate) struct GroupStates {
    needs: AggregateNeeds,
    len: usize,
    pub(crate) counts: Vec<u64>,
    pub(crate) finites: Vec<u64>,
    pub(crate) nans: Vec<u64>,
    pub(crate) sums: Vec<ExactSum>,
    pub(crate) squares: Vec<ExactSquares>,
    /// +Inf where there is no finite value.
    pub(crate) mins: Vec<f64>,
    pub(crate) min_steps: Vec<i64>,
    /// −Inf where there is no finite value.
    pub(crate) maxs: Vec<f64>,
    pub(crate) max_steps: Vec<i64>,
    /// Valid where the count is above 0.
    pub(crate) firsts: Vec<EndPoint>,
    pub(crate) first_times: Vec<i64>,
    pub(crate) lasts: Vec<EndPoint>,
    pub(crate) last_times: Vec<i64>,
    /// The greatest i64 where there is no point.
    pub(crate) time_mins: Vec<i64>,
    /// The least i64 where there is no point.
    pub(crate) time_maxs: Vec<i64>,
    /// The greatest i64 where there is no NaN.
    pub(crate) nan_steps: Vec<i64>,
    pub(crate) samples: Vec<Samples>,
    pub(crate) sketches: Vec<Sketch>,
    sample_bytes: usize,
}

/// A first or last point, and the index of its series in the list of keys that the pusher keeps.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EndPoint {
    pub(crate) step: i64,
    pub(crate) value: f64,
    pub(crate) series: u32,
}

impl GroupStates {
    pub(crate) fn new(needs: AggregateNeeds) -> Self {
        GroupStates { needs, ..GroupStates::default() }
    }

    /// States without samples and sketches: values go into those of the groups directly.
    pub(crate) fn without_values(needs: AggregateNeeds) -> Self {
        GroupStates::new(AggregateNeeds { samples: false, sketch: false, ..needs })
    }

    /// Replaces all states by one per run of points of one series.
    pub(crate) fn set_to_runs(&mut self, points: PointsView<'_>, runs: &[Range<usize>], series: u32) {
        self.len = runs.len();
        let (needs, of) = (self.needs, runs.iter());
        let end = |i: usize| {
            let p = points.point(i);
            EndPoint { step: p.step, value: p.value, series }
        };
        set(needs.count, &mut self.counts, of.clone().map(|r| r.len() as u64));
        set(needs.first, &mut self.firsts, of.clone().map(|r| end(r.start)));
        set(needs.first_time, &mut self.first_times, of.clone().map(|r| points.times_us[r.start]));
        set(needs.last, &mut self.lasts, of.clone().map(|r| end(r.end - 1)));
        set(needs.last_time, &mut self.last_times, of.clone().map(|r| points.times_us[r.end - 1]));
        let times = |r: &Range<usize>| points.times_us[r.clone()].iter().copied();
        set(needs.time_min, &mut self.time_mins, of.clone().map(|r| times(r).min().unwrap_or(i64::MAX)));
        set(needs.time_max, &mut self.time_maxs, of.map(|r| times(r).max().unwrap_or(i64::MIN)));
        if needs.values() {
            self.set_to_values(points, runs);
        }
    }

    /// Replaces all states by one per run of an outline, each with nothing but the step of its first NaN.
    pub(crate) fn set_to_outlines(&mut self, points: PointsView<'_>, runs: &[Range<usize>]) {
        let needs = self.needs;
        let emptied = std::mem::take(self);
        *self = GroupStates { needs, nan_steps: emptied.nan_steps, ..GroupStates::default() };
        self.grow(runs.len());
        let nan_step = |run: &Range<usize>| {
            let nan = run.clone().find(|&i| points.values[i].is_nan());
            nan.map_or(i64::MAX, |i| points.steps[i])
        };
        set(needs.nan_step, &mut self.nan_steps, runs.iter().map(nan_step));
    }

    fn set_to_values(&mut self, points: PointsView<'_>, runs: &[Range<usize>]) {
        let needs = self.needs;
        let mut tallies: Vec<ValueTally> =
            runs.iter().map(|r| tally(&points.values[r.clone()], needs)).collect();
        let of = tallies.iter();
        set(needs.finite, &mut self.finites, of.clone().map(|t| t.finite));
        set(needs.nan, &mut self.nans, of.clone().map(|t| t.nan));
        set(needs.min, &mut self.mins, of.clone().map(|t| t.min));
        set(needs.max, &mut self.maxs, of.clone().map(|t| t.max));
        let of = runs.iter().zip(of);
        let step = |(run, t): (&Range<usize>, &ValueTally), extreme: f64| match t.finite {
            0 => 0,
            _ => step_of(points.slice(run.clone()), extreme),
        };
        set(needs.min_step, &mut self.min_steps, of.clone().map(|rt| step(rt, rt.1.min)));
        set(needs.max_step, &mut self.max_steps, of.clone().map(|rt| step(rt, rt.1.max)));
        let nan = |run: &Range<usize>| run.clone().find(|&i| points.values[i].is_nan());
        let nan_step = |(run, t): (&Range<usize>, &ValueTally)| match t.nan {
            0 => i64::MAX,
            _ => points.steps[nan(run).expect("one was counted")],
        };
        set(needs.nan_step, &mut self.nan_steps, of.map(nan_step));
        set(needs.sum, &mut self.sums, tallies.iter_mut().map(|t| std::mem::take(&mut t.sum)));
        set(needs.squares, &mut self.squares, tallies.into_iter().map(|t| t.squares));
    }

    /// Replaces all states by that of a summary, without the step of a NaN.
    pub(crate) fn set_to_summary(&mut self, s: &Summary, series: u32) {
        self.clear();
        self.push_summary(s, series);
    }

    /// Adds the state of a summary, without the step of a NaN.
    pub(crate) fn push_summary(&mut self, s: &Summary, series: u32) {
        self.len += 1;
        let needs = self.needs;
        let (first, last) = s.first.zip(s.last).expect("a summary that has a bucket has ends");
        let end = |p: Point| EndPoint { step: p.step, value: p.value, series };
        push(needs.count, &mut self.counts, || s.count);
        push(needs.finite, &mut self.finites, || s.finite);
        push(needs.nan, &mut self.nans, || s.nan);
        push(needs.sum, &mut self.sums, || s.sum.clone());
        push(needs.squares, &mut self.squares, || s.squares.clone());
        push(needs.min, &mut self.mins, || s.min.map_or(f64::INFINITY, |e| e.value));
        push(needs.min_step, &mut self.min_steps, || s.min.map_or(0, |e| e.step));
        push(needs.max, &mut self.maxs, || s.max.map_or(f64::NEG_INFINITY, |e| e.value));
        push(needs.max_step, &mut self.max_steps, || s.max.map_or(0, |e| e.step));
        push(needs.first, &mut self.firsts, || end(first));
        push(needs.first_time, &mut self.first_times, || first.time_us);
        push(needs.last, &mut self.lasts, || end(last));
        push(needs.last_time, &mut self.last_times, || last.time_us);
        push(needs.time_min, &mut self.time_mins, || s.time_min_us.unwrap_or(i64::MAX));
        push(needs.time_max, &mut self.time_maxs, || s.time_max_us.unwrap_or(i64::MIN));
        push(needs.nan_step, &mut self.nan_steps, || i64::MAX);
    }

    /// Removes all states, and keeps their memory. Samples and sketches are not kept here.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.counts.clear();
        self.finites.clear();
        self.nans.clear();
        self.sums.clear();
        self.squares.clear();
        self.mins.clear();
        self.min_steps.clear();
        self.maxs.clear();
        self.max_steps.clear();
        self.firsts.clear();
        self.first_times.clear();
        self.lasts.clear();
        self.last_times.clear();
        self.time_mins.clear();
        self.time_maxs.clear();
        self.nan_steps.clear();
    }

    /// Takes all states of `other` into the `groups` with these indexes. The keys of its series start at `keys_from`.
    /// There are `len` groups now; new groups follow the known ones, in the order of their first state.
    pub(crate) fn take<K: Ord>(
        &mut self,
        other: &mut GroupStates,
        groups: &[u32],
        len: usize,
        keys: &[K],
        keys_from: u32,
    ) {
        let ends = other.firsts.iter_mut().chain(&mut other.lasts);
        ends.for_each(|end| end.series += keys_from);
        if len - self.len == other.len {
            // All groups are new.
            self.append(other);
        } else {
            self.grow(len);
            self.fold(other, groups, keys);
        }
        for (&group, samples) in groups.iter().zip(&mut other.samples) {
            self.samples[group as usize].merge(std::mem::take(samples));
        }
        for (&group, sketch) in groups.iter().zip(&other.sketches) {
            self.sample_bytes += self.sketches[group as usize].merge(sketch);
        }
    }

    /// Appends empty states until there are `len`.
    pub(crate) fn grow(&mut self, len: usize) {
        fn grow<T: Clone>(needed: bool, column: &mut Vec<T>, len: usize, empty: T) {
            if needed {
                column.resize(len, empty);
            }
        }
        self.len = len;
        let needs = self.needs;
        grow(needs.count, &mut self.counts, len, 0);
        grow(needs.finite, &mut self.finites, len, 0);
        grow(needs.nan, &mut self.nans, len, 0);
        grow(needs.sum, &mut self.sums, len, ExactSum::default());
        grow(needs.squares, &mut self.squares, len, ExactSquares::default());
        grow(needs.min, &mut self.mins, len, f64::INFINITY);
        grow(needs.min_step, &mut self.min_steps, len, 0);
        grow(needs.max, &mut self.maxs, len, f64::NEG_INFINITY);
        grow(needs.max_step, &mut self.max_steps, len, 0);
        grow(needs.first, &mut self.firsts, len, EndPoint::default());
        grow(needs.first_time, &mut self.first_times, len, 0);
        grow(needs.last, &mut self.lasts, len, EndPoint::default());
        grow(needs.last_time, &mut self.last_times, len, 0);
        grow(needs.time_min, &mut self.time_mins, len, i64::MAX);
        grow(needs.time_max, &mut self.time_maxs, len, i64::MIN);
        grow(needs.nan_step, &mut self.nan_steps, len, i64::MAX);
        self.grow_values();
    }

    fn grow_values(&mut self) {
        if self.needs.samples {
            self.samples.resize_with(self.len, Samples::default);
        }
        if self.needs.sketch {
            self.sketches.resize_with(self.len, Sketch::default);
        }
    }

    /// Appends the states of `other`, without its samples and sketches.
    fn append(&mut self, other: &mut GroupStates) {
        self.len += other.len;
        join(&mut self.counts, &mut other.counts);
        join(&mut self.finites, &mut other.finites);
        join(&mut self.nans, &mut other.nans);
        join(&mut self.sums, &mut other.sums);
        join(&mut self.squares, &mut other.squares);
        join(&mut self.mins, &mut other.mins);
        join(&mut self.min_steps, &mut other.min_steps);
        join(&mut self.maxs, &mut other.maxs);
        join(&mut self.max_steps, &mut other.max_steps);
        join(&mut self.firsts, &mut other.firsts);
        join(&mut self.first_times, &mut other.first_times);
        join(&mut self.lasts, &mut other.lasts);
        join(&mut self.last_times, &mut other.last_times);
        join(&mut self.time_mins, &mut other.time_mins);
        join(&mut self.time_maxs, &mut other.time_maxs);
        join(&mut self.nan_steps, &mut other.nan_steps);
        self.grow_values();
    }

    /// Folds each state of `other` into its group: [`Summary::merge`] on the columns that exist.
    fn fold<K: Ord>(&mut self, other: &GroupStates, groups: &[u32], keys: &[K]) {
        let needs = self.needs;
        let pairs = || groups.iter().map(|&group| group as usize).zip(0..);
        if needs.ends() {
            // A count of 0 says that a state has no ends yet.
            for (i, j) in pairs().filter(|&(_, j)| other.counts[j] > 0) {
                self.fold_ends(i, other, j, keys);
                self.counts[i] += other.counts[j];
            }
        } else {
            add(&mut self.counts, &other.counts, groups);
        }
        add(&mut self.finites, &other.finites, groups);
        add(&mut self.nans, &other.nans, groups);
        merge(&mut self.sums, &other.sums, groups);
        merge(&mut self.squares, &other.squares, groups);
        if needs.min_step {
            pairs().for_each(|(i, j)| self.fold_min(i, other, j));
        } else {
            keep(&mut self.mins, &other.mins, groups, |mine, value| value < mine);
        }
        if needs.max_step {
            pairs().for_each(|(i, j)| self.fold_max(i, other, j));
        } else {
            keep(&mut self.maxs, &other.maxs, groups, |mine, value| value > mine);
        }
        keep(&mut self.time_mins, &other.time_mins, groups, |mine, time| time < mine);
        keep(&mut self.time_maxs, &other.time_maxs, groups, |mine, time| time > mine);
        keep(&mut self.nan_steps, &other.nan_steps, groups, |mine, step| step < mine);
    }

    #[inline]
    fn fold_ends<K: Ord>(&mut self, i: usize, other: &GroupStates, j: usize, keys: &[K]) {
        let is_empty = self.counts[i] == 0;
        let key = |end: &EndPoint| &keys[end.series as usize];
        if self.needs.first {
            let (mine, theirs) = (&self.firsts[i], &other.firsts[j]);
            let before = (theirs.step, mine.step);
            if is_empty || before.0 < before.1 || (before.0 == before.1 && key(theirs) < key(mine)) {
                self.firsts[i] = *theirs;
                if self.needs.first_time {
                    self.first_times[i] = other.first_times[j];
                }
            }
        }
        if self.needs.last {
            let (mine, theirs) = (&self.lasts[i], &other.lasts[j]);
            // Within one series, what is pushed later was written later.
            let after = (theirs.step, mine.step);
            if is_empty || after.0 > after.1 || (after.0 == after.1 && key(theirs) >= key(mine)) {
                self.lasts[i] = *theirs;
                if self.needs.last_time {
                    self.last_times[i] = other.last_times[j];
                }
            }
        }
    }

    #[inline]
    fn fold_min(&mut self, i: usize, other: &GroupStates, j: usize) {
        let (mine, theirs) = (self.mins[i], other.mins[j]);
        if theirs < mine || (theirs == mine && other.min_steps[j] < self.min_steps[i]) {
            (self.mins[i], self.min_steps[i]) = (theirs, other.min_steps[j]);
        }
    }

    #[inline]
    fn fold_max(&mut self, i: usize, other: &GroupStates, j: usize) {
        let (mine, theirs) = (self.maxs[i], other.maxs[j]);
        if theirs > mine || (theirs == mine && other.max_steps[j] < self.max_steps[i]) {
            (self.maxs[i], self.max_steps[i]) = (theirs, other.max_steps[j]);
        }
    }

    /// Takes values for the percentiles of a group.
    pub(crate) fn sample(&mut self, i: usize, values: &[f64]) {
        if self.needs.samples {
            self.sample_bytes += self.samples[i].push(values);
        }
        if self.needs.sketch {
            self.sample_bytes += self.sketches[i].push(values);
        }
    }

    /// Adds the bytes of `other`'s samples, whose chunks move here. Bytes of sketches are counted when these merge.
    pub(crate) fn add_sample_bytes(&mut self, other: &GroupStates) {
        let sketched: usize = other.sketches.iter().map(Sketch::bytes).sum();
        self.sample_bytes += other.sample_bytes.saturating_sub(sketched);
    }

    /// The approximate memory of all states, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let counts = [&self.counts, &self.finites, &self.nans].map(|c| c.capacity());
        let floats = [&self.mins, &self.maxs].map(|c| c.capacity());
        let times = [&self.first_times, &self.last_times, &self.time_mins, &self.time_maxs];
        let whole = [&self.min_steps, &self.max_steps, &self.nan_steps].into_iter().chain(times);
        let whole: Vec<usize> = whole.map(Vec::capacity).collect();
        let eights: usize = counts.iter().chain(&floats).chain(&whole).sum();
        eights * size_of::<u64>()
            + self.sums.capacity() * size_of::<ExactSum>()
            + self.squares.capacity() * size_of::<ExactSquares>()
            + (self.firsts.capacity() + self.lasts.capacity()) * size_of::<EndPoint>()
            + self.samples.capacity() * size_of::<Samples>()
            + self.sketches.capacity() * size_of::<Sketch>()
            + self.sample_bytes
    }
}

/// Fills a column if it is needed.
#[inline]
fn set<T>(needed: bool, column: &mut Vec<T>, values: impl IntoIterator<Item = T>) {
    if needed {
        column.clear();
        column.extend(values);
    }
}

/// Adds to a column if it is needed.
#[inline]
fn push<T>(needed: bool, column: &mut Vec<T>, value: impl FnOnce() -> T) {
    if needed {
        column.push(value());
    }
}

/// Appends a column to another, if it is used.
#[inline]
fn join<T>(column: &mut Vec<T>, other: &mut Vec<T>) {
    if !other.is_empty() {
        column.append(other);
    }
}

/// Adds each number to that of its group. Columns that are not needed are empty.
fn add<T: Copy + AddAssign>(column: &mut [T], others: &[T], groups: &[u32]) {
    for (&group, &other) in groups.iter().zip(others) {
        column[group as usize] += other;
    }
}

/// Merges each sum into that of its group. Columns that are not needed are empty.
fn merge<const TERMS: usize>(column: &mut [ExactTerms<TERMS>], others: &[ExactTerms<TERMS>], groups: &[u32]) {
    for (&group, other) in groups.iter().zip(others) {
        column[group as usize].merge(other);
    }
}

/// Replaces the number of each group where the new one wins.
fn keep<T: Copy>(column: &mut [T], others: &[T], groups: &[u32], wins: impl Fn(T, T) -> bool) {
    for (&group, &other) in groups.iter().zip(others) {
        let mine = &mut column[group as usize];
        *mine = if wins(*mine, other) { other } else { *mine };
    }
}
