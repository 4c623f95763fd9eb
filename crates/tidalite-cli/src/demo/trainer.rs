//! A trainer process of the demo: trains a network on real images and logs one row per step.
//!
//! It prints `ack <step>` for each row that the store has accepted, so that the parent can check the store against it. At
//! the end it prints how long its calls of `log` took. It fails early if its standard input closes, since then the
//! parent is gone.

use super::digits::Digits;
use super::network::{BATCH, LAYERS, NetworkTrainer, StepStats};
use super::plan::{EVERY_STEP, TESTED, is_tested, run_id};
use crate::args::DemoTrainArgs;
use crate::error::{CliError, CliResult};
use std::io::{Read, Write, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidalite::{Run, Store};

/// A trainer that is ahead of schedule by this much sleeps. It does not sleep at each step, because then each call would
/// find cold caches and a slow processor, unlike in real training.
const BURST: Duration = Duration::from_millis(20);
/// All trainers begin with the same weights and see the same images.
const SEED: u64 = 1;

/// Runs the command.
pub(crate) fn run(args: &DemoTrainArgs) -> CliResult {
    let rate: f64 =
        args.rate.parse().map_err(|_| CliError::Usage(format!("{:?} is not a learning rate", args.rate)))?;
    let orphaned = parent_gone();
    let store = Store::open(&args.store)?;
    let run = store
        .run(run_id(&args.rate))
        .param("lr", rate)
        .param("batch", BATCH as i64)
        .param("momentum", 0.9)
        .param("layers", LAYERS.join(","))
        .tag("demo")
        .start()?;
    let mut took = train(args, &run, rate, &orphaned)?;
    run.finish()?;
    store.close()?;
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or(0);
    writeln!(stdout(), "timing {} {}", at(50), at(99))?;
    Ok(())
}

/// Trains, and returns how long each call of `log` took, in nanoseconds.
fn train(args: &DemoTrainArgs, run: &Run, rate: f64, orphaned: &AtomicBool) -> CliResult<Vec<u64>> {
    let digits = Digits::load();
    let mut trainer = NetworkTrainer::new(&digits.train, rate, SEED);
    let plain = run.columns(&EVERY_STEP)?;
    let names: Vec<&str> = EVERY_STEP.into_iter().chain(TESTED).collect();
    let tested = run.columns(&names)?;
    let pace = args.seconds / args.steps.max(1);
    let start = Instant::now();
    let mut took = Vec::with_capacity(args.steps as usize);
    let mut out = stdout().lock();
    for step in 0..args.steps {
        if orphaned.load(Ordering::Relaxed) {
            run.fail()?;
            return Err(CliError::Other("the demo ended before its trainer".into()));
        }
        let values = values(&trainer.step());
        let (columns, test) = if is_tested(step) {
            let (loss, accuracy) = trainer.evaluate(&digits.test);
            (&tested, [loss, accuracy])
        } else {
            (&plain, [0.0; 2])
        };
        let mut row = [0.0; EVERY_STEP.len() + TESTED.len()];
        row[..values.len()].copy_from_slice(&values);
        row[values.len()..].copy_from_slice(&test);
        let row = if is_tested(step) { &row[..] } else { &row[..values.len()] };
        let before = Instant::now();
        columns.log(i64::from(step), row)?;
        took.push(u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX));
        // Standard output is line-buffered, so the line is written when this returns.
        writeln!(out, "ack {step}")?;
        let ahead = (pace * (step + 1)).saturating_sub(start.elapsed());
        if ahead > BURST {
            std::thread::sleep(ahead);
        }
    }
    Ok(took)
}

fn values(stats: &StepStats) -> [f64; EVERY_STEP.len()] {
    let [a, b, c] = stats.layers;
    [
        stats.loss,
        stats.accuracy,
        a.grad_norm,
        b.grad_norm,
        c.grad_norm,
        a.weight_norm,
        b.weight_norm,
        c.weight_norm,
    ]
}

/// Becomes true when standard input closes, which means that the parent is gone.
fn parent_gone() -> Arc<AtomicBool> {
    let gone = Arc::new(AtomicBool::new(false));
    let set = gone.clone();
    std::thread::spawn(move || {
        let mut one = [0];
        while matches!(stdin().read(&mut one), Ok(n) if n > 0) {}
        set.store(true, Ordering::Relaxed);
    });
    gone
}
