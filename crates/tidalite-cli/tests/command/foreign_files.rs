//! Files of trackers and system tools: each example of the guide `docs/importing.md` runs, and gives the points that its file
//! holds.

use crate::sample::{CommandAnswer, tidalite};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with the files of the guide.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&root().join("tests/imports"), dir.path());
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

/// The lines of the shell blocks of the guide.
fn examples() -> Vec<String> {
    let guide = fs::read_to_string(root().join("docs/importing.md")).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// The points of a run, as `metric|labels|step|time|value`.
fn points(dir: &Path, run: &str) -> Vec<String> {
    let mut query = tidalite();
    query.current_dir(dir).args(["query", "metrics", "--run", run, "--format", "csv"]);
    let answer = CommandAnswer::of(&mut query);
    answer.ok().lines().skip(1).map(|line| line.split_once(',').unwrap().1.to_owned()).collect()
}

/// Runs one line of the guide in a shell in which `tidalite` is the command under test.
fn shell(dir: &Path, line: &str) -> (bool, String) {
    let function = format!("tidalite() {{ '{}' \"$@\"; }}\n{line}", env!("CARGO_BIN_EXE_tidalite"));
    let mut shell = std::process::Command::new("bash");
    let done = shell.args(["-euo", "pipefail", "-c", &function]).current_dir(dir).stdin(Stdio::null());
    let done = done.output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn each_example_of_the_guide_gives_the_points_of_its_file() {
    let dir = folder();
    let examples = examples();
    assert!(examples.len() >= 14, "{examples:?}");
    for line in &examples {
        let (ok, text) = shell(dir.path(), line);
        assert!(ok, "{line}\n{text}");
    }
    for (run, wanted) in EXPECTED {
        assert_eq!(points(dir.path(), run), *wanted, "{run}");
    }
}

/// By run: its points.
const EXPECTED: &[(&str, &[&str])] = &[
    (
        "tuned",
        &[
            "train/loss,,0,2026-05-28T20:26:40.000000Z,0.029999999329447746",
            "train/loss,,1,2026-05-28T20:27:40.000000Z,0.014999999664723873",
            "train/loss,,2,2026-05-28T20:28:40.000000Z,0.009999999776482582",
            "train/loss,,3,2026-05-28T20:29:40.000000Z,0.007499999832361937",
            "train/loss,,4,2026-05-28T20:30:40.000000Z,0.006000000052154064",
            "val/accuracy,,4,2026-05-28T20:31:40.000000Z,0.5299999713897705",
        ],
    ),
    (
        "fog-3",
        &[
            "_runtime,phase=train,2,2026-05-28T20:26:42.750000Z,3.75",
            "_runtime,phase=warmup,0,2026-05-28T20:26:40.250000Z,1.25",
            "_runtime,phase=warmup,1,2026-05-28T20:26:41.500000Z,2.5",
            "checkpoint,phase=warmup,0,2026-05-28T20:26:40.250000Z,1.0",
            "checkpoint,phase=warmup,1,2026-05-28T20:26:41.500000Z,0.0",
            "train/loss,phase=train,2,2026-05-28T20:26:42.750000Z,NaN",
            "train/loss,phase=warmup,0,2026-05-28T20:26:40.250000Z,2.5",
            "train/loss,phase=warmup,1,2026-05-28T20:26:41.500000Z,1.75",
            "val/loss,phase=train,2,2026-05-28T20:26:42.750000Z,1.875",
        ],
    ),
    (
        "3f2a",
        &[
            "accuracy,,1,2026-05-28T20:26:40.500000Z,0.875",
            "loss,,0,2026-05-28T20:26:40.000000Z,0.5",
            "loss,,1,2026-05-28T20:26:40.500000Z,0.25",
        ],
    ),
    (
        "board",
        &["train_loss,,0,2026-05-28T20:26:40.500000Z,0.75", "train_loss,,10,2026-05-28T20:26:41.500000Z,0.5"],
    ),
    (
        "gpus",
        &[
            "memory.used [MiB],\"index=0,name=NVIDIA H100 80GB HBM3\",0,2026-05-28T20:26:40.000000Z,1024.0",
            "memory.used [MiB],\"index=0,name=NVIDIA H100 80GB HBM3\",1,2026-05-28T20:26:41.000000Z,2048.0",
            "memory.used [MiB],\"index=1,name=NVIDIA H100 80GB HBM3\",0,2026-05-28T20:26:40.000000Z,4.0",
            "power.draw [W],\"index=0,name=NVIDIA H100 80GB HBM3\",0,2026-05-28T20:26:40.000000Z,120.5",
            "power.draw [W],\"index=0,name=NVIDIA H100 80GB HBM3\",1,2026-05-28T20:26:41.000000Z,350.0",
            "power.draw [W],\"index=1,name=NVIDIA H100 80GB HBM3\",0,2026-05-28T20:26:40.000000Z,68.25",
            "utilization.gpu [%],\"index=0,name=NVIDIA H100 80GB HBM3\",0,2026-05-28T20:26:40.000000Z,35.0",
            "utilization.gpu [%],\"index=0,name=NVIDIA H100 80GB HBM3\",1,2026-05-28T20:26:41.000000Z,97.0",
            "utilization.gpu [%],\"index=1,name=NVIDIA H100 80GB HBM3\",0,2026-05-28T20:26:40.000000Z,0.0",
        ],
    ),
    (
        "cluster",
        &[
            "node_load1,\"instance=a:9100,job=node\",0,2026-05-28T20:26:40.125000Z,0.5",
            "node_load1,instance=b:9100,0,2026-05-28T20:26:40.125000Z,1.25",
            "up,\"instance=a:9100,job=node\",0,2026-05-28T20:26:55.125000Z,1.0",
        ],
    ),
    (
        "sheet",
        &[
            "loss,,0,2026-05-28T20:26:40.000000Z,0.75",
            "loss,,1,2026-05-28T20:27:40.000000Z,0.5",
            "val loss,,0,2026-05-28T20:26:40.000000Z,0.875",
        ],
    ),
    ("plain", &["loss,,0,2026-05-28T20:26:40.000000Z,0.75", "loss,,1,2026-05-28T20:26:41.000000Z,0.5"]),
];

#[test]
fn files_without_times_keep_steps_and_values() {
    let dir = folder();
    for line in examples() {
        shell(dir.path(), &line);
    }
    let brief = |run: &str| -> Vec<String> {
        let parts = |line: String| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let rows = points(dir.path(), run).into_iter().map(parts);
        rows.map(|cells| format!("{} {} {}", cells[0], cells[2], cells[4])).collect()
    };
    let keras = ["accuracy 0 0.5", "accuracy 1 0.625", "loss 0 0.75", "loss 1 0.5"];
    let keras: Vec<&str> = keras.into_iter().chain(["val_accuracy 0 0.4375", "val_loss 0 0.875"]).collect();
    assert_eq!(brief("keras"), keras);
    assert_eq!(brief("zipped"), keras);
    assert_eq!(brief("many"), keras);
    let lightning = brief("lightning");
    assert!(lightning.contains(&"train_loss 49 0.75".to_owned()), "{lightning:?}");
    assert!(lightning.contains(&"val_loss 99 0.625".to_owned()) && lightning.len() == 5, "{lightning:?}");
    let trainer = brief("trainer");
    assert!(trainer.contains(&"loss 1000 1.0".to_owned()), "{trainer:?}");
    assert!(trainer.contains(&"grad_norm 1000 NaN".to_owned()), "{trainer:?}");
    assert_eq!(brief("piped"), trainer);
    let sar = points(dir.path(), "host");
    assert!(
        sar[0].starts_with("%idle,\"CPU=-1,hostname=alpha\",0,2026-05-28T20:26:40.000000Z,85.25"),
        "{sar:?}"
    );
}

#[test]
fn remarks_are_on_standard_error_and_in_the_answer() {
    let dir = folder();
    let import = |flags: &[&str]| {
        CommandAnswer::of(
            tidalite().current_dir(dir.path()).args(["import", "m", "keras.csv", "--run", "r"]).args(flags),
        )
    };
    let said = import(&[]);
    assert!(said.ok().starts_with("keras.csv: 6 points from 2 rows"), "{}", said.text());
    assert_eq!(said.err, "keras.csv: took column \"epoch\" as step\n");
    let quiet = import(&["--quiet"]);
    quiet.ok();
    assert_eq!(quiet.err, "");
    let json = import(&["--format", "json", "--quiet"]).rows();
    assert_eq!(json[0]["remarks"], "took column \"epoch\" as step");
}

#[test]
fn flags_set_what_is_known_of_the_run() {
    let dir = folder();
    let flags = ["--param", "lr=3e-4", "--tag", "old", "--name", "baseline", "--status", "failed"];
    let started = ["--started", "2026-01-31T12:00:00Z", "--run", "r"];
    let import = |flags: &[&str]| {
        CommandAnswer::of(tidalite().current_dir(dir.path()).args(["import", "m", "keras.csv"]).args(flags))
    };
    import(&[&flags[..], &started].concat()).ok();
    let runs =
        CommandAnswer::of(tidalite().current_dir(dir.path()).args(["runs", "m", "--format", "json"])).rows();
    let run = runs[0].to_string();
    for says in ["baseline", "old", "failed", "0.0003", "2026-01-31T12:00:00"] {
        assert!(run.contains(says), "{run} should say {says}");
    }
    assert!(import(&["--tag", "old"]).fails(1).contains("and no run"));
    assert!(import(&["--run", "r", "--status", "auto"]).fails(2).contains("finished"));
    assert!(import(&["--run", "r", "--no-header"]).fails(2).contains("--columns"));
}

#[test]
fn folders_and_patterns_stand_for_their_files() {
    let dir = folder();
    let some = dir.path().join("some");
    fs::create_dir(&some).unwrap();
    fs::write(some.join("b.csv"), "run,step,x\nr,1,2\n").unwrap();
    fs::write(some.join("a.jsonl"), "{\"run\":\"r\",\"step\":0,\"x\":1}\n").unwrap();
    fs::write(some.join("notes.txt"), "not points").unwrap();
    let import = |file: &str| {
        CommandAnswer::of(tidalite().current_dir(dir.path()).args(["import", "m", file, "--format", "json"]))
    };
    let rows = import("some").rows();
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["file"].as_str().unwrap().ends_with("a.jsonl"), "{rows:?}");
    assert_eq!(import("some/*.csv").rows().len(), 1);
    assert!(import("some/*.tsv").fails(1).contains("no files to import"));
    assert!(import("m").fails(1).contains("tidalite merge"));
    fs::create_dir(dir.path().join("none")).unwrap();
    assert!(import("none").fails(1).contains("no files to import"));
    assert!(import("absent.csv").fails(1).contains("absent.csv"));
}

#[test]
fn event_files_are_imported_once_say_what_was_left_out_and_refuse_options_of_tables() {
    let dir = folder();
    let import = |more: &[&str]| {
        let mut command = tidalite();
        CommandAnswer::of(command.current_dir(dir.path()).args(["import", "metrics", "runs"]).args(more))
    };
    let first = import(&[]);
    assert!(first.ok().starts_with("runs: 12 new points of 2 runs from 2 event files in "), "{}", first.ok());
    assert!(first.err.contains("runs: left out: 2 text"), "{}", first.err);
    let again = import(&[]);
    assert!(again.ok().starts_with("runs: 0 new points of 0 runs from 2 event files in "), "{}", again.ok());
    assert_eq!(points(dir.path(), "baseline").len(), 6);
    let refused = import(&["--map", "step=batch"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("--map does not apply to the event files of runs"), "{}", refused.err);
    let tables = CommandAnswer::of(tidalite().current_dir(dir.path()).args([
        "import",
        "metrics",
        "keras.csv",
        "--follow",
    ]));
    assert_eq!(tables.code, Some(2));
    assert!(tables.err.contains("--follow goes on with one folder"), "{}", tables.err);
}
