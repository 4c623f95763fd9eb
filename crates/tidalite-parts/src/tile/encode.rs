//! Encodes sorted points as a row group in memory.
//!
//! Steps: check and summarize each series (`facts`), plan the page boundaries, encode the columns in file order. Pages of
//! step and value end at the same rows and at the ends of series, so that one series is read alone; so do the larger
//! pages of seq. Pages of a dictionary of times and of written are large: the series of a run repeat the same numbers,
//! and only within one page does zstd find the repeats. Mostly all rows of a tile have the same number in written; then
//! that column has one page.

use super::differences::integer_column;
use super::{plan, times};
use crate::chunk::SeriesChunk;
use crate::facts::{SeqRanges, facts};
use crate::options::PartOptions;
use crate::page::write::{EncodedColumn, Zstd};
use crate::page::{doubles, strings};
use crate::rollup::bucket::{RolledChunk, buckets};
use crate::schema::{PointColumn, TILE_ROWS_MAX};
use crate::series::row::SeriesRow;
use parquet::file::statistics::Statistics;
use tidalite_model::{Error, Extent, Result, value_bits_sum};

/// A row group in memory, ready to be written to a file.
#[derive(Debug)]
pub struct EncodedTile {
    /// One for each column, in file order.
    pub(crate) columns: Vec<EncodedColumn>,
    /// One row for each series. [`PartWriter`](crate::PartWriter) sets their `tile`.
    pub(crate) series: Vec<SeriesRow>,
    pub(crate) rows: u32,
    pub(crate) seq_ranges: SeqRanges,
    pub(crate) value_bits_sum: u64,
    /// Buckets of the series that have rollups, in the order of `series`.
    pub(crate) rollups: Vec<RolledChunk>,
    /// Whether the tile is thinned.
    pub(crate) thinned: bool,
}

impl EncodedTile {
    /// The number of its points.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The size of its pages in bytes.
    pub fn bytes(&self) -> u64 {
        self.columns.iter().map(|c| c.bytes.len() as u64).sum()
    }

