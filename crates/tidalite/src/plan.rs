//! From a selection to points: which series, where their points lie, and reading them in pieces of bounded size.
//!
//! A plan lists the selected series, ascending by key, each with its rows in parts and its places in log tails, of the
//! run itself and of those whose history it took over; `planner.rs` finds them. It is then worked off in batches of consecutive series, so that
//! results come in order and memory stays bounded: a batch holds about [`BATCH_POINTS`], or one series where that has
//! more. What of a series may be answered from summaries is said in `stretch.rs`.

use crate::explain::Meter;
use crate::hides::Hides;
use crate::lineage::{Heirs, History};
use crate::planner::pair;
use crate::scan::{Piece, RowRef, meets, read_pieces};
use crate::snapshot::Snapshot;
use crate::tail::View;
use crate::threads;
use crate::transformed::Shaping;
use std::ops::Range;
use std::sync::Arc;
use tidalite_log::SeriesId;
use tidalite_model::{Bounds, Error, ErrorKind, Result, SeriesKey};
use tidalite_parts::{ColumnSet, PartMeta};
use tidalite_query::{PointFilter, Points, Repeats, SeriesFilter, Transforming, merge};

/// Points that a batch holds at most, unless one series alone has more.
const BATCH_POINTS: u64 = 1 << 20;
/// Between the steps of a tail that are sampled to cut a long series.
const TAIL_SAMPLE_NTH: usize = 1024;
/// Bytes of a point while it is merged: four columns, twice.
pub(crate) const POINT_BYTES: u64 = 64;

/// What a selection has to read.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) snapshot: Snapshot,
    pub(crate) series: Vec<Planned>,
    pub(crate) filter: PointFilter,
    pub(crate) rules: Rules,
    /// What is made of each series; `filter` says what is read for it.
    pub(crate) shaping: Option<Shaping>,
    pub(crate) meter: Arc<Meter>,
}

/// Which points of a series count, before ranges of them are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    pub(crate) repeats: Repeats,
    pub(crate) history: History,
    /// Whether rewound points are seen.
    pub(crate) hidden: bool,
}

/// One series and where its points lie.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) key: SeriesKey,
    /// One a run: the farthest forebear first, the series' own run last, as the order of writing within a step has it.
    pub(crate) sources: Vec<Source>,
    pub(crate) points_max: u64,
    /// The selection's steps, or, of a series that is read in pieces, this piece's.
    pub(crate) steps: Bounds<i64>,
    /// Of a piece of a transformed series: the state in which it begins.
    pub(crate) begun: Option<Transforming>,
}

/// Where the points of a series lie that were written to one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    /// 0 is the series' own run.
    pub(crate) generation: u32,
    /// Ascending by their first step.
    pub(crate) rows: Vec<RowRef>,
    /// (tail, series in it)
    pub(crate) tails: Vec<(usize, SeriesId)>,
    /// The last step that is taken over; `None` of the series' own.
    pub(crate) until: Option<i64>,
    /// What is hidden of the run.
    pub(crate) hides: Option<Arc<Hides>>,
    /// Whether some of that may lie in the rows: then these are read with the order of writing.
    pub(crate) rows_hide: bool,
    /// Whether it may lie in rows that are not thinned.
    pub(crate) points_hide: bool,
    /// The greatest step that is seen of its thinned row, where a rewind hides the end of that. There is one such row at most.
    pub(crate) thinned_end: Option<i64>,
}

impl Source {
    /// Takes in what is elsewhere of the same run.
    pub(crate) fn join(&mut self, other: Source) {
        self.rows.extend(other.rows);
        self.tails.extend(other.tails);
        self.hides = self.hides.take().or(other.hides);
        self.rows_hide |= other.rows_hide;
        self.points_hide |= other.points_hide;
        self.thinned_end = self.thinned_end.or(other.thinned_end);
    }

