//! Bad input: the exit code, and a message that names the problem, the place and what to do.

use crate::sample::{CommandAnswer, Sample, tidalite};

const COMMANDS: [(&str, &[&str]); 13] = [
    ("info", &[]),
    ("runs", &[]),
    ("metrics", &[]),
    ("query", &[]),
    ("chart", &[]),
    ("follow", &["--idle-exit", "0"]),
    ("export", &["-o", "x.csv"]),
    ("flush", &[]),
    ("compact", &[]),
    ("files", &[]),
    ("thin", &["--match", "*", "--dry-run"]),
    ("verify", &[]),
    ("backup", &["copy"]),
];

#[test]
fn a_path_that_is_not_a_store_is_refused_and_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, folder) = (dir.path().join("file"), dir.path().join("folder"));
    std::fs::write(&file, "x").unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("notes"), "x").unwrap();
    let absent = dir.path().join("absent");
    for (command, flags) in COMMANDS {
        for (path, says) in
            [(&absent, "no such folder"), (&file, "it is a file"), (&folder, "not a tidalite store")]
        {
            let answer =
                CommandAnswer::of(tidalite().current_dir(dir.path()).arg(command).arg(path).args(flags));
            let message = answer.fails(1);
            assert!(
                message.contains(says) && message.contains(path.to_str().unwrap()),
                "{command}: {message}"
            );
            assert!(message.lines().count() <= 2, "{message}");
            assert!(answer.out.is_empty());
        }
    }
    assert!(!absent.exists() && !dir.path().join("copy").exists() && !dir.path().join("x.csv").exists());
    let import = CommandAnswer::of(tidalite().arg("import").arg(&folder).arg(&file));
    assert!(import.fails(1).contains("holds other things"), "{}", import.err);
}

#[test]
fn a_selection_that_matches_nothing_exits_with_3_and_names_what_exists() {
    let sample = Sample::new();
    let cases: [(&[&str], &str); 8] = [
        (&["--exclude-metric", "*", "-m", "accuracy"], "left beside what is excluded: metric *"),
        (&["-m", "los"], "similar: train/loss"),
        (&["-m", "zzz"], "metrics that exist: accuracy, power_watts, train/loss"),
        (&["-r", "lr-7*"], "no run matches lr-7*"),
        (&["-l", "gpu=7"], "no series has the labels gpu=7; labels that exist: none, gpu=0"),
        (&["--steps", "500.."], "steps 0 to 99"),
        (&["-m", "accuracy", "--values", "7.."], "values 0 to 0.99"),
        (&["--time", "2030-01-01.."], "times 2024-01-01T00:00:00.000000Z to"),
    ];
    for (flags, says) in cases {
        for command in ["query", "chart"] {
            let answer = sample.run(command, flags);
            assert!(answer.fails(3).contains(says), "{command} {flags:?}: {}", answer.err);
            assert!(answer.out.is_empty(), "{}", answer.text());
        }
    }
    assert!(sample.run("runs", &["--run", "x*"]).fails(3).contains("none of the 2 runs"));
    assert!(sample.run("metrics", &["-r", "lr"]).fails(3).contains("similar: lr-0.1, lr-2"));
    sample.run("query", &["-m", "zzz", "--latest"]).fails(3);
    let beyond = sample.run("query", &["-m", "accuracy", "--offset", "200"]);
    assert!(beyond.fails(3).contains("nothing is left after the first 200 points"), "{}", beyond.err);
    sample.run("query", &["-m", "zzz", "--aggregate", "mean", "--by", "run"]).fails(3);
}

#[test]
fn a_rate_of_values_that_are_no_counter_is_answered_with_a_remark() {
    let sample = Sample::new();
    let doubtful = sample.run("query", &["-m", "train/loss", "-t", "rate"]);
    doubtful.ok();
    assert!(doubtful.err.contains("rate takes each fall of a counter"), "{}", doubtful.err);
    let counter = sample.run("query", &["-m", "accuracy", "-t", "rate"]);
    counter.ok();
    assert!(counter.err.is_empty(), "{}", counter.err);
}

