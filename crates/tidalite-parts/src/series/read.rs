//! Reads a series table's file: the entries of all rows at once, summaries later, one row group at a time.
//!
//! Steps: the caller has checked the checksum of the whole file. [`SeriesFile::open`] computes a checksum of each group, so
//! that bytes read again later are known to be the bytes that were checked. It numbers the names, and decodes the rows and
//! steps of each entry. [`SeriesFile::block`] decodes the rest of a group, from the file, or from memory where the
//! file is small.

use super::columns::{
    ByteStrings, FileWindow, columns, flags, general, read, read_bytes, read_optional, read_texts, reader,
    reals,
};
use super::packed::{EntryPacker, PackedEntries};
use super::row::{Details, SeriesEntry};
use super::schema::{ParquetResult, SERIES_COLUMNS, SERIES_SCHEMA};
use crate::fetched::Fetched;
use crate::names::NumberedNames;
use crate::page::decode;
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::reader::RowGroupReader;
use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite_model::{Error, Extreme, Point, Result, Summary, rest_from_bytes};
use tidalite_vfs::ReadFile;

/// Indices of columns in the schema.
mod column {
    use std::ops::Range;

    pub(super) const NAMES: Range<usize> = 0..3;
    pub(super) const TILE: usize = 3;
    pub(super) const ROW_START: usize = 4;
    pub(super) const ROWS: usize = 5;
    pub(super) const SEQS: Range<usize> = 6..8;
    pub(super) const AUTOMATIC: usize = 8;
    pub(super) const COUNTS: Range<usize> = 9..14;
    pub(super) const FIRST_STEP: usize = 14;
    pub(super) const LAST_STEP: usize = 15;
    pub(super) const TIMES: Range<usize> = 16..20;
    pub(super) const REPEATS: usize = 20;
    pub(super) const REALS: Range<usize> = 21..25;
    pub(super) const SUMS_REST: usize = 25;
    pub(super) const EXTREMES: Range<usize> = 26..28;
    pub(super) const EXTREME_STEPS: Range<usize> = 28..30;
}

/// The file of a series table.
#[derive(Debug)]
pub(crate) struct SeriesFile {
    path: PathBuf,
    source: GroupSource,
    groups: Vec<SeriesGroup>,
    /// Whether a row's summary may count more points than the row has.
    thinned: bool,
}

/// A file of at most this many bytes is held in memory: about 4,000 rows.
const HELD_BYTES_MAX: usize = 256 << 10;

/// The source of a group's bytes.
#[derive(Debug)]
enum GroupSource {
    Disk(Arc<dyn ReadFile>),
    /// The whole file.
    Memory(Bytes),
}

/// One row group.
#[derive(Debug)]
struct SeriesGroup {
    /// The range of its columns in the file.
    bytes: Range<u64>,
    crc32c: u32,
    /// The indices of its rows in the table.
    rows: Range<u32>,
    /// Its columns, in the schema's order. The footer is not kept: in memory it is larger than the rows of a small table.
    columns: Box<[ColumnPlace]>,
}

/// Where one column of a group is. Offsets count from the first byte of the group.
#[derive(Debug, Clone, Copy)]
struct ColumnPlace {
    /// The dictionary page, if there is one.
    dictionary: Option<u32>,
    /// The first data page.
    data: u32,
    bytes: u32,
}

impl SeriesGroup {
    /// What the Parquet crate needs to know of the group.
    fn metadata(&self) -> ParquetResult<RowGroupMetaData> {
        let rows = i64::from(self.rows.end - self.rows.start);
        let signed = |n: u64| i64::try_from(n).map_err(|_| general("a column is out of range"));
        let mut columns = Vec::with_capacity(self.columns.len());
        for (place, column) in self.columns.iter().zip(SERIES_COLUMNS.columns()) {
            let at = |offset: u32| signed(self.bytes.start + u64::from(offset));
            let column = ColumnChunkMetaData::builder(column.clone())
                .set_compression(Compression::SNAPPY)
                .set_num_values(rows)
                .set_total_compressed_size(i64::from(place.bytes))
                .set_data_page_offset(at(place.data)?)
                .set_dictionary_page_offset(place.dictionary.map(at).transpose()?);
            columns.push(column.build()?);
        }
        RowGroupMetaData::builder(SERIES_COLUMNS.clone())
            .set_num_rows(rows)
            .set_column_metadata(columns)
            .build()
    }
}

/// The entries and names of a whole table.
pub(crate) struct SeriesHeads {
    pub(crate) entries: PackedEntries,
    /// Runs, metrics and labels, ascending.
    pub(crate) names: [Vec<Arc<str>>; 3],
}

