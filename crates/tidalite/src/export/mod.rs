//! Export: the points of a selection as a file or a stream, in the formats that imports read.
//!
//! A file is written under a temporary name beside its place, synced, and then renamed: it appears whole or not at all,
//! and one that was there before stays until then. It is the caller's file, not the store's, so it goes through std and
//! not through the store's file system.
//!
//! Points go batch by batch from the query to a sink (`arrow_sinks`, `text_sinks`), so memory is bounded whatever the
//! selection.

#![allow(clippy::disallowed_methods, reason = "the file is the user's, outside of the store")]

mod arrow_sinks;
mod text_sinks;

#[cfg(test)]
mod tests;

use crate::file_format::FileFormat;
use crate::select::{PointStream, Select};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow_sinks::{IpcFileSink, IpcStreamSink, Names, ParquetSink};
use parquet::errors::ParquetError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use text_sinks::{CsvSink, JsonLinesSink};
use tidalite_model::{Error, ErrorKind, Result};
use uuid::Uuid;

/// What is handed to the output at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// The name in errors of an output that has no path.
const STREAM: &str = "output";

/// A writer of one format.
trait Sink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure>;
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}

/// An output, as the writers of Parquet need it.
type Output<'o> = &'o mut (dyn Write + Send);

/// Why a sink failed.
enum Failure {
    Io(io::Error),
    Format(String),
}

impl Select {
    /// Writes the points to a file, and gives their number. A file of that name is replaced once the new one is whole and
    /// on the disk. `progress` is told the points written so far.
    ///
    /// The columns are `run`, `metric`, `labels`, `step`, `time` and `value`, as in [`points`](Self::points). In CSV and JSON
    /// lines, times are RFC 3339 in UTC with microseconds, and values that are no numbers are words: `NaN`, `inf` and `-inf` in
    /// CSV, `"NaN"`, `"Infinity"` and `"-Infinity"` in JSON; other NaNs than the usual one are `-NaN` and such as
    /// `NaN(0x8000000000001)`. [`Store::import`](crate::Store::import) reads each format back, bit for bit. An Arrow file is
    /// one with a footer, uncompressed; Parquet is compressed with zstd.
    ///
    /// ```
    /// use tidalite::{FileFormat, Import, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..100 { run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?; }
    /// let file = dir.path().join("loss.parquet");
    /// let points = store.select().metric("loss").export(&file, FileFormat::Parquet, &|_| {})?;
    /// assert_eq!(points, 100);
    /// # let other = Store::open(dir.path().join("other"))?;
    /// assert_eq!(other.import(&file, &Import::new(), &|_, _| {})?.points, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` where `path` is a folder or a device; `NotFound`, `Full`, `Io` from the file.
    /// No file is made or replaced then.
    pub fn export(&self, path: impl AsRef<Path>, format: FileFormat, progress: &dyn Fn(u64)) -> Result<u64> {
        let path = place_of(path.as_ref())?;
        let failed = |e: io::Error| Error::io("export", &path, e);
        let unfinished = Unfinished::create(&path).map_err(failed)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &unfinished.file);
        let points = match format {
            FileFormat::ArrowIpc => {
                // A file has one dictionary a column for all its batches, so the names come first.
                let names = Names::of(self)?;
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

    /// Writes the points to a stream, such as standard output, and gives their number. As [`export`](Self::export), but for
    /// Arrow, which is written in its stream format.
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
    /// As [`points`](Self::points); those of the output, whose source is the [`io::Error`]: a reader that went away gives
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    pub fn write_to(&self, out: &mut (dyn Write + Send), format: FileFormat) -> Result<u64> {
        let path = Path::new(STREAM);
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
        let points = self.write_format(&mut out, path, format, &|_| {})?;
        out.flush().map_err(|e| Error::io("export", path, e))?;
        Ok(points)
    }

    fn write_format(
        &self,
        out: Output<'_>,
        path: &Path,
        format: FileFormat,
        progress: &dyn Fn(u64),
    ) -> Result<u64> {
        // Before anything is written, the selection is found to be sound.
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
    sink: Result<Box<dyn Sink + '_>, Failure>,
    path: &Path,
    progress: &dyn Fn(u64),
) -> Result<u64> {
    let failed = |failure: Failure| failure.into_error(path);
    let mut sink = sink.map_err(failed)?;
    let mut points = 0;
    for batch in stream {
        let batch = batch?;
        sink.write(&batch).map_err(failed)?;
        points += batch.num_rows() as u64;
        progress(points);
    }
    sink.finish().map_err(failed)?;
    Ok(points)
}

impl Failure {
    fn into_error(self, path: &Path) -> Error {
        match self {
            Failure::Io(e) => Error::io("export", path, e),
            Failure::Format(what) => Error::new(
                ErrorKind::Unsupported,
                "export",
                what,
                "choose another format, or a narrower selection",
            )
            .at(path),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Failure::Io(e)
    }
}

impl From<ArrowError> for Failure {
    fn from(e: ArrowError) -> Self {
        match e {
            ArrowError::IoError(_, e) => Failure::Io(e),
            other => Failure::Format(other.to_string()),
        }
    }
}

impl From<ParquetError> for Failure {
    fn from(e: ParquetError) -> Self {
        match e {
            ParquetError::External(e) => match e.downcast::<io::Error>() {
                Ok(e) => Failure::Io(*e),
                Err(other) => Failure::Format(other.to_string()),
            },
            other => Failure::Format(other.to_string()),
        }
    }
}

/// Where the file goes: through a link, to what it points to. Renaming would replace a folder's or a device's name.
fn place_of(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        Ok(about) if about.is_file() => fs::canonicalize(path).map_err(|e| Error::io("export", path, e)),
        Ok(about) => {
            let what = if about.is_dir() { "it is a folder" } else { "it is no plain file" };
            Err(Error::invalid("export", what, "give the path of a file, or write to standard output")
                .at(path))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(path.to_path_buf()),
        Err(e) => Err(Error::io("export", path, e)),
    }
}

/// A file under its temporary name; removed unless published.
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
        // Not the file's own name with an ending: a name may be as long as names can be.
        let path = folder.join(format!(".tidalite-export-{}.tmp", Uuid::now_v7().simple()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Unfinished { file, path, folder })
    }

    fn publish(self, place: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, place)?;
        match File::open(&self.folder).and_then(|folder| folder.sync_all()) {
            // Some file systems cannot sync a folder; the file is in its place all the same.
            Err(e) if !matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(e),
            _ => Ok(()),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Once published, nothing has this name.
        let _ = fs::remove_file(&self.path);
    }
}
