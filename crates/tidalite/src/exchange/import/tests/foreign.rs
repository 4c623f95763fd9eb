//! Tables as other programs write them: their names of columns, units of time, absent values, texts and compression.

use super::{Bench, counts, micros, parquet};
use crate::{ErrorKind, FileFormat, Import, Status, TimeUnit};
use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

const AT_US: i64 = 1_780_000_000_000_000;

#[test]
fn usual_names_of_steps_and_times_are_taken_with_a_remark() {
    let bench = Bench::new();
    let text = " Global_Step , _timestamp ,loss\n3,1780000000,0.5\n4,1780000000.5,0.25\n";
    let stats = bench.import("a.csv", text, &Import::new().run("r")).unwrap();
    let remarks = [
        "took column \"Global_Step\" as step",
        "took column \"_timestamp\" as time",
        "took the numbers of column \"_timestamp\" as seconds",
    ];
    assert_eq!(stats.remarks, remarks);
    let points = [format!("r|loss||3|{AT_US}|0.5"), format!("r|loss||4|{}|0.25", AT_US + 500_000)];
    assert_eq!(bench.points(), points);
    let bench = Bench::new();
    let text = "{\"epoch\":0,\"_step\":7,\"loss\":1}\n{\"loss\":2,\"_step\":8,\"epoch\":1}\n";
    bench.import("a.jsonl", text, &Import::new().run("r").map("step", "epoch")).unwrap();
    let steps: Vec<_> = bench.points().iter().map(|p| p.split('|').nth(3).unwrap().to_owned()).collect();
    assert_eq!(steps, ["0", "1", "0", "1"], "the mapping comes first, and _step is a metric");
}

#[test]
fn a_number_that_would_be_a_time_before_1980_needs_a_unit() {
    for (name, text) in [
        ("a.csv", "time,loss\n12.5,1\n"),
        ("a.csv", "time,loss\n1780000000000,1\n1780000000,1\n"),
        ("a.jsonl", "{\"ts\":3600,\"loss\":1}\n"),
    ] {
        let message = Bench::new().refused(name, text, &Import::new().run("r"));
        assert!(message.contains("before 1980") && message.contains("give the time unit"), "{message}");
    }
    let bench = Bench::new();
    let import = Import::new().run("r").time_unit(TimeUnit::Seconds);
    bench.import("a.csv", "time,loss\n12.5,1\n", &import).unwrap();
    assert_eq!(bench.points(), ["r|loss||0|12500000|1.0"]);
}

#[test]
fn typed_nanoseconds_before_1970_are_rounded_down() {
    let bench = Bench::new();
    let file = parquet(vec![
        ("time", Arc::new(TimestampNanosecondArray::from(vec![-1, -1_000, 1_999]))),
        ("step", Arc::new(Int64Array::from(vec![0, 1, 2]))),
        ("x", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ]);
    bench.import("a.parquet", file, &Import::new().run("r")).unwrap();
    assert_eq!(bench.points(), ["r|x||0|-1|1.0", "r|x||1|-1|2.0", "r|x||2|1|3.0"]);
    let null = parquet(vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]))),
        ("x", Arc::new(Int64Array::from(vec![1, 2]))),
    ]);
    let message = Bench::new().refused("a.parquet", null, &Import::new().run("r"));
    assert!(message.contains("row 2, column \"time\": there is no time"), "{message}");
}