#[test]
fn wrong_usage_exits_with_2_and_names_the_choices() {
    let sample = Sample::new();
    let cases: [(&str, &[&str], &str); 15] = [
        ("query", &["--aggregate", "average"], "argmax"),
        (
            "query",
            &["--aggregate", "mean", "--by", "week"],
            "`week` is not known; use any of run, metric, labels, label:KEY",
        ),
        ("query", &["--by", "run"], "--aggregate"),
        ("query", &["--steps", "9..1"], "its second end must be greater"),
        ("query", &["--time", "yesterday.."], "-1h"),
        ("query", &["--values", "low..high"], "is not a number"),
        ("query", &["-l", "gpu"], "KEY=VALUE"),
        ("query", &["--repeats", "none"], "`none` is not known; use any of last, first, all"),
        ("query", &["--history", "none"], "\"none\" is not a history; use `own`, `inherited` or `all`"),
        ("query", &["--format", "parquet"], "tidalite export"),
        ("query", &["--format", "xml"], "csv"),
        ("query", &["--memory", "lots"], "64MiB"),
        ("chart", &["--svg", "x.svg"], "select one with -m: accuracy, power_watts, train/loss"),
        ("follow", &["--cursor", "here"], "not the text of a cursor"),
        ("import", &[], "<FILE>"),
    ];
    for (command, flags, says) in cases {
        let answer = sample.run(command, flags);
        assert!(answer.fails(2).contains(says), "{command} {flags:?}: {}", answer.err);
        assert!(answer.out.is_empty());
    }
    CommandAnswer::of(tidalite().arg("quary")).fails(2);
}

#[test]
fn a_damaged_marker_or_manifest_is_damage_for_verify_and_an_error_for_other_commands() {
    let sample = Sample::new();
    let manifest = std::fs::read_dir(sample.path().join("manifest")).unwrap();
    let manifest: Vec<_> = manifest.map(|e| e.unwrap().path()).collect();
    assert_eq!(manifest.len(), 1);
    for file in [sample.path().join("TIDALITE"), manifest[0].clone()] {
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 3]).unwrap();
        let verify = sample.run("verify", &[]);
        let (text, name) = (verify.text(), file.to_str().unwrap());
        assert_eq!(verify.code, Some(4), "{text}{}", verify.err);
        assert!(text.contains(name) && text.contains("DAMAGED in 1 place"), "{text}");
        assert!(!text.contains("run `tidalite verify`"), "it has just run: {text}");
        let info = sample.run("info", &[]);
        assert!(info.fails(1).contains(name) && info.err.contains("tidalite verify"), "{}", info.err);
        std::fs::write(&file, whole).unwrap();
    }
    sample.run("verify", &[]).ok();
}

#[test]
fn listings_show_what_can_be_read_and_name_the_parts_that_cannot() {
    let sample = Sample::new();
    let parts: Vec<_> =
        std::fs::read_dir(sample.path().join("parts")).unwrap().map(|e| e.unwrap().path()).collect();
    let whole = std::fs::read(&parts[0]).unwrap();
    std::fs::write(&parts[0], &whole[..whole.len() - 9]).unwrap();
    let file = parts[0].file_name().unwrap().to_str().unwrap();
    for (command, flags) in [
        ("info", &[][..]),
        ("info", &["--format", "json"]),
        ("info", &["--by", "metric", "--format", "json"]),
        ("metrics", &[]),
        ("runs", &["--quiet"]),
    ] {
        let answer = sample.run(command, flags);
        let says = answer.fails(4);
        assert!(says.contains(file) && says.contains("could not be read"), "{command}: {says}");
        assert!(!answer.out.is_empty() || command == "info", "{command}");
    }
    // The second run is in the log.
    let metrics = sample.run("metrics", &["--format", "csv"]);
    assert!(metrics.text().contains("accuracy,1,1,100,"), "{}", metrics.text());
    assert!(sample.run("runs", &["--format", "csv"]).text().contains("lr-2,"));
    assert!(sample.run("query", &[]).fails(1).contains(file));
    let query = sample.run("query", &["--on-damage", "report"]);
    assert!(query.fails(4).contains(file) && query.out.len() > 100, "{}", query.err);
    // The first run is in the damaged part alone.
    let nothing = sample.run("query", &["--on-damage", "report", "-r", "lr-0.1"]);
    assert!(nothing.fails(4).contains(file), "{}", nothing.err);
}

#[test]
fn a_wrong_pattern_is_named() {
    let sample = Sample::new();
    let answer = sample.run("query", &["-m", "loss[a"]);
    assert!(answer.fails(1).contains("loss[a"), "{}", answer.err);
}

