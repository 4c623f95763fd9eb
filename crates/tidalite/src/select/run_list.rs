//! A list of runs: one row per run, with values of metrics and fields of the run, in an order, a page of it.
//!
//! Steps: list the selected runs; give each summary to the group of its run; sort; take the page. Values come from summaries, so
//! that ten thousand runs are listed without reading a point.

use super::selection::Selection;
use super::summaries::Summarizer;
use super::top::not_nan;
use crate::engine::room::too_large;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take_arrays};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, Summary, SummaryFacts};
use tidalite_query::{Aggregate, NumberedGroups, Pattern, RunColumn, RunField, RunSort, SeriesNames};

/// The order of a list of runs, and which of its rows are asked for.
#[derive(Debug, Clone, Default)]
pub struct RunPage {
    /// The keys of the order, the first of which decides first. Without any, and where all are equal, runs are in the order of
    /// their ids.
    pub order: Vec<RunSort>,
    /// How many rows are left out at the start.
    pub offset: usize,
    /// The most rows; `None` is all.
    pub limit: Option<usize>,
}

/// A page of a list of runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunList {
    /// One row per run: its id in `run`, then the columns asked for, by their text.
    pub rows: RecordBatch,
    /// The number of runs on all pages.
    pub total: usize,
    /// The metrics asked for of which no selected run has a point.
    pub missing: Vec<String>,
}

impl Selection {
    /// Lists the selected runs, with values of metrics and fields of the runs. A run without a metric has null, or a count of 0.
    /// The columns say which metrics are read, instead of the selection's metrics; its labels and ranges apply to all of them.
    ///
    /// ```
    /// use arrow::array::{AsArray, types::Float64Type};
    /// use tidalite::RunPage;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for (id, lr, loss) in [("a", 0.1, 3.0), ("b", 0.2, 1.0), ("c", 0.3, 2.0)] {
    ///     store.run(id).param("lr", lr).start()?.log(0, &[("val/loss", loss)])?;
    /// }
    /// let page = RunPage { order: vec!["val/loss:min".parse()?], limit: Some(2), ..RunPage::default() };
    /// let list = store.select().list_runs(&["val/loss:min".parse()?, "params.lr".parse()?], &page)?;
    /// assert_eq!(list.rows["val/loss:min"].as_primitive::<Float64Type>().values(), &[1.0, 2.0]);
    /// assert_eq!(list.rows["params.lr"].as_primitive::<Float64Type>().values(), &[0.2, 0.3]);
    /// assert_eq!(list.total, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points); `Invalid` for a column that is given twice, and for aggregates that need points: percentiles
    /// and `argnan`.
    pub fn list_runs(&self, columns: &[RunColumn], page: &RunPage) -> Result<RunList> {
        for (i, column) in columns.iter().enumerate() {
            if columns[..i].contains(column) {
                return Err(Error::invalid(
                    "list runs",
                    format!("the column `{column}` was given twice"),
                    "give it once",
                ));
            }
        }
        let fixed = self.fixed()?;
        let snapshot = fixed.snapshot()?;
        fixed.meet_losses(&snapshot, "list runs")?;
        let asked = || columns.iter().chain(page.order.iter().map(|sort| &sort.column));
        let shows = |column: &RunColumn| matches!(column, RunColumn::Field(field) if *field != RunField::Id);
        let infos = if self.run_filter.is_some() || asked().any(shows) {
            fixed.chosen_runs(&snapshot)?
        } else {
            Vec::new()
        };
        let chosen = fixed.run_matcher(&snapshot)?;
        let runs: Vec<&str> = snapshot.run_ids().filter(|id| chosen.is_match(id)).collect();
        let values = fixed.metric_values(&runs, asked())?;
        let column = |wanted: &RunColumn| -> ArrayRef {
            match wanted {
                RunColumn::Metric(metric, aggregate) => values.column(metric, *aggregate),
                RunColumn::Field(RunField::Id) => ids(&runs),
                RunColumn::Field(field) => field.column(&infos),
            }
        };
        let keys: Vec<(ArrayRef, bool)> =
            page.order.iter().map(|sort| (column(&sort.column), sort.descending)).collect();
        let mut fields = vec![Field::new("run", DataType::Utf8, false)];
        let mut arrays = vec![ids(&runs)];
        for wanted in columns {
            let array = column(wanted);
            fields.push(Field::new(wanted.to_string(), array.data_type().clone(), true));
            arrays.push(array);
        }
        let taken = order(&keys, runs.len(), page).and_then(|rows| take_arrays(&arrays, &rows, None));
        let rows = taken.and_then(|arrays| {
            let options = RecordBatchOptions::new().with_row_count(arrays.first().map(|array| array.len()));
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        });
        let failed = |e: ArrowError| {
            Error::new(ErrorKind::Full, "list runs", e.to_string(), "ask for fewer columns or rows")
        };
        Ok(RunList { rows: rows.map_err(failed)?, total: runs.len(), missing: values.missing })
    }

