//! Import: appends points from CSV, JSON lines, Parquet and Arrow IPC files of other tools.
//!
//! 1. Match the file's columns with those of the long form, by name or mapping (`map`).
//! 2. Read each row as cells (`csv`, `jsonl`; `parquet` and `ipc` over `columns`).
//! 3. Turn cells into points by the same rules for all formats (`cell`): one per row (`long`) or one per metric
//!    (`wide`).
//! 4. Collect points and append each batch as one unit (`batch`).
//!
//! May use: `file_format`, `folder`, `nan_text` and `run_lines` of `exchange`, `write` and `upkeep` (to append), `view` and
//! `engine`.
//!
//! Invariant: a row is imported whole, or the import stops there and reports where (`fault`). No row is skipped.

mod batch;
mod cell;
mod columns;
mod csv;
mod fault;
mod folder;
mod guard;
mod ipc;
mod json_object;
mod jsonl;
mod long;
mod map;
mod metered;
pub(crate) mod options;
mod parquet;
mod wide;

#[cfg(test)]
mod tests;

use crate::engine::store::Store;
use crate::exchange::file_format::FileFormat;
use batch::PointBatch;
use fault::ImportFault;
use options::{Import, ImportStats};
use std::cell::Cell;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use tidalite_model::Result;

impl Store {
    /// Appends the points of a file.
    ///
    /// A **long** table has one row per point, with the columns `run`, `metric`, `value` and optionally `step`, `time`
    /// and `labels` (text such as `host=a,rank=3`; in JSON also an object). A **wide** table has one column per metric
    /// next to `run`, `step`, `time` and `labels`. An empty or null metric cell of a wide table gives no point and is
    /// counted. Any other empty cell is an error, except in `labels`, where it means no labels.
    ///
    /// - Without `step`, steps are automatic, as those of [`Run::log`](crate::Run::log): no point is a repeat of another.
    ///   They count on after the greatest step of the run, so that a second file adds to the first: for each series, or
    ///   in a wide table for the rows of each run and labels. In a batch they count in order of time, then of the file.
    /// - Without `time`, all points get the time of the import. Times are typed timestamps, RFC 3339 text (UTC if it
    ///   has no offset), or numbers in the given [unit](Import::time_unit).
    /// - Values are numbers of any type, or words such as `NaN`, `inf` and `-Infinity`. Bits are kept.
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
    /// `Invalid`, naming the file, the line or row (from 1), the column, and what to do, for a cell of a wrong type, a missing or
    /// unknown column, a null, or a damaged file; `Unsupported` for an unknown extension or compression; `NotFound`, `Io`; and
    /// those of [`append`](Store::append).
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
        let outright = |fault: ImportFault| fault.into_error(path, 0);
        import.check().map_err(outright)?;
        if folder::is_exported(path) {
            return folder::load(self, path, import, progress);
        }
        let is_tsv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv"));
        let format = match import.format {
            Some(format) => format,
            None if is_tsv => FileFormat::Csv,
            None => FileFormat::from_extension(path)?,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the file to import is the user's, outside of the store"
        )]
        let file = File::open(path).map_err(|e| outright(ImportFault::Read(e)))?;
        let about = file.metadata().map_err(|e| outright(ImportFault::Read(e)))?;
        if about.is_dir() {
            return Err(outright(ImportFault::wrong(
                "it is a folder without runs.jsonl, so no export wrote it",
                "give the path of a file",
            )));
        }
        let bytes_done = Cell::new(0);
        let mut batch = PointBatch::new(self, import.automatic, &bytes_done, about.len(), progress);
        let done = match format {
            FileFormat::Csv => {
                let delimiter = import.delimiter.unwrap_or(if is_tsv { '\t' } else { ',' });
                let delimiter = u8::try_from(delimiter).expect("checked to be ASCII");
                csv::load(&file, import, delimiter, &mut batch, now_us)
            }
            FileFormat::JsonLines => jsonl::load(&file, import, &mut batch, now_us),
            FileFormat::Parquet => parquet::load(&file, import, &mut batch, now_us),
            FileFormat::ArrowIpc => ipc::load(&file, import, &mut batch, now_us),
        };
        match done.and_then(|()| batch.flush()) {
            Ok(()) => Ok(batch.stats),
            Err(fault) => Err(fault.into_error(path, batch.stats.rows)),
        }
    }
}
