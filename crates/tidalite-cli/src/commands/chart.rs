//! `chart`: draws series as lines, in the terminal or as SVG; programs get the buckets as rows.
//!
//! One chart per metric. The engine aggregates the series into buckets of steps, of time, or of another x-axis.

use crate::args::{ChartArgs, Format};
use crate::context::{Context, complete_answer};
use crate::draw::chart::{Chart, ChartLine, LineBucket, XUnit};
use crate::draw::{line::terminal, svg::svg};
use crate::error::{CliError, CliResult};
use crate::output::{AnswerColumns, print, print_text};
use crate::selection::short_names;
use crate::table::terminal_width;
use crate::text::printable;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidalite::{Aggregate, By, Labels, Selection, SeriesKey, Snapshot, XAxis};

/// The most charts in the terminal, and the most lines in a chart. Further ones are listed, not drawn.
const CHARTS_MAX: usize = 6;
const LINES_MAX: usize = 24;
/// Default size in the terminal, in characters.
const TERMINAL_SIZE: (u32, u32) = (100, 16);
/// Default size of an SVG, in pixels.
const SVG_SIZE: (u32, u32) = (800, 450);

/// A bucket of a series.
#[derive(Debug, Clone, Copy)]
struct ChartRow {
    /// The step, or the time in µs since 1970; 0 on other axes.
    start: i64,
    /// The position on another axis; 0 on steps and time.
    x: f64,
    count: i64,
    nonfinite: i64,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    first: Option<f64>,
    last: Option<f64>,
}

type ChartSeries = Vec<(SeriesKey, Vec<ChartRow>)>;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &ChartArgs) -> CliResult {
    let format = context.format()?;
    let snapshot = context.snapshot(&context.read(&args.store)?)?;
    let select = args.selection.over(&snapshot);
    complete_answer(&select, answer(context, args, &snapshot, &select, format))
}

fn answer(
    context: &Context,
    args: &ChartArgs,
    snapshot: &Snapshot,
    select: &Selection,
    format: Format,
) -> CliResult {
    let columns = args.width.or_else(|| terminal_width().and_then(|w| u32::try_from(w).ok()));
    let size = match &args.svg {
        Some(_) => (args.width.unwrap_or(SVG_SIZE.0), args.height.unwrap_or(SVG_SIZE.1)),
        None => (columns.unwrap_or(TERMINAL_SIZE.0), args.height.unwrap_or(TERMINAL_SIZE.1)),
    };
    // A character is two dots wide. A line is about two pixels wide.
    let shown = if args.svg.is_some() { size.0 / 2 } else { size.0 * 2 };
    let buckets = args.buckets.unwrap_or(shown).max(1) as usize;
    if matches!(args.x, XAxis::Elapsed) || args.x.metric().is_some() {
        let batch = select.over(args.x.clone()).chart(buckets)?;
        if batch.num_rows() == 0 {
            return Err(args.selection.nothing_over(&args.x, snapshot)?);
        }
        if format != Format::Table {
            return print(&batch, format, None);
        }
        return draw(context, args, &rows_over(&batch)?, size);
    }
    let series = bucketed(select, &args.x, buckets)?;
    if series.is_empty() {
        return Err(args.selection.nothing(snapshot)?);
    }
    if format != Format::Table {
        return print(&table(&series, &args.x), format, None);
    }
    draw(context, args, &series, size)
}

fn draw(context: &Context, args: &ChartArgs, series: &ChartSeries, size: (u32, u32)) -> CliResult {
    let mut metrics: BTreeMap<Arc<str>, Vec<&(SeriesKey, Vec<ChartRow>)>> = BTreeMap::new();
    for one in series {
        metrics.entry(one.0.metric.clone()).or_default().push(one);
    }
    if let Some(file) = &args.svg {
        if metrics.len() > 1 {
            let names: Vec<String> = metrics.keys().take(8).map(|m| printable(m)).collect();
            let more = if metrics.len() > 8 { ", …" } else { "" };
            let names = format!("{}{more}", names.join(", "));
            return Err(CliError::Usage(format!("an SVG shows one metric; select one with -m: {names}")));
        }
        let drawing = drawing(args, &series.iter().collect::<Vec<_>>(), origin(series));
        let text = svg(&drawing, size.0, size.1);
        std::fs::write(file, text).map_err(|e| CliError::Other(format!("write {}: {e}", file.display())))?;
        context.note(&format!("drew {} series to {}", drawing.lines.len(), file.display()));
        return Ok(());
    }
    let mut text = String::new();
    for (i, lines) in metrics.values().take(CHARTS_MAX).enumerate() {
        text.push_str(if i > 0 { "\n" } else { "" });
        let shown = &lines[..lines.len().min(LINES_MAX)];
        let drawing = drawing(args, shown, origin(series));
        text.push_str(&terminal(&drawing, size.0 as usize, size.1 as usize, context.color()));
        if lines.len() > shown.len() {
            let more = lines.len() - shown.len();
            text.push_str(&format!("{more} more series are not drawn; select some with -r and -l\n"));
        }
    }
    print_text(&text)?;
    if metrics.len() > CHARTS_MAX {
        let names: Vec<String> = metrics.keys().skip(CHARTS_MAX).take(8).map(|m| printable(m)).collect();
        let more = if metrics.len() > CHARTS_MAX + 8 { ", …" } else { "" };
        context.note(&format!("metrics not drawn; select some with -m: {}{more}", names.join(", ")));
    }
    Ok(())
}

