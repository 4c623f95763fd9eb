//! `labels`: one row per label of series, or with `--values` one per value of a label.

use crate::args::{Format, LabelsArgs, SelectionArgs};
use crate::context::{Context, complete_listing};
use crate::error::CliResult;
use crate::output::{AnswerColumns, print};
use serde_json::Value;
use std::collections::BTreeMap;

/// The most values of a label that its row shows.
const VALUES_SHOWN: usize = 8;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &LabelsArgs) -> CliResult {
    let format = context.format()?;
    let (snapshot, damage) = context.readable(&context.read(&args.store)?)?;
    let selection = SelectionArgs::written(&args.metrics, &args.runs, &args.filters);
    let select = selection.over(&snapshot);
    let labels = select.label_values()?;
    let narrowed = !(args.metrics.is_empty() && args.runs.is_empty() && args.filters.is_empty());
    let sound = damage.is_empty() && select.damage().is_empty();
    if labels.is_empty() && sound && narrowed && select.summaries()?.is_empty() {
        return Err(selection.nothing(&snapshot)?);
    }
    if labels.is_empty() && sound && format == Format::Table {
        context.note("no series has labels");
    }
    let batch = if args.values { by_value(&labels) } else { by_key(&labels) };
    print(&batch.finish(), format, args.limit)?;
    complete_listing(damage, &select)
}

fn by_key(labels: &BTreeMap<String, BTreeMap<String, u64>>) -> AnswerColumns {
    let shown = |values: &BTreeMap<String, u64>| {
        Value::from_iter(values.keys().take(VALUES_SHOWN).map(String::as_str))
    };
    AnswerColumns::default()
        .text("label", labels.keys().map(Some))
        .count("values", labels.values().map(|values| values.len() as u64))
        .count("series", labels.values().map(|values| values.values().sum()))
        .json("first_values", labels.values().map(shown))
}

fn by_value(labels: &BTreeMap<String, BTreeMap<String, u64>>) -> AnswerColumns {
    let each = || labels.iter().flat_map(|(key, values)| values.iter().map(move |(v, n)| (key, v, *n)));
    AnswerColumns::default()
        .text("label", each().map(|(key, ..)| Some(key)))
        .text("value", each().map(|(_, value, _)| Some(value)))
        .count("series", each().map(|(.., series)| series))
}
