//! A folder of event files, as TensorBoard reads it: each folder below it that has such files is a run.

use crate::event_files::EventFileReader;
use crate::event_folder_stats::EventFolderStats;
use crate::imported_run::ImportedRun;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tidalite::{Error, ErrorKind, FileFormat, Result, RunInfo, Store};

/// What names of event files contain.
const EVENT_FILE: &str = "tfevents";
/// How deep folders are looked into.
const DEPTH_MAX: usize = 64;

/// Whether a path is an event file, or a folder with at least one in it or below.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// std::fs::create_dir(dir.path().join("run"))?;
/// assert!(!tidalite_trackers::holds_event_files(dir.path()));
/// std::fs::write(dir.path().join("run/events.out.tfevents.1"), "")?;
/// assert!(tidalite_trackers::holds_event_files(dir.path()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn holds_event_files(path: &Path) -> bool {
    match path.is_dir() {
        true => event_files(path).is_ok_and(|files| !files.is_empty()),
        false => path.is_file() && path.file_name().is_some_and(is_event_file),
    }
}

/// Imports a folder of event files, and reads on what they add later.
///
/// Each folder with event files is a run, named by its path from the given folder, as TensorBoard names it; files of the given
/// folder itself belong to a run named as that folder. Scalars become points, hyperparameters params; a restart marker rewinds
/// the run. All else is counted by its kind.
///
/// ```
/// use std::ops::ControlFlow;
/// # let dir = tempfile::tempdir()?;
/// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
/// # let logs = dir.path().join("logs");
/// # std::fs::create_dir_all(logs.join("a"))?;
/// std::fs::write(logs.join("a/events.out.tfevents.1"), "")?;
/// let mut folder = tidalite_trackers::EventFolder::new(&logs);
/// let stats = folder.import(&store, &|_, _| ControlFlow::Continue(()))?;
/// assert_eq!((stats.files, stats.points), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct EventFolder {
    path: PathBuf,
    id: Option<String>,
    runs: BTreeMap<PathBuf, ImportedRun>,
    /// Whether it was said how many other files there are that an import could take.
    tables_told: bool,
}

impl EventFolder {
    /// A folder of event files, or one such file.
    pub fn new(path: impl Into<PathBuf>) -> EventFolder {
        EventFolder { path: path.into(), ..EventFolder::default() }
    }

