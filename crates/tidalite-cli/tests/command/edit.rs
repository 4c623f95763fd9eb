//! `edit`, and what `runs` says of names, groups, reasons and participants.

use crate::sample::Sample;
use serde_json::json;
use tidalite::Store;

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let sample = Sample::new();
    let row = || sample.run("runs", &["--run", "lr-2", "--format", "json"]).rows().remove(0);
    let before = row();
    let flags = [
        "--param",
        "lr=3e-4",
        "--param",
        "net=vit",
        "--tag",
        "keep",
        "--remove-tag",
        "sweep",
        "--name",
        "Baseline",
        "--group",
        "g",
        "--notes",
        "slow start",
    ];
    sample.run("edit", &[&["lr-2"], &flags[..]].concat()).ok();
    let after = row();
    assert_eq!(after["params"], json!({"lr": 3e-4, "net": "vit"}));
    assert_eq!(after["tags"], json!(["keep"]));
    assert_eq!(
        (&after["name"], &after["group"], &after["notes"]),
        (&json!("Baseline"), &json!("g"), &json!("slow start"))
    );
    for field in ["status", "ended", "participants", "labels", "points"] {
        assert_eq!(after[field], before[field], "{field}");
    }

    sample
        .run(
            "edit",
            &["lr-2", "--remove-param", "net", "--name", "", "--status", "failed", "--ended", "2024-01-02"],
        )
        .ok();
    let after = row();
    assert_eq!(
        (&after["params"], &after["name"], &after["status"]),
        (&json!({"lr": 3e-4}), &json!(null), &json!("failed"))
    );
    assert!(after["ended"].as_str().is_none_or(|t| t.starts_with("2024-01-02")));
    sample.run("edit", &["lr-2", "--status", "auto"]).ok();
    assert_eq!(row()["status"], json!("finished"));
}

#[test]
fn an_edit_makes_no_run_and_refuses_what_is_wrong() {
    let sample = Sample::new();
    assert!(
        sample.run("edit", &["lr-3", "--name", "x"]).fails(3).contains("there is no run \"lr-3\"; similar: ")
    );
    assert!(sample.run("edit", &["lr-2"]).fails(2).contains("nothing to edit"));
    sample.run("edit", &["lr-2", "--status", "done"]).fails(2);
    sample.run("edit", &["lr-2", "--param", "lr"]).fails(2);
    assert_eq!(sample.run("runs", &["--format", "json"]).rows().len(), 2);
}

#[test]
fn runs_show_reasons_and_participants() {
    let sample = Sample::new();
    let store = Store::open(sample.path()).unwrap();
    let run = store.run("dist").label("rank", "1").start().unwrap();
    let other = store.run("dist").label("rank", "0").start().unwrap();
    run.log(7, &[("loss", 1.0)]).unwrap();
    run.fail_because("ValueError: loss is NaN").unwrap();
    other.finish().unwrap();
    store.close().unwrap();
    let row = sample.run("runs", &["--run", "dist", "--format", "json"]).rows().remove(0);
    assert_eq!((&row["status"], &row["reason"]), (&json!("failed"), &json!("ValueError: loss is NaN")));
    assert!(sample.run("runs", &["-w", "reason like 'ValueError*'"]).ok().contains("dist"));
    let rows = sample.run("runs", &["--run", "dist", "--participants", "--format", "json"]).rows();
    let shown: Vec<_> = rows.iter().map(|r| [&r["labels"], &r["status"], &r["last_step"]]).collect();
    assert_eq!(
        shown,
        [
            [&json!("rank=1"), &json!("failed"), &json!(7)],
            [&json!("rank=0"), &json!("finished"), &json!(null)],
        ]
    );
    assert_eq!(
        (rows[0]["pid"].as_u64(), rows[0]["host"].is_string()),
        (Some(u64::from(std::process::id())), true)
    );
    assert!(rows[0]["current"].is_boolean());
    assert!(
        sample.run("runs", &["--run", "dist", "--participants"]).ok().contains("ValueError: loss is NaN")
    );
}

#[test]
fn groups_by_a_param_are_typed_and_in_the_order_of_numbers() {
    let sample = Sample::new();
    for (run, lr) in [("lr-0.1", "10"), ("lr-2", "9")] {
        sample.run("edit", &[run, "--param", &format!("layers={lr}")]).ok();
    }
    let flags = ["-m", "accuracy", "--aggregate", "count", "--by", "param:layers", "--format", "json"];
    let rows = sample.run("query", &flags).rows();
    let layers: Vec<_> = rows.iter().map(|r| &r["param:layers"]).collect();
    assert_eq!(layers, [&json!(9), &json!(10)]);
}
