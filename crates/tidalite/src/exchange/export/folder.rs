//! Export of runs and points to a folder, which an import makes a store again.
//!
//! The folder is written under a temporary name and renamed, so it appears whole or not at all.

use crate::exchange::file_format::FileFormat;
use crate::exchange::folder::{RUNS, points_file};
use crate::exchange::run_lines::RunLine;
use crate::select::selection::Selection;
use crate::view::lineage::History;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tidalite_model::{Error, Result};
use tidalite_query::Repeats;
use tidalite_vfs::{RealVfs, Vfs};

impl Selection {
    /// Writes the selected runs and points to a folder, which must be absent or empty, and returns the number of points.
    /// [`Store::import`](crate::Store::import) of the folder gives the same runs (params, tags, name, notes, group,
    /// parent, status, start, end, participants) and the same points.
    ///
    /// Each run has its own points only, with all repeats; the rules of the selection for both do not count. Not kept are
    /// points that were rewound or deleted, what thinned runs know of their former points, the clocks of writes, and which
    /// process is alive: a run that is running is lost where it is imported. [`Store::backup`](crate::Store::backup) and
    /// [`Store::merge`](crate::Store::merge) keep everything.
    ///
    /// ```
    /// use tidalite::{FileFormat, Import, Store};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").param("lr", 0.1).tag("best").start()?;
    /// run.log(0, &[("loss", 1.0)])?;
    /// run.finish()?;
    /// let folder = dir.path().join("exported");
    /// store.select().export_folder(&folder, FileFormat::Parquet)?;
    /// let other = Store::open(dir.path().join("other"))?;
    /// assert_eq!(other.import(&folder, &Import::new())?.runs, 1);
    /// assert_eq!(other.runs()?[0].params, store.runs()?[0].params);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`export`](Self::export); `Invalid` if the folder holds something. No folder is made then.
    pub fn export_folder(&self, folder: impl AsRef<Path>, format: FileFormat) -> Result<u64> {
        self.export_folder_with(folder, format, &|_| ControlFlow::Continue(()))
    }

    /// As [`export_folder`](Self::export_folder); calls `progress` with the number of points written so far.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// use tidalite::FileFormat;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// let written = Cell::new(0);
    /// store.select().export_folder_with(dir.path().join("exported"), FileFormat::Csv, &|points| {
    ///     written.set(points);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(written.get(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`export_folder`](Self::export_folder).
    pub fn export_folder_with(
        &self,
        folder: impl AsRef<Path>,
        format: FileFormat,
        progress: &dyn Fn(u64) -> ControlFlow<()>,
    ) -> Result<u64> {
        let folder = folder.as_ref();
        let failed = |e: io::Error| Error::io("export", folder, e);
        check_free(folder)?;
        let select = self.fixed()?.history(History::Own).repeats(Repeats::All).include_rewound(false);
        let unfinished = UnfinishedFolder::create(folder).map_err(failed)?;
        write_runs(&select, &unfinished.path.join(RUNS))?;
        let chosen = select.clone().with_steps(Some(false));
        let points = chosen.export_with(points_file(&unfinished.path, false, format), format, progress)?;
        let automatic = points_file(&unfinished.path, true, format);
        let more = |done: u64| progress(points + done);
        let counted = select.with_steps(Some(true)).export_with(&automatic, format, &more)?;
        if counted == 0 {
            fs::remove_file(&automatic).map_err(failed)?;
        }
        unfinished.publish(folder).map_err(failed)?;
        Ok(points + counted)
    }
}

fn check_free(folder: &Path) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::invalid("export", what, "give a folder that is empty or does not exist").at(folder))
    };
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => refuse("the folder is not empty"),
            None => Ok(()),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => refuse("it is a file"),
        Err(e) => Err(Error::io("export", folder, e)),
    }
}

fn write_runs(select: &Selection, path: &Path) -> Result<()> {
    let snapshot = select.snapshot()?;
    let chosen = select.chosen_runs(&snapshot)?;
    let written = || -> io::Result<()> {
        let mut out = BufWriter::new(File::create_new(path)?);
        for run in &chosen {
            serde_json::to_writer(&mut out, &RunLine::of(run))?;
            out.write_all(b"\n")?;
        }
        out.into_inner().map_err(|e| e.into_error())?.sync_all()
    };
    written().map_err(|e| Error::io("export", path, e))
}

/// A folder under its temporary name, removed unless published.
struct UnfinishedFolder {
    path: PathBuf,
    parent: PathBuf,
}

impl UnfinishedFolder {
    fn create(place: &Path) -> io::Result<Self> {
        let parent = match place.parent() {
            Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let path = parent.join(format!(".tidalite-export-{}.tmp", RealVfs::new().uuid().simple()));
        fs::create_dir(&path)?;
        Ok(UnfinishedFolder { path, parent })
    }

    fn publish(self, place: &Path) -> io::Result<()> {
        super::sync_folder(&self.path)?;
        // Replaces an empty folder, and no other.
        fs::rename(&self.path, place)?;
        super::sync_folder(&self.parent)
    }
}

impl Drop for UnfinishedFolder {
    fn drop(&mut self) {
        // A published folder no longer has this name.
        let _ = fs::remove_dir_all(&self.path);
    }
}
