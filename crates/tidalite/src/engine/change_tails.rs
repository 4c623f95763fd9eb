//! The changes to runs in the logs, without the rows: what a process needs to start, edit or delete a run.
//!
//! Invariants: memory follows the number of changes and runs, not of rows. Each frame is read once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tidalite_log::{BatchRef, Life, LogSink, Row, SeriesId, TailReader, WriterDir};
use tidalite_model::{Result, RunChange, SeriesKey, TIME_US_MIN, WriteOrder};
use tidalite_vfs::Vfs;

/// The changes in the logs of all writers, as read so far.
#[derive(Debug, Default)]
pub(crate) struct ChangeTails {
    tails: Mutex<BTreeMap<u32, ChangeTail>>,
}

/// What one writer's log says about runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoggedChanges {
    /// Changes that are not flushed yet, in their order.
    pub(crate) changes: Vec<(WriteOrder, String, RunChange)>,
    /// Runs that the log has series of.
    pub(crate) runs: BTreeSet<String>,
    /// The greatest clock of its frames.
    pub(crate) clock_us: i64,
    /// The first ordinal that is not read yet.
    pub(crate) next: u64,
    /// Whether the writer may append more.
    pub(crate) alive: bool,
}

#[derive(Debug)]
struct ChangeTail {
    reader: TailReader,
    logged: LoggedChanges,
}

impl ChangeTails {
    /// Reads what is new in a writer's log, and returns what it says from frame `from` on, of one run or of all.
    ///
    /// # Errors
    /// Those of reading the log.
    pub(crate) fn poll(
        &self,
        vfs: &dyn Vfs,
        dir: &WriterDir,
        from: u64,
        run: Option<&str>,
    ) -> Result<LoggedChanges> {
        self.read(vfs, dir, from, |logged| run.map_or_else(|| logged.clone(), |run| logged.of_run(run)))
    }

    /// As [`poll`](Self::poll), the greatest clock only.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub(crate) fn clock_us(&self, vfs: &dyn Vfs, dir: &WriterDir, from: u64) -> Result<i64> {
        self.read(vfs, dir, from, |logged| logged.clock_us)
    }

    fn read<T>(
        &self,
        vfs: &dyn Vfs,
        dir: &WriterDir,
        from: u64,
        of: impl Fn(&LoggedChanges) -> T,
    ) -> Result<T> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || ChangeTail {
            reader: TailReader::new(dir.clone(), from),
            logged: LoggedChanges { clock_us: TIME_US_MIN, next: from, ..LoggedChanges::default() },
        };
        let tail = tails.entry(dir.writer).or_insert_with(fresh);
        // All of it is flushed, so its segments may be gone.
        if tail.logged.next <= from {
            *tail = fresh();
        }
        tail.logged.changes.retain(|(order, _, _)| order.seq.ordinal() >= from);
        if tail.reader.is_finished() && tail.reader.dir() == dir {
            return Ok(of(&tail.logged));
        }
        let life = tidalite_log::life(vfs, dir)?;
        tail.logged.alive = life == Life::Living;
        let replayed = tail.reader.poll(vfs, life.may_append(), &mut tail.logged)?;
        tail.logged.next = tail.logged.next.max(replayed.next_ordinal);
        Ok(of(&tail.logged))
    }

    /// Drops everything that was read.
    pub(crate) fn forget(&self) {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Drops the changes of all writers but these.
    pub(crate) fn keep(&self, writers: &BTreeSet<u32>) {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner).retain(|w, _| writers.contains(w));
    }
}

impl LoggedChanges {
    /// What it says of one run. The others are not copied, since there may be thousands.
    fn of_run(&self, run: &str) -> LoggedChanges {
        LoggedChanges {
            changes: self.changes.iter().filter(|(_, of, _)| of == run).cloned().collect(),
            runs: self.runs.get(run).cloned().into_iter().collect(),
            ..*self
        }
    }
}

impl LogSink for LoggedChanges {
    fn series(&mut self, _: SeriesId, key: &SeriesKey) -> Result<()> {
        if !self.runs.contains(&*key.run) {
            self.runs.insert(key.run.to_string());
        }
        Ok(())
    }

    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.clock_us = self.clock_us.max(row.written.clock_us(row.time_us));
        Ok(())
    }

    fn points(&mut self, batch: BatchRef<'_>) -> Result<()> {
        self.clock_us = self.clock_us.max(batch.clock_us());
        Ok(())
    }

    fn change(&mut self, order: WriteOrder, run: &str, change: RunChange) -> Result<()> {
        self.clock_us = self.clock_us.max(order.clock_us);
        self.changes.push((order, run.to_string(), change));
        Ok(())
    }

    fn part(&mut self, order: WriteOrder, _: uuid::Uuid, _: &[u8]) -> Result<()> {
        self.clock_us = self.clock_us.max(order.clock_us);
        Ok(())
    }
}
