//! The resolution of an answer: which summaries and buckets lie within one of its buckets and so may stand for their
//! points.

use tidalite_model::{Extent, Result, Summary, SummaryFacts};
use tidalite_parts::{RolledSeries, RollupTier, SeriesTable};
use tidalite_query::{Grouping, PointFilter, Width, same_bucket};

/// Which summaries are usable: those that lie within one bucket of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Resolution {
    /// Whether any are usable instead of points.
    pub(crate) summaries: bool,
    /// Whether any are usable where only an outline of the points is left.
    pub(crate) outlined: bool,
    /// Steps per bucket; `None` where all steps share one.
    steps: Option<u64>,
    /// The buckets of time; `None` where all times share one.
    pub(crate) times_us: Option<Width>,
    /// Whether the answer needs the steps of NaNs, which no summary holds.
    nan_steps: bool,
    facts: SummaryFacts,
}

/// Rollups pay off only where a bucket covers whole pages: from about this many points per bucket on.
const WIDE_POINTS: u128 = 16_384;

impl Resolution {
    /// No summary is usable instead of points. They only decide which points are read.
    pub(super) fn of_points() -> Resolution {
        Resolution::default()
    }

    /// One bucket of all points: every summary is usable, for these facts.
    pub(crate) fn whole(facts: SummaryFacts) -> Resolution {
        Resolution { summaries: true, outlined: true, facts, ..Resolution::default() }
    }

    pub(crate) fn of(grouping: &Grouping) -> Resolution {
        let (steps, times_us) = (grouping.step_width(), grouping.time_width().cloned());
        let (summaries, nan_steps) = (grouping.takes_summaries(), grouping.needs_nan_steps());
        let outlined = grouping.takes_outlined();
        Resolution { summaries, outlined, steps, times_us, nan_steps, facts: grouping.facts() }
    }

    /// The buckets of a chart.
    pub(crate) fn of_chart(width: u64) -> Resolution {
        let facts = SummaryFacts { sum: true, ends: true, extremes: true, ..SummaryFacts::default() };
        Resolution { summaries: true, outlined: true, steps: Some(width), facts, ..Resolution::default() }
    }

    /// Whether the answer needs first or last points.
    pub(super) fn needs_ends(&self) -> bool {
        self.facts.ends
    }

    /// Whether a summary of these steps may be usable, judged by the steps alone.
    pub(super) fn may_fit(&self, steps: Extent) -> bool {
        self.summaries && self.steps.is_none_or(|width| same_bucket(steps.first, steps.last, width))
    }

    /// Whether a summary is usable instead of its points.
    pub(crate) fn fits(&self, s: &Summary) -> bool {
        self.within_bucket(s) && !self.needs_outline(s)
    }

    /// Whether a summary is usable where only an outline of its points is left.
    pub(super) fn fits_outlined(&self, s: &Summary) -> bool {
        self.outlined && self.within_bucket(s)
    }

    /// Whether the answer needs points beside their summary.
    pub(super) fn needs_outline(&self, s: &Summary) -> bool {
        !self.summaries || (self.nan_steps && s.nan > 0)
    }

    fn within_bucket(&self, s: &Summary) -> bool {
        let by_steps = |width| s.steps().is_some_and(|e| same_bucket(e.first, e.last, width));
        let by_times = |width: &Width| s.times_us().is_some_and(|times| width.holds(times));
        self.steps.is_none_or(by_steps) && self.times_us.as_ref().is_none_or(by_times)
    }

    /// The tier that needs the least reading. Where the filter does not cut the series and times have no buckets,
    /// that is the widest whose buckets lie within the answer's. Otherwise it is the finest useful one, which leaves
    /// the fewest points to read at the ends.
    pub(super) fn tier<'a>(
        &self,
        rolled: &'a RolledSeries,
        of: &SeriesReach,
        cut: bool,
    ) -> Option<&'a RollupTier> {
        let wide =
            |width: u64, extent: u64| u128::from(width) * of.points >= WIDE_POINTS * u128::from(extent);
        if self.times_us.as_ref().is_some_and(|width| !wide(width.about(), of.times_us)) {
            return None;
        }
        if !cut && self.times_us.is_none() {
            let widest = self.aligned(rolled);
            if widest.is_some() {
                return widest;
            }
        }
        let ragged =
            |t: &&RollupTier| self.is_aligned(t) || self.steps.is_none_or(|width| wide(width, of.steps));
        rolled.tiers.iter().find(ragged)
    }

    /// The widest tier whose buckets lie within those of the answer.
    pub(crate) fn aligned<'a>(&self, rolled: &'a RolledSeries) -> Option<&'a RollupTier> {
        rolled.tiers.iter().rev().find(|t| self.is_aligned(t))
    }

    fn is_aligned(&self, tier: &RollupTier) -> bool {
        self.steps.is_none_or(|width| width.is_multiple_of(tier.width))
    }

    /// The columns of buckets to read, with those that decide what `filter` bounds.
    pub(crate) fn columns(&self, filter: &PointFilter) -> SummaryFacts {
        SummaryFacts {
            sum: self.facts.sum,
            squares: self.facts.squares,
            ends: self.facts.ends,
            extremes: self.facts.extremes || !filter.values.is_all(),
            extreme_steps: self.facts.extreme_steps,
            times: self.facts.times || self.times_us.is_some() || !filter.times_us.is_all(),
        }
    }
}

/// The number of a series' points in a part, and the width of their steps and times.
pub(super) struct SeriesReach {
    points: u128,
    steps: u64,
    times_us: u64,
}

impl SeriesReach {
    /// Reads times only where `times` is set.
    pub(super) fn of(rolled: &RolledSeries, table: &SeriesTable, times: bool) -> Result<SeriesReach> {
        let steps = rolled.rows.iter().map(|&r| table.entry(r as usize).steps());
        let mut times_us = Vec::new();
        let mut details = table.reader();
        for &row in rolled.rows.iter().filter(|_| times) {
            let summary = details.of(row as usize)?.summary;
            times_us.extend(summary.times_us());
        }
        let width = |extent: Option<Extent>| extent.map_or(0, |e| e.last.abs_diff(e.first)).saturating_add(1);
        Ok(SeriesReach {
            points: u128::from(rolled.points),
            steps: width(steps.reduce(Extent::join)),
            times_us: width(times_us.into_iter().reduce(Extent::join)),
        })
    }
}
