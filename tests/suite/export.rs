//! Export and import of whole stores: the same runs and the same points come back.

use crate::merge::{batch, open};
use std::fs;
use tidalite::{Repeats, Status, Store};
use tidalite_testkit::points;

#[test]
fn an_exported_folder_gives_the_same_runs_and_points() {
    use tidalite::{FileFormat, Import, Labels, RowAt};
    let dir = tempfile::tempdir().unwrap();
    let a = open(&dir.path().join("a"));
    let rank =
        a.run("r").param("lr", 0.1).param("n", 3).param("deep", tidalite::Param::Null).label("rank", "0");
    let run = rank.tag("x").name("First").notes("two\nlines").group("g").start().unwrap();
    for step in [0, 1, 1, 5] {
        run.log(step, &[("loss", f64::NAN), ("acc", step as f64)]).unwrap();
    }
    run.fail_because("ValueError: too large").unwrap();
    let again = a.run("r").label("rank", "0").start().unwrap();
    again
        .log_at(&RowAt::step(9).time_us(1_000_000).labels(Labels::parse("gpu=1").unwrap()), &[("loss", 1.5)])
        .unwrap();
    again.rewind(5).unwrap();
    again.finish().unwrap();
    for _ in 0..3 {
        let run = a.run("auto").start().unwrap();
        run.log(None, &[("latency", 1.0)]).unwrap();
        run.log(None, &[("latency", 2.0)]).unwrap();
        run.finish().unwrap();
    }
    a.append(&batch("bulk", 0..5, 3.0)).unwrap();
    let fork = a.run("fork").parent("r", Some(1)).start().unwrap();
    fork.log(2, &[("loss", 0.5)]).unwrap();
    drop(fork);
    a.run("empty").start().unwrap().finish().unwrap();
    a.edit("empty").status(Status::Failed).started_us(5).ended_us(9).apply().unwrap();
    let failed = a.run("failed").start().unwrap();
    failed.fail_because("KeyError: 'x'").unwrap();
    a.close().unwrap();
    let a = open(&dir.path().join("a"));
    for format in [FileFormat::Parquet, FileFormat::Csv, FileFormat::JsonLines, FileFormat::ArrowIpc] {
        let folder = dir.path().join(format.name());
        let written = a.select().export_folder(&folder, format).unwrap();
        assert!(a.select().export_folder(&folder, format).is_err(), "the folder holds something");
        let b = open(&dir.path().join(format!("b-{}", format.name())));
        let stats = b.import(&folder, &Import::new()).unwrap();
        assert_eq!((stats.runs, stats.points), (6, written));
        let found = |s: &Store, repeats| {
            points(&s.select().repeats(repeats))
                .unwrap()
                .iter()
                .map(|(k, p)| (k.clone(), p.step, p.time_us, p.value.to_bits()))
                .collect::<Vec<_>>()
        };
        for repeats in [Repeats::All, Repeats::Last] {
            assert_eq!(found(&a, repeats), found(&b, repeats), "{format:?}");
        }
        b.close().unwrap();
        let b = open(&dir.path().join(format!("b-{}", format.name())));
        for (mut before, after) in a.runs().unwrap().into_iter().zip(b.runs().unwrap()) {
            before.rewinds.clear();
            before.participants.sort_by_key(|p| p.current);
            assert_eq!(after, before);
        }
        // Imported again, points are added and runs stay as they are.
        b.edit("r").name("Second").apply().unwrap();
        assert_eq!(b.import(&folder, &Import::new()).unwrap().runs, 0);
        assert_eq!(b.snapshot().unwrap().run("r").unwrap().name.as_deref(), Some("Second"));
        let refused = b.import(&folder, &Import::new().run("x")).unwrap_err().to_string();
        assert!(refused.contains("without options"), "{refused}");
    }
}

#[test]
fn a_wrong_line_of_an_exported_folder_is_named_and_nothing_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let a = open(&dir.path().join("a"));
    for id in ["x", "y"] {
        a.run(id).start().unwrap().finish().unwrap();
    }
    let folder = dir.path().join("exported");
    a.select().export_folder(&folder, tidalite::FileFormat::Csv).unwrap();
    let b = open(&dir.path().join("broken"));
    for (line, says) in [
        ("{", "not a run"),
        (r#"{"run":"","status":"lost"}"#, "empty"),
        (r#"{"run":"a","status":"odd"}"#, "\"odd\""),
    ] {
        let mut text = fs::read_to_string(folder.join("runs.jsonl")).unwrap();
        text.push_str(line);
        fs::write(folder.join("runs.jsonl"), text).unwrap();
        let error = b.import(&folder, &tidalite::Import::new()).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("line 3"), "{error}");
        assert!(b.runs().unwrap().is_empty(), "nothing is imported");
        let text = fs::read_to_string(folder.join("runs.jsonl")).unwrap();
        fs::write(folder.join("runs.jsonl"), &text[..text.len() - line.len()]).unwrap();
    }
}
