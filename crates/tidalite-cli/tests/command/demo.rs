//! The demonstration, whole but short: five processes, one killed, nothing lost, nobody left behind.

use crate::sample::{CommandAnswer, tidalite};
use serde_json::Value;

#[test]
fn the_demo_loses_nothing_and_leaves_a_sound_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let answer = CommandAnswer::of(tidalite().arg("demo").arg("--path").arg(&path).args(["--seconds", "1"]));
    let text = answer.ok();
    for says in [
        "nothing lost",
        "status is now: lost",
        "bytes a point",
        "sound",
        "Try next",
        "rows seen live",
        "non-finite from",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let verify = CommandAnswer::of(tidalite().arg("verify").arg(&path).args(["--format", "json"]));
    let report: Value = serde_json::from_str(verify.ok()).unwrap();
    assert_eq!((&report["sound"], &report["logs"]), (&true.into(), &0.into()));
    let runs = CommandAnswer::of(tidalite().arg("runs").arg(&path).args(["--format", "json"])).rows();
    let statuses: Vec<&Value> = runs.iter().map(|r| &r["status"]).collect();
    assert_eq!(statuses, ["finished", "lost", "finished", "finished", "finished"]);
    let again = CommandAnswer::of(tidalite().arg("demo").arg("--path").arg(&path));
    assert!(again.fails(1).contains("holds something already"), "{}", again.err);
}

#[test]
fn a_trainer_whose_parent_is_gone_ends() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--rate", "0.1", "--steps", "100000", "--seconds", "600"];
    // Standard input is closed from the beginning.
    let answer =
        CommandAnswer::of(tidalite().arg("demo-train").arg(dir.path().join("s")).args(flags).write_stdin(""));
    answer.fails(1);
}
