//! `delete`: deletes runs and all their points, after listing them and asking for confirmation.

use crate::args::{DeleteArgs, Format};
use crate::context::Context;
use crate::error::CliResult;
use crate::output::{AnswerColumns, print, print_text};
use crate::targets::{TargetVerb, described};
use tidalite::RunTargets;

const VERB: TargetVerb = TargetVerb { now: "delete", done: "deleted" };

/// Runs the command.
pub(crate) fn run(context: &Context, args: &DeleteArgs) -> CliResult {
    let format = context.format()?;
    let store = context.write(&args.store)?;
    let runs = args.targets.chosen(&store.snapshot()?)?;
    if !runs.is_empty() {
        args.targets.confirm(context, VERB, &runs)?;
        // The runs that were listed, whatever a pattern matches by now.
        store.delete_runs(&runs.iter().fold(RunTargets::new(), |what, run| what.run(&run.info.id)))?;
        // Once the deletion is reported, a power cut must not undo it.
        store.sync()?;
    }
    if format == Format::Table {
        return print_text(&match runs.is_empty() {
            true => "nothing to delete\n".to_owned(),
            false => format!("deleted {}; `tidalite compact` frees the space\n", described(&runs)),
        });
    }
    let batch = AnswerColumns::default()
        .text("run", runs.iter().map(|r| Some(&r.info.id)))
        .count("series", runs.iter().map(|r| r.series))
        .count("points", runs.iter().map(|r| r.points))
        .finish();
    print(&batch, format, None)
}