impl SeriesFile {
    /// Opens the table in a file's bytes, whose checksum the caller has checked. Groups are read again from `file`.
    pub(crate) fn open(
        bytes: Bytes,
        path: &Path,
        file: Option<Arc<dyn ReadFile>>,
        thinned: bool,
    ) -> Result<(Self, SeriesHeads)> {
        let corrupt = |wrong: String| Error::corrupt("read series table", path, 0, wrong);
        let metadata = metadata(&bytes).map_err(|e| corrupt(e.to_string()))?;
        let groups = groups(&metadata, &bytes).map_err(|wrong| corrupt(wrong.into()))?;
        let heads = heads(&metadata, &groups, &bytes).map_err(|e| corrupt(e.to_string()))?;
        let source = match file {
            // Open files are costly where there are thousands of parts.
            Some(file) if bytes.len() > HELD_BYTES_MAX => GroupSource::Disk(file),
            _ => GroupSource::Memory(bytes),
        };
        Ok((SeriesFile { path: path.to_path_buf(), source, groups, thinned }, heads))
    }
}

impl DetailsSource for SeriesFile {
    fn keep_open(&self) -> Result<()> {
        match &self.source {
            GroupSource::Disk(file) => file.keep_open(),
            _ => Ok(()),
        }
    }

    fn contradicts(&self, row: u32) -> Error {
        let wrong = format!("the facts of row {row} contradict themselves");
        Error::corrupt("read series table", &self.path, 0, wrong)
    }

    fn group_of(&self, row: u32) -> (usize, Range<u32>) {
        let group = self.groups.partition_point(|g| g.rows.end <= row);
        (group, self.groups[group].rows.clone())
    }

    fn block(&self, group: usize, entries: &mut dyn Iterator<Item = SeriesEntry>) -> Result<SeriesBlock> {
        let of_group = &self.groups[group];
        let corrupt =
            |wrong: String| Error::corrupt("read series table", &self.path, of_group.bytes.start, wrong);
        let bytes = match &self.source {
            GroupSource::Memory(all) => slice(all, &of_group.bytes),
            GroupSource::Disk(file) => {
                let length = of_group.bytes.end - of_group.bytes.start;
                let mut bytes = vec![0; usize::try_from(length).map_err(|e| corrupt(e.to_string()))?];
                file.read_exact_at(of_group.bytes.start, &mut bytes)?;
                Bytes::from(bytes)
            }
        };
        if crc32c::crc32c(&bytes) != of_group.crc32c {
            return Err(corrupt("it has changed since it was opened".into()));
        }
        let window = Arc::new(FileWindow { start: of_group.bytes.start, bytes });
        let metadata = of_group.metadata().map_err(|e| corrupt(e.to_string()))?;
        let reader = reader(window, &metadata).map_err(|e| corrupt(e.to_string()))?;
        BlockColumns::read(&reader, entries.map(|e| e.rows), self.thinned)
            .map(|columns| SeriesBlock::Columns(Box::new(columns)))
            .map_err(|e| corrupt(e.to_string()))
    }
}

/// Where the details of rows come from.
pub(crate) trait DetailsSource: Debug + Send + Sync {
    /// Keeps open what details are read from.
    fn keep_open(&self) -> Result<()>;
    /// The group that holds a row, and all rows of that group.
    fn group_of(&self, row: u32) -> (usize, Range<u32>);
    /// The details of a group with these entries.
    fn block(&self, group: usize, entries: &mut dyn Iterator<Item = SeriesEntry>) -> Result<SeriesBlock>;
    /// The error of a row whose details contradict themselves.
    fn contradicts(&self, row: u32) -> Error;
}

/// The details of one group.
#[derive(Debug)]
pub(crate) enum SeriesBlock {
    /// As the file of a table stores them.
    Columns(Box<BlockColumns>),
    /// As they were computed from points, for which this was fetched.
    Rows(Vec<Details>, Fetched),
}

impl SeriesBlock {
    /// The bytes that it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            SeriesBlock::Columns(columns) => columns.bytes(),
            SeriesBlock::Rows(rows, _) => size_of_val(&rows[..]),
        }
    }

    /// The details of the group's row `i`; `None` where they contradict themselves.
    pub(crate) fn details(&self, i: usize, entry: &SeriesEntry) -> Option<Details> {
        match self {
            SeriesBlock::Columns(columns) => columns.details(i, entry),
            SeriesBlock::Rows(rows, _) => rows.get(i).cloned(),
        }
    }

    /// The summary of the group's row `i`, with sums or without; `None` where it contradicts itself.
    pub(crate) fn summary(&self, i: usize, entry: &SeriesEntry, sums: bool) -> Option<Summary> {
        match self {
            SeriesBlock::Columns(columns) => columns.summary(i, entry, sums),
            SeriesBlock::Rows(rows, _) => rows.get(i).map(|row| row.summary.clone()),
        }
    }
}

