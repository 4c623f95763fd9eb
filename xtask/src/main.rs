//! The chores of the project: what a contributor runs before a change, and what continuous integration runs after it.
//!
//! `cargo xtask test` checks everything that the README promises. `cargo xtask ci` adds the dependencies, the fuzz targets,
//! and the installed package. Each chore is a list of steps; a step that fails does not stop the others.

#![allow(clippy::disallowed_methods, reason = "chores work on the project's own files")]
// A chore talks to the terminal and ends with a status: that is its whole interface.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod api;
mod chore;
mod coverage;
mod figures;
mod fuzzing;
mod planted;
mod python;
mod sanitize;
mod steps;
mod tidy;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use chore::{cargo, root};
use steps::{ChoreSteps, StepOutcome, run};

const USAGE: &str = "\
cargo xtask <command>

  test      everything that the README promises: format, lints, docs, tests, memory, tidy, the Python package
  ci        test, then the lock file, dependencies, fuzz targets, public API and installed package
  tidy      house rules only: imports, names, sizes, words, links, licences (two seconds)
  api       what the working tree adds to the public API and removes from it, compared with main
  fuzz      builds the fuzz targets and runs each for five seconds
  wheel     the Python wheel, optimised, and the source distribution, in target/wheels; tries the wheel
  figures   measures the figures in the documents and writes them there; `figures TEXT` only commands that contain TEXT
  slow      tests with Lightning, transformers and torch, which take 6 GB of disk
  planted   plants bugs in a copy, and runs the test that has to fail for each (half an hour); `planted TEXT` only some
  sanitize  the unit tests of the disk and the log under AddressSanitizer, ThreadSanitizer and Miri (half an hour)
  coverage  lines and branches of log, manifest and recovery that tests reach (a quarter of an hour); `coverage TEXT` also
            lists the missed ones of files with TEXT in their names
  deny      advisories, licences and sources of the dependencies, by cargo-deny
  soak      the long test groups, in release mode (hours)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut steps = ChoreSteps::default();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test(&mut steps),
        ["ci"] => {
            steps.add("lock file", || run(cargo().args(["metadata", "--locked", "--format-version=1"])));
            test(&mut steps);
            steps.add("dependencies", || deny(Absent::Skip));
            steps.add("fuzz targets", || fuzzing::check(&root()));
            steps.add("public API", || api::report(&root()));
            steps.add("Python package, installed", || python::install(&root()));
        }
        ["api"] => steps.add("public API", || api::report(&root())),
        ["fuzz"] => steps.add("fuzz targets", || fuzzing::check(&root())),
        ["wheel"] => steps.add("wheel and source distribution", || python::wheel(&root())),
        ["figures"] => steps.add("figures", || figures::renew(&root(), "")),
        ["figures", only] => steps.add("figures", || figures::renew(&root(), only)),
        ["slow"] => steps.add("Python loggers", || python::loggers(&root())),
        ["planted"] => steps.add("planted bugs", || planted::check(&root(), "")),
        ["planted", only] => steps.add("planted bugs", || planted::check(&root(), only)),
        ["sanitize"] => sanitize::check(&mut steps, &root()),
        ["coverage"] => steps.add("coverage", || coverage::check(&root(), None)),
        ["coverage", detail] => steps.add("coverage", || coverage::check(&root(), Some(detail))),
        ["tidy"] => house_rules(&mut steps),
        ["deny"] => steps.add("dependencies", || deny(Absent::Fail)),
        ["soak"] => steps.add("long tests", || {
            run(cargo()
                .args(["test", "--release", "--workspace", "--test", "suite"])
                .env("TIDALITE_LONG", "1"))
        }),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    steps.finish()
}

/// The steps that fail soonest come first.
fn test(steps: &mut ChoreSteps) {
    steps.add("format", || run(cargo().args(["fmt", "--all", "--check"])));
    house_rules(steps);
    steps.add("lints", || {
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
    });
    steps.add("tests", || run(cargo().args(["test", "--workspace", "--lib", "--bins", "--tests"])));
    steps.add("memory", || {
        // A small share of the data of the bench, in the profile of the tests, whose dependencies are built by now.
        let args = ["test", "--workspace", "--bench", "memory", "--", "--check", "--options", "64"];
        run(cargo().args(args).env("TIDALITE_BENCH_SHARE", "25"))
    });
    steps.add("examples", examples);
    steps.add("doc tests", || run(cargo().args(["test", "--workspace", "--doc"])));
    steps.add("docs", || {
        let args = ["doc", "--workspace", "--lib", "--no-deps"];
        run(cargo().args(args).env("RUSTDOCFLAGS", "--deny warnings"))
    });
    steps.add("Python tests", || python::tests(&root()));
    steps.add("Python package alone", || python::first_hour(&root()));
    steps.add("Python types", || python::types(&root()));
}

/// Builds and runs each example of the library. All are built with the workspace, so that dependencies keep their features.
fn examples() -> StepOutcome {
    let built = run(cargo().args(["build", "--workspace", "--examples"]));
    if !matches!(built, StepOutcome::Passed) {
        return built;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    for name in ["log", "query", "follow", "bulk", "embed"] {
        let done = run(&mut Command::new(target.join("debug/examples").join(name)));
        if !matches!(done, StepOutcome::Passed) {
            return done;
        }
    }
    StepOutcome::Passed
}

fn house_rules(steps: &mut ChoreSteps) {
    steps.add("tidy", || tidy::check(&root()));
    steps.add("licences", || tidy::licence::check(&root()));
}

/// The outcome where cargo-deny is not installed or the database of advisories cannot be reached.
#[derive(Clone, Copy)]
enum Absent {
    Skip,
    Fail,
}

impl Absent {
    fn outcome(self, what: &str) -> StepOutcome {
        match self {
            Self::Skip => StepOutcome::Skipped(what.into()),
            Self::Fail => StepOutcome::Failed(what.into()),
        }
    }
}

/// Licences, bans and sources need nothing but the lock file. Advisories need a database. It is fetched separately, so
/// that a missing network does not look like an advisory.
fn deny(absent: Absent) -> StepOutcome {
    let deny = |args: &[&str]| {
        let mut command = cargo();
        command.arg("deny").args(args);
        command
    };
    if !deny(&["--version"]).output().is_ok_and(|v| v.status.success()) {
        return absent.outcome("cargo-deny is not installed; `cargo install cargo-deny --locked` builds it");
    }
    let offline = run(&mut deny(&["check", "bans", "licenses", "sources"]));
    if !matches!(offline, StepOutcome::Passed) {
        return offline;
    }
    if !deny(&["fetch", "db"]).output().is_ok_and(|f| f.status.success()) {
        return absent.outcome("advisories only (the rest passed): their database could not be fetched");
    }
    run(&mut deny(&["check", "--disable-fetch", "advisories"]))
}
