//! Several parts as one source of points for a new part: tiles to copy unchanged, and series to merge.
//!
//! Points of deleted runs are left out and counted. A source that sorts gives visible points only, and counts the hidden
//! ones: those that are rewound, and those that a later write of their step replaced, in the parts themselves or in others
//! (the context). [`PartsSource::into_hidden`] is the source of these.

use super::copied_rows::{RunCuts, cuts_around};
use super::hiding::VersionHiding;
use super::series_rows::{SeriesRows, rows_of};
use super::sorting::hidden_mask;
use crate::engine::on_damage::DamageReport;
use crate::parts::anchors::StepAnchors;
use crate::parts::meter::Meter;
use crate::parts::scan::{Piece, RowRef, read_pieces};
use crate::parts::series_numbers::SeriesNumbers;
use crate::parts::tiles::{PointSource, TileCopy};
use crate::view::tombstones::{Automatic, Coverage, Tombstones};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite_model::{Extent, Result, SeriesKey, StepRange, value_bits_sum};
use tidalite_parts::{ColumnSet, Part, SeriesEntry};
use tidalite_query::{PointFilter, Points, Repeats, merge};

/// A tile with at least one eighth of the usual rows is large enough to copy.
const TILE_SHARE: usize = 8;
/// A tile is copied if its series have this many rows on average, or no rows elsewhere. Otherwise a series would keep a short
/// row for each flush, and a query of one series would read a tile for each.
const SERIES_ROWS_MIN: usize = 1024;

/// The most rows that are read at once, unless one series has more: the chunks of a series are in memory beside what is
/// made of them.
const JOINED_ROWS_MAX: usize = 1 << 17;

/// A tile, as (part, tile).
type TileAt = (u32, u32);

/// What a tile holds.
#[derive(Debug, Clone, Copy, Default)]
struct TileRows {
    rows: usize,
    series: usize,
    /// Whether a series of it has rows in another tile, too.
    shared: bool,
}

/// The parts to merge, and what decides about their points.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    /// Hidden parts first, so that rows of one batch keep their order.
    pub(super) parts: &'a [Arc<Part>],
    /// Other parts whose points may replace those of the inputs.
    pub(super) context: &'a [Arc<Part>],
    pub(super) hiding: &'a VersionHiding,
    /// Series that are left out.
    pub(super) without: &'a HashSet<SeriesKey>,
    /// Whether hidden points are told apart from visible ones.
    pub(super) sorts: bool,
}

