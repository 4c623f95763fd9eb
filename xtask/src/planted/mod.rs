//! Proof that the tests notice faults: bugs are planted in a copy of the workspace, and a named test has to fail for each.
//!
//! All bugs are compiled into one test binary, each behind a condition that an environment variable makes true. So one build
//! is enough for all of them. The original tree is not touched.

mod bugs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::chore::{cargo, test_binaries};
use super::steps::StepOutcome;
use bugs::BUGS;

/// The variable that names the bug to be active.
const VARIABLE: &str = "TIDALITE_PLANTED";
/// A test with a bug that has not ended by then counts as failed, and that is said: some bugs make others wait for ever. Where
/// the machine is busy, it has [`SLOWER_MAX`] times as long as it took without a bug.
const TEST_MAX: Duration = Duration::from_secs(300);
const SLOWER_MAX: u32 = 3;
/// A test without a bug has to end by then.
const SOUND_MAX: Duration = Duration::from_secs(30 * 60);
/// Stands for the condition in the text of a bug.
const CONDITION: &str = "PLANTED";

/// Plants the bugs whose names contain `only`, and runs the test of each.
pub(crate) fn check(root: &Path, only: &str) -> StepOutcome {
    match try_check(root, only) {
        Ok(outcome) => outcome,
        Err(why) => StepOutcome::Failed(why),
    }
}

fn try_check(root: &Path, only: &str) -> Result<StepOutcome, String> {
    let tree = root.join("target/planted");
    copy(root, &tree)?;
    let suite = build(root, &tree)?;
    // How long each test took without a bug.
    let mut sound: BTreeMap<&str, Duration> = BTreeMap::new();
    let (mut passed_by, mut chosen) = (Vec::new(), 0);
    for bug in BUGS.iter().filter(|bug| bug.name.contains(only)) {
        chosen += 1;
        let took = match sound.get(bug.test) {
            Some(took) => *took,
            None => {
                let start = Instant::now();
                if run(&suite, &tree, bug.test, None, SOUND_MAX)? != TestEnd::Passed {
                    return Ok(StepOutcome::Failed(format!("{} fails without a bug", bug.test)));
                }
                *sound.entry(bug.test).or_insert(start.elapsed())
            }
        };
        let end = run(&suite, &tree, bug.test, Some(bug.name), TEST_MAX.max(SLOWER_MAX * took))?;
        println!("   {:7} {:34} {}", end.in_words(), bug.name, bug.test);
        if end == TestEnd::Passed {
            passed_by.push(bug.name);
        }
    }
    println!("   {} of {chosen} planted bugs are caught", chosen - passed_by.len());
    Ok(match &passed_by[..] {
        [] if chosen > 0 => StepOutcome::Passed,
        [] => StepOutcome::Failed(format!("no bug has {only:?} in its name")),
        _ => StepOutcome::Failed(format!("no test fails for: {}", passed_by.join(", "))),
    })
}

/// Appended to the lowest crate, which all others use.
const SWITCH: &str = r#"
/// Whether the planted bug of this name is active.
#[allow(missing_docs, clippy::all)]
pub fn planted(name: &str) -> bool {
    static ACTIVE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ACTIVE.get_or_init(|| std::env::var("TIDALITE_PLANTED").ok()).as_deref() == Some(name)
}
"#;

/// Copies the files that git knows, with the bugs in them. Those that are the same as before keep their time, so that the next
/// build is short.
fn copy(root: &Path, tree: &Path) -> Result<(), String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let listed = listed.map_err(|e| format!("cannot start git: {e}"))?;
    for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
        let to = tree.join(name);
        // Git may not know yet that a file was removed.
        let Ok(bytes) = fs::read(root.join(name)) else { continue };
        let bytes = planted(name, bytes)?;
        if fs::read(&to).ok().as_ref() == Some(&bytes) {
            continue;
        }
        let folder = to.parent().expect("below the tree");
        fs::create_dir_all(folder).map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        fs::write(&to, bytes).map_err(|e| format!("cannot write {}: {e}", to.display()))?;
    }
    Ok(())
}

