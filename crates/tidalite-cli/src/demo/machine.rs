//! The fifth process of the demo: samples this machine 20 times per second into the run `machine`, until its standard
//! input closes.
//!
//! Readings with the same labels (one core, one disk, one GPU) form one row. A sample is several rows of one step.

use super::plan::MACHINE_RUN;
use crate::args::DemoWatchArgs;
use crate::error::CliResult;
use std::collections::BTreeMap;
use std::io::{Read, stdin};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use tidalite::system::{Sampler, host_name};
use tidalite::{Labels, RowAt, Run, Store};

/// The time between samples.
const INTERVAL: Duration = Duration::from_millis(50);

/// Runs the command.
pub(crate) fn run(args: &DemoWatchArgs) -> CliResult {
    let ended = input_ended();
    let mut sampler = Sampler::new();
    let store = Store::open(&args.store)?;
    let mut run = store.run(MACHINE_RUN).tag("demo");
    for (i, gpu) in sampler.gpu_names().into_iter().enumerate() {
        run = run.param(format!("gpu{i}"), gpu);
    }
    if let Some(host) = host_name() {
        run = run.label("host", host);
    }
    let run = run.start()?;
    let start = Instant::now();
    for step in 0.. {
        sample(&mut sampler, &run, i64::from(step))?;
        let next = (INTERVAL * (step + 1)).saturating_sub(start.elapsed());
        match ended.recv_timeout(next) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => break,
        }
    }
    run.finish()?;
    Ok(store.close()?)
}

fn sample(sampler: &mut Sampler, run: &Run, step: i64) -> CliResult {
    let mut rows: BTreeMap<_, Vec<(&str, f64)>> = BTreeMap::new();
    for reading in sampler.sample() {
        rows.entry(reading.labels).or_default().push((reading.metric, reading.value));
    }
    for (labels, values) in rows {
        run.log_at(&RowAt::step(step).labels(Labels::new(labels)?), &values)?;
    }
    Ok(())
}

/// A channel that receives a message when standard input closes.
fn input_ended() -> mpsc::Receiver<()> {
    let (say, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let mut one = [0];
        while matches!(stdin().read(&mut one), Ok(n) if n > 0) {}
        // The receiver is gone if the process is exiting already.
        let _ = say.send(());
    });
    hear
}
