//! Export: writes the points of a selection to a file or a stream, in the formats that imports read.
//!
//! A file is written under a temporary name in the target's folder, synced, and renamed. It appears whole or not at
//! all, and an existing file stays until then. The temporary file is locked; one that is not was left by an export that was
//! killed, and the next export to the folder removes it.
//!
//! May use: `file_format`, `folder`, `nan_text` and `run_lines` of `exchange`, `select` and `view`.
//!
//! Points go from the query to a sink batch by batch, so memory is bounded for any selection.

#![allow(clippy::disallowed_methods, reason = "the file is the user's, outside of the store")]

mod arrow_sinks;
mod folder;
mod sink;
mod text_sinks;

#[cfg(test)]
mod tests;

use crate::engine::cancel::go_on;
use crate::exchange::file_format::FileFormat;
use crate::select::points::PointStream;
use crate::select::selection::Selection;
use arrow_sinks::{ExportNames, IpcFileSink, IpcStreamSink, ParquetSink};
use sink::{ExportFailure, ExportOutput, ExportSink};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use text_sinks::{CsvSink, JsonLinesSink};
use tidalite_model::{Error, Result};
use tidalite_vfs::{RealVfs, Vfs};

/// The size of the output buffer.
const BUFFER_BYTES: usize = 256 << 10;

/// How the name of a temporary file begins and ends.
const TEMPORARY: &str = ".tidalite-export-";
const TEMPORARY_END: &str = ".tmp";
/// How often a temporary file is made anew.
const CREATE_TRIES: u32 = 8;

/// Stands for the path in errors of an output without one.
const STREAM: &str = "output";

impl Selection {
    /// Writes the points to a file and returns their number. An existing file is replaced once the new one is complete
    /// and synced. `progress` receives the number of points written so far.
    ///
    /// The columns are `run`, `metric`, `labels`, `step`, `time` and `value`, as in [`points`](Self::points). In CSV
    /// and JSON lines, times are RFC 3339 in UTC with microseconds. Values that are not finite are words: `NaN`, `inf`
    /// and `-inf` in CSV, `"NaN"`, `"Infinity"` and `"-Infinity"` in JSON. NaNs with other bits are `-NaN` or like
    /// `NaN(0x8000000000001)`. An Arrow file has a footer and is uncompressed; Parquet is compressed with zstd.
    /// [`Store::import`](crate::Store::import) reads each format back, bit for bit.
    ///
    /// ```
    /// use tidalite::{FileFormat, Import, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..100 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// let file = dir.path().join("loss.parquet");
    /// let points = store.select().metric("loss").export(&file, FileFormat::Parquet)?;
    /// assert_eq!(points, 100);
    /// # let other = Store::open(dir.path().join("other"))?;
    /// assert_eq!(other.import(&file, &Import::new())?.points, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` where `path` is a folder or a device; `NotFound`, `Full`, `Io` from the file.
    /// No file is made or replaced then.
    pub fn export(&self, path: impl AsRef<Path>, format: FileFormat) -> Result<u64> {
        self.export_with(path, format, &|_| ControlFlow::Continue(()))
    }

    /// As [`export`](Self::export); calls `progress` with the number of points written so far.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// use tidalite::FileFormat;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// let written = Cell::new(0);
    /// let file = dir.path().join("loss.csv");
    /// store.select().export_with(&file, FileFormat::Csv, &|points| {
    ///     written.set(points);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(written.get(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`export`](Self::export).
    pub fn export_with(
        &self,
        path: impl AsRef<Path>,
        format: FileFormat,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<u64> {
        let path = place_of(path.as_ref())?;
        let failed = |e: io::Error| Error::io("export", &path, e);
        let unfinished = Unfinished::create(&path).map_err(failed)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &unfinished.file);
        let points = match format {
            FileFormat::ArrowIpc => {
                // An Arrow file has one dictionary per column for all batches, so all names are needed first.
                let names = ExportNames::of(self)?;
                let stream = self.points()?;
                drain(stream, IpcFileSink::start(&mut out, names), &path, progress)?
            }
            other => self.write_format(&mut out, &path, other, progress)?,
        };
        out.flush().map_err(failed)?;
        drop(out);
        unfinished.publish(&path).map_err(failed)?;
        Ok(points)
    }

