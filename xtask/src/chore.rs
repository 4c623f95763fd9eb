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

/// The folder of the toolchain.
pub(crate) fn sysroot() -> Result<PathBuf, String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(compiler).args(["--print", "sysroot"]).output();
    let said = said.map_err(|e| format!("cannot start rustc: {e}"))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()))
}

/// The test binaries that cargo names in its messages for machines: the name of each target, and the path of the binary.
pub(crate) fn test_binaries(messages: &str) -> Vec<(String, PathBuf)> {
    let text = |line: &str, key: &str| {
        let (_, rest) = line.split_once(&format!("\"{key}\":\""))?;
        Some(rest.split_once('"')?.0.to_string())
    };
    let binary = |line: &str| Some((text(line, "name")?, PathBuf::from(text(line, "executable")?)));
    messages.lines().filter_map(binary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_found_and_libraries_are_not() {
        let messages = "{\"target\":{\"name\":\"a\"},\"executable\":null}\n\
                        {\"target\":{\"name\":\"b\"},\"executable\":\"/t/b-1\"}\n";
        assert_eq!(test_binaries(messages), [("b".to_string(), PathBuf::from("/t/b-1"))]);
    }
}
