//! The store: opening one, and everything that is asked of it.
//!
//! A [`Store`] is cheap to clone and may be used from many threads. After a fork the child's calls go to a state of its
//! own ([`Generation`]): its own log writer, locks and threads, since those of the parent are not usable there.

use crate::collect;
use crate::compact::{self, CompactStats, Policy};
use crate::flush::{self, FlushStats};
use crate::maintain::Worker;
use crate::manifest::{self, Manifest};
use crate::options::Options;
use crate::places::{MARKER, Places};
use crate::run::{Counter, RunBuilder};
use crate::sealed;
use crate::select::Select;
use crate::snapshot::{Snapshot, TailCache};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tidalite_log::{Log, LogOptions, Watermark};
use tidalite_model::{Error, ErrorKind, Result, RunInfo, Seq};
use tidalite_parts::PageCache;
use tidalite_query::RunFilter;
use tidalite_vfs::{ForkGuard, Vfs};
use uuid::Uuid;

/// An open store. Cheap to clone; `Send + Sync`.
///
/// ```
/// let dir = tempfile::tempdir()?;
/// let store = tidalite::Store::open(dir.path().join("metrics"))?;
/// let run = store.run("resnet-42").param("lr", 3e-4).start()?;
/// run.log(0, &[("loss", 2.3), ("acc", 0.1)])?;
/// run.log(1, &[("loss", 1.9), ("acc", 0.3)])?;
/// run.finish()?;
/// let points = store.select().metric("loss").runs("resnet-*").points()?.collect()?;
/// assert_eq!(points.num_rows(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    first: Arc<Generation>,
}

/// The state of one process; a forked child makes the next.
#[derive(Debug)]
struct Generation {
    inner: Arc<Inner>,
    child: OnceLock<Result<Arc<Generation>>>,
}

/// What a store holds in one process.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) places: Places,
    pub(crate) options: Options,
    pub(crate) cache: TailCache,
    /// Decoded pages of the parts that are open.
    pub(crate) pages: Arc<PageCache>,
    pub(crate) counters: Mutex<HashMap<String, Arc<Counter>>>,
    id: Uuid,
    fork: ForkGuard,
    log: OnceLock<Arc<Log>>,
    making_log: Mutex<()>,
    pool: OnceLock<rayon::ThreadPool>,
    worker: Mutex<Option<Worker>>,
    closed: AtomicBool,
}

/// One in so many bytes of the memory option is for decoded pages.
const PAGES_SHARE: u64 = 4;

/// How long a flush or compaction by hand waits for somebody else's to end.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// How long a reader waits for a store that is being made: two syncs, on a slow disk.
const MAKING_WAIT: Duration = Duration::from_secs(1);

