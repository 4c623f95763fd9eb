//! `export`: writes a selection to a file for other programs.

use crate::args::{ExportArgs, Format};
use crate::context::{Context, ProgressUnit, complete_answer};
use crate::error::{CliError, CliResult};
use crate::output::print_text;
use crate::text::{counted, human_bytes, printable};
use std::path::Path;
use std::time::Instant;
use tidalite::{FileFormat, OnDamage, Selection, Snapshot};

/// Runs the command.
pub(crate) fn run(context: &Context, args: &ExportArgs) -> CliResult {
    let to_folder = args.output.is_dir() || args.output.as_os_str().as_encoded_bytes().ends_with(b"/");
    let format = match context.format_asked() {
        None if to_folder => FileFormat::Parquet,
        None => FileFormat::from_extension(&args.output)?,
        Some(Format::Parquet) => FileFormat::Parquet,
        Some(Format::Csv) => FileFormat::Csv,
        Some(Format::Json) => FileFormat::JsonLines,
        Some(Format::Arrow) => FileFormat::ArrowIpc,
        Some(Format::Table) => {
            let text = "an export is parquet, csv, json (lines) or arrow; `tidalite query` prints tables";
            return Err(CliError::Usage(text.into()));
        }
    };
    let snapshot = context.snapshot(&context.read(&args.store)?)?;
    let select = args.selection.over(&snapshot);
    complete_answer(&select, export(context, args, &snapshot, &select, (format, to_folder)))
}

fn export(
    context: &Context,
    args: &ExportArgs,
    snapshot: &Snapshot,
    select: &Selection,
    (format, to_folder): (FileFormat, bool),
) -> CliResult {
    // Check first, so that an empty selection does not replace an existing file.
    if !to_folder && is_empty(select)? {
        return Err(args.selection.nothing(snapshot)?);
    }
    let total = snapshot.on_damage(OnDamage::Report).stats()?.points;
    let start = Instant::now();
    let bar = context.progress("export", ProgressUnit::Points);
    let points = match to_folder {
        true => select.export_folder_with(&args.output, format, &|done| bar.set(done, total))?,
        false => select.export_with(&args.output, format, &|done| bar.set(done, total))?,
    };
    drop(bar);
    let seconds = start.elapsed().as_secs_f64();
    let bytes = if to_folder { folder_bytes(&args.output) } else { file_bytes(&args.output) };
    let to = printable(&args.output.to_string_lossy());
    print_text(&format!(
        "wrote {} ({}) to {to} in {seconds:.2} s\n",
        counted(points, "point"),
        human_bytes(bytes)
    ))
}

fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

fn folder_bytes(path: &Path) -> u64 {
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    files.map(|file| file.metadata().map_or(0, |m| m.len())).sum()
}

fn is_empty(select: &Selection) -> CliResult<bool> {
    for batch in select.points()? {
        if batch?.num_rows() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
