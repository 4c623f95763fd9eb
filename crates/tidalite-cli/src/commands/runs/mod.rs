//! `runs`: one row per run, with its status, params and size, or with the columns asked for.

mod compact;

use crate::args::{Format, RunOrder, RunsArgs};
use crate::context::{Context, complete_listing};
use crate::error::{CliError, CliResult};
use crate::output::{AnswerColumns, encode_error, print};
use crate::table::terminal_width;
use arrow::array::{Array, AsArray, RecordBatch, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, take_record_batch};
use compact::compact;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tidalite::{
    History, Params, Participant, RunColumn, RunInfo, RunList, RunPage, RunTotals, Selection, Snapshot,
    param_to_json, similar_names,
};

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
    let select = snapshot.select();
    let held = select.clone().history(History::Own).run_totals()?;
    sort(&select, &mut runs, &held, &args.sort)?;
    if runs.is_empty() && format == Format::Table {
        context.note("the store has no runs yet");
    }
    let total = runs.len();
    runs.drain(..args.offset.min(total));
    if args.offset > 0 && runs.is_empty() {
        return Err(CliError::Nothing(format!(
            "nothing is left: the list has {total} runs, and --offset is {}",
            args.offset
        )));
    }
    if let Some(limit) = args.limit.filter(|limit| *limit > 0 && *limit < runs.len()) {
        runs.truncate(limit);
        context.note(&format!("{limit} of {total} runs; --offset {} goes on", args.offset + limit));
    }
    let answer = if !args.columns.is_empty() {
        columns(context, &snapshot, &select, &runs, &args.columns)?
    } else if format == Format::Table && !args.verbose {
        let (table, left_out) = compact(&runs, &held, terminal_width());
        if !left_out.is_empty() {
            context.note(&format!("not shown: {}; -v shows all", left_out.join(", ")));
        }
        table
    } else {
        let bytes: BTreeMap<String, u64> = snapshot.bytes_by_run()?.into_iter().collect();
        table(&runs, &held, &bytes)
    };
    print(&answer, format, args.limit)?;
    complete_listing(damage, &select)
}

/// Sorts runs, which are in the order of their ids.
fn sort(
    select: &Selection,
    runs: &mut [RunInfo],
    held: &BTreeMap<String, RunTotals>,
    keys: &[RunOrder],
) -> CliResult {
    let points = |r: &RunInfo| held.get(&r.id).map_or(0, |h| h.points);
    // Sorts are stable, so the key that decides first comes last.
    for key in keys.iter().rev() {
        match key {
            RunOrder::Run => runs.sort_by(|a, b| a.id.cmp(&b.id)),
            RunOrder::Started => runs.sort_by_key(|r| std::cmp::Reverse(r.started_us)),
            RunOrder::Points => runs.sort_by_key(|r| std::cmp::Reverse(points(r))),
            RunOrder::Status => runs.sort_by_key(|r| r.status),
            RunOrder::Column(sort) => {
                let page = RunPage { order: vec![sort.clone()], ..RunPage::default() };
                let ranks = ranks(&select.list_runs(std::slice::from_ref(&sort.column), &page)?)?;
                // Equal values keep the order of the other keys.
                runs.sort_by_key(|r| ranks.get(&r.id).copied());
            }
        }
    }
    Ok(())
}

/// The rank of each run in a sorted list of one column besides the id; equal values have one rank.
fn ranks(list: &RunList) -> CliResult<HashMap<String, usize>> {
    let (ids, values) = (list.rows.column(0).as_string::<i32>(), list.rows.column(1));
    let compare = make_comparator(values, values, SortOptions::default()).map_err(encode_error)?;
    let mut rank = 0;
    let ranked = (0..ids.len()).map(|row| {
        rank += usize::from(row > 0 && compare(row - 1, row).is_ne());
        (ids.value(row).to_string(), rank)
    });
    Ok(ranked.collect())
}

/// The columns asked for, for these runs in their order.
fn columns(
    context: &Context,
    snapshot: &Snapshot,
    select: &Selection,
    runs: &[RunInfo],
    wanted: &[RunColumn],
) -> CliResult<RecordBatch> {
    let list = select.list_runs(wanted, &RunPage::default())?;
    // Where something cannot be read, a metric may be there.
    let missing = if select.damage().is_empty() { &list.missing[..] } else { &[] };
    for metric in missing {
        let names = snapshot.metrics()?;
        let similar = similar_names(metric, names.iter().map(String::as_str));
        let hint =
            if similar.is_empty() { String::new() } else { format!("; similar: {}", similar.join(", ")) };
        context.note(&format!("no run has the metric {metric:?}{hint}"));
    }
    let ids = list.rows.column(0).as_string::<i32>();
    let places: HashMap<&str, u32> = ids.iter().flatten().zip(0..).collect();
    let rows: UInt32Array = runs.iter().filter_map(|run| places.get(run.id.as_str()).copied()).collect();
    take_record_batch(&list.rows, &rows).map_err(encode_error)
}

fn table(runs: &[RunInfo], held: &BTreeMap<String, RunTotals>, bytes: &BTreeMap<String, u64>) -> RecordBatch {
    let nothing = RunTotals::default();
    let of = |r: &RunInfo| held.get(&r.id).unwrap_or(&nothing);
    let object =
        |params: &Params| Value::Object(params.iter().map(|(k, v)| (k.clone(), param_to_json(v))).collect());
    let params = |r: &RunInfo| object(&r.params);
    let environment = |r: &RunInfo| object(&r.environment);
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
        .json("environment", runs.iter().map(environment))
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
