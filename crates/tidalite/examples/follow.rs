//! Follows a store while another thread logs to it, as a live dashboard would; then goes on from a kept cursor.
//!
//! `cargo run -p tidalite --example follow`

// An example talks to the terminal.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;
use tidalite::{Cursor, Options, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("metrics");
    let store = Store::open(&path)?;
    let run = store.run("live").start()?;
    let writer = std::thread::spawn(move || -> tidalite::Result<()> {
        for step in 0..500 {
            run.log(step, &[("loss", 1.0 / (step + 1) as f64)])?;
            if step % 100 == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        run.finish()
    });

    // A reader needs no lock and blocks no writer; usually it is another process.
    let reader = Options::new().read_only(true).open(&path)?;
    let mut follow = reader.select().metric("loss").follow()?;
    let mut seen = 0;
    while seen < 500 {
        // Returns as soon as there are new rows, each row once.
        for batch in follow.wait(Duration::from_secs(10))? {
            seen += batch.num_rows();
        }
    }
    writer.join().expect("the writer does not panic")?;
    println!("{seen} points followed");

    // A cursor is text that can be stored; whoever follows from it gets what came after it.
    let cursor: Cursor = follow.cursor().to_string().parse()?;
    let run = store.run("live").start()?;
    run.log(500, &[("loss", 0.0)])?;
    let later: usize = reader.select().follow_from(cursor)?.poll()?.iter().map(|b| b.num_rows()).sum();
    assert_eq!((seen, later), (500, 1));
    println!("{later} point after the cursor");
    Ok(())
}