    /// Those of some steps that are read here.
    pub(crate) fn within(&self, steps: Bounds<i64>) -> Bounds<i64> {
        // All steps are below the one behind the greatest.
        let Some(end) = self.until.and_then(|until| until.checked_add(1)) else { return steps };
        Bounds { hi: Some(steps.hi.map_or(end, |hi| hi.min(end))), ..steps }
    }
}

impl Planned {
    /// All rows of all sources, source by source.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &RowRef> {
        self.sources.iter().flat_map(|s| &s.rows)
    }

    /// The place where the points of one run go.
    pub(crate) fn source(&mut self, generation: u32, until: Option<i64>) -> &mut Source {
        let at = self.sources.iter().position(|s| s.generation == generation).unwrap_or_else(|| {
            self.sources.push(Source { generation, until, ..Source::default() });
            self.sources.len() - 1
        });
        &mut self.sources[at]
    }
}

/// Whether a part may hold selected points, as far as the manifest tells.
pub(crate) fn may_hold(meta: &PartMeta, wanted: &SeriesFilter, heirs: &Heirs, filter: &PointFilter) -> bool {
    let runs = meta.run_min.as_str()..=meta.run_max.as_str();
    let named = wanted
        .runs
        .as_exact()
        .is_none_or(|exact| exact.iter().chain(heirs.keys()).any(|r| runs.contains(&r.as_str())));
    let steps = filter.steps.lo.is_none_or(|lo| meta.step_max >= lo)
        && filter.steps.hi.is_none_or(|hi| meta.step_min < hi);
    named && steps
}

impl Plan {
    /// Cuts series that are longer than a batch into pieces of consecutive steps, so that they too are read in bounded
    /// memory. All points of one step are in one piece, so repeats are told apart within it.
    pub(crate) fn split_long_series(mut self) -> Plan {
        let limit = self.batch_points();
        let whole = std::mem::take(&mut self.series);
        for planned in whole {
            if planned.points_max <= limit {
                self.series.push(planned);
                continue;
            }
            let mut lo = planned.steps.lo;
            for hi in self.cuts(&planned, limit).into_iter().map(Some).chain([planned.steps.hi]) {
                let steps = Bounds { lo, hi };
                let mut sources = planned.sources.clone();
                for source in &mut sources {
                    let within = pair(source.within(steps));
                    source.rows.retain(|r| meets(r.of(&self.snapshot.view.parts), within));
                }
                let key = planned.key.clone();
                self.series.push(Planned { key, sources, points_max: limit, steps, begun: None });
                lo = hi;
            }
        }
        self
    }

    /// Steps, ascending, between which a series has about `limit` points.
    fn cuts(&self, planned: &Planned, limit: u64) -> Vec<i64> {
        let parts = &self.snapshot.view.parts;
        // (step, points that begin about there)
        let mut weights: Vec<(i64, u64)> = Vec::new();
        weights.extend(planned.rows().map(|r| r.of(parts)).map(|row| (row.first_step, u64::from(row.rows))));
        for &(t, id) in planned.sources.iter().flat_map(|s| &s.tails) {
            let steps = self.snapshot.view.tails[t].read().data.sample_steps(id, TAIL_SAMPLE_NTH);
            weights.extend(steps.into_iter().map(|s| (s, TAIL_SAMPLE_NTH as u64)));
        }
        weights.sort_unstable();
        // A thinned row is short, and its buckets are not to be cut.
        let thinned = planned.rows().filter(|r| r.is_thinned(parts)).map(|r| r.of(parts).steps());
        let thinned: Vec<(i64, i64)> = thinned.collect();
        let inside = |step: i64| {
            thinned.iter().all(|&(first, last)| step <= first || step > last)
                && planned.steps.lo.is_none_or(|lo| step > lo)
                && planned.steps.hi.is_none_or(|hi| step < hi)
        };
        let mut cuts = Vec::new();
        let mut points = 0;
        for (step, weight) in weights {
            if points > 0 && points + weight > limit && inside(step) && cuts.last() != Some(&step) {
                cuts.push(step);
                points = 0;
            }
            points += weight;
        }
        cuts
    }

