//! Builds the record batch of an answer column by column.
//!
//! Nested values, such as params, are stored as JSON text with the extension type `arrow.json`.

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use std::collections::HashMap;
use std::sync::Arc;

/// The metadata key of an Arrow extension type, and the type of JSON text.
pub(super) const JSON_EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// The columns of a batch being built; all have the same length.
#[derive(Debug, Default)]
pub(crate) struct AnswerColumns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl AnswerColumns {
    /// Adds a column of text.
    pub(crate) fn text<S: AsRef<str>>(
        mut self,
        name: &str,
        texts: impl IntoIterator<Item = Option<S>>,
    ) -> Self {
        self.add(name, DataType::Utf8, Arc::new(texts.into_iter().collect::<StringArray>()));
        self
    }

    /// Adds a column of JSON values.
    pub(crate) fn json(mut self, name: &str, documents: impl IntoIterator<Item = serde_json::Value>) -> Self {
        let texts: StringArray = documents.into_iter().map(|d| Some(d.to_string())).collect();
        let metadata = HashMap::from([(JSON_EXTENSION.0.to_owned(), JSON_EXTENSION.1.to_owned())]);
        self.fields.push(Field::new(name, DataType::Utf8, true).with_metadata(metadata));
        self.arrays.push(Arc::new(texts));
        self
    }

    /// Adds a column of integers.
    pub(crate) fn int(
        mut self,
        name: &str,
        numbers: impl IntoIterator<Item = impl Into<Option<i64>>>,
    ) -> Self {
        let array: Int64Array = numbers.into_iter().map(Into::into).collect();
        self.add(name, DataType::Int64, Arc::new(array));
        self
    }

    /// Adds a column of counts.
    pub(crate) fn count(self, name: &str, counts: impl IntoIterator<Item = u64>) -> Self {
        self.int(name, counts.into_iter().map(|c| i64::try_from(c).unwrap_or(i64::MAX)))
    }

    /// Adds a column of floats.
    pub(crate) fn float(
        mut self,
        name: &str,
        numbers: impl IntoIterator<Item = impl Into<Option<f64>>>,
    ) -> Self {
        let array: Float64Array = numbers.into_iter().map(Into::into).collect();
        self.add(name, DataType::Float64, Arc::new(array));
        self
    }

    /// Adds a column of booleans.
    pub(crate) fn flag(mut self, name: &str, flags: impl IntoIterator<Item = bool>) -> Self {
        let array: BooleanArray = flags.into_iter().map(Some).collect();
        self.add(name, DataType::Boolean, Arc::new(array));
        self
    }

    /// Adds a column of times, in µs since 1970 UTC.
    pub(crate) fn time(mut self, name: &str, times_us: impl IntoIterator<Item = Option<i64>>) -> Self {
        let array: TimestampMicrosecondArray = times_us.into_iter().collect();
        let array = array.with_timezone("UTC");
        let kind = array.data_type().clone();
        self.add(name, kind, Arc::new(array));
        self
    }

    /// Builds the batch.
    pub(crate) fn finish(self) -> RecordBatch {
        let schema = Arc::new(Schema::new(self.fields));
        RecordBatch::try_new(schema, self.arrays).expect("the columns were given with one length")
    }

    fn add(&mut self, name: &str, kind: DataType, array: ArrayRef) {
        self.fields.push(Field::new(name, kind, true));
        self.arrays.push(array);
    }
}
