//! Reads points from parts, given a part and a row of its series table.
//!
//! Rows of one tile are read together, whichever series they belong to, so that a tile's pages are found and checked
//! once.

use super::meter::Meter;
use crate::engine::on_damage::DamageReport;
use crate::files::finding::Finding;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidalite_model::{ErrorKind, Extent, Result, SeriesKey};
use tidalite_parts::{ColumnSet, Fetched, Part, SeriesEntry, TileColumns};
use tidalite_query::{PointFilter, Points, PointsView};
use tidalite_vfs::PerProcess;

/// Bytes per point during a merge: five columns, twice.
pub(crate) const POINT_BYTES: u64 = 80;

/// A row of a part's series table: one series' points in one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowRef {
    pub(crate) part: u32,
    pub(crate) row: u32,
}

/// Consecutive points of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) row: RowRef,
    /// The tile of the row.
    tile: u32,
    /// Rows of the tile: [from, to).
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Whether some of its points may be outside the selection.
    pub(crate) cut: bool,
}

impl RowRef {
    /// From the index of a part, and of a row in its series table.
    pub(crate) fn new(part: usize, row: usize) -> RowRef {
        let index = |n: usize| u32::try_from(n).expect("parts and their series are counted in u32");
        RowRef { part: index(part), row: index(row) }
    }

    pub(crate) fn of(&self, parts: &[Arc<Part>]) -> SeriesEntry {
        parts[self.part as usize].series().entry(self.row as usize)
    }

    /// The series of the row.
    pub(crate) fn key(&self, parts: &[Arc<Part>]) -> SeriesKey {
        parts[self.part as usize].series().key(&self.of(parts))
    }

    /// The steps of its points.
    pub(crate) fn steps(&self, parts: &[Arc<Part>]) -> Extent {
        self.of(parts).steps()
    }

    /// About every `nth` of its steps, if they are spread evenly.
    pub(crate) fn sample_steps(&self, parts: &[Arc<Part>], nth: usize) -> Vec<i64> {
        let row = self.of(parts);
        let count = (row.rows as usize).div_ceil(nth).max(1) as i128;
        let width = i128::from(row.last_step) - i128::from(row.first_step);
        let step = |i| i128::from(row.first_step) + width * i / count;
        (0..count).map(|i| i64::try_from(step(i)).expect("between two steps")).collect()
    }

    /// Whether its part is thinned, so that the row represents more points than it has.
    pub(crate) fn is_thinned(&self, parts: &[Arc<Part>]) -> bool {
        parts[self.part as usize].meta().is_thinned()
    }

    /// All its points.
    pub(crate) fn whole(self, parts: &[Arc<Part>], cut: bool) -> Piece {
        let row = self.of(parts);
        self.piece(&row, row.row_start..row.row_start + row.rows, cut)
    }

    /// The points in some rows of its tile.
    pub(crate) fn piece(self, row: &SeriesEntry, rows: Range<u32>, cut: bool) -> Piece {
        Piece { row: self, tile: row.tile, from: rows.start, to: rows.end, cut }
    }
}

impl Piece {
    pub(crate) fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// The same rows in pieces that are short enough to be decoded one at a time.
    pub(crate) fn short_pieces(self) -> impl Iterator<Item = Piece> {
        let most = u32::try_from(TOGETHER_ROWS_MAX).expect("far below");
        (self.from..self.to).step_by(TOGETHER_ROWS_MAX).map(move |from| Piece {
            from,
            to: self.to.min(from.saturating_add(most)),
            ..self
        })
    }

    /// Its part and tile.
    pub(crate) fn tile(&self) -> (u32, u32) {
        (self.row.part, self.tile)
    }
}

/// The points of each list of rows: one `Points` per row, in the order given. Columns outside `columns` are empty.
pub(crate) fn read_rows(
    parts: &[Arc<Part>],
    lists: &[Vec<RowRef>],
    columns: ColumnSet,
) -> Result<Vec<Vec<Points>>> {
    let whole = |list: &Vec<RowRef>| list.iter().map(|r| r.whole(parts, false)).collect();
    let lists: Vec<Vec<Piece>> = lists.iter().map(whole).collect();
    read_pieces(parts, &lists, columns, &PointFilter::default(), &Meter::of_job(), &DamageReport::default())
}

/// The most rows that are decoded together, unless one piece has more: decoding holds 40 bytes a row. A page of times has as
/// many rows, so that few pages are decoded twice.
const TOGETHER_ROWS_MAX: usize = 1 << 17;

