//! The points of another store that this store does not have, as a source for a new part.
//!
//! Frames that this store has seen are left out. The others keep their ordinals and clocks, and their writers get their
//! numbers here. The points are counted as they are read, since a row of a series table may hold both kinds.

use super::numbers::Numbers;
use super::targets::Targets;
use crate::engine::on_damage::DamageReport;
use crate::engine::tail::TailData;
use crate::engine::tail_shape::TailRange;
use crate::parts::anchors::StepAnchors;
use crate::parts::meter::Meter;
use crate::parts::scan::{Piece, RowRef, read_pieces};
use crate::parts::tiles::PointSource;
use crate::upkeep::parts_source::keep_steps;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite_log::SeriesId;
use tidalite_model::{Result, Seq, SeriesKey, StepRange, value_bits_sum};
use tidalite_parts::{ColumnSet, Part};
use tidalite_query::{PointFilter, Points, Repeats, merge};

/// A log of the other store: its rows, and the range [lo, hi) of seqs that are new.
pub(super) type NewTail<'a> = (&'a TailData, (i64, i64));

/// Where the points of one series are.
#[derive(Default)]
struct SeriesPlaces<'a> {
    rows: Vec<RowRef>,
    tails: Vec<(&'a TailData, SeriesId, (i64, i64))>,
}

pub(super) struct NewPoints<'a> {
    numbers: &'a Numbers,
    parts: &'a [Arc<Part>],
    damage: &'a DamageReport,
    series: Vec<(SeriesKey, u64)>,
    places: Vec<SeriesPlaces<'a>>,
    anchors: StepAnchors,
    taken: AtomicU64,
    /// The wrapping sum of the bits of their values.
    bits: AtomicU64,
}

/// Whether each seq from `least` to `greatest` is known here, or none: `None` if that cannot be told.
fn all_new(numbers: &Numbers, (least, greatest): (i64, i64)) -> Option<bool> {
    let (least, greatest) = (Seq::from_i64(least)?, Seq::from_i64(greatest)?);
    let (first, last) = (numbers.is_new(least), numbers.is_new(greatest));
    (least.writer() == greatest.writer() && first == last).then_some(first)
}

impl<'a> NewPoints<'a> {
    /// Of these parts, none of them thinned, and tails.
    pub(super) fn of(
        numbers: &'a Numbers,
        targets: &Targets,
        parts: &'a [Arc<Part>],
        tails: &[NewTail<'a>],
        damage: &'a DamageReport,
    ) -> Result<NewPoints<'a>> {
        let mut found: BTreeMap<SeriesKey, (u64, SeriesPlaces<'a>)> = BTreeMap::new();
        for (p, part) in parts.iter().enumerate() {
            let table = part.series();
            let mut details = table.reader();
            for (r, row) in table.entries().enumerate() {
                if all_new(numbers, details.of(r)?.seqs()) == Some(false) {
                    continue;
                }
                let entry = found.entry(moved(table.key(&row), targets)).or_default();
                entry.0 += u64::from(row.rows);
                entry.1.rows.push(RowRef::new(p, r));
            }
        }
        for &(data, seqs) in tails {
            for (id, key) in data.keys() {
                let count = data.count_in_memory_within(id, seqs);
                if count > 0 {
                    let entry = found.entry(moved(key.clone(), targets)).or_default();
                    entry.0 += count;
                    entry.1.tails.push((data, id, seqs));
                }
            }
        }
        let (series, places) = found.into_iter().map(|(k, (n, p))| ((k, n), p)).unzip();
        let anchors = StepAnchors::default();
        Ok(NewPoints { numbers, parts, damage, series, places, anchors, taken: 0.into(), bits: 0.into() })
    }

    /// The greatest number of points that there may be.
    pub(super) fn points_max(&self) -> u64 {
        self.series.iter().map(|(_, points)| points).sum()
    }

    /// The number of points that were read, and the wrapping sum of the bits of their values. Valid since each point is
    /// gathered once.
    pub(super) fn taken(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.bits.load(Ordering::Relaxed))
    }
}

/// The series in this store.
pub(super) fn moved(key: SeriesKey, targets: &Targets) -> SeriesKey {
    match targets.get(&*key.run) {
        Some(run) if **run != *key.run => SeriesKey { run: run.as_str().into(), ..key },
        _ => key,
    }
}

/// Keeps the points that this store does not have, and gives their writers the numbers here.
pub(super) fn keep_new(numbers: &Numbers, points: &Points) -> Points {
    let mut kept = Points::default();
    for i in 0..points.len() {
        let seq = Seq::from_i64(points.seqs[i]).filter(|seq| numbers.is_new(*seq));
        if let Some(seq) = seq {
            kept.steps.push(points.steps[i]);
            kept.seqs.push(numbers.seq(seq).as_i64());
            kept.written.push(points.written[i]);
            kept.times_us.push(points.times_us[i]);
            kept.values.push(points.values[i]);
        }
    }
    kept
}

impl PointSource for NewPoints<'_> {
    fn series(&self) -> &[(SeriesKey, u64)] {
        &self.series
    }

    /// Spreads the steps of each row of a series table evenly: exact enough to choose where to cut.
    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
        let places = &self.places[series];
        let mut steps: Vec<i64> =
            places.tails.iter().flat_map(|(data, id, _)| data.sample_steps(*id, nth)).collect();
        for row in &places.rows {
            steps.extend(row.sample_steps(self.parts, nth));
        }
        Ok(steps)
    }

    fn gather(&self, series: Range<usize>, steps: StepRange) -> Result<Vec<Points>> {
        let places = &self.places[series];
        let pieces = |p: &SeriesPlaces<'_>| self.anchors.pieces(self.parts, &p.rows, steps);
        let lists: Vec<Vec<Piece>> = places.iter().map(pieces).collect::<Result<_>>()?;
        let read = read_pieces(
            self.parts,
            &lists,
            ColumnSet::ALL,
            &PointFilter::default(),
            &Meter::of_job(),
            self.damage,
        )?;
        let gather_one = |(mut chunks, place): (Vec<Points>, &SeriesPlaces<'_>)| {
            for points in &mut chunks {
                keep_steps(points, steps);
            }
            for &(data, id, seqs) in &place.tails {
                let mut points = Points::default();
                data.gather(id, TailRange { steps, seqs }, &mut points);
                chunks.push(points);
            }
            let chunks: Vec<Points> = chunks.iter().map(|points| keep_new(self.numbers, points)).collect();
            for points in &chunks {
                self.taken.fetch_add(points.len() as u64, Ordering::Relaxed);
                self.bits.fetch_add(value_bits_sum(&points.values), Ordering::Relaxed);
            }
            merge(chunks, Repeats::All)
        };
        Ok(read.into_iter().zip(places).map(gather_one).collect())
    }
}
