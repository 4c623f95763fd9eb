//! How much memory and how many threads one job may use: a flush, a compaction, a bulk append.
//!
//! A job by hand may use two thirds of the memory option, and the allocator the last one, for what it cannot reuse at
//! once. A job in the background may use a quarter. Half of the room is for tiles that are being built, the rest for what the
//! job knows of parts: series tables, page indexes, rollups.

use super::options::Options;
use super::state::StoreState;
use rayon::ThreadPool;
use std::fmt::Display;
use tidalite_model::{Error, ErrorAdvice, ErrorKind, Result};

/// The room of one job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobRoom<'a> {
    pub(crate) memory_bytes: u64,
    pub(crate) pool: &'a ThreadPool,
    /// Whether freed memory is given back within the job.
    trims: bool,
}

/// The share of the memory option that background work may use.
const BACKGROUND_SHARE: u64 = 4;
/// A thread that has less room than this would build tiles too small to compress well.
const THREAD_BYTES_MIN: u64 = 32 << 20;
/// Bytes of a thread's room for each row of a tile. While a row is read, merged and encoded it takes about 130; a tile may
/// come out twice as large as planned.
const TILE_ROW_BYTES: u64 = 512;
/// The fewest rows of a tile, however small the room is.
const TILE_ROWS_MIN: usize = 1 << 14;
/// Bytes that each row of a part adds while it is written: the rollups of 256 rows take almost a kilobyte.
const ROLLUP_BYTES_PER_ROW: u64 = 4;

/// The error of what does not fit into the memory option: `what` says how much it takes, `ask_for_less` how to need less.
pub(crate) fn too_large(
    options: &Options,
    doing: &'static str,
    what: impl Display,
    ask_for_less: &str,
) -> Error {
    Error::new(
        ErrorKind::Full,
        doing,
        format!("{what}, and {} MiB are allowed", options.memory_bytes >> 20),
        format!("{ask_for_less}; or allow more memory by the option memory_bytes"),
    )
    .advising(ErrorAdvice::AllowMemory)
}

/// Below this memory option, freed memory is given back to the kernel within a job: a third of a smaller option is less than
/// the allocator keeps.
const TRIM_BELOW_BYTES: u64 = 256 << 20;

/// Called where a caller waits and much memory has been freed. Not in the background: meanwhile the host could not allocate.
pub(crate) fn give_back_freed(options: &Options) {
    if is_small(options) {
        tidalite_vfs::trim_heap();
    }
}

fn is_small(options: &Options) -> bool {
    options.memory_bytes < TRIM_BELOW_BYTES
}

impl<'a> JobRoom<'a> {
    /// The room of a job that a caller waits for.
    ///
    /// # Errors
    /// `Io` if threads cannot be started.
    pub(crate) fn by_hand(state: &'a StoreState) -> Result<Self> {
        let memory_bytes = state.options.memory_bytes / 3 * 2;
        Ok(JobRoom { memory_bytes, pool: state.pool.get()?, trims: is_small(&state.options) })
    }

    /// The room of background work in these threads.
    pub(crate) fn background(state: &StoreState, pool: &'a ThreadPool) -> Self {
        JobRoom { memory_bytes: state.options.memory_bytes / BACKGROUND_SHARE, pool, trims: false }
    }

    /// Called when a step of the job has freed what it used.
    pub(crate) fn give_back_freed(&self) {
        if self.trims {
            tidalite_vfs::trim_heap();
        }
    }

    /// Half of the room, for a job that holds rows of logs in memory beside what it writes.
    pub(crate) fn half(self) -> Self {
        JobRoom { memory_bytes: self.memory_bytes / 2, ..self }
    }

    /// What is left of the room beside so many bytes that the job holds throughout; a quarter at least.
    pub(crate) fn beside(self, bytes: u64) -> Self {
        let memory_bytes = self.memory_bytes.saturating_sub(bytes).max(self.memory_bytes / 4);
        JobRoom { memory_bytes, ..self }
    }

    /// How many tiles are built at a time.
    pub(crate) fn threads(&self) -> usize {
        let fitting = usize::try_from(self.memory_bytes / THREAD_BYTES_MIN).unwrap_or(usize::MAX);
        self.pool.current_num_threads().min(fitting).max(1)
    }

    /// The rows of a tile: `wanted`, or fewer where the room is small.
    pub(crate) fn tile_rows(&self, wanted: usize) -> usize {
        let fitting = self.memory_bytes / self.threads() as u64 / TILE_ROW_BYTES;
        wanted.min(usize::try_from(fitting).unwrap_or(usize::MAX).max(TILE_ROWS_MIN))
    }

    /// The most rows of a part that is made of several.
    pub(crate) fn part_rows(&self, wanted: u64) -> u64 {
        wanted.min(self.memory_bytes / 2 / ROLLUP_BYTES_PER_ROW)
    }

    /// The bytes that the rollups of so many rows take until their part is finished; `None` if that is more than half of the
    /// room.
    pub(crate) fn rollup_bytes(&self, rows: u64) -> Option<u64> {
        Some(rows.saturating_mul(ROLLUP_BYTES_PER_ROW)).filter(|bytes| *bytes <= self.memory_bytes / 2)
    }

    /// Bytes of series tables and page indexes that may be open together.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.memory_bytes / 4
    }
}
