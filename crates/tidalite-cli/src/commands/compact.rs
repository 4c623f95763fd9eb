//! `compact`: flushes, then merges parts.

use crate::args::{CompactArgs, Format};
use crate::context::{Context, ProgressUnit};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print_one, print_text};
use crate::text::{counted, human_bytes};
use std::time::Instant;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &CompactArgs) -> CliResult {
    let format = context.format()?;
    let store = context.write(&args.store)?;
    let before = store.bytes()?;
    let start = Instant::now();
    let bar = context.progress("compact", ProgressUnit::Points);
    let stats = store.compact_with(&|done, total| bar.set(done, total))?;
    drop(bar);
    let seconds = start.elapsed().as_secs_f64();
    let after = store.bytes()?;
    if format == Format::Table {
        let flushed = match stats.flushed {
            0 => String::new(),
            n => format!("flushed {} first\n", counted(n, "point")),
        };
        let merged = match stats.parts_in {
            0 => "nothing to merge\n".to_owned(),
            n => format!(
                "merged {} into {} ({}) in {seconds:.2} s\n",
                counted(n, "part"),
                stats.parts_out,
                counted(stats.points, "point")
            ),
        };
        let hidden = match stats.hidden {
            0 => String::new(),
            n => format!("kept {} in files of their own\n", counted(n, "rewound or replaced point")),
        };
        let dropped = match stats.dropped {
            0 => String::new(),
            n => format!("dropped {} of deleted runs\n", counted(n, "point")),
        };
        let sizes = format!("all files: {} before, {} now\n", human_bytes(before), human_bytes(after));
        return print_text(&format!("{flushed}{merged}{hidden}{dropped}{sizes}"));
    }
    let batch = AnswerColumns::default()
        .count("flushed", [stats.flushed])
        .count("parts_in", [stats.parts_in])
        .count("parts_out", [stats.parts_out])
        .count("points", [stats.points])
        .count("hidden", [stats.hidden])
        .count("dropped", [stats.dropped])
        .count("bytes_before", [before])
        .count("bytes_after", [after])
        .float("seconds", [seconds])
        .finish();
    print_one(&batch, format)
}
