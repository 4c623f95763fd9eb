//! The live tail of one writer: the rows of its log that are not flushed yet.
//!
//! Rows of one layout are in one block, row-major, so adding a row only copies its values. The points of a series are
//! gathered from the blocks on demand. Everything carries its sequence number, so a range [lo, hi) of frames is a
//! snapshot, whatever is added later.
//!
//! Where the rows exceed a bound, the older half of them becomes [cold](super::cold): it stays in the log alone. What
//! is said here of views holds for both.

use super::cold::{ColdContents, ColdFrames, ColdRows, LogFiles};
use super::cold_read::ColdRead;
use super::cooling::{Cooling, TailRoom};
use super::row_block::RowBlock;
use super::tail_names::TailNames;
use super::tail_shape::{StepReach, TailRange, TailShape};
use std::ops::Range;
use std::sync::Arc;
use tidalite_log::{BatchRef, LayoutId, LogSink, Row, SeriesId};
use tidalite_model::{Extent, Result, RunChange, SeriesKey, StepRange, TIME_US_MIN, WriteOrder, Written};
use tidalite_query::Points;
use uuid::Uuid;

/// Memory of a batch point.
const POINT_BYTES: usize = 40;

/// Rows of one writer.
#[derive(Debug)]
pub(crate) struct TailData {
    names: TailNames,
    /// Rows by the index of their layout.
    blocks: Vec<RowBlock>,
    /// Points that were logged in batches, by the index of their series; in the order of their frames.
    loose: Vec<Points>,
    /// What is cold; `None` where rows never become cold.
    cooling: Option<Cooling>,
    /// Run changes in their order.
    pub(crate) changes: Vec<(WriteOrder, String, RunChange)>,
    /// References to staged parts, in their order.
    pub(crate) staged: Vec<(WriteOrder, Uuid, Vec<u8>)>,
    /// The greatest clock of a frame.
    pub(crate) clock_us: i64,
    /// Of names, changes and references.
    other_bytes: usize,
    /// Of the rows in memory.
    row_bytes: usize,
    points: u64,
}

impl Default for TailData {
    fn default() -> Self {
        TailData {
            names: TailNames::default(),
            blocks: Vec::new(),
            loose: Vec::new(),
            cooling: None,
            changes: Vec::new(),
            staged: Vec::new(),
            clock_us: TIME_US_MIN,
            other_bytes: 0,
            row_bytes: 0,
            points: 0,
        }
    }
}

impl TailData {
    /// The rows of cold frames, but for those before `from`, read into memory.
    ///
    /// # Errors
    /// Those of reading the log.
    pub(crate) fn thawed(frames: &ColdFrames, from: i64) -> Result<TailData> {
        let mut data = TailData::default();
        frames.read_to(frames, from, frames.points(), &mut data, TailData::point_count)?;
        Ok(data)
    }

    /// From now on keeps no more rows in memory than there is room for. At the first call, no row has been read yet, and
    /// `from` is the first frame.
    pub(super) fn cool(&mut self, log: LogFiles, from: i64, room: TailRoom) {
        match &mut self.cooling {
            Some(cooling) => cooling.set(log, room),
            none => *none = Some(Cooling::new(log, from, room)),
        }
    }

    /// Takes note that all frames before `next` have been read.
    pub(super) fn end_skipping(&mut self, next: i64) {
        if let Some(cooling) = &mut self.cooling {
            cooling.end_skipping(next);
        }
    }

    /// Makes room for `bytes` of rows in frame `seq`. Returns where to count them if they are not to be kept.
    fn make_room(&mut self, seq: i64, bytes: usize) -> Option<&mut ColdContents> {
        let cooling = self.cooling.as_mut()?;
        let (from, most) = (cooling.from, cooling.row_bytes_max);
        if cooling.skip(seq, 0).is_none() && self.row_bytes + bytes > most {
            // The newest rows are asked for most.
            self.freeze(from + (seq - from) / 2);
            if self.row_bytes + bytes > most {
                self.freeze(seq);
            }
        }
        self.cooling.as_mut().and_then(|cooling| cooling.skip(seq, bytes))
    }