/// The start of the earliest bucket, where a time axis begins.
fn origin(series: &ChartSeries) -> i64 {
    series.iter().filter_map(|(_, rows)| rows.first()).map(|r| r.start).min().unwrap_or(0)
}

fn drawing(args: &ChartArgs, series: &[&(SeriesKey, Vec<ChartRow>)], origin: i64) -> Chart {
    let keys: Vec<&SeriesKey> = series.iter().map(|s| &s.0).collect();
    let x = |r: &ChartRow| match args.x {
        XAxis::Step => r.start as f64,
        XAxis::Time => (r.start - origin) as f64 / 1e6,
        _ => r.x,
    };
    let bucket = |r: &ChartRow| LineBucket {
        x: x(r),
        lo: r.min.unwrap_or(f64::NAN),
        hi: r.max.unwrap_or(f64::NAN),
        mean: r.mean.unwrap_or(f64::NAN),
        nonfinite: r.nonfinite > 0,
    };
    let named = short_names(&keys).into_iter().zip(series);
    let (x_name, x_unit) = match &args.x {
        XAxis::Time => ("time", XUnit::Seconds),
        XAxis::Elapsed => ("elapsed", XUnit::Seconds),
        XAxis::Metric(name) | XAxis::NextMetric(name) => (name.as_str(), XUnit::Number),
        _ => ("step", XUnit::Number),
    };
    Chart {
        y_name: keys.first().map_or(String::new(), |k| k.metric.to_string()),
        x_name: x_name.into(),
        x_unit,
        log_y: args.log_y,
        band: args.band,
        lines: named
            .map(|(name, (_, rows))| ChartLine { name, points: rows.iter().map(bucket).collect() })
            .collect(),
        ..Chart::default()
    }
}

/// Aggregates all series into buckets of the same width, so that their lines are equally smooth. The width is the least
/// power of two that gives each series at most the given number of buckets.
fn bucketed(select: &Selection, x: &XAxis, buckets: usize) -> CliResult<ChartSeries> {
    let summaries = select.summaries()?;
    let ends = summaries.iter().filter_map(|(_, s)| match x {
        XAxis::Time => s.time_min_us.zip(s.time_max_us),
        _ => s.first.zip(s.last).map(|(first, last)| (first.step, last.step)),
    });
    let Some((first, last)) = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else { return Ok(Vec::new()) };
    let width = width(first, last, buckets);
    let bucket = match x {
        XAxis::Time => By::TimeBucket(width),
        _ => By::StepBucket(width),
    };
    let wanted = [
        Aggregate::Count,
        Aggregate::Finite,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Mean,
        Aggregate::First,
        Aggregate::Last,
    ];
    rows_of(&select.aggregate(&wanted, &[By::Run, By::Metric, By::Labels, bucket])?)
}

/// The least power of two such that at most `buckets` buckets, aligned at 0, cover `first` to `last`.
fn width(first: i64, last: i64, buckets: usize) -> u64 {
    let fits = |shift: &u32| {
        let index = |x: i64| i128::from(x).div_euclid(1 << shift);
        // A range that contains −1 and 0 needs two buckets at any width.
        index(last) - index(first) < i128::try_from(buckets.max(2)).unwrap_or(i128::MAX)
    };
    1 << (0..63).find(fits).unwrap_or(63)
}

