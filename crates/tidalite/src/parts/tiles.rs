//! Writes points as a part: plans which series and steps make a tile, and writes all tiles.
//!
//! A tile holds all series of a run over one range of steps, so that their shared times are close together and
//! compress. Small runs share a tile; a very wide run is split by series. Tiles of other parts may be copied unchanged.
//! Memory: one tile per thread is built at a time; a small room makes tiles smaller.

use crate::engine::cancel::go_on;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use tidalite_model::{Extent, Result, SeriesKey, StepRange};
use tidalite_parts::{
    EncodedTile, Part, PartMeta, PartOptions, PartPaths, PartWriter, SeriesChunk, encode_tile, rollup_shift,
};
use tidalite_query::Points;

/// A source of points: a log's tail, other parts, or a batch.
pub(crate) trait PointSource: Sync {
    /// The series, ascending by key, each with its maximum number of points.
    fn series(&self) -> &[(SeriesKey, u64)];
    /// About every `nth` step of a series, in any order.
    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>>;
    /// The points of each series with steps in the range: ascending by (step, clock, seq), repeats kept.
    fn gather(&self, series: Range<usize>, steps: StepRange) -> Result<Vec<Points>>;
    /// Whether long series get rollups.
    fn has_rollups(&self) -> bool {
        true
    }
    /// Tiles to copy unchanged; their points are not among those of the series.
    fn copies(&self) -> &[TileCopy] {
        &[]
    }
    /// Steps, ascending, at which the tiles of a run are cut besides.
    fn cuts(&self, _run: &str) -> &[i64] {
        &[]
    }
}

/// A tile of another part that is copied to the new part.
#[derive(Debug, Clone)]
pub(crate) struct TileCopy {
    pub(crate) part: Arc<Part>,
    pub(crate) tile: u32,
}

/// The plan of one tile.
#[derive(Debug, Clone, PartialEq)]
struct TileSpec {
    series: Range<usize>,
    steps: StepRange,
}

/// Minimum steps of a tile of a wide run; with fewer, pages hold too little to compress.
const STEPS_MIN: usize = 2048;
/// Maximum steps of a tile of a run with many series. With more, the times of a step are further apart than the
/// compressor's window: on 50 series, times take 0.24 / 0.38 / 0.65 bytes per point at 2,048 / 4,096 / 8,192 steps.
const STEPS_OF_MANY_SERIES: usize = 4096;
/// Minimum series of a run with many series.
const MANY_SERIES: usize = 16;
/// Number of steps that are sampled to estimate the extent of a series.
const ROLLUP_SAMPLES: u64 = 64;
/// Every n-th step is sampled to find cuts.
const SAMPLE_NTH: usize = 64;

/// Writes all points of a source as one part; `None` if there are none. The contents of its files are synced; their
/// names are not.
pub(crate) fn write_part(
    state: &StoreState,
    place: &PartPaths,
    source: &dyn PointSource,
    room: &JobRoom<'_>,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<Option<PartMeta>> {
    let mut parts =
        PartsWriter { state, place: &|| place.clone(), rows_max: u64::MAX, open: None, done: Vec::new() };
    write_tiles(state, &mut parts, source, room, progress)?;
    Ok(parts.finish()?.into_iter().next().map(|(_, meta)| meta))
}

/// As [`write_part`], as several parts of about `rows_max` rows, each in a new place. What a part keeps in memory until it is
/// finished grows with its rows.
pub(crate) fn write_parts(
    state: &StoreState,
    place: &dyn Fn() -> PartPaths,
    source: &dyn PointSource,
    (room, rows_max): (&JobRoom<'_>, u64),
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<Vec<(PartPaths, PartMeta)>> {
    let mut parts = PartsWriter { state, place, rows_max, open: None, done: Vec::new() };
    write_tiles(state, &mut parts, source, room, progress)?;
    parts.finish()
}

/// Parts that are being written, one after the other. Dropped unfinished, they leave files that no version names.
struct PartsWriter<'a> {
    state: &'a StoreState,
    /// A place for a new part.
    place: &'a dyn Fn() -> PartPaths,
    rows_max: u64,
    open: Option<(PartPaths, PartWriter)>,
    done: Vec<(PartPaths, PartMeta)>,
}

impl PartsWriter<'_> {
    fn push(&mut self, tile: EncodedTile) -> Result<()> {
        let rows = u64::from(tile.rows());
        if let Some((place, writer)) = self.open.take_if(|(_, open)| open.rows() + rows > self.rows_max) {
            self.done.push((place, writer.finish(true)?));
        }
        if self.open.is_none() {
            let place = (self.place)();
            let writer = PartWriter::create(self.state.vfs.clone(), &place)?;
            let writer = writer.table_series_points(self.state.options.table_series_points);
            self.open = Some((place, writer));
        }
        let (_, writer) = self.open.as_mut().expect("one was opened");
        writer.push(tile)
    }

    fn finish(mut self) -> Result<Vec<(PartPaths, PartMeta)>> {
        if let Some((place, writer)) = self.open.take() {
            self.done.push((place, writer.finish(true)?));
        }
        Ok(self.done)
    }
}