    /// The values of metrics, run by run.
    fn metric_values<'a>(
        &self,
        runs: &[&str],
        columns: impl Iterator<Item = &'a RunColumn>,
    ) -> Result<MetricValues> {
        let mut wanted: Vec<(String, Vec<Aggregate>)> = Vec::new();
        for column in columns {
            let RunColumn::Metric(metric, aggregate) = column else { continue };
            match wanted.iter_mut().find(|(name, _)| name == metric) {
                Some((_, aggregates)) if aggregates.contains(aggregate) => {}
                Some((_, aggregates)) => aggregates.push(*aggregate),
                None => wanted.push((metric.clone(), vec![*aggregate])),
            }
        }
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        let empty = || MetricGroups::new(runs, &wanted);
        let mut total = empty()?;
        if wanted.is_empty() {
            return Ok(total.finish());
        }
        // Each thread has as many.
        let options = &self.snapshot()?.state.options;
        let bytes = total.bytes().saturating_mul(options.threads as u64 + 1);
        if bytes > options.memory_bytes {
            let what = format!("the values of {} runs take {} MiB at once", runs.len(), bytes >> 20);
            return Err(too_large(options, "list runs", what, "select fewer runs, or ask for fewer columns"));
        }
        let mut of_metrics = self.clone();
        of_metrics.metrics = wanted.iter().map(|(metric, _)| Pattern::exact(metric.clone())).collect();
        let (plain, plans) = of_metrics.plans_beside_plain()?;
        let summing = Summarizer::of(total.facts(), false);
        let (plan, most) = (plans.empty(), plans.planner.span_series());
        let rest = plan.fold_plain(
            &plain,
            &summing.resolution,
            empty,
            |groups, of, known| groups.push(of, known),
            |groups| {
                total.merge(groups);
                Ok(())
            },
        )?;
        for plan in plan.of_plain(&rest, most).chain(plans) {
            for (key, summary) in summing.of_plan(plan?)? {
                total.push((&key).into(), &[summary]);
            }
        }
        Ok(total.finish())
    }
}

/// Aggregates of some metrics by run.
struct MetricGroups<'a> {
    /// All runs, ascending.
    runs: &'a [&'a str],
    /// Ascending by name.
    metrics: Vec<RunMetric<'a>>,
    /// The place of the latest run and that of the latest metric: series mostly come in order.
    latest: (usize, usize),
}

/// Aggregates of one metric by run.
struct RunMetric<'a> {
    metric: &'a str,
    aggregates: &'a [Aggregate],
    groups: NumberedGroups,
    /// Whether any run has a point of it.
    found: bool,
}

