//! Writes thinned parts: outlines of series, tile by tile, and unchanged tiles of other thinned parts.
//!
//! A tile holds series of one run, so that it is dropped whole when the run is deleted. All buckets of a part are in
//! memory until it is finished, so a part ends when they reach their share of the memory option. The parts may be
//! published only if their [`Account`] is the expected one.

use crate::engine::options::PART_ROWS_MAX;
use crate::engine::state::StoreState;
use std::sync::Arc;
use tidalite_model::{Result, SeriesKey, Summary, value_bits_sum};
use tidalite_parts::{
    ColumnSet, EncodedTile, Part, PartMeta, PartOptions, PartWriter, SeriesChunk, SeriesRow, TILES_MAX,
    ThinnedChunk, encode_thinned_tile,
};
use tidalite_query::Points;

/// The outline of a series, and a summary of all its points in each bucket.
#[derive(Debug)]
pub(crate) struct Thinned {
    pub(crate) key: SeriesKey,
    pub(crate) points: Points,
    /// Steps per bucket, as a power of two.
    pub(crate) shift: u32,
    pub(crate) buckets: Vec<Summary>,
}

impl Thinned {
    /// Reads a row of a thinned part.
    pub(crate) fn read(part: &Part, row: &SeriesRow) -> Result<Thinned> {
        let rows = row.row_start..row.row_start + row.rows;
        let read = part.read(row.tile, std::slice::from_ref(&rows), ColumnSet::ALL)?;
        let (shift, buckets) = part.thinned(row)?;
        let points = Points {
            steps: read.steps,
            seqs: read.seqs,
            written: read.written,
            times_us: read.times_us,
            values: read.values,
        };
        Ok(Thinned { key: row.key.clone(), points, shift, buckets })
    }

    /// The account of this series alone.
    pub(crate) fn account(&self) -> Account {
        Account {
            rows: self.points.len() as u64,
            bits: value_bits_sum(&self.points.values),
            points: self.buckets.iter().map(|b| b.count).sum(),
        }
    }
}

/// What thinned parts hold, in numbers that have to come out as they went in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Points that are stored.
    pub(crate) rows: u64,
    /// The wrapping sum of their values' bits.
    pub(crate) bits: u64,
    /// Points that the buckets summarize.
    pub(crate) points: u64,
}

impl Account {
    pub(crate) fn of(parts: &[PartMeta]) -> Account {
        let mut sum = Account::default();
        for meta in parts {
            let points = meta.thinned.unwrap_or(0);
            sum.add(Account { rows: meta.rows, bits: meta.value_bits_sum, points });
        }
        sum
    }

    pub(crate) fn add(&mut self, other: Account) {
        self.rows += other.rows;
        self.bits = self.bits.wrapping_add(other.bits);
        self.points += other.points;
    }

    /// Subtracts. Wraps if `other` is larger, which gives an account that equals no real one.
    pub(crate) fn take_off(&mut self, other: Account) {
        self.rows = self.rows.wrapping_sub(other.rows);
        self.bits = self.bits.wrapping_sub(other.bits);
        self.points = self.points.wrapping_sub(other.points);
    }
}

/// The most buckets of a thinned part that is being built, under this memory option.
pub(crate) fn buckets_max(memory_bytes: u64) -> u64 {
    memory_bytes / BUCKETS_SHARE / size_of::<Summary>() as u64
}

/// How much of its bounds a part that is being built uses.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ThinnedSize {
    buckets: u64,
    tiles: u32,
    rows: u64,
}

/// The buckets of a part that is being written may take the memory option divided by this.
const BUCKETS_SHARE: u64 = 4;

impl ThinnedSize {
    pub(crate) fn add(&mut self, buckets: u64, tiles: u32, rows: u64) {
        self.buckets = self.buckets.saturating_add(buckets);
        self.tiles = self.tiles.saturating_add(tiles);
        self.rows = self.rows.saturating_add(rows);
    }

    /// Whether one part may hold this much, with at most `buckets_max` buckets.
    pub(crate) fn is_within(self, buckets_max: u64) -> bool {
        self.buckets <= buckets_max && self.tiles <= TILES_MAX && self.rows <= PART_ROWS_MAX
    }
}

