//! The store that these tests ask: two runs of three metrics over a hundred steps, one of which ends in NaN.

use assert_cmd::Command;
use std::path::PathBuf;
use tempfile::TempDir;
use tidalite::{Labels, RowAt, Store};

/// 2024-01-01T00:00:00Z.
pub(crate) const START_US: i64 = 1_704_067_200_000_000;

/// A store in a folder that goes with it.
pub(crate) struct Sample {
    pub(crate) dir: TempDir,
}

impl Sample {
    /// Half of it in a part, half in logs.
    pub(crate) fn new() -> Sample {
        let sample = Sample { dir: tempfile::tempdir().unwrap() };
        let store = Store::open(sample.path()).unwrap();
        for (id, lr) in [("lr-0.1", 0.1), ("lr-2", 2.0)] {
            let run = store.run(id).param("lr", lr).tag("sweep").start().unwrap();
            for step in 0..100 {
                let loss = if lr > 1.0 && step >= 60 { f64::NAN } else { 1.0 / (step + 1) as f64 };
                let at = RowAt::step(step).time_us(START_US + step * 1_000_000);
                run.log_at(&at, &[("train/loss", loss), ("accuracy", step as f64 / 100.0)]).unwrap();
                let gpu = at.labels(Labels::parse("gpu=0").unwrap());
                run.log_at(&gpu, &[("power_watts", 200.0 + step as f64)]).unwrap();
            }
            run.finish().unwrap();
            if lr < 1.0 {
                store.flush().unwrap();
            }
        }
        store.close().unwrap();
        sample
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("metrics")
    }

    /// The command, with the store behind its name.
    pub(crate) fn run(&self, command: &str, flags: &[&str]) -> CommandAnswer {
        let mut process = tidalite();
        process.arg(command).arg(self.path()).args(flags);
        CommandAnswer::of(&mut process)
    }
}

/// The command under test, away from the settings of whoever runs it.
pub(crate) fn tidalite() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidalite"));
    command.env_remove("NO_COLOR").env("COLUMNS", "100");
    command
}

/// What a process said.
pub(crate) struct CommandAnswer {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl CommandAnswer {
    pub(crate) fn of(command: &mut Command) -> CommandAnswer {
        let output = command.output().unwrap();
        CommandAnswer {
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// The text, of an answer that ended well.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}{}", self.text(), self.err);
        self.text()
    }

    /// The message of one that did not, which is an error of one or two lines and no panic.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}{}", self.text(), self.err);
        assert!(self.err.starts_with("error: "), "{}", self.err);
        assert!(!self.err.contains("fault in tidalite"), "{}", self.err);
        &self.err
    }

    /// JSON lines.
    #[track_caller]
    pub(crate) fn rows(&self) -> Vec<serde_json::Value> {
        self.ok().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}