#[test]
fn a_file_of_one_metric_is_named_by_the_option_or_the_file() {
    let bench = Bench::new();
    let text = "Wall time,Step,Value\n1780000000.0,1,0.5\n";
    let stats = bench.import("train_loss.csv", text, &Import::new().run("r")).unwrap();
    assert!(
        stats.remarks.iter().any(|r| r == "took the file's name \"train_loss\" as the metric"),
        "{stats:?}"
    );
    bench.import("b.csv", text, &Import::new().run("r").metric("loss")).unwrap();
    bench
        .import(
            "c.csv",
            "step,reading\n2,3\n",
            &Import::new().run("r").metric("temp").time_unit(TimeUnit::Micros),
        )
        .unwrap();
    let points = bench.points();
    assert_eq!(points[0], format!("r|loss||1|{AT_US}|0.5"));
    assert!(points[1].starts_with("r|temp||2|") && points[1].ends_with("|3.0"), "{points:?}");
    assert_eq!(points[2], format!("r|train_loss||1|{AT_US}|0.5"));
    let bench = Bench::new();
    for (import, says) in [
        (Import::new().run("r").metric("m").wide(true), "a wide table has one"),
        (Import::new().run("r").metric(""), "empty"),
        (Import::new().run("r").metric("m"), "may be in any of \"a\", \"b\""),
    ] {
        let message = bench.refused("d.csv", "step,a,b\n1,2,3\n", &import);
        assert!(message.contains(says), "{message}");
    }
    // With other metrics beside it, `value` may be one of them.
    let message = bench.refused("d.csv", "step,value,reward\n1,2,3\n", &Import::new().run("r"));
    assert!(message.contains("import as a wide table"), "{message}");
}

#[test]
fn a_file_without_a_header_has_the_given_columns() {
    let bench = Bench::new();
    let import = micros().run("r").columns(["step", "time", "", "loss"]);
    let stats = bench.import("a.csv", "0,5,x,0.5\n1,6,y,0.25\n", &import).unwrap();
    assert_eq!(counts(&stats), [2, 2, 1, 0]);
    assert_eq!(bench.points(), ["r|loss||0|5|0.5", "r|loss||1|6|0.25"]);
    let message = Bench::new().refused("a.csv", "0,5\n", &import);
    assert!(message.contains("line 1: the row has 2 fields, and there are 4 columns"), "{message}");
}

#[test]
fn rows_that_count_once_and_rows_without_a_step_are_remarked() {
    let import = micros().run("r");
    let gpus = "step,time,gpu,power\n0,0,0,5\n0,0,1,6\n1,1,0,5\n1,1,1,6\n1,1,2,7\n";
    let stats = Bench::new().import("a.csv", gpus, &import).unwrap();
    assert!(stats.remarks[0].starts_with("3 rows have the step of the row before"), "{stats:?}");
    let stats = Bench::new().import("a.csv", gpus, &import.clone().label_column("gpu")).unwrap();
    assert!(stats.remarks.is_empty(), "{stats:?}");
    let long = "metric,step,value\na,0,1\nb,0,1\na,1,1\na,1,2\n";
    let stats = Bench::new().import("a.csv", long, &import).unwrap();
    assert!(stats.remarks.iter().any(|r| r.starts_with("1 row has the step")), "{stats:?}");
    let stats = Bench::new().import("a.csv", "loss,acc\n1,2\n3,4\n", &import).unwrap();
    assert!(stats.remarks.iter().any(|r| r.contains("no column is a step or a time")), "{stats:?}");
    let stats = Bench::new().import("a.csv", "time,loss\n1,2\n1,4\n", &import).unwrap();
    assert!(stats.remarks.is_empty(), "rows with a time and no step are counted: {stats:?}");
}

#[test]
fn numbers_after_text_are_left_out_with_a_remark() {
    let import = micros().run("r").skip_text(true);
    let text = "step,time,loss,phase\n0,0,1,warm\n1,0,2,7\n2,0,3,8\n";
    let stats = Bench::new().import("a.csv", text, &import).unwrap();
    assert_eq!(stats.remarks, ["left out columns that begin with text, with 2 numbers: \"phase\""]);
}

