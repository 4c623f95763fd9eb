//! `salvage`: copies what is sound of a damaged store to a new one, and lists what is missing.

use super::verify::{listed, table};
use crate::args::{Format, SalvageArgs};
use crate::context::{Context, ProgressUnit};
use crate::error::{CliError, CliResult};
use crate::output::{json_rows, print, print_document, print_text};
use crate::text::{counted, printable};
use serde_json::json;
use std::time::Instant;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &SalvageArgs) -> CliResult {
    let format = context.format()?;
    let start = Instant::now();
    let bar = context.progress("salvage", ProgressUnit::Bytes);
    let progress = |done, total| bar.set(done, total);
    let salvaged = context.options().salvage(&args.damaged, &args.destination, &progress)?;
    drop(bar);
    let seconds = start.elapsed().as_secs_f64();
    let (runs, points, missing) = (salvaged.runs, salvaged.points, &salvaged.missing);
    let to = args.destination.to_string_lossy();
    match format {
        Format::Table => {
            let verdict = match missing.len() {
                0 => "nothing is missing".to_owned(),
                n => format!("MISSING in {}, listed above", counted(n, "place")),
            };
            let to = printable(&to);
            let copied = format!(
                "copied {} and {} to {to} in {seconds:.2} s; {verdict}\n",
                counted(runs, "run"),
                counted(points, "point")
            );
            print_text(&(listed(missing) + &copied))?;
        }
        Format::Json => print_document(&json!({
            "destination": to,
            "runs": runs,
            "points": points,
            "missing": json_rows(&table(missing))?,
        }))?,
        _ => print(&table(missing), format, None)?,
    }
    if missing.is_empty() { Ok(()) } else { Err(CliError::Damage) }
}
