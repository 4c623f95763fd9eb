//! How late the writes of a store are, so that a new writer's are later.

use crate::engine::state::StoreState;
use crate::files::manifest;
use tidalite_log::{BatchRef, LogSink, Row};
use tidalite_model::{Result, RunChange, TIME_US_MIN, WriteOrder};
use uuid::Uuid;

/// The greatest clock of a write in the store, as far as it can be read: a new writer must not wait for a repair.
pub(super) fn greatest_clock(inner: &StoreState) -> i64 {
    let mut greatest = GreatestClock(TIME_US_MIN);
    let Ok(version) = manifest::latest(&*inner.vfs, &inner.paths) else { return greatest.0 };
    greatest.note(version.manifest.clock_us);
    for dir in tidalite_log::writers(&*inner.vfs, &inner.paths.log()).unwrap_or_default() {
        let alive = tidalite_log::life(&*inner.vfs, &dir).is_ok_and(|life| life.may_append());
        let from = version.manifest.flushed(dir.writer);
        let _ = tidalite_log::replay(&*inner.vfs, &dir, from, alive, &mut greatest);
    }
    greatest.0
}

/// Keeps the greatest clock of a log, and nothing else.
struct GreatestClock(i64);

impl GreatestClock {
    fn note(&mut self, clock_us: i64) {
        self.0 = self.0.max(clock_us);
    }
}

impl LogSink for GreatestClock {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.note(row.written.clock_us(row.time_us));
        Ok(())
    }

    fn points(&mut self, batch: BatchRef<'_>) -> Result<()> {
        self.note(batch.clock_us());
        Ok(())
    }

    fn change(&mut self, order: WriteOrder, _: &str, _: RunChange) -> Result<()> {
        self.note(order.clock_us);
        Ok(())
    }

    fn part(&mut self, order: WriteOrder, _: Uuid, _: &[u8]) -> Result<()> {
        self.note(order.clock_us);
        Ok(())
    }
}
