//! Logs a run: parameters, tags, labels, steps, and a metric handle for a hot loop.
//!
//! `cargo run -p tidalite --example log [STORE]`; without a path the store is temporary.

// An example talks to the terminal.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use tidalite::{Durability, Labels, Options, RowAt};

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let path = std::env::args_os().nth(1).map_or_else(|| scratch.path().join("metrics"), PathBuf::from);

    // A store is a folder. It is created where there is none. `process` durability is the default:
    // a row survives the death of this process from the moment `log` returns.
    let store = Options::new().durability(Durability::Process).open(&path)?;
    let run = store.run("resnet-42").param("lr", 3e-4).param("layers", 50).tag("baseline").start()?;

    // One row holds one step and any number of metrics. Other processes see it at once.
    for step in 0..1_000 {
        let loss = 1.0 / (step + 1) as f64;
        run.log(step, &[("train/loss", loss), ("train/acc", 1.0 - loss)])?;
    }

    // Labels tell series of one metric apart, here by rank.
    for rank in 0..4 {
        let labels = Labels::new([("rank", rank.to_string())])?;
        run.log_at(&RowAt::step(999).labels(labels), &[("gpu/util", 0.9)])?;
    }

    // A handle looks its metric up once; each call then takes tens of nanoseconds.
    let latency = run.metric("latency_ms")?;
    for request in 0..100_000 {
        latency.log(request, 1.0 + (request % 7) as f64)?;
    }

    // Rows below the watermark's durable end survive a power cut; `sync` waits for all of them.
    store.sync()?;
    run.finish()?;
    println!("{} points in {}", store.stats()?.points, path.display());
    Ok(())
}
