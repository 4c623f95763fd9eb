//! The series table as a file: plain Parquet, one row group, one row a series and tile.
//!
//! Columns have the plain names of what they hold, so that any tool reads the summaries too. No statistics: first
//! and last values may be NaN, and there is nothing to leave out of so small a file. The whole file's checksum is in
//! the [`PartMeta`](crate::PartMeta) and is checked before anything is parsed. Snappy rather than zstd: making a zstd
//! context for each of so many small columns takes longer than all the rest of opening a part.

use crate::series::{SeriesRow, SeriesTable};
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Extreme, Labels, Point, Result, SeriesKey, Summary};

/// The order of columns here is the order in which `encode` writes and `decode` reads them.
const SCHEMA_TEXT: &str = "message series {
    required binary run (STRING);
    required binary metric (STRING);
    required binary labels (STRING);
    required int64 tile;
    required int64 row_start;
    required int64 rows;
    required int64 seq_min;
    required int64 seq_max;
    required int64 count;
    required int64 finite;
    required int64 nan;
    required int64 pos_inf;
    required int64 neg_inf;
    required int64 first_step;
    required int64 last_step;
    required int64 first_time (TIMESTAMP(MICROS,true));
    required int64 last_time (TIMESTAMP(MICROS,true));
    required int64 time_min (TIMESTAMP(MICROS,true));
    required int64 time_max (TIMESTAMP(MICROS,true));
    required boolean repeats;
    required double sum;
    required double mean;
    required double m2;
    required double first_value;
    required double last_value;
    optional double min;
    optional double max;
    optional int64 min_step;
    optional int64 max_step;
}";

type Written<T = ()> = Result<T, ParquetError>;

/// The file's bytes.
pub(crate) fn encode(table: &SeriesTable) -> Result<Vec<u8>> {
    try_encode(table).map_err(|e| {
        Error::new(ErrorKind::Unsupported, "write series table", e.to_string(), "write a smaller part")
    })
}

