//! Copies a tile from one part to another. Its pages are copied unchanged.
//!
//! Each page's checksum is compared during the copy. The values are decoded for their sum, so that a compaction can compare
//! its input with its output. Only write orders may be re-encoded, where they are known only when the part is read (see
//! [`PartMeta::placed_at`](crate::PartMeta::placed_at)). Everything else has the same bits.

use super::encode::EncodedTile;
use crate::chunk::SeriesChunk;
use crate::facts::SeqRanges;
use crate::options::{ColumnSet, PartOptions};
use crate::page::delta;
use crate::page::write::{ChunkPages, EncodedColumn, Zstd};
use crate::read::{ChunkMap, Pages, Part};
use crate::rollup::bucket::{RolledChunk, buckets};
use crate::schema::PointColumn;
use crate::series::row::SeriesRow;
use parquet::basic::Encoding;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{OffsetIndexBuilder, ParquetMetaData};
use parquet::file::statistics::Statistics;
use tidalite_model::{Error, Result, Seq, SeriesKey, value_bits_sum};

/// Copies tiles out of one part.
#[derive(Debug)]
pub struct Copier<'a> {
    part: &'a Part,
    metadata: ParquetMetaData,
}

impl Part {
    /// A copier of this part's tiles. Reads the footer again for the metadata that an open part does not keep.
    ///
    /// # Errors
    /// `Corrupt` where the footer has changed since the part was opened.
    pub fn copier(&self) -> Result<Copier<'_>> {
        Ok(Copier { part: self, metadata: self.metadata()? })
    }
}

