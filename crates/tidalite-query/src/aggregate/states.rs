//! The states of all groups, column by column: only the columns that the aggregates need exist.
//!
//! Steps of taking something: it is made into states of its own, one for each run of points or each summary, in loops of
//! one column each; these then either become the states behind the others as they are, or are folded into those that
//! are there. Invariant: taking points and merging give what [`Summary`] gives, whatever the order; `first` and `last`
//! break ties by series, as [`Grouping`](crate::Grouping) says. A state is a place in the columns, handed out by
//! `directory.rs`; `partial.rs` pushes, `finish.rs` reads.

use super::needs::AggregateNeeds;
use super::quantile::Samples;
use super::sketch::Sketch;
use super::tally::{ValueTally, step_of, tally};
use crate::points::PointsView;
use std::ops::{AddAssign, Range};
use tidalite_model::{Point, SeriesKey, Summary};

/// Columns that are not needed stay empty.
#[derive(Debug, Default)]
pub(crate) struct GroupStates {
    needs: AggregateNeeds,
    len: usize,
    pub(crate) counts: Vec<u64>,
    pub(crate) finites: Vec<u64>,
    pub(crate) nans: Vec<u64>,
    pub(crate) sums: Vec<f64>,
    pub(crate) means: Vec<f64>,
    pub(crate) m2s: Vec<f64>,
    /// +Inf where there is none, since extremes are finite.
    pub(crate) mins: Vec<f64>,
    pub(crate) min_steps: Vec<i64>,
    /// −Inf where there is none.
    pub(crate) maxs: Vec<f64>,
    pub(crate) max_steps: Vec<i64>,
    /// Where the count is 0 there is no first and no last point.
    pub(crate) firsts: Vec<EndPoint>,
    pub(crate) first_times: Vec<i64>,
    pub(crate) lasts: Vec<EndPoint>,
    pub(crate) last_times: Vec<i64>,
    /// The greatest i64 where there is none.
    pub(crate) nan_steps: Vec<i64>,
    pub(crate) samples: Vec<Samples>,
    pub(crate) sketches: Vec<Sketch>,
    sample_bytes: usize,
}

