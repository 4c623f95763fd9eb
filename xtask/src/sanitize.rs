//! Runs the tests of the crates that hold unsafe code, or use it most, under AddressSanitizer: an access outside of a mapping
//! or of memory that was freed ends them.
//!
//! The sanitizer is not stable, so the stable compiler is told to allow it. The crates need few others, and are built in a
//! folder of their own.

use std::path::Path;

use super::chore::cargo;
use super::fuzzing::host;
use super::steps::{StepOutcome, run};

/// Crates without Parquet and Arrow, so that the build is short.
const CRATES: [&str; 2] = ["tidalite-vfs", "tidalite-log"];

/// Builds and runs the unit tests of [`CRATES`].
pub(crate) fn check(root: &Path) -> StepOutcome {
    let host = match host() {
        Ok(host) => host,
        Err(why) => return StepOutcome::Failed(why),
    };
    let mut test = cargo();
    test.args(["test", "--lib", "--target", &host, "--target-dir"]).arg(root.join("target/sanitize"));
    for name in CRATES {
        test.args(["--package", name]);
    }
    test.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    run(&mut test)
}
