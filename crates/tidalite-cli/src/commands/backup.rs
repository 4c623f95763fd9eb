//! `backup`: makes a consistent copy, even while others write.

use crate::args::{BackupArgs, Format};
use crate::context::{Context, ProgressUnit, complete};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print_one, print_text};
use crate::text::{counted, human_bytes};
use std::time::Instant;
use tidalite::OnDamage;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &BackupArgs) -> CliResult {
    let format = context.format()?;
    let store = context.read(&args.store)?;
    let start = Instant::now();
    let bar = context.progress("backup", ProgressUnit::Bytes);
    let left_out =
        store.backup_with(&args.destination, context.on_damage(), &|done, total| bar.set(done, total))?;
    drop(bar);
    let seconds = start.elapsed().as_secs_f64();
    let copy = context.read(&args.destination)?.snapshot()?.on_damage(OnDamage::Report).stats()?;
    let to = args.destination.to_string_lossy();
    if format == Format::Table {
        let size = human_bytes(copy.bytes());
        let (runs, points) = (copy.runs, copy.points);
        print_text(&format!(
            "copied {}, {} ({size}) to {to} in {seconds:.2} s\n",
            counted(runs, "run"),
            counted(points, "point")
        ))?;
        return complete(left_out);
    }
    let batch = AnswerColumns::default()
        .text("destination", [Some(to)])
        .count("runs", [copy.runs])
        .count("points", [copy.points])
        .count("bytes", [copy.bytes()])
        .count("left_out", [left_out.len() as u64])
        .float("seconds", [seconds])
        .finish();
    print_one(&batch, format)?;
    complete(left_out)
}