    /// Makes the rows of all frames before `end` cold.
    fn freeze(&mut self, end: i64) {
        let mut frozen = ColdContents::default();
        for (at, block) in self.blocks.iter_mut().enumerate() {
            block.drain(end, |row, width| frozen.add_row(at, row, width, RowBlock::row_bytes(width)));
        }
        for (at, loose) in self.loose.iter_mut().enumerate() {
            let points = loose.seqs.partition_point(|&seq| seq < end);
            for i in 0..points {
                let automatic = Written::from_i64(loose.written[i]).is_automatic();
                frozen.add_point(at, ColdRows::one(loose.steps[i], loose.seqs[i], automatic), POINT_BYTES);
            }
            loose.keep_range(points..loose.len());
            // There may be very many series, each of which had rows once.
            loose.shrink_to(2 * loose.len());
        }
        self.row_bytes -= frozen.bytes();
        if let Some(cooling) = self.cooling.as_mut().filter(|_| frozen.bytes() > 0) {
            cooling.push(end, frozen);
        }
    }

    fn cold(&self) -> &[Arc<ColdFrames>] {
        self.cooling.as_ref().map_or(&[], |cooling| &cooling.frames)
    }

    /// The cold frames of which some are in [lo, hi).
    pub(crate) fn cold_frames(&self, seqs: (i64, i64)) -> impl Iterator<Item = &Arc<ColdFrames>> {
        self.cold().iter().filter(move |frames| frames.meets(seqs))
    }