#[test]
fn text_columns_are_labels_or_left_out_or_all_named_at_once() {
    let text = "step,time,phase,loss,note,host\n0,0,,1,hi,a\n1,0,train,2,,b\n2,0,eval,NA,ho,b\n";
    let message = Bench::new().refused("a.csv", text, &micros().run("r"));
    let says =
        "line 2: these columns hold no numbers: \"phase\" (\"train\"), \"note\" (\"hi\"), \"host\" (\"a\")";
    assert!(message.contains(says) && message.contains("read them as labels"), "{message}");
    let bench = Bench::new();
    let import = micros().run("r").skip_text(true);
    let stats = bench.import("a.csv", text, &import).unwrap();
    assert_eq!(counts(&stats), [3, 2, 1, 3]);
    assert_eq!(stats.remarks, ["left out columns that hold no numbers: \"note\", \"host\", \"phase\""]);
    assert_eq!(bench.points(), ["r|loss||0|0|1.0", "r|loss||1|0|2.0"]);
    // A wrong cell among numbers is no text column.
    let message = Bench::new().refused("a.csv", "run,x\nr,1\nr,oops\n", &import.clone().ignore("run"));
    assert!(message.contains("line 3, column \"x\": \"oops\" is not a number"), "{message}");
    let bench = Bench::new();
    let labelled = micros().run("r").label_column("phase").label_column("host").ignore("note");
    bench.import("a.csv", text, &labelled).unwrap();
    assert_eq!(bench.points(), ["r|loss|host=a|0|0|1.0", "r|loss|host=b,phase=train|1|0|2.0"]);
    let bench = Bench::new();
    let lines = "{\"time\":0,\"rank\":3,\"loss\":1,\"ok\":true}\n{\"time\":1,\"rank\":null,\"loss\":2,\"ok\":false}\n";
    bench.import("a.jsonl", lines, &micros().run("r").label_column("rank")).unwrap();
    let points = ["r|loss||0|1|2.0", "r|loss|rank=3|0|0|1.0", "r|ok||0|1|0.0", "r|ok|rank=3|0|0|1.0"];
    assert_eq!(bench.points(), points);
    let message = Bench::new().refused("a.csv", text, &micros().run("r").label_column("hosts"));
    assert!(message.contains("no column \"hosts\""), "{message}");
}

#[test]
fn the_list_of_text_columns_includes_those_that_begin_later() {
    let mut text = String::from("step,a,b,x\n");
    (0..500).for_each(|i| text.push_str(&format!("{i},word,,1\n")));
    text.push_str("500,word,late,1\n");
    let message = Bench::new().refused("a.csv", &text, &Import::new().run("r"));
    assert!(message.contains("\"a\" (\"word\"), \"b\" (\"late\")"), "{message}");
}

#[test]
fn absent_values_give_no_points_and_nan_stays_nan() {
    let bench = Bench::new();
    let text = "step,time,x\n0,0,\n1,0,NA\n2,0,null\n3,0,N/A\n4,0,nan\n5,0,-999\n6,0,True\n";
    let stats = bench.import("a.csv", text, &micros().run("r").null("-999")).unwrap();
    assert_eq!(counts(&stats), [7, 2, 1, 5]);
    assert_eq!(bench.points(), ["r|x||4|0|NaN", "r|x||6|0|1.0"]);
    let bench = Bench::new();
    let long = "run,metric,step,time,value\nr,m,0,0,\nr,m,1,0,1\n";
    assert_eq!(counts(&bench.import("a.csv", long, &micros()).unwrap()), [2, 1, 1, 1]);
    let bench = Bench::new();
    let file = parquet(vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 2]))),
        ("x", Arc::new(Float32Array::from(vec![Some(f32::NAN), None, Some(0.5)]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
    ]);
    bench.import("a.parquet", &file, &Import::new().run("r")).unwrap();
    assert_eq!(bench.points(), ["r|ok||0|0|1.0", "r|ok||1|2|0.0", "r|x||0|0|NaN", "r|x||1|2|0.5"]);
    let bench = Bench::new();
    bench.import("a.parquet", &file, &Import::new().run("r").nan_is_absent(true).ignore("ok")).unwrap();
    assert_eq!(bench.points(), ["r|x||0|2|0.5"]);
}

#[test]
fn empty_label_values_are_absent() {
    let bench = Bench::new();
    let text = "run,metric,labels,step,time,value\nr,m,\"host=,rank=3\",0,0,1\nr,m,host=,1,0,2\n";
    bench.import("a.csv", text, &micros()).unwrap();
    assert_eq!(bench.points(), ["r|m||1|0|2.0", "r|m|rank=3|0|0|1.0"]);
    let bench = Bench::new();
    let line = "{\"run\":\"r\",\"metric\":\"m\",\"labels\":{\"host\":\"\",\"rank\":null,\"gpu\":1},\"time\":0,\"value\":1}";
    bench.import("a.jsonl", line, &micros()).unwrap();
    assert_eq!(bench.points(), ["r|m|gpu=1|0|0|1.0"]);
}

