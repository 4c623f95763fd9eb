//! Import: appends points from CSV, JSON lines, Parquet and Arrow IPC files of other tools, and from Arrow data in memory.
//!
//! 1. Read text from a file or pipe, compressed or not (`source`, `feed`).
//! 2. Match the columns with those of the long form, by name or mapping (`map`), or by a usual name (`recognise`).
//! 3. Read each row as cells (`csv`, `jsonl`; `parquet` and `ipc` over `columns`).
//! 4. Turn cells into points by the same rules for all formats (`cell`, `number`, `plain_time`, `absent`): one per row
//!    (`long`) or one per metric (`wide`).
//! 5. Collect points and append each batch as one unit (`batch`).
//!
//! May use: `file_format`, `folder`, `nan_text` and `run_lines` of `exchange`, `write` and `upkeep` (to append), `view` and
//! `engine`.
//!
//! Invariant: a row is imported whole, or the import stops there and reports where (`fault`). No row is skipped.

mod absent;
mod batch;
mod cell;
mod columns;
mod csv;
mod fault;
mod feed;
mod folder;
mod guard;
mod ipc;
mod ipc_claims;
mod json_object;
mod jsonl;
mod long;
mod map;
mod metric_columns;
mod number;
pub(crate) mod options;
mod parquet;
mod plain_time;
mod recognise;
mod source;
mod wide;

#[cfg(test)]
mod tests;

use crate::engine::store::Store;
use crate::exchange::file_format::FileFormat;
use crate::upkeep::maintain;
use arrow::record_batch::RecordBatchReader;
use batch::PointBatch;
use columns::ArrowTable;
use fault::ImportFault;
use feed::Feed;
use options::{Import, ImportStats};
use source::{ImportSource, StoredBytes};
use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use tidalite_model::{Result, RunChange, RunEdit};

impl Store {
    /// Appends the points of a file.
    ///
    /// A **long** table has one row per point, with the columns `run`, `metric`, `value` and optionally `step`, `time`
    /// and `labels` (text such as `host=a,rank=3`; in JSON also an object). A **wide** table has one column per metric
    /// next to `run`, `step`, `time` and `labels`. A table with a `value` and no `metric`, and with no other unknown column,
    /// has one metric, named as the [options](Import::metric) or the file say.
    ///
    /// Where no column is named `step` or `time`, one with a usual name of other programs is taken, in any case: `_step`,
    /// `global_step`, `iteration`, `epoch` or `t`; `_timestamp`, `timestamp`, `ts`, `datetime`, `date` or `wall_time`.
    /// [`ImportStats::remarks`] says so.
    ///
    /// - Without `step`, steps are automatic, as those of [`Run::log`](crate::Run::log): no point is a repeat of another.
    ///   They count on after the greatest step of the run, so that a second file adds to the first: for each series, or
    ///   in a wide table for the rows of each run and labels. In a batch they count in order of time, then of the file.
    /// - Without `time`, all points get the time of the import. Times are typed timestamps, RFC 3339 text (UTC if it
    ///   has no offset), or numbers in the given [unit](Import::time_unit), or in one that the first number tells.
    /// - Values are numbers of any type, booleans, or words such as `NaN`, `inf` and `-Infinity`. Bits are kept. A whole
    ///   number that an `f64` cannot hold exactly is an error.
    /// - An absent value gives no point and is counted: an empty or null cell, and in text `NA`, `N/A`, `null`, `None` and
    ///   `<NA>`, besides those that [`Import::null`] names. Any other empty cell is an error, except in labels.
    /// - CSV and JSON lines may be compressed with gzip or zstd, whatever their names say.
    ///
    /// Rows are appended in batches of at most 262,144 points, each as one unit. A failed import keeps the batches before
    /// the fault, and the error says how many rows those are. After correcting the file, the whole of it can be imported
    /// again if it has a column `step`, since the newest point of a step counts by default. Without `step` every import
    /// adds points, so import only the other rows then.
    ///
    /// ```
    /// use tidalite::Import;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let file = dir.path().join("losses.csv");
    /// std::fs::write(&file, "run,metric,step,value\na,loss,0,0.7\na,loss,1,0.5\n")?;
    /// assert_eq!(store.import(&file, &Import::new())?.points, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`, naming the file, the line or row (from 1), the column, and what to do, for a cell of a wrong type, a
    /// missing or unknown column, a null, or a damaged file; `Unsupported` for an unknown extension or compression;
    /// `NotFound`, `Io`; and those of [`append`](Store::append).
    pub fn import(&self, path: impl AsRef<Path>, import: &Import) -> Result<ImportStats> {
        self.import_with(path, import, &|_, _| ControlFlow::Continue(()))
    }

