//! The answers of each command in each format.

use crate::sample::{CommandAnswer, Sample, tidalite};
use arrow::ipc::reader::StreamReader;
use serde_json::Value;

#[test]
fn every_listing_answers_in_every_format_with_the_same_rows() {
    let sample = Sample::new();
    let cases: [(&str, &[&str], usize); 23] = [
        ("info", &[], 1),
        ("runs", &[], 2),
        ("metrics", &[], 3),
        ("labels", &[], 1),
        ("labels", &["--values", "-r", "lr-*"], 1),
        ("query", &["-m", "train/loss"], 200),
        ("query", &["--latest"], 6),
        ("query", &["-m", "accuracy", "--aggregate", "count,mean,p99", "--by", "run,step:25"], 8),
        ("chart", &["-m", "train/loss", "--buckets", "16"], 26),
        ("chart", &["-m", "accuracy", "--x", "time", "--buckets", "10"], 0),
        ("follow", &["--from-start", "--idle-exit", "0", "-r", "lr-2"], 300),
        ("query", &["-m", "accuracy", "--transform", "derivative:step,mean:5"], 198),
        ("query", &["-m", "train/loss", "--aggregate", "min,argnan", "--bottom", "1"], 1),
        ("query", &["--metric-regex", "^acc|loss$", "--run-regex", "lr-[2]$", "--aggregate", "p50~,p50"], 1),
        ("query", &["-m", "accuracy", "--m4", "10"], 40),
        ("query", &["--rows", "--exclude-metric", "power*"], 200),
        ("query", &["--order", "-value", "--limit", "7"], 7),
        ("query", &["-m", "accuracy", "--offset", "195"], 5),
        ("query", &["--exclude-label", "gpu=0", "--latest"], 4),
        ("query", &["-m", "accuracy", "--lttb", "10", "--x", "elapsed"], 20),
        ("query", &["-m", "train/loss", "--x", "metric:accuracy", "--limit", "0"], 200),
        ("chart", &["-m", "accuracy", "--x", "elapsed", "--buckets", "10"], 0),
        ("chart", &["-m", "train/loss", "--x", "metric:accuracy", "--buckets", "16"], 32),
    ];
    for (command, flags, rows) in cases {
        let with = |format: &str| sample.run(command, &[flags, &["--format", format]].concat());
        assert!(!with("table").ok().is_empty(), "{command}");
        let json = with("json");
        let json: Vec<Value> = match command {
            "info" => vec![serde_json::from_str(json.ok()).unwrap()],
            _ => json.rows(),
        };
        let csv = with("csv").ok().lines().count() - 1;
        let arrow = with("arrow");
        arrow_rows(&arrow.out, &json);
        assert_eq!(json.len(), csv, "{command} {flags:?}");
        assert!(rows == 0 || json.len() == rows, "{command} {flags:?}: {} rows", json.len());
    }
}

fn arrow_rows(bytes: &[u8], json: &[Value]) {
    let batches: Vec<_> = StreamReader::try_new(bytes, None).unwrap().map(|b| b.unwrap()).collect();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), json.len());
    let names: Vec<String> = batches[0].schema().fields().iter().map(|f| f.name().clone()).collect();
    let keys: Vec<&String> = json[0].as_object().unwrap().keys().collect();
    assert!(names.iter().all(|n| keys.contains(&n)) && names.len() == keys.len(), "{names:?} {keys:?}");
}

