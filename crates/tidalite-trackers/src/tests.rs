//! Event files of every kind of value, as TensorFlow, PyTorch and others write them, are imported once, whole, and read on.

use crate::event_files::masked_crc;
use crate::{EventFolder, EventFolderStats, holds_event_files};
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidalite::{ErrorKind, Options, Param, Repeats, Result, Status, Store};

const NAME: &str = "events.out.tfevents.1700000000.host";

/// A message as it is built up.
#[derive(Default, Clone)]
struct Message(Vec<u8>);

impl Message {
    fn number(mut self, field: u64, mut n: u64) -> Message {
        self.tag(field << 3);
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
        self
    }

    fn double(mut self, field: u64, x: f64) -> Message {
        self.tag(field << 3 | 1);
        self.0.extend(x.to_le_bytes());
        self
    }

    fn float(mut self, field: u64, x: f32) -> Message {
        self.tag(field << 3 | 5);
        self.0.extend(x.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        self.tag(field << 3 | 2);
        assert!(bytes.len() < 1 << 14);
        if bytes.len() >= 0x80 {
            self.0.push(bytes.len() as u8 | 0x80);
        }
        self.0.push((bytes.len() >> if bytes.len() >= 0x80 { 7 } else { 0 }) as u8);
        self.0.extend(bytes);
        self
    }

    fn inner(self, field: u64, inner: Message) -> Message {
        self.bytes(field, &inner.0)
    }

    fn tag(&mut self, tag: u64) {
        assert!(tag < 0x80 * 0x80);
        if tag >= 0x80 {
            self.0.push(tag as u8 | 0x80);
            self.0.push((tag >> 7) as u8);
        } else {
            self.0.push(tag as u8);
        }
    }
}

fn message() -> Message {
    Message::default()
}

fn frame(payload: &Message) -> Vec<u8> {
    let length = (payload.0.len() as u64).to_le_bytes();
    let mut frame = length.to_vec();
    frame.extend(masked_crc(&length).to_le_bytes());
    frame.extend(&payload.0);
    frame.extend(masked_crc(&payload.0).to_le_bytes());
    frame
}

/// An event with one value.
fn event(step: i64, value: Message) -> Vec<u8> {
    let summary = message().inner(1, value);
    frame(&message().double(1, 1000.25 + step as f64).number(2, step.cast_unsigned()).inner(5, summary))
}

fn scalar(tag: &str, value: f32) -> Message {
    message().bytes(1, tag.as_bytes()).float(2, value)
}

fn tensor(tag: &str, dtype: u64, rest: Message) -> Message {
    let tensor = Message([message().number(1, dtype).0, rest.0].concat());
    message().bytes(1, tag.as_bytes()).inner(8, tensor)
}

fn of_plugin(value: Message, plugin: &str, data: &Message) -> Message {
    value.inner(9, message().inner(1, message().bytes(1, plugin.as_bytes()).bytes(2, &data.0)))
}

fn restart(step: i64) -> Vec<u8> {
    frame(&message().double(1, 5.0).number(2, step.cast_unsigned()).inner(7, message().number(1, 1)))
}

/// A store and a folder of logs.
struct Place {
    dir: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("metrics")).unwrap();
        Place { dir, store }
    }

    fn logs(&self) -> PathBuf {
        self.dir.path().join("logs")
    }

    /// Adds bytes to a file of a run.
    fn write(&self, run: &str, bytes: &[u8]) -> PathBuf {
        let folder = self.logs().join(run);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(NAME);
        OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(bytes).unwrap();
        path
    }

    fn import(&self) -> Result<EventFolderStats> {
        EventFolder::new(self.logs()).import(&self.store, &|_, _| ControlFlow::Continue(()))
    }

    /// The points of a series: steps, times, values.
    fn points(&self, run: &str, metric: &str) -> Vec<(i64, i64, f64)> {
        use tidalite::arrow::array::AsArray;
        use tidalite::arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
        let all = self.store.select().run(run).metric(metric).repeats(Repeats::All).points().unwrap();
        let all = all.collect().unwrap();
        let (steps, times) = (all["step"].as_primitive::<Int64Type>(), &all["time"]);
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let values = all["value"].as_primitive::<Float64Type>();
        (0..all.num_rows()).map(|i| (steps.value(i), times.value(i), values.value(i))).collect()
    }

    fn values(&self, run: &str, metric: &str) -> Vec<(i64, f64)> {
        self.points(run, metric).into_iter().map(|(step, _, value)| (step, value)).collect()
    }
}