    pub(crate) fn filter_of(&self, planned: &Planned) -> PointFilter {
        PointFilter { steps: planned.steps, ..self.filter }
    }

    fn batch_points(&self) -> u64 {
        let options = &self.snapshot.inner.options;
        (options.memory_bytes / POINT_BYTES / options.threads as u64 / 2).min(BATCH_POINTS)
    }

    /// Consecutive series, about [`BATCH_POINTS`] each time.
    pub(crate) fn batches(&self) -> Vec<Range<usize>> {
        let batch_points = self.batch_points();
        let mut batches = Vec::new();
        let (mut start, mut points) = (0, 0);
        for (i, planned) in self.series.iter().enumerate() {
            if points > 0 && points + planned.points_max > batch_points {
                batches.push(start..i);
                (start, points) = (i, 0);
            }
            points += planned.points_max;
        }
        if start < self.series.len() {
            batches.push(start..self.series.len());
        }
        batches
    }

    /// Refuses a selection with a series that has to be in memory whole and cannot.
    pub(crate) fn check_memory(&self) -> Result<()> {
        // Each thread works on a batch of its own, and one of them on the longest series.
        let longest = self.series.iter().max_by_key(|s| s.points_max);
        longest.map_or(Ok(()), |s| self.check_room(&s.key, s.points_max))
    }