/// As [`read_rows`], for pieces, and counted by a meter. Where damage is reported, rows on damaged pages are left out. Of
/// pieces that the filter's times cut, points outside of these may be left out; apply the filter to the others.
pub(crate) fn read_pieces(
    parts: &[Arc<Part>],
    lists: &[Vec<Piece>],
    columns: ColumnSet,
    filter: &PointFilter,
    meter: &Meter,
    damage: &DamageReport,
) -> Result<Vec<Vec<Points>>> {
    // (piece, list, place in the list)
    let mut wanted: Vec<(Piece, usize, usize)> = Vec::new();
    for (l, list) in lists.iter().enumerate() {
        wanted.extend(list.iter().enumerate().map(|(i, piece)| (*piece, l, i)));
    }
    wanted.sort_by_key(|(piece, ..)| (piece.tile(), piece.from, piece.to));
    let mut found: Vec<Vec<Points>> = lists.iter().map(|l| vec![Points::default(); l.len()]).collect();
    for group in together(&wanted, |(piece, ..)| piece) {
        let pieces: Vec<Piece> = group.iter().map(|(piece, ..)| *piece).collect();
        let read = read_tile(parts, &pieces, columns, filter, meter, &mut |i, view| {
            let (_, l, place) = group[i];
            found[l][place] = view.to_points();
        });
        match read {
            Err(e) if e.kind() == ErrorKind::Corrupt && damage.reports() => {
                for &(piece, l, place) in group {
                    found[l][place] = Points::default();
                    read_sound(parts, piece, columns, meter, damage, &mut |view| {
                        found[l][place].extend(view)
                    })?;
                }
            }
            other => other?,
        }
    }
    Ok(found)
}

