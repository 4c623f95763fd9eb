//! `demo`: the store's main job, on real input, in seconds.
//!
//! ```text
//! this process ── starts ─→ four trainers, one learning rate each ─┐
//!      │                    one that samples the machine ──────────┤→ one store
//!      └── follows the store live, draws ←─────────────────────────┘
//! half-way: one trainer is killed with SIGKILL; what it was told to be accepted must be in the store, whole
//! at the end: flush, compact, verify, and what was measured on the way
//! ```
//!
//! The processes are this very program with hidden commands ([`trainer`], [`machine`]). None outlives this one:
//! [`children`] kills them when dropped, and each ends by itself when its standard input closes.

mod children;
pub(crate) mod digits;
pub(crate) mod machine;
pub(crate) mod network;
mod plan;
mod program;
mod proof;
mod summary;
pub(crate) mod trainer;
mod watch;

use crate::args::DemoArgs;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use children::{SamplerProcess, TrainerProcess};
use plan::{RATES, STEPS, VICTIM, run_id};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use summary::Measurements;
use tidalite::Options;
use watch::{Losses, Screen};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A trainer that takes so many times longer than asked for is stuck.
const PATIENCE: u32 = 8;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &DemoArgs) -> CliResult {
    context.format()?;
    let start = Instant::now();
    let path = place(args.store.as_deref())?;
    // Flushes here are by hand, so that each is seen and measured.
    let store = Options::new().background(false).open(&path)?;
    let mut screen = Screen::new(context.color());
    screen.say(&format!("The store is {}", path.display()))?;
    screen.say(&format!(
        "Four processes train a network on {} handwritten digits, {STEPS} steps\n\
         each; a fifth samples this machine. All five write to the store at once;\n\
         this process reads it meanwhile, and draws what it sees.\n",
        digits::Digits::load().train.len()
    ))?;

    let mut machine = SamplerProcess::start(&path)?;
    let mut trainers: Vec<TrainerProcess> = RATES
        .iter()
        .map(|rate| TrainerProcess::start(&path, rate, STEPS, args.seconds))
        .collect::<CliResult<_>>()?;
    let mut figures = Measurements::default();
    let mut losses = Losses::follow(&store)?;
    watch_until(&mut screen, &mut losses, &mut trainers, args, |losses| {
        losses.last(&run_id(VICTIM)) >= i64::from(STEPS / 2)
    })?;

    let victim = trainers.iter().position(|t| t.rate() == VICTIM).expect("the victim is one of the trainers");
    let acked = trainers.remove(victim).kill()?;
    let kept = proof::check(&store, &run_id(VICTIM), acked)?;
    screen.say(&kept.words(&run_id(VICTIM)))?;
    figures.flush(&store)?;
    screen.say(&format!(
        "Flushed {} points to Parquet meanwhile; the others went on logging.\n",
        figures.flushed.points
    ))?;

    watch_until(&mut screen, &mut losses, &mut trainers, args, |_| false)?;
    losses.look(Duration::ZERO)?;
    screen.clear()?;
    for trainer in trainers {
        figures.timings.push(trainer.finish()?);
    }
    machine.stop()?;
    proof::check(&store, &run_id(VICTIM), acked)?;
    figures.live = losses.latencies();
    figures.measure(&store)?;
    screen.say(&summary::text(&store, &figures, context.color(), &path, start.elapsed())?)
}

/// Draws until all trainers have ended, or `enough`.
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
        losses.look(LOOK)?;
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
                "the demonstration's trainers are stuck; try again on a less busy machine".into(),
            ));
        }
    }
}

/// The folder of the new store: as given, or the first free name here, or in the folder for temporary files.
fn place(given: Option<&Path>) -> CliResult<PathBuf> {
    if let Some(path) = given {
        let taken = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if taken {
            let text =
                format!("{} holds something already; give a folder that is empty or absent", path.display());
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
        "no folder can be made here or among the temporary files; name one: `tidalite demo STORE`".into(),
    ))
}
