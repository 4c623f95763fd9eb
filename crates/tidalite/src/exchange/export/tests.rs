//! Exports round-trip bit for bit through each format, and leave no temporary files.

use crate::{Error, ErrorKind, FileFormat, Import, Repeats, Store};
use arrow::array::{AsArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{TIME_US_MAX, TIME_US_MIN};

const FORMATS: [FileFormat; 4] =
    [FileFormat::Parquet, FileFormat::Csv, FileFormat::JsonLines, FileFormat::ArrowIpc];

type ExportedRow = (String, String, String, i64, i64, u64);

fn rows(store: &Store) -> Vec<ExportedRow> {
    let mut rows = Vec::new();
    for batch in store.select().repeats(Repeats::All).points().unwrap() {
        let batch = batch.unwrap();
        let name = |at: usize, row: usize| {
            let column: &DictionaryArray<Int32Type> = batch.column(at).as_dictionary();
            column.values().as_string::<i32>().value(column.keys().value(row) as usize).to_owned()
        };
        let steps = batch.column(3).as_primitive::<Int64Type>();
        let times = batch.column(4).as_primitive::<TimestampMicrosecondType>();
        let values = batch.column(5).as_primitive::<Float64Type>();
        rows.extend((0..batch.num_rows()).map(|r| {
            (name(0, r), name(1, r), name(2, r), steps.value(r), times.value(r), values.value(r).to_bits())
        }));
    }
    rows
}

fn append(store: &Store, rows: &[ExportedRow]) {
    let text =
        |of: fn(&ExportedRow) -> &String| Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as _;
    let batch = RecordBatch::try_from_iter([
        ("run", text(|r| &r.0)),
        ("metric", text(|r| &r.1)),
        ("labels", text(|r| &r.2)),
        ("step", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.3))) as _),
        ("time", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.4))) as _),
        ("value", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| f64::from_bits(r.5)))) as _),
    ])
    .unwrap();
    store.append(&batch).unwrap();
}

/// Names and numbers that formats tend to get wrong.
fn awkward() -> Vec<ExportedRow> {
    let names = [
        "a",
        " a ",
        "a,b",
        "\"",
        "\"quoted\",\"",
        "line\nbreak",
        "cr\rlf\r\n",
        "nul\0nul",
        "🌊/é",
        "../x",
        "NaN",
        "-1",
        "{\"k\":1}",
        "\u{feff}bom",
        "\\",
        "#no comment",
        "\u{2028}",
        "tab\t",
        "null",
        "\u{1}\u{7f}",
    ];
    let values = [
        0.0,
        -0.0,
        1.0,
        0.1,
        -1.5e-7,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::MIN,
        f64::EPSILON,
        1e300,
        1e16,
        123_456_789.125,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::from_bits(u64::MAX),
        1.0 / 3.0,
    ];
    let labels = ["", "host=a,rank=3", "k=\\,v\\=\\\\", "é=🌊", "q=\"\n", "n=nul\0"];
    let steps = [i64::MIN, -1, 0, 1, 1 << 53, (1 << 53) + 1, i64::MAX];
    let times = [TIME_US_MIN, -1, 0, 1, 1_780_000_000_123_456, TIME_US_MAX];
    let mut rows = Vec::new();
    for (i, name) in names.iter().enumerate() {
        for (j, value) in values.iter().enumerate() {
            let n = i * values.len() + j;
            let run = names[(i + j) % names.len()].to_owned();
            let label = labels[n % labels.len()].to_owned();
            rows.push((
                run,
                (*name).to_owned(),
                label,
                steps[n % steps.len()],
                times[n % times.len()],
                value.to_bits(),
            ));
        }
    }
    rows
}

#[test]
fn an_export_imports_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    append(&store, &awkward());
    let wanted = rows(&store);
    assert_eq!(wanted.len(), awkward().len());
    for format in FORMATS {
        let path = dir.path().join(format!("points.{}", format.name()));
        let select = store.select().repeats(Repeats::All);
        assert_eq!(select.export(&path, format).unwrap(), wanted.len() as u64);
        let other = Store::open(dir.path().join(format.name())).unwrap();
        let stats = other.import(&path, &Import::new()).unwrap();
        assert_eq!((stats.rows, stats.points, stats.batches), (wanted.len() as u64, wanted.len() as u64, 1));
        assert!(rows(&other) == wanted, "{}", format.name());
        // The stream equals the file, except for Arrow, which has a separate stream format.
        let mut stream = Vec::new();
        assert_eq!(select.write_to(&mut stream, format).unwrap(), wanted.len() as u64);
        if format != FileFormat::ArrowIpc {
            assert!(stream == std::fs::read(&path).unwrap(), "{}", format.name());
        }
        std::fs::write(&path, stream).unwrap();
        let other = Store::open(dir.path().join(format!("{}-stream", format.name()))).unwrap();
        other.import(&path, &Import::new()).unwrap();
        assert!(rows(&other) == wanted, "{}", format.name());
    }
}

