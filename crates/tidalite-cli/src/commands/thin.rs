//! `thin`: reduces old runs to an outline and exact summaries.

use crate::args::{Format, ThinArgs};
use crate::context::{Context, ProgressUnit};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print_one, print_text};
use crate::targets::TargetVerb;
use crate::text::{counted, human_bytes};
use std::time::Instant;
use tidalite::{OnDamage, ThinStats};

const VERB: TargetVerb = TargetVerb { now: "thin", done: "thinned" };

/// Runs the command.
pub(crate) fn run(context: &Context, args: &ThinArgs) -> CliResult {
    let format = context.format()?;
    let store = if args.dry_run { context.read(&args.store)? } else { context.write(&args.store)? };
    let runs = args.targets.chosen(&store.snapshot()?)?;
    if !args.dry_run && !runs.is_empty() {
        args.targets.confirm(context, VERB, &runs)?;
    }
    let what = tidalite::Thin::new().buckets(args.buckets).targets(args.targets.targets());
    let there = store.snapshot()?.on_damage(OnDamage::Report).stats()?;
    let before = there.bytes();
    let start = Instant::now();
    let bar = context.progress("thin", ProgressUnit::Points);
    let progress = |done, total| bar.set(done, total);
    let stats = match args.dry_run {
        true => store.thin_dry_run_with(&what, &progress)?,
        false => store.thin_with(&what, &progress)?,
    };
    drop(bar);
    let seconds = start.elapsed().as_secs_f64();
    let after = store.bytes()?;
    if format == Format::Table {
        let mut text = describe(&stats, args.dry_run, seconds);
        if !args.dry_run {
            text += &format!("all files: {} before, {} now\n", human_bytes(before), human_bytes(after));
        } else if there.log_points > 0 {
            let waiting = there.log_points;
            text += &format!(
                "{} still in logs and not considered; run `tidalite flush` first\n",
                counted(waiting, "point")
            );
        }
        return print_text(&text);
    }
    let batch = AnswerColumns::default()
        .count("flushed", [stats.flushed])
        .count("runs", [stats.runs])
        .count("runs_running", [stats.runs_running])
        .count("series", [stats.series])
        .count("series_small", [stats.series_small])
        .count("series_mixed", [stats.series_mixed])
        .count("points", [stats.points])
        .count("kept", [stats.kept])
        .count("dropped", [stats.dropped])
        .count("bytes_before", [before])
        .count("bytes_after", [after])
        .float("seconds", [seconds])
        .finish();
    print_one(&batch, format)
}

/// Describes what was done, or would be done, line by line.
fn describe(stats: &ThinStats, dry_run: bool, seconds: f64) -> String {
    let of = format!("{} series of {}", stats.series, counted(stats.runs, "run"));
    let stay = format!(
        "{} of {} {}",
        stats.kept,
        counted(stats.points, "point"),
        if stats.kept == 1 { "stays" } else { "stay" }
    );
    let thinned = match (stats.series, dry_run) {
        (0, _) => "nothing to thin".to_owned(),
        (_, true) => format!("would thin {of}: {stay}"),
        (_, false) => format!("thinned {of} in {seconds:.2} s: {stay}"),
    };
    let counts = [
        (stats.flushed, "point was flushed first", "points were flushed first"),
        (stats.dropped, "rewound or repeated point is dropped", "rewound or repeated points are dropped"),
        (
            stats.series_small,
            "series stays unchanged: thinning to this many buckets would not make it smaller",
            "series stay unchanged: thinning to this many buckets would not make them smaller",
        ),
        (
            stats.series_mixed,
            "series stays unchanged: it was thinned before and then written to at the same steps",
            "series stay unchanged: they were thinned before and then written to at the same steps",
        ),
        (
            stats.runs_running,
            "run is skipped: a process still writes to it",
            "runs are skipped: a process still writes to them",
        ),
    ];
    let lines = counts.iter().filter(|(n, ..)| *n > 0);
    let lines = lines.map(|(n, one, many)| format!("{n} {}\n", if *n == 1 { one } else { many }));
    format!("{thinned}\n{}", lines.collect::<String>())
}
