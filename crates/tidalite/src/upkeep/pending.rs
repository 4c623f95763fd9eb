//! What waits for a flush or for collection in the whole store, and whether that is due.
//!
//! A look needs no lock, and reads no frames: of each log one small read says where it ends, and the newest version says how
//! far it is flushed. Ends of dead writers' logs are remembered. A look may be wrong about a log that grows meanwhile, so
//! what it says is true or was true a moment ago.

use crate::engine::state::StoreState;
use crate::files::manifest;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tidalite_log::{Life, WriterDir};
use tidalite_model::{ErrorKind, Result};
use uuid::Uuid;

/// The number of dead writers' folders that is worth a flush: each costs a reader a few system calls.
const FOLDERS_MAX: usize = 16;

/// What one process knows of a store's logs from look to look.
#[derive(Debug, Default)]
pub(super) struct PendingLooks {
    version: Option<KnownVersion>,
    writers: HashMap<Uuid, KnownLog>,
}

/// The newest version, as far as it decides when to flush.
#[derive(Debug)]
struct KnownVersion {
    number: u64,
    published_us: i64,
    /// When this process saw it first.
    seen: Instant,
    /// Of each writer, how far its log is flushed, and whether its files are kept as evidence.
    flushed: HashMap<Uuid, (u64, bool)>,
}

/// What is known of one writer's log.
#[derive(Debug, Default)]
struct KnownLog {
    /// Its end, once its writer is dead.
    last: Option<u64>,
    /// A round has worked on the log up to this position. What it left there is not worth another one: a torn tail, or
    /// frames that only mark how far the log is durable.
    worked: u64,
    /// The end at the last look.
    end: u64,
    /// Whether a round has tried to remove the folder.
    tried: bool,
}

/// What waits in all logs of a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pending {
    /// Bytes of logs that are not flushed.
    pub(super) bytes: u64,
    /// Writers that live.
    pub(super) living: usize,
    /// Dead writers' folders with something to flush.
    pub(super) dead: usize,
    /// Dead writers' folders that are flushed whole, and only need to be removed.
    pub(super) finished: usize,
    /// How long ago the newest version was published.
    pub(super) age: Duration,
}

/// What a round is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    Nothing,
    Collect,
    Flush,
}

impl Pending {
    /// What is due, given the bytes and the age at which a store is flushed.
    pub(super) fn due(&self, flush_bytes: u64, flush_interval: Duration) -> Round {
        let old = self.bytes > 0 && self.age >= flush_interval;
        if self.bytes > 0 && (self.bytes >= flush_bytes || old || self.dead >= FOLDERS_MAX) {
            return Round::Flush;
        }
        if self.finished > 0 { Round::Collect } else { Round::Nothing }
    }
}

impl PendingLooks {
    /// Looks at the newest version and at each log.
    ///
    /// # Errors
    /// Disk errors; those of reading the manifest.
    pub(super) fn look(&mut self, state: &StoreState) -> Result<Pending> {
        let (vfs, now_us) = (&*state.vfs, state.vfs.now_us());
        self.look_at_version(state)?;
        let Some(version) = &self.version else { return Ok(Pending::default()) };
        let dirs = tidalite_log::writers(vfs, &state.paths.log())?;
        // A clock that went back must not keep rows from being flushed.
        let by_clock = Duration::from_micros(u64::try_from(now_us - version.published_us).unwrap_or(0));
        let mut pending = Pending { age: by_clock.max(version.seen.elapsed()), ..Pending::default() };
        let mut writers = HashMap::with_capacity(dirs.len());
        for dir in &dirs {
            let mut known = self.writers.remove(&dir.uuid()).unwrap_or_default();
            let (flushed, damaged) = version.flushed.get(&dir.uuid()).copied().unwrap_or_default();
            match known.look(state, dir) {
                // A writer that has only begun, or a folder that has just been removed.
                Ok(false) => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
                Ok(true) => {
                    let left = known.end.saturating_sub(flushed.max(known.worked));
                    pending.bytes += left;
                    let dead = known.last.is_some();
                    pending.living += usize::from(!dead);
                    pending.dead += usize::from(dead && left > 0);
                    pending.finished += usize::from(dead && left == 0 && !damaged && !known.tried);
                }
            }
            writers.insert(dir.uuid(), known);
        }
        self.writers = writers;
        Ok(pending)
    }

    /// Notes that a round has worked on all that the last look found.
    pub(super) fn worked(&mut self) {
        for known in self.writers.values_mut() {
            known.worked = known.worked.max(known.end);
            known.tried = known.last.is_some();
        }
    }

    fn look_at_version(&mut self, state: &StoreState) -> Result<()> {
        let newest = manifest::versions(&*state.vfs, &state.paths)?.last().copied();
        if newest.is_some() && self.version.as_ref().map(|v| v.number) == newest {
            return Ok(());
        }
        let manifest = manifest::latest(&*state.vfs, &state.paths)?.manifest;
        let flushed = manifest.writers.iter().map(|w| (w.id, (w.position, w.damaged))).collect();
        self.version = Some(KnownVersion {
            // A damaged version that is newer is not read at each look.
            number: newest.unwrap_or(manifest.version),
            published_us: manifest.time_us,
            seen: Instant::now(),
            flushed,
        });
        Ok(())
    }
}

impl KnownLog {
    /// Finds the end of the log. `false` if its writer has only begun.
    fn look(&mut self, state: &StoreState, dir: &WriterDir) -> Result<bool> {
        if self.last.is_some() {
            return Ok(true);
        }
        // Before the end is read: only the end of a log whose writer was gone by then is the last one.
        let life = tidalite_log::life(&*state.vfs, dir)?;
        if life == Life::Beginning {
            return Ok(false);
        }
        self.end = tidalite_log::end_position(&*state.vfs, dir)?;
        if life == Life::Over {
            self.last = Some(self.end);
        }
        Ok(true)
    }
}