    /// Refuses points of one series that cannot be in memory at once.
    pub(crate) fn check_room(&self, key: &SeriesKey, points: u64) -> Result<()> {
        let needed = points.saturating_mul(POINT_BYTES);
        if needed <= self.snapshot.inner.options.memory_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Full,
            "query",
            format!(
                "series {:?} of run {:?} has up to {points} points in the selection, which take {} MiB to merge",
                key.metric,
                key.run,
                needed >> 20
            ),
            "select a range of steps, or allow more memory",
        ))
    }

    /// Refuses an answer that holds up to `series_max` points of each series at once and cannot.
    pub(crate) fn check_total(&self, series_max: u64) -> Result<()> {
        let memory_bytes = self.snapshot.inner.options.memory_bytes;
        let points = self.series.iter().map(|s| s.points_max.min(series_max)).fold(0, u64::saturating_add);
        let needed = points.saturating_mul(POINT_BYTES);
        if needed <= memory_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Full,
            "query",
            format!(
                "the {} series of the selection have up to {points} points to hold at once, which take {} MiB",
                self.series.len(),
                needed >> 20
            ),
            "select a range of steps or fewer series, or allow more memory",
        ))
    }

    /// Works on the points of each series that has any, in the store's threads; what is found is in the order of series.
    pub(crate) fn each<T: Send>(
        &self,
        columns: ColumnSet,
        work: impl Fn(&SeriesKey, Points) -> T + Sync,
    ) -> Result<Vec<T>> {
        let of_batch = |batch: &Range<usize>| -> Result<Vec<T>> {
            let points = self.load(batch.clone(), columns)?;
            let work = |(planned, points): (&Planned, Points)| {
                (!points.is_empty()).then(|| work(&planned.key, points))
            };
            Ok(self.series[batch.clone()].iter().zip(points).filter_map(work).collect())
        };
        let found = threads::each(&self.snapshot.inner, &self.batches(), of_batch)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The points of a batch, merged and filtered, one `Points` a series.
    pub(crate) fn load(&self, batch: Range<usize>, columns: ColumnSet) -> Result<Vec<Points>> {
        let series = &self.series[batch];
        let parts = &self.snapshot.view.parts;
        let pieces = |s: &Planned| s.rows().map(|r| r.whole(parts, true)).collect();
        let lists: Vec<Vec<Piece>> = series.iter().map(pieces).collect();
        // Without the order of writing, repeats could not be told apart.
        let single = |s: &Planned| self.sole(s).is_some_and(|own| own.tails.is_empty() && self.disjoint(own));
        self.meter.merged(series.iter().filter(|s| !single(s)).count());
        let columns = self.shaping.as_ref().map_or(columns, |s| s.columns(columns));
        let columns = if series.iter().all(single) { columns } else { ColumnSet::ALL };
        let read = read_pieces(parts, &lists, columns, &self.meter)?;
        Ok(series.iter().zip(read).map(|(s, chunks)| self.finish(s, chunks)).collect())
    }

    /// The points of a series, of the chunks that its rows hold and of its tails: repeats are resolved within each source,
    /// then between these, where what is nearer counts as written later.
    pub(crate) fn finish(&self, planned: &Planned, chunks: Vec<Points>) -> Points {
        let mut chunks = chunks.into_iter();
        let mut layers = Vec::with_capacity(planned.sources.len());
        for (rank, source) in (0..).zip(&planned.sources) {
            let mut found: Vec<Points> = chunks.by_ref().take(source.rows.len()).collect();
            if let Some(hides) = source.hides.as_ref().filter(|_| source.rows_hide) {
                found.iter_mut().for_each(|points| hides.apply(points));
            }
            let tails = self.tail_points(planned, source);
            self.meter.log_points(tails.iter().map(Points::len).sum());
            found.extend(tails);
            let mut points = merge(found, self.rules.repeats);
            if self.sole(planned).is_none() {
                let steps = source.within(planned.steps);
                PointFilter { steps, ..PointFilter::default() }.apply(&mut points);
                points.seqs.fill(rank);
            }
            layers.push(points);
        }
        let mut points = match layers.len() {
            1 => layers.remove(0),
            _ => merge(layers, self.rules.repeats),
        };
        self.filter_of(planned).apply(&mut points);
        if let Some(shaping) = &self.shaping {
            shaping.apply(planned, &mut points);
        }
        points
    }

    /// The points that the tails of a source hold, at the steps that are read.
    pub(crate) fn tail_points(&self, planned: &Planned, source: &Source) -> Vec<Points> {
        let steps = pair(source.within(planned.steps));
        let gather = |&(t, id): &(usize, SeriesId)| {
            let tail = &self.snapshot.view.tails[t];
            let mut points = Points::default();
            tail.read().data.gather(id, View { steps, seqs: tail.seqs }, &mut points);
            if let Some(hides) = &source.hides {
                hides.apply(&mut points);
            }
            points
        };
        source.tails.iter().map(gather).filter(|p| !p.is_empty()).collect()
    }

    /// The only source of a series, where there is one: then its points need not be told from those of forebears.
    pub(crate) fn sole<'a>(&self, planned: &'a Planned) -> Option<&'a Source> {
        match &planned.sources[..] {
            [own] if own.until.is_none() => Some(own),
            _ => None,
        }
    }

    /// Whether the rows of a source hold no step twice, and nothing that is hidden. They are sorted by their first step.
    pub(crate) fn disjoint(&self, source: &Source) -> bool {
        !source.rows_hide && self.apart(source)
    }

    /// As [`disjoint`](Self::disjoint), where the end of a thinned row may be hidden.
    pub(crate) fn apart(&self, source: &Source) -> bool {
        let parts = &self.snapshot.view.parts;
        let row = |r: &RowRef| r.of(parts);
        let follows = |w: &[RowRef]| self.last_step(source, &w[0]) < row(&w[1]).first_step;
        !source.points_hide
            && source.rows.iter().all(|r| !row(r).repeats)
            && source.rows.windows(2).all(follows)
    }

    /// The greatest step of a row, or, of a thinned one, what may be seen of it.
    pub(crate) fn last_step(&self, source: &Source, row: &RowRef) -> i64 {
        let parts = &self.snapshot.view.parts;
        let last = row.of(parts).last_step;
        let end = source.thinned_end.filter(|_| row.is_thinned(parts));
        end.map_or(last, |end| end.min(last))
    }
}
