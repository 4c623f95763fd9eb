//! Which lines and branches of the code that keeps data safe are reached by the tests.
//!
//! The steps: build the tests, with counters in the crates whose code is looked at; run them; let the tools of LLVM add up
//! what they counted; leave out the lines of tests; print a table.
//!
//! A branch is one of the two ways out of a condition: of an `if`, a `while`, a guard, each operand of `&&` and `||`, and of
//! a pattern that may not match. The arms of a `match` and the operator `?` have none: their lines count.
//! Counting branches is not stable, so the stable compiler is told to allow it.

mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::chore::{cargo, sysroot, test_binaries};
use super::fuzzing::host;
use super::steps::{StepOutcome, run};

/// A test whose processes may only write small files, which the counts are not.
const WITHOUT: &str = "dead_ends::unwritable::a_limit_of_the_size_of_files_is_an_error_that_names_it";

/// The crates whose code has counters. The last one has to have the calls that write them down, and is not looked at.
const COUNTED: [&str; 4] = ["tidalite-vfs", "tidalite-log", "tidalite", "tidalite-tests"];

/// The groups of the suite that are run, besides the unit tests: those about damage, power cuts, failures and files. Killed
/// processes write down nothing, so `kill` is left out.
const GROUPS: [&str; 19] = [
    "beginnings::",
    "bounded::",
    "cache::",
    "cold_logs::",
    "concurrency::",
    "damage::",
    "dead_ends::",
    "durability::",
    "failures::",
    "followers::",
    "golden::",
    "identity::",
    "interleaved::",
    "limits::",
    "merge::",
    "merge_faults::",
    "merged_copies::",
    "process_fork::",
    "short_jobs::",
];

/// Builds, runs and reports. `detail` is a part of the names of files whose missed branches are listed.
pub(crate) fn check(root: &Path, detail: Option<&str>) -> StepOutcome {
    match try_check(root, detail) {
        Ok(outcome) => outcome,
        Err(why) => StepOutcome::Failed(why),
    }
}

fn try_check(root: &Path, detail: Option<&str>) -> Result<StepOutcome, String> {
    let tools = tools()?;
    let target = root.join("target/coverage");
    let binaries = build(&target)?;
    let counts = target.join("counts");
    // What an earlier run counted belongs to other binaries.
    let _ = fs::remove_dir_all(&counts);
    for (name, binary) in &binaries {
        let is_suite = name == "suite";
        let folder =
            if is_suite { root.join("tests") } else { root.join("crates").join(name.replace('_', "-")) };
        let mut tests = Command::new(binary);
        // Processes that end at the same time add to one of four files, so that thousands of them do not fill the disk. The
        // suite looks at this variable: where it is set, forked children write down their counts as well.
        tests.current_dir(folder).env("LLVM_PROFILE_FILE", counts.join(format!("{name}-%4m.profraw")));
        if is_suite {
            tests.args(GROUPS).args(["--skip", WITHOUT]);
        }
        let done = run(tests.arg("--quiet"));
        if done != StepOutcome::Passed {
            return Ok(done);
        }
    }
    let lines = export(&tools, &counts, &binaries)?;
    report::print(root, &lines, detail)
}

/// The folder of the tools of LLVM.
fn tools() -> Result<PathBuf, String> {
    let tools = sysroot()?.join("lib/rustlib").join(host()?).join("bin");
    if tools.join("llvm-cov").exists() {
        return Ok(tools);
    }
    Err("the tools of LLVM are not installed; `rustup component add llvm-tools` installs them".into())
}

/// Builds the tests, and returns the name and the path of each.
fn build(target: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let mut command = cargo();
    command.args([
        "test",
        "--no-run",
        "--lib",
        "--test",
        "suite",
        "--message-format=json-render-diagnostics",
    ]);
    command.arg("--target-dir").arg(target).arg("-Zprofile-rustflags").env("RUSTC_BOOTSTRAP", "1");
    for name in COUNTED {
        let flags = r#"["-Cinstrument-coverage", "-Zcoverage-options=branch"]"#;
        command.args(["--package", name]);
        command.arg("--config").arg(format!("profile.dev.package.{name}.rustflags={flags}"));
    }
    let built = command.stderr(Stdio::inherit()).output().map_err(|e| format!("cannot start cargo: {e}"))?;
    if !built.status.success() {
        return Err(format!("the tests with counters do not build: {}", built.status));
    }
    let mut binaries = test_binaries(&String::from_utf8_lossy(&built.stdout));
    // The suite's own library has no code to look at.
    binaries.retain(|(name, _)| name != "tidalite_tests");
    Ok(binaries)
}

/// How often each line was reached and each branch was taken, in the format of lcov.
fn export(tools: &Path, counts: &Path, binaries: &[(String, PathBuf)]) -> Result<String, String> {
    let listed = fs::read_dir(counts).map_err(|e| format!("the tests counted nothing: {e}"))?;
    let merged = counts.join("all.profdata");
    let mut merge = Command::new(tools.join("llvm-profdata"));
    merge.args(["merge", "--sparse", "--output"]).arg(&merged).args(listed.flatten().map(|file| file.path()));
    if let StepOutcome::Failed(why) = run(&mut merge) {
        return Err(why);
    }
    let mut export = Command::new(tools.join("llvm-cov"));
    export.args(["export", "--format=lcov", "--instr-profile"]).arg(&merged);
    for (i, (_, binary)) in binaries.iter().enumerate() {
        // The first one has no option before it.
        if i > 0 {
            export.arg("--object");
        }
        export.arg(binary);
    }
    let said = export.stderr(Stdio::inherit()).output().map_err(|e| format!("cannot start llvm-cov: {e}"))?;
    if !said.status.success() {
        return Err(format!("llvm-cov ended with {}", said.status));
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}
