//! What imports accept, what they store, and the message of each fault.

use crate::{Error, ErrorKind, FileFormat, Import, ImportStats, Repeats, Store, TimeUnit};
use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    LargeStringArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt16Array, UInt64Array,
};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

mod foreign;

struct Bench {
    dir: TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        Bench { dir, store }
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn import(&self, name: &str, text: impl AsRef<[u8]>, import: &Import) -> Result<ImportStats, Error> {
        self.store.import(self.file(name, text), import)
    }

    /// The message of a refused import. Checks that it names the file, and that nothing is stored.
    fn refused(&self, name: &str, text: impl AsRef<[u8]>, import: &Import) -> String {
        let e = self.import(name, text, import).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Invalid, "{e}");
        assert!(e.path().is_some_and(|p| p.ends_with(name)), "{e}");
        assert_eq!(self.points(), Vec::<String>::new(), "{e}");
        e.to_string()
    }

    /// All points, as `run|metric|labels|step|time|value`.
    fn points(&self) -> Vec<String> {
        let batch = self.store.select().repeats(Repeats::All).points().unwrap().collect().unwrap();
        let names = |at: usize, row: usize| {
            let column: &DictionaryArray<Int32Type> = batch.column(at).as_dictionary();
            column.values().as_string::<i32>().value(column.keys().value(row) as usize).to_owned()
        };
        let steps = batch.column(3).as_primitive::<Int64Type>();
        let times = batch.column(4).as_primitive::<TimestampMicrosecondType>();
        let values = batch.column(5).as_primitive::<Float64Type>();
        let text = |r: usize| {
            let (step, time, value) = (steps.value(r), times.value(r), values.value(r));
            format!("{}|{}|{}|{step}|{time}|{value:?}", names(0, r), names(1, r), names(2, r))
        };
        (0..batch.num_rows()).map(text).collect()
    }
}

/// Rows, points, batches and absent values.
fn counts(stats: &ImportStats) -> [u64; 4] {
    [stats.rows, stats.points, stats.batches, stats.empty]
}

/// The defaults, with plain times in µs, so that small numbers are times.
fn micros() -> Import {
    Import::new().time_unit(TimeUnit::Micros)
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out
}

#[test]
fn a_long_csv_gives_one_point_per_row() {
    let bench = Bench::new();
    let text = "run,metric,step,time,value,labels\n\
        a,loss,1,1970-01-01T00:00:01Z,0.5,\"rank=1,host=b\"\n\
        a,loss,0,1970-01-01 00:00:00.5,NaN,\n\
        \"a,\"\"x\"\"\n\",loss,9223372036854775807,-5,-inf,\n";
    let stats = bench.import("a.csv", text, &micros()).unwrap();
    assert_eq!(counts(&stats), [3, 3, 1, 0]);
    let points = bench.points();
    let wanted = [
        "a|loss||0|500000|NaN",
        "a|loss|host=b,rank=1|1|1000000|0.5",
        "a,\"x\"\n|loss||9223372036854775807|-5|-inf",
    ];
    assert_eq!(points, wanted);
}

#[test]
fn a_wide_csv_gives_one_point_per_cell_and_counts_empty_cells() {
    let bench = Bench::new();
    let text = "epoch;loss;acc\n0;0.5;\n1;;\n2;0.25;1\n";
    let import = micros().run("r").map("step", "epoch").delimiter(';');
    let stats = bench.import("a.csv", text, &import).unwrap();
    assert_eq!(counts(&stats), [3, 3, 1, 3]);
    let brief: Vec<String> = bench
        .points()
        .iter()
        .map(|p| {
            p.split('|').enumerate().filter(|(i, _)| *i != 4).map(|(_, t)| t).collect::<Vec<_>>().join("|")
        })
        .collect();
    assert_eq!(brief, ["r|acc||2|1.0", "r|loss||0|0.5", "r|loss||2|0.25"]);
}

