//! Draws the page of one run: its facts, and its metrics as charts beside and below each other.

use super::cells::{cut, left, span, step, value};
use super::data::TopData;
use super::layout::{ChartGrid, GAP};
use super::read::TopArea;
use super::state::TopState;
use super::table::{bold, dim, status_style};
use crate::draw::line::terminal;
use ratatui_core::style::Style;
use ratatui_core::text::{Line, Span};

/// The lines about the run.
pub(super) fn head(data: &TopData, width: usize) -> Vec<Line<'static>> {
    let Some(run) = data.rows.first() else { return vec![Line::raw("the run is gone")] };
    let name = run.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let facts = [
        run.reason.clone(),
        run.step.map(|at| format!("step {}", step(at))),
        run.rate.map(|rate| format!("{} steps/s", value(rate))),
        run.age.map(|age| format!("age {}", span(age))),
        run.idle.map(|idle| format!("idle {}", span(idle))),
    ];
    let status = run.status.as_str();
    let title = cut(&format!("{}{name}", run.id), width.saturating_sub(status.len() + GAP));
    let facts = facts.into_iter().flatten().collect::<Vec<_>>().join("   ");
    let room = width.saturating_sub(title.chars().count() + status.len() + GAP * 2);
    let mut lines = vec![Line::from(vec![
        Span::styled(title, bold()),
        Span::raw(" ".repeat(GAP)),
        Span::styled(status, status_style(run.status)),
        Span::raw(if room > 0 { format!("{}{}", " ".repeat(GAP), cut(&facts, room)) } else { String::new() }),
    ])];
    if !run.params.is_empty() {
        lines.push(Line::raw(cut(&run.params, width)));
    }
    lines
}

/// The charts.
pub(super) fn body(data: &TopData, area: TopArea) -> Vec<Line<'static>> {
    if data.charts.is_empty() {
        return vec![Line::raw("the run has no points yet")];
    }
    let grid = ChartGrid::fitting(area.width, area.height, data.charts_in_all);
    let mut lines = Vec::new();
    for beside in data.charts.chunks(grid.columns) {
        let drawn: Vec<Vec<String>> = beside
            .iter()
            .map(|chart| {
                let text = terminal(chart, grid.width, grid.height.saturating_sub(1), false);
                text.lines().map(str::to_string).collect()
            })
            .collect();
        for row in 0..grid.height {
            let mut spans = Vec::new();
            for (i, text) in drawn.iter().enumerate() {
                let text = text.get(row).map_or("", String::as_str);
                let style = if row == 0 { bold() } else { Style::new() };
                spans.push(Span::raw(" ".repeat(if i > 0 { GAP } else { 0 })));
                spans.push(Span::styled(left(text, grid.width), style));
            }
            lines.push(Line::from(spans));
        }
    }
    lines
}

/// What the keys do, and which charts are shown.
pub(super) fn keys(data: &TopData, state: &TopState, width: usize) -> Line<'static> {
    let (from, all) = (state.first_chart, data.charts_in_all);
    let place = match data.charts.len() {
        n if n < all => format!("charts {} to {} of {all}   ↑↓ scroll   ", from + 1, from + n),
        _ => String::new(),
    };
    Line::styled(cut(&format!("{place}Esc back   ? help   q quit"), width), dim())
}