#[test]
fn scalars_of_all_types_become_points_of_the_runs_that_folders_are() {
    let place = Place::new();
    place.write("", &event(0, scalar("loss", 0.1)));
    place.write("a/train", &[event(3, scalar("loss", f32::NAN)), event(4, scalar("loss", -0.0))].concat());
    let one = |field: u64, bits: u64| message().number(field, bits);
    let scalars = message();
    let tensors = [
        ("float", 1, message().bytes(5, &1.5f32.to_le_bytes()), 1.5),
        ("float content", 1, message().bytes(4, &2.5f32.to_le_bytes()), 2.5),
        ("double", 2, message().double(6, 1e300), 1e300),
        ("packed double", 2, message().bytes(6, &(-2.0f64).to_le_bytes()), -2.0),
        ("int32", 3, one(7, u64::MAX), -1.0),
        ("int32 content", 3, message().bytes(4, &(-7i32).to_le_bytes()), -7.0),
        ("int64", 9, message().bytes(10, &[0x96, 1]), 150.0),
        ("int64 content", 9, message().bytes(4, &(-9i64).to_le_bytes()), -9.0),
        ("int8 content", 6, message().bytes(4, &[0xff]), -1.0),
        ("uint8", 4, one(7, 200), 200.0),
        ("bool", 10, one(11, 1), 1.0),
        ("uint64", 23, one(17, 1 << 52), (1u64 << 52) as f64),
        ("bfloat16", 14, one(13, u64::from(3f32.to_bits() >> 16)), 3.0),
        ("half", 19, one(13, 0xc500), -5.0),
        ("half subnormal", 19, one(13, 1), 2f64.powi(-24)),
        ("none", 1, message(), 0.0),
    ];
    for (tag, dtype, rest, _) in tensors.clone() {
        place.write("b", &event(7, of_plugin(tensor(tag, dtype, rest), "scalars", &scalars)));
    }
    let stats = place.import().unwrap();
    assert_eq!((stats.files, stats.runs, stats.points), (3, 3, 3 + tensors.len() as u64));
    assert_eq!((stats.restarts, stats.left_out.len()), (0, 0));
    assert_eq!(place.points("logs", "loss"), [(0, 1_000_250_000, f64::from(0.1f32))]);
    let odd = place.points("a/train", "loss");
    assert!(odd[0].2.is_nan() && odd[1].2 == 0.0 && odd[1].2.is_sign_negative() && odd[1].0 == 4);
    for (tag, _, _, value) in tensors {
        assert_eq!(place.values("b", tag), [(7, value)], "{tag}");
    }
    let run = place.store.snapshot().unwrap().run("a/train").unwrap();
    assert_eq!(
        (run.status, run.started_us, run.ended_us),
        (Status::Finished, Some(1_003_250_000), Some(1_004_250_000))
    );
}

#[test]
fn a_second_import_adds_what_is_new_and_a_torn_event_is_read_when_it_is_whole() {
    let place = Place::new();
    let more = event(2, scalar("loss", 3.0));
    place.write(
        "a",
        &[event(0, scalar("loss", 1.0)), event(1, scalar("loss", 2.0)), more[..20].to_vec()].concat(),
    );
    assert_eq!(place.import().unwrap().points, 2);
    let again = place.import().unwrap();
    assert_eq!((again.points, again.runs), (0, 0));
    place.write("a", &more[20..]);
    place.write("a", &event(3, scalar("loss", 4.0)));
    assert_eq!(place.import().unwrap().points, 2);
    assert_eq!(place.values("a", "loss"), [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]);
    // A second file of the run, and one that goes on beside it.
    std::fs::write(place.logs().join("a/events.out.tfevents.2"), event(9, scalar("loss", 9.0))).unwrap();
    place.write("a", &event(4, scalar("loss", 5.0)));
    assert_eq!(place.import().unwrap().points, 2);
    assert_eq!(place.values("a", "loss").len(), 6);
    assert_eq!(place.import().unwrap().points, 0);
}

#[test]
fn one_folder_is_followed_while_it_is_written() {
    let place = Place::new();
    place.write("a", &event(0, scalar("loss", 1.0)));
    let mut folder = EventFolder::new(place.logs()).run("exp");
    let on = |_, _| ControlFlow::Continue(());
    assert_eq!(folder.read(&place.store, &on).unwrap().points, 1);
    let status = || place.store.snapshot().unwrap().run("exp/a").unwrap().status;
    assert_eq!(status(), Status::Running);
    place.write("a", &event(1, scalar("loss", 2.0)));
    place.write("b", &event(1, scalar("loss", 7.0)));
    assert_eq!(folder.read(&place.store, &on).unwrap().points, 2);
    assert_eq!(folder.import(&place.store, &on).unwrap().points, 0);
    assert_eq!(status(), Status::Finished);
    assert_eq!(place.values("exp/a", "loss"), [(0, 1.0), (1, 2.0)]);
    assert_eq!(place.values("exp/b", "loss"), [(1, 7.0)]);
}