    /// Approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.other_bytes + self.row_bytes + self.cold().iter().map(|frames| frames.own_bytes()).sum::<usize>()
    }

    /// Approximate memory of the rows in bytes.
    pub(super) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Number of points.
    pub(crate) fn point_count(&self) -> u64 {
        self.points
    }

    /// The series declared so far, with or without points.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (SeriesId, &SeriesKey)> {
        self.names.keys()
    }

    /// Number of points of a series in memory: the maximum of any view of these.
    pub(crate) fn count_in_memory(&self, id: SeriesId) -> u64 {
        self.count_in_memory_within(id, (i64::MIN, i64::MAX))
    }

    /// Number of points of a series in memory in frames [lo, hi).
    pub(crate) fn count_in_memory_within(&self, id: SeriesId, seqs: (i64, i64)) -> u64 {
        let Some(at) = self.names.index_of(id) else { return 0 };
        let rows: usize = self.names.columns(at).map(|(b, _)| self.blocks[b].rows_within(seqs).len()).sum();
        (rows + self.loose_within(at, seqs).len()) as u64
    }

    /// Number of points of a series in frames [lo, hi).
    ///
    /// # Errors
    /// Those of reading the log, where cold frames are partly in the range.
    pub(crate) fn count_within(&self, id: SeriesId, seqs: (i64, i64)) -> Result<u64> {
        let Some(at) = self.names.index_of(id) else { return Ok(0) };
        let mut count = self.count_in_memory_within(id, seqs);
        for frames in self.cold_frames(seqs) {
            count += frames.series(at, seqs, &self.names)?.iter().map(|rows| rows.rows).sum::<u64>();
        }
        Ok(count)
    }

    /// The batch points of a series, by its index, in frames [lo, hi).
    fn loose_within(&self, series: usize, (lo, hi): (i64, i64)) -> Range<usize> {
        let seqs = &self.loose[series].seqs;
        let start = seqs.partition_point(|&seq| seq < lo);
        start..seqs.partition_point(|&seq| seq < hi).max(start)
    }

    /// Every `nth` step of each block of a series in memory and of its batch points, unsorted.
    pub(crate) fn sample_steps(&self, id: SeriesId, nth: usize) -> Vec<i64> {
        let Some(at) = self.names.index_of(id) else { return Vec::new() };
        let blocks = self.names.columns(at).flat_map(|(b, _)| self.blocks[b].steps().iter().step_by(nth));
        blocks.chain(self.loose[at].steps.iter().step_by(nth)).copied().collect()
    }

    /// As [`sample_steps`](Self::sample_steps), with steps of cold frames, as if these were spread evenly.
    ///
    /// # Errors
    /// As [`count_within`](Self::count_within).
    pub(crate) fn sample_all_steps(&self, id: SeriesId, nth: usize) -> Result<Vec<i64>> {
        let mut steps = self.sample_steps(id, nth);
        let Some(at) = self.names.index_of(id) else { return Ok(steps) };
        for frames in self.cold() {
            for rows in frames.series(at, frames.seqs, &self.names)? {
                let count = i128::from((rows.rows / nth as u64).max(1));
                let width = i128::from(rows.steps.last) - i128::from(rows.steps.first);
                let step = |i| i128::from(rows.steps.first) + width * i / count;
                steps.extend((0..count).map(|i| i64::try_from(step(i)).expect("between two steps")));
            }
        }
        Ok(steps)
    }

    /// Appends the points in memory of a series within a view: block by block, then those of batches, each in write order.
    pub(crate) fn gather(&self, id: SeriesId, view: TailRange, into: &mut Points) {
        let Some(at) = self.names.index_of(id) else { return };
        for (block, column) in self.names.columns(at) {
            self.blocks[block].gather(column, view, into);
        }
        let l = &self.loose[at];
        for i in self.loose_within(at, view.seqs) {
            if view.takes(l.steps[i], l.seqs[i]) {
                let written = Written::from_i64(l.written[i]);
                into.push_written(l.steps[i], l.seqs[i], written, l.times_us[i], l.values[i]);
            }
        }
    }

    /// The points of some series within a view: those in memory, and what to read of the log for the others, which come
    /// before them.
    ///
    /// # Errors
    /// As [`count_within`](Self::count_within).
    pub(super) fn gather_all(
        &self,
        wanted: &[SeriesId],
        view: TailRange,
    ) -> Result<(Option<ColdRead>, Vec<Points>)> {
        let cold = ColdRead::of(&self.names, self.cold(), wanted, view)?;
        let mut held = vec![Points::default(); wanted.len()];
        for (id, points) in wanted.iter().zip(&mut held) {
            self.gather(*id, view, points);
        }
        Ok((cold, held))
    }

    /// The least and the greatest step of a series within a view.
    ///
    /// # Errors
    /// As [`count_within`](Self::count_within).
    pub(crate) fn step_reach(&self, id: SeriesId, view: TailRange) -> Result<StepReach> {
        let Some(at) = self.names.index_of(id) else { return Ok(StepReach::default()) };
        let blocks = self.names.columns(at).filter_map(|(block, _)| self.blocks[block].steps_within(view));
        let l = &self.loose[at];
        let loose = self.loose_within(at, view.seqs).filter(|&i| view.takes(l.steps[i], l.seqs[i]));
        let held = blocks.chain(Extent::of(loose.map(|i| l.steps[i]))).reduce(Extent::join);
        let mut reach = StepReach { certain: held, possible: held };
        for frames in self.cold_frames(view.seqs) {
            for rows in frames.series(at, view.seqs, &self.names)? {
                let Some(steps) = rows.steps.clip(view.steps) else { continue };
                reach.possible = Some(reach.possible.map_or(steps, |all| all.join(steps)));
                if steps == rows.steps {
                    reach.certain = Some(reach.certain.map_or(steps, |all| all.join(steps)));
                }
            }
        }
        Ok(reach)
    }

    /// How the points of a series within a view lie, as far as that is known without reading them.
    ///
    /// # Errors
    /// As [`count_within`](Self::count_within).
    pub(crate) fn shape(&self, id: SeriesId, view: TailRange) -> Result<TailShape> {
        let mut shape = TailShape::default();
        let Some(at) = self.names.index_of(id) else { return Ok(shape) };
        for frames in self.cold_frames(view.seqs) {
            for rows in frames.series(at, view.seqs, &self.names)? {
                shape.push(rows.steps, rows.rows, rows.ascending, rows.automatic);
                shape.cold = true;
            }
        }
        for (block, _) in self.names.columns(at) {
            let b = &self.blocks[block];
            if let Some(steps) = b.steps_within(view) {
                shape.push(steps, b.rows(view).len() as u64, b.strict, b.automatic);
            }
        }
        let loose = self.loose_within(at, view.seqs);
        let (l, points) = (&self.loose[at], loose.len() as u64);
        if let Some(steps) = Extent::of(l.steps[loose.clone()].iter().copied()) {
            let ascending = l.steps[loose.clone()].windows(2).all(|w| w[0] < w[1]);
            let automatic = l.written[loose].iter().all(|&w| Written::from_i64(w).is_automatic());
            shape.push(steps, points, ascending, automatic);
        }
        Ok(shape)
    }

    /// The greatest step of the rows in frames [lo, hi) of wanted series; telemetry, which counts steps of its own, aside.
    ///
    /// # Errors
    /// As [`count_within`](Self::count_within).
    pub(crate) fn greatest_step(
        &self,
        seqs: (i64, i64),
        wanted: &dyn Fn(&SeriesKey) -> bool,
    ) -> Result<Option<i64>> {
        let mut greatest = None;
        for (block, _) in self.names.samples().filter(|(_, key)| wanted(key)) {
            let held = self.blocks[block].steps_within(TailRange { steps: StepRange::ALL, seqs });
            greatest = greatest.max(held.map(|steps| steps.last));
            for frames in self.cold_frames(seqs) {
                let rows = frames.block(block, seqs, &self.names)?;
                greatest = greatest.max(rows.map(|rows| rows.steps.last));
            }
        }
        Ok(greatest)
    }
}

