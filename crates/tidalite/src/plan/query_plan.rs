//! The plan: the selected series, ascending by key. Each has its rows in parts and its points in log tails, of the
//! run itself and of the ancestors whose history it inherits.
//!
//! A batch is consecutive series of about [`BATCH_POINTS`] points, or one series that has more. A series longer than
//! a batch is split into pieces of consecutive steps. An answer that does not fit into the memory option is refused
//! before anything is read.

use super::series::{Planned, Rules};
use super::shaping::Shaping;
use crate::engine::on_damage::DamageReport;
use crate::engine::room::too_large;
use crate::parts::meter::Meter;
use crate::parts::scan::POINT_BYTES;
use crate::view::snapshot::Snapshot;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite_model::{Error, Extent, Result, SeriesKey, StepRange};
use tidalite_parts::ColumnSet;
use tidalite_query::PointFilter;

/// The most points of a batch, unless one series alone has more.
const BATCH_POINTS: u64 = 1 << 20;
/// Every n-th step of a tail is sampled to split a long series.
const TAIL_SAMPLE_NTH: usize = 1024;

/// What a selection has to read.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) snapshot: Snapshot,
    pub(crate) series: Vec<Planned>,
    pub(crate) filter: PointFilter,
    pub(crate) rules: Rules,
    /// The transforms of each series; `filter` then selects what is read for them.
    pub(crate) shaping: Option<Shaping>,
    pub(crate) meter: Arc<Meter>,
    /// What the answer does about damage.
    pub(crate) damage: DamageReport,
}

impl Plan {
    /// Splits series longer than a batch into pieces of consecutive steps, so that they too are read in bounded
    /// memory. All points of one step are in one piece, so repeats are resolved within it.
    ///
    /// # Errors
    /// Those of reading logs.
    pub(crate) fn split_long_series(mut self) -> Result<Plan> {
        let limit = self.batch_points();
        let whole = std::mem::take(&mut self.series);
        for planned in whole {
            if planned.points_max <= limit {
                self.series.push(planned);
                continue;
            }
            let mut lo = planned.steps.lo;
            for hi in self.cuts(&planned, limit)?.into_iter().map(Some).chain([planned.steps.hi]) {
                let steps = StepRange { lo, hi };
                let mut sources = planned.sources.clone();
                for source in &mut sources {
                    let within = source.within(steps);
                    source.rows.retain(|r| within.meets(r.steps(&self.snapshot.view.parts)));
                }
                let key = planned.key.clone();
                self.series.push(Planned { key, sources, points_max: limit, steps, start_state: None });
                lo = hi;
            }
        }
        Ok(self)
    }

    /// The series of a batch, if that is a single one with more points than a batch should have.
    pub(crate) fn long_series(&self, batch: Range<usize>) -> Option<usize> {
        let i = batch.start;
        (batch.len() == 1 && self.series[i].points_max > self.batch_points()).then_some(i)
    }

    /// The plan of one series in pieces.
    ///
    /// # Errors
    /// Those of reading logs.
    pub(crate) fn pieces_of(&self, series: usize) -> Result<Plan> {
        let of = &self.series[series];
        let (key, sources) = (of.key.clone(), of.sources.clone());
        let (points_max, steps, start_state) = (of.points_max, of.steps, of.start_state.clone());
        let (snapshot, meter, damage) = (self.snapshot.clone(), self.meter.clone(), self.damage.clone());
        let series = vec![Planned { key, sources, points_max, steps, start_state }];
        let (filter, rules, shaping) = (self.filter, self.rules, self.shaping.clone());
        Plan { snapshot, series, filter, rules, shaping, meter, damage }.split_long_series()
    }