fn rows_of(batch: &RecordBatch) -> CliResult<ChartSeries> {
    let column = |i: usize| batch.column(i);
    let text = |i: usize| arrow::compute::cast(column(i), &DataType::Utf8);
    let wrong = |e: arrow::error::ArrowError| CliError::Other(format!("read aggregates: {e}"));
    let (runs, metrics, labels) = (text(0).map_err(wrong)?, text(1).map_err(wrong)?, text(2).map_err(wrong)?);
    let starts = arrow::compute::cast(column(3), &DataType::Int64).map_err(wrong)?;
    let starts = starts.as_primitive::<Int64Type>();
    let count = |i: usize, row: usize| column(i).as_primitive::<Int64Type>().value(row);
    let float = |i: usize, row: usize| {
        let array = column(i).as_primitive::<Float64Type>();
        array.is_valid(row).then(|| array.value(row))
    };
    let mut series: ChartSeries = Vec::new();
    for row in 0..batch.num_rows() {
        let word = |a: &Arc<dyn Array>| a.as_string::<i32>().value(row).to_owned();
        let key = SeriesKey::new(word(&runs), word(&metrics), Labels::parse(&word(&labels))?);
        let bucket = ChartRow {
            start: starts.value(row),
            x: 0.0,
            count: count(4, row),
            nonfinite: count(4, row) - count(5, row),
            min: float(6, row),
            max: float(7, row),
            mean: float(8, row),
            first: float(9, row),
            last: float(10, row),
        };
        push(&mut series, key, bucket);
    }
    Ok(series)
}

/// The rows of a chart on another x-axis.
fn rows_over(batch: &RecordBatch) -> CliResult<ChartSeries> {
    let text = |name: &str| arrow::compute::cast(&batch[name], &DataType::Utf8);
    let wrong = |e: arrow::error::ArrowError| CliError::Other(format!("read chart: {e}"));
    let names = [text("run").map_err(wrong)?, text("metric").map_err(wrong)?, text("labels").map_err(wrong)?];
    let count = |name: &str, row: usize| batch[name].as_primitive::<Int64Type>().value(row);
    let float = |name: &str, row: usize| {
        let array = batch[name].as_primitive::<Float64Type>();
        array.is_valid(row).then(|| array.value(row))
    };
    let mut series: ChartSeries = Vec::new();
    for row in 0..batch.num_rows() {
        let word = |i: usize| names[i].as_string::<i32>().value(row).to_owned();
        let key = SeriesKey::new(word(0), word(1), Labels::parse(&word(2))?);
        let bucket = ChartRow {
            start: 0,
            x: float("x", row).unwrap_or_default(),
            count: count("count", row),
            nonfinite: count("nonfinite", row),
            min: float("min", row),
            max: float("max", row),
            mean: float("mean", row),
            first: float("first", row),
            last: float("last", row),
        };
        push(&mut series, key, bucket);
    }
    Ok(series)
}

fn push(series: &mut ChartSeries, key: SeriesKey, bucket: ChartRow) {
    match series.last_mut() {
        Some((last, rows)) if *last == key => rows.push(bucket),
        _ => series.push((key, vec![bucket])),
    }
}

fn table(series: &ChartSeries, x: &XAxis) -> RecordBatch {
    let all = || series.iter().flat_map(|(key, rows)| rows.iter().map(move |row| (key, row)));
    let columns = AnswerColumns::default()
        .text("run", all().map(|(k, _)| Some(&*k.run)))
        .text("metric", all().map(|(k, _)| Some(&*k.metric)))
        .text("labels", all().map(|(k, _)| Some(k.labels.as_str())));
    let columns = match x {
        XAxis::Time => columns.time("time", all().map(|(_, r)| Some(r.start))),
        _ => columns.int("step", all().map(|(_, r)| r.start)),
    };
    columns
        .int("count", all().map(|(_, r)| r.count))
        .int("nonfinite", all().map(|(_, r)| r.nonfinite))
        .float("min", all().map(|(_, r)| r.min))
        .float("max", all().map(|(_, r)| r.max))
        .float("mean", all().map(|(_, r)| r.mean))
        .float("first", all().map(|(_, r)| r.first))
        .float("last", all().map(|(_, r)| r.last))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_the_least_power_of_two_that_fits() {
        assert_eq!([width(0, 999, 1000), width(0, 1000, 1000), width(5, 5, 1)], [1, 2, 1]);
        assert_eq!(width(-1, 0, 1), 1, "a range around 0 needs two buckets");
        assert_eq!(width(i64::MIN, i64::MAX, 2), 1 << 63);
    }
}
