//! Compaction: merges several parts into one, so that a series is contiguous again and files stay few.
//!
//! A policy over the manifest picks the parts (`policy`), a job merges them and checks the result (`merge`), and a new
//! version replaces them. Every row of the inputs is in the output, repeats and rewound points included, except those of
//! deleted runs. An error leaves everything as it was. Thinned parts are merged among themselves.

use super::collect;
use super::deleted::{Deleted, deleted};
use super::flush::flush_all;
use super::merge::{MergeJob, Merged, Removed};
use super::policy::{Policy, is_worth_rewriting, may_hold_deleted, next_merge};
use super::publish::publish_version;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::files::manifest::{self, Manifest};
use crate::parts::thinned::buckets_max;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidalite_model::{Error, Result};
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
    /// Points of deleted runs that were left out.
    pub dropped: u64,
}

impl Store {
    /// Flushes, merges parts as far as is useful, and removes the files that were replaced.
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
        self.compact_with(&|_, _| {})
    }

    /// As [`compact`](Self::compact). `progress` gets the points done and the total of each merge.
    ///
    /// ```
    /// use std::cell::Cell;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; store.flush()?; }
    /// let merged = Cell::new((0, 0));
    /// store.compact_with(&|done, total| merged.set((done, total)))?;
    /// assert_eq!(merged.get(), (10, 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`compact`](Self::compact).
    pub fn compact_with(&self, progress: &dyn Fn(u64, u64)) -> Result<CompactStats> {
        let state = self.writable()?;
        state.seal()?;
        let _lock = store_lock::lock_waiting(state)?;
        let flushed = flush_all(state, state.pool.get()?, &|_| {})?;
        let compacted = compact_all(state, Policy::All, state.pool.get()?, progress);
        collect::collect(state, 0)?;
        Ok(CompactStats { flushed: flushed.points, ..compacted? })
    }
}

/// Merges what the policy picks until it picks nothing. The caller must hold the store's lock.
pub(crate) fn compact_all(
    state: &StoreState,
    policy: Policy,
    pool: &rayon::ThreadPool,
    progress: &dyn Fn(u64, u64),
) -> Result<CompactStats> {
    let compaction =
        Compaction { state, policy, unreadable: BTreeMap::new(), stats: CompactStats::default() };
    compaction.run(pool, progress)
}

/// One compaction, job by job: the manifest says which parts to merge, only these are opened, and each merge publishes a
/// version. A part that cannot be opened stays as it is and does not hold up the others.
struct Compaction<'a> {
    state: &'a StoreState,
    policy: Policy,
    /// Parts that could not be opened, and why.
    unreadable: BTreeMap<Uuid, Error>,
    stats: CompactStats,
}

impl Compaction<'_> {
    fn run(mut self, pool: &rayon::ThreadPool, progress: &dyn Fn(u64, u64)) -> Result<CompactStats> {
        let (state, removed) = (self.state, Removed::default());
        loop {
            let manifest = manifest::latest(&*state.vfs, &state.paths)?.manifest;
            let deleted = deleted(state, &manifest)?;
            let picked = self.next(&manifest, &deleted)?;
            if picked.is_empty() {
                return self.finish(&manifest);
            }
            let inputs: Vec<&PartMeta> = manifest.parts.iter().filter(|p| picked.contains(&p.id)).collect();
            // Where one cannot be opened, the next plan leaves it out.
            let Some(parts) = self.open_all(&inputs) else { continue };
            let job = MergeJob {
                inner: state,
                parts: &parts,
                deleted: &deleted,
                removed: &removed,
                pool,
                progress,
            };
            let merged = job.run()?;
            self.publish(manifest, &picked, merged)?;
        }
    }

    /// The parts of the next job: to merge, or to rewrite without points of deleted runs.
    fn next(&mut self, manifest: &Manifest, deleted: &Deleted) -> Result<BTreeSet<Uuid>> {
        let readable: Vec<&PartMeta> =
            manifest.parts.iter().filter(|p| !self.unreadable.contains_key(&p.id)).collect();
        let buckets_max = buckets_max(self.state.options.memory_bytes);
        let picked = next_merge(&readable, self.policy, buckets_max);
        if !picked.is_empty() {
            return Ok(picked);
        }
        for meta in readable.into_iter().filter(|meta| may_hold_deleted(meta, deleted)) {
            let Some(part) = self.open(meta) else { continue };
            if is_worth_rewriting(meta, deleted_rows(&part, deleted)?, self.policy) {
                return Ok(BTreeSet::from([meta.id]));
            }
        }
        Ok(BTreeSet::new())
    }

    fn open_all(&mut self, parts: &[&PartMeta]) -> Option<Vec<Arc<Part>>> {
        let opened: Vec<Option<Arc<Part>>> = parts.iter().map(|meta| self.open(meta)).collect();
        opened.into_iter().collect()
    }

    /// The part as the cache holds it, opened if need be; `None` where it cannot be opened, which is remembered.
    fn open(&mut self, meta: &PartMeta) -> Option<Arc<Part>> {
        match self.state.cache.part(&self.state.paths.part(meta.id), meta) {
            Ok(part) => Some(part),
            Err(e) => {
                self.unreadable.insert(meta.id, e);
                None
            }
        }
    }

    fn publish(&mut self, manifest: Manifest, picked: &BTreeSet<Uuid>, merged: Merged) -> Result<()> {
        let mut next = manifest;
        let at = next.parts.iter().position(|p| picked.contains(&p.id)).unwrap_or(0);
        next.parts.retain(|p| !picked.contains(&p.id));
        self.stats.parts_in += picked.len() as u64;
        self.stats.parts_out += u64::from(merged.part.is_some());
        self.stats.points += merged.part.as_ref().map_or(0, |part| part.rows);
        self.stats.dropped += merged.dropped;
        next.parts.splice(at..at, merged.part);
        publish_version(self.state, next)
    }

    /// A compaction by hand reports the first part that cannot be opened, picked or not; the background does not look.
    fn finish(mut self, manifest: &Manifest) -> Result<CompactStats> {
        if self.policy == Policy::Tiered {
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

/// Rows of series that certainly hold points of deleted runs. What the series table cannot tell does not count, so that no
/// part is rewritten in vain.
fn deleted_rows(part: &Part, deleted: &Deleted) -> Result<u64> {
    let table = part.series();
    let mut details = table.reader();
    let mut rows = 0;
    for (r, row) in table.entries().iter().enumerate() {
        let Some(tombstones) = deleted.get(&**table.run(row)) else { continue };
        let (least, greatest) = details.of(r)?.seqs();
        if tombstones.hides(0, least) || tombstones.hides(0, greatest) {
            rows += u64::from(row.rows);
        }
    }
    Ok(rows)
}