/// Thinned parts that are being written. Dropped unfinished, they leave files that no version names.
pub(crate) struct ThinnedParts<'a> {
    state: &'a StoreState,
    options: PartOptions,
    writer: Option<PartWriter>,
    size: ThinnedSize,
    /// Series of the next tile.
    waiting: Vec<Thinned>,
    done: Vec<PartMeta>,
}

impl<'a> ThinnedParts<'a> {
    pub(crate) fn new(state: &'a StoreState) -> Self {
        let options = PartOptions::default();
        ThinnedParts {
            state,
            options,
            writer: None,
            size: ThinnedSize::default(),
            waiting: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Adds a series. Consecutive series of one run share tiles if they ascend by key.
    pub(crate) fn push(&mut self, series: Thinned) -> Result<()> {
        let rows: usize = self.waiting.iter().map(|s| s.points.len()).sum();
        let fits = self.waiting.last().is_none_or(|last| {
            let follows = last.key.run == series.key.run && last.key < series.key;
            follows && rows + series.points.len() <= self.state.options.tile_rows
        });
        if !fits {
            self.close_tile()?;
        }
        self.waiting.push(series);
        Ok(())
    }

    /// Adds the rows of another thinned part, except those left out; returns the account of the latter.
    pub(crate) fn carry(
        &mut self,
        part: &Arc<Part>,
        left_out: &dyn Fn(&SeriesRow) -> bool,
    ) -> Result<Account> {
        self.close_tile()?;
        let copier = part.copier()?;
        let mut out = Account::default();
        for tile in 0..part.meta().tiles {
            let table = part.series();
            let rows: Vec<SeriesRow> = table.tile(tile).map(|row| table.row(row)).collect::<Result<_>>()?;
            if !rows.iter().any(left_out) {
                let buckets = part.thinned_rollups()?.buckets(&rows);
                self.lay(copier.tile(tile, &|_| None)?, buckets)?;
                continue;
            }
            for row in &rows {
                let series = Thinned::read(part, row)?;
                if left_out(row) {
                    out.add(series.account());
                } else {
                    self.push(series)?;
                }
            }
            self.close_tile()?;
        }
        Ok(out)
    }

    /// Finishes the parts. The contents of their files are synced; their names are not.
    pub(crate) fn finish(mut self) -> Result<Vec<PartMeta>> {
        self.close_tile()?;
        self.close_part()?;
        Ok(self.done)
    }

    fn close_tile(&mut self) -> Result<()> {
        let series = std::mem::take(&mut self.waiting);
        if series.is_empty() {
            return Ok(());
        }
        let chunks: Vec<ThinnedChunk<'_>> = series
            .iter()
            .map(|s| ThinnedChunk {
                points: SeriesChunk {
                    key: &s.key,
                    steps: &s.points.steps,
                    seqs: &s.points.seqs,
                    written: &s.points.written,
                    times_us: &s.points.times_us,
                    values: &s.points.values,
                },
                shift: s.shift,
                buckets: &s.buckets,
            })
            .collect();
        let tile = encode_thinned_tile(&chunks, &self.options)?;
        self.lay(tile, series.iter().map(|s| s.buckets.len() as u64).sum())
    }

    fn lay(&mut self, tile: EncodedTile, buckets: u64) -> Result<()> {
        let mut size = self.size;
        size.add(buckets, 1, u64::from(tile.rows()));
        if !size.is_within(buckets_max(self.state.options.memory_bytes)) {
            self.close_part()?;
            size = ThinnedSize::default();
            size.add(buckets, 1, u64::from(tile.rows()));
        }
        self.size = size;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let place = self.state.paths.part(self.state.vfs.uuid());
                self.writer.insert(PartWriter::create(self.state.vfs.clone(), &place)?)
            }
        };
        writer.push(tile)
    }

    fn close_part(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.done.push(writer.finish(true)?);
        }
        self.size = ThinnedSize::default();
        Ok(())
    }
}
