//! What all chores start from: the workspace's root, and cargo in it.

use std::path::PathBuf;
use std::process::Command;

/// The cargo that runs this, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The workspace's root: the folder above this crate.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| "xtask".into()));
    here.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}
