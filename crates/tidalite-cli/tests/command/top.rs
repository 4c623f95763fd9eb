//! `top --once`, and the refusals of `top`.

use crate::sample::{Sample, tidalite};
use tidalite::{RowAt, Store};

/// The lines of the runs.
fn rows(text: &str) -> Vec<&str> {
    text.lines()
        .skip_while(|line| !line.starts_with("run "))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect()
}

#[test]
fn once_prints_a_row_per_run_with_sparklines() {
    let sample = Sample::new();
    let text = sample.run("top", &["--once"]).ok().to_string();
    assert!(text.starts_with("tidalite top ") && text.contains("0 running of 2 runs"), "{text}");
    let heading: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(heading, ["run", "status", "age", "idle", "step", "steps/s", "train/loss", "accuracy"]);
    let rows = rows(&text);
    assert!(rows.len() == 2 && rows[0].starts_with("lr-2 ") && rows[1].starts_with("lr-0.1 "), "{text}");
    assert!(rows[0].contains("finished") && rows[0].contains("99") && rows[0].contains("NaN"), "{text}");
    assert!(rows[0].contains('█') && rows[0].contains('×') && rows[1].contains("0.01 █"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn once_fits_the_width_and_shows_what_fits() {
    let sample = Sample::new();
    for width in ["20", "60", "100", "200"] {
        let text = sample.run("top", &["--once", "--width", width]).ok().to_string();
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width.parse().unwrap(), "{width}:\n{text}");
        assert_eq!(text.contains("train/loss"), width != "20", "{text}");
        assert_eq!(text.contains("power_watts"), width == "200", "{text}");
    }
}

#[test]
fn runs_are_running_finished_or_lost_and_running_ones_come_first() {
    let sample = Sample::new();
    let store = Store::open(sample.path()).unwrap();
    let live = store.run("live").start().unwrap();
    (0..10).for_each(|step| live.log_at(&RowAt::step(step), &[("train/loss", 1.0)]).map(drop).unwrap());
    let failed = store.run("failed").start().unwrap();
    failed.fail_because("out of memory").unwrap();
    sample.run("edit", &["lr-2", "--status", "lost"]).ok();
    let text = sample.run("top", &["--once"]).ok().to_string();
    let words: Vec<Vec<&str>> = rows(&text).iter().map(|row| row.split_whitespace().collect()).collect();
    let statuses: Vec<(&str, &str)> = words.iter().map(|row| (row[0], row[1])).collect();
    let expected = [("live", "running"), ("failed", "failed"), ("lr-2", "lost"), ("lr-0.1", "finished")];
    assert_eq!(statuses, expected, "{text}");
    assert_eq!(words[0][6], "9", "{text}");
    assert!(words[1].contains(&"–"), "{text}");
    assert!(text.contains("1 running of 4 runs"), "{text}");
    // The store is written to meanwhile, and read again.
    live.log_at(&RowAt::step(10), &[("train/loss", 0.5)]).unwrap();
    assert!(rows(sample.run("top", &["--once"]).ok())[0].contains("0.5 "));
}

#[test]
fn metrics_and_runs_are_chosen_by_flags() {
    let sample = Sample::new();
    let text =
        sample.run("top", &["--once", "-m", "acc*", "-m", "power_watts", "-r", "lr-2"]).ok().to_string();
    let heading = text.lines().nth(1).unwrap();
    assert!(heading.find("accuracy") < heading.find("power_watts") && !heading.contains("loss"), "{text}");
    assert!(rows(&text).len() == 1 && text.contains("299"), "{text}");
    let text = sample.run("top", &["--once", "-w", "params.lr < 1"]).ok().to_string();
    assert!(rows(&text).len() == 1 && rows(&text)[0].starts_with("lr-0.1"), "{text}");
    let text = sample.run("top", &["--once", "-m", "los"]).ok().to_string();
    assert!(text.contains("no metric matches los; similar: train/loss"), "{text}");
    let text = sample.run("top", &["--once", "-r", "nothing"]).ok().to_string();
    assert!(text.contains("no run matches"), "{text}");
}

#[test]
fn a_store_without_runs_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty");
    Store::open(&path).unwrap().close().unwrap();
    let answer = crate::sample::CommandAnswer::of(tidalite().arg("top").arg(&path).arg("--once"));
    assert!(
        answer.ok().contains("0 running of 0 runs") && answer.text().contains("the store has no runs yet")
    );
}

#[test]
fn without_a_terminal_it_is_wrong_usage() {
    let sample = Sample::new();
    let refused = sample.run("top", &[]).fails(2).to_string();
    assert!(refused.contains("draws on a terminal") && refused.contains("--once"), "{refused}");
    assert!(sample.run("top", &["--once", "--format", "json"]).fails(2).contains("`tidalite runs`"));
    assert!(sample.run("top", &["--width", "80"]).code == Some(2), "--width is that of --once");
    assert!(sample.run("top", &["--once", "--interval", "0"]).fails(2).contains("between 0.1 s and a day"));
    let nowhere = sample.dir.path().join("nowhere");
    let answer = crate::sample::CommandAnswer::of(tidalite().arg("top").arg(nowhere).arg("--once"));
    assert!(answer.fails(1).contains("no such folder"));
}
