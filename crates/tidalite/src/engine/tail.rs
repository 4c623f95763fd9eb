//! The live tail of one writer, in memory: the rows of its log that are not flushed yet.
//!
//! Rows of one layout are in one block, row-major, so adding a row only copies its values. The points of a series are
//! gathered from the blocks on demand. Everything carries its sequence number, so a range [lo, hi) of frames is a
//! snapshot, whatever is added later.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use tidalite_log::{BatchRef, LayoutId, LogSink, Row, SeriesId};
use tidalite_model::{Extent, Result, RunChange, SeriesKey, StepRange, TIME_US_MIN, WriteOrder, Written};
use tidalite_query::Points;
use uuid::Uuid;

/// Prefix of the names of telemetry metrics. Their steps count samples, and are unrelated to the run's own steps.
pub(crate) const TELEMETRY: &str = "system/";

/// Rows of one writer.
#[derive(Debug)]
pub(crate) struct TailData {
    series: Vec<TailSeries>,
    /// Index of each series in `series`. A map, since ids come from the log and a large one must not cost memory.
    places: HashMap<SeriesId, usize>,
    layouts: HashMap<LayoutId, usize>,
    blocks: Vec<RowBlock>,
    /// Run changes in their order.
    pub(crate) changes: Vec<(WriteOrder, String, RunChange)>,
    /// References to staged parts, in their order.
    pub(crate) staged: Vec<(WriteOrder, Uuid, Vec<u8>)>,
    /// The greatest clock of a frame.
    pub(crate) clock_us: i64,
    bytes: usize,
    points: u64,
}

#[derive(Debug)]
struct TailSeries {
    id: SeriesId,
    key: SeriesKey,
    /// (block, column) of each layout that has the series.
    columns: Vec<(u32, u32)>,
    /// Points that were logged in batches.
    loose: Points,
}

/// Rows of one layout.
#[derive(Debug)]
struct RowBlock {
    width: usize,
    /// The index of one of its series that is not telemetry. Run and labels are the same for all.
    sample: Option<usize>,
    steps: Vec<i64>,
    seqs: Vec<i64>,
    written: Vec<Written>,
    times_us: Vec<i64>,
    /// Row-major, `width` values per row.
    values: Vec<f64>,
    /// Whether steps never decrease, so that a range of steps is a range of rows.
    ascending: bool,
}

/// Which steps and sequence numbers to read; both half-open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailRange {
    pub(crate) steps: StepRange,
    pub(crate) seqs: (i64, i64),
}

impl TailRange {
    fn takes(&self, step: i64, seq: i64) -> bool {
        self.steps.contains(step) && seq >= self.seqs.0 && seq < self.seqs.1
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
            changes: Vec::new(),
            staged: Vec::new(),
            clock_us: TIME_US_MIN,
            bytes: 0,
            points: 0,
        }
    }
}

impl TailData {
    /// Approximate memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of points.
    pub(crate) fn point_count(&self) -> u64 {
        self.points
    }

