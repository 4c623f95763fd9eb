//! A checked plan of an aggregation: what to group by, and what to compute.

use super::by::By;
use super::function::Aggregate;
use super::names::texts_of;
use super::needs::AggregateNeeds;
use super::param_column::ParamColumn;
use super::partial::Partial;
use super::plan::GroupPlan;
use crate::axis::Width;
use crate::filter::param_named;
use arrow::datatypes::SchemaRef;
use std::borrow::Cow;
use std::sync::Arc;
use tidalite_model::{Error, Params, Result, SeriesKey, SummaryFacts};

/// A checked plan of an aggregation. Cheap to clone.
///
/// A group has the points of all series that agree on everything grouped by. A bucket starts at the greatest multiple
/// of its width that is not above the point, so −1 lies in the bucket that starts at −width. A bucket that would
/// start below the least i64 starts there.
///
/// Ties: `argmin` and `argmax` give the least step with the extreme. `first` and `last` give the value at the least
/// and the greatest step. Where several series of a group have a point there, `first` takes the least series and
/// `last` the greatest, in the order of [`SeriesKey`]. Where all repeats are kept, `first` takes the earliest write
/// and `last` the newest. So nothing depends on the order of pushes and merges: sums are exact until the result.
///
/// ```
/// use tidalite_query::{Aggregate, By, Grouping};
/// let grouping = Grouping::new(vec![By::StepBucket(100)], Aggregate::parse_list(&["mean", "last"])?)?;
/// assert!(grouping.needs_steps() && !grouping.needs_times() && grouping.takes_summaries());
/// assert_eq!(grouping.step_width(), Some(100));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Grouping(Arc<GroupPlan>);

impl Grouping {
    /// Plans one row per group, with the columns of `by`, then those of the aggregates, in order. With nothing to
    /// group by there is exactly one row.
    ///
    /// # Errors
    /// `Invalid` where there is no aggregate, two columns have one name, or a bucket has width 0.
    pub fn new(by: Vec<By>, aggregates: Vec<Aggregate>) -> Result<Self> {
        if aggregates.is_empty() {
            return Err(wrong("no aggregate was given", "give at least one, such as count"));
        }
        let mut columns: Vec<String> = by.iter().map(By::column).collect();
        columns.extend(aggregates.iter().map(Aggregate::to_string));
        columns.sort_unstable();
        if let Some(twice) = columns.windows(2).find(|w| w[0] == w[1]) {
            return Err(wrong(&format!("the column `{}` was given twice", twice[0]), "give it once"));
        }
        let (mut step_width, mut time_width) = (None, None);
        for b in &by {
            match b {
                By::StepBucket(0) | By::TimeBucket(0) => {
                    return Err(wrong("a bucket has width 0", "give a width of at least 1"));
                }
                By::StepBucket(width) => step_width = Some(Width::new(*width)),
                By::TimeBucket(width) => time_width = Some(Width::new(*width)),
                By::Calendar(calendar) => time_width = Some(Width::of_calendar(calendar)),
                _ => {}
            }
        }
        let needs = AggregateNeeds::of(&aggregates);
        let fractions = aggregates.iter().filter_map(|a| a.exact_percent().map(|p| p.fraction())).collect();
        let runs = Arc::default();
        let params = by.iter().filter(|b| matches!(b, By::Param(_))).map(|_| ParamColumn::Text).collect();
        let plan = GroupPlan { by, aggregates, needs, step_width, time_width, fractions, runs, params };
        Ok(Grouping(Arc::new(plan)))
    }

