//! The states of all groups, column by column: only the columns that the aggregates need exist.
//!
//! Invariant: taking points and merging give what [`Summary`] gives, whatever the order; `first` and `last` break
//! ties by series, as [`Grouping`](crate::Grouping) says. A state is a place in the columns, handed out by
//! `directory.rs`; `partial.rs` pushes, `finish.rs` reads.

use crate::needs::Needs;
use crate::quantile::Samples;
use crate::sketch::Sketch;
use tidalite_model::{Extreme, Point, SeriesKey, Summary};

/// Columns that are not needed stay empty.
#[derive(Debug, Default)]
pub(crate) struct States {
    needs: Needs,
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
    pub(crate) firsts: Vec<End>,
    pub(crate) first_times: Vec<i64>,
    pub(crate) lasts: Vec<End>,
    pub(crate) last_times: Vec<i64>,
    /// The greatest i64 where there is none.
    pub(crate) nan_steps: Vec<i64>,
    pub(crate) samples: Vec<Samples>,
    pub(crate) sketches: Vec<Sketch>,
    sample_bytes: usize,
}

/// A first or last point, and its series: a place in the list of keys that whoever pushes keeps.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct End {
    pub(crate) step: i64,
    pub(crate) value: f64,
    pub(crate) series: u32,
}

/// What a state takes: a summary, and the series of its first and last point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) first_series: u32,
    pub(crate) last_series: u32,
}

impl States {
    pub(crate) fn new(needs: Needs) -> Self {
        States { needs, ..States::default() }
    }

    /// Adds an empty state behind the others.
    #[inline]
    pub(crate) fn add(&mut self) {
        fn push_if<T>(needed: bool, column: &mut Vec<T>, empty: T) {
            if needed {
                column.push(empty);
            }
        }
        let needs = self.needs;
        push_if(needs.count, &mut self.counts, 0);
        push_if(needs.finite, &mut self.finites, 0);
        push_if(needs.nan, &mut self.nans, 0);
        push_if(needs.sum, &mut self.sums, 0.0);
        push_if(needs.mean, &mut self.means, 0.0);
        push_if(needs.m2, &mut self.m2s, 0.0);
        push_if(needs.min, &mut self.mins, f64::INFINITY);
        push_if(needs.min_step, &mut self.min_steps, 0);
        push_if(needs.max, &mut self.maxs, f64::NEG_INFINITY);
        push_if(needs.max_step, &mut self.max_steps, 0);
        push_if(needs.first, &mut self.firsts, End::default());
        push_if(needs.first_time, &mut self.first_times, 0);
        push_if(needs.last, &mut self.lasts, End::default());
        push_if(needs.last_time, &mut self.last_times, 0);
        push_if(needs.nan_step, &mut self.nan_steps, i64::MAX);
        push_if(needs.samples, &mut self.samples, Samples::default());
        push_if(needs.sketch, &mut self.sketches, Sketch::default());
    }

    /// Takes one point: [`Summary::push`] on the columns that are there.
    #[inline]
    pub(crate) fn push(&mut self, i: usize, p: Point, series: u32, keys: &[SeriesKey]) {
        let needs = self.needs;
        if needs.ends() {
            self.take_first(i, p, series, keys);
            self.take_last(i, p, series, keys);
        }
        if needs.count {
            self.counts[i] += 1;
        }
        let v = p.value;
        if !v.is_finite() {
            if needs.nan {
                self.nans[i] += u64::from(v.is_nan());
            }
            if needs.nan_step && v.is_nan() {
                self.take_nan(i, p.step);
            }
            return;
        }
        if needs.finite {
            self.finites[i] += 1;
        }
        if needs.sum {
            self.sums[i] += v;
        }
        if needs.mean {
            let delta = v - self.means[i];
            self.means[i] += delta / self.finites[i] as f64;
            if needs.m2 {
                self.m2s[i] += delta * (v - self.means[i]);
            }
        }
        let extreme = Extreme { value: v, step: p.step };
        if needs.min {
            self.take_min(i, extreme);
        }
        if needs.max {
            self.take_max(i, extreme);
        }
    }

