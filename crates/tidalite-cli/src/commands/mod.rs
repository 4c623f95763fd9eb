//! The commands, one file each: open the store, call the engine, write the answer.
//!
//! May use: every other folder and file of the command.

mod backup;
mod chart;
mod compact;
mod delete;
mod diff;
mod edit;
mod export;
mod files;
mod flush;
mod follow;
mod import;
mod import_events;
mod import_files;
mod info;
mod labels;
mod merge;
mod metrics;
mod query;
mod runs;
mod salvage;
mod thin;
mod top;
mod verify;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::demo;
use crate::error::CliResult;
use crate::program::Program;

/// Runs the command; `program` runs it.
pub(crate) fn run(program: &Program, cli: Cli) -> CliResult {
    let context = Context::new(&cli.global);
    match &cli.command {
        Command::Demo(args) => demo::run(&context, program, args),
        Command::DemoTrain(args) => demo::trainer::run(args),
        Command::DemoWatch(args) => demo::machine::run(args),
        Command::Info(args) => info::run(&context, args),
        Command::Runs(args) => runs::run(&context, args),
        Command::Diff(args) => diff::run(&context, args),
        Command::Metrics(args) => metrics::run(&context, args),
        Command::Labels(args) => labels::run(&context, args),
        Command::Query(args) => query::run(&context, args),
        Command::Chart(args) => chart::run(&context, args),
        Command::Follow(args) => follow::run(&context, args),
        Command::Top(args) => top::run(&context, args),
        Command::Import(args) => import::run(&context, args),
        Command::Export(args) => export::run(&context, args),
        Command::Flush(args) => flush::run(&context, args),
        Command::Edit(args) => edit::run(&context, args),
        Command::Delete(args) => delete::run(&context, args),
        Command::Compact(args) => compact::run(&context, args),
        Command::Files(args) => files::run(&context, args),
        Command::Thin(args) => thin::run(&context, args),
        Command::Verify(args) => verify::run(&context, args),
        Command::Salvage(args) => salvage::run(&context, args),
        Command::Backup(args) => backup::run(&context, args),
        Command::Merge(args) => merge::run(&context, args),
    }
}