impl Store {
    /// Opens the store in the folder `path` for reading and writing, and makes it if absent.
    ///
    /// # Errors
    /// See [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        Options::new().open(path)
    }

    pub(crate) fn open_with(path: &Path, options: Options) -> Result<Store> {
        let inner = Inner::open(path, options)?;
        Ok(Store { first: Arc::new(Generation { inner, child: OnceLock::new() }) })
    }

    /// This process's state: the last of the chain of forks.
    pub(crate) fn inner(&self) -> Result<&Arc<Inner>> {
        let mut generation = &self.first;
        while generation.inner.fork.forked() {
            let parent = &generation.inner;
            let child = generation.child.get_or_init(|| {
                let inner = Inner::open(parent.places.root(), parent.options.clone())?;
                Ok(Arc::new(Generation { inner, child: OnceLock::new() }))
            });
            generation = child.as_ref().map_err(Error::duplicate)?;
        }
        let inner = &generation.inner;
        if inner.closed.load(Ordering::Acquire) {
            return Err(Error::invalid("use store", "it is closed", "open it again").at(inner.places.root()));
        }
        Ok(inner)
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        self.first.inner.places.root()
    }

    /// The store's id, made with it.
    pub fn id(&self) -> Uuid {
        self.first.inner.id
    }

    /// Begins a run, or takes part in one that exists. Ids are any text of 1 to 4,096 bytes.
    pub fn run(&self, id: impl Into<String>) -> RunBuilder {
        RunBuilder::new(self.clone(), Some(id.into()))
    }

    /// Begins a run with a generated id, which sorts by time of creation.
    pub fn new_run(&self) -> RunBuilder {
        RunBuilder::new(self.clone(), None)
    }

    /// All runs, ascending by id.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn runs(&self) -> Result<Vec<RunInfo>> {
        Ok(self.snapshot()?.runs())
    }

    /// The runs that a filter takes, ascending by id.
    ///
    /// ```
    /// use tidalite::RunFilter;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").tag("baseline").start()?;
    /// store.run("b").start()?;
    /// let found = store.runs_where(&RunFilter::parse("tags has \"baseline\"")?)?;
    /// assert_eq!(found[0].id, "a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn runs_where(&self, filter: &RunFilter) -> Result<Vec<RunInfo>> {
        Ok(self.snapshot()?.runs_where(filter))
    }

    /// A fixed set of rows to read from. Never blocks a writer.
    ///
    /// # Errors
    /// `Corrupt` where the manifest, run table or a series table is damaged beyond reading; `Io`.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::take(self.inner()?)
    }

    /// A selection over what the store holds when it is asked for an answer; see [`Select`].
    pub fn select(&self) -> Select {
        Select::of_store(self.clone())
    }

    /// Returns once every row accepted before the call is on the disk.
    ///
    /// # Errors
    /// `Io` where the sync failed; the writer is then poisoned, since a failed sync must not be retried.
    pub fn sync(&self) -> Result<()> {
        match self.inner()?.log.get() {
            Some(log) => log.sync(),
            None => Ok(()),
        }
    }

    /// How far this process's rows are: accepted, and durable.
    ///
    /// # Errors
    /// `Invalid` where the store is closed.
    pub fn watermark(&self) -> Result<Watermark> {
        Ok(self.inner()?.log.get().map(|log| log.watermark()).unwrap_or_default())
    }

    /// Waits until the row of this order is on the disk; `false` where `timeout` passed first.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn wait_durable(&self, seq: Seq, timeout: Option<Duration>) -> Result<bool> {
        match self.inner()?.log.get() {
            Some(log) => log.wait_durable(seq, timeout),
            None => Ok(true),
        }
    }

    /// Moves every accepted row from logs into a part, durably. Other processes may go on logging.
    ///
    /// # Errors
    /// `Busy` where another process flushes or compacts for more than a minute; `Full`, `Io`.
    pub fn flush(&self) -> Result<FlushStats> {
        self.flush_with(&|_| {})
    }

    /// As [`flush`](Self::flush); `progress` is told the points written with each tile.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn flush_with(&self, progress: &dyn Fn(u64)) -> Result<FlushStats> {
        let inner = self.writable()?;
        inner.seal()?;
        let _lock = inner.lock_waiting()?;
        let stats = flush::flush_all(inner, inner.pool()?, progress)?;
        inner.collect(0)?;
        Ok(stats)
    }

    /// Flushes, then merges parts as far as is useful, and removes what was replaced.
    ///
    /// # Errors
    /// As [`flush`](Self::flush); `Corrupt` where a part is damaged: it stays as it is, and so does what it would have been
    /// merged with.
    pub fn compact(&self) -> Result<CompactStats> {
        self.compact_with(&|_, _| {})
    }

    /// As [`compact`](Self::compact); `progress` is told points done and points in all, of each merge.
    ///
    /// # Errors
    /// As [`compact`](Self::compact).
    pub fn compact_with(&self, progress: &dyn Fn(u64, u64)) -> Result<CompactStats> {
        let inner = self.writable()?;
        inner.seal()?;
        let _lock = inner.lock_waiting()?;
        let flushed = flush::flush_all(inner, inner.pool()?, &|_| {})?;
        let compacted = compact::compact_all(inner, Policy::All, inner.pool()?, progress);
        inner.collect(0)?;
        Ok(CompactStats { flushed: flushed.points, ..compacted? })
    }

    /// Seals this process's log, stops its threads and releases its locks. Later calls fail; other processes and other
    /// stores are not concerned. Dropping the last clone does the same.
    ///
    /// # Errors
    /// `Io` where the last rows could not be synced; they are in the log all the same.
    pub fn close(&self) -> Result<()> {
        self.inner()?.close()
    }

    /// This process's state, if it may write.
    pub(crate) fn writable(&self) -> Result<&Arc<Inner>> {
        let inner = self.inner()?;
        inner.check_writable()?;
        Ok(inner)
    }
}

