//! `chart`: series as lines, in the terminal or as SVG; their buckets as rows for programs.
//!
//! One chart a metric. Buckets come from the store's chart query (by step), or from an aggregation by time buckets; both
//! become the plain buckets that the drawings take.

use crate::args::{Chart, Format, XAxis};
use crate::context::Context;
use crate::draw::chart::{Bucket, Chart as Drawing, Line, XUnit};
use crate::draw::{line::terminal, svg::svg};
use crate::failure::{Failure, Outcome};
use crate::output::{Columns, print, print_text};
use crate::selection::short_names;
use crate::table::{printable, terminal_width};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidalite::{Aggregate, By, Labels, Select, SeriesKey};

/// Charts drawn in the terminal at once, and lines in a chart; what is more is named, not drawn.
const CHARTS_MAX: usize = 6;
const LINES_MAX: usize = 24;
/// Size in the terminal where it is not known or not given, in characters.
const TERMINAL_SIZE: (u32, u32) = (100, 16);
/// Size of an SVG where it is not given, in pixels.
const SVG_SIZE: (u32, u32) = (800, 450);

/// A bucket with all that programs may want of it; the drawings take less.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// A step, or µs since 1970.
    start: i64,
    count: i64,
    nonfinite: i64,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    first: Option<f64>,
    last: Option<f64>,
}

type Series = Vec<(SeriesKey, Vec<Row>)>;

/// Runs the command.
pub(crate) fn run(context: &Context, args: &Chart) -> Outcome {
    let format = context.format()?;
    let snapshot = context.read(&args.path)?.snapshot()?;
    let columns = args.width.or_else(|| terminal_width().and_then(|w| u32::try_from(w).ok()));
    let size = match &args.svg {
        Some(_) => (args.width.unwrap_or(SVG_SIZE.0), args.height.unwrap_or(SVG_SIZE.1)),
        None => (columns.unwrap_or(TERMINAL_SIZE.0), args.height.unwrap_or(TERMINAL_SIZE.1)),
    };
    // A character holds two dots, a pixel one; twice as many buckets as can be told apart would be noise.
    let shown = if args.svg.is_some() { size.0 / 2 } else { size.0 * 2 };
    let buckets = args.buckets.unwrap_or(shown).max(1) as usize;
    let select = args.selection.over(&snapshot);
    let series = match args.x {
        XAxis::Step => by_step(&select, buckets)?,
        XAxis::Time => by_time(&select, buckets)?,
    };
    if series.is_empty() {
        return Err(args.selection.nothing(&snapshot)?);
    }
    if format != Format::Table {
        return print(&table(&series, args.x), format, None);
    }
    draw(context, args, &series, size)
}

fn draw(context: &Context, args: &Chart, series: &Series, size: (u32, u32)) -> Outcome {
    let mut metrics: BTreeMap<Arc<str>, Vec<&(SeriesKey, Vec<Row>)>> = BTreeMap::new();
    for one in series {
        metrics.entry(one.0.metric.clone()).or_default().push(one);
    }
    if let Some(file) = &args.svg {
        if metrics.len() > 1 {
            let names: Vec<String> = metrics.keys().take(8).map(|m| printable(m)).collect();
            let more = if metrics.len() > 8 { ", …" } else { "" };
            let names = format!("{}{more}", names.join(", "));
            return Err(Failure::Usage(format!("an SVG shows one metric; choose with -m among {names}")));
        }
        let drawing = drawing(args, &series.iter().collect::<Vec<_>>(), origin(series));
        let text = svg(&drawing, size.0, size.1);
        std::fs::write(file, text).map_err(|e| Failure::Other(format!("write {}: {e}", file.display())))?;
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
            text.push_str(&format!("{more} series more are not drawn; choose with -r and -l\n"));
        }
    }
    print_text(&text)?;
    if metrics.len() > CHARTS_MAX {
        let names: Vec<String> = metrics.keys().skip(CHARTS_MAX).take(8).map(|m| printable(m)).collect();
        let more = if metrics.len() > CHARTS_MAX + 8 { ", …" } else { "" };
        context.note(&format!("not drawn; choose with -m: {}{more}", names.join(", ")));
    }
    Ok(())
}

/// The earliest bucket: where a time axis begins.
fn origin(series: &Series) -> i64 {
    series.iter().filter_map(|(_, rows)| rows.first()).map(|r| r.start).min().unwrap_or(0)
}