/// A first or last point, and its series: a place in the list of keys that whoever pushes keeps.
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

    /// Without what is kept of the values themselves, which is not made anew for each taking.
    pub(crate) fn without_values(needs: AggregateNeeds) -> Self {
        GroupStates::new(AggregateNeeds { samples: false, sketch: false, ..needs })
    }

    /// Replaces all states by one for each of some runs of one series' points.
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
        set(needs.last_time, &mut self.last_times, of.map(|r| points.times_us[r.end - 1]));
        if needs.values() {
            self.set_to_values(points, runs);
        }
    }

    fn set_to_values(&mut self, points: PointsView<'_>, runs: &[Range<usize>]) {
        let needs = self.needs;
        let tallies: Vec<ValueTally> = runs.iter().map(|r| tally(&points.values[r.clone()], needs)).collect();
        let of = tallies.iter();
        set(needs.finite, &mut self.finites, of.clone().map(|t| t.finite));
        set(needs.nan, &mut self.nans, of.clone().map(|t| t.nan));
        set(needs.sum, &mut self.sums, of.clone().map(|t| t.sum));
        set(needs.mean, &mut self.means, of.clone().map(|t| t.mean));
        set(needs.m2, &mut self.m2s, of.clone().map(|t| t.m2));
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
    }

    /// Replaces all states by one of a summary. Where the steps of NaNs are needed, it counts none.
    pub(crate) fn set_to_summary(&mut self, s: &Summary, series: u32) {
        self.len = 1;
        let needs = self.needs;
        let (first, last) = s.first.zip(s.last).expect("a summary that has a bucket has ends");
        let end = |p: Point| EndPoint { step: p.step, value: p.value, series };
        set(needs.count, &mut self.counts, [s.count]);
        set(needs.finite, &mut self.finites, [s.finite]);
        set(needs.nan, &mut self.nans, [s.nan]);
        set(needs.sum, &mut self.sums, [s.sum]);
        set(needs.mean, &mut self.means, [s.mean]);
        set(needs.m2, &mut self.m2s, [s.m2]);
        set(needs.min, &mut self.mins, [s.min.map_or(f64::INFINITY, |e| e.value)]);
        set(needs.min_step, &mut self.min_steps, [s.min.map_or(0, |e| e.step)]);
        set(needs.max, &mut self.maxs, [s.max.map_or(f64::NEG_INFINITY, |e| e.value)]);
        set(needs.max_step, &mut self.max_steps, [s.max.map_or(0, |e| e.step)]);
        set(needs.first, &mut self.firsts, [end(first)]);
        set(needs.first_time, &mut self.first_times, [first.time_us]);
        set(needs.last, &mut self.lasts, [end(last)]);
        set(needs.last_time, &mut self.last_times, [last.time_us]);
        set(needs.nan_step, &mut self.nan_steps, [i64::MAX]);
    }

    /// Takes all states of `other`, each at its place, where the keys of its series lie from `keys_from` on. There are `len`
    /// places now; the new ones stand behind the others, and first came up in their order.
    pub(crate) fn take(
        &mut self,
        other: &mut GroupStates,
        places: &[u32],
        len: usize,
        keys: &[SeriesKey],
        keys_from: u32,
    ) {
        let ends = other.firsts.iter_mut().chain(&mut other.lasts);
        ends.for_each(|end| end.series += keys_from);
        if len - self.len == other.len {
            // None of them was there before.
            self.append(other);
        } else {
            self.grow(len);
            self.fold(other, places, keys);
        }
        for (&place, samples) in places.iter().zip(&mut other.samples) {
            self.samples[place as usize].merge(std::mem::take(samples));
        }
        for (&place, sketch) in places.iter().zip(&other.sketches) {
            self.sample_bytes += self.sketches[place as usize].merge(sketch);
        }
    }

    /// Adds empty states behind the others, until there are so many.
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
        grow(needs.sum, &mut self.sums, len, 0.0);
        grow(needs.mean, &mut self.means, len, 0.0);
        grow(needs.m2, &mut self.m2s, len, 0.0);
        grow(needs.min, &mut self.mins, len, f64::INFINITY);
        grow(needs.min_step, &mut self.min_steps, len, 0);
        grow(needs.max, &mut self.maxs, len, f64::NEG_INFINITY);
        grow(needs.max_step, &mut self.max_steps, len, 0);
        grow(needs.first, &mut self.firsts, len, EndPoint::default());
        grow(needs.first_time, &mut self.first_times, len, 0);
        grow(needs.last, &mut self.lasts, len, EndPoint::default());
        grow(needs.last_time, &mut self.last_times, len, 0);
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

    /// The states of `other` behind these; those of the values themselves stay where they are.
    fn append(&mut self, other: &mut GroupStates) {
        self.len += other.len;
        join(&mut self.counts, &mut other.counts);
        join(&mut self.finites, &mut other.finites);
        join(&mut self.nans, &mut other.nans);
        join(&mut self.sums, &mut other.sums);
        join(&mut self.means, &mut other.means);
        join(&mut self.m2s, &mut other.m2s);
        join(&mut self.mins, &mut other.mins);
        join(&mut self.min_steps, &mut other.min_steps);
        join(&mut self.maxs, &mut other.maxs);
        join(&mut self.max_steps, &mut other.max_steps);
        join(&mut self.firsts, &mut other.firsts);
        join(&mut self.first_times, &mut other.first_times);
        join(&mut self.lasts, &mut other.lasts);
        join(&mut self.last_times, &mut other.last_times);
        join(&mut self.nan_steps, &mut other.nan_steps);
        self.grow_values();
    }

    /// [`Summary::merge`] on the columns that are there, of each state of `other` into that at its place.
    fn fold(&mut self, other: &GroupStates, places: &[u32], keys: &[SeriesKey]) {
        let needs = self.needs;
        let pairs = || places.iter().map(|&place| place as usize).zip(0..);
        if needs.ends() {
            // Whether a state has an end yet is told by its count.
            for (i, j) in pairs().filter(|&(_, j)| other.counts[j] > 0) {
                self.fold_ends(i, other, j, keys);
                self.counts[i] += other.counts[j];
            }
        } else {
            add(&mut self.counts, &other.counts, places);
        }
        if needs.mean {
            for (i, j) in pairs().filter(|&(_, j)| other.finites[j] > 0) {
                self.fold_moments(i, other, j);
                self.finites[i] += other.finites[j];
            }
        } else {
            add(&mut self.finites, &other.finites, places);
        }
        add(&mut self.nans, &other.nans, places);
        add(&mut self.sums, &other.sums, places);
        if needs.min_step {
            pairs().for_each(|(i, j)| self.fold_min(i, other, j));
        } else {
            keep(&mut self.mins, &other.mins, places, |mine, value| value < mine);
        }
        if needs.max_step {
            pairs().for_each(|(i, j)| self.fold_max(i, other, j));
        } else {
            keep(&mut self.maxs, &other.maxs, places, |mine, value| value > mine);
        }
        keep(&mut self.nan_steps, &other.nan_steps, places, |mine, step| step < mine);
    }

    /// The pairwise rule of [`Summary::merge`].
    #[inline]
    fn fold_moments(&mut self, i: usize, other: &GroupStates, j: usize) {
        let (n, m) = (self.finites[i] as f64, other.finites[j] as f64);
        let delta = other.means[j] - self.means[i];
        let first = self.finites[i] == 0;
        self.means[i] = if first { other.means[j] } else { self.means[i] + delta * m / (n + m) };
        if self.needs.m2 {
            self.m2s[i] += other.m2s[j] + if first { 0.0 } else { delta * delta * n * m / (n + m) };
        }
    }

    #[inline]
    fn fold_ends(&mut self, i: usize, other: &GroupStates, j: usize, keys: &[SeriesKey]) {
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
            // Within one series the later pushed is the later written.
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

    /// Takes values for percentiles.
    pub(crate) fn sample(&mut self, i: usize, values: &[f64]) {
        if self.needs.samples {
            self.sample_bytes += self.samples[i].push(values);
        }
        if self.needs.sketch {
            self.sample_bytes += self.sketches[i].push(values);
        }
    }

    /// Takes over the account of the samples that came with `other`'s states; what its sketches took goes with them.
    pub(crate) fn take_account(&mut self, other: &GroupStates) {
        let sketched: usize = other.sketches.iter().map(Sketch::bytes).sum();
        self.sample_bytes += other.sample_bytes.saturating_sub(sketched);
    }

    /// About how much memory all states take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let counts = [&self.counts, &self.finites, &self.nans].map(|c| c.capacity());
        let floats = [&self.sums, &self.means, &self.m2s, &self.mins, &self.maxs].map(|c| c.capacity());
        let whole = [&self.min_steps, &self.max_steps, &self.first_times, &self.last_times, &self.nan_steps]
            .map(|c| c.capacity());
        let eights: usize = counts.iter().chain(&floats).chain(&whole).sum();
        eights * size_of::<u64>()
            + (self.firsts.capacity() + self.lasts.capacity()) * size_of::<EndPoint>()
            + self.samples.capacity() * size_of::<Samples>()
            + self.sketches.capacity() * size_of::<Sketch>()
            + self.sample_bytes
    }
}

/// Fills a column that is needed.
#[inline]
fn set<T>(needed: bool, column: &mut Vec<T>, values: impl IntoIterator<Item = T>) {
    if needed {
        column.clear();
        column.extend(values);
    }
}

/// Puts a column behind another, where there is one at all.
#[inline]
fn join<T>(column: &mut Vec<T>, other: &mut Vec<T>) {
    if !other.is_empty() {
        column.append(other);
    }
}

/// Adds numbers to those at their places. Columns that are not needed are empty.
fn add<T: Copy + AddAssign>(column: &mut [T], others: &[T], places: &[u32]) {
    for (&place, &other) in places.iter().zip(others) {
        column[place as usize] += other;
    }
}

/// Puts numbers in the place of those that they win against.
fn keep<T: Copy>(column: &mut [T], others: &[T], places: &[u32], wins: impl Fn(T, T) -> bool) {
    for (&place, &other) in places.iter().zip(others) {
        let mine = &mut column[place as usize];
        *mine = if wins(*mine, other) { other } else { *mine };
    }
}