impl Inner {
    fn open(path: &Path, options: Options) -> Result<Arc<Inner>> {
        let vfs = options.vfs.clone();
        let places = Places::new(path);
        let id = if options.read_only { read_marker(&*vfs, &places)? } else { create(&*vfs, &places)? };
        // Damage that makes the whole store unreadable is said now, not at the first query.
        if options.read_only {
            wait_until_made(&*vfs, &places);
        }
        manifest::latest(&*vfs, &places)?;
        let pages = usize::try_from(options.memory_bytes / PAGES_SHARE).unwrap_or(usize::MAX);
        Ok(Arc::new(Inner {
            vfs,
            places,
            options,
            cache: TailCache::default(),
            pages: Arc::new(PageCache::new(pages)),
            counters: Mutex::default(),
            id,
            fork: ForkGuard::new(),
            log: OnceLock::new(),
            making_log: Mutex::new(()),
            pool: OnceLock::new(),
            worker: Mutex::new(None),
            closed: AtomicBool::new(false),
        }))
    }

    fn check_writable(&self) -> Result<()> {
        if self.options.read_only {
            return Err(Error::invalid("write to store", "it was opened read-only", "open it for writing")
                .at(self.places.root()));
        }
        Ok(())
    }

    /// This process's log writer, made on first use.
    pub(crate) fn log(self: &Arc<Self>) -> Result<&Arc<Log>> {
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        self.check_writable()?;
        let _making = self.making_log.lock().unwrap_or_else(PoisonError::into_inner);
        if self.log.get().is_none() {
            let mut log_options = LogOptions::default();
            log_options.durability = self.options.durability;
            log_options.background = self.options.background;
            (log_options.segment_bytes_min, log_options.segment_bytes_max) = self.options.segment_bytes;
            let log = self.open_log(log_options)?;
            let _ = self.log.set(Arc::new(log));
            if self.options.background {
                *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(Worker::start(self));
            }
        }
        Ok(self.log.get().expect("set above, under the lock"))
    }

    /// A writer whose ordinal nobody had before. Its folder may have been made, flushed and collected by another
    /// process between the reading of the manifest and the making of ours; then the next one is taken.
    fn open_log(&self, options: LogOptions) -> Result<Log> {
        loop {
            let least = manifest::latest(&*self.vfs, &self.places)?.manifest.writer_next;
            let log = match Log::create(self.vfs.clone(), &self.places.log(), least, options.clone()) {
                // Somebody collected the folder in the moment before it was locked.
                Err(e) if e.kind() == ErrorKind::NotFound && is_store(&*self.vfs, &self.places)? => continue,
                other => other?,
            };
            if manifest::latest(&*self.vfs, &self.places)?.manifest.writer_next <= log.writer() {
                return Ok(log);
            }
        }
    }

    /// Seals this process's log, so that its segments can go once they are flushed. A log that a failed sync has poisoned
    /// stays as it is: what was accepted can be flushed all the same.
    pub(crate) fn seal(&self) -> Result<()> {
        match self.log.get().map(|log| log.seal()) {
            Some(Err(e)) if e.kind() != ErrorKind::Poisoned => Err(e),
            _ => Ok(()),
        }
    }

    /// The log writer, if one was made.
    pub(crate) fn opened_log(&self) -> Option<&Arc<Log>> {
        self.log.get()
    }

