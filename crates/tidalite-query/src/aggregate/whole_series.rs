//! Summaries of many whole series go into a state of groups, a block of them at a time.
//!
//! A series that is pushed once needs no key that later pieces of it are compared with, and the columns of a block are filled
//! and folded at once.

use super::cuts::bucket_pair;
use super::directory::GroupKey;
use super::names::{SeriesNames, texts_of};
use super::partial::{BLOCK_RUNS, Partial};
use tidalite_model::Summary;

/// Takes summaries of whole series for a [`Partial`]; made by [`Partial::whole_series`].
#[derive(Debug)]
pub struct WholeSeries(Partial);

impl Partial {
    /// Takes summaries of series that are pushed at no other time, until [`WholeSeries::finish`].
    ///
    /// ```
    /// use tidalite_model::{Labels, Point, SeriesKey, Summary};
    /// use tidalite_query::{Aggregate, By, Grouping};
    /// let partial = Grouping::new(vec![By::Metric], vec![Aggregate::Count])?.partial();
    /// let mut summary = Summary::default();
    /// summary.push(Point { step: 0, time_us: 0, value: 1.0 });
    /// let mut whole = partial.whole_series();
    /// for run in ["a", "b"] {
    ///     let key = SeriesKey::new(run, "loss", Labels::none());
    ///     whole.push((&key).into(), &[summary.clone()]);
    /// }
    /// assert_eq!(whole.finish().groups(), 1);
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    pub fn whole_series(mut self) -> WholeSeries {
        self.latest = None;
        self.block.states.clear();
        self.block.groups.clear();
        WholeSeries(self)
    }
}

impl WholeSeries {
    /// Takes the summaries of a series, which lie at different steps. As for [`Partial::push_outlined`], the caller gives the
    /// points where percentiles or the steps of NaNs need these.
    ///
    /// # Panics
    /// Panics where a summary spans several buckets.
    pub fn push(&mut self, of: SeriesNames<'_>, summaries: &[Summary]) {
        let Partial { plan, directory, series, block, .. } = &mut self.0;
        if summaries.iter().all(|summary| summary.count == 0) {
            return;
        }
        let names = directory.intern(texts_of(of, &plan.by, &plan.runs));
        if plan.needs.ends() {
            series.push(of.into());
        }
        let series = u32::try_from(series.len().saturating_sub(1)).expect("memory ends before 2^32 series");
        for summary in summaries.iter().filter(|summary| summary.count > 0) {
            let (step, time) = plan.bucket_of(summary).expect("a summary of one bucket");
            let (bucket, bucket2) = bucket_pair(step, time);
            block.groups.push(directory.locate(GroupKey { names, bucket, bucket2 }));
            block.states.push_summary(summary, series);
        }
        if block.groups.len() >= BLOCK_RUNS {
            self.flush();
        }
    }

    /// The state, with everything that was pushed.
    pub fn finish(mut self) -> Partial {
        self.flush();
        self.0
    }

    fn flush(&mut self) {
        let Partial { directory, states, series, block, .. } = &mut self.0;
        states.take(&mut block.states, &block.groups, directory.len(), series, 0);
        block.states.clear();
        block.groups.clear();
    }
}