#[test]
fn labels_are_counted_by_series() {
    let sample = Sample::new();
    let store = tidalite::Store::open(sample.path()).unwrap();
    for rank in 0..12 {
        let run = store.run("job").label("rank", rank.to_string()).start().unwrap();
        run.log(0, &[("loss", 1.0), ("acc", 0.5)]).unwrap();
    }
    store.close().unwrap();
    let rows = sample.run("labels", &["--format", "json"]).rows();
    let seen: Vec<_> = rows.iter().map(|r| (&r["label"], &r["values"], &r["series"])).collect();
    assert_eq!(seen, [(&"gpu".into(), &1.into(), &2.into()), (&"rank".into(), &12.into(), &24.into())]);
    assert_eq!(rows[1]["first_values"], serde_json::json!(["0", "1", "10", "11", "2", "3", "4", "5"]));
    let values = sample.run("labels", &["-m", "loss", "--values", "--format", "json"]).rows();
    assert_eq!(values.len(), 12);
    assert_eq!(values[2], serde_json::json!({"label": "rank", "value": "10", "series": 1}));
    assert!(sample.run("labels", &["-m", "los"]).fails(3).contains("similar"));
    // A metric without labels is no mistake.
    let none = sample.run("labels", &["-m", "accuracy"]);
    assert!(none.ok().starts_with("label") && none.err.contains("no series has labels"));
}

#[test]
fn a_query_explains_how_it_ran() {
    let sample = Sample::new();
    // The last point of the series that is in a log is found without its other points.
    let questions = [(&[][..], 200), (&["--latest"], 101), (&["--aggregate", "mean", "--by", "run"], 200)];
    for (flags, read) in questions {
        let flags = [flags, &["-m", "train/loss", "--explain"]].concat();
        let table = sample.run("query", &flags);
        assert!(table.ok().contains("series tables") && table.ok().contains("skipped"), "{}", table.text());
        let json = sample.run("query", &[&flags[..], &["--format", "json"]].concat());
        let json: Value = serde_json::from_str(json.ok()).unwrap();
        let points: u64 =
            ["summary_points", "page_points", "log_points"].iter().map(|n| json[n].as_u64().unwrap()).sum();
        assert_eq!((json["series"].as_u64(), points), (Some(2), read), "{json}");
    }
}

#[test]
fn a_sample_has_the_ends_and_every_nan() {
    let sample = Sample::new();
    let rows =
        sample.run("query", &["-m", "train/loss", "-r", "lr-2", "--sample", "3", "--format", "json"]).rows();
    assert_eq!((&rows[0]["step"], &rows[1]["step"], rows.len()), (&0.into(), &49.into(), 42), "40 are NaN");
    sample.run("query", &["--sample", "0"]).fails(1);
    sample.run("query", &["--sample", "3", "--lttb", "4"]).fails(2);
}

#[test]
fn runs_are_selected_by_a_filter() {
    let sample = Sample::new();
    let fast = ["--where", "params.lr > 1 and tags has \"sweep\"", "--format", "json"];
    for (command, flags, rows) in [
        ("runs", &[][..], 1),
        ("metrics", &[], 3),
        ("query", &["-m", "train/loss"], 100),
        ("chart", &["-m", "train/loss", "--buckets", "16"], 13),
        ("follow", &["--from-start", "--idle-exit", "0"], 300),
        ("query", &["--aggregate", "count", "--by", "param:lr"], 1),
    ] {
        assert_eq!(sample.run(command, &[flags, &fast].concat()).rows().len(), rows, "{command} {flags:?}");
    }
    let wrong = sample.run("query", &["-w", "params.lr >"]);
    assert!(wrong.fails(2).contains("column 12"), "{}", wrong.err);
    let none = sample.run("query", &["-w", "params.lr > 9"]);
    assert!(none.fails(3).contains("no run matches the filter params.lr > 9"), "{}", none.err);
    sample.run("runs", &["-w", "has params.x"]).fails(3);
}

#[test]
fn top_and_bottom_rank_the_runs() {
    let sample = Sample::new();
    let best = |flags: &[&str]| {
        let asked =
            ["-m", "train/loss", "--steps", "50..", "--aggregate", "mean,argnan,count", "--format", "json"];
        sample.run("query", &[&asked[..], flags].concat()).rows()
    };
    let least = best(&["--bottom", "5"]);
    let greatest = best(&["--top", "1"]);
    assert_eq!((least.len(), least[0]["run"].as_str()), (2, Some("lr-0.1")));
    assert_eq!((greatest.len(), greatest[0]["run"].as_str()), (1, Some("lr-2")));
    assert_eq!((&least[0]["argnan"], &greatest[0]["argnan"]), (&Value::Null, &60.into()));
    assert_eq!(best(&["--top", "9", "--by", "param:lr,step:25"]).len(), 3);
    sample.run("query", &["--bottom", "3"]).fails(2);
    sample.run("query", &["--aggregate", "min", "--bottom", "3", "--top", "3"]).fails(2);
}

