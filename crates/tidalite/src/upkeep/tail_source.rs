//! The rows of log tails as a source of points for a new part.

use crate::engine::tail::TailData;
use crate::engine::tail_shape::TailRange;
use crate::parts::tiles::PointSource;
use std::collections::BTreeMap;
use std::ops::Range;
use tidalite_log::SeriesId;
use tidalite_model::{Result, SeriesKey, StepRange};
use tidalite_query::{Points, Repeats, merge};

/// A series in one tail: the tail, the series' id there, and the range [lo, hi) of seqs to read.
type TailPlace<'a> = (&'a TailData, SeriesId, (i64, i64));

/// The tails of several writers as one source of points.
pub(crate) struct TailSource<'a> {
    series: Vec<(SeriesKey, u64)>,
    places: Vec<Vec<TailPlace<'a>>>,
}

/// The range of seqs that holds every frame.
pub(super) const EVERY_FRAME: (i64, i64) = (0, i64::MAX);

impl<'a> TailSource<'a> {
    /// A source of these tails, each with its range [lo, hi) of seqs.
    pub(crate) fn of(tails: impl Iterator<Item = (&'a TailData, (i64, i64))>) -> Self {
        let mut found: BTreeMap<&'a SeriesKey, (u64, Vec<TailPlace<'a>>)> = BTreeMap::new();
        for (data, seqs) in tails {
            for (id, key) in data.keys() {
                let count = data.count_in_memory(id);
                if count > 0 {
                    let entry = found.entry(key).or_default();
                    entry.0 += count;
                    entry.1.push((data, id, seqs));
                }
            }
        }
        let (series, places) = found.into_iter().map(|(k, (n, p))| ((k.clone(), n), p)).unzip();
        TailSource { series, places }
    }
}

impl PointSource for TailSource<'_> {
    fn series(&self) -> &[(SeriesKey, u64)] {
        &self.series
    }

    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
        Ok(self.places[series].iter().flat_map(|(data, id, _)| data.sample_steps(*id, nth)).collect())
    }

    fn gather(&self, series: Range<usize>, steps: StepRange) -> Result<Vec<Points>> {
        let gather_one = |places: &Vec<TailPlace<'_>>| {
            let mut chunks = Vec::with_capacity(places.len());
            for &(data, id, seqs) in places {
                let mut points = Points::default();
                data.gather(id, TailRange { steps, seqs }, &mut points);
                chunks.push(points);
            }
            merge(chunks, Repeats::All)
        };
        Ok(self.places[series].iter().map(gather_one).collect())
    }
}
