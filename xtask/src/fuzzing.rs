//! Builds the fuzz targets and runs each for a few seconds: they compile, and nothing shallow panics.
//!
//! cargo-fuzz is not needed. Its instrumentation without a sanitizer is a set of stable compiler flags, and each target
//! is an executable that fuzzes when it is started. A crash leaves its input in `fuzz/artifacts`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::chore::cargo;
use super::steps::{StepOutcome, run};

const SECONDS: u32 = 5;
const FLAGS: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Builds all targets and runs each for `SECONDS`.
pub(crate) fn check(root: &Path) -> StepOutcome {
    let host = match host() {
        Ok(host) => host,
        Err(why) => return StepOutcome::Failed(why),
    };
    let target = root.join("fuzz/target");
    // With a target named, the flags do not reach build scripts.
    let mut build = cargo();
    build.args(["build", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--target", &host, "--target-dir"]);
    build.arg(&target).env("RUSTFLAGS", FLAGS.join(" "));
    let built = run(&mut build);
    if built != StepOutcome::Passed {
        return built;
    }
    for name in targets(root) {
        let artifacts = root.join("fuzz/artifacts").join(&name);
        if let Err(e) = fs::create_dir_all(&artifacts) {
            return StepOutcome::Failed(format!("cannot create {}: {e}", artifacts.display()));
        }
        let mut fuzz = Command::new(target.join(&host).join("debug").join(&name));
        fuzz.args([format!("-max_total_time={SECONDS}"), "-print_final_stats=1".into()]);
        fuzz.arg(format!("-artifact_prefix={}/", artifacts.display())).current_dir(root);
        // What is found goes to the first folder; the others are only read.
        let (found, seeds) = (root.join("fuzz/corpus").join(&name), root.join("fuzz/seeds").join(&name));
        if seeds.is_dir() {
            if let Err(e) = fs::create_dir_all(&found) {
                return StepOutcome::Failed(format!("cannot create {}: {e}", found.display()));
            }
            fuzz.args([found, seeds]);
        }
        let ended = match fuzz.output() {
            Ok(ended) => ended,
            Err(e) => return StepOutcome::Failed(format!("cannot start the target {name}: {e}")),
        };
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        if !ended.status.success() {
            print!("{said}");
            return StepOutcome::Failed(format!("the target {name} ended with {}", ended.status));
        }
        let inputs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        println!("   {name}: {} inputs in {SECONDS} s", inputs.map_or("?", str::trim));
    }
    StepOutcome::Passed
}

/// The targets: the files in `fuzz/fuzz_targets`.
fn targets(root: &Path) -> Vec<String> {
    let files = fs::read_dir(root.join("fuzz/fuzz_targets")).into_iter().flatten().flatten();
    let name = |file: fs::DirEntry| Some(file.path().file_stem()?.to_string_lossy().into_owned());
    let mut names: Vec<String> = files.filter_map(name).collect();
    names.sort();
    names
}

/// The platform that the compiler runs on.
pub(crate) fn host() -> Result<String, String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("-vV").output();
    let version = version.map_err(|e| format!("cannot start rustc: {e}"))?;
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_string).ok_or_else(|| format!("rustc names no host: {text}"))
}