#[test]
fn tabs_windows_line_ends_and_a_byte_order_mark_are_read() {
    let bench = Bench::new();
    let text = "\u{feff}run\tmetric\ttime\tvalue\r\na\tm\t0\t1\r\na\tm\t0\t2\r\n";
    bench.import("a.tsv", text, &micros()).unwrap();
    assert_eq!(bench.points(), ["a|m||0|0|1.0", "a|m||1|0|2.0"]);
    let bench = Bench::new();
    let message = bench.refused("a.csv", "run,metric,value\r\na,m,1\r\n\r\na,m,x\r\n", &micros());
    assert!(message.contains("line 4, column \"value\""), "{message}");
}

#[test]
fn without_steps_each_series_counts_up_in_file_order() {
    let bench = Bench::new();
    let text = "run,metric,labels,time,value\na,x,,0,1\na,y,,0,2\na,x,,0,3\na,x,r=0,0,4\na,y,,0,5\n";
    bench.import("a.csv", text, &micros()).unwrap();
    assert_eq!(
        bench.points(),
        ["a|x||0|0|1.0", "a|x||1|0|3.0", "a|x|r=0|0|0|4.0", "a|y||0|0|2.0", "a|y||1|0|5.0"]
    );
    let bench = Bench::new();
    bench.import("a.csv", "run,time,x,y\na,0,,1\nb,0,2,\na,0,3,4\n", &micros()).unwrap();
    assert_eq!(bench.points(), ["a|x||1|0|3.0", "a|y||0|0|1.0", "a|y||1|0|4.0", "b|x||0|0|2.0"]);
}

#[test]
fn json_lines_accept_keys_in_any_order() {
    let bench = Bench::new();
    let text = "\u{feff}{\"run\":7,\"metric\":\"m\",\"step\":1,\"time\":0,\"value\":0.1}\n\n\
        {\"value\":NaN,\"time\":\"1970-01-01\",\"step\":2.0,\"metric\":\"m\",\"run\":\"7\",\"labels\":{\"rank\":3,\"host\":\"a\"}}\r\n\
        {\"value\":\"-Infinity\",\"time\":5,\"step\":-3,\"metric\":\"NaN\",\"run\":\"7\",\"labels\":null}";
    let stats = bench.import("a.jsonl", text, &micros()).unwrap();
    assert_eq!(counts(&stats), [3, 3, 1, 0]);
    assert_eq!(bench.points(), ["7|NaN||-3|5|-inf", "7|m||1|0|0.1", "7|m|host=a,rank=3|2|0|NaN"]);
}

#[test]
fn a_wide_json_line_may_add_metrics() {
    let bench = Bench::new();
    let text = "{\"_step\":0,\"_timestamp\":1.5,\"loss\":1}\n{\"_step\":1,\"_timestamp\":2,\"acc\":0.5,\"loss\":null}\n{\"_step\":2,\"_timestamp\":3,\"note\":[1,{\"a\":2}]}";
    let import =
        micros().run("r").map("step", "_step").map("time", "_timestamp").time_unit(TimeUnit::Seconds);
    let stats = bench.import("a.ndjson", text, &import.ignore("note")).unwrap();
    assert_eq!(counts(&stats), [3, 2, 1, 1]);
    assert_eq!(bench.points(), ["r|acc||1|2000000|0.5", "r|loss||0|1500000|1.0"]);
}

#[test]
fn parquet_columns_may_have_any_convertible_type() {
    let bench = Bench::new();
    let names: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
    let file = parquet(vec![
        ("run", Arc::new(names)),
        ("metric", Arc::new(LargeStringArray::from(vec!["m", "m", "n"]))),
        ("labels", Arc::new(StringArray::from(vec![None, Some("k=v"), Some("")]))),
        ("step", Arc::new(UInt16Array::from(vec![1, 2, 65535]))),
        ("time", Arc::new(TimestampNanosecondArray::from(vec![1_000, 2_999, 0]).with_timezone("+02:00"))),
        ("value", Arc::new(Float32Array::from(vec![0.5, f32::NAN, f32::INFINITY]))),
        ("other", Arc::new(BooleanArray::from(vec![true, false, true]))),
    ]);
    bench.import("a.parquet", file, &micros().ignore("other")).unwrap();
    assert_eq!(bench.points(), ["a|m||1|1|0.5", "a|n||65535|0|inf", "b|m|k=v|2|2|NaN"]);
}