fn try_encode(table: &SeriesTable) -> Written<Vec<u8>> {
    let properties = WriterProperties::builder()
        .set_created_by(format!("tidalite version {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA_TEXT)?);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    let rows = &table.rows;
    write_texts(&mut group, rows.iter().map(|r| &*r.key.run))?;
    write_texts(&mut group, rows.iter().map(|r| &*r.key.metric))?;
    write_texts(&mut group, rows.iter().map(|r| r.key.labels.as_str()))?;
    for get in INTEGERS {
        write::<Int64Type>(&mut group, rows.iter().map(get).collect())?;
    }
    write::<BoolType>(&mut group, rows.iter().map(|r| r.repeats).collect())?;
    for get in REALS {
        write::<DoubleType>(&mut group, rows.iter().map(get).collect())?;
    }
    for get in [|r: &SeriesRow| r.summary.min, |r: &SeriesRow| r.summary.max] {
        let values = rows.iter().map(|r| get(r).map(|e| e.value));
        write_optional::<DoubleType>(&mut group, values)?;
    }
    for get in [|r: &SeriesRow| r.summary.min, |r: &SeriesRow| r.summary.max] {
        write_optional::<Int64Type>(&mut group, rows.iter().map(|r| get(r).map(|e| e.step)))?;
    }
    group.close()?;
    file.into_inner()
}

/// Required integers, in the schema's order. A row holds at least one point, so that first and last always exist.
const INTEGERS: [fn(&SeriesRow) -> i64; 16] = [
    |r| i64::from(r.tile),
    |r| i64::from(r.row_start),
    |r| i64::from(r.rows),
    |r| r.seq_min,
    |r| r.seq_max,
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
const REALS: [fn(&SeriesRow) -> f64; 5] = [
    |r| r.summary.sum,
    |r| r.summary.mean,
    |r| r.summary.m2,
    |r| r.summary.first.map_or(0.0, |p| p.value),
    |r| r.summary.last.map_or(0.0, |p| p.value),
];

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn write<T: DataType>(group: &mut Group<'_>, values: Vec<T::T>) -> Written {
    write_levels::<T>(group, &values, None)
}

fn write_texts<'a>(group: &mut Group<'_>, texts: impl Iterator<Item = &'a str>) -> Written {
    write::<ByteArrayType>(group, texts.map(ByteArray::from).collect())
}

fn write_optional<T: DataType>(group: &mut Group<'_>, values: impl Iterator<Item = Option<T::T>>) -> Written {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    write_levels::<T>(group, &present, Some(&levels))
}

fn write_levels<T: DataType>(group: &mut Group<'_>, values: &[T::T], levels: Option<&[i16]>) -> Written {
    let missing = || ParquetError::General("the series schema has too few columns".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// The table in a file's bytes, whose checksum the caller has checked.
pub(crate) fn decode(bytes: Bytes, path: &Path) -> Result<SeriesTable> {
    let corrupt = |wrong: String| Error::corrupt("read series table", path, 0, wrong);
    let columns = Columns::read(bytes).map_err(|e| corrupt(e.to_string()))?;
    columns.into_table().map_err(|wrong| corrupt(wrong.to_string()))
}

/// The file's columns, decoded.
struct Columns {
    texts: Vec<Vec<ByteArray>>,
    integers: Vec<Vec<i64>>,
    repeats: Vec<bool>,
    reals: Vec<Vec<f64>>,
    extremes: Vec<Vec<Option<f64>>>,
    extreme_steps: Vec<Vec<Option<i64>>>,
}

impl Columns {
    fn read(bytes: Bytes) -> Written<Columns> {
        let file = SerializedFileReader::new(bytes)?;
        let expected = parse_message_type(SCHEMA_TEXT)?;
        if file.metadata().file_metadata().schema() != &expected || file.num_row_groups() != 1 {
            return Err(ParquetError::General("the columns are not those of a series table".into()));
        }
        let group = file.get_row_group(0)?;
        let group = group.as_ref();
        let optional_from = 3 + INTEGERS.len() + 1 + REALS.len();
        Ok(Columns {
            texts: (0..3).map(|c| read::<ByteArrayType>(group, c)).collect::<Written<_>>()?,
            integers: (3..)
                .take(INTEGERS.len())
                .map(|c| read::<Int64Type>(group, c))
                .collect::<Written<_>>()?,
            repeats: read::<BoolType>(group, 3 + INTEGERS.len())?,
            reals: (4 + INTEGERS.len()..optional_from)
                .map(|c| read::<DoubleType>(group, c))
                .collect::<Written<_>>()?,
            extremes: (optional_from..)
                .take(2)
                .map(|c| read_optional::<DoubleType>(group, c))
                .collect::<Written<_>>()?,
            extreme_steps: (optional_from + 2..)
                .take(2)
                .map(|c| read_optional::<Int64Type>(group, c))
                .collect::<Written<_>>()?,
        })
    }

    fn into_table(self) -> Result<SeriesTable, &'static str> {
        let mut names = Names::default();
        let rows = (0..self.repeats.len()).map(|i| self.row(i, &mut names)).collect::<Result<_, _>>()?;
        Ok(SeriesTable { rows })
    }

    fn row(&self, i: usize, names: &mut Names) -> Result<SeriesRow, &'static str> {
        let int = |column: usize| self.integers[column][i];
        let small = |column| u32::try_from(int(column)).map_err(|_| "a row number is out of range");
        let count = |column| u64::try_from(int(column)).map_err(|_| "a count is negative");
        let real = |column: usize| self.reals[column][i];
        let extreme = |side: usize| {
            let (value, step) = (self.extremes[side][i], self.extreme_steps[side][i]);
            value.zip(step).map(|(value, step)| Extreme { value, step })
        };
        let summary = Summary {
            count: count(5)?,
            finite: count(6)?,
            nan: count(7)?,
            pos_inf: count(8)?,
            neg_inf: count(9)?,
            sum: real(0),
            mean: real(1),
            m2: real(2),
            min: extreme(0),
            max: extreme(1),
            first: Some(Point { step: int(10), time_us: int(12), value: real(3) }),
            last: Some(Point { step: int(11), time_us: int(13), value: real(4) }),
            time_min_us: Some(int(14)),
            time_max_us: Some(int(15)),
        };
        let [run, metric, labels] = [0, 1, 2].map(|c: usize| self.texts[c][i].data());
        Ok(SeriesRow {
            key: names.key(run, metric, labels)?,
            tile: small(0)?,
            row_start: small(1)?,
            rows: small(2)?,
            seq_min: int(3),
            seq_max: int(4),
            repeats: self.repeats[i],
            summary,
        })
    }
}

fn read<T: DataType>(group: &dyn RowGroupReader, column: usize) -> Written<Vec<T::T>> {
    let (values, _) = read_levels::<T>(group, column)?;
    if values.len() as u64 != group.metadata().num_rows().unsigned_abs() {
        return Err(ParquetError::General(format!("column {column} has too few rows")));
    }
    Ok(values)
}

fn read_optional<T: DataType>(group: &dyn RowGroupReader, column: usize) -> Written<Vec<Option<T::T>>> {
    let (values, levels) = read_levels::<T>(group, column)?;
    if levels.len() as u64 != group.metadata().num_rows().unsigned_abs() {
        return Err(ParquetError::General(format!("column {column} has too few rows")));
    }
    let mut values = values.into_iter();
    Ok(levels.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect())
}

fn read_levels<T: DataType>(group: &dyn RowGroupReader, column: usize) -> Written<(Vec<T::T>, Vec<i16>)> {
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column)?);
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    // Vectors grow page by page, so that no count in the file is allocated for as it stands.
    let rows = usize::try_from(group.metadata().num_rows())?;
    reader.read_records(rows, Some(&mut levels), None, &mut values)?;
    Ok((values, levels))
}