    /// Steps, ascending, that split a series into pieces of about `limit` points.
    fn cuts(&self, planned: &Planned, limit: u64) -> Result<Vec<i64>> {
        let parts = &self.snapshot.view.parts;
        // (step, number of points that start about there)
        let mut weights: Vec<(i64, u64)> = Vec::new();
        weights.extend(planned.rows().map(|r| r.of(parts)).map(|row| (row.first_step, u64::from(row.rows))));
        for &(t, id) in planned.sources.iter().flat_map(|s| &s.tails) {
            let steps = self.snapshot.view.tails[t].read().data.sample_all_steps(id, TAIL_SAMPLE_NTH)?;
            weights.extend(steps.into_iter().map(|s| (s, TAIL_SAMPLE_NTH as u64)));
        }
        weights.sort_unstable();
        // Thinned rows are short, and their buckets must not be split.
        let thinned = planned.rows().filter(|r| r.is_thinned(parts)).map(|r| r.steps(parts));
        let thinned: Vec<Extent> = thinned.collect();
        let inside = |step: i64| {
            thinned.iter().all(|row| step <= row.first || step > row.last)
                && planned.steps.lo.is_none_or(|lo| step > lo)
                && planned.steps.hi.is_none_or(|hi| step < hi)
        };
        let mut cuts = Vec::new();
        let mut points = 0;
        for (step, weight) in weights {
            if points > 0 && points + weight > limit && inside(step) && cuts.last() != Some(&step) {
                cuts.push(step);
                points = 0;
            }
            points += weight;
        }
        Ok(cuts)
    }

    pub(crate) fn filter_of(&self, planned: &Planned) -> PointFilter {
        PointFilter { steps: planned.steps, ..self.filter }
    }

    pub(crate) fn batch_points(&self) -> u64 {
        let options = &self.snapshot.state.options;
        (options.memory_bytes / POINT_BYTES / options.threads as u64 / 2).min(BATCH_POINTS)
    }

    /// Ranges of consecutive series, about [`BATCH_POINTS`] each.
    pub(crate) fn batches(&self) -> Vec<Range<usize>> {
        let batch_points = self.batch_points();
        let mut batches = Vec::new();
        let (mut start, mut points) = (0, 0);
        for (i, planned) in self.series.iter().enumerate() {
            if points > 0 && points + planned.points_max > batch_points {
                batches.push(start..i);
                (start, points) = (i, 0);
            }
            points += planned.points_max;
        }
        if start < self.series.len() {
            batches.push(start..self.series.len());
        }
        batches
    }

    /// Refuses a selection whose longest series does not fit into memory.
    pub(crate) fn check_memory(&self, columns: ColumnSet) -> Result<()> {
        // Each thread has a batch of its own, and one of them has the longest series.
        let bytes = |s: &Planned| s.points_max.saturating_mul(self.bytes_to_load(s, columns));
        let longest = self.series.iter().max_by_key(|s| bytes(s));
        longest.map_or(Ok(()), |s| self.check_bytes(&s.key, s.points_max, bytes(s)))
    }

    /// Refuses points of one series that do not fit into memory at once.
    pub(crate) fn check_room(&self, key: &SeriesKey, points: u64, columns: ColumnSet) -> Result<()> {
        self.check_bytes(key, points, points.saturating_mul(bytes_of(columns)))
    }

    fn check_bytes(&self, key: &SeriesKey, points: u64, needed: u64) -> Result<()> {
        if needed <= self.snapshot.state.options.memory_bytes {
            return Ok(());
        }
        let what = format!(
            "series {:?} of run {:?} has up to {points} points in the selection, which take {} MiB at once",
            key.metric,
            key.run,
            needed >> 20
        );
        Err(self.too_large(what))
    }

    /// Counts bytes that an answer keeps.
    ///
    /// # Errors
    /// `Full` where it keeps more than the memory option allows.
    pub(crate) fn keep(&self, kept: &AtomicU64, bytes: u64) -> Result<()> {
        let all = kept.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if all <= self.snapshot.state.options.memory_bytes {
            return Ok(());
        }
        Err(self.too_large(format!("the answer takes more than {} MiB", (all >> 20).max(1) - 1)))
    }

    /// The error of an answer that does not fit into memory.
    pub(crate) fn too_large(&self, what: String) -> Error {
        let ask_for_less = "select fewer runs or series, or a range of steps, or ask for fewer points";
        too_large(&self.snapshot.state.options, "query", what, ask_for_less)
    }
}

/// Bytes of each point of some columns, as read and once more as joined.
pub(super) fn bytes_of(columns: ColumnSet) -> u64 {
    let ColumnSet { step, seq, written, time, value } = columns;
    16 * [step, seq, written, time, value].into_iter().filter(|wanted| *wanted).count() as u64
}
