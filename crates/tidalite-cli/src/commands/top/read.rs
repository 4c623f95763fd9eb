//! From a snapshot to what is drawn. Of metrics, only what the screen shows is read: the runs on it and the charts on it.

use super::data::{TopCell, TopData, TopRow, TopShown};
use super::layout::{ChartGrid, TopColumns};
use super::machine::readings;
use super::metrics::{TELEMETRY, TopMetrics, of_runs};
use super::rates::TopRates;
use super::source::TopSource;
use super::state::{TopOrder, TopPage, TopState};
use crate::args::TopArgs;
use crate::draw::chart::{Chart, ChartLine, LineBucket};
use crate::error::CliResult;
use crate::selection::short_names;
use crate::text::{number, short_number};
use arrow::array::AsArray;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tidalite::{
    Aggregate, ChartBuckets, History, Param, Pattern, RunColumn, RunInfo, RunPage, RunSort, SeriesKey,
    Status, Summary,
};

/// Buckets of a sparkline; at least half as many come.
const TREND_BUCKETS: usize = 64;
/// The most series in a chart.
const LINES_MAX: usize = 8;

/// Series by run and metric, each with its trend.
type Series<'a> = HashMap<(&'a str, &'a str), (Summary, Vec<f64>)>;

/// What is remembered between readings.
#[derive(Debug, Default)]
pub(super) struct TopReader {
    metrics: TopMetrics,
    rates: TopRates,
}

/// The size of the area for runs or charts, in characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopArea {
    pub(super) width: usize,
    pub(super) height: usize,
}

impl TopReader {
    /// Reads what `state` shows.
    pub(super) fn read(
        &mut self,
        source: &TopSource,
        args: &TopArgs,
        state: &mut TopState,
        area: TopArea,
        now_us: i64,
    ) -> CliResult<(TopData, TopShown)> {
        let all = source.snapshot.runs()?;
        let mut data = TopData {
            store: args.store.display().to_string(),
            runs: all.len(),
            running: all.iter().filter(|run| run.status == Status::Running).count(),
            ..TopData::default()
        };
        let mut runs = filtered(source, all, args, &state.filter)?;
        data.left = runs.len();
        runs.sort_by_key(|run| (run.status != Status::Running, Reverse(run.started_us)));
        self.metrics.choose(source, runs.iter().map(|run| &*run.id), &args.metrics)?;
        order(source, &mut runs, state.order, &self.metrics.names)?;
        state.settle(runs.iter().map(|run| &*run.id), area.height);
        let mut shown = TopShown { runs: runs.len(), rows: area.height, ..TopShown::default() };
        let visible = match state.page {
            TopPage::Runs => &runs[state.first..(state.first + area.height).min(runs.len())],
            TopPage::Charts => &runs[state.selected.min(runs.len())..(state.selected + 1).min(runs.len())],
        };
        let ids = visible.iter().map(|run| run.id.chars().count()).max().unwrap_or(0);
        shown.columns = TopColumns::fitting(area.width, ids, self.metrics.names.len()).metrics;
        data.metrics = self.metrics.names[..shown.columns].to_vec();
        data.remarks = self.metrics.remarks.clone();
        data.rows = self.rows(source, visible, &data.metrics, now_us)?;
        if let Some(run) = runs.get(state.selected) {
            data.machine = readings(source, &run.id)?;
            if state.page == TopPage::Charts {
                charts(source, &run.id, &self.metrics.names, state, area, &mut data, &mut shown)?;
            }
        }
        Ok((data, shown))
    }

