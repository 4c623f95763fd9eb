//! Compaction: merges several parts into one, so that a series is contiguous again and files stay few.
//!
//! A policy over the manifest picks the parts (`policy`), a job merges them and checks the result (`merge`), and a new
//! version replaces them. Every row of the inputs is in the outputs, except those of deleted runs. Points that are rewound or
//! replaced by a later write of their step go to a hidden part (`sorting`). An error leaves everything as it was. Thinned
//! parts are merged among themselves.
//!
//! After a compaction by hand, only hidden parts hold hidden points, and no part holds deleted ones. In the background,
//! only the parts that are merged are sorted.

use super::collect;
use super::flush::flush_by_hand;
use super::full_disk::flush_full_disk;
use super::hiding::{Deleted, VersionHiding};
use super::merge::{MergeJob, Merged, Removed};
use super::policy::{
    MergeBounds, Policy, is_worth_rewriting, may_hold_deleted, next_hidden_merge, next_merge,
};
use super::publish::publish_version;
use super::reserve;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::files::manifest::{self, Manifest};
use crate::parts::thinned::buckets_max;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_parts::{Part, PartMeta};
use uuid::Uuid;

/// The result of a compaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactStats {
    /// Points flushed from logs to parts first.
    pub flushed: u64,
    /// Parts read by merges.
    pub parts_in: u64,
    /// Parts written by merges.
    pub parts_out: u64,
    /// Points in the parts written.
    pub points: u64,
    /// Of these, points in hidden parts: rewound, or replaced by a later write of their step.
    pub hidden: u64,
    /// Points of deleted runs that were left out.
    pub dropped: u64,
}

impl CompactStats {
    /// The sum of two steps.
    fn and(&self, other: &CompactStats) -> CompactStats {
        CompactStats {
            flushed: self.flushed + other.flushed,
            parts_in: self.parts_in + other.parts_in,
            parts_out: self.parts_out + other.parts_out,
            points: self.points + other.points,
            hidden: self.hidden + other.hidden,
            dropped: self.dropped + other.dropped,
        }
    }
}

impl Store {
    /// Flushes, merges parts as far as is useful, and removes the files that were replaced. Afterwards the files in `parts/`
    /// hold exactly the visible points (see [`parquet_files`](Self::parquet_files)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// for step in 0..10 {
    ///     run.log(step, &[("loss", 1.0)])?;
    ///     store.flush()?;
    /// }
    /// let stats = store.compact()?;
    /// assert_eq!((stats.parts_in, stats.parts_out, stats.points), (10, 1, 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`flush`](Self::flush); `Corrupt` if a part is damaged. A part that cannot be opened is left as it is and the
    /// others are merged; damage found during a merge leaves its inputs as they are.
    pub fn compact(&self) -> Result<CompactStats> {
        self.compact_with(&|_, _| ControlFlow::Continue(()))
    }

    /// As [`compact`](Self::compact). `progress` gets the points done and the total of each merge; both are 0 before the
    /// first one. If it returns `Break`, the compaction ends; merges that were published before stay.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; store.flush()?; }
    /// let merged = Cell::new((0, 0));
    /// store.compact_with(&|done, total| {
    ///     merged.set((done, total));
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(merged.get(), (10, 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`compact`](Self::compact); `Cancelled` if `progress` ended it.
    pub fn compact_with(&self, progress: &dyn Fn(u64, u64) -> ControlFlow<()>) -> Result<CompactStats> {
        self.upkeep(|state| {
            let progress = |done, total| state.unless_closed(progress(done, total));
            state.seal()?;
            let _lock = store_lock::lock_waiting(state, "compact", &|| progress(0, 0))?;
            let room = JobRoom::by_hand(state)?;
            let once = || {
                let flushed = flush_by_hand(state, &|_| progress(0, 0))?;
                let compacted = compact_all(state, Policy::All, &room, &progress);
                collect::collect(state, collect::Grace::None)?;
                Ok::<_, Error>(CompactStats { flushed: flushed.points, ..compacted? })
            };
            let mut stats = CompactStats::default();
            let done = match once() {
                Err(e) if e.kind() == ErrorKind::Full => {
                    let flushed = flush_full_disk(state, &room, &|_| progress(0, 0))?;
                    stats = compact_all(state, Policy::Deleted, &room, &progress)?;
                    stats.flushed = flushed;
                    once()
                }
                done => done,
            };
            reserve::make(state);
            done.map(|done| stats.and(&done))
        })
    }
}

/// Merges what the policy picks until it picks nothing. The caller must hold the store's lock.
pub(crate) fn compact_all(
    state: &StoreState,
    policy: Policy,
    room: &JobRoom<'_>,
    progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
) -> Result<CompactStats> {
    let compaction = Compaction {
        state,
        policy,
        unreadable: BTreeMap::new(),
        clean: BTreeSet::new(),
        stats: CompactStats::default(),
    };
    compaction.run(room, progress)
}

/// One compaction, job by job: the manifest says which parts to merge, only these are opened, and each merge publishes a
/// version. A part that cannot be opened stays as it is and does not hold up the others.
struct Compaction<'a> {
    state: &'a StoreState,
    policy: Policy,
    /// Parts that could not be opened, and why.
    unreadable: BTreeMap<Uuid, Error>,
    /// Parts without hidden or deleted points.
    clean: BTreeSet<Uuid>,
    stats: CompactStats,
}