#[test]
fn a_restart_rewinds_what_came_before_it_in_this_import_and_in_earlier_ones() {
    let place = Place::new();
    let scalars = |steps: std::ops::Range<i64>, value: f32| {
        steps.flat_map(|step| event(step, scalar("loss", value))).collect::<Vec<u8>>()
    };
    place.write("a", &[restart(0), scalars(0..6, 1.0), restart(3), scalars(3..5, 2.0)].concat());
    assert_eq!(place.import().unwrap().restarts, 1);
    let twice = [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)];
    assert_eq!(place.values("a", "loss"), twice);
    assert_eq!(place.import().unwrap().restarts, 0);
    place.write("a", &[restart(1), scalars(1..2, 3.0)].concat());
    assert_eq!(place.import().unwrap().restarts, 1);
    assert_eq!(place.values("a", "loss"), [(0, 1.0), (1, 3.0)]);
}

#[test]
fn hyperparameters_become_params_and_the_end_of_a_session_the_status() {
    let place = Place::new();
    let value = |inner: Message| inner;
    let entry = |key: &str, inner: Message| message().bytes(1, key.as_bytes()).inner(2, value(inner));
    let start = message()
        .inner(1, entry("lr", message().double(2, 3e-4)))
        .inner(1, entry("layers", message().double(2, 12.0)))
        .inner(1, entry("opt", message().bytes(3, b"adam")))
        .inner(1, entry("amp", message().number(4, 0)));
    let data = message().inner(3, start);
    place.write(
        "a",
        &event(0, of_plugin(message().bytes(1, b"_hparams_/session_start_info"), "hparams", &data)),
    );
    let end = message().inner(4, message().number(1, 2).double(2, 77.0));
    place
        .write("a", &event(0, of_plugin(message().bytes(1, b"_hparams_/session_end_info"), "hparams", &end)));
    assert_eq!(place.import().unwrap().runs, 1);
    let run = place.store.snapshot().unwrap().run("a").unwrap();
    assert_eq!(run.params["lr"], Param::Float(3e-4));
    assert_eq!((&run.params["layers"], &run.params["opt"]), (&Param::Int(12), &Param::Text("adam".into())));
    assert_eq!(
        (&run.params["amp"], run.status, run.ended_us),
        (&Param::Bool(false), Status::Failed, Some(77_000_000))
    );
}

#[test]
fn what_is_not_taken_is_counted_by_its_kind() {
    let place = Place::new();
    let image = message().bytes(1, b"x").inner(4, message().number(1, 2));
    let old = message().bytes(1, b"h").inner(5, message().double(1, 0.0));
    let text = of_plugin(tensor("t", 7, message().bytes(8, b"hello")), "text", &message());
    let matrix = tensor("m", 1, message().inner(2, message().inner(2, message().number(1, 3))));
    let large = tensor("n", 23, message().number(17, u64::MAX));
    // Only the first value of a tag names its plugin, also for an import that begins after it.
    let custom = of_plugin(tensor("c", 1, message().float(5, 1.0)), "custom", &message());
    for value in [image.clone(), image, old, text, matrix, large, custom] {
        place.write("a", &event(1, value));
    }
    place.write("a", &frame(&message().double(1, 1.0).bytes(4, b"graph")));
    place.write("a", &event(1, scalar("loss", 1.0)));
    let stats = place.import().unwrap();
    let counts: Vec<(&str, u64)> = stats.left_out.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    let expected = [
        ("custom", 1),
        ("graph", 1),
        ("histograms", 1),
        ("images", 2),
        ("tensors", 1),
        ("text", 1),
        ("whole numbers beyond 2^53", 1),
    ];
    assert_eq!((stats.points, counts), (1, expected.to_vec()));
    place.write("a", &event(2, tensor("c", 1, message().float(5, 1.0))));
    assert_eq!(place.import().unwrap().left_out.get("custom"), Some(&1));
    // Nothing is counted again, also where nothing else was new.
    assert!(place.import().unwrap().left_out.is_empty());
    std::fs::write(place.logs().join("metrics.csv"), "step,loss\n").unwrap();
    let tables = place.import().unwrap().left_out;
    assert_eq!(tables.values().sum::<u64>(), 1, "{tables:?}");
}