impl Inputs<'_> {
    /// Tiles to copy unchanged: large enough, with long rows or whole series, without a series that is left out or of
    /// which points may be hidden or deleted, and without a series that has other rows within its steps in the tile.
    pub(super) fn unchanged(&self, tile_rows: usize) -> Result<BTreeSet<TileAt>> {
        let least = (tile_rows / TILE_SHARE).max(1);
        let is_kept = |tile: &TileRows| {
            tile.rows >= least && (!tile.shared || tile.rows >= tile.series * SERIES_ROWS_MIN)
        };
        Ok(self.tiles()?.into_iter().filter(|(_, tile)| is_kept(tile)).map(|(at, _)| at).collect())
    }

    /// Tiles whose points merging would not change.
    pub(super) fn untouched(&self) -> Result<Vec<TileAt>> {
        Ok(self.tiles()?.into_keys().collect())
    }

    /// The same tiles, with what they hold.
    fn tiles(&self) -> Result<BTreeMap<TileAt, TileRows>> {
        let mut tiles: BTreeMap<TileAt, TileRows> = BTreeMap::new();
        let mut touched: BTreeSet<TileAt> = BTreeSet::new();
        for (p, part) in (0..).zip(self.parts) {
            let table = part.series();
            let mut details = table.reader();
            for (r, row) in table.entries().enumerate() {
                let (key, at) = (table.key(&row), (p, row.tile));
                let tile = tiles.entry(at).or_default();
                tile.rows += row.rows as usize;
                tile.series += 1;
                let repeats = row.repeats && Automatic::of(&row) != Automatic::All;
                let covered = match self.tombstones(&key) {
                    Some(tombstones) => {
                        tombstones.coverage(row.steps(), details.of(r)?.seqs(), Automatic::of(&row))
                    }
                    None => Coverage::Nothing,
                };
                let sorted = self.sorts && (repeats || part.meta().is_hidden());
                if covered != Coverage::Nothing || sorted || self.without.contains(&key) {
                    touched.insert(at);
                }
            }
        }
        self.compare_rows(&mut tiles, &mut touched);
        tiles.retain(|at, _| !touched.contains(at));
        Ok(tiles)
    }

    /// Compares the rows of each series. Marks tiles whose series have rows in others; adds tiles with rows whose steps
    /// meet, and those with rows whose points the context may replace.
    fn compare_rows(&self, tiles: &mut BTreeMap<TileAt, TileRows>, touched: &mut BTreeSet<TileAt>) {
        let context = if self.sorts { self.context } else { &[] };
        let all = [self.parts, context].concat();
        let is_input = |row: RowRef| (row.part as usize) < self.parts.len();
        let takes =
            |row: RowRef, entry: &SeriesEntry| is_input(row) || Automatic::of(entry) != Automatic::All;
        let numbers = SeriesNumbers::of(&all);
        let rows = numbers.sort(rows_of(&all, takes));
        let mut of_inputs: Vec<(Extent, TileAt)> = Vec::new();
        for of_series in rows.chunk_by(|a, b| numbers.series(*a) == numbers.series(*b)) {
            // Those of the inputs are before those of the context.
            let (inputs, others) = of_series.split_at(of_series.partition_point(|row| is_input(*row)));
            of_inputs.clear();
            of_inputs.extend(inputs.iter().map(|at| {
                let row = at.of(&all);
                (row.steps(), (at.part, row.tile))
            }));
            of_inputs.sort_unstable();
            if inputs.len() > 1 {
                of_inputs.iter().for_each(|(_, at)| tiles.entry(*at).or_default().shared = true);
            }
            for other in others.iter().map(|row| row.of(&all).steps()) {
                touched.extend(of_inputs.iter().filter(|(steps, _)| other.meets(*steps)).map(|(_, at)| *at));
            }
            // The row with the greatest last step so far.
            let Some((first, rest)) = of_inputs.split_first() else { continue };
            let mut farthest = first;
            for row in rest {
                if row.0.first <= farthest.0.last {
                    touched.extend([row.1, farthest.1]);
                }
                if row.0.last >= farthest.0.last {
                    farthest = row;
                }
            }
        }
    }

    /// What hides points of a series, as far as this merge applies it.
    fn tombstones(&self, key: &SeriesKey) -> Option<Arc<Tombstones>> {
        if self.sorts {
            return self.hiding.all.get(&*key.run)?.of_series(&key.metric, &key.labels);
        }
        self.hiding.deleted.get(&*key.run).map(|deleted| Arc::new(deleted.clone()))
    }
}

/// Several parts as one source of points.
pub(crate) struct PartsSource<'a> {
    inputs: Inputs<'a>,
    series: Vec<(SeriesKey, u64)>,
    rows: SeriesRows,
    /// Of each series, its rows in the context.
    others: SeriesRows,
    /// Of the parts, and of the context.
    anchors: [Arc<StepAnchors>; 2],
    copies: Vec<TileCopy>,
    cuts: RunCuts,
    /// Whether this is the source of the hidden points.
    hidden_side: bool,
    dropped: AtomicU64,
    /// The wrapping sum of the bits of their values.
    bits_dropped: AtomicU64,
    /// Hidden points found, by series.
    hidden: Vec<AtomicU64>,
}

impl<'a> PartsSource<'a> {
    pub(super) fn new(inputs: Inputs<'a>, copied: impl IntoIterator<Item = TileAt>) -> Self {
        let copied: BTreeSet<TileAt> = copied.into_iter().collect();
        let is_left_out =
            |row: RowRef| !inputs.without.is_empty() && inputs.without.contains(&row.key(inputs.parts));
        let takes =
            |row: RowRef, entry: &SeriesEntry| !copied.contains(&(row.part, entry.tile)) && !is_left_out(row);
        let (series, rows) = SeriesRows::find(inputs.parts, takes);
        let others = match inputs.sorts && !inputs.context.is_empty() {
            true => SeriesRows::of_same(inputs.context, &series),
            false => SeriesRows::none(series.len()),
        };
        let hidden = series.iter().map(|_| AtomicU64::new(0)).collect();
        let cuts = cuts_around(inputs.parts, &copied, &series, &rows);
        let copies =
            copied.into_iter().map(|(p, tile)| TileCopy { part: inputs.parts[p as usize].clone(), tile });
        PartsSource {
            inputs,
            series,
            rows,
            others,
            anchors: Default::default(),
            copies: copies.collect(),
            cuts,
            hidden_side: false,
            dropped: 0.into(),
            bits_dropped: 0.into(),
            hidden,
        }
    }

