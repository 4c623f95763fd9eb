//! The columns of points and of buckets over an axis.

use crate::axis::XAxis;
use crate::batch::points_schema;
use crate::drawing::chart_schema;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// The columns of points over an axis: those of [`points_schema`], then `x`: Int64 for steps, Timestamp(µs, UTC) for
/// times, Float64 for seconds since a run's start and for another metric.
///
/// ```
/// use tidalite_query::{XAxis, over_points_schema};
/// assert_eq!(over_points_schema(&XAxis::Elapsed).field(6).name(), "x");
/// ```
pub fn over_points_schema(x: &XAxis) -> SchemaRef {
    let mut fields = fields_of(&points_schema());
    fields.push(x.field());
    Arc::new(Schema::new(fields))
}

/// The columns of charts over an axis: those of [`chart_schema`], with `x`, a bucket's start, in place of `step`, and
/// `width` Float64 in the unit of `x`, seconds for time.
///
/// ```
/// use tidalite_query::{XAxis, over_chart_schema};
/// assert_eq!(over_chart_schema(&XAxis::Time).field(3).name(), "x");
/// ```
pub fn over_chart_schema(x: &XAxis) -> SchemaRef {
    over_buckets(x, &chart_schema())
}

/// The columns of buckets of steps, turned into those of buckets of an axis.
pub(crate) fn over_buckets(x: &XAxis, steps: &Schema) -> SchemaRef {
    let replaced = |field: Field| match field.name().as_str() {
        "step" => x.field(),
        "width" => Field::new("width", DataType::Float64, false),
        _ => field,
    };
    Arc::new(Schema::new(fields_of(steps).into_iter().map(replaced).collect::<Vec<_>>()))
}

fn fields_of(schema: &Schema) -> Vec<Field> {
    schema.fields().iter().map(|f| f.as_ref().clone()).collect()
}
