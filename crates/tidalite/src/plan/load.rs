//! Reading a plan: the points of a batch of series, merged and filtered.
//!
//! Steps: leave out what tombstones cover; resolve repeats within each source; then resolve them between sources,
//! where a nearer ancestor counts as written later.

use super::batch_tails::BatchTails;
use super::query_plan::{Plan, bytes_of};
use super::series::{Planned, PlannedSource};
use crate::parts::scan::{POINT_BYTES, Piece, RowRef, read_pieces};
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use tidalite_model::{Result, SeriesKey, TIME_US_MIN, Written};
use tidalite_parts::ColumnSet;
use tidalite_query::{PointFilter, Points, merge};

impl Plan {
    /// Calls `work` with the points of each series that has any, in the store's threads. Results are in the order of
    /// series. `bytes` says what a result takes.
    ///
    /// # Errors
    /// Those of reading; `Full` where the results take more than the memory option.
    pub(crate) fn each_kept<T: Send>(
        &self,
        columns: ColumnSet,
        bytes: impl Fn(&T) -> u64 + Sync,
        work: impl Fn(&SeriesKey, Points) -> T + Sync,
    ) -> Result<Vec<T>> {
        let kept = AtomicU64::new(0);
        let of_batch = |batch: &Range<usize>| -> Result<Vec<T>> {
            let mut found = Vec::new();
            for (planned, points) in self.series[batch.clone()].iter().zip(self.load(batch.clone(), columns)?)
            {
                if !points.is_empty() {
                    let result = work(&planned.key, points);
                    self.keep(&kept, bytes(&result))?;
                    found.push(result);
                }
            }
            Ok(found)
        };
        let found = self.snapshot.state.pool.each(&self.batches(), of_batch)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The points of a batch, merged and filtered: one `Points` per series.
    pub(crate) fn load(&self, batch: Range<usize>, columns: ColumnSet) -> Result<Vec<Points>> {
        let series = &self.series[batch];
        let parts = &self.snapshot.view.parts;
        let pieces = |s: &Planned| match self.sole(s).filter(|_| self.is_read_alone(s)) {
            Some(own) => self.pieces_to_read(s, own),
            None => Ok(s.rows().map(|r| r.whole(parts, false)).collect()),
        };
        let lists: Vec<Vec<Piece>> = series.iter().map(pieces).collect::<Result<_>>()?;
        // Only the order of writing tells repeats apart, so a merge needs all columns.
        let single = |s: &Planned| self.is_single(s);
        self.meter.merged(series.iter().filter(|s| !single(s)).count());
        let columns = self.shaping.as_ref().map_or(columns, |s| s.columns(columns));
        let columns = if series.iter().all(single) { columns } else { ColumnSet::ALL };
        // A piece of a long series has steps of its own.
        let cut = series.iter().any(|s| !s.steps.is_all());
        let columns = ColumnSet { step: columns.step || cut, ..columns };
        let mut tails = self.tails_of(series)?;
        let read = read_pieces(parts, &lists, columns, &self.filter, &self.meter, &self.damage)?;
        let points = |(s, chunks): (&Planned, Vec<Points>)| {
            if !self.is_read_alone(s) {
                return self.finish(s, chunks, &mut tails);
            }
            let mut points = joined(chunks);
            self.filter_of(s).apply(&mut points);
            points
        };
        Ok(series.iter().zip(read).map(points).collect())
    }

    /// Whether a series is read without a merge, and the filter applies to the points as they are stored.
    fn is_read_alone(&self, planned: &Planned) -> bool {
        self.shaping.is_none() && self.is_single(planned)
    }

    /// Whether a series is read without a merge.
    fn is_single(&self, planned: &Planned) -> bool {
        self.sole(planned).is_some_and(|own| own.tails.is_empty() && self.disjoint(own))
    }

    /// Bytes of memory that a point of a series takes while it is loaded.
    pub(super) fn bytes_to_load(&self, planned: &Planned, columns: ColumnSet) -> u64 {
        let columns = self.shaping.as_ref().map_or(columns, |s| s.columns(columns));
        if self.is_single(planned) { bytes_of(columns) } else { POINT_BYTES }
    }

    /// The points of one series, merged and filtered, from the chunks read of its rows and from its tails.
    pub(crate) fn finish(&self, planned: &Planned, chunks: Vec<Points>, tails: &mut BatchTails) -> Points {
        let mut chunks = chunks.into_iter();
        let mut layers = Vec::with_capacity(planned.sources.len());
        for (rank, source) in (0..).zip(&planned.sources) {
            let found: Vec<Points> = chunks.by_ref().take(source.rows.len()).collect();
            let mut found = in_order_of_parts(&source.rows, found);
            if let Some(tombstones) = source.tombstones.as_ref().filter(|_| source.rows_covered) {
                found.iter_mut().for_each(|points| tombstones.apply(points));
            }
            let tails = self.tail_points(planned, source, tails);
            self.meter.log_points(tails.iter().map(Points::len).sum());
            found.extend(tails);
            let mut points = merge(found, self.rules.repeats);
            if self.sole(planned).is_none() {
                let steps = source.within(planned.steps);
                PointFilter { steps, ..PointFilter::default() }.apply(&mut points);
                write_before_all(&mut points, rank);
            }
            layers.push(points);
        }
        let mut points = match layers.len() {
            1 => layers.remove(0),
            _ => merge(layers, self.rules.repeats),
        };
        self.filter_of(planned).apply(&mut points);
        if let Some(shaping) = &self.shaping {
            shaping.apply(planned.start_state.as_ref(), &mut points);
        }
        points
    }

    /// The only source of a series, where that is its own run. Then no points of ancestors have to be told apart.
    pub(crate) fn sole<'a>(&self, planned: &'a Planned) -> Option<&'a PlannedSource> {
        match &planned.sources[..] {
            [own] if own.until.is_none() => Some(own),
            _ => None,
        }
    }

    /// Whether the rows of a source hold no step twice and tombstones cover nothing in them. Rows are sorted by first
    /// step.
    pub(crate) fn disjoint(&self, source: &PlannedSource) -> bool {
        !source.rows_covered && self.apart(source)
    }

    /// As [`disjoint`](Self::disjoint), but the end of a thinned row may be hidden.
    pub(crate) fn apart(&self, source: &PlannedSource) -> bool {
        let parts = &self.snapshot.view.parts;
        let row = |r: &RowRef| r.of(parts);
        let follows = |w: &[RowRef]| self.last_step(source, &w[0]) < row(&w[1]).first_step;
        !source.points_covered
            && source.rows.iter().all(|r| !row(r).repeats)
            && source.rows.windows(2).all(follows)
    }

    /// The last step of a row; the last visible one of a thinned row.
    pub(crate) fn last_step(&self, source: &PlannedSource, row: &RowRef) -> i64 {
        let parts = &self.snapshot.view.parts;
        let last = row.of(parts).last_step;
        let end = source.thinned_end.filter(|_| row.is_thinned(parts));
        end.map_or(last, |end| end.min(last))
    }
}

/// Pieces that follow each other as one.
fn joined(pieces: Vec<Points>) -> Points {
    let mut pieces = pieces.into_iter();
    let mut all = pieces.next().unwrap_or_default();
    pieces.for_each(|piece| all.extend(piece.view()));
    all
}

/// The points of rows in the order of their parts. Hidden parts come first, so rows of one batch keep their order.
pub(super) fn in_order_of_parts(rows: &[RowRef], chunks: Vec<Points>) -> Vec<Points> {
    let mut placed: Vec<(u32, Points)> = rows.iter().map(|row| row.part).zip(chunks).collect();
    placed.sort_by_key(|(part, _)| *part);
    placed.into_iter().map(|(_, points)| points).collect()
}

/// A clock below that of every write.
const BEFORE_ALL: i64 = TIME_US_MIN - 1;

/// Gives points of one source of a series the order of their source: a nearer ancestor's count as written later.
fn write_before_all(points: &mut Points, rank: i64) {
    points.seqs.fill(rank);
    let place = |n: &mut i64| *n = Written::at(BEFORE_ALL, Written::from_i64(*n).is_automatic()).as_i64();
    points.written.iter_mut().for_each(place);
}