/// The details of one group, column by column.
#[derive(Debug)]
pub(crate) struct BlockColumns {
    seqs: [Vec<i64>; 2],
    counts: [Vec<i64>; 5],
    times: [Vec<i64>; 4],
    reals: [Vec<f64>; 4],
    sums_rest: ByteStrings,
    extremes: [Vec<Option<f64>>; 2],
    extreme_steps: [Vec<Option<i64>>; 2],
}

impl BlockColumns {
    fn read(
        group: &dyn RowGroupReader,
        rows: impl Iterator<Item = u32>,
        thinned: bool,
    ) -> ParquetResult<BlockColumns> {
        let block = BlockColumns {
            seqs: columns(column::SEQS, |c| read(group, c, decode::plain_integers))?,
            counts: columns(column::COUNTS, |c| read(group, c, decode::plain_integers))?,
            times: columns(column::TIMES, |c| read(group, c, decode::plain_integers))?,
            reals: columns(column::REALS, |c| read(group, c, reals))?,
            sums_rest: read_bytes(group, column::SUMS_REST)?,
            extremes: columns(column::EXTREMES, |c| read_optional(group, c, reals))?,
            extreme_steps: columns(column::EXTREME_STEPS, |c| {
                read_optional(group, c, decode::plain_integers)
            })?,
        };
        let [counts, ..] = &block.counts;
        let wrong = |count: i64, rows: i64| count < rows || (count > rows && !thinned);
        if counts.iter().zip(rows).any(|(&count, rows)| wrong(count, i64::from(rows))) {
            return Err(general("a count is not that of the rows"));
        }
        if block.counts.iter().flatten().any(|&n| n < 0) {
            return Err(general("a count is negative"));
        }
        Ok(block)
    }

    fn bytes(&self) -> usize {
        let rows = self.seqs[0].len();
        let numbers = 8 * (self.seqs.len() + self.counts.len() + self.times.len() + self.reals.len());
        let optional = 16 * (self.extremes.len() + self.extreme_steps.len());
        rows * (numbers + optional) + self.sums_rest.memory_bytes()
    }

    fn details(&self, i: usize, entry: &SeriesEntry) -> Option<Details> {
        let summary = self.summary(i, entry, true)?;
        Some(Details { seq_min: self.seqs[0][i], seq_max: self.seqs[1][i], summary })
    }

    fn summary(&self, i: usize, entry: &SeriesEntry, sums: bool) -> Option<Summary> {
        let count = |column: usize| self.counts[column][i].cast_unsigned();
        let time = |column: usize| self.times[column][i];
        let real = |column: usize| self.reals[column][i];
        let extreme = |side: usize| {
            let (value, step) = (self.extremes[side][i], self.extreme_steps[side][i]);
            value.zip(step).map(|(value, step)| Extreme { value, step })
        };
        let (sum, squares) = match sums {
            true => rest_from_bytes([real(0), real(1)], self.sums_rest.get(i))?,
            false => Default::default(),
        };
        let summary = Summary {
            count: count(0),
            finite: count(1),
            nan: count(2),
            pos_inf: count(3),
            neg_inf: count(4),
            sum,
            squares,
            min: extreme(0),
            max: extreme(1),
            first: Some(Point { step: entry.first_step, time_us: time(0), value: real(2) }),
            last: Some(Point { step: entry.last_step, time_us: time(1), value: real(3) }),
            time_min_us: Some(time(2)),
            time_max_us: Some(time(3)),
        };
        summary.is_possible().then_some(summary)
    }
}

fn metadata(bytes: &Bytes) -> ParquetResult<ParquetMetaData> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(bytes)?;
    if metadata.file_metadata().schema() != &**SERIES_SCHEMA {
        return Err(general("the columns are not those of a series table"));
    }
    Ok(metadata)
}

impl ColumnPlace {
    /// Of a column in a group that begins at `start`; `None` where its offsets contradict themselves.
    fn of(column: &ColumnChunkMetaData, start: u64) -> Option<ColumnPlace> {
        let within = |at: i64| u32::try_from(u64::try_from(at).ok()?.checked_sub(start)?).ok();
        let dictionary = match column.dictionary_page_offset() {
            Some(at) => Some(within(at)?),
            None => None,
        };
        let bytes = u32::try_from(column.compressed_size()).ok()?;
        Some(ColumnPlace { dictionary, data: within(column.data_page_offset())?, bytes })
    }
}