#[test]
fn a_name_cannot_move_the_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let store = tidalite::Store::open(dir.path().join("s")).unwrap();
    store.run("a\x1b[2Jb").start().unwrap().log(0, &[("x\ny", 1.0)]).unwrap();
    store.close().unwrap();
    for (command, flags) in [
        ("runs", &[][..]),
        ("metrics", &[]),
        ("query", &[]),
        ("chart", &[]),
        ("follow", &["--from-start", "--idle-exit", "0"]),
        ("query", &["-m", "z\x1bz"]),
    ] {
        let answer = CommandAnswer::of(tidalite().arg(command).arg(dir.path().join("s")).args(flags));
        let text = format!("{}{}", answer.text(), answer.err);
        assert!(
            !text.contains('\x1b') && text.contains("\\u{1b}") | text.contains("x\\ny"),
            "{command}: {text}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_store_is_read_and_refuses_writes() {
    use std::os::unix::fs::PermissionsExt;
    let sample = Sample::new();
    let set = |mode: u32| {
        for folder in ["", "log", "manifest", "parts", "runs", "series"] {
            let path = sample.path().join(folder);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    let read = sample.run("query", &["-m", "accuracy", "--format", "json"]);
    let flush = sample.run("flush", &[]);
    set(0o755);
    assert_eq!(read.rows().len(), 200);
    // Root can write to read-only folders.
    assert!(flush.code == Some(0) || flush.fails(1).contains("ermission"), "{}", flush.err);
}

#[test]
fn a_group_that_nothing_has_and_an_aggregate_of_nothing_name_what_exists() {
    let sample = Sample::new();
    let mean = |flags: &[&str]| {
        let flags: Vec<&str> =
            ["-m", "train/loss", "--aggregate", "mean"].iter().chain(flags).copied().collect();
        sample.run("query", &flags)
    };
    assert!(mean(&["--by", "param:rl"]).fails(1).contains("no run has the param \"rl\"; params: \"lr\""));
    assert!(
        mean(&["--by", "label:gpx"]).fails(1).contains("no series has the label \"gpx\"; similar: \"gpu\"")
    );
    assert!(mean(&["--by", "params.lr"]).ok().contains("param:lr"));
    assert!(mean(&["--by", "run", "--then", "max", "--top", "1"]).fails(2).contains("cannot be used with"));
    let nothing = sample.run("query", &["-m", "los", "--aggregate", "mean,count"]);
    assert!(nothing.fails(3).contains("similar: train/loss"));
    // That no point lies in a range is an answer.
    let none = sample
        .run("query", &["-m", "train/loss", "--steps", "1000..", "--aggregate", "count", "--format", "json"]);
    assert_eq!(none.rows()[0]["count"], 0);
    // A loss that is NaN is something.
    assert!(mean(&["-r", "lr-2", "--steps", "80.."]).code == Some(0));
}

#[test]
fn metrics_that_are_aggregated_together_are_named_on_standard_error() {
    let sample = Sample::new();
    let mixed =
        sample.run("query", &["-m", "*s", "-m", "accuracy", "--aggregate", "count,mean", "--by", "run"]);
    let note = "mean over 3 metrics: accuracy, power_watts, train/loss; add --by metric";
    assert!(mixed.code == Some(0) && mixed.err.contains(note), "{}", mixed.err);
    for flags in [
        &["-m", "*s", "--aggregate", "count"][..],
        &["-m", "*s", "--aggregate", "mean", "--by", "metric"],
        &["-m", "accuracy", "--aggregate", "mean"],
        &["--aggregate", "mean", "--quiet"],
    ] {
        let quiet = sample.run("query", flags);
        assert!(quiet.code == Some(0) && quiet.err.is_empty(), "{flags:?}: {}", quiet.err);
    }
}

#[test]
fn a_filter_without_the_word_params_is_refused_with_what_is_meant() {
    let sample = Sample::new();
    for filter in ["lr > 1", "config.lr > 1"] {
        assert!(sample.run("runs", &["-w", filter]).fails(2).contains("did you mean `params.lr`?"));
    }
}

#[test]
fn listings_say_what_they_left_out_while_they_read() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = (dir.path().join("s"), dir.path().join("twice.csv"));
    let rows = |step: u32| format!("{step},{}.5\n{step},{}.25\n", step * 7919 % 1000, step * 31 % 97);
    std::fs::write(&file, format!("step,loss\n{}", (0..4000).map(rows).collect::<String>())).unwrap();
    let of =
        |command: &str, flags: &[&str]| CommandAnswer::of(tidalite().arg(command).arg(&path).args(flags));
    CommandAnswer::of(tidalite().arg("import").arg(&path).arg(&file).args(["--run", "r"])).ok();
    of("flush", &[]).ok();
    let part = std::fs::read_dir(path.join("parts")).unwrap().next().unwrap().unwrap().path();
    let sound = std::fs::read(&part).unwrap();
    let mut damaged = 0;
    for at in (100..sound.len()).step_by(sound.len() / 12) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        std::fs::write(&part, bytes).unwrap();
        // Each step stands twice, so that no summary answers and all points are read.
        if of("query", &["-m", "loss", "--aggregate", "mean"]).code != Some(1) {
            continue;
        }
        damaged += 1;
        let listings = [
            ("runs", &[][..]),
            ("runs", &["--columns", "loss:mean"]),
            ("metrics", &[]),
            ("labels", &[]),
            ("top", &["--once"]),
        ];
        for (command, flags) in listings {
            let answer = of(command, flags);
            assert!(
                answer.fails(4).contains("could not be read"),
                "{command} {flags:?} at {at}: {}",
                answer.err
            );
            assert!(!answer.err.contains("no run has the metric"), "{}", answer.err);
        }
    }
    assert!(damaged > 2, "{damaged} of 12");
}
