//! What a run is run with, as far as a process can say it by itself: command, code, machine, scheduler.
//!
//! Invariants: it starts no process, reads a bounded number of bytes, and never fails: what cannot be found is left out. Of the
//! environment's variables it takes those of schedulers and launchers that are listed, and no others.

mod fields;
mod git;
mod launcher;
mod machine;

use fields::{CapturedFields, text, variable};
use tidalite_model::{Param, Params};

/// What this process runs with, for [`RunBuilder::environment`](crate::RunBuilder::environment).
///
/// - `command`: the words of the command line, as they were written; `program`: the path of the executable; `folder`: the working
///   folder; `user`, `host`, `os`
/// - `git`: `commit`, `branch` and `remote` (without a password) of the repository around the working folder, read from its files
/// - `cpu`: `count` of processors that the process may use, and `model`; `memory_bytes`; `gpus`: their models
/// - `scheduler`: ids and sizes of a job of SLURM, PBS, LSF and others; `launcher`: `rank`, `local_rank`, `world_size`
///
/// A field that cannot be found is left out. Remove what should not be kept:
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
/// let mut environment = tidalite::capture_environment();
/// environment.remove("command");
/// let run = store.run("a").environment(environment).start()?;
/// run.log(0, &[("loss", 1.0)])?;
/// let found = store.snapshot()?.where_runs(&"has environment.os and not has environment.command".parse()?)?;
/// assert_eq!(found.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn capture_environment() -> Params {
    let folder = std::env::current_dir().ok();
    let mut found = CapturedFields::default();
    let words: Vec<Param> = std::env::args_os().map(|word| text(&word.to_string_lossy())).collect();
    found.put("command", (!words.is_empty()).then_some(Param::List(words)));
    found.put("program", std::env::current_exe().ok().map(|path| text(&path.to_string_lossy())));
    found.put("folder", folder.as_deref().map(|path| text(&path.to_string_lossy())));
    found.put_map("git", folder.as_deref().and_then(git::repository));
    found.put_map("scheduler", Some(launcher::scheduler(&variable)));
    found.put_map("launcher", Some(launcher::launcher(&variable)));
    machine::describe(&mut found);
    found.0
}