impl LogSink for TailData {
    fn series(&mut self, id: SeriesId, key: &SeriesKey) -> Result<()> {
        if self.names.add_series(id, key) {
            self.loose.push(Points::default());
            self.other_bytes += 256;
        }
        Ok(())
    }

    fn layout(&mut self, id: LayoutId, series: &[SeriesId]) -> Result<()> {
        if self.names.add_layout(id, series) {
            self.blocks.push(RowBlock::new(series.len()));
            self.other_bytes += 64 + series.len() * 8;
        }
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let block = self.names.block(row.layout);
        let (width, seq) = (row.values.len(), row.seq.as_i64());
        let bytes = RowBlock::row_bytes(width);
        self.clock_us = self.clock_us.max(row.written.clock_us(row.time_us));
        self.points += width as u64;
        if let Some(skipped) = self.make_room(seq, bytes) {
            let row = ColdRows::one(row.step, seq, row.written.is_automatic());
            skipped.add_row(block, row, width, bytes);
            return Ok(());
        }
        self.blocks[block].push(&row);
        self.row_bytes += bytes;
        Ok(())
    }

    fn points(&mut self, p: BatchRef<'_>) -> Result<()> {
        let seq = p.seq().as_i64();
        self.clock_us = self.clock_us.max(p.clock_us());
        self.points += p.len() as u64;
        // Consecutive points of a batch mostly belong to one series.
        let names = std::mem::take(&mut self.names);
        let mut last = None;
        let mut place = |i: usize| {
            let id = p.series(i);
            let at = last.filter(|&(known, _)| known == id).map_or_else(|| names.place(id), |(_, at)| at);
            last = Some((id, at));
            at
        };
        if let Some(skipped) = self.make_room(seq, POINT_BYTES * p.len()) {
            for i in 0..p.len() {
                let point = ColdRows::one(p.step(i), seq, p.written(i).is_automatic());
                skipped.add_point(place(i), point, POINT_BYTES);
            }
        } else {
            for i in 0..p.len() {
                self.loose[place(i)].push_written(p.step(i), seq, p.written(i), p.time_us(i), p.value(i));
            }
            self.row_bytes += POINT_BYTES * p.len();
        }
        self.names = names;
        Ok(())
    }

    fn change(&mut self, order: WriteOrder, run: &str, change: RunChange) -> Result<()> {
        self.changes.push((order, run.to_string(), change));
        self.clock_us = self.clock_us.max(order.clock_us);
        self.other_bytes += 128;
        Ok(())
    }

    fn part(&mut self, order: WriteOrder, part: Uuid, meta: &[u8]) -> Result<()> {
        self.staged.push((order, part, meta.to_vec()));
        self.clock_us = self.clock_us.max(order.clock_us);
        self.other_bytes += meta.len();
        Ok(())
    }
}
