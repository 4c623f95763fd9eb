//! The live tail of one writer: the rows of its log that are not flushed yet.
//!
//! Rows of one layout are in one block, row-major, so adding a row only copies its values. The points of a series are
//! gathered from the blocks on demand. Everything carries its sequence number, so a range [lo, hi) of frames is a
//! snapshot, whatever is added later.
//!
//! Where the rows exceed a bound, the older half of them becomes [cold](super::cold): it stays in the log alone. What
//! is said here of views holds for both.

use super::cold::{ColdFrames, ColdRead, ColdRows};
use super::cooling::Cooling;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;
use tidalite_log::{BatchRef, LayoutId, LogSink, Row, SeriesId};
use tidalite_model::{Extent, Result, RunChange, SeriesKey, StepRange, TIME_US_MIN, WriteOrder, Written};
use tidalite_query::Points;
use uuid::Uuid;

/// Memory of a row without its values, and of a batch point.
pub(super) const ROW_BYTES: usize = 32;
pub(super) const POINT_BYTES: usize = 40;

/// Prefix of the names of telemetry metrics. Their steps count samples, and are unrelated to the run's own steps.
pub(crate) const TELEMETRY: &str = "system/";

/// Rows of one writer.
#[derive(Debug)]
pub(crate) struct TailData {
    pub(super) series: Vec<TailSeries>,
    /// Index of each series in `series`. A map, since ids come from the log and a large one must not cost memory.
    pub(super) places: HashMap<SeriesId, usize>,
    pub(super) layouts: HashMap<LayoutId, usize>,
    pub(super) blocks: Vec<RowBlock>,
    /// Ascending by frame; before all rows in `blocks` and in the series.
    pub(super) cold: Vec<Arc<ColdFrames>>,
    /// Where the rows of a log become cold; `None` where they never do.
    pub(super) cooling: Option<Cooling>,
    /// Run changes in their order.
    pub(crate) changes: Vec<(WriteOrder, String, RunChange)>,
    /// References to staged parts, in their order.
    pub(crate) staged: Vec<(WriteOrder, Uuid, Vec<u8>)>,
    /// The greatest clock of a frame.
    pub(crate) clock_us: i64,
    /// Of names, changes and references.
    other_bytes: usize,
    /// Of the rows in memory.
    pub(super) row_bytes: usize,
    points: u64,
}

#[derive(Debug)]
pub(super) struct TailSeries {
    id: SeriesId,
    key: SeriesKey,
    /// (block, column) of each layout that has the series.
    pub(super) columns: Vec<(u32, u32)>,
    /// Points that were logged in batches.
    pub(super) loose: Points,
}

/// Rows of one layout.
#[derive(Debug)]
pub(super) struct RowBlock {
    pub(super) layout: LayoutId,
    pub(super) width: usize,
    /// The index of one of its series that is not telemetry. Run and labels are the same for all.
    pub(super) sample: Option<usize>,
    pub(super) steps: Vec<i64>,
    pub(super) seqs: Vec<i64>,
    pub(super) written: Vec<Written>,
    pub(super) times_us: Vec<i64>,
    /// Row-major, `width` values per row.
    pub(super) values: Vec<f64>,
    /// Whether steps never decrease, so that a range of steps is a range of rows.
    pub(super) ascending: bool,
    /// Whether each step is greater than the one before.
    pub(super) strict: bool,
    /// Whether all steps are automatic.
    pub(super) automatic: bool,
}

/// Which steps and sequence numbers to read; both half-open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailRange {
    pub(crate) steps: StepRange,
    pub(crate) seqs: (i64, i64),
}

impl TailRange {
    pub(super) fn takes(&self, step: i64, seq: i64) -> bool {
        self.steps.contains(step) && seq >= self.seqs.0 && seq < self.seqs.1
    }
}

/// The steps of a series in a view of a tail: those that it certainly has, and those that it may have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StepReach {
    pub(crate) certain: Option<Extent>,
    pub(crate) possible: Option<Extent>,
}

/// How the points of a series in a view of a tail lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailShape {
    /// The steps; `None` where there is no point.
    pub(crate) steps: Option<Extent>,
    /// Whether no step occurs twice.
    pub(crate) distinct: bool,
    /// Whether all steps are automatic.
    pub(crate) automatic: bool,
    /// Whether some points are not in memory.
    pub(crate) cold: bool,
    /// The most points there may be.
    pub(crate) points: u64,
}

impl Default for TailShape {
    fn default() -> Self {
        TailShape { steps: None, distinct: true, automatic: true, cold: false, points: 0 }
    }
}

