//! The program that runs the command: how to start it again, and how a person types it.

use std::ffi::OsString;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that runs the command.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable and the arguments before those of the command. Empty if the executable is not known.
    start: Vec<OsString>,
    typed: String,
}

impl Program {
    /// An executable that runs the command after these arguments of its own; `typed` is how a person types both.
    pub fn new(start: Vec<OsString>, typed: &str) -> Program {
        Program { start, typed: typed.to_owned() }
    }

    /// This process's executable, which runs the command and nothing else.
    pub fn this_executable() -> Program {
        let Ok(exe) = std::env::current_exe() else { return Program::new(Vec::new(), "tidalite") };
        let typed = typed(&exe);
        Program { start: vec![exe.into_os_string()], typed }
    }

    /// The shortest shell command that runs it.
    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    /// A process of the same program, not started yet, without arguments of the command.
    pub(crate) fn again(&self) -> Result<Command> {
        let Some((exe, before)) = self.start.split_first() else {
            return Err(Error::new(ErrorKind::NotFound, "the executable of this process is not known"));
        };
        let mut command = Command::new(exe);
        command.args(before);
        Ok(command)
    }
}

fn typed(exe: &Path) -> String {
    // `cargo run` sets this variable.
    if std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == env!("CARGO_PKG_NAME")) {
        return "cargo run --release -p tidalite-cli --".into();
    }
    let same = |dir: PathBuf| {
        dir.join("tidalite").canonicalize().is_ok_and(|found| Some(found) == exe.canonicalize().ok())
    };
    let on_path = std::env::var_os("PATH").is_some_and(|paths| std::env::split_paths(&paths).any(same));
    if on_path {
        return "tidalite".into();
    }
    let here = std::env::current_dir().ok().and_then(|dir| exe.strip_prefix(dir).ok().map(Path::to_path_buf));
    here.map_or(exe.display().to_string(), |below| format!("./{}", below.display()))
}

/// A path, quoted for a shell if necessary.
pub(crate) fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