    /// The id of the run of files in the folder itself; the ids of other runs begin with it and a slash.
    #[must_use]
    pub fn run(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Imports what was not imported yet, also by other processes before. `progress` is called with the bytes read and those
    /// to read, and may end the import after the batches that it has appended.
    ///
    /// A file that ends within an event is not written to its end yet. The next call reads it on.
    ///
    /// # Errors
    /// `Invalid`, before anything is appended, if there are no event files, if a run of the store was not imported from event
    /// files, or if a file was written anew; `Corrupt` for a damaged file, once all else was imported; `Cancelled`; and those of
    /// [`Store::append`].
    pub fn import(
        &mut self,
        store: &Store,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<EventFolderStats> {
        let stats = self.read_files(store, progress);
        let ended = self.runs.values_mut().map(|run| run.end(store)).fold(Ok(()), Result::and);
        self.or_begin_anew(stats.and_then(|stats| ended.map(|()| stats)))
    }

    /// As [`import`](Self::import), but the runs go on: call it again for what was written since. [`import`](Self::import) ends
    /// them.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn read(
        &mut self,
        store: &Store,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<EventFolderStats> {
        let stats = self.read_files(store, progress);
        self.or_begin_anew(stats)
    }

    /// After an error, the next call goes on from what the store has: what was read and not appended is read again.
    fn or_begin_anew<T>(&mut self, done: Result<T>) -> Result<T> {
        if done.is_err() {
            self.runs.clear();
        }
        done
    }

    fn read_files(
        &mut self,
        store: &Store,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<EventFolderStats> {
        let files = self.files()?;
        self.find_runs(store, &files)?;
        let mut stats = EventFolderStats { files: files.len() as u64, ..EventFolderStats::default() };
        if !self.tables_told && self.path.is_dir() {
            let tables = files_below(&self.path, &is_table)?.len() as u64;
            if tables > 0 {
                stats.leave_out("tables, which are imported by their names", tables);
            }
            self.tables_told = true;
        }
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |about| about.len());
        let total = files.iter().map(|file| size(file)).sum();
        let (mut before, mut damaged) = (0, None);
        for file in &files {
            let folder = file.parent().unwrap_or(Path::new(""));
            let run = self.runs.get_mut(folder).expect("each file has a run");
            let name = text_of(Path::new(file.file_name().unwrap_or_default()), file)?;
            if size(file) > run.read_of(&name) {
                let mut go_on = |read: u64| match progress(before + read, total) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(Error::new(
                        ErrorKind::Cancelled,
                        "import",
                        "it was cancelled; what was appended before stays",
                        "import again for the rest",
                    )),
                };
                let done = run.read_file(store, &name, &mut stats, &mut go_on);
                let appended = run.append(store, &mut stats);
                match done {
                    Err(e) if e.kind() == ErrorKind::Corrupt => damaged = damaged.or(Some(e)),
                    done => done?,
                }
                appended?;
            }
            before += size(file);
        }
        damaged.map_or(Ok(stats), Err)
    }

    /// The event files, by run, then by name.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let files = match self.path.is_dir() {
            true => event_files(&self.path)?,
            // Whether it can be read.
            false => EventFileReader::open(&self.path, 0).map(|_| vec![self.path.clone()])?,
        };
        match files.is_empty() {
            false => Ok(files),
            true => Err(Error::invalid(
                "import",
                "there are no event files in it or below",
                "give the folder that TensorBoard is given",
            )
            .at(&self.path)),
        }
    }

    /// Knows the run of each file.
    fn find_runs(&mut self, store: &Store, files: &[PathBuf]) -> Result<()> {
        let is_new = |file: &&PathBuf| file.parent().is_some_and(|folder| !self.runs.contains_key(folder));
        let new: Vec<&Path> = files.iter().filter(is_new).filter_map(|file| file.parent()).collect();
        if new.is_empty() {
            return Ok(());
        }
        let known: BTreeMap<String, RunInfo> =
            store.runs()?.into_iter().map(|info| (info.id.clone(), info)).collect();
        for folder in new {
            let id = self.id_of(folder)?;
            let run = ImportedRun::new(id.clone(), folder.to_path_buf(), known.get(&id))?;
            self.runs.insert(folder.to_path_buf(), run);
        }
        Ok(())
    }

    /// The run of a folder's files.
    fn id_of(&self, folder: &Path) -> Result<String> {
        let root = if self.path.is_dir() { &*self.path } else { folder };
        let below = folder.strip_prefix(root).unwrap_or(folder);
        let parts: Vec<String> =
            below.iter().map(|part| text_of(Path::new(part), folder)).collect::<Result<_>>()?;
        let below = parts.join("/");
        let named = || {
            let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
            absolute
                .file_name()
                .map_or_else(|| "imported".to_owned(), |name| name.to_string_lossy().into_owned())
        };
        Ok(match (&self.id, below.is_empty()) {
            (Some(id), true) => id.clone(),
            (Some(id), false) => format!("{id}/{below}"),
            (None, true) => named(),
            (None, false) => below,
        })
    }
}

fn text_of(name: &Path, of: &Path) -> Result<String> {
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Error::invalid("import", "its name is not UTF-8", "rename it: the name of its folder is the run's id")
            .at(of)
    })
}

fn is_event_file(name: &OsStr) -> bool {
    name.to_string_lossy().contains(EVENT_FILE)
}

/// Whether it is a file that another importer takes.
fn is_table(name: &OsStr) -> bool {
    let name = Path::new(name);
    name.extension() == Some(OsStr::new("tsv")) || FileFormat::from_extension(name).is_ok()
}

/// The files of a folder and below with such names. Links to folders are not followed.
fn files_below(folder: &Path, named: &dyn Fn(&OsStr) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    look_into(folder, DEPTH_MAX, named, &mut files)?;
    Ok(files)
}

/// The event files of a folder and below, by folder, then by name.
fn event_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = files_below(folder, &is_event_file)?;
    files.sort_by(|a, b| (a.parent(), a.file_name()).cmp(&(b.parent(), b.file_name())));
    Ok(files)
}

fn look_into(
    folder: &Path,
    depth: usize,
    named: &dyn Fn(&OsStr) -> bool,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    let failed = |e| Error::io("import", folder, e);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth > 0 {
            look_into(&entry.path(), depth - 1, named, files)?;
        } else if named(&entry.file_name()) && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