    /// The rows of runs: their facts, last values and sparklines.
    fn rows(
        &mut self,
        source: &TopSource,
        runs: &[RunInfo],
        metrics: &[String],
        now_us: i64,
    ) -> CliResult<Vec<TopRow>> {
        let ids: Vec<&str> = runs.iter().map(|run| &*run.id).collect();
        let mut found: Series<'_> = HashMap::new();
        let mut last_us: HashMap<String, i64> = HashMap::new();
        let (summaries, charts) = if ids.is_empty() || metrics.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            let select = of_runs(source, &ids);
            let select =
                metrics.iter().fold(select, |select, name| select.metrics(Pattern::exact(name.as_str())));
            (select.summaries()?, select.chart(TREND_BUCKETS)?)
        };
        // Of several series, the first in the order of labels stands for the metric.
        for (key, summary) in &summaries {
            let trend = charts.binary_search_by(|(other, _)| other.cmp(key)).ok();
            let trend = trend.map(|at| means(&charts[at].1)).unwrap_or_default();
            found.entry((&*key.run, &*key.metric)).or_insert_with(|| (summary.clone(), trend));
            let latest = last_us.entry(key.run.to_string()).or_insert(i64::MIN);
            *latest = summary.time_max_us.map_or(*latest, |time| time.max(*latest));
        }
        let without: Vec<&str> = ids.iter().copied().filter(|id| !last_us.contains_key(*id)).collect();
        let mut steps: BTreeMap<String, i64> = BTreeMap::new();
        if !without.is_empty() {
            for (run, totals) in of_runs(source, &without).history(History::Own).run_totals()? {
                steps.extend(totals.last_step.map(|step| (run.clone(), step)));
                last_us.extend(totals.last_time_us.map(|time| (run, time)));
            }
        }
        self.rates.keep(ids.iter().copied());
        let seconds = |since: i64| now_us.saturating_sub(since).max(0) as f64 / 1e6;
        let rows = runs.iter().map(|run| {
            let first = metrics.iter().find_map(|metric| series_of(&found, &run.id, metric));
            let logged = run.participants.iter().filter_map(|p| p.last_step).max();
            TopRow {
                id: run.id.clone(),
                name: run.name.clone(),
                status: run.status,
                reason: run.reason.clone(),
                age: run.started_us.map(seconds),
                idle: last_us.get(&run.id).copied().map(seconds),
                step: first
                    .and_then(|(s, _)| s.last.as_ref())
                    .map(|last| last.step)
                    .max(logged)
                    .or(steps.get(&run.id).copied()),
                rate: first.and_then(|(summary, _)| self.rates.of(&run.id, summary)),
                cells: metrics.iter().map(|metric| cell(series_of(&found, &run.id, metric))).collect(),
                params: params(run),
            }
        });
        Ok(rows.collect())
    }
}

/// The series that stands for a metric of a run, and its trend.
fn series_of<'a>(found: &'a Series<'_>, run: &'a str, metric: &'a str) -> Option<&'a (Summary, Vec<f64>)> {
    found.get(&(run, metric))
}

fn cell(found: Option<&(Summary, Vec<f64>)>) -> TopCell {
    let Some((summary, trend)) = found else { return TopCell::default() };
    TopCell { last: summary.last.as_ref().map(|last| last.value), trend: trend.clone() }
}

fn means(chart: &ChartBuckets) -> Vec<f64> {
    chart.buckets.iter().map(|bucket| bucket.mean.unwrap_or(f64::NAN)).collect()
}

fn params(run: &RunInfo) -> String {
    let text = |param: &Param| match param {
        Param::Text(text) => text.clone(),
        Param::Float(x) => number(*x),
        other => other.to_string(),
    };
    run.params.iter().map(|(name, param)| format!("{name}={}", text(param))).collect::<Vec<_>>().join("  ")
}

/// The runs that the arguments and the text choose.
fn filtered(
    source: &TopSource,
    mut runs: Vec<RunInfo>,
    args: &TopArgs,
    text: &str,
) -> CliResult<Vec<RunInfo>> {
    if !args.runs.is_empty() {
        let mut matching = BTreeSet::new();
        for pattern in &args.runs {
            matching.extend(source.snapshot.runs_matching(pattern)?.into_iter().map(|run| run.id));
        }
        runs.retain(|run| matching.contains(&run.id));
    }
    runs.retain(|run| args.filters.iter().all(|filter| filter.matches(run)));
    let text = text.to_lowercase();
    let within = |words: &str| words.to_lowercase().contains(&text);
    runs.retain(|run| {
        text.is_empty()
            || within(&run.id)
            || within(run.status.as_str())
            || run.name.as_deref().is_some_and(within)
            || run.group.as_deref().is_some_and(within)
            || run.tags.iter().any(|tag| within(tag))
    });
    Ok(runs)
}