fn write_tiles(
    state: &StoreState,
    parts: &mut PartsWriter<'_>,
    source: &dyn PointSource,
    room: &JobRoom<'_>,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<()> {
    let tile_rows = room.tile_rows(state.options.tile_rows);
    let mut options = PartOptions::default();
    (options.rollup_points, options.rollup_series_points) = state.options.rollups;
    options.value_encoding = state.options.value_encoding;
    if !source.has_rollups() {
        options.rollup_points = 0;
    }
    let specs = plan(source, tile_rows)?;
    let (shifts, shifts_of_copies) = rollup_shifts(source, &options)?;
    let mut lay = |tile: EncodedTile| -> Result<()> {
        let rows = u64::from(tile.rows());
        parts.push(tile)?;
        go_on(progress(rows))
    };
    let shift = |key: &SeriesKey| shifts_of_copies.get(key).copied();
    for of_part in source.copies().chunk_by(|a, b| Arc::ptr_eq(&a.part, &b.part)) {
        let copier = of_part[0].part.copier()?;
        for window in of_part.chunks(room.threads()) {
            let copy = |copy: &TileCopy| copier.tile(copy.tile, &shift);
            let copied: Vec<EncodedTile> =
                room.pool.install(|| window.par_iter().map(copy).collect::<Result<_>>())?;
            copied.into_iter().try_for_each(&mut lay)?;
            room.give_back_freed();
        }
    }
    for window in specs.chunks(room.threads()) {
        let encoded: Vec<Vec<EncodedTile>> = room.pool.install(|| {
            window
                .par_iter()
                .map(|spec| encode(source, spec, tile_rows, &shifts, &options))
                .collect::<Result<_>>()
        })?;
        encoded.into_iter().flatten().try_for_each(&mut lay)?;
        room.give_back_freed();
    }
    Ok(())
}

/// Gathers every point of a source that is not in tiles to copy, and keeps none: for sources that count what they gather.
pub(crate) fn pass_over(
    state: &StoreState,
    source: &dyn PointSource,
    room: &JobRoom<'_>,
    ask: &dyn Fn() -> ControlFlow<()>,
) -> Result<()> {
    let specs = plan(source, room.tile_rows(state.options.tile_rows))?;
    let gather = |spec: &TileSpec| source.gather(spec.series.clone(), spec.steps).map(drop);
    for window in specs.chunks(room.threads()) {
        go_on(ask())?;
        room.pool.install(|| window.par_iter().map(gather).collect::<Result<()>>())?;
        room.give_back_freed();
    }
    Ok(())
}

/// Widths of the finest rollup buckets, as powers of two: for each series of a source (`None`: no rollups), and for
/// each series of copied tiles that gets rollups.
type Shifts = (Vec<Option<u32>>, HashMap<SeriesKey, u32>);