    /// Takes what a summary took: [`Summary::merge`] on the columns that are there.
    #[inline]
    pub(crate) fn fold(&mut self, i: usize, taken: Taken<'_>, keys: &[SeriesKey]) {
        let (needs, s) = (self.needs, taken.summary);
        if let Some((first, last)) = s.first.zip(s.last).filter(|_| needs.ends()) {
            self.take_first(i, first, taken.first_series, keys);
            self.take_last(i, last, taken.last_series, keys);
        }
        if needs.count {
            self.counts[i] += s.count;
        }
        if needs.nan {
            self.nans[i] += s.nan;
        }
        if needs.sum && s.finite > 0 {
            self.sums[i] += s.sum;
        }
        if needs.mean && s.finite > 0 {
            self.fold_moments(i, s);
        }
        if needs.finite {
            self.finites[i] += s.finite;
        }
        if let Some(min) = s.min.filter(|_| needs.min) {
            self.take_min(i, min);
        }
        if let Some(max) = s.max.filter(|_| needs.max) {
            self.take_max(i, max);
        }
    }

    /// The pairwise rule of [`Summary::merge`]. Called before the finite values are counted.
    fn fold_moments(&mut self, i: usize, s: &Summary) {
        let (n, m) = (self.finites[i] as f64, s.finite as f64);
        let delta = s.mean - self.means[i];
        let first = self.finites[i] == 0;
        self.means[i] = if first { s.mean } else { self.means[i] + delta * m / (n + m) };
        if self.needs.m2 {
            self.m2s[i] += s.m2 + if first { 0.0 } else { delta * delta * n * m / (n + m) };
        }
    }

    /// Takes values for percentiles.
    pub(crate) fn sample(&mut self, i: usize, values: &[f64], all_finite: bool) {
        if self.needs.samples {
            self.sample_bytes += self.samples[i].push(values, all_finite);
        }
        if self.needs.sketch {
            self.sample_bytes += self.sketches[i].push(values);
        }
    }

    /// Takes the step of a NaN that is counted otherwise.
    pub(crate) fn take_nan(&mut self, i: usize, step: i64) {
        self.nan_steps[i] = self.nan_steps[i].min(step);
    }

    /// Takes all that state `j` of `other` took, whose series have their keys from `keys_from` on.
    pub(crate) fn take_state(
        &mut self,
        i: usize,
        other: &mut States,
        j: usize,
        keys: &[SeriesKey],
        keys_from: u32,
    ) {
        let taken = Taken {
            summary: &other.summary(j),
            first_series: other.firsts.get(j).map_or(0, |e| e.series + keys_from),
            last_series: other.lasts.get(j).map_or(0, |e| e.series + keys_from),
        };
        self.fold(i, taken, keys);
        if self.needs.samples {
            self.samples[i].merge(std::mem::take(&mut other.samples[j]));
        }
        if self.needs.sketch {
            self.sample_bytes += self.sketches[i].merge(&other.sketches[j]);
        }
        if self.needs.nan_step {
            self.take_nan(i, other.nan_steps[j]);
        }
    }

    /// Takes over the account of the samples that came with `other`'s states; what its sketches took goes with them.
    pub(crate) fn take_account(&mut self, other: &States) {
        let sketched: usize = other.sketches.iter().map(Sketch::bytes).sum();
        self.sample_bytes += other.sample_bytes.saturating_sub(sketched);
    }