    /// As [`import`](Self::import); calls `progress` with the bytes of the file read so far and those in total (0 where the
    /// size is not known).
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// use tidalite::Import;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let file = dir.path().join("losses.csv");
    /// std::fs::write(&file, "run,step,loss,acc\na,0,0.7,0.4\na,1,0.5,0.6\n")?;
    /// let read = Cell::new(0);
    /// let stats = store.import_with(&file, &Import::new(), &|bytes, _| {
    ///     read.set(bytes);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!((stats.points, read.get()), (4, std::fs::metadata(&file)?.len()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_with(
        &self,
        path: impl AsRef<Path>,
        import: &Import,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<ImportStats> {
        let path = path.as_ref();
        let now_us = self.writable()?.vfs.now_us();
        let outright = |fault: ImportFault| fault.into_error(Some(path), 0);
        import.check().map_err(outright)?;
        if folder::is_exported(path) {
            return folder::load(self, path, import, progress);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the file to import is the user's, outside of the store"
        )]
        let file = File::open(path).map_err(|e| outright(ImportFault::Read(e)))?;
        let about = file.metadata().map_err(|e| outright(ImportFault::Read(e)))?;
        if about.is_dir() {
            return Err(outright(ImportFault::wrong(
                "it is a folder without runs.jsonl, so no export wrote it",
                "give the paths of its files",
            )));
        }
        let name = NamedFile::of(path);
        let format = match import.format {
            Some(format) => format,
            None if name.is_tsv => FileFormat::Csv,
            None => FileFormat::from_extension(path)?,
        };
        let import = Import { file_metric: name.metric, ..import.clone() };
        let bytes_done = Cell::new(0);
        let total = if about.is_file() { about.len() } else { 0 };
        let mut batch = PointBatch::new(self, import.automatic, &bytes_done, total, progress);
        let done = match format {
            FileFormat::Csv | FileFormat::JsonLines => {
                let stored = match about.is_file() {
                    true => Ok(StoredBytes::File(&file)),
                    false => file
                        .try_clone()
                        .map_err(ImportFault::Read)
                        .and_then(Feed::start)
                        .map(StoredBytes::Pipe),
                };
                let tab = name.is_tsv.then_some(b'\t');
                stored.and_then(|stored| load_text(stored, format, &import, tab, &mut batch, now_us))
            }
            FileFormat::Parquet => parquet::load(&file, &import, &mut batch, now_us),
            FileFormat::ArrowIpc => ipc::load(&file, &import, &mut batch, now_us),
        };
        finish(self, &import, done, batch, Some(path))
    }

    /// Appends the points of CSV or JSON lines as they come from a pipe, such as the standard input. Readers see each row
    /// about a second after it came. The [format](Import::format) is by default JSON lines if the first line begins with a
    /// brace, and otherwise CSV. `progress` is called as in [`import_with`](Self::import_with), at least each second.
    ///
    /// A thread reads the pipe. If the import fails, the thread ends with the next bytes that the pipe gives, or its end.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use tidalite::Import;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let pipe: &[u8] = b"step,loss\n0,0.7\n1,0.5\n";
    /// let stats = store.import_stream(pipe, &Import::new().run("a"), &|_, _| ControlFlow::Continue(()))?;
    /// assert_eq!(stats.points, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`import`](Self::import); `Unsupported` for other formats.
    pub fn import_stream(
        &self,
        pipe: impl Read + Send + 'static,
        import: &Import,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<ImportStats> {
        let now_us = self.writable()?.vfs.now_us();
        import.check().map_err(|fault| fault.into_error(None, 0))?;
        let bytes_done = Cell::new(0);
        let mut batch = PointBatch::new(self, import.automatic, &bytes_done, 0, progress);
        let done = match import.format {
            Some(FileFormat::Parquet | FileFormat::ArrowIpc) => Err(ImportFault::unsupported(
                "a pipe of Parquet or Arrow cannot be imported",
                "write it to a file first, or send CSV or JSON lines",
            )),
            format => Feed::start(pipe)
                .and_then(|feed| load_pipe(StoredBytes::Pipe(feed), format, import, &mut batch, now_us)),
        };
        finish(self, import, done, batch, None)
    }

    /// Appends the points of record batches, long or wide, by the rules of [`import`](Self::import). Unlike
    /// [`append`](Self::append) this takes columns of labels and of metrics, and appends batches of at most 262,144 points.
    ///
    /// ```
    /// use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray};
    /// use std::sync::Arc;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let batch = RecordBatch::try_from_iter([
    ///     ("step", Arc::new(Int64Array::from(vec![0, 0])) as ArrayRef),
    ///     ("host", Arc::new(StringArray::from(vec!["a", "b"]))),
    ///     ("loss", Arc::new(Float64Array::from(vec![Some(1.0), None]))),
    /// ])?;
    /// let batches = RecordBatchIterator::new([Ok(batch.clone())], batch.schema());
    /// let stats = store.import_batches(batches, &tidalite::Import::new().run("a").label_column("host"))?;
    /// assert_eq!((stats.points, stats.empty), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_batches(&self, batches: impl RecordBatchReader, import: &Import) -> Result<ImportStats> {
        let now_us = self.writable()?.vfs.now_us();
        import.check().map_err(|fault| fault.into_error(None, 0))?;
        let bytes_done = Cell::new(0);
        let go_on = |_, _| ControlFlow::Continue(());
        let mut batch = PointBatch::new(self, import.automatic, &bytes_done, 0, &go_on);
        let done = load_batches(batches, import, &mut batch, now_us);
        finish(self, import, done, batch, None)
    }
}

