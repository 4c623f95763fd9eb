//! ChoreSteps with a name, a duration and an outcome, and the count of them at the end.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// How a step ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    Passed,
    /// Why, in a sentence.
    Failed(String),
    /// Why; counts neither as passed nor as failed.
    Skipped(String),
}

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct ChoreSteps {
    passed: usize,
    failed: Vec<String>,
}

impl ChoreSteps {
    /// Runs a step and says how it went.
    pub(crate) fn add(&mut self, name: &str, step: impl FnOnce() -> StepOutcome) {
        println!("== {name}");
        let start = Instant::now();
        let outcome = step();
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            StepOutcome::Passed => {
                self.passed += 1;
                println!("   {name}: ok in {seconds:.1} s\n");
            }
            StepOutcome::Failed(why) => {
                self.failed.push(name.into());
                println!("   {name}: FAILED in {seconds:.1} s: {why}\n");
            }
            StepOutcome::Skipped(why) => println!("   {name}: skipped: {why}\n"),
        }
    }

    /// Names the failed steps, then counts: the last line is `N passed, M failed`.
    pub(crate) fn finish(self) -> ExitCode {
        if !self.failed.is_empty() {
            println!("failed: {}", self.failed.join(", "));
        }
        println!("{} passed, {} failed", self.passed, self.failed.len());
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs a command; its output goes to ours, but for metadata, which is for machines.
pub(crate) fn run(command: &mut Command) -> StepOutcome {
    let shown = command.get_args().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");
    if shown.starts_with("metadata") {
        command.stdout(Stdio::null());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => StepOutcome::Passed,
        Ok(status) => StepOutcome::Failed(format!("`{program} {shown}` ended with {status}")),
        Err(e) => StepOutcome::Failed(format!("cannot start `{program}`: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_and_the_others_still_run() {
        let mut steps = ChoreSteps::default();
        steps.add("a", || StepOutcome::Passed);
        steps.add("b", || StepOutcome::Failed("broken".into()));
        steps.add("c", || StepOutcome::Skipped("absent".into()));
        steps.add("d", || StepOutcome::Passed);
        assert_eq!((steps.passed, &steps.failed[..]), (2, &["b".to_string()][..]));
    }

    #[test]
    fn a_program_that_does_not_exist_is_a_failure() {
        let outcome = run(&mut Command::new("no-such-program-anywhere"));
        assert!(matches!(outcome, StepOutcome::Failed(why) if why.contains("no-such-program-anywhere")));
    }
}