/// Passes the rows of a piece that can be read to `take`, page by page, and reports the others.
fn read_sound(
    parts: &[Arc<Part>],
    piece: Piece,
    columns: ColumnSet,
    meter: &Meter,
    damage: &DamageReport,
    take: &mut dyn FnMut(PointsView<'_>),
) -> Result<()> {
    let part = &parts[piece.row.part as usize];
    let row = piece.row.of(parts);
    let within = piece.from.saturating_add(1)..piece.to;
    let starts = std::iter::once(piece.from).chain(part.page_starts(row.tile, within));
    let starts: Vec<u32> = starts.chain([piece.to]).collect();
    for (from, to) in starts.windows(2).map(|pair| (pair[0], pair[1])) {
        let page = [Piece { from, to, ..piece }];
        let read = |columns, take: &mut dyn FnMut(PointsView<'_>)| {
            read_tile(parts, &page, columns, &PointFilter::default(), meter, &mut |_, view| take(view))
        };
        let error = match read(columns, take) {
            Err(e) if e.kind() == ErrorKind::Corrupt => e,
            other => {
                other?;
                continue;
            }
        };
        let mut steps = row.steps();
        // The page with the steps may be sound.
        let only = ColumnSet { step: true, ..ColumnSet::default() };
        let _ = read(only, &mut |view| steps = Extent::of(view.steps.iter().copied()).unwrap_or(steps));
        let finding = || {
            let key = part.series().key(&row);
            let mut finding = Finding::from(&error);
            (finding.run, finding.steps) = (Some(key.run.to_string()), Some((steps.first, steps.last)));
            (finding.series, finding.rows) = (vec![key], Some(u64::from(to - from)));
            finding
        };
        damage.meet(finding, || error.duplicate())?;
    }
    Ok(())
}

/// Passes the points of rows to `take`, with the index of their row, and keeps none. A long row comes in several pieces, in
/// its order.
pub(crate) fn read_through(
    parts: &[Arc<Part>],
    rows: &[RowRef],
    columns: ColumnSet,
    damage: &DamageReport,
    take: &mut dyn FnMut(usize, PointsView<'_>),
) -> Result<()> {
    let mut pieces: Vec<(Piece, usize)> = Vec::with_capacity(rows.len());
    for (i, row) in rows.iter().enumerate() {
        pieces.extend(row.whole(parts, false).short_pieces().map(|piece| (piece, i)));
    }
    pieces.sort_by_key(|(piece, _)| (piece.tile(), piece.from));
    let meter = Meter::of_job();
    for group in together(&pieces, |(piece, _)| piece) {
        let of_group: Vec<Piece> = group.iter().map(|(piece, _)| *piece).collect();
        let read = read_tile(parts, &of_group, columns, &PointFilter::default(), &meter, &mut |i, view| {
            take(group[i].1, view);
        });
        match read {
            Err(e) if e.kind() == ErrorKind::Corrupt && damage.reports() => {
                for &(piece, i) in group {
                    read_sound(parts, piece, columns, &meter, damage, &mut |view| take(i, view))?;
                }
            }
            other => other?,
        }
    }
    Ok(())
}

/// Groups of consecutive pieces that are decoded together: of one tile, and at most [`TOGETHER_ROWS_MAX`] rows, unless one
/// piece has more. The pieces ascend by tile.
fn together<T>(pieces: &[T], piece: impl Fn(&T) -> &Piece) -> impl Iterator<Item = &[T]> {
    let mut rows = 0;
    pieces.chunk_by(move |a, b| {
        let (a, b) = (piece(a), piece(b));
        rows += a.len();
        let joins = a.tile() == b.tile() && rows + b.len() <= TOGETHER_ROWS_MAX;
        rows = if joins { rows } else { 0 };
        joins
    })
}

/// Reads pieces of one tile, sorted by their first row, and passes each with its index to `take`. If the filter's time
/// range cuts a piece whose times ascend, only the points within the range are passed.
pub(crate) fn read_tile(
    parts: &[Arc<Part>],
    pieces: &[Piece],
    columns: ColumnSet,
    filter: &PointFilter,
    meter: &Meter,
    take: &mut dyn FnMut(usize, PointsView<'_>),
) -> Result<()> {
    let Some(first) = pieces.first() else { return Ok(()) };
    let (part, tile) = first.tile();
    let part = &parts[part as usize];
    let keep = meter.keeps_pages(part.cache_bytes() as u64);
    let mut read = spare().pop().unwrap_or_default();
    let mut fetched = Fetched::default();
    let mut wanted: Vec<Piece> = pieces.to_vec();
    let mut columns = columns;
    // If times are read before the other columns: the times of all pieces, and the index of each piece's first.
    let mut times: Option<(Vec<i64>, Vec<usize>)> = None;
    if columns.time && !filter.times_us.is_all() && pieces.iter().any(|p| p.cut) {
        let (ranges, mut places) = layout(pieces);
        let only = ColumnSet { time: true, ..ColumnSet::default() };
        fetched += part.read_into(tile, &ranges, only, keep, &mut read)?;
        let all = std::mem::take(&mut read.times_us);
        for (piece, at) in wanted.iter_mut().zip(&mut places).filter(|(piece, _)| piece.cut) {
            if let Some(within) = filter.time_range(&all[*at..*at + piece.len()]) {
                let row = |n: usize| u32::try_from(n).expect("within a piece, whose rows are counted in u32");
                (piece.from, piece.to) = (piece.from + row(within.start), piece.from + row(within.end));
                *at += within.start;
            }
        }
        columns.time = false;
        times = Some((all, places));
    }
    let (ranges, places) = layout(&wanted);
    fetched += part.read_into(tile, &ranges, columns, keep, &mut read)?;
    let points = ranges.iter().map(|r| r.len() as u64).sum();
    meter.tile(part.meta().id, tile, fetched, points);
    for (i, (piece, at)) in wanted.iter().zip(places).enumerate() {
        let rows = at..at + piece.len();
        let times_us = match &times {
            Some((all, places)) => &all[places[i]..places[i] + piece.len()],
            None => slice(&read.times_us, &rows),
        };
        let view = PointsView {
            steps: slice(&read.steps, &rows),
            seqs: slice(&read.seqs, &rows),
            written: slice(&read.written, &rows),
            times_us,
            values: slice(&read.values, &rows),
        };
        take(i, view);
    }
    if let Some((all, _)) = times {
        read.times_us = all;
    }
    give_back(read, part.cache_bytes() / SPARE_SHARE);
    Ok(())
}

/// The union of the pieces' rows, and the index of each piece's first row in it. Rows that several pieces share, as
/// those of a run and its forks do, are in it once.
fn layout(pieces: &[Piece]) -> (Vec<Range<u32>>, Vec<usize>) {
    let mut ranges: Vec<Range<u32>> = Vec::with_capacity(pieces.len());
    let mut places = vec![0; pieces.len()];
    let mut before = 0;
    // Pieces of shared rows may have been cut in different ways.
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&i| pieces[i].from);
    for i in order {
        let piece = &pieces[i];
        match ranges.last_mut() {
            Some(range) if piece.from <= range.end => range.end = range.end.max(piece.to),
            last => {
                before += last.map_or(0, |r| r.len());
                ranges.push(piece.from..piece.to);
            }
        }
        let range = ranges.last().expect("one was pushed");
        places[i] = before + (piece.from - range.start) as usize;
    }
    (ranges, places)
}

fn slice<'a, T>(column: &'a [T], rows: &Range<usize>) -> &'a [T] {
    if column.is_empty() { column } else { &column[rows.clone()] }
}

/// Memory that is kept for the next read where the cache of a part is small, and in jobs: columns of [`TOGETHER_ROWS_MAX`]
/// rows.
const SPARE_BYTES_MIN: usize = TOGETHER_ROWS_MAX * 40;

/// Kept columns may take the cache of decoded pages divided by this.
const SPARE_SHARE: usize = 2;

/// The columns of tiles that were read. A later read reuses their memory, since touching new memory takes longer than
/// decoding. All threads share them, so that those that read now and then keep nothing.
static SPARE: PerProcess<Mutex<Vec<TileColumns>>> = PerProcess::new();

fn spare() -> MutexGuard<'static, Vec<TileColumns>> {
    SPARE.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps columns for the next read, if all that are kept take at most so many bytes.
fn give_back(read: TileColumns, bytes_max: usize) {
    let mut spare = spare();
    let all: usize = spare.iter().chain([&read]).map(|columns| columns.memory_bytes()).sum();
    if all <= bytes_max.max(SPARE_BYTES_MIN) {
        spare.push(read);
    }
}
