//! Appends points in bulk from Arrow, exports them, and hands the Parquet files to other tools.
//!
//! `cargo run -p tidalite --example bulk`

// An example talks to the terminal, and reads files of its own.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::error::Error;
use std::sync::Arc;
use tidalite::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use tidalite::{FileFormat, Store};

const ROWS: i64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let store = Store::open(scratch.path().join("metrics"))?;

    // Long form: one row per point. `time` and `labels` columns are optional.
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("run", Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| format!("run-{}", i % 4))))),
        ("metric", Arc::new(StringArray::from_iter_values((0..ROWS).map(|_| "loss")))),
        ("step", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|i| i / 4)))),
        ("value", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|i| (i as f64).sin())))),
    ];
    // A batch is accepted whole or not at all. A large one is written straight to Parquet.
    store.append(&RecordBatch::try_from_iter(columns)?)?;

    let csv = scratch.path().join("run-0.csv");
    let written = store.select().run("run-0").export(&csv, FileFormat::Csv)?;
    println!("{written} points in {}", csv.display());

    // The visible points as a few Parquet files, which stay as long as the list lives.
    let files = store.parquet_files()?;
    for file in files.iter() {
        println!("{} ({} bytes)", file.display(), std::fs::metadata(file)?.len());
    }
    assert_eq!(store.stats()?.points, ROWS as u64);
    Ok(())
}
