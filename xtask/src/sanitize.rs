//! Runs the tests of the crates that hold unsafe code, or use it most, where such faults end them:
//!
//! - AddressSanitizer: an access outside of a mapping, or of memory that was freed.
//! - ThreadSanitizer: two threads that access the same memory without an order between them. The standard library is built
//!   as well, since otherwise the locks in it would be unknown to the sanitizer, and each use of one a false alarm.
//! - Miri: whatever the language does not define. It cannot map files, so the tests of the mapping that need none are run, and
//!   those of frames, which compute checksums by instructions of the processor.
//!
//! The sanitizers are not stable, so the stable compiler is told to allow them. The crates need few others, and are built in
//! folders of their own.

use std::path::Path;
use std::process::Command;

use super::chore::{cargo, sysroot};
use super::fuzzing::host;
use super::steps::{ChoreSteps, StepOutcome, run};

/// Crates without Parquet and Arrow, so that the build is short.
const CRATES: [&str; 3] = ["tidalite-vfs", "tidalite-log", "tidalite-model"];

/// Tests of the log that take minutes under ThreadSanitizer and use one thread.
const OF_ONE_THREAD: [&str; 5] = [
    "replay::tests::any_bytes",
    "replay::tests::damage::any_flipped_bit",
    "writer::tests::a_call_that_fails",
    "writer::tests::a_disk_that_ignores_syncs",
    "writer::tests::after_any_power_cut",
];

/// The tests that Miri runs: a crate, and what is in the names of the tests.
const FOR_MIRI: [(&str, &[&str]); 2] =
    [("tidalite-vfs", &["mapped::word_tests::"]), ("tidalite-log", &["frame::", "segment::"])];

/// Adds a step for each tool.
pub(crate) fn check(steps: &mut ChoreSteps, root: &Path) {
    steps.add("AddressSanitizer", || sanitized(root, "address"));
    steps.add("ThreadSanitizer", || sanitized(root, "thread"));
    steps.add("Miri", || miri(root));
}

/// Builds and runs the unit tests of [`CRATES`] under a sanitizer.
fn sanitized(root: &Path, sanitizer: &str) -> StepOutcome {
    let host = match host() {
        Ok(host) => host,
        Err(why) => return StepOutcome::Failed(why),
    };
    let mut test = cargo();
    // With a target named, the flags do not reach build scripts and macros, which the compiler itself runs.
    test.args(["test", "--lib", "--target", &host, "--target-dir"]);
    test.arg(root.join("target").join(format!("sanitize-{sanitizer}")));
    for name in CRATES {
        test.args(["--package", name]);
    }
    if sanitizer == "thread" {
        match sysroot() {
            Ok(sysroot) if sysroot.join("lib/rustlib/src/rust/library").is_dir() => {}
            Ok(_) => {
                let remedy = "the source of the standard library is missing; `rustup component add rust-src` installs it";
                return StepOutcome::Skipped(remedy.into());
            }
            Err(why) => return StepOutcome::Failed(why),
        }
        test.arg("-Zbuild-std").arg("--");
        for name in OF_ONE_THREAD {
            test.args(["--skip", name]);
        }
    }
    test.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", format!("-Zsanitizer={sanitizer}"));
    run(&mut test)
}

/// Runs the tests of [`FOR_MIRI`] with the Miri of the nightly toolchain.
fn miri(root: &Path) -> StepOutcome {
    let miri = || {
        let mut command = Command::new("cargo");
        // A cargo that runs this hands its own toolchain down.
        command
            .args(["+nightly", "miri"])
            .current_dir(root)
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("RUSTC");
        command
    };
    if !miri().arg("--version").output().is_ok_and(|version| version.status.success()) {
        let remedy =
            "Miri is not installed; `rustup toolchain install nightly --component miri,rust-src` installs it";
        return StepOutcome::Skipped(remedy.into());
    }
    for (name, tests) in FOR_MIRI {
        let mut command = miri();
        command.args(["test", "--lib", "--package", name, "--target-dir"]).arg(root.join("target/miri"));
        // Tests read the clock.
        command.arg("--").args(tests).env("MIRIFLAGS", "-Zmiri-disable-isolation");
        let done = run(&mut command);
        if done != StepOutcome::Passed {
            return done;
        }
    }
    StepOutcome::Passed
}