#[test]
fn transforms_apply_to_charts_and_exports() {
    let sample = Sample::new();
    let slope = ["-m", "power_watts", "--transform", "derivative:time"];
    let rows = sample.run("query", &[&slope[..], &["--format", "json"]].concat()).rows();
    assert!(rows.len() == 198 && rows.iter().all(|r| r["value"] == 1.0 && r["step"] != 0));
    let chart = sample.run("chart", &[&slope[..], &["--format", "json", "--buckets", "4"]].concat()).rows();
    assert!(chart.iter().all(|r| r["min"] == 1.0 && r["max"] == 1.0));
    let file = sample.dir.path().join("slopes.csv");
    sample.run("export", &[&slope[..], &["-o", file.to_str().unwrap()]].concat()).ok();
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 199);
    assert!(
        sample.run("follow", &[&slope[..], &["--idle-exit", "0"]].concat()).fails(2).contains("--transform")
    );
    let wrong = sample.run("query", &["--transform", "smooth:3"]);
    assert!(wrong.fails(2).contains("half-life:100"), "{}", wrong.err);
    let nowhere = sample.run("chart", &["-m", "accuracy", "--x", "metric:tokens"]);
    assert!(nowhere.fails(3).contains("finite value of tokens"), "{}", nowhere.err);
    let drawn = sample.run("chart", &["-m", "train/loss", "--x", "metric:accuracy"]);
    assert!(drawn.ok().contains("accuracy"), "{}", drawn.text());
}

#[test]
fn deleting_a_run_needs_confirmation() {
    let sample = Sample::new();
    let delete = |flags: &[&str]| sample.run("delete", flags);
    assert!(delete(&["lr-2"]).fails(2).contains("run lr-2 with 300 points of 3 series was not deleted"));
    delete(&["lr-*", "--yes"]).fails(3);
    assert_eq!(sample.run("runs", &["--format", "json"]).rows().len(), 2);
    let done = delete(&["lr-2", "--yes", "--format", "json"]);
    let done: Value = serde_json::from_str(done.ok()).unwrap();
    assert_eq!((&done["run"], &done["points"]), (&"lr-2".into(), &300.into()));
    assert_eq!(sample.run("runs", &["--format", "json"]).rows().len(), 1);
    sample.run("query", &["-r", "lr-2"]).fails(3);
    assert!(sample.run("compact", &[]).ok().contains("dropped 300 points of deleted runs"));
    delete(&["lr-2", "--yes"]).fails(3);
}

