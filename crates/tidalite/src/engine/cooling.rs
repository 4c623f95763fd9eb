//! How rows of a tail become cold: they leave memory, and only what is known of them stays.
//!
//! Invariant: cold frames come before all rows in memory, without a gap between them that holds rows.

use super::cold::{COLD_BYTES_MAX, ColdContents, ColdFrames, ColdRows, LogFiles};
use super::tail::{POINT_BYTES, ROW_BYTES, RowBlock, TailData};
use std::sync::Arc;
use tidalite_log::{LayoutId, SeriesId};
use tidalite_model::Written;

/// When rows of a tail become cold.
#[derive(Debug)]
pub(super) struct Cooling {
    log: LogFiles,
    /// The most bytes of rows in memory.
    row_bytes_max: usize,
    /// The first frame that is not cold, as a sequence number.
    from: i64,
    /// Bytes of rows to come that do not get into memory at all, because there is much more to read than it may hold.
    skip_bytes: usize,
    /// The rows skipped from `from` on.
    pub(super) skipped: ColdContents,
}

impl Cooling {
    /// The most bytes of rows of one entry.
    fn entry_bytes(&self) -> usize {
        COLD_BYTES_MAX.min(self.row_bytes_max.saturating_mul(4))
    }
}

/// What a tail may hold in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct TailRoom {
    /// The most bytes of rows.
    pub(super) row_bytes: usize,
    /// Bytes of rows that are to be read first and not kept.
    pub(super) skip_bytes: usize,
}

impl TailData {
    /// From now on keeps no more rows in memory than there is room for. If this is the first call, no row has been read
    /// yet, and `from` is the first frame.
    pub(super) fn cool(&mut self, log: LogFiles, from: i64, room: TailRoom) {
        let (row_bytes_max, skip_bytes) = (room.row_bytes, room.skip_bytes);
        let from = self.cooling.as_ref().map_or(from, |cooling| cooling.from);
        let skipped = self.cooling.take().map_or(ColdContents::default(), |cooling| cooling.skipped);
        self.cooling = Some(Cooling { log, row_bytes_max, from, skip_bytes, skipped });
    }

    /// Makes room for `bytes` of rows in frame `seq`. Returns where to count them if they are not to be kept.
    pub(super) fn make_room(&mut self, seq: i64, bytes: usize) -> Option<&mut ColdContents> {
        let cooling = self.cooling.as_ref()?;
        let (from, most) = (cooling.from, cooling.row_bytes_max);
        if cooling.skip_bytes > 0 {
            if cooling.skipped.bytes() >= cooling.entry_bytes() {
                self.end_skipping(seq);
            }
            let cooling = self.cooling.as_mut()?;
            cooling.skip_bytes = cooling.skip_bytes.saturating_sub(bytes);
            return Some(&mut cooling.skipped);
        }
        self.end_skipping(seq);
        if self.row_bytes > 0 && self.row_bytes + bytes > most {
            // The newest rows are asked for most.
            self.freeze(from + (seq - from) / 2);
        }
        if self.row_bytes > 0 && self.row_bytes + bytes > most {
            self.freeze(seq);
        }
        None
    }

    /// Makes an entry of the rows that were skipped up to frame `next`.
    pub(super) fn end_skipping(&mut self, next: i64) {
        if let Some(cooling) = self.cooling.as_mut().filter(|cooling| cooling.skipped.bytes() > 0) {
            let skipped = std::mem::take(&mut cooling.skipped);
            self.push_cold(next, skipped);
        }
    }

    /// Makes the rows of all frames before `end` cold.
    fn freeze(&mut self, end: i64) {
        let mut frozen = ColdContents::default();
        for (at, block) in self.blocks.iter_mut().enumerate() {
            let rows = block.seqs.partition_point(|&seq| seq < end);
            let bytes = ROW_BYTES + 8 * block.width;
            for i in 0..rows {
                let row = ColdRows::one(block.steps[i], block.seqs[i], block.written[i].is_automatic());
                frozen.add_row(at, row, block.width, bytes);
            }
            block.drop_first(rows);
        }
        for (at, series) in self.series.iter_mut().enumerate() {
            let loose = &mut series.loose;
            let points = loose.seqs.partition_point(|&seq| seq < end);
            for i in 0..points {
                let automatic = Written::from_i64(loose.written[i]).is_automatic();
                frozen.add_point(at, ColdRows::one(loose.steps[i], loose.seqs[i], automatic), POINT_BYTES);
            }
            loose.keep_range(points..loose.len());
        }
        self.row_bytes -= frozen.bytes();
        if frozen.bytes() > 0 {
            self.push_cold(end, frozen);
        }
    }

    /// Adds what frames up to `end` hold.
    fn push_cold(&mut self, end: i64, contents: ColdContents) {
        let Some(cooling) = &mut self.cooling else { return };
        let seqs = (std::mem::replace(&mut cooling.from, end), end);
        let joined = self
            .cold
            .last()
            .and_then(|last| last.joined(&cooling.log, seqs, &contents, cooling.entry_bytes()));
        if joined.is_some() {
            self.cold.pop();
        }
        let log = cooling.log.clone();
        self.cold.push(Arc::new(joined.unwrap_or_else(|| ColdFrames::new(seqs, log, contents))));
    }

    /// The index of the block of a layout.
    pub(super) fn block_of(&self, layout: LayoutId) -> Option<usize> {
        self.layouts.get(&layout).copied()
    }

    /// The index of a series.
    pub(super) fn index_of(&self, id: SeriesId) -> Option<usize> {
        self.places.get(&id).copied()
    }

    /// The layouts that have a series, and its column in each.
    pub(super) fn columns_of(&self, id: SeriesId) -> impl Iterator<Item = (LayoutId, usize)> {
        let series = self.index_of(id).map(|at| &self.series[at]);
        let columns = series.into_iter().flat_map(|series| &series.columns);
        columns.map(|&(block, column)| (self.blocks[block as usize].layout, column as usize))
    }
}

impl RowBlock {
    /// Drops the first `rows` rows, and keeps their memory for others.
    fn drop_first(&mut self, rows: usize) {
        self.steps.drain(..rows);
        self.seqs.drain(..rows);
        self.written.drain(..rows);
        self.times_us.drain(..rows);
        self.values.drain(..rows * self.width);
        if self.steps.is_empty() {
            (self.ascending, self.strict, self.automatic) = (true, true, true);
        }
    }
}