    /// The series declared so far, with or without points.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (SeriesId, &SeriesKey)> {
        self.series.iter().map(|s| (s.id, &s.key))
    }

    /// Number of points of a series: the maximum of any view.
    pub(crate) fn count(&self, id: SeriesId) -> u64 {
        let Some(s) = self.get(id) else { return 0 };
        let rows: usize = s.columns.iter().map(|&(b, _)| self.blocks[b as usize].steps.len()).sum();
        (rows + s.loose.len()) as u64
    }

    /// Number of points of a series in frames [lo, hi).
    pub(crate) fn count_within(&self, id: SeriesId, seqs: (i64, i64)) -> u64 {
        let Some(s) = self.get(id) else { return 0 };
        let rows =
            |b: &RowBlock| b.seqs.partition_point(|&q| q < seqs.1) - b.seqs.partition_point(|&q| q < seqs.0);
        let rows: usize = s.columns.iter().map(|&(b, _)| rows(&self.blocks[b as usize])).sum();
        let loose = s.loose.seqs.iter().filter(|&&q| q >= seqs.0 && q < seqs.1).count();
        (rows + loose) as u64
    }

    /// Every `nth` step of each block of a series and of its batch points, unsorted.
    pub(crate) fn sample_steps(&self, id: SeriesId, nth: usize) -> Vec<i64> {
        let Some(s) = self.get(id) else { return Vec::new() };
        let blocks = s.columns.iter().flat_map(|&(b, _)| self.blocks[b as usize].steps.iter().step_by(nth));
        blocks.chain(s.loose.steps.iter().step_by(nth)).copied().collect()
    }

    /// Appends the points of a series within a view: block by block, then those of batches, each in write order.
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
        for i in 0..l.len() {
            if view.takes(l.steps[i], l.seqs[i]) {
                let written = Written::from_i64(l.written[i]);
                into.push_written(l.steps[i], l.seqs[i], written, l.times_us[i], l.values[i]);
            }
        }
    }

    /// The least and the greatest step of a series within a view; `None` if it has no point there.
    pub(crate) fn step_extent(&self, id: SeriesId, view: TailRange) -> Option<Extent> {
        let s = self.get(id)?;
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
        let loose = (0..l.len()).filter(|&i| view.takes(l.steps[i], l.seqs[i])).map(|i| l.steps[i]);
        s.columns.iter().filter_map(of_block).chain(Extent::of(loose)).reduce(Extent::join)
    }

    /// The points of each wanted series in frames [lo, hi), in the order of [`gather`](Self::gather), which is not that
    /// of writing. Series without points are left out.
    pub(crate) fn points_of(
        &self,
        seqs: (i64, i64),
        wanted: &dyn Fn(&SeriesKey) -> bool,
    ) -> Vec<(SeriesKey, Points)> {
        let mut found: Vec<(SeriesKey, Points)> = Vec::new();
        for (id, key) in self.keys().filter(|(_, k)| wanted(k)) {
            let mut points = Points::default();
            self.gather(id, TailRange { steps: StepRange::ALL, seqs }, &mut points);
            if !points.is_empty() {
                found.push((key.clone(), points));
            }
        }
        found
    }

    /// The greatest step of the rows in frames [lo, hi) of wanted series; telemetry, which counts steps of its own, aside.
    pub(crate) fn greatest_step(&self, seqs: (i64, i64), wanted: &dyn Fn(&SeriesKey) -> bool) -> Option<i64> {
        let is_wanted = |b: &&RowBlock| {
            b.sample.is_some_and(|series| wanted(&self.series[series].key)) && !b.steps.is_empty()
        };
        let of_block = |b: &RowBlock| {
            let rows = b.rows(TailRange { steps: StepRange::ALL, seqs });
            b.steps[rows].iter().copied().max()
        };
        self.blocks.iter().filter(is_wanted).filter_map(of_block).max()
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
            self.bytes += 256;
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
            width: series.len(),
            sample,
            steps: Vec::new(),
            seqs: Vec::new(),
            written: Vec::new(),
            times_us: Vec::new(),
            values: Vec::new(),
            ascending: true,
        });
        self.bytes += 64 + series.len() * 8;
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let block = &mut self.blocks[self.layouts[&row.layout]];
        block.ascending &= block.steps.last().is_none_or(|&s| s <= row.step);
        block.steps.push(row.step);
        block.seqs.push(row.seq.as_i64());
        block.written.push(row.written);
        block.times_us.push(row.time_us);
        block.values.extend(row.values.iter());
        self.clock_us = self.clock_us.max(row.written.clock_us(row.time_us));
        self.bytes += 32 + 8 * block.width;
        self.points += block.width as u64;
        Ok(())
    }

    fn points(&mut self, p: BatchRef<'_>) -> Result<()> {
        let seq = p.seq().as_i64();
        // Consecutive points of a batch mostly belong to one series.
        let mut last = None;
        for i in 0..p.len() {
            let id = p.series(i);
            let place = last.filter(|&(known, _)| known == id).map_or_else(|| self.place(id), |(_, at)| at);
            last = Some((id, place));
            let loose = &mut self.series[place].loose;
            loose.push_written(p.step(i), seq, p.written(i), p.time_us(i), p.value(i));
        }
        self.clock_us = self.clock_us.max(p.clock_us());
        self.bytes += 40 * p.len();
        self.points += p.len() as u64;
        Ok(())
    }

    fn change(&mut self, order: WriteOrder, run: &str, change: RunChange) -> Result<()> {
        self.changes.push((order, run.to_string(), change));
        self.clock_us = self.clock_us.max(order.clock_us);
        self.bytes += 128;
        Ok(())
    }

    fn part(&mut self, order: WriteOrder, part: Uuid, meta: &[u8]) -> Result<()> {
        self.staged.push((order, part, meta.to_vec()));
        self.clock_us = self.clock_us.max(order.clock_us);
        self.bytes += meta.len();
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