/// What a job merges.
struct Picked {
    parts: BTreeSet<Uuid>,
    /// Whether points are sorted. If not, all parts are hidden or thinned.
    sorts: bool,
}

impl Compaction<'_> {
    fn run(
        mut self,
        room: &JobRoom<'_>,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<CompactStats> {
        let (state, removed) = (self.state, Removed::default());
        loop {
            room.give_back_freed();
            let manifest = manifest::latest(&*state.vfs, &state.paths)?.manifest;
            let hiding = VersionHiding::of(state, &manifest)?;
            let Some(picked) = self.next(&manifest, &hiding, room, progress)? else {
                return self.finish(&manifest);
            };
            let (hidden, visible): (Vec<&PartMeta>, Vec<&PartMeta>) =
                manifest.parts.iter().filter(|p| picked.parts.contains(&p.id)).partition(|p| p.is_hidden());
            // If one cannot be opened, the next plan leaves it out.
            let Some(parts) = self.open_all(&[hidden, visible].concat()) else { continue };
            let context = self.context(&manifest, &picked);
            let job = MergeJob {
                state,
                parts: &parts,
                sorting: picked.sorts.then_some(&context),
                hiding: &hiding,
                removed: &removed,
                room,
                progress,
            };
            let merged = job.run()?;
            // Whether the context had all parts that may replace points of the job.
            let complete = context.len() == others(&manifest, &picked).len();
            self.publish(manifest, &picked, merged, complete)?;
            if self.policy == Policy::Deleted {
                // The next job needs the space.
                collect::collect(state, collect::Grace::None)?;
            }
        }
    }

    /// The parts of the next job: to merge, to rewrite without hidden and deleted points, or to sort anew, because
    /// changes to runs may have made hidden points visible.
    fn next(
        &mut self,
        manifest: &Manifest,
        hiding: &VersionHiding,
        room: &JobRoom<'_>,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<Option<Picked>> {
        let (hidden, mut readable): (Vec<&PartMeta>, Vec<&PartMeta>) =
            manifest.parts.iter().partition(|p| p.is_hidden());
        readable.retain(|p| !self.unreadable.contains_key(&p.id));
        if self.policy == Policy::Deleted {
            return self.least_left(&readable, hiding);
        }
        let bounds = MergeBounds {
            part_rows: room.part_rows(self.state.options.part_rows),
            table_bytes: room.table_bytes(),
            buckets: buckets_max(room.memory_bytes),
        };
        let mut parts = next_merge(&readable, self.policy, &bounds);
        let thinned = readable.iter().any(|p| p.is_thinned() && parts.contains(&p.id));
        if thinned {
            return Ok(Some(Picked { parts, sorts: false }));
        }
        if !parts.is_empty() || self.policy == Policy::All {
            parts.extend(self.outdated(manifest, hiding));
        }
        if !parts.is_empty() {
            return Ok(Some(Picked { parts, sorts: true }));
        }
        for meta in readable {
            if self.is_to_rewrite(manifest, meta, hiding, room, progress)? {
                let parts = BTreeSet::from([meta.id]);
                return Ok(Some(Picked { parts, sorts: !meta.is_thinned() }));
            }
        }
        // Hidden parts keep their order, so none in between is left out.
        if hidden.iter().any(|p| self.unreadable.contains_key(&p.id)) {
            return Ok(None);
        }
        let parts = next_hidden_merge(&hidden, bounds.part_rows);
        Ok((!parts.is_empty()).then_some(Picked { parts, sorts: false }))
    }

    /// Of the parts with deleted points the one that is smallest without them.
    fn least_left(&mut self, parts: &[&PartMeta], hiding: &VersionHiding) -> Result<Option<Picked>> {
        let mut least: Option<(f64, &PartMeta)> = None;
        for meta in parts.iter().filter(|meta| may_hold_deleted(meta, &hiding.deleted)) {
            let Some(part) = self.open(meta) else { continue };
            let deleted = deleted_rows(&part, &hiding.deleted)?;
            let left =
                meta.bytes as f64 * (meta.rows.saturating_sub(deleted) as f64 / meta.rows.max(1) as f64);
            if deleted > 0 && least.is_none_or(|(bytes, _)| left < bytes) {
                least = Some((left, meta));
            }
        }
        Ok(least.map(|(_, meta)| Picked { parts: BTreeSet::from([meta.id]), sorts: !meta.is_thinned() }))
    }

    /// The hidden parts from the first outdated one on. Later ones are taken too, so that rows of one batch stay in the
    /// order of the parts. None where a part cannot be opened: what replaced a hidden point may be in it.
    fn outdated(&mut self, manifest: &Manifest, hiding: &VersionHiding) -> Vec<Uuid> {
        let hidden: Vec<&PartMeta> = manifest.parts.iter().filter(|p| p.is_hidden()).collect();
        let is_outdated = |meta: &&PartMeta| self.open(meta).is_some_and(|part| hiding.is_outdated(&part));
        let Some(first) = hidden.iter().position(is_outdated) else { return Vec::new() };
        let needed = manifest.parts.iter().filter(|p| !p.is_thinned());
        if self.open_all(&needed.collect::<Vec<_>>()).is_none() {
            return Vec::new();
        }
        hidden[first..].iter().map(|meta| meta.id).collect()
    }

    /// Whether a part is worth a job of its own, because of its hidden and deleted points.
    fn is_to_rewrite(
        &mut self,
        manifest: &Manifest,
        meta: &PartMeta,
        hiding: &VersionHiding,
        room: &JobRoom<'_>,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<bool> {
        let deleted = &hiding.deleted;
        if may_hold_deleted(meta, deleted)
            && let Some(part) = self.open(meta)
            && is_worth_rewriting(meta, deleted_rows(&part, deleted)?, self.policy)
        {
            return Ok(true);
        }
        if self.policy == Policy::Tiered || meta.is_thinned() || self.clean.contains(&meta.id) {
            return Ok(false);
        }
        let Some(part) = self.open(meta) else { return Ok(false) };
        let context = self.context(manifest, &Picked { parts: BTreeSet::from([meta.id]), sorts: true });
        let (parts, removed) = ([part], Removed::default());
        let job = MergeJob {
            state: self.state,
            parts: &parts,
            sorting: Some(&context),
            hiding,
            removed: &removed,
            room,
            progress,
        };
        let found = job.finds_hidden()?;
        if !found {
            self.clean.insert(meta.id);
        }
        Ok(found)
    }

    /// The other parts whose points may replace those of a job. A merge of several parts needs them only if it sorts
    /// hidden points again: of rows of one batch, only the last may become visible. A compaction by hand later sorts each
    /// remaining part against all others; by then there are few.
    fn context(&mut self, manifest: &Manifest, picked: &Picked) -> Vec<Arc<Part>> {
        let hidden = manifest.parts.iter().any(|p| p.is_hidden() && picked.parts.contains(&p.id));
        let alone = self.policy == Policy::All && picked.parts.len() == 1;
        if !picked.sorts || !(hidden || alone) {
            return Vec::new();
        }
        others(manifest, picked).into_iter().filter_map(|meta| self.open(meta)).collect()
    }

    fn open_all(&mut self, parts: &[&PartMeta]) -> Option<Vec<Arc<Part>>> {
        let opened: Vec<Option<Arc<Part>>> = parts.iter().map(|meta| self.open(meta)).collect();
        opened.into_iter().collect()
    }

    /// The part as the cache holds it, or opened for this job alone; `None` where it cannot be opened, which is remembered.
    fn open(&mut self, meta: &PartMeta) -> Option<Arc<Part>> {
        let place = self.state.paths.place(meta);
        if let Some(part) = self.state.cache.part_if_open(&place) {
            return Some(part);
        }
        match Part::open(self.state.vfs.clone(), &place, meta) {
            Ok(part) => Some(Arc::new(part)),
            Err(e) => {
                self.unreadable.insert(meta.id, e);
                None
            }
        }
    }

    fn publish(
        &mut self,
        manifest: Manifest,
        picked: &Picked,
        mut merged: Merged,
        complete: bool,
    ) -> Result<()> {
        let mut next = manifest;
        let present = tidalite_log::writers(&*self.state.vfs, &self.state.paths.log())?;
        let present = present.into_iter().map(|dir| dir.writer).collect();
        for made in [&mut merged.visible, &mut merged.hidden] {
            *made = made.drain(..).map(|part| part.with_gone(next.writer_next, &present)).collect();
        }
        let is_input = |p: &PartMeta| picked.parts.contains(&p.id);
        let at = next.parts.iter().position(|p| is_input(p) && !p.is_hidden());
        let before =
            at.map_or(next.parts.len(), |at| next.parts[..at].iter().filter(|p| !is_input(p)).count());
        next.parts.retain(|p| !is_input(p));
        let before = before.min(next.parts.len());
        self.stats.parts_in += picked.parts.len() as u64;
        let made = || merged.visible.iter().chain(&merged.hidden);
        self.stats.parts_out += made().count() as u64;
        self.stats.points += made().map(|part| part.rows).sum::<u64>();
        if picked.sorts {
            self.stats.hidden += merged.hidden.iter().map(|part| part.rows).sum::<u64>();
            self.clean.extend(merged.visible.iter().filter(|_| complete).map(|part| part.id));
        }
        self.stats.dropped += merged.dropped;
        next.parts.splice(before..before, merged.visible);
        // A new hidden part is last, as the hidden parts that it replaces were.
        next.parts.extend(merged.hidden);
        publish_version(self.state, next)
    }

    /// A compaction by hand reports the first part that cannot be opened, picked or not; the background does not look.
    fn finish(mut self, manifest: &Manifest) -> Result<CompactStats> {
        if self.policy != Policy::All {
            return Ok(self.stats);
        }
        for meta in &manifest.parts {
            if self.open(meta).is_none()
                && let Some(error) = self.unreadable.remove(&meta.id)
            {
                return Err(error);
            }
        }
        Ok(self.stats)
    }
}

