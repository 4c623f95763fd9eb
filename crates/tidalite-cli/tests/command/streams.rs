//! Pipes that close early, and following a store that grows.

use crate::sample::{CommandAnswer, Sample, tidalite};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tidalite::Store;

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("s")).unwrap();
    let run = store.run("a").start().unwrap();
    for step in 0..40_000 {
        run.log(step, &[("loss", 1.0 / (step + 1) as f64)]).unwrap();
    }
    run.finish().unwrap();
    store.close().unwrap();
    for format in ["csv", "json", "arrow", "table"] {
        let exe = env!("CARGO_BIN_EXE_tidalite");
        let path = dir.path().join("s");
        let line = format!(
            "{{ '{exe}' query '{}' --limit 0 --format {format}; echo \"code $?\" >&2; }} | head -c 50",
            path.display()
        );
        let output = Command::new("sh").arg("-c").arg(line).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "code 0\n", "{format}");
        assert_eq!(output.stdout.len(), 50);
    }
}

#[test]
fn follow_prints_what_is_written_meanwhile_and_nothing_twice() {
    let sample = Sample::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidalite"))
        .arg("follow")
        .arg(sample.path())
        .args(["-m", "train/loss", "--idle-exit", "1.5", "--format", "csv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    let store = Store::open(sample.path()).unwrap();
    let run = store.run("new").start().unwrap();
    for step in 0..5 {
        run.log(step, &[("train/loss", 0.5)]).unwrap();
    }
    run.finish().unwrap();
    store.flush().unwrap();
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().map(|l| l.unwrap()).collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines[1..].iter().all(|l| l.starts_with("new,train/loss,")));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let cursor = said.split('\'').nth(1).unwrap();
    run_again(&sample, cursor, &store);
}

/// A follower that goes on from the cursor sees only what came after it.
fn run_again(sample: &Sample, cursor: &str, store: &Store) {
    store.run("later").start().unwrap().log(0, &[("train/loss", 0.1)]).unwrap();
    let answer = sample.run("follow", &["--cursor", cursor, "--idle-exit", "0.2", "--format", "json"]);
    let rows = answer.rows();
    assert_eq!((rows.len(), &rows[0]["run"]), (1, &"later".into()));
}

#[test]
fn nothing_is_coloured_and_no_bar_is_drawn_away_from_a_terminal() {
    let sample = Sample::new();
    for command in ["runs", "chart", "compact", "verify"] {
        let answer = sample.run(command, &[]);
        assert!(!answer.ok().contains('\x1b') && answer.err.is_empty(), "{command}: {}", answer.err);
    }
    let forced = CommandAnswer::of(tidalite().arg("chart").arg(sample.path()).args(["--color", "always"]));
    assert!(forced.ok().contains('\x1b'));
}
