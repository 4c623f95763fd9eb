//! The processes that the demonstration starts, and what they say.
//!
//! Invariant: no child outlives its value here; dropping kills and reaps it, whatever error is on the way up.

use super::plan::run_id;
use crate::error::{CliError, CliResult};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the sampler of the machine may take to end.
const END_WAIT: Duration = Duration::from_secs(5);

/// A running process of ours.
struct ChildProcess {
    child: Child,
    name: String,
    errors: Option<JoinHandle<String>>,
}

impl ChildProcess {
    fn start(name: String, flags: &[&str], path: &Path) -> CliResult<ChildProcess> {
        let failed = |e: std::io::Error| CliError::Other(format!("start {name}: {e}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
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
                // What cannot be read of a message is left out of it.
                let _ = pipe.read_to_string(&mut text);
                text
            })
        });
        Ok(ChildProcess { child, name, errors })
    }

    /// How it ended, if it has.
    fn ended(&mut self) -> CliResult<Option<ExitStatus>> {
        self.child.try_wait().map_err(|e| CliError::Other(format!("wait for {}: {e}", self.name)))
    }

    fn wait(&mut self) -> CliResult<ExitStatus> {
        self.child.wait().map_err(|e| CliError::Other(format!("wait for {}: {e}", self.name)))
    }

    /// The error of a child that ended otherwise than well.
    fn check(&mut self, status: ExitStatus) -> CliResult {
        if status.success() {
            return Ok(());
        }
        let said = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let said = said.trim().trim_start_matches("error: ");
        let said = if said.is_empty() { status.to_string() } else { said.to_owned() };
        Err(CliError::Other(format!("{} failed: {said}", self.name)))
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill, and the wait only reaps.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a trainer said on its standard output.
#[derive(Debug, Default)]
struct TrainerOutput {
    /// The last step that the store had accepted.
    acked: Option<i64>,
    timing: Option<LogTiming>,
}

/// What a trainer's calls of `log` took, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogTiming {
    /// Half of them took at most this.
    pub(super) p50_ns: u64,
    /// 99 of 100 took at most this.
    pub(super) p99_ns: u64,
}

/// A trainer.
pub(super) struct TrainerProcess {
    rate: String,
    process: ChildProcess,
    said: JoinHandle<TrainerOutput>,
}

impl TrainerProcess {
    /// Starts one.
    pub(super) fn start(path: &Path, rate: &str, steps: u32, lasting: Duration) -> CliResult<TrainerProcess> {
        let (steps, seconds) = (steps.to_string(), lasting.as_secs_f64().to_string());
        let flags = ["demo-train", "--rate", rate, "--steps", &steps, "--seconds", &seconds];
        let mut process = ChildProcess::start(format!("the trainer of {}", run_id(rate)), &flags, path)?;
        let pipe = process.child.stdout.take().expect("standard output was asked to be a pipe");
        let said = std::thread::spawn(move || hear(BufReader::new(pipe)));
        Ok(TrainerProcess { rate: rate.to_owned(), process, said })
    }

    /// Its learning rate.
    pub(super) fn rate(&self) -> &str {
        &self.rate
    }

    /// Whether it has ended, well; an error where it failed.
    pub(super) fn has_ended(&mut self) -> CliResult<bool> {
        match self.process.ended()? {
            None => Ok(false),
            Some(status) => self.process.check(status).map(|()| true),
        }
    }

    /// Kills it with SIGKILL, in the midst of whatever it does; gives the last step that it had been told is accepted.
    pub(super) fn kill(mut self) -> CliResult<i64> {
        self.process.child.kill().map_err(|e| CliError::Other(format!("kill {}: {e}", self.process.name)))?;
        let status = self.process.wait()?;
        // What it wrote before it died is still in the pipe.
        let said = self.said.join().unwrap_or_default();
        if status.success() {
            return Err(CliError::Other(format!("{} ended before it could be killed", self.process.name)));
        }
        said.acked.ok_or_else(|| CliError::Other(format!("{} had logged nothing", self.process.name)))
    }

    /// Waits for its end, and gives what its calls took.
    pub(super) fn finish(mut self) -> CliResult<LogTiming> {
        let status = self.process.wait()?;
        self.process.check(status)?;
        let said = self.said.join().unwrap_or_default();
        said.timing.ok_or_else(|| CliError::Other(format!("{} said no timing", self.process.name)))
    }
}

fn hear(lines: impl BufRead) -> TrainerOutput {
    let mut said = TrainerOutput::default();
    for line in lines.lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["ack", step] => said.acked = step.parse().ok().or(said.acked),
            ["timing", p50, p99] => {
                let both = p50.parse().ok().zip(p99.parse().ok());
                said.timing = both.map(|(p50_ns, p99_ns)| LogTiming { p50_ns, p99_ns });
            }
            _ => {}
        }
    }
    said
}

/// The sampler of this machine.
pub(super) struct SamplerProcess {
    process: ChildProcess,
}

impl SamplerProcess {
    /// Starts it.
    pub(super) fn start(path: &Path) -> CliResult<SamplerProcess> {
        Ok(SamplerProcess {
            process: ChildProcess::start("the sampler of the machine".into(), &["demo-watch"], path)?,
        })
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn stop(&mut self) -> CliResult {
        drop(self.process.child.stdin.take());
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.ended()? {
                return self.process.check(status);
            }
            if start.elapsed() > END_WAIT {
                return Err(CliError::Other(format!("{} does not end", self.process.name)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_trainer_said_last_counts() {
        let said = hear(&b"ack 0\nack 1\nack 2\nac"[..]);
        assert_eq!(said.acked, Some(2));
        assert!(said.timing.is_none());
        assert_eq!(hear(&b"ack 7\ntiming 210 900\n"[..]).timing.map(|t| t.p99_ns), Some(900));
    }
}
