//! One series of a plan, and where its points are stored.

use crate::parts::scan::RowRef;
use crate::view::lineage::History;
use crate::view::tombstones::Tombstones;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidalite_log::SeriesId;
use tidalite_model::{SeriesKey, StepRange};
use tidalite_query::{Repeats, TransformChain};

/// Which points of a series count, before ranges apply.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    pub(crate) repeats: Repeats,
    pub(crate) history: History,
    /// Whether rewound points count.
    pub(crate) hidden: bool,
}

impl Rules {
    /// Whether hidden points count: rewound ones, or those that a later write of their step replaced.
    pub(crate) fn reads_hidden(&self) -> bool {
        self.hidden || self.repeats != Repeats::Last
    }
}

/// One series and where its points are stored.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) key: SeriesKey,
    /// One per run: the farthest ancestor first, the series' own run last. Within a step, later ones count as written
    /// later.
    pub(crate) sources: Vec<PlannedSource>,
    pub(crate) points_max: u64,
    /// The selection's steps; for a piece of a series, the piece's.
    pub(crate) steps: StepRange,
    /// The transform state in which a piece of a transformed series starts.
    pub(crate) start_state: Option<TransformChain>,
}

/// Where the points of a series are stored that were written to one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlannedSource {
    /// 0 is the series' own run.
    pub(crate) generation: u32,
    /// Ascending by their first step.
    pub(crate) rows: Vec<RowRef>,
    /// (tail, series in it)
    pub(crate) tails: Vec<(usize, SeriesId)>,
    /// The last inherited step; `None` for the series' own run.
    pub(crate) until: Option<i64>,
    /// The run's tombstones.
    pub(crate) tombstones: Option<Arc<Tombstones>>,
    /// Whether tombstones may cover points in the rows. Then these are read with the order of writing.
    pub(crate) rows_covered: bool,
    /// Whether they may cover points in rows that are not thinned.
    pub(crate) points_covered: bool,
    /// The last visible step of its thinned row, where a rewind hides the row's end. There is at most one such row.
    pub(crate) thinned_end: Option<i64>,
}

impl PlannedSource {
    /// Adds what another source holds of the same run.
    pub(crate) fn join(&mut self, other: PlannedSource) {
        self.rows.extend(other.rows);
        self.tails.extend(other.tails);
        self.tombstones = self.tombstones.take().or(other.tombstones);
        self.rows_covered |= other.rows_covered;
        self.points_covered |= other.points_covered;
        self.thinned_end = self.thinned_end.or(other.thinned_end);
    }

    /// The part of `steps` that is read here.
    pub(crate) fn within(&self, steps: StepRange) -> StepRange {
        // The range has no end where the last inherited step is the greatest integer.
        steps.clip(StepRange::new(None, self.until.and_then(|until| until.checked_add(1))))
    }
}

impl Planned {
    /// All rows of all sources, source by source.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &RowRef> {
        self.sources.iter().flat_map(|s| &s.rows)
    }

    /// The source of a generation; it is added where it is missing.
    pub(crate) fn source(&mut self, generation: u32, until: Option<i64>) -> &mut PlannedSource {
        let at = self.sources.iter().position(|s| s.generation == generation).unwrap_or_else(|| {
            // Most series have one, and there may be very many series.
            self.sources.reserve_exact(1);
            self.sources.push(PlannedSource { generation, until, ..PlannedSource::default() });
            self.sources.len() - 1
        });
        &mut self.sources[at]
    }
}

/// Which series satisfy a condition on what they hold.
#[derive(Debug)]
pub(crate) struct SeriesVerdicts {
    pub(crate) by_key: BTreeMap<SeriesKey, bool>,
    /// The verdict on every other series.
    pub(crate) otherwise: bool,
}

impl SeriesVerdicts {
    pub(crate) fn holds(&self, key: &SeriesKey) -> bool {
        self.by_key.get(key).copied().unwrap_or(self.otherwise)
    }
}
