//! `merge`, and `export` and `import` of whole stores.

use crate::sample::{CommandAnswer, Sample, tidalite};
use serde_json::{Value, json};
use std::path::Path;
use tidalite::Store;

fn merge(into: &Path, from: &Path, flags: &[&str]) -> CommandAnswer {
    CommandAnswer::of(tidalite().arg("merge").arg(into).arg(from).args(flags))
}

fn rows(store: &Path, command: &str, flags: &[&str]) -> Vec<Value> {
    CommandAnswer::of(tidalite().arg(command).arg(store).args(flags).args(["--format", "json"])).rows()
}

#[test]
fn diverged_copies_become_one_store() {
    let sample = Sample::new();
    let copy = sample.dir.path().join("copy");
    sample.run("backup", &[copy.to_str().unwrap()]).ok();
    let other = Store::open(&copy).unwrap();
    let run = other.run("new").param("lr", 7).start().unwrap();
    run.log(0, &[("loss", 1.0)]).unwrap();
    run.finish().unwrap();
    other.edit("lr-2").tag("seen").apply().unwrap();
    other.close().unwrap();
    sample.run("edit", &["lr-2", "--name", "here"]).ok();
    let said = merge(&sample.path(), &copy, &[]).ok().to_string();
    assert!(said.contains("added 1 run and 1 point, and changed 1 run"), "{said}");
    let runs = rows(&sample.path(), "runs", &[]);
    assert_eq!(runs.len(), 3);
    let edited = runs.iter().find(|r| r["run"] == "lr-2").unwrap();
    assert_eq!((&edited["name"], &edited["tags"]), (&json!("here"), &json!(["seen", "sweep"])));
    let said = merge(&sample.path(), &copy, &[]).ok().to_string();
    assert!(said.contains("nothing new"), "{said}");
    let counts = merge(&sample.path(), &copy, &["--format", "json"]).ok().to_string();
    let counts: Value = serde_json::from_str(&counts).unwrap();
    assert_eq!((&counts["points"], &counts["runs_new"]), (&json!(0), &json!(0)));
}

#[test]
fn runs_of_one_id_are_refused_renamed_or_joined() {
    let (sample, other) = (Sample::new(), Sample::new());
    let refused = merge(&sample.path(), &other.path(), &[]).fails(1).to_string();
    assert!(refused.contains("\"lr-0.1\", \"lr-2\"") && refused.contains("--rename SUFFIX"), "{refused}");
    let said = merge(&sample.path(), &other.path(), &["--rename", "-b"]).ok().to_string();
    assert!(said.contains("run lr-2 is lr-2-b here"), "{said}");
    assert_eq!(rows(&sample.path(), "runs", &[]).len(), 4);
    let joined = Sample::new();
    merge(&joined.path(), &other.path(), &["--join"]).ok();
    assert_eq!(rows(&joined.path(), "runs", &[]).len(), 2);
    assert!(merge(&sample.path(), &other.path(), &["--join", "--rename", "x"]).fails(2).contains("--join"));
    assert!(
        merge(&sample.path(), &other.path(), &["--rename", ""]).fails(2).contains("at least one character")
    );
    assert!(merge(&sample.path(), &sample.path(), &[]).fails(1).contains("the same store"));
    let nowhere = sample.dir.path().join("nowhere");
    assert!(merge(&nowhere, &other.path(), &[]).fails(1).contains("no such folder"));
    assert!(!nowhere.exists(), "a mistyped path makes no store");
}

#[test]
fn an_exported_folder_becomes_the_same_store() {
    let sample = Sample::new();
    sample.run("edit", &["lr-2", "--name", "Second", "--notes", "diverged", "--group", "g"]).ok();
    for format in ["parquet", "csv", "json", "arrow"] {
        let folder = sample.dir.path().join(format!("exported-{format}/"));
        let into = sample.dir.path().join(format!("store-{format}"));
        let flags = ["-o", folder.to_str().unwrap(), "--format", format];
        let said = sample.run("export", &flags).ok().to_string();
        assert!(said.contains("wrote 600 points"), "{said}");
        assert!(sample.run("export", &flags).fails(1).contains("the folder is not empty"));
        let said = CommandAnswer::of(tidalite().arg("import").arg(&into).arg(&folder)).ok().to_string();
        assert!(said.contains("2 new runs, 600 points"), "{said}");
        let facts = |store: &Path| -> Vec<Value> {
            let mut runs = rows(store, "runs", &[]);
            // Sizes differ, since nothing is flushed alike.
            runs.iter_mut().for_each(|run| drop(run.as_object_mut().unwrap().remove("bytes")));
            runs
        };
        assert_eq!(facts(&into), facts(&sample.path()));
        let points = |store: &Path| rows(store, "query", &["--limit", "0"]);
        assert_eq!(points(&into), points(&sample.path()), "{format}");
    }
}