    /// What a state took, as far as it was needed. A first point that is not needed is told as step 0, and so is a
    /// last one, where the other of the two is needed.
    fn summary(&self, i: usize) -> Summary {
        let extreme = |values: &[f64], steps: &[i64]| {
            let value = values.get(i).copied().filter(|v| v.is_finite())?;
            Some(Extreme { value, step: steps.get(i).copied().unwrap_or_default() })
        };
        let point = |ends: &[End], times: &[i64]| {
            let end = ends.get(i).copied().unwrap_or_default();
            Point { step: end.step, time_us: times.get(i).copied().unwrap_or_default(), value: end.value }
        };
        let count = self.counts.get(i).copied().unwrap_or_default();
        let has_ends = self.needs.ends() && count > 0;
        Summary {
            count,
            finite: self.finites.get(i).copied().unwrap_or_default(),
            nan: self.nans.get(i).copied().unwrap_or_default(),
            sum: self.sums.get(i).copied().unwrap_or_default(),
            mean: self.means.get(i).copied().unwrap_or_default(),
            m2: self.m2s.get(i).copied().unwrap_or_default(),
            min: extreme(&self.mins, &self.min_steps),
            max: extreme(&self.maxs, &self.max_steps),
            first: has_ends.then(|| point(&self.firsts, &self.first_times)),
            last: has_ends.then(|| point(&self.lasts, &self.last_times)),
            ..Summary::default()
        }
    }

    /// About how much memory all states take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let counts = [&self.counts, &self.finites, &self.nans].map(|c| c.capacity());
        let floats = [&self.sums, &self.means, &self.m2s, &self.mins, &self.maxs].map(|c| c.capacity());
        let whole = [&self.min_steps, &self.max_steps, &self.first_times, &self.last_times, &self.nan_steps]
            .map(|c| c.capacity());
        let eights: usize = counts.iter().chain(&floats).chain(&whole).sum();
        eights * size_of::<u64>()
            + (self.firsts.capacity() + self.lasts.capacity()) * size_of::<End>()
            + self.samples.capacity() * size_of::<Samples>()
            + self.sketches.capacity() * size_of::<Sketch>()
            + self.sample_bytes
    }

    /// Called, like `take_last`, before the points are counted.
    #[inline]
    fn take_first(&mut self, i: usize, p: Point, series: u32, keys: &[SeriesKey]) {
        if !self.needs.first {
            return;
        }
        let mine = self.firsts[i];
        let key = |series: u32| &keys[series as usize];
        let wins = self.counts[i] == 0
            || p.step < mine.step
            || (p.step == mine.step && key(series) < key(mine.series));
        if wins {
            self.firsts[i] = End { step: p.step, value: p.value, series };
            if self.needs.first_time {
                self.first_times[i] = p.time_us;
            }
        }
    }

    #[inline]
    fn take_last(&mut self, i: usize, p: Point, series: u32, keys: &[SeriesKey]) {
        if !self.needs.last {
            return;
        }
        let mine = self.lasts[i];
        let key = |series: u32| &keys[series as usize];
        // Within one series the later pushed is the later written.
        let wins = self.counts[i] == 0
            || p.step > mine.step
            || (p.step == mine.step && key(series) >= key(mine.series));
        if wins {
            self.lasts[i] = End { step: p.step, value: p.value, series };
            if self.needs.last_time {
                self.last_times[i] = p.time_us;
            }
        }
    }

    #[inline]
    fn take_min(&mut self, i: usize, e: Extreme) {
        let mine = self.mins[i];
        if !self.needs.min_step {
            self.mins[i] = if e.value < mine { e.value } else { mine };
        } else if e.value < mine || (e.value == mine && e.step < self.min_steps[i]) {
            (self.mins[i], self.min_steps[i]) = (e.value, e.step);
        }
    }

    #[inline]
    fn take_max(&mut self, i: usize, e: Extreme) {
        let mine = self.maxs[i];
        if !self.needs.max_step {
            self.maxs[i] = if e.value > mine { e.value } else { mine };
        } else if e.value > mine || (e.value == mine && e.step < self.max_steps[i]) {
            (self.maxs[i], self.max_steps[i]) = (e.value, e.step);
        }
    }
}