#[test]
fn nulls_of_a_wide_parquet_file_give_no_points() {
    let bench = Bench::new();
    let file = parquet(vec![
        ("day", Arc::new(Date32Array::from(vec![0, 1]))),
        ("loss", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
        ("count", Arc::new(Int32Array::from(vec![None, Some(3)]))),
    ]);
    let stats = bench.import("a.parquet", file, &micros().run("r").map("time", "day")).unwrap();
    assert_eq!(counts(&stats), [2, 2, 1, 2]);
    assert_eq!(bench.points(), ["r|count||1|86400000000|3.0", "r|loss||0|0|0.5"]);
}

#[test]
fn a_file_larger_than_a_batch_is_appended_in_several_with_progress() {
    let bench = Bench::new();
    let mut text = String::from("run,metric,step,time,value\n");
    (0..600_000).for_each(|i| text.push_str(&format!("r,m,{i},0,{i}\n")));
    let path = bench.file("a.csv", &text);
    let seen = std::cell::RefCell::new(Vec::new());
    let stats = bench
        .store
        .import_with(&path, &micros(), &|done, total| {
            seen.borrow_mut().push((done, total));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(counts(&stats), [600_000, 600_000, 3, 0]);
    let seen = seen.into_inner();
    let total = text.len() as u64;
    assert!(seen.is_sorted() && seen.iter().all(|(done, all)| done <= all && *all == total), "{seen:?}");
    assert_eq!(seen.last(), Some(&(total, total)));
    assert_eq!(bench.store.select().points().unwrap().map(|b| b.unwrap().num_rows()).sum::<usize>(), 600_000);
}

#[test]
fn a_failed_import_keeps_whole_batches_and_reports_their_rows() {
    let bench = Bench::new();
    let mut text = String::from("run,x,y\n");
    (0..200_000).for_each(|_| text.push_str("r,1,2\n"));
    text.push_str("r,1,oops\n");
    let e = bench.import("a.csv", text, &micros()).unwrap_err().to_string();
    assert!(e.contains("the first 131072 rows are in the store"), "{e}");
    assert!(e.contains("line 200002, column \"y\": \"oops\" is not a number"), "{e}");
    let rows: usize = bench.store.select().points().unwrap().map(|b| b.unwrap().num_rows()).sum();
    assert_eq!(rows, 2 * 131_072);
}

#[test]
fn csv_faults_name_line_column_and_remedy() {
    let bench = Bench::new();
    let new = micros;
    let long = |row: &str| format!("run,metric,labels,step,time,value\n{row}\n");
    for (text, import, says) in [
        (String::new(), new(), &["the file is empty", "first line"][..]),
        (long("a,m,,0,0,x"), new(), &["\"x\" is not a number"]),
        (long("a,m,,0,0,1e999"), new(), &["beyond the range of a float64"]),
        (long("a,m,,0.5,0,1"), new(), &["line 2, column \"step\": \"0.5\" is not a step", "whole number"]),
        (long("a,m,,,0,1"), new(), &["column \"step\": there is no step"]),
        (long("a,m,,0,tomorrow,1"), new(), &["column \"time\": \"tomorrow\" is not a time", "RFC 3339"]),
        (long("a,m,,0,1.5,1"), new(), &["is a time with a fraction", "time unit to s or ms"]),
        (long("a,m,,0,1.5,1"), Import::new(), &["would be a time before 1980", "give the time unit"]),
        (long("a,m,,0,0,9007199254740993"), new(), &["column \"value\"", "cannot hold exactly"]),
        (long("a,m,,0,1780000000000000000,1"), new(), &["outside the years 1 to 9999", "time unit"]),
        (long("a,m,rank,0,0,1"), new(), &["column \"labels\"", "key=value"]),
        (long(",m,,0,0,1"), new(), &["line 2, column \"run\""]),
        (long("a,,,0,0,1"), new(), &["line 2, column \"metric\""]),
        (long(&format!("a,{},,0,0,1", "n".repeat(65_536))), new(), &["65536 bytes"]),
        (long("a,m,,0,0"), new(), &["line 2: the row has 5 fields, and there are 6 columns"]),
        (long("a,m,,0,0,1\na,\"m\nm\",,0,0,1\na,m,,0,0,x"), new(), &["line 5"]),
        (
            "run,step,loss,name\na,0,1,x\n".into(),
            new(),
            &["line 2, column \"name\": \"x\" is not a number", "ignore it"],
        ),
        ("run,metric,value,gpu\n".into(), new(), &["\"gpu\"", "map them"]),
        ("metric,value\n".into(), new(), &["no column run", "map one"]),
        ("run,metric,v\n".into(), new().map("value", "w"), &["no column \"w\"", "\"metric\", \"v\""]),
    ] {
        let message = bench.refused("a.csv", &text, &import);
        assert!(says.iter().all(|s| message.contains(s)), "{message} should say {says:?}");
        assert!(message.len() < 500, "{message}");
    }
    let message = bench.refused("a.csv", b"run,metric,value\na,m\xff,1\n", &new());
    assert!(message.contains("line 2: field 2 is not UTF-8"), "{message}");
}

#[test]
fn json_lines_faults_name_line_key_and_remedy() {
    let bench = Bench::new();
    let first = "{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":1}\n";
    for (line, says) in [
        ("[1,2]", &["line 2: ", "without an array"][..]),
        ("{\"run\":", &["line 2: ", "EOF", "on a separate line"]),
        ("7", &["line 2: "]),
        ("{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":[1]}", &["a list is not a number"]),
        ("{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":{\"x\":1}}", &["an object is not a number"]),
        (
            "{\"run\":\"a\",\"metric\":\"m\",\"step\":18446744073709551615,\"value\":1}",
            &["18446744073709551615 is not a step"],
        ),
        ("{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":1,\"value\":2}", &["\"value\" occurs twice"]),
        (
            "{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":1,\"gpu\":2}",
            &["line 2: ", "\"gpu\"", "ignore it"],
        ),
        (
            "{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":1,\"time\":2}",
            &["\"time\" was not in the first line"],
        ),
        (
            "{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":1,\"labels\":{\"\":2}}",
            &["column \"labels\"", "empty"],
        ),
        (
            "{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":1,\"labels\":{\"a\":[]}}",
            &["column \"labels\""],
        ),
        ("{\"run\":null,\"metric\":\"m\",\"step\":0,\"value\":1}", &["column \"run\": it is empty"]),
        ("{\"run\":\"a\",\"metric\":\"m\",\"step\":0,\"value\":1e999}", &["line 2: ", "out of range"]),
    ] {
        let message = bench.refused("a.jsonl", format!("{first}{line}\n"), &micros());
        assert!(says.iter().all(|s| message.contains(s)), "{message} should say {says:?}");
    }
    let message = bench.refused("a.jsonl", "{\"metric\":\"m\",\"value\":1}", &micros());
    assert!(message.contains("line 1: there is no column run"), "{message}");
    let deep = format!("{first}{}", "[".repeat(1 << 20));
    assert!(bench.refused("a.jsonl", deep, &micros()).contains("line 2: "));
}

#[test]
fn parquet_faults_name_row_column_and_remedy() {
    let bench = Bench::new();
    let text = |v: Vec<Option<&str>>| Arc::new(StringArray::from(v)) as ArrayRef;
    let long = |value: ArrayRef| {
        parquet(vec![
            ("run", text(vec![Some("r"); 2])),
            ("metric", text(vec![Some("m"), Some("m")])),
            ("value", value),
        ])
    };
    for (file, says) in [
        (long(text(vec![Some("1"), Some("x")])), "row 2, column \"value\": \"x\" is not a number"),
        (
            long(Arc::new(UInt64Array::from(vec![1, u64::MAX]))),
            "row 2, column \"value\": 18446744073709551615 is a whole number that a float64 cannot hold",
        ),
        (
            long(Arc::new(TimestampNanosecondArray::from(vec![1, 2]))),
            "row 1, column \"value\": a timestamp is not a number",
        ),
        (
            parquet(vec![
                ("run", text(vec![Some("r"), None])),
                ("m", Arc::new(Int32Array::from(vec![1, 2]))),
            ]),
            "row 2, column \"run\": it is empty",
        ),
        (parquet(vec![("m", Arc::new(Int32Array::from(vec![1, 2])))]), "no column run"),
        (b"PAR1 is not a Parquet file".to_vec(), "cannot be read as Parquet"),
        (Vec::new(), "cannot be read as Parquet"),
    ] {
        let message = bench.refused("a.parquet", file, &micros());
        assert!(message.contains(says), "{message} should say {says}");
    }
}

#[test]
fn a_missing_file_unknown_extension_or_folder_is_refused() {
    let bench = Bench::new();
    let import = |path: PathBuf, how: &Import| bench.store.import(path, how).unwrap_err();
    let gone = import(bench.dir.path().join("gone.csv"), &micros());
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(gone.to_string().contains("gone.csv"), "{gone}");
    let unknown = import(bench.file("a.xlsx", ""), &micros());
    assert_eq!(unknown.kind(), ErrorKind::Unsupported);
    let folder = import(bench.dir.path().to_path_buf(), &micros().format(FileFormat::Csv));
    assert!(folder.kind() == ErrorKind::Invalid && folder.to_string().contains("it is a folder"), "{folder}");
    let read_only = crate::Options::new().read_only(true).open(bench.store.path()).unwrap();
    let e = read_only.import(bench.file("a.csv", "run,x\n"), &micros()).unwrap_err();
    assert!(e.to_string().contains("read-only"), "{e}");
}

#[test]
fn a_row_without_an_end_is_refused_before_it_fills_memory() {
    let bench = Bench::new();
    let mut csv = b"run,metric,value\na,m,1\na,\"".to_vec();
    csv.resize(70 << 20, b'x');
    let message = bench.refused("a.csv", &csv, &micros());
    assert!(message.contains("line 3: the row is longer than 64 MiB"), "{message}");
    let mut json = b"{\"run\":\"".to_vec();
    json.resize(70 << 20, b'x');
    let message = bench.refused("a.jsonl", &json, &micros());
    assert!(message.contains("line 1: the row is longer than 64 MiB"), "{message}");
}

#[test]
fn a_stream_of_unknown_length_is_imported() {
    let bench = Bench::new();
    let pipe = bench.dir.path().join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::write(pipe, "run,metric,time,value\nr,m,0,1\n").unwrap())
    };
    let stats = bench
        .store
        .import_with(&pipe, &micros(), &|_, total| {
            assert_eq!(total, 0);
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    writer.join().unwrap();
    assert_eq!((stats.points, bench.points().len()), (1, 1));
}

#[test]
fn a_fault_has_the_line_number_that_an_editor_shows() {
    let bench = Bench::new();
    for end in ["\n", "\r\n"] {
        for (lines, line) in [
            (&["run,m", "r,x"][..], 2),
            (&["run,m", "r,1", "r,x", "r,1"], 3),
            (&["run,m", "", "", "r,1", "", "r,x", ""], 6),
            (&["run,m", "\"r", "\",1", "r,1", "\"r", "\",x"], 5),
            (&["run,m", "r,1", "r,1,1", "r,1"], 3),
        ] {
            for last in ["", end] {
                let message = bench.refused("a.csv", lines.join(end) + last, &micros());
                assert!(message.contains(&format!("line {line}")), "{message}: {lines:?} {end:?} {last:?}");
            }
        }
    }
}
