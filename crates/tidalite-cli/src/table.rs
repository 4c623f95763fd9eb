//! Tables for people: aligned columns without boxes.
//!
//! Not meant to be parsed; programs get JSON, CSV or Arrow.

use crate::text::printable;
use comfy_table::{Cell, CellAlignment, ContentArrangement, TableComponent};

/// The alignment of the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// For text.
    Left,
    /// For numbers.
    Right,
}

/// A table being built.
pub(crate) struct TextTable {
    inner: comfy_table::Table,
    aligns: Vec<Align>,
}

impl TextTable {
    /// Creates a table with these headings.
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
        TextTable { inner, aligns }
    }

    /// Adds a row: one text per column. Control characters are escaped.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        let aligns = self.aligns.iter().copied().chain(std::iter::repeat(Align::Left));
        self.inner.add_row(cells.into_iter().zip(aligns).map(|(c, align)| cell(c.as_ref(), align)));
        self
    }

    /// Renders the table, at most `width` characters wide if given (cells wrap). Each line ends with a newline.
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

/// Width of the terminal in characters; None if standard output is not a terminal.
pub(crate) fn terminal_width() -> Option<usize> {
    comfy_table::Table::new().width().map(usize::from).filter(|&w| w > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        let mut table =
            TextTable::new(&[("run", Align::Left), ("points", Align::Right), ("status", Align::Left)]);
        table.row(["resnet-42", "1234567", "finished"]);
        table.row(["a", "7", "running"]);
        table
    }

    #[test]
    fn numbers_align_right_and_text_left() {
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
    fn a_narrow_terminal_wraps_cells() {
        let mut table = table();
        table.row(["a-name-that-is-much-longer-than-the-others-and-must-wrap", "1", "lost"]);
        let text = table.render(Some(40));
        assert!(text.lines().all(|l| l.chars().count() <= 40), "\n{text}");
        assert!(text.contains("1234567"));
    }

    #[test]
    fn a_cell_with_a_line_break_stays_on_one_line() {
        let mut table = TextTable::new(&[("run", Align::Left)]);
        assert_eq!(table.row(["x\ny"]).render(None).lines().count(), 3);
    }
}
