//! The parts as other programs read them: DuckDB, Polars and pyarrow, in a Python environment of the project's own.
//!
//! Steps: make `.venv` where there is none; install what `tests/python/requirements.txt` pins, where that has changed
//! since; build the command; run pytest, which finds the command's path in `TIDALITE_BIN`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cargo;
use super::steps::{Outcome, run};

/// Runs the tests in `tests/python`.
pub(crate) fn check(root: &Path) -> Outcome {
    let python = match environment(root) {
        Ok(python) => python,
        Err(outcome) => return outcome,
    };
    // As the tests build it: a build of the package alone would unify features differently and compile Arrow once more.
    let built = run(cargo().args(["test", "--workspace", "--no-run", "--quiet"]));
    if built != Outcome::Passed {
        return built;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |t| root.join(t));
    let command = target.join("debug").join(format!("tidalite{}", std::env::consts::EXE_SUFFIX));
    run(Command::new(python)
        .current_dir(root)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/python"])
        .env("TIDALITE_BIN", command)
        .env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// The interpreter of `.venv`, which holds what is pinned when this returns.
fn environment(root: &Path) -> Result<PathBuf, Outcome> {
    let folder = root.join(".venv");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let requirements = root.join("tests/python/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .map_err(|e| Outcome::Failed(format!("cannot read {}: {e}", requirements.display())))?;
    if !python.exists() {
        let system = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        passed(run(Command::new(system).args(["-m", "venv"]).arg(&folder)))?;
    }
    // Written last, so that an interrupted installation is done again.
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    passed(run(Command::new(&python).args(install).arg(&requirements)))?;
    fs::write(&stamp, wanted)
        .map_err(|e| Outcome::Failed(format!("cannot write {}: {e}", stamp.display())))?;
    Ok(python)
}

fn passed(outcome: Outcome) -> Result<(), Outcome> {
    if outcome == Outcome::Passed { Ok(()) } else { Err(outcome) }
}