    /// The same plan with the params of runs, which grouping by params needs, since a series does not hold them. A
    /// run that is not given counts as one without params. The type of a param's column is that of its values: of
    /// integers, floats, booleans or text alone; floats, if there are integers and floats; otherwise text.
    ///
    /// ```
    /// use tidalite_model::{Param, Params};
    /// use tidalite_query::{Aggregate, By, Grouping};
    /// let params = Params::from([("lr".to_string(), Param::Float(0.1))]);
    /// let grouping = Grouping::new(vec![By::Param("lr".into())], vec![Aggregate::Count])?;
    /// assert!(grouping.needs_params());
    /// let grouping = grouping.with_params([("run-1", &params)]);
    /// assert_eq!(grouping.schema().field(0).name(), "param:lr");
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    #[must_use]
    pub fn with_params<'a>(self, runs: impl IntoIterator<Item = (&'a str, &'a Params)>) -> Self {
        let plan = &self.0;
        let names: Vec<&String> =
            plan.by.iter().filter_map(|b| if let By::Param(name) = b { Some(name) } else { None }).collect();
        let runs: Vec<(&str, &Params)> = runs.into_iter().collect();
        let column = |name: &&String| {
            ParamColumn::of(runs.iter().filter_map(|(_, params)| param_named(params, name.as_str())))
        };
        let columns: Vec<ParamColumn> = names.iter().map(column).collect();
        let key = |params: &Params, (name, column): (&&String, &ParamColumn)| {
            param_named(params, name.as_str()).and_then(|value| column.key(value))
        };
        let keys = |params: &Params| names.iter().zip(&columns).map(|c| key(params, c)).collect();
        let runs = runs.iter().map(|(run, params)| (run.to_string(), keys(params))).collect();
        Grouping(Arc::new(GroupPlan {
            by: plan.by.clone(),
            aggregates: plan.aggregates.clone(),
            fractions: plan.fractions.clone(),
            step_width: plan.step_width.clone(),
            time_width: plan.time_width.clone(),
            runs: Arc::new(runs),
            params: columns,
            ..**plan
        }))
    }

    /// Whether it groups by a param.
    pub fn needs_params(&self) -> bool {
        self.0.by.iter().any(|b| matches!(b, By::Param(_)))
    }

    /// What it groups by.
    pub fn by(&self) -> &[By] {
        &self.0.by
    }

    /// The aggregates it computes.
    pub fn aggregates(&self) -> &[Aggregate] {
        &self.0.aggregates
    }

    /// Whether points must come with their steps.
    pub fn needs_steps(&self) -> bool {
        self.0.needs_steps()
    }

    /// Whether points must come with their times.
    pub fn needs_times(&self) -> bool {
        self.0.needs_times()
    }

    /// Whether summaries may replace points; false for percentiles alone. Some summaries are refused even so; see
    /// [`Partial::push_summary`].
    pub fn takes_summaries(&self) -> bool {
        !self.0.needs.samples && !self.0.needs.sketch
    }

    /// Whether any of its aggregates takes summaries. Of points of which only an outline is left, these take the
    /// summary and the others the outline, so that no aggregate depends on which others are asked for.
    pub fn takes_outlined(&self) -> bool {
        !self.0.needs.values_alone()
    }

    /// Whether it needs the steps of NaNs, so that it refuses a summary that counts some.
    pub fn needs_nan_steps(&self) -> bool {
        self.0.needs.nan_step
    }

    /// Whether it holds all finite values of a group until the result, for exact percentiles.
    pub fn holds_values(&self) -> bool {
        self.0.needs.samples
    }

    /// The names by which a series is grouped, in the order grouped by, without buckets; for a param a key that orders
    /// as its values. Rows are in the order of these where [`names_come_first`](Self::names_come_first).
    pub fn names_of(&self, key: &SeriesKey) -> Vec<Option<String>> {
        texts_of(key.into(), &self.0.by, &self.0.runs).map(|text| text.map(Cow::into_owned)).collect()
    }

    /// Whether rows are ordered by names first, then by buckets.
    pub fn names_come_first(&self) -> bool {
        self.0.by.iter().skip_while(|by| by.is_name()).all(|by| !by.is_name())
    }

    /// The width of the buckets of steps; `None` where it does not group by them.
    pub fn step_width(&self) -> Option<u64> {
        self.0.step_width.as_ref().map(Width::about)
    }

    /// The width of the buckets of time, in µs; `None` where it does not group by them.
    pub fn time_width(&self) -> Option<&Width> {
        self.0.time_width.as_ref()
    }

    /// The facts of a summary that it uses.
    pub fn facts(&self) -> SummaryFacts {
        let facts = self.0.needs.facts();
        SummaryFacts { times: facts.times || self.0.time_width.is_some(), ..facts }
    }

    /// An empty state to push into.
    pub fn partial(&self) -> Partial {
        Partial::new(Arc::clone(&self.0))
    }

    /// The columns of the result.
    ///
    /// Names are Utf8, params as [`with_params`](Self::with_params) says, bucket starts Int64 and Timestamp(µs, UTC),
    /// counts and steps Int64, times Timestamp(µs, UTC), everything else Float64. Labels, params and all aggregates but
    /// the counts are nullable. A label or param is null where the series lacks it; an aggregate where the group has no
    /// finite value (for `argnan`: no NaN; for `first`, `last` and their times: no point).
    pub fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}