fn rollup_shifts(source: &dyn PointSource, options: &PartOptions) -> Result<Shifts> {
    if options.rollup_points == 0 {
        return Ok((vec![None; source.series().len()], HashMap::new()));
    }
    // Points of each series in copied tiles, and the extent of their steps.
    let mut copied: HashMap<SeriesKey, (u64, Extent)> = HashMap::new();
    for copy in source.copies() {
        let table = copy.part.series();
        for row in table.tile(copy.tile).map(|row| table.entry(row)) {
            let steps = row.steps();
            let held = copied.entry(table.key(&row)).or_insert((0, steps));
            *held = (held.0 + u64::from(row.rows), held.1.join(steps));
        }
    }
    let mut of_source = Vec::with_capacity(source.series().len());
    for (i, (key, points)) in source.series().iter().enumerate() {
        let other = copied.get_mut(key);
        let all = points + other.as_ref().map_or(0, |o| o.0);
        if all < u64::from(options.rollup_series_points) {
            of_source.push(None);
            continue;
        }
        // The extent of the sample is close enough to that of the series.
        let nth = usize::try_from(points / ROLLUP_SAMPLES).unwrap_or(usize::MAX).max(1);
        let sampled = Extent::of(source.sample_steps(i, nth)?);
        let steps = sampled.into_iter().chain(other.as_ref().map(|o| o.1)).reduce(Extent::join);
        of_source.push(steps.and_then(|e| rollup_shift(all, e.first, e.last, options)));
        if let (Some(other), Some(steps)) = (other, steps) {
            *other = (all, steps);
        }
    }
    let shift = |(key, (points, steps)): (SeriesKey, (u64, Extent))| {
        Some((key, rollup_shift(points, steps.first, steps.last, options)?))
    };
    Ok((of_source, copied.into_iter().filter_map(shift).collect()))
}

fn encode(
    source: &dyn PointSource,
    spec: &TileSpec,
    tile_rows: usize,
    shifts: &[Option<u32>],
    options: &PartOptions,
) -> Result<Vec<EncodedTile>> {
    let gathered = source.gather(spec.series.clone(), spec.steps)?;
    let keys = &source.series()[spec.series.clone()];
    let mut tiles = Vec::new();
    let mut chunks: Vec<SeriesChunk<'_>> = Vec::new();
    let mut widths: Vec<Option<u32>> = Vec::new();
    let mut rows = 0;
    let mut close =
        |chunks: &mut Vec<SeriesChunk<'_>>, widths: &mut Vec<Option<u32>>, rows: &mut usize| -> Result<()> {
            if !chunks.is_empty() {
                let mut tile = encode_tile(chunks, options)?;
                tile.roll_up(chunks, widths);
                tiles.push(tile);
                chunks.clear();
                widths.clear();
                *rows = 0;
            }
            Ok(())
        };
    // The plan uses estimates. A tile that is far too large (one step repeated a million times) is cut by rows.
    let shifts = &shifts[spec.series.clone()];
    for (((key, _), p), shift) in keys.iter().zip(&gathered).zip(shifts) {
        for start in (0..p.len()).step_by(2 * tile_rows) {
            let end = p.len().min(start + 2 * tile_rows);
            if rows + (end - start) > 2 * tile_rows {
                close(&mut chunks, &mut widths, &mut rows)?;
            }
            chunks.push(SeriesChunk {
                key,
                steps: &p.steps[start..end],
                seqs: &p.seqs[start..end],
                written: &p.written[start..end],
                times_us: &p.times_us[start..end],
                values: &p.values[start..end],
            });
            widths.push(*shift);
            rows += end - start;
        }
    }
    close(&mut chunks, &mut widths, &mut rows)?;
    Ok(tiles)
}

fn plan(source: &dyn PointSource, tile_rows: usize) -> Result<Vec<TileSpec>> {
    let series = source.series();
    let mut specs = Vec::new();
    // Small runs that share the next tile, and their points.
    let mut shared: Option<(Range<usize>, u64)> = None;
    let all = StepRange::ALL;
    let mut start = 0;
    while start < series.len() {
        let len = series[start..].iter().take_while(|(k, _)| k.run == series[start].0.run).count();
        let run = start..start + len;
        start += len;
        let points: u64 = series[run.clone()].iter().map(|(_, n)| n).sum();
        let cuts = source.cuts(&series[run.start].0.run);
        let small = points <= tile_rows as u64 / 2 && cuts.is_empty();
        if let Some((range, sum)) = &mut shared
            && small
            && *sum + points <= tile_rows as u64
        {
            range.end = run.end;
            *sum += points;
            continue;
        }
        specs.extend(shared.take().map(|(series, _)| TileSpec { series, steps: all }));
        if small {
            shared = Some((run, points));
        } else {
            plan_large_run(source, run, points, tile_rows, &mut specs)?;
        }
    }
    specs.extend(shared.map(|(series, _)| TileSpec { series, steps: all }));
    Ok(specs)
}

