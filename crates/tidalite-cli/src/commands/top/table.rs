//! Draws the page of runs: the table, the machine of the selected run, remarks, and the lines at the top and the bottom.

use super::cells::{cut, ending, left, right, span, step, value};
use super::data::{TopCell, TopData, TopRow};
use super::layout::{GAP, RATE, SPAN, STATUS, STEP, TopColumns, VALUE};
use super::state::{TopOrder, TopState};
use crate::draw::spark::spark;
use crate::text::counted;
use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::text::{Line, Span};
use tidalite::Status;

const KEYS: &str = "↑↓ select   Enter charts   s order   / filter   ? help   q quit";

/// The lines of the page of runs above the table, without its heading.
pub(super) fn head(data: &TopData, state: &TopState, width: usize) -> Vec<Line<'static>> {
    let counts = format!("{} running of {}", data.running, counted(data.runs, "run"));
    let order = match state.order {
        TopOrder::Newest => String::new(),
        TopOrder::Id => "by id".to_string(),
        TopOrder::Value(at) => format!("by {}", data.metrics.get(at).map_or("", String::as_str)),
    };
    let texts = [format!("tidalite top {}", data.store), counts, order];
    let texts: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    let mut lines = vec![Line::styled(cut(&texts.join("   "), width), bold())];
    if state.typing || !state.filter.is_empty() {
        let cursor = if state.typing { "█" } else { "" };
        let left = format!("{} of {}", data.left, counted(data.runs, "run"));
        lines.push(Line::raw(cut(&format!("/{}{cursor}   {left}", state.filter), width)));
    }
    lines
}

/// The heading and the rows. `selected` is the row to mark.
pub(super) fn table(data: &TopData, selected: Option<usize>, width: usize) -> Vec<Line<'static>> {
    let ids = data.rows.iter().map(|row| row.id.chars().count()).max().unwrap_or(0);
    let columns = TopColumns::fitting(width, ids, data.metrics.len());
    let mut lines = vec![heading(&columns, &data.metrics)];
    if data.rows.is_empty() {
        let text = if data.runs == 0 { "the store has no runs yet" } else { "no run matches" };
        lines.push(Line::raw(cut(text, width)));
    }
    lines.extend(data.rows.iter().enumerate().map(|(i, row)| {
        let line = Line::from(spans(row, &columns));
        if selected == Some(i) { line.style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
    }));
    lines
}

fn heading(columns: &TopColumns, metrics: &[String]) -> Line<'static> {
    let gap = " ".repeat(GAP);
    let mut words = vec![left("run", columns.id), left("status", STATUS)];
    words.extend(columns.age.then(|| right("age", SPAN)));
    words.extend(columns.idle.then(|| right("idle", SPAN)));
    words.extend(columns.step.then(|| right("step", STEP)));
    words.extend(columns.rate.then(|| right("steps/s", RATE)));
    // Above the value at the right, and above the sparkline where the name is longer.
    words.extend(metrics.iter().take(columns.metrics).map(|name| {
        let name = ending(name, VALUE + 1 + columns.spark);
        let name = name.trim_end();
        let space = VALUE.saturating_sub(name.chars().count());
        left(&format!("{}{name}", " ".repeat(space)), VALUE + 1 + columns.spark)
    }));
    Line::styled(words.join(&gap).trim_end().to_string(), Style::new().add_modifier(Modifier::UNDERLINED))
}

fn spans(row: &TopRow, columns: &TopColumns) -> Vec<Span<'static>> {
    let none = || "–".to_string();
    let mut cells = vec![
        Span::raw(left(&row.id, columns.id)),
        Span::styled(left(row.status.as_str(), STATUS), status_style(row.status)),
    ];
    let right = |text: Option<String>, width| Span::raw(right(&text.unwrap_or_else(none), width));
    cells.extend(columns.age.then(|| right(row.age.map(span), SPAN)));
    cells.extend(columns.idle.then(|| right(row.idle.map(span), SPAN)));
    cells.extend(columns.step.then(|| right(row.step.map(step), STEP)));
    cells.extend(columns.rate.then(|| right(row.rate.map(value), RATE)));
    let mut spans: Vec<Span<'static>> = Vec::new();
    for cell in cells {
        if !spans.is_empty() {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        spans.push(cell);
    }
    for cell in row.cells.iter().take(columns.metrics) {
        let TopCell { last, trend } = cell;
        spans.push(Span::raw(" ".repeat(GAP)));
        spans.push(right(last.map(value), VALUE));
        let drawn = left(&spark(trend, columns.spark), columns.spark);
        spans.push(Span::styled(format!(" {drawn}"), Style::new().fg(Color::Cyan)));
    }
    spans
}

pub(super) fn status_style(status: Status) -> Style {
    match status {
        Status::Running => Style::new().fg(Color::Green),
        Status::Failed => Style::new().fg(Color::Red),
        Status::Lost => Style::new().fg(Color::Yellow),
        _ => Style::new(),
    }
}

/// The machine of a run, in as many lines as it takes.
pub(super) fn machine(data: &TopData, run: Option<&TopRow>, width: usize) -> Vec<Line<'static>> {
    let Some(run) = run.filter(|_| !data.machine.is_empty()) else { return Vec::new() };
    let mut lines = vec![format!("{}:", run.id)];
    for text in &data.machine {
        let last = lines.last_mut().expect("there is one");
        if last.chars().count() + 3 + text.chars().count() <= width || last.trim().is_empty() {
            last.push_str(&format!("{}{text}", if last.ends_with(':') { " " } else { "   " }));
        } else {
            lines.push(format!("  {text}"));
        }
    }
    lines.into_iter().map(|line| Line::raw(cut(&line, width))).collect()
}

pub(super) fn remarks(data: &TopData, width: usize) -> Vec<Line<'static>> {
    let style = Style::new().fg(Color::Yellow);
    data.remarks.iter().map(|remark| Line::styled(cut(remark, width), style)).collect()
}

/// What the keys do, in one line.
pub(super) fn keys(state: &TopState, width: usize) -> Line<'static> {
    let text = if state.typing { "type a text   Enter keep   Esc clear" } else { KEYS };
    Line::styled(cut(text, width), dim())
}

/// What the keys and the columns mean.
pub(super) fn help(width: usize) -> Vec<Line<'static>> {
    let lines = [
        "up, down, j, k     select a run, or scroll the charts",
        "PageUp, PageDown   by a screen; Home and End go to the first and the last",
        "Enter              the metrics of the selected run as charts, and back",
        "s                  order: running and newest first, by id, by the last value of each metric shown",
        "/                  only runs with a text in the id, name, group, status or a tag; Esc clears it",
        "Esc                back; on the first page quit",
        "q, Ctrl-C          quit",
        "",
        "age                time since the run began",
        "idle               time since its last point",
        "steps/s            over the last half minute, or on average",
        "",
        "Any key closes this help.",
    ];
    lines.iter().map(|line| Line::raw(cut(line, width))).collect()
}

pub(super) fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

pub(super) fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}