#[test]
fn units_behind_numbers_are_left_out_with_a_remark() {
    let bench = Bench::new();
    let text = "timestamp, utilization.gpu [%], memory.used [MiB]\n\
        2026/05/28 20:26:40.500, 35 %, 1024 MiB\n2026/05/28 20:26:41.500, 0 %, [N/A]\n";
    let stats = bench.import("a.csv", text, &Import::new().run("r")).unwrap();
    assert!(stats.remarks.contains(&"left out the units behind values: %, MiB".to_owned()), "{stats:?}");
    let at = AT_US + 500_000;
    let points = [
        format!("r|memory.used [MiB]||0|{at}|1024.0"),
        format!("r|utilization.gpu [%]||0|{at}|35.0"),
        format!("r|utilization.gpu [%]||1|{}|0.0", at + 1_000_000),
    ];
    assert_eq!(bench.points(), points);
    let message = Bench::new().refused("a.csv", "run,mem\nr,1 GiB\nr,1 MiB\n", &Import::new());
    assert!(
        message.contains("line 3, column \"mem\"") && message.contains("another unit than GiB"),
        "{message}"
    );
}

#[test]
fn semicolons_and_decimal_commas_of_spreadsheets_are_read() {
    let bench = Bench::new();
    let text = "\u{feff}epoch;time;loss\r\n0;0;0,5\r\n1;1;1,25e1\r\n";
    let stats = bench.import("a.csv", text, &micros().run("r")).unwrap();
    assert!(stats.remarks.iter().any(|r| r.contains("semicolons")), "{stats:?}");
    assert_eq!(bench.points(), ["r|loss||0|0|0.5", "r|loss||1|1|12.5"]);
    let bench = Bench::new();
    bench
        .import("a.txt", "# step\ttime\tloss\n0\t5\t2\n", &micros().run("r").format(FileFormat::Csv))
        .unwrap();
    assert_eq!(bench.points(), ["r|loss||0|5|2.0"]);
}

#[test]
fn facts_about_the_run_are_set_after_its_points() {
    let bench = Bench::new();
    let import = Import::new().run("r").param("lr", 0.1).tag("old").name("first").started_us(5);
    bench.import("a.csv", "step,x\n0,1\n", &import.status(Status::Failed)).unwrap();
    let run = bench.store.snapshot().unwrap().run("r").unwrap();
    assert_eq!(run.params["lr"], 0.1.into());
    assert!(run.tags.contains("old") && run.name.as_deref() == Some("first"), "{run:?}");
    assert_eq!((run.started_us, run.status), (Some(5), Status::Failed));
    let bench = Bench::new();
    let message = bench.refused("a.csv", "run,step,x\nr,0,1\n", &Import::new().tag("old"));
    assert!(message.contains("and no run"), "{message}");
    let message = bench.refused("a.csv", "step,x\n0,1\n", &Import::new().run("r").tag(""));
    assert!(message.contains("tag"), "{message}");
    let wrong = Import::new().run("r").tag("old");
    bench.refused("a.csv", "step,x\n0,oops\n", &wrong);
    assert!(bench.store.runs().unwrap().is_empty(), "a failed import tells nothing about the run");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

#[test]
fn compressed_text_is_read_and_its_damage_reported() {
    let csv = "step,time,x\n0,0,1\n1,1,2\n";
    let lines = "{\"step\":0,\"time\":0,\"x\":1}\n{\"step\":1,\"time\":1,\"x\":2}\n";
    let zst = |text: &str| zstd::encode_all(text.as_bytes(), 3).unwrap();
    let both = [gzip("step,time,x\n0,0,1\n"), gzip("1,1,2\n")].concat();
    for (name, bytes) in [
        ("a.csv.gz", gzip(csv)),
        ("a.CSV.ZST", zst(csv)),
        ("a.jsonl.gz", gzip(lines)),
        ("a.jsonl.zst", zst(lines)),
        ("members.csv.gz", both),
        ("misnamed.csv", gzip(csv)),
        ("plain.csv.gz", csv.into()),
    ] {
        let bench = Bench::new();
        bench.import(name, bytes, &micros().run("r")).unwrap();
        assert_eq!(bench.points(), ["r|x||0|0|1.0", "r|x||1|1|2.0"], "{name}");
    }
    let bench = Bench::new();
    bench.import("loss.csv.gz", gzip("step,time,value\n0,0,1\n"), &micros().run("r")).unwrap();
    assert_eq!(bench.points(), ["r|loss||0|0|1.0"]);
    let long: String = (0..10_000).map(|i| format!("{i},0,{}\n", i * 7919 % 1000)).collect();
    for whole in [gzip(&format!("step,time,x\n{long}")), zst(&format!("step,time,x\n{long}"))] {
        let message = Bench::new().refused("a.csv.gz", &whole[..whole.len() / 2], &micros().run("r"));
        assert!(message.contains("damaged or cut short"), "{message}");
    }
}

fn table() -> RecordBatch {
    let steps: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..1000).map(|i| format!("h{}", i % 3))));
    RecordBatch::try_from_iter([("step", steps.clone()), ("host", names), ("x", steps)]).unwrap()
}

