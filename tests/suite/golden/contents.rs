//! What the golden store holds, written to a simulated disk, whose clock and random numbers are the same each time.

use crate::rollups::batch;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite::{Labels, Options, RowAt, Run, Store, Thin};
use tidalite_vfs::{SimVfs, Vfs};

const STORE: &str = "/data/store";
/// The time of step 0. Steps are a second apart.
const TIME_US: i64 = 1_700_000_000_000_000;

pub(super) fn options() -> Options {
    let options = Options::new().background(false).threads(1);
    options.segment_bytes(4096, 8192).tile_rows(100).rollups(8, 64)
}

/// Makes the store and gives its files by their path in it.
pub(super) fn make() -> BTreeMap<PathBuf, Vec<u8>> {
    let disk = SimVfs::new(1);
    disk.create_dir(Path::new("/data")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let open = |options: Options| options.vfs(Arc::new(disk.clone())).open(STORE).unwrap();
    let store = open(options());
    write_thinned(&store);
    write_flushed(&store);
    store.close().unwrap();
    // The staged part is one tile, so that it is small.
    let (store, other) = (open(options().tile_rows(20_000)), open(options()));
    write_unflushed(&store, &other);
    store.close().unwrap();
    other.close().unwrap();
    let mut files = BTreeMap::new();
    gather(&disk, Path::new(STORE), &mut files);
    files
}

fn log(run: &Run, step: i64, values: &[(&str, f64)]) {
    run.log_at(&RowAt::step(step).time_us(TIME_US + step * 1_000_000), values).unwrap();
}

/// A run that is over, of whose points the outlines stay.
fn write_thinned(store: &Store) {
    let run = store.run("old").tag("thinned").start().unwrap();
    let points: Vec<_> = (0..700).map(|i| (i, TIME_US + i, ((i * 31) % 57) as f64)).collect();
    store.append(&batch("old", "loss", &points)).unwrap();
    run.finish().unwrap();
    store.compact().unwrap();
    let thinned = store.thin(&Thin::new().run("old").buckets(20).bucket_points(3)).unwrap();
    assert_eq!(thinned.series, 1);
}

/// Runs of every kind, in parts with rollups: special values, a repeat, a fork, a rewind, a deletion.
fn write_flushed(store: &Store) {
    let train = store.run("train").param("lr", 0.1).param("layers", 4i64).param("note", "🌊 \"x\"");
    let train = train.tag("base").tag("v1").label("host", "a").start().unwrap();
    for step in 0..300 {
        let loss = match step {
            50 => f64::NAN,
            51 => f64::INFINITY,
            52 => f64::NEG_INFINITY,
            53 => -0.0,
            _ => 1.0 / (step + 1) as f64,
        };
        log(&train, step, &[("loss", loss), ("acc", (step % 10) as f64)]);
    }
    let gone = store.run("gone").start().unwrap();
    log(&gone, 0, &[("loss", 1.0)]);
    gone.finish().unwrap();
    store.flush().unwrap();
    log(&train, 10, &[("loss", 7.0)]);
    train.set_tags(["late"], ["v1"]).unwrap();
    let rewound = store.run("rewound").start().unwrap();
    (0..50).for_each(|step| log(&rewound, step, &[("loss", step as f64)]));
    rewound.rewind(20).unwrap();
    (21..30).for_each(|step| log(&rewound, step, &[("loss", -1.0)]));
    rewound.fail().unwrap();
    // What is replaced and rewound so far goes to a hidden part.
    store.compact().unwrap();
    log(&train, 11, &[("loss", 8.0)]);
    let fork = store.run("fork").parent("train", Some(100)).start().unwrap();
    (101..140).for_each(|step| log(&fork, step, &[("loss", 0.5)]));
    fork.finish().unwrap();
    store.delete_run("gone").unwrap();
    store.flush().unwrap();
    train.finish().unwrap();
}

/// A staged part, and rows of two writers.
fn write_unflushed(store: &Store, other: &Store) {
    let bulk: Vec<_> = (0..17_000).map(|i| (i, TIME_US + i, (i % 5) as f64)).collect();
    store.append(&batch("bulk", "loss", &bulk)).unwrap();
    for (rank, store) in [("0", store), ("1", other)] {
        let run = store.run("live").label("rank", rank).start().unwrap();
        let device = Labels::new([("gpu", "3")]).unwrap();
        for step in 0..20 {
            log(&run, step, &[("loss", step as f64), ("nan", f64::NAN)]);
            let row = RowAt::step(step).time_us(TIME_US + step).labels(device.clone());
            run.log_at(&row, &[("system/power", 300.5)]).unwrap();
        }
        // The handle outlives its store, so that the run never says how it ended.
        std::mem::forget(run);
    }
}

fn gather(disk: &SimVfs, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for name in disk.read_dir(folder).unwrap() {
        let path = folder.join(name);
        if disk.stat(&path).unwrap().unwrap().is_dir {
            gather(disk, &path, files);
        } else {
            let file = disk.open(&path).unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_exact_at(0, &mut bytes).unwrap();
            files.insert(path.strip_prefix(STORE).unwrap().to_path_buf(), bytes);
        }
    }
}