/// The columns of these aggregates by these groups; as [`Grouping::schema`].
///
/// # Errors
/// As [`Grouping::new`].
///
/// ```
/// use tidalite_query::{Aggregate, By, aggregate_schema};
/// let schema = aggregate_schema(&[Aggregate::Mean], &[By::Run])?;
/// assert_eq!((schema.field(0).name().as_str(), schema.field(1).name().as_str()), ("run", "mean"));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
pub fn aggregate_schema(aggregates: &[Aggregate], by: &[By]) -> Result<SchemaRef> {
    Ok(Grouping::new(by.to_vec(), aggregates.to_vec())?.schema())
}

fn wrong(wrong: &str, remedy: &str) -> Error {
    Error::invalid("plan aggregates", wrong, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::{Labels, Point, Summary};

    #[test]
    fn an_invalid_plan_is_refused() {
        let count = || vec![Aggregate::Count];
        for (by, aggregates) in [
            (vec![], vec![]),
            (vec![By::StepBucket(0)], count()),
            (vec![By::TimeBucket(0)], count()),
            (vec![By::Run, By::Run], count()),
            (vec![By::StepBucket(1), By::StepBucket(2)], count()),
            (vec![], vec![Aggregate::Count, Aggregate::Count]),
        ] {
            assert!(Grouping::new(by, aggregates).is_err());
        }
    }

    #[test]
    fn a_plan_needs_only_what_its_aggregates_need() {
        let plan = |by, words: &[&str]| Grouping::new(by, Aggregate::parse_list(words).unwrap()).unwrap();
        let plain = plan(vec![By::Run], &["count", "mean", "max"]);
        assert!(!plain.needs_steps() && !plain.needs_times() && plain.takes_summaries());
        assert!(plan(vec![], &["last"]).needs_steps() && plan(vec![], &["argmax"]).needs_steps());
        assert!(plan(vec![By::StepBucket(4)], &["count"]).needs_steps());
        assert!(plan(vec![By::TimeBucket(4)], &["count"]).needs_times());
        let times = plan(vec![], &["time_last"]);
        assert!(times.needs_times() && times.needs_steps());
        assert!(!plan(vec![], &["median"]).takes_summaries() && !plan(vec![], &["p9~"]).takes_summaries());
        let nan = plan(vec![], &["argnan"]);
        let mut summary = Summary::default();
        summary.push(Point { step: 1, time_us: 0, value: 1.0 });
        assert!(nan.needs_steps() && nan.0.takes_summary(&summary));
        summary.push(Point { step: 2, time_us: 0, value: f64::NAN });
        assert!(!nan.0.takes_summary(&summary) && plain.0.takes_summary(&summary));
        assert!(!nan.partial().push_summary(&SeriesKey::new("r", "m", Labels::none()), &summary));
    }
}
