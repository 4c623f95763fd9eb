//! Aggregates of groups that the caller numbers, from summaries alone.
//!
//! Nothing is looked up by name, so that a group costs what its state costs. The series of a group differ in labels alone. Ties
//! are broken as in any other aggregate.

use super::finish::columns;
use super::function::Aggregate;
use super::needs::AggregateNeeds;
use super::partial::BLOCK_RUNS;
use super::states::GroupStates;
use arrow::array::ArrayRef;
use tidalite_model::{Error, Labels, Result, Summary, SummaryFacts};

/// Aggregates of numbered groups.
///
/// ```
/// use arrow::array::{AsArray, types::Float64Type};
/// use tidalite_model::{Labels, Point, Summary};
/// use tidalite_query::{Aggregate, NumberedGroups};
/// let mut groups = NumberedGroups::new(&[Aggregate::Max], 2)?;
/// let mut summary = Summary::default();
/// summary.push(Point { step: 0, time_us: 0, value: 0.5 });
/// groups.push(1, &Labels::none(), &[summary]);
/// let max = groups.finish().remove(0);
/// assert_eq!(max.as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [None, Some(0.5)]);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug)]
pub struct NumberedGroups {
    aggregates: Vec<Aggregate>,
    needs: AggregateNeeds,
    states: GroupStates,
    count: usize,
    /// The labels of the series whose points are first or last in some group; a state refers to them by index. `None`, the
    /// least, where there are none: that is the rule, and to copy them takes longer than all the rest.
    series: Vec<Option<Labels>>,
    /// States that are not folded into those of their groups yet, and these groups.
    block: GroupStates,
    groups: Vec<u32>,
}

impl NumberedGroups {
    /// Of `count` groups.
    ///
    /// # Errors
    /// `Invalid` for aggregates that need points: percentiles, and the step of the first NaN.
    pub fn new(aggregates: &[Aggregate], count: usize) -> Result<NumberedGroups> {
        for aggregate in aggregates {
            let needs = AggregateNeeds::of(&[*aggregate]);
            if needs.samples || needs.sketch || needs.nan_step {
                let wrong = format!("`{aggregate}` needs points, and a table of runs is made from summaries");
                let remedy = "aggregate by run instead, or ask for count, mean, std, min, max, first or last";
                return Err(Error::invalid("list runs", wrong, remedy));
            }
        }
        let needs = AggregateNeeds::of(aggregates);
        let (mut states, block) = (GroupStates::new(needs), GroupStates::new(needs));
        states.grow(count);
        let (series, groups) = (Vec::new(), Vec::new());
        Ok(NumberedGroups { aggregates: aggregates.to_vec(), needs, states, count, series, block, groups })
    }

    /// The facts of a summary that these need.
    pub fn facts(&self) -> SummaryFacts {
        self.needs.facts()
    }

    /// Takes the summaries of the series of a group that has these labels.
    ///
    /// # Panics
    /// Panics if there is no such group.
    pub fn push(&mut self, group: u32, labels: &Labels, summaries: &[Summary]) {
        assert!((group as usize) < self.count, "group {group} of {}", self.count);
        if self.needs.ends() {
            self.series.push((!labels.is_empty()).then(|| labels.clone()));
        }
        let series =
            u32::try_from(self.series.len().saturating_sub(1)).expect("memory ends before 2^32 series");
        for summary in summaries.iter().filter(|summary| summary.count > 0) {
            self.groups.push(group);
            self.block.push_summary(summary, series);
        }
        if self.groups.len() >= BLOCK_RUNS {
            self.flush();
        }
    }

    /// The approximate memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.states.bytes() + self.block.bytes() + self.series.capacity() * size_of::<Option<Labels>>()
    }

    /// Takes everything that `other` took.
    ///
    /// # Panics
    /// Panics if `other` is of other aggregates or groups.
    pub fn merge(&mut self, mut other: NumberedGroups) {
        assert!(
            self.aggregates == other.aggregates && self.count == other.count,
            "only what is alike merges"
        );
        self.flush();
        other.flush();
        let keys_from = u32::try_from(self.series.len()).expect("memory ends before 2^32 series");
        self.series.append(&mut other.series);
        let groups: Vec<u32> = (0..).take(self.count).collect();
        self.states.take(&mut other.states, &groups, self.count, &self.series, keys_from);
    }

    /// One column per aggregate, with a row per group. Where a group took nothing, its count is 0 and the others are null.
    pub fn finish(mut self) -> Vec<ArrayRef> {
        self.flush();
        columns(&self.aggregates, self.states, self.count)
    }

    fn flush(&mut self) {
        self.states.take(&mut self.block, &self.groups, self.count, &self.series, 0);
        self.block.clear();
        self.groups.clear();
    }
}