#[test]
fn what_could_not_be_appended_is_read_again() {
    let place = Place::new();
    place.write("a", &[event(0, scalar("loss", 1.0)), event(1, scalar("loss", 2.0))].concat());
    let mut folder = EventFolder::new(place.logs());
    // It can be read, so that the files are read as well, and not written to.
    let reader = Options::new().read_only(true).open(place.store.path()).unwrap();
    let on = |_, _| ControlFlow::Continue(());
    assert_eq!(folder.import(&reader, &on).unwrap_err().kind(), ErrorKind::Invalid);
    let cancelled = folder.import(&place.store, &|_, _| ControlFlow::Break(())).unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Cancelled);
    folder.import(&place.store, &on).unwrap();
    assert_eq!(place.values("a", "loss"), [(0, 1.0), (1, 2.0)]);
}

#[test]
fn other_runs_and_files_written_anew_are_refused_before_anything_is_added() {
    let place = Place::new();
    place.store.run("b").start().unwrap().finish().unwrap();
    place.write("a", &event(0, scalar("loss", 1.0)));
    let path = place.write("b", &event(0, scalar("loss", 1.0)));
    let refused = place.import().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("the run b is there already"), "{refused}");
    assert!(place.points("a", "loss").is_empty());
    std::fs::remove_file(path).unwrap();
    assert_eq!(place.import().unwrap().points, 1);
    let file = place.logs().join("a").join(NAME);
    for anew in [event(0, scalar("loss", 2.0)), Vec::new()] {
        std::fs::write(&file, anew).unwrap();
        let refused = place.import().unwrap_err();
        assert!(refused.to_string().contains("written anew"), "{refused}");
    }
    assert_eq!(place.values("a", "loss"), [(0, 1.0)]);
    let empty = place.dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(
        !holds_event_files(&empty) && holds_event_files(&file) && !holds_event_files(Path::new("nowhere"))
    );
    let nothing =
        EventFolder::new(&empty).import(&place.store, &|_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(nothing.to_string().contains("no event files"), "{nothing}");
}

#[test]
fn a_damaged_file_is_an_error_that_names_the_place_and_all_else_is_imported() {
    let place = Place::new();
    let good = event(0, scalar("loss", 1.0));
    let mut bad = event(1, scalar("loss", 2.0));
    bad[20] ^= 1;
    let path = place.write("a", &[good.clone(), bad].concat());
    place.write("b", &event(5, scalar("loss", 5.0)));
    let damaged = place.import().unwrap_err();
    assert_eq!(
        (damaged.kind(), damaged.path(), damaged.offset()),
        (ErrorKind::Corrupt, Some(&*path), Some(good.len() as u64))
    );
    assert_eq!((place.values("a", "loss"), place.values("b", "loss")), (vec![(0, 1.0)], vec![(5, 5.0)]));
    assert_eq!(place.import().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(place.values("a", "loss"), [(0, 1.0)]);
}

#[test]
fn no_bytes_make_an_import_panic_or_take_a_wrong_point() {
    let whole = [event(0, scalar("loss", 1.0)), event(1, tensor("acc", 1, message().float(5, 2.0)))].concat();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("metrics")).unwrap();
    let path = dir.path().join(NAME);
    for (i, byte) in whole.iter().enumerate() {
        let mut changed = whole.clone();
        changed[i] = byte ^ 0x55;
        std::fs::write(&path, &changed).unwrap();
        let done = EventFolder::new(&path)
            .run(format!("flip {i}"))
            .import(&store, &|_, _| ControlFlow::Continue(()));
        // A flipped length may be one that ends beyond the file only if its checksum fits, which it does not.
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Corrupt, "byte {i}");
    }
    // Payloads of any bytes, with right checksums.
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let payload =
        message().double(1, 1.0).inner(5, message().inner(1, tensor("acc", 9, message().bytes(4, &[1; 8]))));
    for i in 0..2_000 {
        let mut bytes = payload.0.clone();
        for _ in 0..1 + random() % 4 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate(1 + random() % bytes.len());
        std::fs::write(&path, frame(&Message(bytes))).unwrap();
        let done =
            EventFolder::new(&path).run(format!("any {i}")).read(&store, &|_, _| ControlFlow::Continue(()));
        match done {
            Ok(stats) => assert!(stats.points <= 1, "payload {i}"),
            Err(e) => {
                assert!(matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Invalid), "payload {i}: {e}")
            }
        }
    }
}