/// The other parts whose points may replace those of the picked ones.
fn others<'m>(manifest: &'m Manifest, picked: &Picked) -> Vec<&'m PartMeta> {
    let inputs: Vec<&PartMeta> = manifest.parts.iter().filter(|p| picked.parts.contains(&p.id)).collect();
    let may_replace = |p: &&PartMeta| {
        let is_other = !picked.parts.contains(&p.id) && !p.is_hidden() && !p.is_thinned();
        is_other && inputs.iter().any(|input| may_share_steps(input, p))
    };
    manifest.parts.iter().filter(may_replace).collect()
}

/// Whether two parts may hold points of one series and step, as far as the manifest tells.
fn may_share_steps(a: &PartMeta, b: &PartMeta) -> bool {
    let runs = a.run_min <= b.run_max && b.run_min <= a.run_max;
    runs && a.step_min <= b.step_max && b.step_min <= a.step_max
}

/// Rows of series that certainly hold points of deleted runs. What the series table cannot tell does not count, so that no
/// part is rewritten in vain.
fn deleted_rows(part: &Part, deleted: &Deleted) -> Result<u64> {
    let table = part.series();
    let mut details = table.reader();
    let mut rows = 0;
    for (r, row) in table.entries().enumerate() {
        let Some(tombstones) = deleted.get(&**table.run(&row)) else { continue };
        let (least, greatest) = details.of(r)?.seqs();
        if tombstones.hides(0, least, false) || tombstones.hides(0, greatest, false) {
            rows += u64::from(row.rows);
        }
    }
    Ok(rows)
}