impl TailShape {
    fn push(&mut self, steps: Extent, points: u64, distinct: bool, automatic: bool) {
        self.points += points;
        self.distinct &= distinct && self.steps.is_none_or(|all| all.last < steps.first);
        self.automatic &= automatic;
        self.steps = Some(self.steps.map_or(steps, |all| all.join(steps)));
    }
}

impl TailSeries {
    /// The batch points in frames [lo, hi).
    fn loose_within(&self, (lo, hi): (i64, i64)) -> Range<usize> {
        let seqs = &self.loose.seqs;
        let start = seqs.partition_point(|&seq| seq < lo);
        start..seqs.partition_point(|&seq| seq < hi).max(start)
    }
}

impl RowBlock {
    /// The rows that a view may contain. All of them are within its steps if steps never decrease.
    fn rows(&self, view: TailRange) -> Range<usize> {
        let StepRange { lo, hi } = view.steps;
        let mut rows = 0..self.steps.len();
        if self.ascending {
            rows.start = lo.map_or(0, |l| self.steps.partition_point(|&s| s < l));
            rows.end = hi.map_or(rows.end, |h| self.steps.partition_point(|&s| s < h)).max(rows.start);
        }
        // The rows of a block are in frame order.
        rows.start = rows.start.max(self.seqs.partition_point(|&q| q < view.seqs.0));
        rows.end = rows.end.min(self.seqs.partition_point(|&q| q < view.seqs.1)).max(rows.start);
        rows
    }
}

