//! Asks a store: points, aggregates, a chart, the best runs, and what an answer was made from.
//!
//! `cargo run -p tidalite --example query`

// An example talks to the terminal.
#![allow(clippy::print_stdout)]

use std::error::Error;
use tidalite::arrow::array::AsArray;
use tidalite::arrow::datatypes::{Float64Type, Int64Type};
use tidalite::{Aggregate, By, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let store = Store::open(scratch.path().join("metrics"))?;
    for lr in [0.1, 0.03, 0.01] {
        let run = store.run(format!("lr-{lr}")).param("lr", lr).start()?;
        for step in 0..2_000 {
            run.log(step, &[("loss", (-lr * step as f64 / 50.0).exp()), ("epoch", (step / 100) as f64)])?;
        }
        run.finish()?;
    }

    // One snapshot, several questions: all of them see the same rows, whatever is logged meanwhile.
    let snapshot = store.snapshot()?;
    let loss = snapshot.select().metric("loss");

    // Points, in batches of bounded memory.
    let mut points = 0;
    for batch in loss.clone().steps(..1_000).points()? {
        points += batch?.num_rows();
    }
    println!("{points} points below step 1000");

    // One row per run. Aggregates are over finite values.
    let by_run = loss.aggregate(&[Aggregate::Min, Aggregate::ArgMin, Aggregate::Mean], &[By::Run])?;
    let runs = by_run["run"].as_string::<i32>();
    let (least, step) =
        (by_run["min"].as_primitive::<Float64Type>(), by_run["argmin"].as_primitive::<Int64Type>());
    for row in 0..by_run.num_rows() {
        println!("{}: least loss {:.3} at step {}", runs.value(row), least.value(row), step.value(row));
    }

    // Runs are chosen by what is known of them.
    let fast = loss.clone().where_runs("params.lr >= 0.03".parse()?);
    let best = fast.bottom(1, &[Aggregate::Last], &[By::Run])?;
    println!("best of the fast: {}", best["run"].as_string::<i32>().value(0));

    // A chart has about the given number of buckets, each with its least and greatest value, so that no spike is lost.
    for (series, chart) in loss.chart(100)? {
        println!("{}: {} buckets of {} steps", series.run, chart.buckets.len(), chart.width);
    }

    // What was read to answer.
    let (_, explain) = loss.explain(|selection| selection.aggregate(&[Aggregate::Count], &[]))?;
    for (what, count) in explain.counts().filter(|(_, count)| *count > 0) {
        println!("{what}: {count}");
    }
    Ok(())
}
