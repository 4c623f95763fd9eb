//! Import and export: exported points are imported bit for bit.

use crate::sample::{CommandAnswer, Sample, tidalite};
use serde_json::Value;
use std::fs;

#[test]
fn an_export_imports_as_the_same_points_in_every_format() {
    let sample = Sample::new();
    let all = sample.run("query", &["--format", "csv"]);
    for name in ["all.parquet", "all.csv", "all.jsonl", "all.arrow"] {
        let file = sample.dir.path().join(name);
        let wrote = sample.run("export", &["-o", file.to_str().unwrap()]);
        assert!(wrote.ok().starts_with("wrote 600 points"), "{}", wrote.text());
        let copy = sample.dir.path().join(format!("from-{name}"));
        let read =
            CommandAnswer::of(tidalite().arg("import").arg(&copy).arg(&file).args(["--format", "json"]));
        assert_eq!(read.rows()[0]["points"], 600, "{name}");
        let back = CommandAnswer::of(tidalite().arg("query").arg(&copy).args(["--format", "csv"]));
        assert!(back.ok() == all.ok(), "{name} changed the points");
    }
}

#[test]
fn an_export_takes_a_selection_and_a_format() {
    let sample = Sample::new();
    let file = sample.dir.path().join("losses");
    let name = file.to_str().unwrap();
    assert!(
        sample
            .run("export", &["-o", name, "-m", "train/loss", "--format", "csv"])
            .ok()
            .starts_with("wrote 200 points")
    );
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 201);
    assert!(sample.run("export", &["-o", name]).fails(1).contains("extension"));
    assert!(sample.run("export", &["-o", name, "--format", "table"]).fails(2).contains("parquet"));
    assert!(
        sample.run("export", &["-o", name, "-m", "los", "--format", "csv"]).fails(3).contains("train/loss")
    );
    assert_eq!(
        fs::read_to_string(&file).unwrap().lines().count(),
        201,
        "an empty export does not replace a file"
    );
}

#[test]
fn a_wide_table_and_other_column_names_are_imported() {
    let dir = tempfile::tempdir().unwrap();
    let (store, file) = (dir.path().join("s"), dir.path().join("log.csv"));
    fs::write(&file, "epoch,at,loss,acc\n0,1700000000.5,0.7,0.4\n1,1700000001.5,NaN,0.6\n").unwrap();
    let flags = ["--run", "a", "--wide", "--map", "step=epoch", "--map", "time=at", "--time-unit", "s"];
    let answer = CommandAnswer::of(tidalite().arg("import").arg(&store).arg(&file).args(flags));
    assert!(answer.ok().contains("4 points from 2 rows"), "{}", answer.text());
    let rows =
        CommandAnswer::of(tidalite().arg("query").arg(&store).args(["-m", "loss", "--format", "json"]))
            .rows();
    assert_eq!(
        (&rows[0]["time"], &rows[1]["value"]),
        (&Value::from("2023-11-14T22:13:20.500000Z"), &"NaN".into())
    );
}

#[test]
fn a_file_without_an_extension_is_imported_in_the_given_format() {
    let dir = tempfile::tempdir().unwrap();
    let (store, file) = (dir.path().join("s"), dir.path().join("points"));
    fs::write(&file, "run;metric;step;value\na;loss;0;0.5\n").unwrap();
    let plain = CommandAnswer::of(tidalite().arg("import").arg(&store).arg(&file));
    assert!(plain.fails(1).contains("extension"), "{}", plain.err);
    let flags = ["--file-format", "csv", "--delimiter", ";"];
    let said = CommandAnswer::of(tidalite().arg("import").arg(&store).arg(&file).args(flags));
    assert!(said.ok().contains("1 point from 1 row"), "{}", said.text());
    let piped = CommandAnswer::of(
        tidalite()
            .arg("import")
            .arg(&store)
            .arg("/dev/stdin")
            .args(["--file-format", "jsonl"])
            .write_stdin("{\"run\": \"b\", \"metric\": \"loss\", \"step\": 1, \"value\": 2}\n"),
    );
    assert!(piped.ok().contains("1 point "), "{}", piped.text());
    let wrong =
        CommandAnswer::of(tidalite().arg("import").arg(&store).arg(&file).args(["--file-format", "xlsx"]));
    assert!(wrong.fails(2).contains("parquet, csv, jsonl or arrow"), "{}", wrong.err);
}

#[test]
fn a_file_whose_decoder_panics_is_reported_as_damaged() {
    let sample = Sample::new();
    let file = sample.dir.path().join("points.parquet");
    sample.run("export", &["-o", file.to_str().unwrap()]).ok();
    let whole = fs::read(&file).unwrap();
    // The footer holds the Arrow schema as base64 text, and the decoder does not validate it.
    let name = b"ARROW:schema";
    let at = whole.windows(name.len()).position(|w| w == name).unwrap() + name.len();
    let store = tidalite::Store::open(sample.dir.path().join("copy")).unwrap();
    let panics = (at + 4..at + 400).find(|&i| {
        let mut bad = whole.clone();
        bad[i] = if bad[i] == b'/' { b'A' } else { b'/' };
        fs::write(&file, &bad).unwrap();
        let done = store.import(&file, &tidalite::Import::new());
        done.is_err_and(|e| e.to_string().contains("decoder failed"))
    });
    assert!(panics.is_some(), "no damage makes the decoder panic any more; the guard may go");
    let answer = CommandAnswer::of(tidalite().arg("import").arg(sample.dir.path().join("copy")).arg(&file));
    let message = answer.fails(1);
    assert!(message.contains("is damaged") && message.lines().count() == 1, "{message}");
}

#[test]
fn a_wrong_cell_is_named_by_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let (store, file) = (dir.path().join("s"), dir.path().join("log.csv"));
    fs::write(&file, "run,metric,step,value\na,loss,0,0.5\na,loss,one,0.5\n").unwrap();
    let answer = CommandAnswer::of(tidalite().arg("import").arg(&store).arg(&file));
    let message = answer.fails(1);
    assert!(message.contains("line 3") && message.contains("step"), "{message}");
    let absent = CommandAnswer::of(tidalite().arg("import").arg(&store).arg(dir.path().join("absent.csv")));
    assert!(absent.fails(1).contains("absent.csv"), "{}", absent.err);
    let kind = CommandAnswer::of(tidalite().arg("import").arg(&store).arg(dir.path().join("log.xlsx")));
    assert!(kind.fails(1).contains("xlsx"), "{}", kind.err);
}
