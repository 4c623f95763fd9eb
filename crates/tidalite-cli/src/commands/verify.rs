//! `verify`: reads every byte and reports each problem: file, offset, run, series, steps, rows.

use crate::args::{Format, VerifyArgs};
use crate::context::{Context, ProgressUnit};
use crate::error::{CliError, CliResult};
use crate::output::{AnswerColumns, json_rows, print, print_document, print_text};
use crate::text::{counted, human_bytes, printable};
use arrow::array::RecordBatch;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;
use tidalite::{ErrorKind, Finding, Report, Unread, VerifyDepth};

/// Runs the command.
pub(crate) fn run(context: &Context, args: &VerifyArgs) -> CliResult {
    let format = context.format()?;
    let depth = if args.quick { VerifyDepth::Quick } else { VerifyDepth::Full };
    let start = Instant::now();
    let bar = context.progress("verify", ProgressUnit::Bytes);
    let done = context
        .read(&args.store)
        .and_then(|store| Ok(store.verify_with(depth, &|done, total| bar.set(done, total))?));
    drop(bar);
    let report = match done {
        // A corrupt marker or manifest is damage too. The rest of the store cannot be read without it.
        Err(CliError::Engine(e)) if e.kind() == ErrorKind::Corrupt => {
            let mut report = Report::default();
            report.findings.push(Finding::from(&e));
            report
        }
        other => other?,
    };
    match format {
        Format::Table => print_text(&for_people(&report, start.elapsed().as_secs_f64()))?,
        Format::Json => print_document(&document(&report)?)?,
        _ => print(&table(&report.findings), format, None)?,
    }
    if report.is_sound() { Ok(()) } else { Err(CliError::Damage) }
}

/// Findings for people, a few lines each.
pub(super) fn listed(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        text.push_str(&format!("{}: {}\n", finding.kind.as_str(), printable(&finding.message)));
        let place = match finding.bytes {
            0 => format!("at byte {}", finding.offset),
            n => format!("bytes {} to {}", finding.offset, finding.offset.saturating_add(n)),
        };
        text.push_str(&format!("  file    {}, {place}\n", printable(&finding.path.to_string_lossy())));
        if let Some(run) = &finding.run {
            text.push_str(&format!("  run     {}\n", printable(run)));
        }
        if !finding.series.is_empty() {
            text.push_str(&format!("  series  {}\n", printable(&series(finding).join(", "))));
        }
        if let Some((first, last)) = finding.steps {
            text.push_str(&format!("  steps   {first} to {last}\n"));
        }
        if let Some(rows) = finding.rows {
            text.push_str(&format!("  rows    {rows}\n"));
        }
        if let Some(frames) = finding.frames {
            text.push_str(&format!("  frames  {frames}\n"));
        }
    }
    text
}

fn for_people(report: &Report, seconds: f64) -> String {
    let mut text = listed(&report.findings);
    let mut unread: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for file in &report.unread {
        let of_reason = unread.entry(file.why).or_default();
        *of_reason = (of_reason.0 + 1, of_reason.1 + file.bytes);
    }
    for (why, (files, bytes)) in unread {
        text.push_str(&format!("not read: {} in {}: {why}\n", human_bytes(bytes), counted(files, "file")));
    }
    let damaged = report.findings.iter().filter(|f| f.kind.is_damage()).count();
    let verdict = match (report.findings.len(), damaged) {
        (0, _) => "sound".to_owned(),
        (_, 0) => "sound; what a crash tore off is listed above".to_owned(),
        (_, n) => format!("DAMAGED in {}", counted(n, "place")),
    };
    text.push_str(&format!(
        "{verdict}: {}, {}, {}, {} read in {seconds:.2} s\n",
        counted(report.parts, "part"),
        counted(report.logs, "log"),
        counted(report.points, "point"),
        human_bytes(report.bytes)
    ));
    text
}

/// The metrics affected, with their labels.
fn series(finding: &Finding) -> Vec<String> {
    let name = |k: &tidalite::SeriesKey| match k.labels.as_str() {
        "" => k.metric.to_string(),
        labels => format!("{} {labels}", k.metric),
    };
    finding.series.iter().map(name).collect()
}

fn document(report: &Report) -> CliResult<Value> {
    Ok(json!({
        "sound": report.is_sound(),
        "parts": report.parts,
        "logs": report.logs,
        "points": report.points,
        "log_points": report.log_points,
        "bytes": report.bytes,
        "findings": json_rows(&table(&report.findings))?,
        "unread": Value::from_iter(report.unread.iter().map(unread)),
    }))
}

fn unread(file: &Unread) -> Value {
    json!({"path": file.path.to_string_lossy(), "bytes": file.bytes, "why": file.why})
}

pub(super) fn table(findings: &[Finding]) -> RecordBatch {
    let count = |n: Option<u64>| n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let key =
        |k: &tidalite::SeriesKey| json!({"run": *k.run, "metric": *k.metric, "labels": k.labels.as_str()});
    AnswerColumns::default()
        .text("kind", findings.iter().map(|f| Some(f.kind.as_str())))
        .text("path", findings.iter().map(|f| Some(f.path.to_string_lossy())))
        .count("offset", findings.iter().map(|f| f.offset))
        .count("bytes", findings.iter().map(|f| f.bytes))
        .text("run", findings.iter().map(|f| f.run.as_deref()))
        .json("series", findings.iter().map(|f| Value::from_iter(f.series.iter().map(key))))
        .int("step_first", findings.iter().map(|f| f.steps.map(|s| s.0)))
        .int("step_last", findings.iter().map(|f| f.steps.map(|s| s.1)))
        .int("rows", findings.iter().map(|f| count(f.rows)))
        .int("frames", findings.iter().map(|f| count(f.frames)))
        .text("message", findings.iter().map(|f| Some(&f.message)))
        .finish()
}
