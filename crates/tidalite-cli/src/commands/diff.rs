//! `diff`: one row per fact in which runs differ, one column per run.

use crate::args::{DiffArgs, Format};
use crate::context::{Context, complete};
use crate::error::{CliError, CliResult};
use crate::output::print;
use tidalite::ErrorKind;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &DiffArgs) -> CliResult {
    let format = context.format()?;
    let diff = match context.snapshot(&context.read(&args.store)?)?.diff(&args.runs) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(CliError::Nothing(e.to_string())),
        diff => diff?,
    };
    let same = diff.rows.len() - diff.differing().count();
    if format == Format::Table && !args.all && same > 0 {
        context.note(&format!("{same} facts are the same in all; --all shows them"));
    }
    print(&diff.batch(!args.all), format, args.limit)?;
    complete(diff.damage)
}