    /// The source of the hidden points. It keeps nothing of other series. Valid once each point was gathered.
    pub(super) fn into_hidden(self) -> PartsSource<'a> {
        let chosen: Vec<(usize, u64)> = (0..)
            .zip(self.hidden)
            .map(|(i, hidden)| (i, hidden.into_inner()))
            .filter(|(_, hidden)| *hidden > 0)
            .collect();
        let places = || chosen.iter().map(|(i, _)| *i);
        let mut series = self.series;
        // Only forwards, so that no series that is still needed is overwritten.
        chosen.iter().enumerate().for_each(|(to, (from, _))| series.swap(to, *from));
        series.truncate(chosen.len());
        series.iter_mut().zip(&chosen).for_each(|((_, points), (_, hidden))| *points = *hidden);
        PartsSource {
            inputs: self.inputs,
            series,
            rows: self.rows.chosen(places()),
            others: self.others.chosen(places()),
            anchors: self.anchors,
            copies: Vec::new(),
            cuts: RunCuts::new(),
            hidden_side: true,
            dropped: 0.into(),
            bits_dropped: 0.into(),
            hidden: chosen.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The number of points left out, and the wrapping sum of the bits of their values. Valid since each point is
    /// gathered once.
    pub(super) fn dropped(&self) -> (u64, u64) {
        (self.dropped.load(Ordering::Relaxed), self.bits_dropped.load(Ordering::Relaxed))
    }

    /// The number of hidden points that were found.
    pub(super) fn hidden_points(&self) -> u64 {
        self.hidden.iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }

    fn leave_out(&self, tombstones: &Tombstones, points: &mut Points) {
        let (before, bits_before) = (points.len(), value_bits_sum(&points.values));
        tombstones.apply(points);
        self.dropped.fetch_add((before - points.len()) as u64, Ordering::Relaxed);
        self.bits_dropped
            .fetch_add(bits_before.wrapping_sub(value_bits_sum(&points.values)), Ordering::Relaxed);
    }

    /// The points of some series with steps in a range. `pieces` and `others` are what holds them in the parts and in the
    /// context.
    fn join(
        &self,
        series: Range<usize>,
        steps: StepRange,
        [pieces, others]: [&[Vec<Piece>]; 2],
    ) -> Result<Vec<Points>> {
        let mut read = read_all(self.inputs.parts, pieces)?;
        let mut others = match others {
            [one] if one.iter().map(Piece::len).sum::<usize>() > JOINED_ROWS_MAX => {
                vec![self.with_steps_of(&read[0], one)?]
            }
            _ => read_all(self.inputs.context, others)?,
        };
        read.iter_mut().chain(&mut others).flatten().for_each(|points| keep_steps(points, steps));
        let join = |((mut chunks, context), i): ((Vec<Points>, Vec<Points>), usize)| {
            if let Some(deleted) = self.inputs.hiding.deleted.get(&*self.series[i].0.run) {
                chunks.iter_mut().for_each(|points| self.leave_out(deleted, points));
            }
            let mut points = merge(chunks, Repeats::All);
            if self.inputs.sorts {
                self.sort(i, &mut points, context);
            }
            points
        };
        Ok(read.into_iter().zip(others).zip(series).map(join).collect())
    }

    /// Of a long context, the points with a step that some point of the series has. Only they can replace one. So a few points
    /// of a long series do not take the memory of all of it.
    fn with_steps_of(&self, own: &[Points], context: &[Piece]) -> Result<Vec<Points>> {
        let mut found = Vec::with_capacity(context.len());
        for piece in context {
            let mut of_piece = Points::default();
            for short in piece.short_pieces() {
                for mut points in read_all(self.inputs.context, &[vec![short]])?.into_iter().flatten() {
                    let has = |step: &i64| own.iter().any(|own| own.steps.binary_search(step).is_ok());
                    points.keep(&points.steps.iter().map(has).collect::<Vec<_>>());
                    if !points.is_empty() {
                        of_piece.extend(points.view());
                    }
                }
            }
            found.push(of_piece);
        }
        Ok(found)
    }

    /// Keeps the visible points, or the hidden ones. `context` are the points of the series in other parts.
    fn sort(&self, series: usize, points: &mut Points, mut context: Vec<Points>) {
        let tombstones = self.inputs.tombstones(&self.series[series].0);
        if let Some(tombstones) = &tombstones {
            context.iter_mut().for_each(|points| tombstones.apply(points));
        }
        let context = merge(context, Repeats::Last);
        let mask = hidden_mask(points, tombstones.as_deref(), &context);
        let hidden = mask.iter().filter(|hidden| **hidden).count();
        self.hidden[series].fetch_add(hidden as u64, Ordering::Relaxed);
        if self.hidden_side {
            points.keep(&mask);
        } else if hidden > 0 {
            points.keep(&mask.iter().map(|hidden| !hidden).collect::<Vec<_>>());
        }
    }
}

impl PointSource for PartsSource<'_> {
    fn series(&self) -> &[(SeriesKey, u64)] {
        &self.series
    }

