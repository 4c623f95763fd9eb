//! The Python chores: environments, the package's tests, types and wheel.
//!
//! An environment holds what a requirements file pins, and is updated when that file changes. Tests import the package from
//! `target/python`, which has a wheel's layout with the debug build, so that nothing is built twice.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::chore::cargo;
use super::steps::{StepOutcome, run};

/// Runs the tests in `tests/python`: of other programs that read the parts, and of the package.
pub(crate) fn tests(root: &Path) -> StepOutcome {
    attempt(|| {
        let python = environment(root, ".venv", "tests/python/requirements.txt")?;
        let package = package(root)?;
        passed(run(pytest(&python, root, &package).args(["--ignore", "tests/python/slow", "tests/python"])))
    })
}

/// Compares the type stubs with the compiled module, and checks the package's own types.
pub(crate) fn types(root: &Path) -> StepOutcome {
    attempt(|| {
        let python = environment(root, ".venv", "tests/python/requirements.txt")?;
        let package = package(root)?;
        // mypy looks for its settings in the folder that it runs in, which does not hold the package's.
        let settings = root.join("crates/tidalite-python/pyproject.toml");
        let mut stubs = Command::new(&python);
        stubs
            .args(["-m", "mypy.stubtest", "tidalite._tidalite", "--ignore-unused-allowlist", "--allowlist"])
            .arg(root.join("tests/python/stubtest.txt"))
            .arg("--mypy-config-file")
            .arg(&settings)
            .current_dir(&package)
            .env("MYPYPATH", &package);
        passed(run(&mut stubs))?;
        let mut types = Command::new(&python);
        types.args(["-m", "mypy", "-p", "tidalite", "--config-file"]).arg(&settings).current_dir(&package);
        passed(run(&mut types))
    })
}

/// Runs the tests against large libraries (Lightning, transformers, torch), in a separate environment.
pub(crate) fn loggers(root: &Path) -> StepOutcome {
    attempt(|| {
        let python = environment(root, ".venv-loggers", "tests/python/slow/requirements.txt")?;
        let package = package(root)?;
        passed(run(pytest(&python, root, &package).arg("tests/python/slow")))
    })
}

/// Runs the script of a user's first hour with the package and no other: in an environment without anything, pip included.
pub(crate) fn first_hour(root: &Path) -> StepOutcome {
    attempt(|| {
        let package = package(root)?;
        let folder = target(root).join("first-hour");
        let _ = fs::remove_dir_all(&folder);
        let system = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        passed(run(Command::new(system).args(["-m", "venv", "--without-pip"]).arg(&folder)))?;
        let mut script = first_hour_script(root, &folder)?;
        passed(run(script.env("PYTHONPATH", package)))
    })
}

/// The script of the first hour, with an interpreter of this environment.
fn first_hour_script(root: &Path, environment: &Path) -> Result<Command, StepOutcome> {
    let empty = environment.join("first-hour");
    let said = |e: std::io::Error| StepOutcome::Failed(format!("cannot make {}: {e}", empty.display()));
    fs::create_dir(&empty).map_err(said)?;
    let mut script = Command::new(interpreter(environment));
    script.current_dir(environment).arg(root.join("tests/python/first_hour.py")).arg(empty);
    script.env_remove("PYTHONPATH").env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(script)
}

/// Builds the wheel, optimised, and the source distribution into `target/wheels`, and tries the wheel in an empty environment.
pub(crate) fn wheel(root: &Path) -> StepOutcome {
    attempt(|| {
        let wheel = build_wheel(root)?;
        let folder = target(root).join("wheel-tried");
        let _ = fs::remove_dir_all(&folder);
        let python = new_environment(&folder)?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"];
        passed(run(Command::new(python).args(install).arg(wheel)))?;
        passed(run(&mut first_hour_script(root, &folder)?))?;
        source_distribution(root)
    })
}

/// Builds the source distribution, and checks that it is complete: cargo finds every crate that it builds, in a folder that
/// has nothing else of this repository.
fn source_distribution(root: &Path) -> Result<(), StepOutcome> {
    let python = environment(root, ".venv", "tests/python/requirements.txt")?;
    let folder = target(root).join("wheels");
    let mut build = Command::new(&python);
    build.current_dir(root).args(["-m", "maturin", "sdist"]);
    passed(run(build.args(["--manifest-path", "crates/tidalite-python/Cargo.toml", "--out"]).arg(&folder)))?;
    let archive = newest(&folder, "gz")?;
    let unpacked = std::env::temp_dir().join(format!("tidalite-sdist-{}", std::process::id()));
    let mut unpack = Command::new(&python);
    let tidy =
        ["-c", "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter='data')"];
    let found = passed(run(unpack.args(tidy).arg(archive).arg(&unpacked))).and_then(|()| {
        let name = fs::read_dir(&unpacked).into_iter().flatten().flatten().next();
        let name = name.ok_or_else(|| StepOutcome::Failed("the source distribution is empty".into()))?;
        // A build compiles everything anew, for minutes; that the crates are complete shows without it.
        let check = ["metadata", "--offline", "--format-version=1"];
        passed(run(cargo().args(check).current_dir(name.path())))
    });
    let _ = fs::remove_dir_all(&unpacked);
    found
}