impl<'a> MetricGroups<'a> {
    fn new(runs: &'a [&'a str], wanted: &'a [(String, Vec<Aggregate>)]) -> Result<MetricGroups<'a>> {
        let of = |(metric, aggregates): &'a (String, Vec<Aggregate>)| {
            let groups = NumberedGroups::new(aggregates, runs.len())?;
            Ok(RunMetric { metric, aggregates, groups, found: false })
        };
        Ok(MetricGroups { runs, metrics: wanted.iter().map(of).collect::<Result<_>>()?, latest: (0, 0) })
    }

    fn facts(&self) -> SummaryFacts {
        let of = self.metrics.iter().map(|of| of.groups.facts());
        of.fold(SummaryFacts::default(), SummaryFacts::or)
    }

    /// The bytes of all states.
    fn bytes(&self) -> u64 {
        self.metrics.iter().map(|of| of.groups.bytes() as u64).sum()
    }

    fn push(&mut self, of: SeriesNames<'_>, summaries: &[Summary]) {
        let (run, metric) = self.latest;
        let is_run = |at: usize| self.runs.get(at).is_some_and(|run| **run == **of.run);
        let run = [run, run + 1]
            .into_iter()
            .find(|at| is_run(*at))
            .or_else(|| self.runs.binary_search(&&**of.run).ok());
        let is_metric = |at: usize| self.metrics.get(at).is_some_and(|column| column.metric == &**of.metric);
        let metric = [metric, metric + 1, 0].into_iter().find(|at| is_metric(*at));
        let metric =
            metric.or_else(|| self.metrics.binary_search_by(|column| column.metric.cmp(of.metric)).ok());
        // A run that was deleted has no row.
        let (Some(run), Some(metric)) = (run, metric) else { return };
        self.latest = (run, metric);
        let group = u32::try_from(run).expect("runs are counted in u32");
        let columns = &mut self.metrics[metric];
        columns.found |= summaries.iter().any(|summary| summary.count > 0);
        columns.groups.push(group, of.labels, summaries);
    }

    fn merge(&mut self, other: MetricGroups<'_>) {
        for (columns, others) in self.metrics.iter_mut().zip(other.metrics) {
            columns.groups.merge(others.groups);
            columns.found |= others.found;
        }
    }

    fn finish(self) -> MetricValues {
        let missing = self.metrics.iter().filter(|of| !of.found).map(|of| of.metric.to_string()).collect();
        let of = |RunMetric { metric, aggregates, groups, .. }: RunMetric<'_>| {
            let columns = aggregates.iter().copied().zip(groups.finish());
            columns.map(|(aggregate, column)| (metric.to_string(), aggregate, column)).collect::<Vec<_>>()
        };
        MetricValues { columns: self.metrics.into_iter().flat_map(of).collect(), missing }
    }
}

/// Columns of values, with one row per run.
struct MetricValues {
    columns: Vec<(String, Aggregate, ArrayRef)>,
    /// The metrics of which no run has a point.
    missing: Vec<String>,
}

impl MetricValues {
    fn column(&self, metric: &str, aggregate: Aggregate) -> ArrayRef {
        let column = self.columns.iter().find(|(name, of, _)| name == metric && *of == aggregate);
        column.expect("each column was asked for").2.clone()
    }
}

fn ids(runs: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(runs))
}

/// The rows of a page, in order.
fn order(
    keys: &[(ArrayRef, bool)],
    runs: usize,
    page: &RunPage,
) -> std::result::Result<UInt32Array, ArrowError> {
    let end = page.limit.map_or(runs, |limit| page.offset.saturating_add(limit).min(runs));
    let all = u32::try_from(runs).map_err(|e| ArrowError::ComputeError(e.to_string()))?;
    if keys.is_empty() {
        return Ok(UInt32Array::from_iter_values((0..all).take(end).skip(page.offset)));
    }
    let mut columns = Vec::with_capacity(keys.len() + 1);
    for (values, descending) in keys {
        let options = SortOptions { descending: *descending, nulls_first: false };
        columns.push(SortColumn { values: not_nan(values)?, options: Some(options) });
    }
    // The sort alone is not stable.
    columns.push(SortColumn { values: Arc::new(UInt32Array::from_iter_values(0..all)), options: None });
    let sorted = lexsort_to_indices(&columns, Some(end))?;
    Ok(sorted.slice(page.offset.min(sorted.len()), sorted.len().saturating_sub(page.offset)))
}
