//! The numbers of another store's writers in this store, and which of their frames this store has.
//!
//! A writer has the same uuid in each store, and the same ordinals of frames. Only its number differs.
//!
//! Invariants: each number here means one uuid. Frames below `end_here` are in this store, or were dropped here.

use crate::files::writer_table::{KnownWriter, WriterTable};
use std::collections::{BTreeMap, BTreeSet};
use tidalite_model::{Error, ErrorKind, Moment, Result, Seq, WRITER_MAX};
use uuid::Uuid;

/// A writer of the other store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered {
    id: Uuid,
    /// Its number here.
    pub(super) here: u32,
    /// Its first frame that the other store does not have.
    pub(super) end_there: u64,
    /// Its first frame that this store does not have.
    pub(super) end_here: u64,
}

/// The writers of the other store, by their number there.
#[derive(Debug)]
pub(super) struct Numbers {
    of: BTreeMap<u32, Numbered>,
    /// By their number here.
    here: BTreeMap<u32, Numbered>,
    /// The numbers of this store's writers that the other store does not have.
    only_here: BTreeSet<u32>,
    /// The numbers of those that live, and may append more.
    living: BTreeSet<u32>,
}

/// How many writers of the other store have no number here.
pub(super) fn count_new(there: &WriterTable, here: &WriterTable) -> u32 {
    let known: BTreeSet<Uuid> = here.values().map(|w| w.id).collect();
    u32::try_from(there.values().filter(|w| !known.contains(&w.id)).count()).unwrap_or(u32::MAX)
}

/// # Errors
/// `Full` if the store has no numbers left for so many writers.
pub(super) fn check_room(first: u32, count: u32) -> Result<()> {
    if first.checked_add(count).is_some_and(|end| end <= WRITER_MAX) {
        return Ok(());
    }
    let what = format!("the stores have more than {WRITER_MAX} writers together, which is the maximum");
    Err(Error::new(ErrorKind::Full, "merge stores", what, "merge both into a new store by export and import"))
}

impl Numbers {
    /// Writers that are new here get the numbers from `first` on, in the order of their numbers there.
    pub(super) fn new(there: &WriterTable, here: &WriterTable, first: u32, living: BTreeSet<u32>) -> Numbers {
        let by_id: BTreeMap<Uuid, (u32, u64)> = here.iter().map(|(n, w)| (w.id, (*n, w.end))).collect();
        let mut next = first;
        let mut of = BTreeMap::new();
        for (&number, &KnownWriter { id, end }) in there {
            let (here, end_here) = by_id.get(&id).copied().unwrap_or_else(|| {
                next += 1;
                (next - 1, 0)
            });
            of.insert(number, Numbered { id, here, end_there: end, end_here });
        }
        let by_here: BTreeMap<u32, Numbered> = of.values().map(|w| (w.here, *w)).collect();
        let only_here = here.keys().filter(|n| !by_here.contains_key(n)).copied().collect();
        Numbers { of, here: by_here, only_here, living }
    }

    /// # Errors
    /// `Corrupt` if the other store does not say who this writer is.
    pub(super) fn check(&self, writer: u32) -> Result<()> {
        if self.of.contains_key(&writer) {
            return Ok(());
        }
        let what = format!("the other store holds writes of writer {writer}, and does not list that writer");
        Err(Error::new(ErrorKind::Corrupt, "merge stores", what, "run `tidalite verify` on the other store"))
    }

    /// The place here of a write of the other store, whose writer was [checked](Self::check).
    pub(super) fn seq(&self, seq: Seq) -> Seq {
        self.of.get(&seq.writer()).map_or(seq, |w| Seq::new(w.here, seq.ordinal()))
    }

    /// Whether a write of the other store is not here yet.
    pub(super) fn is_new(&self, seq: Seq) -> bool {
        self.of.get(&seq.writer()).is_some_and(|w| seq.ordinal() >= w.end_here)
    }

    /// Whether frames from `least` to `greatest` of a writer may hold one that is not here yet.
    pub(super) fn has_new(&self, writer: u32, greatest: u64) -> bool {
        self.is_new(Seq::new(writer, greatest))
    }

    /// As [`has_new`](Self::has_new), for all writers from `first` to `last`.
    pub(super) fn has_new_among(&self, first: u32, last: u32, greatest: u64) -> bool {
        self.of.range(first..=last).any(|(writer, _)| self.has_new(*writer, greatest))
    }

    /// The first frame of a writer of the other store that is not here.
    pub(super) fn first_new(&self, writer: u32) -> u64 {
        self.of.get(&writer).map_or(0, |w| w.end_here)
    }

    /// Whether both stores have seen a write, given by its place here.
    pub(super) fn is_common(&self, seq: Seq) -> bool {
        self.here.get(&seq.writer()).is_some_and(|w| seq.ordinal() < w.end_here.min(w.end_there))
    }

    /// Whether this store has seen a write, given by its place here, before the merge.
    pub(super) fn seen_here(&self, seq: Seq) -> bool {
        self.here.get(&seq.writer()).is_none_or(|w| seq.ordinal() < w.end_here)
    }

    /// Whether the other store has seen a write, given by its place here.
    pub(super) fn seen_there(&self, seq: Seq) -> bool {
        self.here.get(&seq.writer()).is_some_and(|w| seq.ordinal() < w.end_there)
    }

    /// A moment of the other store, in numbers of this one. What only this store has did not come before it, neither now
    /// nor later. `only_here` are the writers of this store alone that may write to the run.
    pub(super) fn moment(&self, moment: &Moment, only_here: &BTreeSet<u32>) -> Moment {
        let end = |(number, w): (&u32, &Numbered)| {
            let end = moment.end(*number);
            let goes_on = w.end_there < w.end_here || self.living.contains(&w.here);
            (w.here, if end == u64::MAX && goes_on { w.end_there } else { end })
        };
        let mut ends: BTreeMap<u32, u64> = self.of.iter().map(end).collect();
        let listed = Moment::new(0, ends.iter().map(|(w, end)| (*w, *end)));
        let below = ends.iter().rev().find(|(_, end)| **end == u64::MAX).map_or(0, |(w, _)| w + 1);
        ends.extend(only_here.range(..below).map(|w| (*w, 0)));
        let bounded = Moment::new(below, ends);
        if bounded.ends().count() < listed.ends().count() { bounded } else { listed }
    }

    pub(super) fn only_here(&self) -> &BTreeSet<u32> {
        &self.only_here
    }

    /// Of the writers that only this store has, those that live.
    pub(super) fn living_only_here(&self) -> BTreeSet<u32> {
        self.only_here.intersection(&self.living).copied().collect()
    }

    /// The writers of which the other store has more: number here, first new frame. It may be the first of all also where this
    /// store has had the writer: a copy may know of a log before anything is in it.
    pub(super) fn extended(&self) -> impl Iterator<Item = (u32, u64)> {
        self.of.values().filter(|w| w.end_there > w.end_here).map(|w| (w.here, w.end_here))
    }

    /// What this store knows after the merge and did not know before.
    pub(super) fn learned(&self) -> WriterTable {
        let more = self.of.values().filter(|w| w.end_there > w.end_here);
        more.map(|w| (w.here, KnownWriter { id: w.id, end: w.end_there })).collect()
    }
}
