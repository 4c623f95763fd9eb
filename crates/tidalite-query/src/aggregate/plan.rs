//! The plan of an aggregation, shared by all states that work on it.

use super::by::By;
use super::function::Aggregate;
use super::names::RunTexts;
use super::needs::AggregateNeeds;
use super::param_column::ParamColumn;
use crate::axis::Width;
use crate::batch::timestamp;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;
use tidalite_model::Summary;

#[derive(Debug, PartialEq)]
pub(crate) struct GroupPlan {
    pub(crate) by: Vec<By>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) needs: AggregateNeeds,
    pub(crate) step_width: Option<Width>,
    pub(crate) time_width: Option<Width>,
    /// The exact percentiles as fractions, in the order of the aggregates.
    pub(crate) fractions: Vec<f64>,
    pub(crate) runs: Arc<RunTexts>,
    /// The columns of the params that are grouped by, in that order.
    pub(crate) params: Vec<ParamColumn>,
}

impl Aggregate {
    /// The field of a column of it.
    pub(crate) fn field(&self, name: String) -> Field {
        let (data_type, nullable) = match self {
            Aggregate::Count | Aggregate::Finite | Aggregate::Nan | Aggregate::Inf => {
                (DataType::Int64, false)
            }
            Aggregate::ArgMin
            | Aggregate::ArgMax
            | Aggregate::ArgNan
            | Aggregate::StepFirst
            | Aggregate::StepLast => (DataType::Int64, true),
            Aggregate::TimeFirst | Aggregate::TimeLast | Aggregate::TimeMin | Aggregate::TimeMax => {
                (timestamp(), true)
            }
            _ => (DataType::Float64, true),
        };
        Field::new(name, data_type, nullable)
    }
}

impl GroupPlan {
    pub(crate) fn needs_steps(&self) -> bool {
        self.step_width.is_some() || self.needs.steps()
    }

    pub(crate) fn needs_times(&self) -> bool {
        self.time_width.is_some() || self.needs.times()
    }

    /// Whether a summary holds all that is needed of its points, buckets aside.
    pub(crate) fn takes_summary(&self, summary: &Summary) -> bool {
        let needs = self.needs;
        !(needs.samples || needs.sketch || needs.nan_step && summary.nan > 0)
    }

    /// The step bucket and the time bucket of a summary, each where it is grouped by. `None` where the summary spans
    /// several buckets, or has no points.
    pub(crate) fn bucket_of(&self, summary: &Summary) -> Option<(Option<i64>, Option<i64>)> {
        let steps = summary.steps()?;
        let step = match &self.step_width {
            Some(width) => Some(width.bucket_of(steps)?),
            None => None,
        };
        let time = match &self.time_width {
            Some(width) => Some(width.bucket_of(summary.times_us()?)?),
            None => None,
        };
        Some((step, time))
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        let mut params = self.params.iter().copied();
        let group = |by: &By| match by {
            By::Run | By::Metric | By::Labels => Field::new(by.column(), DataType::Utf8, false),
            By::Label(_) => Field::new(by.column(), DataType::Utf8, true),
            By::Param(_) => Field::new(by.column(), params.next().unwrap_or_default().data_type(), true),
            By::StepBucket(_) => Field::new(by.column(), DataType::Int64, false),
            By::TimeBucket(_) | By::Calendar(_) => Field::new(by.column(), timestamp(), false),
        };
        let value = |aggregate: &Aggregate| aggregate.field(aggregate.to_string());
        let fields: Vec<Field> = self.by.iter().map(group).chain(self.aggregates.iter().map(value)).collect();
        Arc::new(Schema::new(fields))
    }
}
