//! The child processes of the demo and their output.
//!
//! Invariant: no child outlives its value. Dropping the value kills and reaps the child.

use super::plan::run_id;
use crate::error::{CliError, CliResult};
use crate::program::Program;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the sampler may take to exit.
const END_WAIT: Duration = Duration::from_secs(5);

/// A running child process.
struct ChildProcess {
    child: Child,
    name: String,
    errors: Option<JoinHandle<String>>,
}

impl ChildProcess {
    fn start(program: &Program, name: String, flags: &[&str], path: &Path) -> CliResult<ChildProcess> {
        let failed = |e: std::io::Error| CliError::Other(format!("start {name}: {e}"));
        let mut child = program
            .again()
            .map_err(failed)?
            .args(flags)
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let errors = child.stderr.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut text = String::new();
                // An unreadable rest of a message is omitted.
                let _ = pipe.read_to_string(&mut text);
                text
            })
        });
        Ok(ChildProcess { child, name, errors })
    }

    /// The exit status, if the child has exited.
    fn ended(&mut self) -> CliResult<Option<ExitStatus>> {
        self.child.try_wait().map_err(|e| CliError::Other(format!("wait for {}: {e}", self.name)))
    }

    fn wait(&mut self) -> CliResult<ExitStatus> {
        self.child.wait().map_err(|e| CliError::Other(format!("wait for {}: {e}", self.name)))
    }

    /// Returns an error with the message of the child, unless it succeeded.
    fn check(&mut self, status: ExitStatus) -> CliResult {
        if status.success() {
            return Ok(());
        }
        let message = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let message = message.trim().trim_start_matches("error: ");
        let message = if message.is_empty() { status.to_string() } else { message.to_owned() };
        Err(CliError::Other(format!("{} failed: {message}", self.name)))
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // A child that has exited already is only reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a trainer printed on its standard output.
#[derive(Debug, Default)]
struct TrainerOutput {
    /// The last acknowledged step.
    acked: Option<i64>,
    timing: Option<LogTiming>,
}

/// How long the calls of `log` of a trainer took, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogTiming {
    /// The median.
    pub(super) p50_ns: u64,
    /// The 99th percentile.
    pub(super) p99_ns: u64,
}

/// A trainer process.
pub(super) struct TrainerProcess {
    rate: String,
    process: ChildProcess,
    output: JoinHandle<TrainerOutput>,
}

impl TrainerProcess {
    /// Starts a trainer.
    pub(super) fn start(
        program: &Program,
        path: &Path,
        rate: &str,
        steps: u32,
        lasting: Duration,
    ) -> CliResult<TrainerProcess> {
        let (steps, seconds) = (steps.to_string(), lasting.as_secs_f64().to_string());
        let flags = ["demo-train", "--rate", rate, "--steps", &steps, "--seconds", &seconds];
        let mut process =
            ChildProcess::start(program, format!("the trainer of {}", run_id(rate)), &flags, path)?;
        let pipe = process.child.stdout.take().expect("standard output is a pipe");
        let output = std::thread::spawn(move || parse_output(BufReader::new(pipe)));
        Ok(TrainerProcess { rate: rate.to_owned(), process, output })
    }

    /// The learning rate.
    pub(super) fn rate(&self) -> &str {
        &self.rate
    }

    /// Whether it has succeeded; an error if it failed.
    pub(super) fn has_ended(&mut self) -> CliResult<bool> {
        match self.process.ended()? {
            None => Ok(false),
            Some(status) => self.process.check(status).map(|()| true),
        }
    }

    /// Kills it with SIGKILL and returns the last step that the store acknowledged to it.
    pub(super) fn kill(mut self) -> CliResult<i64> {
        self.process.child.kill().map_err(|e| CliError::Other(format!("kill {}: {e}", self.process.name)))?;
        let status = self.process.wait()?;
        // Its last output is still in the pipe.
        let output = self.output.join().unwrap_or_default();
        if status.success() {
            return Err(CliError::Other(format!("{} ended before it could be killed", self.process.name)));
        }
        output.acked.ok_or_else(|| CliError::Other(format!("{} had logged nothing", self.process.name)))
    }

    /// Waits until it exits and returns its timing.
    pub(super) fn finish(mut self) -> CliResult<LogTiming> {
        let status = self.process.wait()?;
        self.process.check(status)?;
        let output = self.output.join().unwrap_or_default();
        output.timing.ok_or_else(|| CliError::Other(format!("{} reported no timing", self.process.name)))
    }
}

fn parse_output(lines: impl BufRead) -> TrainerOutput {
    let mut output = TrainerOutput::default();
    for line in lines.lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["ack", step] => output.acked = step.parse().ok().or(output.acked),
            ["timing", p50, p99] => {
                let both = p50.parse().ok().zip(p99.parse().ok());
                output.timing = both.map(|(p50_ns, p99_ns)| LogTiming { p50_ns, p99_ns });
            }
            _ => {}
        }
    }
    output
}

/// The process that samples this machine.
pub(super) struct SamplerProcess {
    process: ChildProcess,
}

impl SamplerProcess {
    /// Starts the sampler.
    pub(super) fn start(program: &Program, path: &Path) -> CliResult<SamplerProcess> {
        Ok(SamplerProcess {
            process: ChildProcess::start(
                program,
                "the sampler of this machine".into(),
                &["demo-watch"],
                path,
            )?,
        })
    }

    /// Closes its standard input and waits until it exits.
    pub(super) fn stop(&mut self) -> CliResult {
        drop(self.process.child.stdin.take());
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.ended()? {
                return self.process.check(status);
            }
            if start.elapsed() > END_WAIT {
                return Err(CliError::Other(format!("{} does not exit", self.process.name)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_complete_line_of_a_killed_trainer_counts() {
        let output = parse_output(&b"ack 0\nack 1\nack 2\nac"[..]);
        assert_eq!(output.acked, Some(2));
        assert!(output.timing.is_none());
        assert_eq!(parse_output(&b"ack 7\ntiming 210 900\n"[..]).timing.map(|t| t.p99_ns), Some(900));
    }
}
