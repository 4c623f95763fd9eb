//! `files`: the Parquet files with exactly the visible points, after a flush and a compaction if these are needed.

use crate::args::{FilesArgs, Format};
use crate::context::Context;
use crate::error::CliResult;
use crate::output::{AnswerColumns, print, print_document, print_text};
use serde_json::Value;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &FilesArgs) -> CliResult {
    let format = context.format()?;
    let files = context.write(&args.store)?.parquet_files()?;
    let names: Vec<String> = files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
    match format {
        Format::Table => print_text(&names.iter().map(|name| format!("{name}\n")).collect::<String>()),
        Format::Json => print_document(&names.into_iter().map(Value::from).collect()),
        _ => print(&AnswerColumns::default().text("file", names.iter().map(Some)).finish(), format, None),
    }
}
