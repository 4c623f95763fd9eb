//! Writes the series table's file: plain Parquet, one row per series and tile, in row groups small enough to be read alone.
//!
//! Columns have plain names, so any tool can read the summaries. There are no statistics: first and last values may be NaN,
//! and so small a file gains nothing from skipping. [`PartMeta`](crate::PartMeta) holds the checksum of the whole file,
//! which is checked before parsing. Compression is Snappy: a zstd context for each of the many small columns would take
//! longer than the rest of opening a part.

use super::row::SeriesRow;
use super::schema::{GROUP_ROWS, ParquetResult, SERIES_SCHEMA};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use std::io::Write;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, rest_to_bytes};

/// Writes a file row by row. At most one group of rows is buffered.
#[derive(Debug)]
pub(crate) struct SeriesWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    waiting: Vec<SeriesRow>,
    /// Rows pushed so far.
    rows: u64,
}

/// The bytes of a file with these rows.
pub(crate) fn encode_series(rows: &[SeriesRow]) -> Result<Vec<u8>> {
    let mut writer = SeriesWriter::new(Vec::new())?;
    rows.iter().try_for_each(|row| writer.push(row.clone()))?;
    writer.finish()?;
    Ok(std::mem::take(writer.sink()))
}

impl<W: Write + Send> SeriesWriter<W> {
    pub(crate) fn new(sink: W) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_created_by(format!("tidalite version {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let file = SerializedFileWriter::new(sink, SERIES_SCHEMA.clone(), Arc::new(properties));
        Ok(SeriesWriter { file: file.map_err(refused)?, waiting: Vec::new(), rows: 0 })
    }

    /// Adds the next row of the table.
    pub(crate) fn push(&mut self, row: SeriesRow) -> Result<()> {
        self.waiting.push(row);
        self.rows += 1;
        if self.waiting.len() == GROUP_ROWS { self.close_group() } else { Ok(()) }
    }

    fn close_group(&mut self) -> Result<()> {
        let write = |file: &mut SerializedFileWriter<W>, rows: &[SeriesRow]| -> ParquetResult {
            let mut group = file.next_row_group()?;
            write_group(&mut group, rows)?;
            group.close().map(|_| ())
        };
        write(&mut self.file, &self.waiting).map_err(refused)?;
        self.waiting.clear();
        Ok(())
    }

    /// Ends the file. Nothing can be pushed afterwards.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.close_group()?;
        }
        self.file.finish().map(drop).map_err(refused)
    }

    /// The number of rows pushed.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// What the file is written to.
    pub(crate) fn sink(&mut self) -> &mut W {
        self.file.inner_mut()
    }
}

fn refused(e: ParquetError) -> Error {
    Error::new(ErrorKind::Unsupported, "write series table", e.to_string(), "write a smaller part")
}

fn write_group<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[SeriesRow],
) -> ParquetResult {
    write_texts(group, rows.iter().map(|r| &*r.key.run))?;
    write_texts(group, rows.iter().map(|r| &*r.key.metric))?;
    write_texts(group, rows.iter().map(|r| r.key.labels.as_str()))?;
    for get in INTEGERS {
        write::<Int64Type, _>(group, rows.iter().map(get).collect())?;
    }
    write::<BoolType, _>(group, rows.iter().map(|r| r.repeats).collect())?;
    for get in REALS {
        write::<DoubleType, _>(group, rows.iter().map(get).collect())?;
    }
    let rest = |r: &SeriesRow| ByteArray::from(rest_to_bytes(&r.summary.sum, &r.summary.squares));
    write::<ByteArrayType, _>(group, rows.iter().map(rest).collect())?;
    for get in [|r: &SeriesRow| r.summary.min, |r: &SeriesRow| r.summary.max] {
        write_optional::<DoubleType, _>(group, rows.iter().map(|r| get(r).map(|e| e.value)))?;
    }
    for get in [|r: &SeriesRow| r.summary.min, |r: &SeriesRow| r.summary.max] {
        write_optional::<Int64Type, _>(group, rows.iter().map(|r| get(r).map(|e| e.step)))?;
    }
    Ok(())
}

/// Required integers, in the schema's order. A row has at least one point, so `first` and `last` exist.
const INTEGERS: [fn(&SeriesRow) -> i64; 17] = [
    |r| i64::from(r.tile),
    |r| i64::from(r.row_start),
    |r| i64::from(r.rows),
    |r| r.seq_min,
    |r| r.seq_max,
    |r| i64::from(r.automatic),
    |r| r.summary.count.cast_signed(),
    |r| r.summary.finite.cast_signed(),
    |r| r.summary.nan.cast_signed(),
    |r| r.summary.pos_inf.cast_signed(),
    |r| r.summary.neg_inf.cast_signed(),
    |r| r.summary.first.map_or(0, |p| p.step),
    |r| r.summary.last.map_or(0, |p| p.step),
    |r| r.summary.first.map_or(0, |p| p.time_us),
    |r| r.summary.last.map_or(0, |p| p.time_us),
    |r| r.summary.time_min_us.unwrap_or(0),
    |r| r.summary.time_max_us.unwrap_or(0),
];

/// Required reals, in the schema's order.
const REALS: [fn(&SeriesRow) -> f64; 4] = [
    |r| r.summary.sum.nearest(),
    |r| r.summary.squares.nearest(),
    |r| r.summary.first.map_or(0.0, |p| p.value),
    |r| r.summary.last.map_or(0.0, |p| p.value),
];

fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: Vec<T::T>,
) -> ParquetResult {
    write_levels::<T, _>(group, &values, None)
}

fn write_texts<'a, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    texts: impl Iterator<Item = &'a str>,
) -> ParquetResult {
    write::<ByteArrayType, _>(group, texts.map(ByteArray::from).collect())
}

fn write_optional<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<T::T>>,
) -> ParquetResult {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    write_levels::<T, _>(group, &present, Some(&levels))
}

fn write_levels<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> ParquetResult {
    let missing = || ParquetError::General("the series schema has too few columns".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