impl Default for TailData {
    fn default() -> Self {
        TailData {
            series: Vec::new(),
            places: HashMap::new(),
            layouts: HashMap::new(),
            blocks: Vec::new(),
            cold: Vec::new(),
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
    /// Approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.other_bytes + self.row_bytes + self.cold.iter().map(|frames| frames.own_bytes()).sum::<usize>()
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
        self.series.iter().map(|s| (s.id, &s.key))
    }

    /// Number of points of a series in memory: the maximum of any view of these.
    pub(crate) fn count_in_memory(&self, id: SeriesId) -> u64 {
        let Some(s) = self.get(id) else { return 0 };
        let rows: usize = s.columns.iter().map(|&(b, _)| self.blocks[b as usize].steps.len()).sum();
        (rows + s.loose.len()) as u64
    }

    /// Number of points of a series in frames [lo, hi).
    ///
    /// # Errors
    /// Those of reading the log, where cold frames are partly in the range.
    pub(crate) fn count_within(&self, id: SeriesId, seqs: (i64, i64)) -> Result<u64> {
        let mut count = self.count_in_memory_within(id, seqs);
        for frames in self.cold.iter().filter(|frames| frames.meets(seqs)) {
            count += self.cold_steps(frames, id, seqs)?.iter().map(|rows| rows.rows).sum::<u64>();
        }
        Ok(count)
    }

    /// Number of points of a series in memory in frames [lo, hi).
    pub(crate) fn count_in_memory_within(&self, id: SeriesId, seqs: (i64, i64)) -> u64 {
        let Some(s) = self.get(id) else { return 0 };
        let rows =
            |b: &RowBlock| b.seqs.partition_point(|&q| q < seqs.1) - b.seqs.partition_point(|&q| q < seqs.0);
        let rows: usize = s.columns.iter().map(|&(b, _)| rows(&self.blocks[b as usize])).sum();
        (rows + s.loose_within(seqs).len()) as u64
    }

    /// What some cold frames hold of a series in frames [lo, hi), by layout, then batch points.
    pub(super) fn cold_steps(
        &self,
        frames: &ColdFrames,
        id: SeriesId,
        seqs: (i64, i64),
    ) -> Result<Vec<ColdRows>> {
        let Some(&at) = self.places.get(&id) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for &(block, _) in &self.series[at].columns {
            found.extend(frames.block(block as usize, seqs, self)?);
        }
        found.extend(frames.loose(at, seqs, self)?);
        Ok(found)
    }

    /// Every `nth` step of each block of a series in memory and of its batch points, unsorted.
    pub(crate) fn sample_steps(&self, id: SeriesId, nth: usize) -> Vec<i64> {
        let Some(s) = self.get(id) else { return Vec::new() };
        let blocks = s.columns.iter().flat_map(|&(b, _)| self.blocks[b as usize].steps.iter().step_by(nth));
        blocks.chain(s.loose.steps.iter().step_by(nth)).copied().collect()
    }

    /// As [`sample_steps`](Self::sample_steps), with steps of cold frames, as if these were spread evenly.
    ///
    /// # Errors
    /// As [`count_within`](Self::count_within).
    pub(crate) fn sample_all_steps(&self, id: SeriesId, nth: usize) -> Result<Vec<i64>> {
        let mut steps = self.sample_steps(id, nth);
        for frames in &self.cold {
            for rows in self.cold_steps(frames, id, frames.seqs)? {
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
        let Some(s) = self.get(id) else { return };
        for &(block, column) in &s.columns {
            let b = &self.blocks[block as usize];
            let rows = b.rows(view);
            into.reserve(rows.len());
            for row in rows {
                if view.takes(b.steps[row], b.seqs[row]) {
                    let value = b.values[row * b.width + column as usize];
                    into.push_written(b.steps[row], b.seqs[row], b.written[row], b.times_us[row], value);
                }
            }
        }
        let l = &s.loose;
        for i in s.loose_within(view.seqs) {
            if view.takes(l.steps[i], l.seqs[i]) {
                let written = Written::from_i64(l.written[i]);
                into.push_written(l.steps[i], l.seqs[i], written, l.times_us[i], l.values[i]);
            }
        }
    }

    /// The least and the greatest step of a series within a view.
    ///
    /// # Errors
    /// As [`count_within`](Self::count_within).
    pub(crate) fn step_reach(&self, id: SeriesId, view: TailRange) -> Result<StepReach> {
        let Some(s) = self.get(id) else { return Ok(StepReach::default()) };
        let of_block = |&(block, _): &(u32, u32)| {
            let b = &self.blocks[block as usize];
            let rows = b.rows(view);
            if b.ascending {
                return rows
                    .clone()
                    .next()
                    .zip(rows.last())
                    .map(|(i, j)| Extent::new(b.steps[i], b.steps[j]));
            }
            Extent::of(rows.filter(|&i| view.takes(b.steps[i], b.seqs[i])).map(|i| b.steps[i]))
        };
        let l = &s.loose;
        let loose =
            s.loose_within(view.seqs).filter(|&i| view.takes(l.steps[i], l.seqs[i])).map(|i| l.steps[i]);
        let held = s.columns.iter().filter_map(of_block).chain(Extent::of(loose)).reduce(Extent::join);
        let mut reach = StepReach { certain: held, possible: held };
        for frames in self.cold.iter().filter(|frames| frames.meets(view.seqs)) {
            for rows in self.cold_steps(frames, id, view.seqs)? {
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
        let Some(s) = self.get(id) else { return Ok(shape) };
        for frames in self.cold.iter().filter(|frames| frames.meets(view.seqs)) {
            for rows in self.cold_steps(frames, id, view.seqs)? {
                shape.push(rows.steps, rows.rows, rows.ascending, rows.automatic);
                shape.cold = true;
            }
        }
        for &(block, _) in &s.columns {
            let b = &self.blocks[block as usize];
            let rows = b.rows(view);
            let points = rows.len() as u64;
            let steps = match b.ascending {
                true => {
                    rows.clone().next().zip(rows.last()).map(|(i, j)| Extent::new(b.steps[i], b.steps[j]))
                }
                false => Extent::of(rows.map(|i| b.steps[i])),
            };
            if let Some(steps) = steps {
                shape.push(steps, points, b.strict, b.automatic);
            }
        }
        let loose = s.loose_within(view.seqs);
        let (l, points) = (&s.loose, loose.len() as u64);
        if let Some(steps) = Extent::of(l.steps[loose.clone()].iter().copied()) {
            let ascending = l.steps[loose.clone()].windows(2).all(|w| w[0] < w[1]);
            let automatic = l.written[loose].iter().all(|&w| Written::from_i64(w).is_automatic());
            shape.push(steps, points, ascending, automatic);
        }
        Ok(shape)
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
        let cold = ColdRead::of(self, wanted, view)?;
        let mut held = vec![Points::default(); wanted.len()];
        for (id, points) in wanted.iter().zip(&mut held) {
            self.gather(*id, view, points);
        }
        Ok((cold, held))
    }

    /// The cold frames of which some are in [lo, hi).
    pub(crate) fn cold_frames(&self, seqs: (i64, i64)) -> Vec<Arc<ColdFrames>> {
        self.cold.iter().filter(|frames| frames.meets(seqs)).cloned().collect()
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
        for (i, b) in self.blocks.iter().enumerate() {
            if !b.sample.is_some_and(|series| wanted(&self.series[series].key)) {
                continue;
            }
            let rows = b.rows(TailRange { steps: StepRange::ALL, seqs });
            greatest = greatest.max(b.steps[rows].iter().copied().max());
            for frames in self.cold.iter().filter(|frames| frames.meets(seqs)) {
                greatest = greatest.max(frames.block(i, seqs, self)?.map(|rows| rows.steps.last));
            }
        }
        Ok(greatest)
    }

    fn get(&self, id: SeriesId) -> Option<&TailSeries> {
        self.places.get(&id).map(|&at| &self.series[at])
    }

    /// The index of a series in `series`; a segment declares each series before it uses it.
    fn place(&self, id: SeriesId) -> usize {
        self.places[&id]
    }
}

impl LogSink for TailData {
    fn series(&mut self, id: SeriesId, key: &SeriesKey) -> Result<()> {
        if let Entry::Vacant(place) = self.places.entry(id) {
            place.insert(self.series.len());
            let (columns, loose) = (Vec::new(), Points::default());
            self.series.push(TailSeries { id, key: key.clone(), columns, loose });
            self.other_bytes += 256;
        }
        Ok(())
    }

    fn layout(&mut self, id: LayoutId, series: &[SeriesId]) -> Result<()> {
        if self.layouts.contains_key(&id) {
            return Ok(());
        }
        let block = u32::try_from(self.blocks.len()).expect("layouts are u32");
        let mut places = series.iter().map(|s| self.place(*s));
        let sample = places.find(|at| !self.series[*at].key.metric.starts_with(TELEMETRY));
        self.layouts.insert(id, self.blocks.len());
        for (column, &s) in series.iter().enumerate() {
            let column = u32::try_from(column).expect("a frame bounds the width of a row");
            let place = self.place(s);
            self.series[place].columns.push((block, column));
        }
        self.blocks.push(RowBlock {
            layout: id,
            width: series.len(),
            sample,
            steps: Vec::new(),
            seqs: Vec::new(),
            written: Vec::new(),
            times_us: Vec::new(),
            values: Vec::new(),
            ascending: true,
            strict: true,
            automatic: true,
        });
        self.other_bytes += 64 + series.len() * 8;
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let at = self.layouts[&row.layout];
        let (width, seq) = (row.values.len(), row.seq.as_i64());
        let bytes = ROW_BYTES + 8 * width;
        self.clock_us = self.clock_us.max(row.written.clock_us(row.time_us));
        self.points += width as u64;
        if let Some(skipped) = self.make_room(seq, bytes) {
            let row = ColdRows::one(row.step, seq, row.written.is_automatic());
            skipped.add_row(at, row, width, bytes);
            return Ok(());
        }
        let block = &mut self.blocks[at];
        if let Some(&last) = block.steps.last() {
            block.ascending &= last <= row.step;
            block.strict &= last < row.step;
        }
        block.automatic &= row.written.is_automatic();
        block.steps.push(row.step);
        block.seqs.push(seq);
        block.written.push(row.written);
        block.times_us.push(row.time_us);
        block.values.extend(row.values.iter());
        self.row_bytes += bytes;
        Ok(())
    }

    fn points(&mut self, p: BatchRef<'_>) -> Result<()> {
        let seq = p.seq().as_i64();
        self.clock_us = self.clock_us.max(p.clock_us());
        self.points += p.len() as u64;
        let skips = self.make_room(seq, POINT_BYTES * p.len()).is_some();
        // Consecutive points of a batch mostly belong to one series.
        let mut last = None;
        for i in 0..p.len() {
            let id = p.series(i);
            let place = last.filter(|&(known, _)| known == id).map_or_else(|| self.place(id), |(_, at)| at);
            last = Some((id, place));
            if let Some(cooling) = self.cooling.as_mut().filter(|_| skips) {
                let point = ColdRows::one(p.step(i), seq, p.written(i).is_automatic());
                cooling.skipped.add_point(place, point, POINT_BYTES);
                continue;
            }
            let loose = &mut self.series[place].loose;
            loose.push_written(p.step(i), seq, p.written(i), p.time_us(i), p.value(i));
            self.row_bytes += POINT_BYTES;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::Labels;

    #[test]
    fn a_large_series_id_takes_no_more_memory_than_a_small_one() {
        let mut tail = TailData::default();
        let ids = [SeriesId(0xFF_FFFF), SeriesId(0)];
        for (id, metric) in ids.iter().zip(["a", "b"]) {
            tail.series(*id, &SeriesKey::new("r", metric, Labels::none())).unwrap();
        }
        tail.layout(LayoutId(7), &ids).unwrap();
        assert!(tail.series.capacity() < 64, "{}", tail.series.capacity());
        let keys: Vec<_> = tail.keys().map(|(id, key)| (id, key.metric.to_string())).collect();
        assert_eq!(keys, [(ids[0], "a".to_string()), (ids[1], "b".to_string())]);
        assert_eq!((tail.count(ids[0]), tail.count(SeriesId(3))), (0, 0));
    }
}