    /// Writes the points to a stream, such as standard output, and returns their number. The content is as in
    /// [`export`](Self::export), except that Arrow uses its stream format.
    ///
    /// ```
    /// use tidalite::FileFormat;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # store.run("a").start()?.log(0, &[("loss", f64::NAN)])?;
    /// let mut csv = Vec::new();
    /// store.select().write_to(&mut csv, FileFormat::Csv)?;
    /// let csv = String::from_utf8(csv)?;
    /// assert!(csv.starts_with("run,metric,labels,step,time,value\na,loss,,0,20"));
    /// assert!(csv.ends_with("Z,NaN\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); those of the output, with the [`io::Error`] as source:
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the reader is gone.
    pub fn write_to(&self, out: &mut (dyn Write + Send), format: FileFormat) -> Result<u64> {
        let path = Path::new(STREAM);
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
        let points = self.write_format(&mut out, path, format, &|_| ControlFlow::Continue(()))?;
        out.flush().map_err(|e| Error::io("export", path, e))?;
        Ok(points)
    }

    fn write_format(
        &self,
        out: ExportOutput<'_>,
        path: &Path,
        format: FileFormat,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<u64> {
        // Checks the selection before anything is written.
        let stream = self.points()?;
        let sink = match format {
            FileFormat::Parquet => ParquetSink::start(out),
            FileFormat::Csv => CsvSink::start(out),
            FileFormat::JsonLines => Ok(JsonLinesSink::start(out)),
            FileFormat::ArrowIpc => IpcStreamSink::start(out),
        };
        drain(stream, sink, path, progress)
    }
}

fn drain(
    stream: PointStream,
    sink: Result<Box<dyn ExportSink + '_>, ExportFailure>,
    path: &Path,
    progress: &dyn Fn(u64) -> ControlFlow<()>,
) -> Result<u64> {
    let failed = |failure: ExportFailure| failure.into_error(path);
    let mut sink = sink.map_err(failed)?;
    let mut points = 0;
    for batch in stream {
        let batch = batch?;
        sink.write(&batch).map_err(failed)?;
        points += batch.num_rows() as u64;
        go_on(progress(points))?;
    }
    sink.finish().map_err(failed)?;
    Ok(points)
}

/// The path to rename to: links are followed. Folders and devices are refused, because renaming would replace them.
fn place_of(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        Ok(about) if about.is_file() => fs::canonicalize(path).map_err(|e| Error::io("export", path, e)),
        Ok(about) => {
            let what = if about.is_dir() { "it is a folder" } else { "it is not a regular file" };
            Err(Error::invalid("export", what, "give the path of a file, or write to standard output")
                .at(path))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(path.to_path_buf()),
        Err(e) => Err(Error::io("export", path, e)),
    }
}

/// A file under its temporary name, removed unless published.
struct Unfinished {
    file: File,
    path: PathBuf,
    folder: PathBuf,
}

impl Unfinished {
    fn create(place: &Path) -> io::Result<Self> {
        let folder = match place.parent() {
            Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
            _ => PathBuf::from("."),
        };
        remove_leftovers(&folder);
        for _ in 0..CREATE_TRIES {
            // The target's name plus a suffix could exceed the longest file name.
            let id = RealVfs::new().uuid();
            let path = folder.join(format!("{TEMPORARY}{}{TEMPORARY_END}", id.simple()));
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            // Shows to other exports that somebody writes it. Without locks nobody removes what others left.
            let _ = file.lock();
            let unfinished = Unfinished { file, path, folder: folder.clone() };
            // Another export may have taken it for a leftover before it was locked.
            if unfinished.path.exists() {
                return Ok(unfinished);
            }
        }
        Err(io::Error::other("other exports keep removing the temporary file"))
    }

    fn publish(self, place: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, place)?;
        sync_folder(&self.folder)
    }
}

/// Removes the temporary files of exports that were killed: those that nobody has locked. Best effort.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = |name: &str| name.starts_with(TEMPORARY) && name.ends_with(TEMPORARY_END);
        if !name.to_str().is_some_and(ours) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let unused = OpenOptions::new().write(true).open(entry.path()).is_ok_and(|f| f.try_lock().is_ok());
        if unused {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes the names in a folder durable, where the file system can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot sync a folder. The names are there anyway.
        Err(e) if !matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(e),
        _ => Ok(()),
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // A published file no longer has this name.
        let _ = fs::remove_file(&self.path);
    }
}
