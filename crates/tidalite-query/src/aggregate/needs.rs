//! What a list of aggregates needs to know of the points. Nothing else is computed, and states have no other columns:
//! with one group per point, memory is the main cost.

use super::function::Aggregate;
use tidalite_model::SummaryFacts;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AggregateNeeds {
    /// The number of points.
    pub(crate) count: bool,
    /// The number of finite values.
    pub(crate) finite: bool,
    /// The number of NaN.
    pub(crate) nan: bool,
    /// The sum of the finite values.
    pub(crate) sum: bool,
    /// The sum of their squares; never without the sum.
    pub(crate) squares: bool,
    /// The least value.
    pub(crate) min: bool,
    /// Its step; never without the value.
    pub(crate) min_step: bool,
    /// The greatest value.
    pub(crate) max: bool,
    /// Its step; never without the value.
    pub(crate) max_step: bool,
    /// The point at the least step; never without the count.
    pub(crate) first: bool,
    /// Its time; never without the point.
    pub(crate) first_time: bool,
    /// The point at the greatest step; never without the count.
    pub(crate) last: bool,
    /// Its time; never without the point.
    pub(crate) last_time: bool,
    /// The least time; never without the count.
    pub(crate) time_min: bool,
    /// The greatest time; never without the count.
    pub(crate) time_max: bool,
    /// The least step of a NaN; never without their number.
    pub(crate) nan_step: bool,
    /// All finite values, for percentiles.
    pub(crate) samples: bool,
    /// A sketch of the finite values.
    pub(crate) sketch: bool,
}

impl AggregateNeeds {
    /// Nothing, for constants; [`AggregateNeeds::default`] is not one.
    pub(crate) const NONE: Self = AggregateNeeds {
        count: false,
        finite: false,
        nan: false,
        sum: false,
        squares: false,
        min: false,
        min_step: false,
        max: false,
        max_step: false,
        first: false,
        first_time: false,
        last: false,
        last_time: false,
        time_min: false,
        time_max: false,
        nan_step: false,
        samples: false,
        sketch: false,
    };

    /// The facts of a summary that are needed.
    pub(crate) fn facts(&self) -> SummaryFacts {
        SummaryFacts {
            sum: self.sum,
            squares: self.squares,
            ends: self.ends(),
            extremes: self.min || self.max,
            extreme_steps: self.min_step || self.max_step,
            times: self.times(),
        }
    }

    pub(crate) fn of(aggregates: &[Aggregate]) -> Self {
        let mut needs = AggregateNeeds::default();
        for aggregate in aggregates {
            match aggregate {
                Aggregate::Count => needs.count = true,
                Aggregate::Finite => needs.finite = true,
                Aggregate::Nan => needs.nan = true,
                Aggregate::Inf => (needs.count, needs.finite, needs.nan) = (true, true, true),
                Aggregate::Sum | Aggregate::Mean => needs.sum = true,
                Aggregate::Std | Aggregate::Var => needs.squares = true,
                Aggregate::Min => needs.min = true,
                Aggregate::Max => needs.max = true,
                Aggregate::ArgMin => needs.min_step = true,
                Aggregate::ArgMax => needs.max_step = true,
                Aggregate::ArgNan => needs.nan_step = true,
                Aggregate::First | Aggregate::StepFirst => needs.first = true,
                Aggregate::Last | Aggregate::StepLast => needs.last = true,
                Aggregate::TimeMin => needs.time_min = true,
                Aggregate::TimeMax => needs.time_max = true,
                Aggregate::TimeFirst => needs.first_time = true,
                Aggregate::TimeLast => needs.last_time = true,
                Aggregate::Median | Aggregate::Percentile(_) => needs.samples = true,
                Aggregate::Approximate(_) => needs.sketch = true,
            }
        }
        needs.sum |= needs.squares;
        needs.min |= needs.min_step;
        needs.max |= needs.max_step;
        needs.nan |= needs.nan_step;
        needs.first |= needs.first_time;
        needs.last |= needs.last_time;
        // A count of 0 says that there is no sum, mean, first, last or time.
        needs.finite |= needs.sum;
        needs.count |= needs.ends() || needs.time_min || needs.time_max;
        needs
    }

    /// Whether it needs a tally of the values.
    pub(crate) fn values(self) -> bool {
        self.finite | self.nan | self.min | self.max
    }

    /// Whether it needs the first or the last point.
    pub(crate) fn ends(self) -> bool {
        self.first | self.last
    }

    /// Whether it needs the steps of points, grouping aside.
    pub(crate) fn steps(self) -> bool {
        self.ends() | self.min_step | self.max_step | self.nan_step
    }

    /// Whether it needs the values themselves, which no summary holds, and nothing else.
    pub(crate) fn values_alone(self) -> bool {
        self == AggregateNeeds { samples: self.samples, sketch: self.sketch, ..AggregateNeeds::NONE }
    }

    /// Whether it needs the times of points, grouping aside.
    pub(crate) fn times(self) -> bool {
        self.first_time | self.last_time | self.time_min | self.time_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_includes_what_it_depends_on() {
        let needs = |words: &[&str]| AggregateNeeds::of(&Aggregate::parse_list(words).unwrap());
        assert_eq!(needs(&["count"]), AggregateNeeds { count: true, ..AggregateNeeds::default() });
        assert_eq!(
            needs(&["std"]),
            AggregateNeeds { finite: true, sum: true, squares: true, ..AggregateNeeds::default() }
        );
        assert_eq!(needs(&["min"]), AggregateNeeds { min: true, ..AggregateNeeds::default() });
        let last = AggregateNeeds { count: true, last: true, last_time: true, ..AggregateNeeds::default() };
        assert_eq!(needs(&["time_last"]), last);
        assert!(last.steps() && last.times() && !last.values());
    }
}