#[test]
fn compressed_parquet_and_arrow_are_read() {
    let batch = table();
    let mut files = Vec::new();
    for codec in [
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::SNAPPY,
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let how = WriterProperties::builder().set_compression(codec).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(how)).unwrap();
        writer.write(&batch).unwrap();
        files.push((format!("{codec}.parquet"), writer.into_inner().unwrap()));
    }
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let how = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
        let mut file = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), how.clone()).unwrap();
        file.write(&batch).unwrap();
        file.finish().unwrap();
        files.push((format!("{codec:?}.feather"), file.into_inner().unwrap()));
        let mut stream = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), how).unwrap();
        stream.write(&batch).unwrap();
        stream.finish().unwrap();
        files.push((format!("{codec:?}.arrow"), stream.into_inner().unwrap()));
    }
    for (name, bytes) in files {
        let bench = Bench::new();
        let stats = bench.import(
            "file",
            &bytes,
            &Import::new().run("r").label_column("host").format(FileFormat::from_extension(&name).unwrap()),
        );
        let stats = stats.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(counts(&stats), [1000, 1000, 1, 0], "{name}");
        let points = bench.points();
        assert!(points[0].starts_with("r|x|host=h0|0|") && points[999].ends_with("|998.0"), "{name}");
    }
}

#[test]
fn record_batches_are_imported_as_a_file_is() {
    let bench = Bench::new();
    let batches = || RecordBatchIterator::new([Ok(table()), Ok(table())], table().schema());
    let wide = Import::new().run("r").label_column("host").metrics(["x"]);
    let stats = bench.store.import_batches(batches(), &wide).unwrap();
    assert_eq!(counts(&stats), [2000, 2000, 1, 0]);
    let e = bench.store.import_batches(batches(), &Import::new().run("r")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid);
    assert!(e.to_string().contains("row 1, column \"host\": \"h0\" is not a number"), "{e}");
    let e = bench.store.import_batches(batches(), &wide.metrics(["y"])).unwrap_err();
    assert!(e.to_string().contains("no column \"y\""), "{e}");
}

