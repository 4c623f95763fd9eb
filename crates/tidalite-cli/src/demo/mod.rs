//! `demo`: several processes log real training to one store, within seconds.
//!
//! ```text
//! this process ── starts ─→ four trainers, one learning rate each ─┐
//!      │                    one that samples the machine ──────────┤→ one store
//!      └── follows the store live, draws ←─────────────────────────┘
//! halfway: one trainer is killed with SIGKILL; every row that the store acknowledged to it must be there, whole
//! at the end: flush, compact, verify, print the measurements
//! ```
//!
//! The processes run this same program with hidden commands ([`trainer`], [`machine`]). None outlives this process:
//! [`children`] kills them on drop, and each exits when its standard input closes.
//!
//! May use: `args`, `draw`, `text`, and the files `context.rs`, `error.rs`, `program.rs` and `table.rs`.

mod children;
pub(crate) mod digits;
pub(crate) mod machine;
pub(crate) mod network;
mod plan;
mod proof;
mod summary;
pub(crate) mod trainer;
mod watch;

use crate::args::DemoArgs;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::program::Program;
use children::{SamplerProcess, TrainerProcess};
use plan::{RATES, STEPS, VICTIM, run_id};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use summary::Measurements;
use tidalite::Options;
use watch::{Losses, Screen};

/// How long one poll of the store waits.
const POLL: Duration = Duration::from_millis(100);
/// A trainer counts as stuck after this multiple of the requested time, plus a minute.
const PATIENCE: u32 = 8;

/// Runs the command.
pub(crate) fn run(context: &Context, program: &Program, args: &DemoArgs) -> CliResult {
    context.format()?;
    let start = Instant::now();
    let path = store_folder(args.store.as_deref())?;
    // No background work, so that each flush is explicit and measured.
    let store = Options::new().background(false).open(&path)?;
    let mut screen = Screen::new(context.color());
    screen.print(&format!("The store is {}", path.display()))?;
    screen.print(&format!(
        "Four processes train a network on {} handwritten digits, {STEPS} steps\n\
         each; a fifth samples this machine. All five write to the store at the same\n\
         time, while this process reads it and draws the losses.\n",
        digits::Digits::load().train.len()
    ))?;

    let mut machine = SamplerProcess::start(program, &path)?;
    let mut trainers: Vec<TrainerProcess> = RATES
        .iter()
        .map(|rate| TrainerProcess::start(program, &path, rate, STEPS, args.seconds))
        .collect::<CliResult<_>>()?;
    let mut measurements = Measurements::default();
    let mut losses = Losses::follow(&store)?;
    watch_until(&mut screen, &mut losses, &mut trainers, args, |losses| {
        losses.last(&run_id(VICTIM)) >= i64::from(STEPS / 2)
    })?;

    let victim = trainers.iter().position(|t| t.rate() == VICTIM).expect("the victim is one of the trainers");
    let acked = trainers.remove(victim).kill()?;
    let recovered = proof::check(&store, &run_id(VICTIM), acked)?;
    screen.print(&recovered.describe(&run_id(VICTIM)))?;
    measurements.flush(&store)?;
    screen.print(&format!(
        "Flushed {} points to Parquet while the other processes recovered logging.\n",
        measurements.flushed.points
    ))?;

    watch_until(&mut screen, &mut losses, &mut trainers, args, |_| false)?;
    losses.poll(Duration::ZERO)?;
    screen.clear()?;
    for trainer in trainers {
        measurements.timings.push(trainer.finish()?);
    }
    machine.stop()?;
    proof::check(&store, &run_id(VICTIM), acked)?;
    measurements.live = losses.median_latency();
    // A follower that looks at a version keeps its files.
    drop(losses);
    measurements.measure(&store)?;
    screen.print(&summary::text(&store, &measurements, context.color(), program, &path, start.elapsed())?)
}

/// Draws the losses until all trainers have exited or `enough` holds.
fn watch_until(
    screen: &mut Screen,
    losses: &mut Losses,
    trainers: &mut [TrainerProcess],
    args: &DemoArgs,
    enough: impl Fn(&Losses) -> bool,
) -> CliResult {
    let start = Instant::now();
    let patience = args.seconds * PATIENCE + Duration::from_secs(60);
    loop {
        losses.poll(POLL)?;
        screen.show(losses)?;
        let mut ended = true;
        for trainer in trainers.iter_mut() {
            ended &= trainer.has_ended()?;
        }
        if ended || enough(losses) {
            return Ok(());
        }
        if start.elapsed() > patience {
            return Err(CliError::Other(
                "the trainers of the demo are stuck; try again on a less busy machine".into(),
            ));
        }
    }
}

/// The folder of the new store: as given, or the first free name here, or else in the temporary folder.
fn store_folder(given: Option<&Path>) -> CliResult<PathBuf> {
    if let Some(path) = given {
        let occupied = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if occupied {
            let text = format!("{} is not empty; name a folder that is empty or absent", path.display());
            return Err(CliError::Other(text));
        }
        return Ok(path.to_path_buf());
    }
    for root in [PathBuf::new(), std::env::temp_dir()] {
        for n in 1..1000 {
            let name = if n == 1 { "tidalite-demo".to_owned() } else { format!("tidalite-demo-{n}") };
            let path = root.join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(_) => break,
            }
        }
    }
    Err(CliError::Other(
        "cannot create a folder here or in the temporary folder; name one: `tidalite demo STORE`".into(),
    ))
}