/// What the name of a file tells.
struct NamedFile {
    is_tsv: bool,
    /// The name without extensions.
    metric: Option<String>,
}

impl NamedFile {
    fn of(path: &Path) -> NamedFile {
        let plain = FileFormat::without_compression(path);
        NamedFile {
            is_tsv: plain.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv")),
            metric: plain.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned),
        }
    }
}

fn load_text(
    stored: StoredBytes<'_>,
    format: FileFormat,
    import: &Import,
    delimiter: Option<u8>,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> std::result::Result<(), ImportFault> {
    let bytes_done = batch.bytes_done;
    let source = ImportSource::open(stored, bytes_done, &mut || batch.pause())?;
    if source.is_live() {
        batch.set_live();
    }
    match format {
        FileFormat::JsonLines => jsonl::load(source, import, batch, now_us),
        _ => csv::load(source, import, delimiter, batch, now_us),
    }
}

/// Imports a pipe, whose first line tells the format if none is given.
fn load_pipe(
    stored: StoredBytes<'_>,
    format: Option<FileFormat>,
    import: &Import,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> std::result::Result<(), ImportFault> {
    let bytes_done = batch.bytes_done;
    let mut source = ImportSource::open(stored, bytes_done, &mut || batch.pause())?;
    batch.set_live();
    let is_json = match format {
        Some(format) => format == FileFormat::JsonLines,
        None => source.first_line(&mut || batch.pause())?.starts_with(b"{"),
    };
    match is_json {
        true => jsonl::load(source, import, batch, now_us),
        false => csv::load(source, import, None, batch, now_us),
    }
}

fn load_batches(
    batches: impl RecordBatchReader,
    import: &Import,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> std::result::Result<(), ImportFault> {
    let schema = batches.schema();
    let mut table = ArrowTable::new(import, &schema, batch, now_us)?;
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    for read in batches {
        let read = read.map_err(|e| {
            ImportFault::wrong(format!("the record batches gave an error: {e}"), "correct their source")
        })?;
        table.take(&read, &all)?;
    }
    table.finish()
}

/// Appends what is left and what becomes known of the run; gives the result.
fn finish(
    store: &Store,
    import: &Import,
    done: std::result::Result<(), ImportFault>,
    mut batch: PointBatch<'_>,
    path: Option<&Path>,
) -> Result<ImportStats> {
    let done = done.and_then(|()| batch.flush());
    let stats = batch.stats;
    done.and_then(|()| edit_run(store, import).map_err(ImportFault::Store))
        .map_err(|fault| fault.into_error(path, stats.rows))?;
    Ok(stats)
}

fn edit_run(store: &Store, import: &Import) -> Result<()> {
    if let Some(run) = import.run.as_ref().filter(|_| import.edit != RunEdit::default()) {
        maintain::log(store.writable()?)?.append_change(run, &RunChange::Edit(import.edit.clone()))?;
    }
    Ok(())
}
