//! The arguments of `demo` and of the processes that it starts.

use crate::values;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tidalite demo
  tidalite demo /tmp/try --seconds 4")]
pub(crate) struct DemoArgs {
    /// The folder of the new store; absent or empty [default: tidalite-demo, tidalite-demo-2, …: the first that is free]
    pub(crate) store: Option<PathBuf>,
    /// How long to train.
    #[arg(long, value_name = "SECONDS", default_value = "7", value_parser = values::seconds)]
    pub(crate) seconds: Duration,
}

/// `demo-train`.
#[derive(Debug, Args)]
pub(crate) struct DemoTrainArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The learning rate, as written in the run's id.
    #[arg(long)]
    pub(crate) rate: String,
    /// The number of training steps.
    #[arg(long)]
    pub(crate) steps: u32,
    /// How long the training should take.
    #[arg(long, value_parser = values::seconds)]
    pub(crate) seconds: Duration,
}

/// `demo-watch`.
#[derive(Debug, Args)]
pub(crate) struct DemoWatchArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
}
