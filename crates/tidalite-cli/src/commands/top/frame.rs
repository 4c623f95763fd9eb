//! The screen as lines: which parts it has, and how much room is left for runs or charts.

use super::data::TopData;
use super::read::TopArea;
use super::state::{TopPage, TopState};
use super::{charts, table};
use crate::text::plural;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::Line;

/// Lines beside the runs: the title, a filter, the heading, a blank line, the keys.
const AROUND_RUNS: usize = 5;
/// Lines kept for the machine and remarks.
const BELOW: usize = 3;
/// Lines beside the charts: two of facts, a blank line, the keys, and one of the machine.
const AROUND_CHARTS: usize = 5;

/// The room for runs or charts on a screen of this size.
pub(super) fn room(state: &TopState, width: usize, height: usize) -> TopArea {
    let around = match state.page {
        TopPage::Runs => AROUND_RUNS + BELOW.min(height / 6),
        TopPage::Charts => AROUND_CHARTS,
    };
    TopArea { width, height: height.saturating_sub(around).max(1) }
}

/// The lines of the screen.
pub(super) fn screen(data: &TopData, state: &TopState, width: usize, height: usize) -> Vec<Line<'static>> {
    if state.help {
        return table::help(width);
    }
    let area = room(state, width, height);
    let selected = state.selected.saturating_sub(state.first);
    let (mut lines, mut below, keys) = match state.page {
        TopPage::Runs => {
            let mut lines = table::head(data, state, width);
            lines.extend(table::table(data, Some(selected), width));
            let mut below = table::machine(data, data.rows.get(selected), width);
            below.extend(table::remarks(data, width));
            (lines, below, table::keys(state, width))
        }
        TopPage::Charts => {
            let mut lines = charts::head(data, width);
            lines.extend(charts::body(data, area));
            let below = table::machine(data, data.rows.first(), width);
            (lines, below, charts::keys(data, state, width))
        }
    };
    // The last line is that of the keys, whatever else finds room.
    let room = height.saturating_sub(1);
    below.truncate(room.saturating_sub(lines.len() + 1));
    lines.truncate(room);
    let blank = room.saturating_sub(lines.len() + below.len());
    lines.extend(std::iter::repeat_n(Line::default(), blank));
    lines.extend(below);
    lines.push(keys);
    lines
}

/// The lines of the text of `--once`: the table, the machine and remarks, without keys and without a mark.
pub(super) fn once(data: &TopData, state: &TopState, width: usize) -> Vec<Line<'static>> {
    let mut lines = table::head(data, state, width);
    lines.extend(table::table(data, None, width));
    if data.left > data.rows.len() {
        let more = data.left - data.rows.len();
        lines.push(Line::raw(format!("… and {more} more {}", plural(more == 1, "run"))));
    }
    let below = table::machine(data, data.rows.first(), width);
    if !below.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(below);
    lines.extend(table::remarks(data, width));
    lines
}

/// Puts lines on a screen.
pub(super) fn paint(lines: &[Line<'static>], buffer: &mut Buffer, area: Rect) {
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        buffer.set_style(Rect { y, height: 1, ..area }, line.style);
        buffer.set_line(area.left(), y, line, area.width);
    }
}

/// The text of lines, as a terminal of this width shows them.
pub(super) fn text(lines: &[Line<'static>], width: u16) -> String {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    paint(lines, &mut buffer, area);
    let row = |cells: &[ratatui_core::buffer::Cell]| {
        let mut text = String::new();
        let mut covered = 0;
        for cell in cells {
            // A wide character covers the next cell.
            if covered == 0 {
                text.push_str(cell.symbol());
                covered = unicode_width::UnicodeWidthStr::width(cell.symbol()).max(1);
            }
            covered -= 1;
        }
        format!("{}\n", text.trim_end())
    };
    buffer.content().chunks(usize::from(width.max(1))).map(row).collect()
}
