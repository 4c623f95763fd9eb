//! Ctrl-C: long work ends itself and leaves nothing behind; a second one ends the process at once.

use crate::sample::Sample;
use std::fs::File;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

fn start(sample: &Sample, command: &str, flags: &[&str]) -> Child {
    let mut process = Command::new(env!("CARGO_BIN_EXE_tidalite"));
    process.arg(command).arg(sample.path()).args(flags).stdout(Stdio::piped()).stderr(Stdio::piped());
    process.spawn().unwrap()
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
}

/// Interrupts it as often as needed until it has ended.
fn end(mut child: Child) -> (Output, u32) {
    let start = Instant::now();
    let mut interrupts = 0;
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "it does not end");
        interrupt(&child);
        interrupts += 1;
        sleep(Duration::from_millis(700));
    }
    (child.wait_with_output().unwrap(), interrupts)
}

#[test]
fn work_that_is_interrupted_says_so_and_exits_with_130() {
    let sample = Sample::new();
    let held =
        File::options().write(true).create(true).truncate(false).open(sample.path().join("lock")).unwrap();
    held.lock().unwrap();
    for command in ["compact", "flush"] {
        let child = start(&sample, command, &[]);
        // By then it waits for the store's lock.
        sleep(Duration::from_millis(700));
        let (output, interrupts) = end(child);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), interrupts), (Some(130), 1), "{command}: {said}");
        assert!(said.contains("ended the work"), "{command}: {said}");
    }
}

#[test]
fn a_follower_that_is_interrupted_prints_the_cursor_to_continue_with() {
    let sample = Sample::new();
    for format in ["table", "json"] {
        let child = start(&sample, "follow", &["--from-start", "-m", "accuracy", "--format", format]);
        sleep(Duration::from_millis(700));
        let (output, _) = end(child);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{said}");
        let lines = String::from_utf8(output.stdout).unwrap().lines().count();
        assert_eq!(lines, 200 + usize::from(format == "table"));
        let cursor = said.split('\'').nth(1).unwrap_or_else(|| panic!("a cursor in {said}"));
        let rest = sample
            .run("follow", &["--cursor", cursor, "--idle-exit", "0.1", "--format", "json", "-m", "accuracy"]);
        assert_eq!(rest.rows().len(), 0);
    }
}

#[test]
fn a_query_that_is_interrupted_ends_at_once() {
    let sample = Sample::new();
    // The pipe is not read, so that it is full and the query waits.
    let store = tidalite::Store::open(sample.path()).unwrap();
    let run = store.run("long").start().unwrap();
    for step in 0..20_000 {
        run.log(step, &[("loss", 0.5)]).unwrap();
    }
    let child = start(&sample, "query", &["--limit", "0", "--format", "csv"]);
    sleep(Duration::from_millis(700));
    let (output, interrupts) = end(child);
    assert_eq!((output.status.code(), interrupts), (None, 1), "the signal ended it");
}