fn plan_large_run(
    source: &dyn PointSource,
    run: Range<usize>,
    points: u64,
    tile_rows: usize,
    specs: &mut Vec<TileSpec>,
) -> Result<()> {
    let series = source.series();
    let steps_max = if run.len() >= MANY_SERIES { STEPS_OF_MANY_SERIES } else { usize::MAX };
    let longest = run.clone().max_by_key(|&i| series[i].1).expect("a run has a series");
    // The plan assumes that all series have the mean density. Sparse series make a tile smaller, never much larger.
    let mean = (points / run.len() as u64).max(1);
    let density = series[longest].1.div_ceil(mean).max(1) as usize;
    let width = (tile_rows / run.len() * density)
        .clamp(STEPS_MIN.min(tile_rows), steps_max.max(STEPS_MIN).saturating_mul(density));
    let mut sample = source.sample_steps(longest, SAMPLE_NTH)?;
    sample.sort_unstable();
    let mut cuts: Vec<i64> =
        sample.into_iter().skip(1).step_by((width / SAMPLE_NTH).max(1)).skip(1).collect();
    cuts.extend(source.cuts(&series[run.start].0.run));
    cuts.sort_unstable();
    cuts.dedup();
    // Steps that a tile actually has: a run of many short series is cut only by series.
    let steps = width.min(usize::try_from(series[longest].1).unwrap_or(usize::MAX)).max(1);
    let most = (tile_rows.saturating_mul(density) / steps).max(1);
    // Tiles of the same size, rather than a small last one.
    let group = run.len().div_ceil(run.len().div_ceil(most));
    let mut lo = None;
    for hi in cuts.into_iter().map(Some).chain([None]) {
        for first in run.clone().step_by(group) {
            specs.push(TileSpec { series: first..run.end.min(first + group), steps: StepRange::new(lo, hi) });
        }
        lo = hi;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::Labels;

    struct Fake {
        series: Vec<(SeriesKey, u64)>,
    }

    impl Fake {
        fn new(runs: &[(usize, u64)]) -> Self {
            let mut series = Vec::new();
            for (r, &(count, points)) in runs.iter().enumerate() {
                for s in 0..count {
                    let key = SeriesKey::new(format!("run-{r:03}"), format!("m-{s:06}"), Labels::none());
                    series.push((key, points));
                }
            }
            Fake { series }
        }

        /// Rows of each planned tile, where each series has the steps 0..n.
        fn tile_rows(&self, tile_rows: usize) -> Vec<u64> {
            let rows = |spec: &TileSpec| {
                let count = |n: u64| {
                    let lo = spec.steps.lo.map_or(0, |l| l as u64).min(n);
                    spec.steps.hi.map_or(n, |h| (h as u64).min(n)).max(lo) - lo
                };
                self.series[spec.series.clone()].iter().map(|(_, n)| count(*n)).sum()
            };
            plan(self, tile_rows).unwrap().iter().map(rows).collect()
        }
    }

    impl PointSource for Fake {
        fn series(&self) -> &[(SeriesKey, u64)] {
            &self.series
        }
        fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
            Ok((0..self.series[series].1 as i64).step_by(nth).collect())
        }
        fn gather(&self, _: Range<usize>, _: StepRange) -> Result<Vec<Points>> {
            unreachable!("planning gathers nothing")
        }
    }

    #[test]
    fn every_point_is_in_one_tile_and_tile_sizes_are_bounded() {
        let cases: [&[(usize, u64)]; 6] = [
            &[(50, 10_000); 4],
            &[(3, 40); 500],
            &[(1, 5_000_000)],
            &[(100_000, 30)],
            &[(2_000, 9_000)],
            &[(1, 1), (50, 20_000), (2, 9)],
        ];
        for case in cases {
            let fake = Fake::new(case);
            let rows = fake.tile_rows(1 << 19);
            let total: u64 = fake.series.iter().map(|(_, n)| n).sum();
            assert_eq!(rows.iter().sum::<u64>(), total, "{case:?}");
            assert!(rows.iter().all(|&r| r <= 1 << 21), "{case:?}: {rows:?}");
            assert!(
                rows.len() as u64 <= 2 + total / 60_000,
                "{case:?}: {} tiles for {total} points",
                rows.len()
            );
        }
    }
}
