//! `runs`: one row per run, with its status, params and size.

use crate::args::{Format, RunOrder, RunsArgs};
use crate::context::{Context, complete};
use crate::error::{CliError, CliResult};
use crate::output::{AnswerColumns, print};
use arrow::array::RecordBatch;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use tidalite::{History, Participant, RunInfo, RunTotals, param_to_json};

/// Runs the command.
pub(crate) fn run(context: &Context, args: &RunsArgs) -> CliResult {
    let format = context.format()?;
    let (snapshot, damage) = context.readable(&context.read(&args.store)?)?;
    let mut runs = snapshot.runs()?;
    if !args.runs.is_empty() {
        let all = runs.len();
        let mut matching = BTreeSet::new();
        for text in &args.runs {
            matching.extend(snapshot.runs_matching(text)?.into_iter().map(|r| r.id));
        }
        runs.retain(|r| matching.contains(&r.id));
        if runs.is_empty() {
            let globs = args.runs.join(", ");
            let text = format!("nothing matches: none of the {all} runs matches {globs}");
            return Err(CliError::Nothing(text));
        }
    }
    for filter in &args.filters {
        runs.retain(|r| filter.matches(r));
        if runs.is_empty() {
            return Err(CliError::Nothing(format!("nothing matches: no run matches the filter {filter}")));
        }
    }
    if args.participants {
        return print(&participants(&runs), format, args.limit);
    }
    let held = snapshot.select().history(History::Own).run_totals()?;
    let points = |r: &RunInfo| held.get(&r.id).map_or(0, |h| h.points);
    match args.sort {
        RunOrder::Run => {}
        RunOrder::Started => runs.sort_by_key(|r| std::cmp::Reverse(r.started_us)),
        RunOrder::Points => runs.sort_by_key(|r| std::cmp::Reverse(points(r))),
        RunOrder::Status => runs.sort_by_key(|r| r.status),
    }
    if runs.is_empty() && format == Format::Table {
        context.note("the store has no runs yet");
    }
    let bytes: BTreeMap<String, u64> = snapshot.bytes_by_run()?.into_iter().collect();
    print(&table(&runs, &held, &bytes), format, args.limit)?;
    complete(damage)
}

fn table(runs: &[RunInfo], held: &BTreeMap<String, RunTotals>, bytes: &BTreeMap<String, u64>) -> RecordBatch {
    let nothing = RunTotals::default();
    let of = |r: &RunInfo| held.get(&r.id).unwrap_or(&nothing);
    let params =
        |r: &RunInfo| Value::Object(r.params.iter().map(|(k, v)| (k.clone(), param_to_json(v))).collect());
    let parent = |r: &RunInfo| {
        r.parent
            .as_ref()
            .map_or(Value::Object(Map::new()), |p| serde_json::json!({"run": p.run, "step": p.step}))
    };
    // The duration ends at the end of the run, or at the last point of a run without an end.
    let seconds = |r: &RunInfo| {
        let until = r.ended_us.or(of(r).last_time_us)?;
        r.started_us.map(|from| until.saturating_sub(from) as f64 / 1e6)
    };
    AnswerColumns::default()
        .text("run", runs.iter().map(|r| Some(&r.id)))
        .text("name", runs.iter().map(|r| r.name.as_ref()))
        .text("group", runs.iter().map(|r| r.group.as_ref()))
        .text("status", runs.iter().map(|r| Some(r.status.as_str())))
        .text("reason", runs.iter().map(|r| r.reason.as_ref()))
        .time("started", runs.iter().map(|r| r.started_us))
        .float("seconds", runs.iter().map(seconds))
        .int("last_step", runs.iter().map(|r| of(r).last_step))
        .count("series", runs.iter().map(|r| of(r).series))
        .count("points", runs.iter().map(|r| of(r).points))
        .count("bytes", runs.iter().map(|r| bytes.get(&r.id).copied().unwrap_or(0)))
        .count("participants", runs.iter().map(|r| r.participants.len() as u64))
        .text("labels", runs.iter().map(|r| Some(r.labels.as_str())))
        .json("tags", runs.iter().map(|r| Value::from_iter(r.tags.iter().map(String::as_str))))
        .json("params", runs.iter().map(params))
        .json("parent", runs.iter().map(parent))
        .text("notes", runs.iter().map(|r| r.notes.as_ref()))
        .finish()
}

/// One row per process that took part in the runs.
fn participants(runs: &[RunInfo]) -> RecordBatch {
    let all: Vec<(&RunInfo, &Participant)> =
        runs.iter().flat_map(|r| r.participants.iter().map(move |p| (r, p))).collect();
    let each = || all.iter().map(|(_, p)| *p);
    AnswerColumns::default()
        .text("run", all.iter().map(|(r, _)| Some(&r.id)))
        .text("labels", each().map(|p| Some(p.labels.as_str())))
        .text("host", each().map(|p| Some(&p.host)))
        .int("pid", each().map(|p| i64::from(p.pid)))
        .time("started", each().map(|p| Some(p.started_us)))
        .time("ended", each().map(|p| p.ended_us))
        .text("status", each().map(|p| Some(p.status.as_str())))
        .text("reason", each().map(|p| p.reason.as_ref()))
        .int("last_step", each().map(|p| p.last_step))
        .flag("current", each().map(|p| p.current))
        .finish()
}
