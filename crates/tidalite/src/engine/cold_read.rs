//! Reading cold frames again for a query: once for all of its series, on several threads where there is much to read.

use super::cold::ColdFrames;
use super::tail_names::TailNames;
use super::tail_shape::TailRange;
use super::threads::Pool;
use std::collections::HashMap;
use std::sync::Arc;
use tidalite_log::{BatchRef, LayoutId, LogSink, Row, SeriesId};
use tidalite_model::Result;
use tidalite_query::Points;

/// The least bytes of rows that are worth a thread.
const READ_BYTES_MIN: usize = 64 << 20;

/// What to read again for a query. It borrows nothing, so no lock is held while it runs.
pub(super) struct ColdRead {
    view: TailRange,
    series: usize,
    /// Of each layout, the wanted columns and the places of their series among those wanted.
    layouts: HashMap<LayoutId, Vec<(usize, usize)>>,
    loose: HashMap<SeriesId, usize>,
    /// Consecutive entries, to be read at once.
    groups: Vec<Vec<Arc<ColdFrames>>>,
}

impl ColdRead {
    /// The points of the wanted series in a view of some cold frames, in the order of the log. `None` if there are none.
    ///
    /// # Errors
    /// Those of reading the log, where frames are partly in the view.
    pub(super) fn of(
        names: &TailNames,
        cold: &[Arc<ColdFrames>],
        wanted: &[SeriesId],
        view: TailRange,
    ) -> Result<Option<ColdRead>> {
        let mut groups: Vec<Vec<Arc<ColdFrames>>> = Vec::new();
        let mut bytes = 0;
        for frames in cold.iter().filter(|f| f.meets(view.seqs)) {
            let mut holds = false;
            for series in wanted.iter().filter_map(|id| names.index_of(*id)) {
                let rows = frames.series(series, view.seqs, names)?;
                holds = holds || rows.iter().any(|rows| view.steps.meets(rows.steps));
            }
            if !holds {
                continue;
            }
            let last = groups.last().and_then(|group| group.last());
            let follows = last.is_some_and(|l| l.seqs.1 == frames.seqs.0 && l.is_read_alike(frames));
            if follows && bytes < READ_BYTES_MIN {
                groups.last_mut().expect("it has a last one").push(frames.clone());
            } else {
                groups.push(vec![frames.clone()]);
                bytes = 0;
            }
            bytes += frames.row_bytes();
        }
        if groups.is_empty() {
            return Ok(None);
        }
        let mut layouts: HashMap<LayoutId, Vec<(usize, usize)>> = HashMap::new();
        for (place, id) in wanted.iter().enumerate() {
            for (block, column) in names.index_of(*id).into_iter().flat_map(|series| names.columns(series)) {
                layouts.entry(names.layout_id(block)).or_default().push((column, place));
            }
        }
        let loose = wanted.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        Ok(Some(ColdRead { view, series: wanted.len(), layouts, loose, groups }))
    }

    /// Reads the points: one `Points` per wanted series, in the order of the log.
    ///
    /// # Errors
    /// `Corrupt` where the frames do not hold what they held; `NotFound` where they are gone; `Io`.
    pub(super) fn run(&self, pool: &Pool) -> Result<Vec<Points>> {
        let of_group = |group: &Vec<Arc<ColdFrames>>| -> Result<Vec<Points>> {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(Vec::new()) };
            let mut found = Gathering { of: self, found: vec![Points::default(); self.series], points: 0 };
            let expected = group.iter().map(|frames| frames.points()).sum();
            first.read_to(last, self.view.seqs.0, expected, &mut found, |f| f.points)?;
            Ok(found.found)
        };
        let mut groups = pool.each(&self.groups, of_group)?.into_iter();
        let mut found = groups.next().unwrap_or_default();
        for group in groups {
            for (points, more) in found.iter_mut().zip(group) {
                points.extend(&more);
            }
        }
        Ok(found)
    }
}

/// Keeps the points that a query needs.
struct Gathering<'a> {
    of: &'a ColdRead,
    found: Vec<Points>,
    /// All points, also those that are not kept.
    points: u64,
}

impl LogSink for Gathering<'_> {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.points += row.values.len() as u64;
        let seq = row.seq.as_i64();
        if let Some(columns) = self.of.layouts.get(&row.layout)
            && self.of.view.takes(row.step, seq)
        {
            for &(column, place) in columns {
                let value = row.values.get(column);
                self.found[place].push_written(row.step, seq, row.written, row.time_us, value);
            }
        }
        Ok(())
    }

    fn points(&mut self, p: BatchRef<'_>) -> Result<()> {
        self.points += p.len() as u64;
        let seq = p.seq().as_i64();
        for i in 0..p.len() {
            if let Some(&place) = self.of.loose.get(&p.series(i))
                && self.of.view.takes(p.step(i), seq)
            {
                self.found[place].push_written(p.step(i), seq, p.written(i), p.time_us(i), p.value(i));
            }
        }
        Ok(())
    }
}