#[test]
fn batches_with_different_names_make_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let many: Vec<ExportedRow> = (0..700_000)
        .map(|i| {
            (
                format!("run-{:02}", i / 35_000),
                format!("m{}", i % 7),
                String::new(),
                i,
                i,
                (i as f64).sqrt().to_bits(),
            )
        })
        .collect();
    append(&store, &many);
    let wanted = rows(&store);
    for format in FORMATS {
        let path = dir.path().join(format!("points.{}", format.name()));
        let told = std::cell::RefCell::new(Vec::new());
        store
            .select()
            .export_with(&path, format, &|points| {
                told.borrow_mut().push(points);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        let told = told.into_inner();
        assert!(told.len() > 1 && told.is_sorted() && told.last() == Some(&700_000), "{told:?}");
        let other = Store::open(dir.path().join(format.name())).unwrap();
        assert_eq!(other.import(&path, &Import::new()).unwrap().batches, 3);
        assert!(rows(&other) == wanted, "{}", format.name());
    }
}

#[test]
fn an_empty_selection_makes_a_file_without_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    for format in FORMATS {
        let path = dir.path().join(format!("none.{}", format.name()));
        assert_eq!(store.select().run("nobody").export(&path, format).unwrap(), 0);
        assert_eq!(store.import(&path, &Import::new()).unwrap().rows, 0, "{}", format.name());
    }
}

#[test]
fn csv_and_json_lines_have_this_exact_text() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let row = |metric: &str, labels: &str, value: f64| {
        ("r".to_owned(), metric.to_owned(), labels.to_owned(), -1, 1_780_000_000_000_001, value.to_bits())
    };
    append(
        &store,
        &[
            row("a", "host=a,rank=3", -0.0),
            row("b\"", "", f64::NAN),
            row("c", "", f64::NEG_INFINITY),
            row("d", "", 1e300),
        ],
    );
    let text = |format| {
        let mut out = Vec::new();
        store.select().write_to(&mut out, format).unwrap();
        String::from_utf8(out).unwrap()
    };
    let csv = "run,metric,labels,step,time,value\n\
        r,a,\"host=a,rank=3\",-1,2026-05-28T20:26:40.000001Z,-0.0\n\
        r,\"b\"\"\",,-1,2026-05-28T20:26:40.000001Z,NaN\n\
        r,c,,-1,2026-05-28T20:26:40.000001Z,-inf\n\
        r,d,,-1,2026-05-28T20:26:40.000001Z,1e300\n";
    assert_eq!(text(FileFormat::Csv), csv);
    let json = "{\"run\":\"r\",\"metric\":\"a\",\"labels\":\"host=a,rank=3\",\"step\":-1,\"time\":\"2026-05-28T20:26:40.000001Z\",\"value\":-0.0}\n\
        {\"run\":\"r\",\"metric\":\"b\\\"\",\"labels\":\"\",\"step\":-1,\"time\":\"2026-05-28T20:26:40.000001Z\",\"value\":\"NaN\"}\n\
        {\"run\":\"r\",\"metric\":\"c\",\"labels\":\"\",\"step\":-1,\"time\":\"2026-05-28T20:26:40.000001Z\",\"value\":\"-Infinity\"}\n\
        {\"run\":\"r\",\"metric\":\"d\",\"labels\":\"\",\"step\":-1,\"time\":\"2026-05-28T20:26:40.000001Z\",\"value\":1e300}\n";
    assert_eq!(text(FileFormat::JsonLines), json);
}

#[test]
fn an_export_replaces_a_file_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    append(&store, &awkward()[..3]);
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let path = out.join("points.csv");
    std::fs::write(&path, "before").unwrap();
    let link = out.join("link.csv");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    // A wrong pattern is found before anything is written.
    store.select().runs("[").export(&path, FileFormat::Csv).unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    store.select().export(&link, FileFormat::Csv).unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"run,metric"));
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2, "no temporary file remains");
}

#[test]
fn a_path_that_cannot_be_a_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let refused = |path: &Path| store.select().export(path, FileFormat::Csv).unwrap_err();
    let folder = refused(dir.path());
    let device = refused(Path::new("/dev/null"));
    let gone = refused(&dir.path().join("no/such/folder.csv"));
    assert_eq!(
        [folder.kind(), device.kind(), gone.kind()],
        [ErrorKind::Invalid, ErrorKind::Invalid, ErrorKind::NotFound]
    );
    assert!(Path::new("/dev/null").exists());
}

/// An output whose reader is gone after `left` bytes.
struct Pipe {
    left: usize,
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let n = buf.len().min(self.left);
        self.left -= n;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_pipe_is_an_io_error_with_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    append(&store, &awkward());
    for format in FORMATS {
        for left in [0, 1, 1000] {
            let e: Error = store.select().write_to(&mut Pipe { left }, format).unwrap_err();
            let source = std::error::Error::source(&e).and_then(|s| s.downcast_ref::<io::Error>());
            assert_eq!(
                source.map(io::Error::kind),
                Some(io::ErrorKind::BrokenPipe),
                "{}: {e}",
                format.name()
            );
            assert_eq!(e.kind(), ErrorKind::Io);
        }
    }
}

#[test]
fn importing_a_damaged_file_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    append(&store, &awkward());
    for format in [FileFormat::Parquet, FileFormat::ArrowIpc] {
        let path = dir.path().join(format!("points.{}", format.name()));
        store.select().export(&path, format).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let other = Store::open(dir.path().join(format.name())).unwrap();
        let import = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            other.import(&path, &Import::new())
        };
        for cut in (0..whole.len()).step_by(whole.len() / 40) {
            assert_eq!(
                import(&whole[..cut]).unwrap_err().kind(),
                ErrorKind::Invalid,
                "{} cut at {cut}",
                format.name()
            );
        }
        for at in (0..whole.len()).step_by(whole.len() / 150) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            // These files have no checksums, so a flipped bit may read as another value.
            if let Err(e) = import(&damaged) {
                assert!(matches!(e.kind(), ErrorKind::Invalid | ErrorKind::Unsupported), "{e}");
            }
        }
    }
}