#[test]
fn runs_to_change_are_named_exactly_unless_a_pattern_is_asked_for() {
    let sample = Sample::new();
    let ids = || {
        let rows = sample.run("runs", &["--format", "json"]).rows();
        rows.iter().map(|r| r["run"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for command in ["thin", "delete"] {
        let run = |flags: &[&str]| sample.run(command, &[flags, &["--yes"]].concat());
        assert!(run(&[]).fails(2).contains("--match"), "no runs are chosen by default");
        assert!(run(&["lr-0.1", "lr-*"]).fails(3).contains("there is no run \"lr-*\"; similar: \"lr-0.1\""));
        assert!(run(&["-r", "lr-3"]).fails(3).contains("similar: \"lr-2\""));
        assert!(run(&["--match", "x*"]).fails(3).contains("none of the 2 runs matches x*"));
        assert!(run(&["--match", "["]).fails(1).contains("byte 0"));
        assert!(run(&["--before", "soon"]).fails(2).contains("-1h"));
        let asked = sample.run(command, &["--match", "lr-*"]);
        let done = if command == "thin" { "thinned" } else { "deleted" };
        let says = format!("2 runs with 600 points of 6 series were not {done}; `--yes`");
        assert!(asked.fails(2).contains(&says), "{}", asked.err);
        assert!(asked.err.contains("\n  lr-0.1: finished"), "{}", asked.err);
        for none in [&["--before", "2000-01-01"][..], &["lr-2", "-w", "params.lr < 1"]] {
            assert!(run(none).ok().starts_with(&format!("nothing to {command}\n")), "{none:?}");
        }
    }
    assert_eq!(ids(), ["lr-0.1", "lr-2"]);
    let store = tidalite::Store::open(sample.path()).unwrap();
    for id in ["*", "lr[2]", "lr2"] {
        store.run(id).start().unwrap().finish().unwrap();
    }
    store.close().unwrap();
    assert_eq!(sample.run("runs", &["-r", "lr[2]", "--format", "json"]).rows()[0]["run"], "lr[2]");
    let delete = |flags: &[&str]| sample.run("delete", &[flags, &["--yes", "--format", "json"]].concat());
    assert_eq!(delete(&["*", "-r", "lr[2]"]).rows().len(), 2);
    assert_eq!(ids(), ["lr-0.1", "lr-2", "lr2"]);
    let listed = delete(&["lr2", "--match", "lr-*", "-w", "params.lr > 1"]);
    assert!(listed.err.contains("delete run lr-2 with 300 points"), "{}", listed.err);
    assert_eq!(ids(), ["lr-0.1", "lr2"]);
    assert_eq!(delete(&["--before", "+1h"]).rows().len(), 2);
}

#[test]
fn a_text_selects_what_bears_it_as_a_name() {
    let sample = Sample::new();
    let store = tidalite::Store::open(sample.path()).unwrap();
    let run = store.run("r{1}").start().unwrap();
    for (host, value) in [("n[1]", 1.0), ("n1", 2.0)] {
        let at = tidalite::RowAt::step(0).labels(tidalite::Labels::new([("host", host)]).unwrap());
        run.log_at(&at, &[("x[0]", value), ("x0", value)]).unwrap();
    }
    drop(run);
    store.close().unwrap();
    let count = |flags: &[&str]| {
        let answer = sample.run("query", &[flags, &["--format", "json"]].concat());
        if answer.code == Some(3) { 0 } else { answer.rows().len() }
    };
    assert_eq!(count(&["-m", "x[0]"]), 2);
    assert_eq!(count(&["-r", "r{1}"]), 4);
    assert_eq!(count(&["-l", "host=n[1]"]), 2);
    assert_eq!(count(&["-l", "host=n[1]", "-l", "host=n1", "-m", "x0"]), 2);
    assert_eq!(count(&["--label-regex", "host=^n.$"]), 2);
    assert_eq!(count(&["--label-regex", "host=^m"]), 0);
    let metrics = sample.run("metrics", &["-r", "r{1}", "--format", "json"]);
    assert_eq!(metrics.rows().len(), 2);
    let chart = sample.run("chart", &["-m", "x[0]", "--format", "json"]);
    assert!(chart.rows().iter().all(|r| r["metric"] == "x[0]"));
}

#[test]
fn selected_runs_are_thinned() {
    let sample = Sample::new();
    let store = tidalite::Store::open(sample.path()).unwrap();
    let run = store.run("long").start().unwrap();
    for step in 0..20_000 {
        // Values that hardly compress, so that there is something to gain.
        run.log(step, &[("loss", (step * 48_271 % 2_147_483_647) as f64)]).unwrap();
    }
    run.finish().unwrap();
    store.close().unwrap();
    let thin = |flags: &[&str]| sample.run("thin", flags);
    assert!(thin(&[]).fails(2).contains("--run"), "no runs are selected by default");
    assert!(thin(&["-r", "no such"]).fails(3).contains("there is no run"));
    assert!(thin(&["-r", "long", "-n", "0"]).fails(2).contains("at least 1"));
    assert!(thin(&["long"]).fails(2).contains("run long with 20000 points of 1 series was not thinned"));
    assert!(thin(&["-w", "ended < \"1999-01-01\""]).ok().starts_with("nothing to thin"));
    sample.run("flush", &["-q"]).ok();
    let planned = thin(&["--match", "l*", "-n", "100", "--dry-run"]);
    assert!(planned.ok().starts_with("would thin 1 series of 1 run: "), "{}", planned.text());
    assert!(planned.ok().contains(" of 20000 points stay"), "{}", planned.text());
    assert!(planned.ok().contains("6 series stay unchanged"), "{}", planned.text());
    let done =
        thin(&["--match", "l*", "-w", "started > \"2020-01-01\"", "-n", "100", "--yes", "--format", "json"]);
    let done: Value = serde_json::from_str(done.ok()).unwrap();
    assert_eq!((&done["runs"], &done["series"], &done["points"]), (&1.into(), &1.into(), &20_000.into()));
    assert!(done["kept"].as_u64().unwrap() < 400);
    assert!(done["bytes_after"].as_u64() < done["bytes_before"].as_u64(), "{done}");
    let count = ["-r", "long", "--aggregate", "count"];
    let ask = |flags: &[&str]| sample.run("query", &[&count, flags].concat());
    assert_eq!(ask(&["--format", "json"]).rows()[0]["count"], 20_000);
    assert!(ask(&["--explain"]).ok().contains("1 thinned"), "{}", ask(&["--explain"]).text());
    assert!(sample.run("info", &[]).ok().contains("more thinned to summaries"));
    assert!(thin(&["-r", "long", "-n", "50", "--yes"]).ok().contains("thinned 1 series of 1 run in"));
    assert!(sample.run("verify", &[]).ok().contains("sound"));
}

#[test]
fn info_counts_runs_points_and_bytes() {
    let sample = Sample::new();
    let json: Value = serde_json::from_str(sample.run("info", &["--format", "json"]).ok()).unwrap();
    assert_eq!((&json["runs"], &json["points"], &json["log_points"]), (&2.into(), &600.into(), &300.into()));
    let table = sample.run("info", &[]);
    let text = table.ok();
    assert!(text.contains("2 (2 finished)") && text.contains("no problems found on opening"), "{text}");
    for by in ["run", "metric"] {
        let rows = sample.run("info", &["--by", by, "--format", "json"]).rows();
        let bytes: Vec<u64> = rows.iter().map(|row| row["bytes"].as_u64().unwrap()).collect();
        assert!(bytes[0] > 0 && bytes.is_sorted_by(|a, b| a >= b), "{rows:?}");
        let first = rows[0][by].as_str().unwrap();
        assert!(
            text.lines().any(|line| line.starts_with(&format!("by {by} ")) && line.contains(first)),
            "{text}"
        );
    }
}

#[test]
fn info_lists_how_each_column_is_encoded() {
    let sample = Sample::new();
    let rows = sample.run("info", &["--encodings", "--format", "json"]).rows();
    let columns: Vec<&str> = rows.iter().take(8).map(|row| row["column"].as_str().unwrap()).collect();
    assert_eq!(columns, ["run", "metric", "labels", "step", "seq", "written", "time", "value"]);
    for row in &rows {
        let (bytes, points) = (row["bytes"].as_u64().unwrap(), row["points"].as_u64().unwrap());
        assert!(bytes > 0 && points > 0, "{row}");
        assert_eq!(row["bytes_per_point"].as_f64().unwrap(), bytes as f64 / points as f64);
    }
    assert_eq!((&rows[0]["pages"], &rows[0]["dictionaries"]), (&"RLE_DICTIONARY 1".into(), &1.into()));
    assert_eq!((&rows[3]["pages"], &rows[3]["dictionaries"]), (&"DELTA_BINARY_PACKED 1".into(), &0.into()));
    sample.run("info", &["--encodings", "--by", "run"]).fails(2);
}

#[test]
fn runs_are_filtered_sorted_and_keep_their_params() {
    let sample = Sample::new();
    let rows = sample.run("runs", &["--sort", "started", "--format", "json"]).rows();
    assert_eq!(rows[0]["run"], "lr-2");
    assert_eq!((&rows[0]["params"]["lr"], &rows[0]["tags"][0]), (&2.0.into(), &"sweep".into()));
    assert_eq!(
        (&rows[0]["points"], &rows[0]["last_step"], &rows[0]["status"]),
        (&300.into(), &99.into(), &"finished".into())
    );
    let one = sample.run("runs", &["--run", "lr-0*", "--format", "csv"]);
    assert_eq!(one.ok().lines().count(), 2);
    let both = sample.run("runs", &["-r", "lr-0*", "-r", "lr-2", "--format", "csv"]);
    assert_eq!(both.ok().lines().count(), 3);
}

#[test]
fn a_run_glob_matches_runs_without_points() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let store = tidalite::Store::open(&path).unwrap();
    store.run("sweep-1").start().unwrap().log(0, &[("x", 1.0)]).unwrap();
    store.run("sweep-2").start().unwrap().finish().unwrap();
    store.run("other").start().unwrap().finish().unwrap();
    store.close().unwrap();
    let answer =
        CommandAnswer::of(tidalite().arg("runs").arg(&path).args(["--run", "sweep-*", "--format", "json"]));
    let ids: Vec<String> = answer.rows().iter().map(|r| r["run"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, ["sweep-1", "sweep-2"]);
    CommandAnswer::of(tidalite().arg("runs").arg(&path).args(["--run", "sweep-[a"])).fails(1);
}

#[test]
fn every_selection_flag_narrows_a_query() {
    let sample = Sample::new();
    let count = |flags: &[&str]| sample.run("query", &[flags, &["--format", "json"]].concat()).rows().len();
    assert_eq!(count(&["-m", "train/*", "-r", "lr-2"]), 100);
    assert_eq!(count(&["-m", "accuracy", "-m", "power_watts", "--steps", "10..20"]), 40);
    assert_eq!(count(&["-l", "gpu=0"]), 200);
    assert_eq!(count(&["-l", "gpu=[0-3]", "--steps", "7"]), 2);
    assert_eq!(count(&["-m", "train/loss", "--values", "0.5.."]), 4);
    assert_eq!(count(&["--time", "2024-01-01T00:00:10Z..2024-01-01T00:00:12Z"]), 12);
    assert_eq!(count(&["--time", "..-1h", "-m", "accuracy"]), 200);
    assert_eq!(count(&["--limit", "7"]), 7);
    let nan = sample
        .run("query", &["-r", "lr-2", "-m", "train/loss", "--steps", "59..61", "--format", "json"])
        .rows();
    assert_eq!((&nan[0]["value"], &nan[1]["value"]), (&(1.0 / 60.0).into(), &"NaN".into()));
}

#[test]
fn aggregates_are_exact_and_leave_nan_out() {
    let sample = Sample::new();
    let flags = ["-m", "train/loss", "--aggregate", "count,nan,min,last", "--by", "run", "--format", "csv"];
    let answer = sample.run("query", &flags);
    assert_eq!(
        answer.ok(),
        "run,count,nan,min,last\nlr-0.1,100,0,0.01,0.01\nlr-2,100,40,0.016666666666666666,NaN\n"
    );
}

#[test]
fn a_long_table_shows_its_head_and_tail() {
    let sample = Sample::new();
    let long = sample.run("query", &["-m", "accuracy"]);
    assert!(
        long.ok().contains("160 of 200 rows are left out; --limit 0 or --format csv prints all"),
        "{}",
        long.text()
    );
    assert_eq!(long.ok().lines().count(), 2 + 41 + 1);
    assert_eq!(sample.run("query", &["-m", "accuracy", "--limit", "0"]).ok().lines().count(), 202);
}

#[test]
fn a_chart_is_drawn_in_text_and_as_svg() {
    let sample = Sample::new();
    let text = sample.run(
        "chart",
        &["-m", "train/loss", "--log-y", "--width", "60", "--height", "12", "--color", "always"],
    );
    let text = text.ok();
    assert!(
        text.contains("a lr-0.1") && text.contains("non-finite from 60") && text.contains("\x1b[38;5;"),
        "{text}"
    );
    let plain = sample.run("chart", &["-m", "train/loss"]);
    assert!(!plain.ok().contains('\x1b'));
    let file = sample.dir.path().join("loss.svg");
    sample.run("chart", &["-m", "train/loss", "--band", "--svg", file.to_str().unwrap()]).ok();
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("lr-2"));
    let all = sample.run("chart", &["--width", "50"]);
    assert_eq!(all.ok().matches("└").count(), 3, "one chart per metric");
}

#[test]
fn flush_compact_verify_and_backup_report_their_work() {
    let sample = Sample::new();
    let json = |command: &str, flags: &[&str]| -> Value {
        let answer = sample.run(command, &[flags, &["--format", "json"]].concat());
        serde_json::from_str(answer.ok()).unwrap()
    };
    assert_eq!(json("verify", &[])["sound"], true);
    assert_eq!(json("flush", &[])["points"], 300);
    assert!(sample.run("flush", &[]).ok().contains("nothing to flush"));
    let compacted = json("compact", &[]);
    assert_eq!(
        (&compacted["parts_in"], &compacted["parts_out"], &compacted["points"]),
        (&2.into(), &1.into(), &600.into())
    );
    let files = json("files", &[]);
    let listed: Vec<&str> = files.as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    assert!(listed.len() == 1 && std::fs::exists(listed[0]).unwrap(), "{files}");
    assert_eq!(sample.run("files", &[]).ok().trim(), listed[0]);
    let copy = sample.dir.path().join("copy");
    assert_eq!(json("backup", &[copy.to_str().unwrap()])["points"], 600);
    assert!(sample.run("verify", &[]).ok().contains("sound: 1 part,"));
    let again = sample.run("backup", &[copy.to_str().unwrap()]);
    assert!(again.fails(1).contains("is not empty"), "{}", again.err);
}

#[test]
fn verify_locates_a_changed_byte() {
    let sample = Sample::new();
    sample.run("compact", &["-q"]).ok();
    let part = std::fs::read_dir(sample.path().join("parts")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 4;
    std::fs::write(&part, bytes).unwrap();
    let answer = sample.run("verify", &[]);
    assert_eq!(answer.code, Some(4), "{}{}", answer.text(), answer.err);
    assert!(answer.text().contains("DAMAGED") && answer.text().contains(".parquet"), "{}", answer.text());
    let json = sample.run("verify", &["--format", "json"]);
    let json: Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json["sound"], false);
    assert!(json["findings"][0]["path"].as_str().unwrap().ends_with(".parquet"));
}

#[test]
fn each_command_works_with_less_memory_than_the_logs_hold() {
    for command in ["flush", "compact"] {
        let sample = Sample::new();
        let store = tidalite::Options::new().background(false).open(sample.path()).unwrap();
        let run = store.run("long").start().unwrap();
        let names: Vec<String> = (0..20).map(|i| format!("m{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let columns = run.columns(&names).unwrap();
        for step in 0..120_000 {
            columns.log_at(Some(step), None, &[step as f64; 20]).unwrap();
        }
        store.close().unwrap();
        let small = ["--memory", "16MiB"];
        sample.run("info", &small).ok();
        sample.run("runs", &small).ok();
        let mean = sample
            .run("query", &["-m", "m7", "--aggregate", "mean", "--format", "json", "--memory", "16MiB"]);
        assert_eq!(mean.rows()[0]["mean"], 59_999.5);
        let refused = sample.run("query", &["--x", "time", "--memory", "16MiB"]);
        assert!(refused.fails(1).contains("(--memory SIZE)"), "{}", refused.err);
        let done = sample.run(command, &small).ok().to_string();
        assert!(done.contains("flushed 2400300 points"), "{done}");
        sample.run("info", &small).ok();
    }
}
