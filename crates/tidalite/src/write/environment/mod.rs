//! What a run is run with, as far as a process can say it by itself: command, code, machine, scheduler.
//!
//! Invariants: it starts no process, reads a bounded number of bytes, and never fails: what cannot be found is left out. Of the
//! environment's variables it takes those of schedulers and launchers that are listed, and no others.

mod git;
mod launcher;
mod machine;

use std::path::Path;
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
    let mut found = Found::default();
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

/// The fields found so far.
#[derive(Default)]
struct Found(Params);

impl Found {
    fn put(&mut self, field: &str, value: Option<Param>) {
        self.0.extend(value.map(|value| (field.to_string(), value)));
    }

    fn put_map(&mut self, field: &str, map: Option<Params>) {
        self.put(field, map.filter(|map| !map.is_empty()).map(Param::Map));
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The most bytes of a text that is kept.
const TEXT_BYTES_MAX: usize = 4096;

fn text(value: &str) -> Param {
    let mut end = value.len().min(TEXT_BYTES_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    Param::Text(value[..end].to_string())
}

/// The beginning of a small file, as text.
#[expect(clippy::disallowed_methods, reason = "these files are none of a store")]
fn read(path: &Path, bytes_max: u64) -> Option<String> {
    use std::io::Read;
    let file = std::fs::File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn texts_are_cut_between_characters() {
    let long = "é".repeat(TEXT_BYTES_MAX);
    assert_eq!(text(&long), Param::Text("é".repeat(TEXT_BYTES_MAX / 2)));
    assert_eq!(text(&format!("x{long}")), Param::Text(format!("x{}", "é".repeat(TEXT_BYTES_MAX / 2 - 1))));
}