/// The newest file of a folder with this extension.
fn newest(folder: &Path, extension: &str) -> Result<PathBuf, StepOutcome> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path());
    files
        .filter(|f| f.extension() == Some(OsStr::new(extension)))
        .max_by_key(|f| f.metadata().and_then(|m| m.modified()).ok())
        .ok_or_else(|| StepOutcome::Failed(format!("no .{extension} was built in {}", folder.display())))
}

/// Installs the package as a user would, by `pip install` of its folder, into an empty environment, and runs an example.
pub(crate) fn install(root: &Path) -> StepOutcome {
    attempt(|| {
        let folder = target(root).join("installed");
        let _ = fs::remove_dir_all(&folder);
        let python = new_environment(&folder)?;
        let source = root.join("crates/tidalite-python");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        passed(run(Command::new(&python).args(install).arg(source)))?;
        let store = folder.join("store");
        let check = "import sys, tidalite\n\
            with tidalite.open(sys.argv[1]) as store, store.run('a') as run:\n    \
                for step in range(1000): run.log({'loss': 1 / (step + 1)}, step=step)\n\
            with tidalite.open(sys.argv[1], 'r') as store:\n    \
                assert len(store.select('loss').points()) == 1000\n    \
                assert store.runs()['a'].status == 'finished'";
        passed(run(Command::new(&python).current_dir(&folder).args(["-I", "-c", check]).arg(store)))
    })
}

/// The interpreter of an environment with the optimised package and the systems that it is compared with.
pub(crate) fn peers(root: &Path) -> Result<PathBuf, StepOutcome> {
    let wheel = build_wheel(root)?;
    let python = environment(root, ".venv-peers", "benches/peers/requirements.txt")?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--force-reinstall", "--no-deps"];
    passed(run(Command::new(&python).args(install).arg(wheel)))?;
    Ok(python)
}

/// Builds the wheel and returns its path.
fn build_wheel(root: &Path) -> Result<PathBuf, StepOutcome> {
    let python = environment(root, ".venv", "tests/python/requirements.txt")?;
    let folder = target(root).join("wheels");
    let mut build = Command::new(python);
    build.current_dir(root).args(["-m", "maturin", "build", "--release", "--quiet"]);
    build.args(["--manifest-path", "crates/tidalite-python/Cargo.toml", "--out"]).arg(&folder);
    passed(run(&mut build))?;
    newest(&folder, "whl")
}

fn pytest(python: &Path, root: &Path, package: &Path) -> Command {
    let command = target(root).join("debug").join(format!("tidalite{}", std::env::consts::EXE_SUFFIX));
    let mut pytest = Command::new(python);
    pytest.current_dir(root).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    pytest.env("TIDALITE_BIN", command).env("PYTHONPATH", package).env("PYTHONDONTWRITEBYTECODE", "1");
    pytest
}

/// The package as a wheel lays it out, in `target/python`; the command is built as well.
fn package(root: &Path) -> Result<PathBuf, StepOutcome> {
    // The whole workspace, as for the tests: a build of single packages unifies features differently and compiles Arrow
    // again.
    passed(run(cargo().args(["build", "--workspace", "--quiet"])))?;
    let folder = target(root).join("python");
    let said = |e: std::io::Error| StepOutcome::Failed(format!("cannot lay out {}: {e}", folder.display()));
    let _ = fs::remove_dir_all(&folder);
    copy_tree(&root.join("crates/tidalite-python/python"), &folder).map_err(said)?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = target(root).join("debug").join(format!("{prefix}_tidalite{suffix}"));
    let name = if cfg!(windows) { "_tidalite.pyd" } else { "_tidalite.abi3.so" };
    fs::copy(built, folder.join("tidalite").join(name)).map_err(said)?;
    Ok(folder)
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != OsStr::new("__pycache__") {
                copy_tree(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The interpreter of an environment that holds what a requirements file pins.
fn environment(root: &Path, name: &str, requirements: &str) -> Result<PathBuf, StepOutcome> {
    let folder = root.join(name);
    let requirements = root.join(requirements);
    let wanted = fs::read_to_string(&requirements)
        .map_err(|e| StepOutcome::Failed(format!("cannot read {}: {e}", requirements.display())))?;
    let python = if interpreter(&folder).exists() { interpreter(&folder) } else { new_environment(&folder)? };
    // Written last, so that an interrupted installation is repeated.
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    passed(run(Command::new(&python).args(install).arg(&requirements)))?;
    fs::write(&stamp, wanted)
        .map_err(|e| StepOutcome::Failed(format!("cannot write {}: {e}", stamp.display())))?;
    Ok(python)
}

fn new_environment(folder: &Path) -> Result<PathBuf, StepOutcome> {
    let system = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    passed(run(Command::new(system).args(["-m", "venv"]).arg(folder)))?;
    Ok(interpreter(folder))
}

fn interpreter(folder: &Path) -> PathBuf {
    folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |t| root.join(t))
}

pub(crate) fn attempt(step: impl FnOnce() -> Result<(), StepOutcome>) -> StepOutcome {
    step().err().unwrap_or(StepOutcome::Passed)
}

fn passed(outcome: StepOutcome) -> Result<(), StepOutcome> {
    if outcome == StepOutcome::Passed { Ok(()) } else { Err(outcome) }
}
