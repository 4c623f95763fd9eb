//! The summaries of series as a record batch, for `Selection.summaries`.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;
use tidalite::{Result, Selection, SeriesKey, Summary};

type Summed = (SeriesKey, Summary);

/// One row per series, ordered by run, metric and labels.
pub(super) fn batch(select: &Selection) -> Result<RecordBatch> {
    let found = select.summaries()?;
    let arrays = columns(&found).into_iter().map(|(_, array)| array).collect();
    Ok(RecordBatch::try_new(schema(), arrays).expect("the columns have one length and the schema's types"))
}

pub(super) fn schema() -> SchemaRef {
    let field = |(name, array): (&str, ArrayRef)| {
        let always =
            matches!(name, "run" | "metric" | "labels" | "count" | "finite" | "nan" | "pos_inf" | "neg_inf");
        Field::new(name, array.data_type().clone(), !always)
    };
    Arc::new(Schema::new(columns(&[]).into_iter().map(field).collect::<Vec<_>>()))
}

fn columns(found: &[Summed]) -> Vec<(&'static str, ArrayRef)> {
    let key = |of: fn(&SeriesKey) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(found.iter().map(|(key, _)| of(key))))
    };
    let whole = |of: fn(&Summary) -> Option<i64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(found.iter().map(|(_, s)| of(s))))
    };
    let real = |of: fn(&Summary) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(found.iter().map(|(_, s)| of(s))))
    };
    let time = |of: fn(&Summary) -> Option<i64>| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter(found.iter().map(|(_, s)| of(s)));
        Arc::new(times.with_data_type(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))))
    };
    vec![
        ("run", key(|k| &k.run)),
        ("metric", key(|k| &k.metric)),
        ("labels", key(|k| k.labels.as_str())),
        ("count", whole(|s| count(s.count))),
        ("finite", whole(|s| count(s.finite))),
        ("nan", whole(|s| count(s.nan))),
        ("pos_inf", whole(|s| count(s.pos_inf))),
        ("neg_inf", whole(|s| count(s.neg_inf))),
        ("sum", real(Summary::sum)),
        ("mean", real(Summary::mean)),
        ("std", real(Summary::std)),
        ("min", real(|s| s.min.map(|e| e.value))),
        ("argmin", whole(|s| s.min.map(|e| e.step))),
        ("max", real(|s| s.max.map(|e| e.value))),
        ("argmax", whole(|s| s.max.map(|e| e.step))),
        ("first", real(|s| s.first.map(|p| p.value))),
        ("first_step", whole(|s| s.first.map(|p| p.step))),
        ("last", real(|s| s.last.map(|p| p.value))),
        ("last_step", whole(|s| s.last.map(|p| p.step))),
        ("time_min", time(|s| s.time_min_us)),
        ("time_max", time(|s| s.time_max_us)),
    ]
}

fn count(points: u64) -> Option<i64> {
    Some(i64::try_from(points).unwrap_or(i64::MAX))
}
