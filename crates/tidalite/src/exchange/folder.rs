//! A folder with runs and points: what an export writes that keeps runs, and what an import reads back.
//!
//! ```text
//! runs.jsonl          one run a line, also those without points
//! points.parquet      points whose steps were chosen: run, metric, labels, step, time, value
//! automatic.parquet   points with automatic steps, in the same form; absent if there are none
//! ```
//!
//! Points may also be CSV, JSON lines or Arrow. Any program reads the files; this one tells the two kinds of steps apart by
//! the name of the file.

use super::file_format::FileFormat;
use std::path::{Path, PathBuf};

/// The file of the runs.
pub(super) const RUNS: &str = "runs.jsonl";
/// The file of points whose steps were chosen, without its extension.
const CHOSEN: &str = "points";
/// The file of points with automatic steps, without its extension.
const AUTOMATIC: &str = "automatic";

/// The file of the points with automatic steps, or of the others.
pub(super) fn points_file(folder: &Path, automatic: bool, format: FileFormat) -> PathBuf {
    folder.join(format!("{}.{}", if automatic { AUTOMATIC } else { CHOSEN }, format.name()))
}

/// The formats that a folder's points may have.
pub(super) const FORMATS: [FileFormat; 4] =
    [FileFormat::Parquet, FileFormat::Csv, FileFormat::JsonLines, FileFormat::ArrowIpc];
