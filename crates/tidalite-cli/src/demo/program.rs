//! How to type this program and a path in a shell.

use std::path::{Path, PathBuf};

/// The shortest shell command that runs this program.
pub(super) fn program() -> String {
    // `cargo run` sets this variable.
    if std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == env!("CARGO_PKG_NAME")) {
        return "cargo run --release -p tidalite-cli --".into();
    }
    let Ok(exe) = std::env::current_exe() else { return "tidalite".into() };
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
pub(super) fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