/// Texts met so far, so that equal names share one allocation.
pub(crate) struct Names {
    texts: HashMap<Vec<u8>, Arc<str>>,
    labels: HashMap<Vec<u8>, Labels>,
    last: Option<SeriesKey>,
    /// Texts by where their bytes lay: a dictionary of a file has each text once, and to compare one is less than to hash it.
    by_address: [Option<Arc<str>>; ADDRESSES],
}

const ADDRESSES: usize = 256;

impl Default for Names {
    fn default() -> Self {
        let (texts, labels, last) = Default::default();
        Names { texts, labels, last, by_address: [const { None }; ADDRESSES] }
    }
}

impl Names {
    /// The key of three texts as they lie in a file.
    pub(crate) fn key(
        &mut self,
        run: &[u8],
        metric: &[u8],
        labels: &[u8],
    ) -> Result<SeriesKey, &'static str> {
        // Rows are sorted: the run and the labels are mostly those of the row before.
        let last = self.last.take();
        let key = SeriesKey {
            run: match &last {
                Some(last) if last.run.as_bytes() == run => last.run.clone(),
                _ => self.text(run)?,
            },
            metric: self.text(metric)?,
            labels: match &last {
                Some(last) if last.labels.as_str().as_bytes() == labels => last.labels.clone(),
                _ => self.labels(labels)?,
            },
        };
        self.last = Some(key.clone());
        Ok(key)
    }

    fn text(&mut self, bytes: &[u8]) -> Result<Arc<str>, &'static str> {
        let place = (bytes.as_ptr().addr() / 4 + bytes.len()) % ADDRESSES;
        if let Some(text) = &self.by_address[place]
            && text.as_bytes() == bytes
        {
            return Ok(text.clone());
        }
        let text = match self.texts.get(bytes) {
            Some(text) => text.clone(),
            None => {
                let text: Arc<str> = std::str::from_utf8(bytes).map_err(|_| "a name is no UTF-8")?.into();
                self.texts.insert(bytes.to_vec(), text.clone());
                text
            }
        };
        self.by_address[place] = Some(text.clone());
        Ok(text)
    }

    fn labels(&mut self, bytes: &[u8]) -> Result<Labels, &'static str> {
        if let Some(labels) = self.labels.get(bytes) {
            return Ok(labels.clone());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "a label is no UTF-8")?;
        let labels = Labels::parse(text).map_err(|_| "labels are not of the form key=value")?;
        self.labels.insert(bytes.to_vec(), labels.clone());
        Ok(labels)
    }
}
