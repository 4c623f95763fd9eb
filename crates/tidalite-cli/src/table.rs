//! Tables and short texts for people: aligned columns without boxes, byte counts, counts, spans of time.
//!
//! Programs get JSON, CSV or Arrow instead; nothing here is meant to be parsed. Called by every command that prints a
//! table.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, TableComponent};

use crate::draw::ticks;

/// On which side of a column its cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A table under construction.
pub(crate) struct Table {
    inner: comfy_table::Table,
    aligns: Vec<Align>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.force_no_tty().load_preset(comfy_table::presets::NOTHING);
        inner.set_style(TableComponent::HeaderLines, '─');
        let aligns: Vec<Align> = columns.iter().map(|c| c.1).collect();
        inner.set_header(columns.iter().map(|(name, align)| cell(name, *align)));
        let last = columns.len().saturating_sub(1);
        for (i, column) in inner.column_iter_mut().enumerate() {
            column.set_padding((0, if i == last { 0 } else { 2 }));
        }
        Table { inner, aligns }
    }

    /// Adds a row, a text for each column. Control characters are shown as escapes.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        let aligns = self.aligns.iter().copied().chain(std::iter::repeat(Align::Left));
        self.inner.add_row(cells.into_iter().zip(aligns).map(|(c, align)| cell(c.as_ref(), align)));
        self
    }

    /// The table as text, no wider than `width` characters if given (cells wrap). Each line ends with a newline.
    pub(crate) fn render(&mut self, width: Option<usize>) -> String {
        if let Some(width) = width {
            self.inner.set_content_arrangement(ContentArrangement::Dynamic);
            self.inner.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        } else {
            self.inner.set_content_arrangement(ContentArrangement::Disabled);
        }
        self.inner.trim_fmt() + "\n"
    }
}

fn cell(text: &str, align: Align) -> Cell {
    let side = match align {
        Align::Left => CellAlignment::Left,
        Align::Right => CellAlignment::Right,
    };
    Cell::new(printable(text)).set_alignment(side)
}

/// Width of the terminal that standard output goes to, in characters; None where it goes elsewhere.
pub(crate) fn terminal_width() -> Option<usize> {
    comfy_table::Table::new().width().map(usize::from).filter(|&w| w > 0)
}

/// `text` with control characters (line breaks and terminal escapes among them) shown as escapes, so that a name cannot
/// move the cursor.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| {
        // The marks that reorder text as it is shown are no control characters to Rust, but do as much harm.
        let hides = c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hides { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

/// As [`printable`], but line breaks stay: for messages whose lines are their own.
pub(crate) fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// A number of bytes in decimal units, in three digits: `0 B`, `117 kB`, `4.92 GB`.
pub(crate) fn human_bytes(bytes: u64) -> String {
    scaled(bytes, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// A count in three digits: `999`, `1.5 k`, `10 M`.
pub(crate) fn human_count(count: u64) -> String {
    scaled(count, &["", "k", "M", "G", "T", "P", "E"])
}

/// A span of time in one unit or two: `850 µs`, `3.2 s`, `2m 5s`.
pub(crate) fn human_duration(span: Duration) -> String {
    ticks::time_span(span.as_secs_f64())
}

fn scaled(amount: u64, units: &[&str]) -> String {
    let (mut value, mut unit) = (amount as f64, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        _ if unit == 0 => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    let digits = format!("{value:.decimals$}");
    let digits = if decimals > 0 { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits} {}", units[unit]).trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new(&[("run", Align::Left), ("points", Align::Right), ("status", Align::Left)]);
        table.row(["resnet-42", "1234567", "finished"]);
        table.row(["a", "7", "running"]);
        table
    }

    #[test]
    fn numbers_stand_right_and_texts_left() {
        assert_eq!(
            table().render(None),
            "\
run         points  status
────────────────────────────
resnet-42  1234567  finished
a                7  running
"
        );
    }

    #[test]
    fn a_narrow_terminal_wraps_cells_and_no_line_is_wider() {
        let mut table = table();
        table.row(["a-name-that-is-much-longer-than-the-others-and-must-wrap", "1", "lost"]);
        let text = table.render(Some(40));
        assert!(text.lines().all(|l| l.chars().count() <= 40), "\n{text}");
        assert!(text.contains("1234567"));
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2J\nb\0\u{202e}é🙂"), "a\\u{1b}[2J\\nb\\u{0}\\u{202e}é🙂");
        let mut table = Table::new(&[("run", Align::Left)]);
        assert_eq!(table.row(["x\ny"]).render(None).lines().count(), 3);
    }

    #[test]
    fn amounts_have_three_digits() {
        let bytes = [0, 999, 1000, 116_821, 999_499, 999_500, 4_920_000_000, u64::MAX];
        assert_eq!(
            bytes.map(human_bytes),
            ["0 B", "999 B", "1 kB", "117 kB", "999 kB", "1 MB", "4.92 GB", "18.4 EB"]
        );
        assert_eq!([7, 1500, 10_000_000].map(human_count), ["7", "1.5 k", "10 M"]);
        assert_eq!(human_duration(Duration::from_micros(1250)), "1.25 ms");
    }
}