#[test]
fn rows_of_a_pipe_are_visible_before_it_ends() {
    let bench = Bench::new();
    let (read, mut write) = std::io::pipe().unwrap();
    let store = bench.store.clone();
    let import = std::thread::spawn(move || {
        store.import_stream(read, &micros().run("r"), &|_, _| ControlFlow::Continue(()))
    });
    write.write_all(b"step,time,note,x\n0,0,\"a\nb\",1\n1,0,").unwrap();
    let wait = |rows: usize| {
        let start = Instant::now();
        while bench.points().len() < rows {
            assert!(start.elapsed() < Duration::from_secs(30), "the rows of a pipe stay invisible");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // The text column stops the import, as in a file.
    drop(write);
    let message = import.join().unwrap().unwrap_err().to_string();
    assert!(message.contains("line 2, column \"note\""), "{message}");
    for (format, head, row) in [
        (None, "step,time,x\n", "0,0,1\n"),
        (Some(FileFormat::Csv), "step,time,x\n", "1,0,\"2\"\n"),
        (None, "", "{\"step\":2,\"time\":0,\"x\":3}\n"),
    ] {
        let before = bench.points().len();
        let (read, mut write) = std::io::pipe().unwrap();
        let store = bench.store.clone();
        let how = micros().run("r");
        let how = if let Some(format) = format { how.format(format) } else { how };
        let import =
            std::thread::spawn(move || store.import_stream(read, &how, &|_, _| ControlFlow::Continue(())));
        write.write_all(format!("{head}{row}").as_bytes()).unwrap();
        wait(before + 1);
        write.write_all(row.replace("0,", "10,").replace("\"step\":2", "\"step\":12").as_bytes()).unwrap();
        drop(write);
        let stats = import.join().unwrap().unwrap();
        assert_eq!((stats.rows, stats.batches), (2, 2));
    }
    // Lines are counted on after a pause.
    for end in ["\n", "\r\n"] {
        let before = bench.points().len();
        let (read, mut write) = std::io::pipe().unwrap();
        let store = bench.store.clone();
        let import = std::thread::spawn(move || {
            store.import_stream(read, &micros().run("r"), &|_, _| ControlFlow::Continue(()))
        });
        write.write_all(format!("time,x{end}0,1{end}").as_bytes()).unwrap();
        wait(before + 1);
        write.write_all(format!("0,2{end}0,oops{end}").as_bytes()).unwrap();
        drop(write);
        let message = import.join().unwrap().unwrap_err().to_string();
        assert!(
            message.contains("line 4, column \"x\"") && message.contains("the first 1 rows"),
            "{message}"
        );
    }
    let e = bench.store.import_stream(&b""[..], &micros().run("r").format(FileFormat::Parquet), &|_, _| {
        ControlFlow::Continue(())
    });
    assert_eq!(e.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn an_idle_pipe_can_be_cancelled() {
    let bench = Bench::new();
    let (read, write) = std::io::pipe().unwrap();
    let done = bench.store.import_stream(read, &Import::new().run("r"), &|_, _| ControlFlow::Break(()));
    assert_eq!(done.unwrap_err().kind(), ErrorKind::Cancelled);
    drop(write);
}

#[test]
fn a_part_of_a_store_is_imported_without_its_write_order() {
    let bench = Bench::new();
    bench.import("a.csv", "run,metric,step,time,value\nr,m,0,0,1\nr,m,1,0,2\n", &micros()).unwrap();
    bench.store.flush().unwrap();
    let part = std::fs::read_dir(bench.store.path().join("parts")).unwrap().next().unwrap().unwrap().path();
    let other = Bench::new();
    let stats = other.store.import(part, &Import::new()).unwrap();
    assert!(stats.remarks[0].contains("\"seq\" and \"written\""), "{stats:?}");
    assert_eq!(other.points(), bench.points());
}

#[test]
fn a_batch_that_claims_too_much_memory_is_refused() {
    let batch = table();
    let how = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).unwrap();
    let mut stream = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), how.clone()).unwrap();
    stream.write(&batch).unwrap();
    stream.finish().unwrap();
    let mut file = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), how).unwrap();
    file.write(&batch).unwrap();
    file.finish().unwrap();
    for mut bytes in [stream.into_inner().unwrap(), file.into_inner().unwrap()] {
        // The size of the steps without compression, which stands before their zstd frame.
        let size = 8_000_i64.to_le_bytes();
        let at = bytes.windows(8).position(|w| w == size).unwrap();
        bytes[at..at + 8].copy_from_slice(&(1_i64 << 40).to_le_bytes());
        let message = Bench::new().refused("a.arrow", bytes, &Import::new().run("r").label_column("host"));
        assert!(message.contains("claims more than 1024 MiB"), "{message}");
    }
}
