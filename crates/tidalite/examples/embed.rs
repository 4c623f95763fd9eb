//! Embeds a store in a tracking tool: one shared handle, errors by kind, runs of many threads, and a report at the end.
//!
//! `cargo run -p tidalite --example embed`

// An example talks to the terminal.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use tidalite::{ErrorKind, Options, Store};

/// What a tracking tool keeps. `Store` is cheap to clone and may be used from many threads.
struct Tracker {
    store: Store,
}

impl Tracker {
    fn open(path: &Path) -> tidalite::Result<Tracker> {
        // At most 64 MiB for reading and merging, one thread, so that the host keeps its own.
        let store = Options::new().memory_bytes(64 << 20).threads(1).open(path)?;
        Ok(Tracker { store })
    }

    fn job(&self, id: &str, steps: i64) -> tidalite::Result<()> {
        let run = self.store.run(id).param("steps", steps).start()?;
        for step in 0..steps {
            run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?;
        }
        run.finish()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let tracker = Tracker::open(&scratch.path().join("metrics"))?;
    std::thread::scope(|scope| {
        for n in 0..4 {
            let tracker = &tracker;
            scope.spawn(move || tracker.job(&format!("job-{n}"), 100 * (n + 1)).expect("the disk has space"));
        }
    });

    for run in tracker.store.where_runs(&"params.steps > 100".parse()?)? {
        println!("{}: {:?}", run.id, run.status);
    }

    // The kind of an error says what can be done about it; its text says what happened, where, and what to do.
    match tracker.store.snapshot()?.run("job-9") {
        Err(e) if e.kind() == ErrorKind::NotFound => println!("{e}"),
        other => panic!("there is no such run, and the answer was {other:?}"),
    }

    let report = tracker.store.verify()?;
    assert!(report.is_sound());
    // Closing seals the log and releases the locks; dropping the last clone does the same, without the error.
    tracker.store.close()?;
    Ok(())
}
