//! Exports Parquet and Arrow IPC with the `parquet` and `arrow` crates.

use super::sink::{ExportFailure, ExportOutput, ExportSink};
use crate::select::selection::Selection;
use arrow::array::{ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use arrow::ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tidalite_model::Result;
use tidalite_query::points_schema;

/// The most rows of a row group. Small groups let a reader's threads share a file, and bound the writer's memory.
const GROUP_ROWS_MAX: usize = 1 << 20;

pub(super) struct ParquetSink<'o> {
    writer: ArrowWriter<ExportOutput<'o>>,
}

impl<'o> ParquetSink<'o> {
    pub(super) fn start(out: ExportOutput<'o>) -> Result<Box<dyn ExportSink + 'o>, ExportFailure> {
        let column = |name: &str| ColumnPath::from(name);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .set_column_dictionary_enabled(column("step"), false)
            .set_column_encoding(column("step"), Encoding::DELTA_BINARY_PACKED)
            // A dictionary compares values: -0 equals 0, and NaN does not equal itself.
            .set_column_dictionary_enabled(column("value"), false)
            .set_column_encoding(column("value"), Encoding::BYTE_STREAM_SPLIT)
            // Minimum and maximum omit NaN, so some readers would miss NaNs.
            .set_column_statistics_enabled(column("value"), EnabledStatistics::None)
            .build();
        Ok(Box::new(ParquetSink { writer: ArrowWriter::try_new(out, points_schema(), Some(properties))? }))
    }
}

impl ExportSink for ParquetSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportFailure> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportFailure> {
        self.writer.close()?;
        Ok(())
    }
}

/// The stream format. Each batch may have its own dictionaries.
pub(super) struct IpcStreamSink<'o> {
    writer: StreamWriter<ExportOutput<'o>>,
}

impl<'o> IpcStreamSink<'o> {
    pub(super) fn start(out: ExportOutput<'o>) -> Result<Box<dyn ExportSink + 'o>, ExportFailure> {
        Ok(Box::new(IpcStreamSink { writer: StreamWriter::try_new(out, &points_schema())? }))
    }
}

impl ExportSink for IpcStreamSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportFailure> {
        Ok(self.writer.write(batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), ExportFailure> {
        Ok(self.writer.finish()?)
    }
}

/// The file format. A column has one dictionary for all batches.
pub(super) struct IpcFileSink<'o> {
    writer: FileWriter<ExportOutput<'o>>,
    names: ExportNames,
}

impl<'o> IpcFileSink<'o> {
    pub(super) fn start(
        out: ExportOutput<'o>,
        names: ExportNames,
    ) -> Result<Box<dyn ExportSink + 'o>, ExportFailure> {
        let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
        let writer = FileWriter::try_new_with_options(out, &points_schema(), options)?;
        Ok(Box::new(IpcFileSink { writer, names }))
    }
}

impl ExportSink for IpcFileSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportFailure> {
        let mut columns = batch.columns().to_vec();
        for (column, dictionary) in columns.iter_mut().zip(&mut self.names.dictionaries) {
            *column = dictionary.recode(column);
        }
        let batch = RecordBatch::try_new(batch.schema(), columns)?;
        Ok(self.writer.write(&batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), ExportFailure> {
        Ok(self.writer.finish()?)
    }
}

/// The dictionaries of the runs, metrics and labels of a whole selection.
pub(super) struct ExportNames {
    dictionaries: [Dictionary; 3],
}

impl ExportNames {
    /// The names that the selection has now. Names that appear before it is read are appended as delta dictionaries,
    /// which few readers support.
    pub(super) fn of(select: &Selection) -> Result<ExportNames> {
        let plan = select.plan()?;
        let distinct: [BTreeSet<&str>; 3] = [
            plan.series.iter().map(|s| &*s.key.run).collect(),
            plan.series.iter().map(|s| &*s.key.metric).collect(),
            plan.series.iter().map(|s| s.key.labels.as_str()).collect(),
        ];
        Ok(ExportNames { dictionaries: distinct.map(Dictionary::new) })
    }
}

struct Dictionary {
    codes: HashMap<Box<str>, i32>,
    texts: Arc<StringArray>,
}

impl Dictionary {
    fn new(texts: BTreeSet<&str>) -> Self {
        let mut dictionary = Dictionary { codes: HashMap::new(), texts: Arc::new(StringArray::new_null(0)) };
        dictionary.add(texts.into_iter());
        dictionary
    }

    fn add<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        let mut all: Vec<&str> = self.texts.iter().flatten().collect();
        for text in texts {
            let code = i32::try_from(all.len()).expect("a store has fewer names than i32 counts");
            self.codes.insert(text.into(), code);
            all.push(text);
        }
        self.texts = Arc::new(StringArray::from_iter_values(all));
    }

    /// The same column, with the codes of this dictionary.
    fn recode(&mut self, column: &ArrayRef) -> ArrayRef {
        let column: &DictionaryArray<Int32Type> = column.as_dictionary();
        let texts = column.values().as_string::<i32>();
        let new: BTreeSet<&str> = texts.iter().flatten().filter(|t| !self.codes.contains_key(*t)).collect();
        if !new.is_empty() {
            self.add(new.into_iter());
        }
        let codes: Vec<i32> = texts.iter().map(|t| self.codes[t.unwrap_or("")]).collect();
        let place = |key: &i32| codes[usize::try_from(*key).expect("no name of a point is null")];
        let keys: Vec<i32> = column.keys().values().iter().map(place).collect();
        Arc::new(DictionaryArray::new(Int32Array::from(keys), self.texts.clone()))
    }
}