    fn has_rollups(&self) -> bool {
        !self.hidden_side
    }

    /// Spreads the steps of each series-table row evenly: exact enough to choose where to cut.
    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
        Ok(self.rows.of(series).iter().flat_map(|r| r.sample_steps(self.inputs.parts, nth)).collect())
    }

    fn copies(&self) -> &[TileCopy] {
        &self.copies
    }

    fn cuts(&self, run: &str) -> &[i64] {
        self.cuts.get(run).map_or(&[], Vec::as_slice)
    }

    fn gather(&self, series: Range<usize>, steps: StepRange) -> Result<Vec<Points>> {
        let Inputs { parts, context, .. } = self.inputs;
        let [of_parts, of_context] = &self.anchors;
        let own = |i| of_parts.pieces(parts, self.rows.of(i), steps);
        // What replaces a point has its step.
        let beside = |i| {
            let met = self.rows.of(i).iter().map(|row| row.steps(parts)).filter(|own| steps.meets(*own));
            let Some(met) = met.reduce(Extent::join) else { return Ok(Vec::new()) };
            of_context.pieces(context, self.others.of(i), steps.clip(met.to_range()))
        };
        let read = series.clone().map(own).collect::<Result<Vec<Vec<Piece>>>>()?;
        let others = series.clone().map(beside).collect::<Result<Vec<Vec<Piece>>>>()?;
        let rows_of = |i: usize| read[i].iter().chain(&others[i]).map(Piece::len).sum::<usize>();
        let mut found = Vec::with_capacity(series.len());
        let mut start = 0;
        while start < series.len() {
            let (mut end, mut rows) = (start + 1, rows_of(start));
            while end < series.len() && rows + rows_of(end) <= JOINED_ROWS_MAX {
                rows += rows_of(end);
                end += 1;
            }
            let of_series = series.start + start..series.start + end;
            found.extend(self.join(of_series, steps, [&read[start..end], &others[start..end]])?);
            start = end;
        }
        Ok(found)
    }
}

/// All columns of pieces.
fn read_all(parts: &[Arc<Part>], pieces: &[Vec<Piece>]) -> Result<Vec<Vec<Points>>> {
    let (all, filter) = (ColumnSet::ALL, PointFilter::default());
    read_pieces(parts, pieces, all, &filter, &Meter::of_job(), &DamageReport::default())
}

/// Cuts points in ascending order of step to a range.
pub(super) fn keep_steps(points: &mut Points, StepRange { lo, hi }: StepRange) {
    let start = lo.map_or(0, |lo| points.steps.partition_point(|&s| s < lo));
    let end = hi.map_or(points.len(), |hi| points.steps.partition_point(|&s| s < hi)).max(start);
    points.keep_range(start..end);
}
