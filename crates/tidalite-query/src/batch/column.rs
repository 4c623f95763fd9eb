//! The columns that every kind of batch shares: times, and the names of series.

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, TimeUnit};
use std::collections::HashMap;
use std::sync::Arc;
use tidalite_model::SeriesKey;

/// The type of every time in a result.
pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The three columns that name the series of a row.
pub(crate) fn name_fields() -> Vec<Field> {
    ["run", "metric", "labels"].map(name_field).to_vec()
}

/// A column of names.
pub(crate) fn name_field(column: &str) -> Field {
    let name = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Field::new(column, name, false)
}

/// The columns that name the series of a row, for series with their numbers of rows, cut to `rows`. There are fewer
/// `rows` than the series have only where there is one series.
pub(crate) fn name_columns<'a>(
    series: impl Iterator<Item = (&'a SeriesKey, usize)> + Clone,
    rows: usize,
) -> [ArrayRef; 3] {
    [
        names(series.clone(), rows, |k| &k.run),
        names(series.clone(), rows, |k| &k.metric),
        names(series, rows, |k| k.labels.as_str()),
    ]
}

/// A dictionary of the distinct names in order of first appearance, and a key for each row.
pub(crate) fn names<'a>(
    series: impl Iterator<Item = (&'a SeriesKey, usize)>,
    rows: usize,
    name: impl Fn(&'a SeriesKey) -> &'a str,
) -> ArrayRef {
    let mut places: HashMap<&str, i32> = HashMap::new();
    let mut distinct: Vec<&str> = Vec::new();
    // Zeroed memory is free, and zero is the key of the first name.
    let mut keys = vec![0i32; rows];
    let mut at = 0;
    for (key, count) in series {
        let end = (at + count).min(rows);
        let place = *places.entry(name(key)).or_insert_with(|| {
            distinct.push(name(key));
            i32::try_from(distinct.len() - 1).expect("memory ends before 2^31 names")
        });
        if place != 0 {
            keys[at..end].fill(place);
        }
        at = end;
    }
    let keys = Int32Array::new(ScalarBuffer::from(keys), None);
    let values = Arc::new(StringArray::from(distinct));
    Arc::new(DictionaryArray::<Int32Type>::new(keys, values))
}