/// A file with the bugs that belong into it.
fn planted(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let is_model = name == "crates/tidalite-model/src/lib.rs";
    if !is_model && BUGS.iter().all(|bug| bug.file != name) {
        return Ok(bytes);
    }
    let mut text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))?;
    for bug in BUGS.iter().filter(|bug| bug.file == name) {
        let within = if name.starts_with("crates/tidalite-model/") { "crate" } else { "tidalite_model" };
        let condition = format!("{within}::planted({:?})", bug.name);
        for (original, planted) in bug.edits {
            if text.matches(original).count() != 1 {
                return Err(format!("{}: {original:?} is not exactly once in {name}", bug.name));
            }
            text = text.replace(original, &planted.replace(CONDITION, &condition));
        }
    }
    if is_model {
        text += SWITCH;
    }
    Ok(text.into_bytes())
}

/// Builds the tests of the copy, and returns the path of the test binary. In the usual target folder the crates of the
/// copy would take the place of the originals, since cargo names both alike.
fn build(root: &Path, tree: &Path) -> Result<PathBuf, String> {
    let target = root.join("target/planted-build");
    let mut command = cargo();
    command.args([
        "test",
        "--workspace",
        "--test",
        "suite",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    let built = command.current_dir(tree).env("CARGO_TARGET_DIR", target).stderr(Stdio::inherit()).output();
    let built = built.map_err(|e| format!("cannot start cargo: {e}"))?;
    if !built.status.success() {
        return Err(format!("the tests with planted bugs do not build: {}", built.status));
    }
    let mut binaries = test_binaries(&String::from_utf8_lossy(&built.stdout)).into_iter();
    let suite = binaries.find_map(|(name, path)| (name == "suite").then_some(path));
    suite.ok_or_else(|| "cargo names no test binary".into())
}

/// How a test ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TestEnd {
    Passed,
    Failed,
    /// Not in time. On a busy machine that may say nothing of the bug.
    Hung,
}

impl TestEnd {
    /// What that says of a bug.
    fn in_words(self) -> &'static str {
        match self {
            TestEnd::Passed => "MISSED",
            TestEnd::Failed => "caught",
            TestEnd::Hung => "hung",
        }
    }
}

/// Runs a test, with a bug or without, and ends it after `time_max`.
fn run(
    suite: &Path,
    tree: &Path,
    test: &str,
    bug: Option<&str>,
    time_max: Duration,
) -> Result<TestEnd, String> {
    let mut command = Command::new(suite);
    command
        .args([test, "--exact"])
        .current_dir(tree.join("tests"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(name) = bug {
        command.env(VARIABLE, name);
    }
    let mut running = command.spawn().map_err(|e| format!("cannot start {}: {e}", suite.display()))?;
    let start = Instant::now();
    loop {
        match running.try_wait().map_err(|e| format!("cannot wait for {test}: {e}"))? {
            Some(status) if status.success() => return Ok(TestEnd::Passed),
            Some(_) => return Ok(TestEnd::Failed),
            None if start.elapsed() > time_max => {
                let _ = running.kill();
                let _ = running.wait();
                return Ok(TestEnd::Hung);
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bug_has_a_name_of_its_own_a_condition_and_its_place() {
        let root = crate::chore::root();
        let names: std::collections::BTreeSet<&str> = BUGS.iter().map(|bug| bug.name).collect();
        assert_eq!(names.len(), BUGS.len());
        assert!(BUGS.len() >= 20);
        for bug in BUGS {
            let text = fs::read_to_string(root.join(bug.file)).unwrap();
            for (original, planted) in bug.edits {
                assert_eq!(text.matches(original).count(), 1, "{}: {original:?}", bug.name);
                assert!(planted.contains(CONDITION), "{}", bug.name);
            }
            let (module, test) = bug.test.rsplit_once("::").unwrap();
            let file = root.join("tests/suite").join(module.replace("::", "/"));
            let file = if file.is_dir() { file.join("mod.rs") } else { file.with_extension("rs") };
            assert!(
                fs::read_to_string(&file).unwrap().contains(&format!("fn {test}()")),
                "{}: {}",
                bug.name,
                bug.test
            );
        }
    }
}