    /// Threads for queries and work by hand.
    pub(crate) fn pool(&self) -> Result<&rayon::ThreadPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = thread_pool(self.options.threads, "tidalite-query", || {})?;
        Ok(self.pool.get_or_init(|| pool))
    }

    pub(crate) fn lock_waiting(&self) -> Result<Box<dyn tidalite_vfs::Lock>> {
        let start = Instant::now();
        loop {
            match flush::lock(self) {
                Err(e) if e.kind() == ErrorKind::Busy && start.elapsed() < LOCK_WAIT => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    /// Removes what no version needs; the caller holds the store's lock.
    pub(crate) fn collect(&self, grace_us: i64) -> Result<()> {
        collect::collect(self, grace_us)?;
        let live = manifest::latest(&*self.vfs, &self.places)?.manifest.parts.iter().map(|p| p.id).collect();
        self.cache.keep_parts(&live);
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(worker);
        self.log.get().map_or(Ok(()), |log| log.close())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // In a forked child the parent's threads do not exist: nobody can wait for them. Its log knows by itself.
        if self.fork.forked() {
            let worker = self.worker.get_mut().unwrap_or_else(PoisonError::into_inner).take();
            std::mem::forget(worker);
        } else if !self.is_closed() {
            // The caller who wants to know about errors calls `close`.
            let _ = self.close();
        }
    }
}

/// A pool of our own: the global one may not survive a fork, and belongs to the host program.
pub(crate) fn thread_pool(threads: usize, name: &'static str, start: fn()) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |i| format!("{name}-{i}"))
        .start_handler(move |_| start())
        .build()
        .map_err(|e| {
            Error::new(
                ErrorKind::Io,
                "start threads",
                e.to_string(),
                "check the limits on threads, or ask for fewer",
            )
        })
}

/// Whether the marker of a store is there.
pub(crate) fn is_store(vfs: &dyn Vfs, places: &Places) -> Result<bool> {
    Ok(vfs.stat(&places.marker())?.is_some())
}

fn read_marker(vfs: &dyn Vfs, places: &Places) -> Result<Uuid> {
    let root = places.root();
    match vfs.stat(root)? {
        None => {
            return Err(Error::not_found(
                "open store",
                "there is no such folder",
                "check the path, or open it for writing to make it",
            )
            .at(root));
        }
        Some(s) if !s.is_dir => return Err(not_a_folder(root)),
        Some(_) => {}
    }
    if !is_store(vfs, places)? {
        return Err(
            Error::invalid("open store", "this folder is no tidalite store", "check the path").at(root)
        );
    }
    let opened = sealed::open(vfs, &places.marker(), "store")?;
    Uuid::try_parse(opened.text.trim())
        .map_err(|_| Error::corrupt("open store", &places.marker(), 0, "the store's id in it is no UUID"))
}

fn not_a_folder(root: &Path) -> Error {
    Error::invalid("open store", "it is a file, not a folder", "give the path of a store's folder").at(root)
}

/// Makes a store where there is none, and finishes one that was begun. Several processes may do so at once: each step
/// either makes its file whole or finds it made.
fn create(vfs: &dyn Vfs, places: &Places) -> Result<Uuid> {
    let root = places.root();
    match vfs.stat(root)? {
        Some(s) if !s.is_dir => return Err(not_a_folder(root)),
        Some(_) if !is_store(vfs, places)? => {
            let strangers: Vec<String> =
                vfs.read_dir(root)?.into_iter().filter(|n| !n.starts_with("tmp-")).collect();
            // Between this listing and the check above another process may have made the marker.
            if !strangers.is_empty() && !strangers.iter().any(|n| n == MARKER) {
                return Err(Error::invalid(
                    "open store",
                    format!("this folder is no tidalite store, and holds other things ({:?})", strangers[0]),
                    "give the path of a store, of an empty folder, or of one to be made",
                )
                .at(root));
            }
        }
        Some(_) => {}
        None => create_folders(vfs, root)?,
    }
    if !is_store(vfs, places)? {
        let id = vfs.uuid();
        let tmp = format!("tmp-{}", id.simple());
        tidalite_vfs::publish(vfs, root, &tmp, MARKER, &sealed::seal("store", &id.to_string()))?;
    }
    let id = read_marker(vfs, places)?;
    // A store from before there were rollups.
    if vfs.stat(&places.manifest())?.is_some() && vfs.stat(&places.rollups())?.is_none() {
        vfs.create_dir(&places.rollups())?;
        vfs.sync_dir(root)?;
    }
    if vfs.stat(&places.manifest())?.is_none() || manifest::versions(vfs, places)?.is_empty() {
        for folder in places.folders() {
            vfs.create_dir(&folder)?;
        }
        vfs.sync_dir(root)?;
        manifest::publish(vfs, places, &Manifest::first(id, vfs.now_us()))?;
    }
    Ok(id)
}

/// Waits a moment for a store that another process is making: its marker comes before its first manifest.
fn wait_until_made(vfs: &dyn Vfs, places: &Places) {
    let start = Instant::now();
    while !manifest::versions(vfs, places).is_ok_and(|v| !v.is_empty()) && start.elapsed() < MAKING_WAIT {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Makes a folder and those above it that are missing, each durable in its parent.
pub(crate) fn create_folders(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(p) if p.as_os_str().is_empty() => PathBuf::from("."),
        Some(p) => p.to_path_buf(),
        None => return Ok(()),
    };
    if vfs.stat(&parent)?.is_none() {
        create_folders(vfs, &parent)?;
    }
    vfs.create_dir(path)?;
    vfs.sync_dir(&parent)
}
