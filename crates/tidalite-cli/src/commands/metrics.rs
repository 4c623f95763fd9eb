//! `metrics`: one row per metric, summarised over its series.

use crate::args::{Format, MetricsArgs, SelectionArgs};
use crate::context::{Context, complete_listing};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidalite::Summary;

/// The totals of a metric.
#[derive(Default)]
struct MetricTotals {
    runs: BTreeSet<Arc<str>>,
    series: u64,
    total: Summary,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &MetricsArgs) -> CliResult {
    let format = context.format()?;
    let (snapshot, damage) = context.readable(&context.read(&args.store)?)?;
    let selection = SelectionArgs::written(&[], &args.runs, &args.filters);
    let mut metrics: BTreeMap<Arc<str>, MetricTotals> = BTreeMap::new();
    let select = selection.over(&snapshot);
    for (key, summary) in select.summaries()? {
        let metric = metrics.entry(key.metric.clone()).or_default();
        metric.runs.insert(key.run.clone());
        metric.series += 1;
        metric.total.merge(&summary);
    }
    let sound = damage.is_empty() && select.damage().is_empty();
    if metrics.is_empty() && sound && !(args.runs.is_empty() && args.filters.is_empty()) {
        return Err(selection.nothing(&snapshot)?);
    }
    if metrics.is_empty() && sound && format == Format::Table {
        context.note("the store has no points yet");
    }
    let bytes: BTreeMap<String, u64> = snapshot.bytes_by_metric()?.into_iter().collect();
    let totals = || metrics.values().map(|m| &m.total);
    let batch = AnswerColumns::default()
        .text("metric", metrics.keys().map(Some))
        .count("runs", metrics.values().map(|m| m.runs.len() as u64))
        .count("series", metrics.values().map(|m| m.series))
        .count("points", totals().map(|t| t.count))
        .count("bytes", metrics.keys().map(|m| bytes.get(&**m).copied().unwrap_or(0)))
        .count("nonfinite", totals().map(|t| t.count - t.finite))
        .int("first_step", totals().map(|t| t.first.map(|p| p.step)))
        .int("last_step", totals().map(|t| t.last.map(|p| p.step)))
        .float("min", totals().map(|t| t.min.map(|m| m.value)))
        .float("mean", totals().map(Summary::mean))
        .float("max", totals().map(|t| t.max.map(|m| m.value)))
        .finish();
    print(&batch, format, args.limit)?;
    complete_listing(damage, &select)
}