impl Copier<'_> {
    /// Copies one tile, with buckets for each series to which `shift` gives a width, as in [`EncodedTile::roll_up`]. A tile of
    /// a thinned part keeps its buckets.
    ///
    /// # Errors
    /// `Corrupt` where a page is damaged, or the rollups of a thinned part are.
    pub fn tile(&self, tile: u32, shift: &dyn Fn(&SeriesKey) -> Option<u32>) -> Result<EncodedTile> {
        let part = self.part;
        let map = &part.tiles[tile as usize];
        let mut columns = Vec::with_capacity(PointColumn::ALL.len());
        for column in PointColumn::ALL {
            if column == PointColumn::Seq && part.meta.seq_base != 0 {
                columns.push(self.placed_seqs(tile)?);
                continue;
            }
            if column == PointColumn::Written && part.meta.clock.is_some() {
                columns.push(self.placed_clocks(tile)?);
                continue;
            }
            let chunk = &map.chunks[column.index()];
            let (bytes, sums) = Pages::new(part.file.as_ref(), map, tile, column).whole()?;
            columns.push(EncodedColumn { bytes, sums, close: self.close(tile, column, chunk)? });
        }
        let all = 0..map.rows;
        let values = part.read(tile, std::slice::from_ref(&all), ColumnSet::VALUE)?.values;
        let rows = part.series().tile(tile);
        let mut seq_ranges = SeqRanges::default();
        let mut rollups = Vec::new();
        let thinned = part.meta.is_thinned();
        let mut series = Vec::with_capacity(rows.len());
        for row in rows {
            let row = part.series().row(row)?;
            self.note_seqs(&row, &mut seq_ranges)?;
            if thinned {
                let (shift, buckets) = part.thinned(&row)?;
                rollups.push(RolledChunk { key: row.key.clone(), shift, buckets });
            } else if let Some(shift) = shift(&row.key).filter(|_| !row.repeats) {
                rollups.push(self.roll_up(&row, shift)?);
            }
            series.push(row);
        }
        let value_bits_sum = value_bits_sum(&values);
        Ok(EncodedTile { columns, series, rows: map.rows, seq_ranges, value_bits_sum, rollups, thinned })
    }

    /// The footer's entry for a column's chunk, with offsets relative to the chunk.
    fn close(&self, tile: u32, column: PointColumn, chunk: &ChunkMap) -> Result<ColumnCloseResult> {
        let (start, bytes) = chunk.extent();
        let mut locations = OffsetIndexBuilder::new();
        for page in &chunk.pages {
            locations.append_row_count(i64::from(page.rows));
            let size = i32::try_from(page.bytes).map_err(|_| self.refused("a page exceeds 2 GiB"))?;
            locations.append_offset_and_size((page.offset - start).cast_signed(), size);
        }
        let rows = self.part.tiles[tile as usize].rows;
        let metadata = self.metadata.row_group(tile as usize).column(column.index()).clone();
        let dictionary = chunk.dictionary.map(|page| i64::from(page.bytes));
        let metadata = metadata
            .into_builder()
            .set_dictionary_page_offset(dictionary.map(|_| 0))
            .set_data_page_offset(dictionary.unwrap_or(0))
            .build()
            .map_err(|e| self.refused(&e.to_string()))?;
        Ok(ColumnCloseResult {
            bytes_written: bytes,
            rows_written: u64::from(rows),
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(locations.build()),
        })
    }

    /// Re-encodes the column of write orders with the part's base added, with the same page boundaries.
    fn placed_seqs(&self, tile: u32) -> Result<EncodedColumn> {
        let part = self.part;
        let all = 0..part.tiles[tile as usize].rows;
        let wanted = ColumnSet { seq: true, ..ColumnSet::NONE };
        let seqs = part.read(tile, std::slice::from_ref(&all), wanted)?.seqs;
        self.encode_again(tile, PointColumn::Seq, &seqs)
    }

    /// Re-encodes the column written with the part's clock, with the same page boundaries.
    fn placed_clocks(&self, tile: u32) -> Result<EncodedColumn> {
        let part = self.part;
        let all = 0..part.tiles[tile as usize].rows;
        let wanted = ColumnSet { written: true, ..ColumnSet::NONE };
        let written = part.read(tile, std::slice::from_ref(&all), wanted)?.written;
        self.encode_again(tile, PointColumn::Written, &written)
    }

    fn encode_again(&self, tile: u32, column: PointColumn, numbers: &[i64]) -> Result<EncodedColumn> {
        let mut zstd = Zstd::new(PartOptions::default().zstd_level)?;
        let mut pages = ChunkPages::new(column.descriptor(), &mut zstd);
        let mut body = Vec::new();
        for page in &self.part.tiles[tile as usize].chunks[column.index()].pages {
            let rows = page.first_row as usize..(page.first_row + page.rows) as usize;
            body.clear();
            delta::encode(&numbers[rows], &mut body);
            pages.data_page(&body, page.rows, Encoding::DELTA_BINARY_PACKED)?;
        }
        let ends = numbers.iter().min().zip(numbers.iter().max());
        pages.finish(ends.map(|(&min, &max)| Statistics::int64(Some(min), Some(max), None, Some(0), false)))
    }

    fn note_seqs(&self, row: &SeriesRow, ranges: &mut SeqRanges) -> Result<()> {
        let seq = |raw| Seq::from_i64(raw).ok_or_else(|| self.refused("a write order is negative"));
        let (least, greatest) = (seq(row.seq_min)?, seq(row.seq_max)?);
        if least.writer() == greatest.writer() && !self.part.meta.is_thinned() {
            ranges.add(least, greatest);
            return Ok(());
        }
        let rows = row.row_start..row.row_start + row.rows;
        let wanted = ColumnSet { seq: true, ..ColumnSet::NONE };
        for raw in self.part.read(row.tile, std::slice::from_ref(&rows), wanted)?.seqs {
            let one = seq(raw)?;
            ranges.add(one, one);
        }
        Ok(())
    }

    fn roll_up(&self, row: &SeriesRow, shift: u32) -> Result<RolledChunk> {
        let rows = row.row_start..row.row_start + row.rows;
        let wanted = ColumnSet { seq: false, written: false, ..ColumnSet::ALL };
        let read = self.part.read(row.tile, std::slice::from_ref(&rows), wanted)?;
        let chunk = SeriesChunk {
            key: &row.key,
            steps: &read.steps,
            seqs: &[],
            written: &[],
            times_us: &read.times_us,
            values: &read.values,
        };
        Ok(RolledChunk { key: row.key.clone(), shift, buckets: buckets(&chunk, shift) })
    }

    fn refused(&self, wrong: &str) -> Error {
        Error::corrupt("copy tile", &self.part.paths.points, 0, wrong)
    }
}
