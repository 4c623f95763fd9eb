//! Compaction: merges parts into one, so that each series is stored together and files stay few.
//!
//! Tiles that merging would not change are copied page by page, with only their values decoded; the others are merged.
//! The output holds every row of the inputs, repeats and rewound points included, except those of deleted runs. The
//! count and a checksum over the bits of all values, less those left out, must agree before the new version is
//! published. An error changes nothing. Thinned parts are merged only with thinned parts.

use super::collect;
use super::deleted::deleted;
use super::flush::flush_all;
use super::merge::{Removed, merge_parts, merge_thinned};
use super::policy::{Policy, pick, stale, thinned_that_fit};
use super::publish::publish_version;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::store_lock;
use crate::files::manifest;
use tidalite_model::{Error, Result};
use tidalite_parts::{Part, PartMeta};

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
    /// # Errors
    /// As [`flush`](Self::flush); `Corrupt` if a part is damaged. A part that cannot be opened is left as it is and the
    /// others are merged; damage found during a merge leaves its inputs as they are.
    pub fn compact(&self) -> Result<CompactStats> {
        self.compact_with(&|_, _| {})
    }

    /// As [`compact`](Self::compact). `progress` gets the points done and the total of each merge.
    ///
    /// # Errors
    /// As [`compact`](Self::compact).
    pub fn compact_with(&self, progress: &dyn Fn(u64, u64)) -> Result<CompactStats> {
        let inner = self.writable()?;
        inner.seal()?;
        let _lock = store_lock::lock_waiting(inner)?;
        let flushed = flush_all(inner, inner.pool.get()?, &|_| {})?;
        let compacted = compact_all(inner, Policy::All, inner.pool.get()?, progress);
        collect::collect(inner, 0)?;
        Ok(CompactStats { flushed: flushed.points, ..compacted? })
    }
}

/// Merges what the policy picks until it picks nothing. The caller must hold the store's lock.
pub(crate) fn compact_all(
    inner: &StoreState,
    policy: Policy,
    pool: &rayon::ThreadPool,
    progress: &dyn Fn(u64, u64),
) -> Result<CompactStats> {
    let mut stats = CompactStats::default();
    loop {
        let version = manifest::latest(&*inner.vfs, &inner.paths)?;
        let (readable, unreadable) = open_each(inner, &version.manifest.parts);
        let deleted = deleted(inner, &version.manifest)?;
        let (thinned, whole): (Vec<_>, Vec<_>) = readable.iter().cloned().partition(PartMeta::is_thinned);
        let mut picked = pick(&whole, policy);
        if picked.is_empty() {
            picked = pick(&thinned, policy);
            picked = thinned_that_fit(inner, &thinned, picked);
        }
        if picked.is_empty() {
            picked = stale(inner, &readable, &deleted, policy)?;
        }
        if picked.is_empty() {
            // An explicit compaction reports a part that it could not open; the background thread does not.
            return match unreadable {
                Some(e) if policy == Policy::All => Err(e),
                _ => Ok(stats),
            };
        }
        let inputs: Vec<PartMeta> =
            version.manifest.parts.iter().filter(|p| picked.contains(&p.id)).cloned().collect();
        let (output, dropped) = match inputs[0].is_thinned() {
            true => merge_thinned(inner, &inputs, &deleted, progress)?,
            false => merge_parts(inner, &inputs, &deleted, &Removed::default(), pool, progress)?,
        };
        let mut next = version.manifest.clone();
        let at = next.parts.iter().position(|p| picked.contains(&p.id)).unwrap_or(0);
        next.parts.retain(|p| !picked.contains(&p.id));
        stats.parts_in += inputs.len() as u64;
        stats.parts_out += u64::from(output.is_some());
        stats.points += output.as_ref().map_or(0, |o| o.rows);
        stats.dropped += dropped;
        if let Some(output) = output {
            next.parts.insert(at, output);
        }
        publish_version(inner, next)?;
    }
}

/// The parts that can be opened, and the error of the first that cannot. Such a part is left as it is and does not
/// block the others.
fn open_each(inner: &StoreState, parts: &[PartMeta]) -> (Vec<PartMeta>, Option<Error>) {
    let (mut readable, mut unreadable) = (Vec::new(), None);
    for meta in parts {
        match Part::open(inner.vfs.clone(), &inner.paths.part(meta.id), meta) {
            Ok(_) => readable.push(meta.clone()),
            Err(e) => unreadable = unreadable.or(Some(e)),
        }
    }
    (readable, unreadable)
}
