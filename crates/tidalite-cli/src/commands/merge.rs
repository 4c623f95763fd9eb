//! `merge`: brings into a store what another one holds and it does not.

use crate::args::{Format, MergeArgs};
use crate::context::{Context, ProgressUnit, complete};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print_one, print_text};
use crate::text::{counted, printable};
use std::fmt::Write;
use std::time::Instant;
use tidalite::{Merge, MergeStats, OnConflict};

/// Runs the command.
pub(crate) fn run(context: &Context, args: &MergeArgs) -> CliResult {
    let format = context.format()?;
    let on_conflict = match (&args.rename, args.join) {
        (Some(suffix), _) => OnConflict::Suffix(suffix.clone()),
        (None, true) => OnConflict::Join,
        (None, false) => OnConflict::Refuse,
    };
    let how = Merge::new().on_conflict(on_conflict).on_damage(context.on_damage());
    let store = context.write(&args.store)?;
    let start = Instant::now();
    let bar = context.progress("merge", ProgressUnit::Points);
    let stats = store.merge_with(&args.from, &how, &|done, total| bar.set(done, total))?;
    drop(bar);
    let seconds = start.elapsed().as_secs_f64();
    store.close()?;
    if format == Format::Table {
        print_text(&in_words(&stats, seconds))?;
        return complete(stats.damage);
    }
    let batch = AnswerColumns::default()
        .count("runs_new", [stats.runs_new])
        .count("runs_changed", [stats.runs_changed])
        .count("points", [stats.points])
        .count("renamed", [stats.renamed.len() as u64])
        .count("left_out", [stats.damage.len() as u64])
        .float("seconds", [seconds])
        .finish();
    print_one(&batch, format)?;
    complete(stats.damage)
}

fn in_words(stats: &MergeStats, seconds: f64) -> String {
    let MergeStats { runs_new, runs_changed, points, .. } = stats;
    if (*runs_new, *runs_changed, *points) == (0, 0, 0) {
        return "nothing new: the store has all that the other one holds\n".into();
    }
    let mut text = format!(
        "added {} and {}, and changed {}, in {seconds:.2} s\n",
        counted(*runs_new, "run"),
        counted(*points, "point"),
        counted(*runs_changed, "run")
    );
    for (from, to) in &stats.renamed {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "run {} is {} here", printable(from), printable(to));
    }
    text
}