/// Sorts runs, which have the newest first.
fn order(source: &TopSource, runs: &mut [RunInfo], order: TopOrder, metrics: &[String]) -> CliResult {
    let metric = match order {
        TopOrder::Newest => return Ok(()),
        TopOrder::Id => None,
        TopOrder::Value(at) => metrics.get(at),
    };
    let Some(metric) = metric else {
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        return Ok(());
    };
    let column = RunColumn::Metric(metric.clone(), Aggregate::Last);
    let page = RunPage { order: vec![RunSort { column, descending: false }], ..RunPage::default() };
    let list = source.select.clone().list_runs(&[], &page)?;
    let ids = list.rows.column(0).as_string::<i32>();
    let places: HashMap<&str, usize> = ids.iter().flatten().zip(0..).collect();
    runs.sort_by_key(|run| places.get(&*run.id).copied().unwrap_or(usize::MAX));
    Ok(())
}

/// The charts of a run that are on the screen: of the metrics in columns, then the others, and telemetry last.
fn charts(
    source: &TopSource,
    run: &str,
    first: &[String],
    state: &TopState,
    area: TopArea,
    data: &mut TopData,
    shown: &mut TopShown,
) -> CliResult {
    let select = of_runs(source, &[run]);
    let mut series: BTreeMap<String, usize> = BTreeMap::new();
    let mut last: HashMap<SeriesKey, Option<(i64, f64)>> = HashMap::new();
    for (key, summary) in select.summaries()? {
        *series.entry(key.metric.to_string()).or_default() += 1;
        last.insert(key, summary.last.as_ref().map(|point| (point.step, point.value)));
    }
    let mut names: Vec<&String> = series.keys().collect();
    names.sort_by_key(|name| {
        let place = first.iter().position(|other| other == *name).unwrap_or(usize::MAX);
        (place, name.starts_with(TELEMETRY))
    });
    let grid = ChartGrid::fitting(area.width, area.height, names.len());
    (shown.charts, shown.charts_on_screen, shown.chart_columns) =
        (names.len(), grid.on_screen(), grid.columns);
    data.charts_in_all = names.len();
    let from = state.first_chart.min(shown.charts_past_screen() - 1);
    let names: Vec<&String> = names.into_iter().skip(from).take(grid.on_screen()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let select = names.iter().fold(select, |select, name| select.metrics(Pattern::exact(name.as_str())));
    let found = select.chart(grid.width * 2)?;
    for name in names {
        let lines: Vec<_> = found.iter().filter(|(key, _)| *key.metric == **name).take(LINES_MAX).collect();
        let keys: Vec<&SeriesKey> = lines.iter().map(|(key, _)| key).collect();
        let labels = if keys.len() > 1 { short_names(&keys) } else { vec![String::new(); keys.len()] };
        let line = |((key, chart), label): (&&(SeriesKey, ChartBuckets), String)| {
            let end = last.get(key).copied().flatten();
            let end =
                end.map(|(step, value)| format!("{} at {step}", short_number(value))).unwrap_or_default();
            ChartLine { name: format!("{label} {end}").trim().to_string(), points: buckets(chart) }
        };
        let more = series[name].saturating_sub(LINES_MAX);
        data.charts.push(Chart {
            y_name: if more > 0 { format!("{name} ({more} more series)") } else { name.clone() },
            x_name: "step".into(),
            lines: lines.iter().zip(labels).map(line).collect(),
            ..Chart::default()
        });
    }
    Ok(())
}

fn buckets(chart: &ChartBuckets) -> Vec<LineBucket> {
    let bucket = |bucket: &tidalite::ChartBucket| LineBucket {
        x: bucket.start as f64,
        lo: bucket.min.unwrap_or(f64::NAN),
        hi: bucket.max.unwrap_or(f64::NAN),
        mean: bucket.mean.unwrap_or(f64::NAN),
        nonfinite: bucket.nonfinite > 0,
    };
    chart.buckets.iter().map(bucket).collect()
}