/// The groups. Each is within the file and has at least one row.
fn groups(metadata: &ParquetMetaData, bytes: &Bytes) -> Result<Vec<SeriesGroup>, &'static str> {
    let mut groups = Vec::with_capacity(metadata.num_row_groups());
    let mut row = 0u32;
    for group in metadata.row_groups() {
        let extents = || {
            group.columns().iter().map(|c| {
                let start = c.dictionary_page_offset().unwrap_or(c.data_page_offset());
                let start = u64::try_from(start).ok()?;
                let end = start.checked_add(u64::try_from(c.compressed_size()).ok()?)?;
                (end <= bytes.len() as u64).then_some(start..end)
            })
        };
        if group.columns().iter().any(|c| c.compression() != Compression::SNAPPY) {
            return Err("a column is not compressed as those of a series table");
        }
        let all: Option<Vec<Range<u64>>> = extents().collect();
        let all = all.ok_or("a column ends beyond the end of the file")?;
        let start = all.iter().map(|r| r.start).min().unwrap_or(0);
        let end = all.iter().map(|r| r.end).max().unwrap_or(0);
        let rows = u32::try_from(group.num_rows()).ok().filter(|&n| n > 0);
        let next = rows.and_then(|n| row.checked_add(n)).ok_or("a group's number of rows is out of range")?;
        let crc32c = crc32c::crc32c(&slice(bytes, &(start..end)));
        let columns = group.columns().iter().map(|c| ColumnPlace::of(c, start)).collect::<Option<_>>();
        let columns = columns.ok_or("a column is out of range")?;
        groups.push(SeriesGroup { bytes: start..end, crc32c, rows: row..next, columns });
        row = next;
    }
    Ok(groups)
}

/// The bytes of a range, cut at the end of `bytes`.
fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |n: u64| usize::try_from(n).map_or(bytes.len(), |n| n.min(bytes.len()));
    bytes.slice(at(range.start)..at(range.end))
}

fn heads(metadata: &ParquetMetaData, groups: &[SeriesGroup], bytes: &Bytes) -> ParquetResult<SeriesHeads> {
    let window = Arc::new(FileWindow { start: 0, bytes: bytes.clone() });
    let mut numbered: [NumberedNames; 3] = Default::default();
    let mut packer = EntryPacker::default();
    for number in 0..groups.len() {
        let group = reader(window.clone(), metadata.row_group(number))?;
        entries(&group, &mut numbered)?.into_iter().for_each(|entry| packer.push(entry));
    }
    Ok(ranked(packer.finish(), numbered))
}

/// The heads of entries whose names are numbered in order of appearance.
pub(crate) fn ranked(by_number: PackedEntries, numbered: [NumberedNames; 3]) -> SeriesHeads {
    let sorted = numbered.map(NumberedNames::sorted);
    let entries = by_number.iter().map(|mut entry| {
        for (name, (_, ranks)) in entry.names.iter_mut().zip(&sorted) {
            *name = ranks[*name as usize];
        }
        entry
    });
    SeriesHeads { entries: entries.collect(), names: sorted.map(|(names, _)| names) }
}

/// The entries of a group, with names as they are numbered in the order of the file.
fn entries(group: &dyn RowGroupReader, numbered: &mut [NumberedNames; 3]) -> ParquetResult<Vec<SeriesEntry>> {
    let mut names = [const { Vec::new() }; 3];
    for ((column, names), numbered) in column::NAMES.zip(&mut names).zip(numbered) {
        *names = read_texts(group, column, numbered)?;
    }
    let [tiles, starts, counts] =
        [column::TILE, column::ROW_START, column::ROWS].map(|c| read(group, c, decode::plain_integers));
    let (tiles, starts, counts) = (tiles?, starts?, counts?);
    let first = read(group, column::FIRST_STEP, decode::plain_integers)?;
    let last = read(group, column::LAST_STEP, decode::plain_integers)?;
    let automatic = read(group, column::AUTOMATIC, decode::plain_integers)?;
    let repeats = read(group, column::REPEATS, flags)?;
    let small = |n: i64| u32::try_from(n).map_err(|_| general("a row number is out of range"));
    let too_many = |(&automatic, &rows): (&i64, &i64)| automatic > rows;
    if automatic.iter().zip(&counts).any(too_many) {
        return Err(general("more rows are automatic than there are"));
    }
    let entry = |i: usize| {
        Ok(SeriesEntry {
            names: [names[0][i], names[1][i], names[2][i]],
            tile: small(tiles[i])?,
            row_start: small(starts[i])?,
            rows: small(counts[i])?,
            first_step: first[i],
            last_step: last[i],
            automatic: small(automatic[i])?,
            repeats: repeats[i],
        })
    };
    (0..tiles.len()).map(entry).collect()
}
