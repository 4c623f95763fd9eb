//! `delete`: deletes a run and all its points, after asking for confirmation.

use crate::args::{DeleteArgs, Format};
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::output::{AnswerColumns, print_one, print_text};
use crate::text::printable;
use std::io::{IsTerminal, Write, stderr, stdin};
use tidalite::History;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &DeleteArgs) -> CliResult {
    let format = context.format()?;
    let store = context.write(&args.store)?;
    let snapshot = store.snapshot()?;
    let name = printable(&args.run);
    if !snapshot.runs().iter().any(|r| r.id == args.run) {
        return Err(CliError::Nothing(format!("there is no run {name}; `tidalite runs` lists the runs")));
    }
    let held = snapshot.select().run(&args.run).history(History::Own).include_rewound(true).summaries()?;
    let (series, points) = (held.len() as u64, held.iter().map(|(_, s)| s.count).sum::<u64>());
    let what = format!("run {name} with {points} points of {series} series");
    if !args.yes && !agreed(&what)? {
        return Err(CliError::Usage(format!("{what} was not deleted; `--yes` deletes without asking")));
    }
    store.delete_run(&args.run)?;
    // Once the deletion is reported, a power cut must not undo it.
    store.sync()?;
    if format == Format::Table {
        return print_text(&format!("deleted {what}; `tidalite compact` frees the space\n"));
    }
    let batch = AnswerColumns::default()
        .text("run", [Some(&args.run)])
        .count("series", [series])
        .count("points", [points])
        .finish();
    print_one(&batch, format)
}

/// Asks for confirmation. Without a terminal the answer is no.
fn agreed(what: &str) -> CliResult<bool> {
    if !stdin().is_terminal() {
        return Ok(false);
    }
    write!(stderr(), "delete {what}? [y/N] ")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
