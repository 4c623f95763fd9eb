//! What of a thinned series may be answered without points, and which of those that are left answer the rest.
//!
//! The summary and the rollups of a thinned part are all that is known of most of its points: they are never passed over where
//! they can answer, and where they are needed and cannot be read, that is an error. `stretch.rs` calls this.

use crate::plan::{Plan, Planned, Source};
use crate::scan::{Piece, RowRef, read_pieces};
use crate::stretch::{Grain, Taken, bucket_verdict, ends};
use tidalite_model::{Error, Result, SeriesKey, Summary};
use tidalite_parts::{ColumnSet, Part};
use tidalite_query::{PointFilter, Points, Verdict, merge};

impl Plan {
    /// Takes a series of which points that are not thinned may lie among thinned ones: these are merged, with what is left of
    /// the buckets that they fall into; the other buckets stand for their points. `None` where nothing is thinned.
    pub(crate) fn take_mixed(&self, planned: &Planned, own: &Source, grain: &Grain) -> Result<Option<Taken>> {
        let parts = &self.snapshot.view.parts;
        let (thinned, plain): (Vec<RowRef>, Vec<RowRef>) = own.rows.iter().partition(|r| r.is_thinned(parts));
        let [row] = thinned[..] else { return Ok(None) };
        self.meter.merged(1);
        let read = |pieces: Vec<Piece>| -> Result<Vec<Points>> {
            self.check_room(&planned.key, pieces.iter().map(|p| p.len() as u64).sum())?;
            let mut read =
                read_pieces(parts, &[pieces], ColumnSet::ALL, &self.meter)?.pop().unwrap_or_default();
            if let Some(hides) = own.hides.as_ref().filter(|_| own.rows_hide) {
                read.iter_mut().for_each(|points| hides.apply(points));
            }
            Ok(read)
        };
        let mut chunks = read(plain.iter().map(|r| r.whole(parts, true)).collect())?;
        chunks.extend(self.tail_points(planned, own));
        let points = merge(chunks, self.rules.repeats);
        let met = |first: i64, last: i64| {
            let at = points.steps.partition_point(|&step| step < first);
            points.steps.get(at).is_some_and(|&step| step <= last)
        };
        let mut taken = Taken::default();
        self.take_thinned(planned, own, row, grain, &met, &mut taken)?;
        let mut left = read(std::mem::take(&mut taken.pieces))?;
        left.push(points);
        let mut points = merge(left, self.rules.repeats);
        self.filter_of(planned).apply(&mut points);
        taken.tails.push(points);
        Ok(Some(taken))
    }

    /// Sorts out a row of a thinned part: its summary or its buckets stand for it, and where one of these is cut, or `met` by
    /// other points, what is left of its points answers.
    pub(crate) fn take_thinned(
        &self,
        planned: &Planned,
        own: &Source,
        row: RowRef,
        grain: &Grain,
        met: &dyn Fn(i64, i64) -> bool,
        taken: &mut Taken,
    ) -> Result<()> {
        let parts = &self.snapshot.view.parts;
        let (part, of) = (&parts[row.part as usize], row.of(parts));
        let summary = part.series().reader().of(row.row as usize)?.summary;
        let mut filter = self.filter_of(planned);
        if let Some(end) = own.thinned_end.and_then(|end| end.checked_add(1)) {
            filter.steps.hi = Some(filter.steps.hi.map_or(end, |hi| hi.min(end)));
        }
        let (first, last) = of.steps();
        let (verdict, alone) = (filter.verdict(&summary), !met(first, last));
        if verdict == Verdict::NoPoint && alone {
            return Ok(());
        }
        if verdict == Verdict::AllPoints && alone && grain.fits(&summary) {
            self.meter.summaries(1, summary.count);
            taken.known.push(summary);
            return Ok(());
        }
        // Steps whose points are read, and whether the filter cuts there.
        let mut open: Vec<(i64, i64, bool)> = Vec::new();
        if grain.summaries && filter.values.is_all() {
            let (mut count, mut points) = (0, 0);
            for bucket in self.buckets_of(part, &planned.key, &filter, grain, verdict)? {
                let Some((first, last)) = ends(&bucket) else { continue };
                let alone = alone || !met(first, last);
                match bucket_verdict(&filter, &bucket) {
                    Verdict::NoPoint if alone => {}
                    Verdict::AllPoints if alone && grain.fits(&bucket) => {
                        (count, points) = (count + 1, points + bucket.count);
                        taken.known.push(bucket);
                    }
                    verdict => open.push((first, last, verdict == Verdict::Unknown)),
                }
            }
            self.meter.buckets(count, points);
        } else {
            open.push((first, last, verdict == Verdict::Unknown));
        }
        if open.is_empty() {
            return Ok(());
        }
        let all = of.row_start..of.row_start + of.rows;
        let only = ColumnSet { step: true, ..ColumnSet::default() };
        let steps = part.read(of.tile, std::slice::from_ref(&all), only)?.steps;
        for (first, last, cut) in open {
            let last = filter.steps.hi.map_or(last, |hi| last.min(hi.saturating_sub(1)));
            let place = |step: i64, behind: bool| {
                let at = steps.partition_point(|&s| s < step || (behind && s == step));
                of.row_start + u32::try_from(at).expect("a row's points are counted in u32")
            };
            let (from, to) = (place(first, false), place(last, true));
            match taken.pieces.last_mut() {
                Some(piece) if piece.row == row && piece.to == from => {
                    piece.to = to.max(from);
                    piece.cut |= cut;
                }
                _ if from < to => taken.pieces.push(Piece { row, from, to, cut }),
                _ => {}
            }
        }
        Ok(())
    }

    /// The buckets of a thinned series that fit an answer best.
    fn buckets_of(
        &self,
        part: &Part,
        key: &SeriesKey,
        filter: &PointFilter,
        grain: &Grain,
        verdict: Verdict,
    ) -> Result<Vec<Summary>> {
        let lost = |wrong: &str| Error::corrupt("read rollups", &part.paths().rollups, 0, wrong);
        let rollups = part.thinned_rollups()?;
        let rolled = rollups.of(key).ok_or_else(|| lost("a thinned series has no buckets"))?;
        let whole = verdict == Verdict::AllPoints && grain.times_us.is_none();
        let tier = grain.aligned(rolled).filter(|_| whole).or(rolled.tiers.first());
        let tier = tier.ok_or_else(|| lost("a thinned series has no buckets"))?;
        let (buckets, fetched) = rollups.read(tier, grain.columns(filter))?;
        self.meter.rollups(fetched);
        if buckets.iter().map(|s| s.count).sum::<u64>() != rolled.points {
            return Err(lost("the buckets of a thinned series are not those of its summary"));
        }
        Ok(buckets)
    }
}
