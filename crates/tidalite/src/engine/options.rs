//! Options for opening a store.

use std::sync::Arc;
use std::time::Duration;
use tidalite_log::Durability;
use tidalite_parts::{PartOptions, ValueEncoding};
use tidalite_vfs::{RealVfs, Vfs};

/// Options for opening a store; [`Store::open`](crate::Store::open) uses the defaults.
///
/// ```
/// use tidalite::{Durability, Options};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("metrics");
/// let store = Options::new().durability(Durability::Row).memory_bytes(64 << 20).open(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    pub(crate) read_only: bool,
    pub(crate) durability: Durability,
    pub(crate) memory_bytes: u64,
    pub(crate) threads: usize,
    pub(crate) open_files: Option<usize>,
    pub(crate) background: bool,
    pub(crate) flush_bytes: u64,
    pub(crate) flush_interval: Duration,
    pub(crate) grace: Duration,
    pub(crate) segment_bytes: (u64, u64),
    pub(crate) tile_rows: usize,
    pub(crate) part_rows: u64,
    pub(crate) row_bytes: Option<u64>,
    pub(crate) reserve_bytes: Option<u64>,
    /// Whether the store is opened to salvage what is sound, whatever is damaged.
    pub(crate) salvages: bool,
    pub(crate) rollups: (u32, u32),
    pub(crate) table_series_points: u32,
    pub(crate) value_encoding: ValueEncoding,
    pub(crate) vfs: Arc<dyn Vfs>,
}

/// Maximum rows of a part. At 3 bytes per point that is a file of 200 MB, which copies in seconds.
pub(crate) const PART_ROWS_MAX: u64 = 64 << 20;

impl Options {
    /// The defaults: read and write, durability `process`, 256 MiB, all cores, background work on.
    pub fn new() -> Self {
        Options {
            read_only: false,
            durability: Durability::Process,
            memory_bytes: 256 << 20,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
            open_files: None,
            background: true,
            flush_bytes: 32 << 20,
            flush_interval: Duration::from_secs(60),
            grace: Duration::from_secs(60),
            segment_bytes: (256 << 10, 64 << 20),
            tile_rows: 1 << 19,
            part_rows: PART_ROWS_MAX,
            row_bytes: None,
            reserve_bytes: None,
            salvages: false,
            rollups: (256, 32_768),
            table_series_points: PartOptions::default().table_series_points,
            value_encoding: ValueEncoding::Least,
            vfs: Arc::new(RealVfs::new()),
        }
    }

    /// Opens the store for reading only: it must exist, and nothing in it changes (off by default).
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// When a row becomes safe from a power cut (`Process` by default); see [`Durability`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Memory that flush, compaction and queries together may hold at a time, in bytes (256 MiB by default, at least
    /// 16 MiB). A quarter of it is for the cache of decoded pages. Results returned to the caller do not count.
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.memory_bytes = bytes.max(16 << 20);
        self
    }

    /// Threads for queries, and for flush, compaction and thinning by hand (all cores by default).
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// The most files of parts and logs of this store that are open for reading at a time, at least 16; the least recently
    /// used are closed, and opened again when needed. By default all stores of a process together have a quarter of the
    /// files that the process may open, at most 1,024. Open besides: the logs that this process writes, and parts that are
    /// not flushed yet.
    pub fn open_files(mut self, files: usize) -> Self {
        self.open_files = Some(files.max(OPEN_FILES_MIN));
        self
    }

    /// Whether background threads sync, flush and compact (on by default), and closing the store flushes what is due.
    /// Without them, durability `Process` and `Interval` sync only by [`Store::sync`](crate::Store::sync).
    pub fn background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// The background flushes once this many bytes of all logs of the store wait for it, whoever wrote them (32 MiB by
    /// default), or a minute after the newest version if any do.
    pub fn flush_bytes(mut self, bytes: u64) -> Self {
        self.flush_bytes = bytes;
        self
    }

    /// How long the files of replaced parts stay for readers that cannot pin them, such as another tool that reads them by
    /// path (60 s by default). Two jobs by hand do not wait, unless a snapshot pins the files: a compaction deletes all
    /// replaced files, so that the folder then holds exactly the live ones, and a thinning those that it replaces itself.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Minimum and maximum size of a log segment in bytes (256 KiB and 64 MiB by default).
    pub fn segment_bytes(mut self, min: u64, max: u64) -> Self {
        self.segment_bytes = (min, max.max(min));
        self
    }

    /// Target number of rows of a tile, which is a row group of a part (524,288 by default, at most 1,048,576).
    pub fn tile_rows(mut self, rows: usize) -> Self {
        self.tile_rows = rows.clamp(1, 1 << 20);
        self
    }

    /// Most points of a part that a compaction makes of several (67,108,864 by default). Tests set it low.
    #[doc(hidden)]
    pub fn part_rows(mut self, rows: u64) -> Self {
        self.part_rows = rows.clamp(1, PART_ROWS_MAX);
        self
    }

    /// Bytes of rows of logs that are kept in memory (an eighth of the memory option by default); older ones are read again
    /// where they are needed. Tests set it low.
    #[doc(hidden)]
    pub fn row_bytes(mut self, bytes: u64) -> Self {
        self.row_bytes = Some(bytes);
        self
    }

    /// Disk space that is kept in reserve, so that deletions and compactions can empty a full disk. By default a 64th of the
    /// parts, at most 1 MiB and nothing below 128 KiB.
    pub fn reserve_bytes(mut self, bytes: u64) -> Self {
        self.reserve_bytes = Some(bytes);
        self
    }

    /// Approximate points per bucket of a rollup (256 by default; 0 writes no rollups), and the minimum points of a
    /// series in a part to get rollups (32,768 by default). With rollups, charts, bands and aggregates over long series
    /// are answered without reading the points. Rollups take about a fifteenth of the space of the points.
    pub fn rollups(mut self, bucket_points: u32, series_points: u32) -> Self {
        self.rollups = (bucket_points, series_points);
        self
    }

    /// Fewest points of a series on average for a part to have a series table (16 by default). Tests set it low.
    #[doc(hidden)]
    pub fn table_series_points(mut self, points: u32) -> Self {
        self.table_series_points = points;
        self
    }

    /// The encoding of values in parts (the smallest by default). Tests force each.
    #[doc(hidden)]
    pub fn value_encoding(mut self, encoding: ValueEncoding) -> Self {
        self.value_encoding = encoding;
        self
    }

    /// Whether rows are written to the log through a mapping of its file (on by default, where the file system allows
    /// it), or by system calls, which take microseconds a row. The kernel ends a process whose mapped file cannot be
    /// written any more: one that was made immutable or shorter by another program, or that is on a disk that fails. By
    /// system calls all of these are errors.
    pub fn mapped_log(mut self, mapped: bool) -> Self {
        self.vfs = Arc::new(if mapped { RealVfs::new() } else { RealVfs::positioned() });
        self
    }

    /// The file system of the store. Tests use a simulated one.
    pub fn vfs(mut self, vfs: Arc<dyn Vfs>) -> Self {
        self.vfs = vfs;
        self
    }
}

/// Fewest files that are open for reading.
const OPEN_FILES_MIN: usize = 16;

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