    /// Computes buckets for each series whose entry in `shifts` is a width, as a power of two (see
    /// [`rollup_shift`](crate::rollup_shift)). `chunks` are those that the tile was encoded from. A series in several tiles
    /// needs the same width in each of them, otherwise the part has no rollups of it.
    pub fn roll_up(&mut self, chunks: &[SeriesChunk<'_>], shifts: &[Option<u32>]) {
        for ((row, chunk), shift) in self.series.iter().zip(chunks).zip(shifts) {
            // Which of several points of a step counts depends on the query, so a summary of all of them answers none.
            if let Some(shift) = *shift
                && !row.repeats
            {
                self.rollups.push(RolledChunk {
                    key: row.key.clone(),
                    shift,
                    buckets: buckets(chunk, shift),
                });
            }
        }
    }
}

/// Encodes one tile from its series, ascending by key.
///
/// # Errors
/// `Invalid` where there is no series, keys do not ascend, a series violates the rules of [`SeriesChunk`], there are more
/// points than [`TILE_ROWS_MAX`], or the texts of the names exceed 64 MiB.
pub fn encode_tile(chunks: &[SeriesChunk<'_>], options: &PartOptions) -> Result<EncodedTile> {
    let mut seq_ranges = SeqRanges::default();
    let series = place_series(chunks, &mut seq_ranges)?;
    let rows = series.last().map_or(0, |s| s.row_start + s.rows);
    let (pages, large_pages) = (plan::pages(chunks), plan::large_pages(chunks));
    let mut zstd = Zstd::new(options.zstd_level)?;
    let mut columns = Vec::with_capacity(PointColumn::ALL.len());
    for column in [PointColumn::Run, PointColumn::Metric, PointColumn::Labels] {
        let names = chunks.iter().map(|c| (c.key, c.steps.len()));
        columns.push(strings::encode(column, names, &mut zstd)?);
    }
    let steps = integer_column(PointColumn::Step, chunks, |c| c.steps, &pages, &mut zstd)?;
    columns.push(steps.finish(integer_range(&series, |s| s.summary.steps()))?);
    let seqs = integer_column(PointColumn::Seq, chunks, |c| c.seqs, &large_pages, &mut zstd)?;
    columns.push(seqs.finish(integer_range(&series, |s| Some(Extent::new(s.seq_min, s.seq_max))))?);
    columns.push(written_column(chunks, rows, &mut zstd)?);
    let times = times::encode(chunks, &large_pages, &mut zstd)?;
    columns.push(times.finish(integer_range(&series, |s| s.summary.times_us()))?);
    let values = TileValues { chunks, pages: &pages };
    let values =
        doubles::encode(PointColumn::Value.descriptor(), &values, options.value_encoding, &mut zstd)?;
    columns.push(values.finish(value_range(&series))?);
    let value_bits_sum = chunks.iter().fold(0u64, |sum, c| sum.wrapping_add(value_bits_sum(c.values)));
    Ok(EncodedTile { columns, series, rows, seq_ranges, value_bits_sum, rollups: Vec::new(), thinned: false })
}

/// Checks each chunk and assigns its rows.
fn place_series(chunks: &[SeriesChunk<'_>], ranges: &mut SeqRanges) -> Result<Vec<SeriesRow>> {
    let refused = |wrong: String| {
        Error::invalid("encode tile", wrong, "give series ascending by key, at most 2^24 points a tile")
    };
    if chunks.is_empty() {
        return Err(refused("there is no series".into()));
    }
    if let Some(i) = chunks.windows(2).position(|w| w[0].key >= w[1].key) {
        return Err(refused(format!("the keys of series {i} and {} do not ascend", i + 1)));
    }
    let total = chunks.iter().fold(0u64, |sum, c| sum.saturating_add(c.steps.len() as u64));
    if total > u64::from(TILE_ROWS_MAX) {
        return Err(refused(format!("there are {total} points")));
    }
    let mut row_start = 0;
    let mut series = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let row = SeriesRow { row_start, ..facts(chunk, ranges)? };
        row_start += row.rows;
        series.push(row);
    }
    Ok(series)
}

/// Rows of a page of the column written, unless all rows have the same number: then it has one page.
const WRITTEN_PAGE_ROWS: u32 = 1 << 17;

fn written_column(chunks: &[SeriesChunk<'_>], rows: u32, zstd: &mut Zstd) -> Result<EncodedColumn> {
    let all = chunks.iter().flat_map(|c| c.written);
    let (least, greatest) = all.fold((i64::MAX, i64::MIN), |(a, b), &n| (a.min(n), b.max(n)));
    let pages = plan::even_pages(chunks, if least == greatest { rows } else { WRITTEN_PAGE_ROWS });
    let pages = integer_column(PointColumn::Written, chunks, |c| c.written, &pages, zstd)?;
    pages.finish(Some(Statistics::int64(Some(least), Some(greatest), None, Some(0), false)))
}

/// The values of a tile, with the planned page boundaries.
struct TileValues<'a, 'c> {
    chunks: &'a [SeriesChunk<'c>],
    pages: &'a [plan::PageSlices],
}

impl doubles::DoublePages for TileValues<'_, '_> {
    fn count(&self) -> usize {
        self.pages.len()
    }

    fn fill(&self, page: usize, bits: &mut Vec<u64>) {
        bits.clear();
        self.pages[page].for_each(self.chunks, |chunk, rows| {
            bits.extend(chunk.values[rows].iter().map(|v| v.to_bits()));
        });
    }
}

/// Statistics of an integer column from the extents of its series.
fn integer_range(series: &[SeriesRow], extent: impl Fn(&SeriesRow) -> Option<Extent>) -> Option<Statistics> {
    let all = series.iter().filter_map(extent).reduce(Extent::join)?;
    Some(Statistics::int64(Some(all.first), Some(all.last), None, Some(0), false))
}

/// Statistics of the value column; none where there is a NaN. A minimum of zero is written as −0 and a maximum of zero as
/// +0, as the format requires, since some readers order the two zeros and others do not.
fn value_range(series: &[SeriesRow]) -> Option<Statistics> {
    if series.iter().any(|s| s.summary.nan > 0) {
        return None;
    }
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    for s in series.iter().map(|s| &s.summary) {
        for extreme in [s.min, s.max].into_iter().flatten() {
            (min, max) = (min.min(extreme.value), max.max(extreme.value));
        }
        if s.neg_inf > 0 {
            min = f64::NEG_INFINITY;
        }
        if s.pos_inf > 0 {
            max = f64::INFINITY;
        }
    }
    let min = if min == 0.0 { -0.0 } else { min };
    let max = if max == 0.0 { 0.0 } else { max };
    Some(Statistics::double(Some(min), Some(max), None, Some(0), false))
}