fn drawing(args: &Chart, series: &[&(SeriesKey, Vec<Row>)], origin: i64) -> Drawing {
    let keys: Vec<&SeriesKey> = series.iter().map(|s| &s.0).collect();
    let x = |start: i64| match args.x {
        XAxis::Step => start as f64,
        XAxis::Time => (start - origin) as f64 / 1e6,
    };
    let bucket = |r: &Row| Bucket {
        x: x(r.start),
        lo: r.min.unwrap_or(f64::NAN),
        hi: r.max.unwrap_or(f64::NAN),
        mean: r.mean.unwrap_or(f64::NAN),
        nonfinite: r.nonfinite > 0,
    };
    let named = short_names(&keys).into_iter().zip(series);
    let (x_name, x_unit) = match args.x {
        XAxis::Step => ("step", XUnit::Number),
        XAxis::Time => ("time", XUnit::Seconds),
    };
    Drawing {
        y_name: keys.first().map_or(String::new(), |k| k.metric.to_string()),
        x_name: x_name.into(),
        x_unit,
        log_y: args.log_y,
        band: args.band,
        lines: named.map(|(name, (_, rows))| Line { name, points: rows.iter().map(bucket).collect() }).collect(),
        ..Drawing::default()
    }
}

fn by_step(select: &Select, buckets: usize) -> Outcome<Series> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut series = Series::new();
    for (key, chart) in select.chart(buckets)? {
        let rows = chart.buckets.iter().map(|b| Row {
            start: b.start,
            count: count(b.count),
            nonfinite: count(b.nonfinite),
            min: b.min,
            max: b.max,
            mean: b.mean,
            first: Some(b.first),
            last: Some(b.last),
        });
        series.push((key, rows.collect()));
    }
    Ok(series)
}

/// Buckets of time whose width is the least round one that gives at most so many.
fn by_time(select: &Select, buckets: usize) -> Outcome<Series> {
    let summaries = select.summaries()?;
    let first = summaries.iter().filter_map(|(_, s)| s.time_min_us).min();
    let last = summaries.iter().filter_map(|(_, s)| s.time_max_us).max();
    let Some((first, last)) = first.zip(last) else { return Ok(Vec::new()) };
    let width = (last.abs_diff(first) / buckets as u64).max(1).next_power_of_two();
    let by = [By::Run, By::Metric, By::Labels, By::TimeBucket(width)];
    let wanted = [
        Aggregate::Count,
        Aggregate::Finite,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Mean,
        Aggregate::First,
        Aggregate::Last,
    ];
    let batch = select.aggregate(&wanted, &by)?;
    rows_of(&batch)
}

fn rows_of(batch: &RecordBatch) -> Outcome<Series> {
    let column = |i: usize| batch.column(i);
    let text = |i: usize| arrow::compute::cast(column(i), &arrow::datatypes::DataType::Utf8);
    let wrong = |e: arrow::error::ArrowError| Failure::Other(format!("read aggregates: {e}"));
    let (runs, metrics, labels) = (text(0).map_err(wrong)?, text(1).map_err(wrong)?, text(2).map_err(wrong)?);
    let starts = column(3).as_primitive::<TimestampMicrosecondType>();
    let count = |i: usize, row: usize| column(i).as_primitive::<Int64Type>().value(row);
    let float = |i: usize, row: usize| {
        let array = column(i).as_primitive::<Float64Type>();
        array.is_valid(row).then(|| array.value(row))
    };
    let mut series: Series = Vec::new();
    for row in 0..batch.num_rows() {
        let word = |a: &Arc<dyn Array>| a.as_string::<i32>().value(row).to_owned();
        let key = SeriesKey::new(word(&runs), word(&metrics), Labels::parse(&word(&labels))?);
        let bucket = Row {
            start: starts.value(row),
            count: count(4, row),
            nonfinite: count(4, row) - count(5, row),
            min: float(6, row),
            max: float(7, row),
            mean: float(8, row),
            first: float(9, row),
            last: float(10, row),
        };
        match series.last_mut() {
            Some((last, rows)) if *last == key => rows.push(bucket),
            _ => series.push((key, vec![bucket])),
        }
    }
    Ok(series)
}

fn table(series: &Series, x: XAxis) -> RecordBatch {
    let all = || series.iter().flat_map(|(key, rows)| rows.iter().map(move |row| (key, row)));
    let columns = Columns::default()
        .text("run", all().map(|(k, _)| Some(&*k.run)))
        .text("metric", all().map(|(k, _)| Some(&*k.metric)))
        .text("labels", all().map(|(k, _)| Some(k.labels.as_str())));
    let columns = match x {
        XAxis::Step => columns.int("step", all().map(|(_, r)| r.start)),
        XAxis::Time => columns.time("time", all().map(|(_, r)| Some(r.start))),
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
