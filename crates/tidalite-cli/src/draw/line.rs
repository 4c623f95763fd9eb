//! A line chart for the terminal, in braille: each character cell is 2 × 4 dots.
//!
//! The canvas is what the axes and labels leave. Bands are drawn first, as sparse dots, then the means, as connected
//! lines. A cell has the colour of the last line drawn in it. Then a `×` marks where a line becomes non-finite, and a
//! letter marks the end of each line. The legend explains the letters, so the chart reads the same without colour.

use super::chart::{Chart, ChartAxis, ChartLine, LineBucket};
use crate::text::printable;

/// 256-colour codes that are distinct on dark and light backgrounds, also for red-green colour-blind readers.
const PALETTE: [u8; 8] = [33, 208, 36, 170, 178, 203, 75, 245];
const MARK: char = '×';
/// The smallest canvas, in cells, however small the requested size is.
const CANVAS_MIN: (usize, usize) = (8, 3);
/// Cells to the right of the canvas, for the letters of lines.
const MARGIN: usize = 2;

/// Draws `chart` in about `width` × `height` characters, but at least with the smallest canvas. Uses ANSI colours if
/// `color`. Each line ends with a newline.
pub(crate) fn terminal(chart: &Chart, width: usize, height: usize, color: bool) -> String {
    let mut out = String::new();
    heading(chart, width, color, &mut out);
    let rows = height.saturating_sub(out.lines().count() + 2).max(CANVAS_MIN.1);
    let Some((y, columns)) = chart.y_axis((rows / 3).max(2)).map(|y| {
        let labels = y.ticks.iter().map(|t| t.1.chars().count()).max().unwrap_or(0);
        (y, width.saturating_sub(labels + 2 + MARGIN).max(CANVAS_MIN.0))
    }) else {
        out.push_str("  nothing to draw: no finite value\n");
        return out;
    };
    let Some(x) = chart.x_axis((columns / 12).max(2)) else { return out };

    let mut canvas = Canvas::new(columns, rows);
    if chart.band {
        chart.lines.iter().enumerate().for_each(|(i, l)| canvas.band(i, l, &x, &y));
    }
    chart.lines.iter().enumerate().for_each(|(i, l)| canvas.mean(i, l, &x, &y));
    chart.lines.iter().enumerate().for_each(|(i, l)| canvas.marks(i, l, &x, &y));
    chart.lines.iter().enumerate().for_each(|(i, l)| canvas.letter(i, l, &x, &y));
    frame(&canvas, chart, &x, &y, color, &mut out);
    out
}

/// Writes the title, then the legend, wrapped at `width`.
fn heading(chart: &Chart, width: usize, color: bool, out: &mut String) {
    let scale = if chart.log_y { " (log)" } else { "" };
    let name = match (chart.title.as_str(), chart.y_name.as_str()) {
        ("", y) => format!("{}{scale}", printable(y)),
        (t, "") => format!("{}{scale}", printable(t)),
        (t, y) => format!("{}: {}{scale}", printable(t), printable(y)),
    };
    if !name.is_empty() {
        out.push_str(&if color { format!("\x1b[1m{name}\x1b[0m\n") } else { format!("{name}\n") });
    }
    let mut used = 0;
    for (i, line) in chart.lines.iter().enumerate() {
        let remark = line.remark(chart.x_unit).map(|r| format!(" {MARK} {r}")).unwrap_or_default();
        let text = format!("{} {}{remark}", letter(i), printable(&line.name));
        let length = text.chars().count() + 2;
        if used > 0 && used + length > width + 2 {
            out.push('\n');
            used = 0;
        }
        let separator = if used > 0 { "  " } else { "" };
        out.push_str(separator);
        out.push_str(&painted(&text, Some(i), color));
        used += length;
    }
    if used > 0 {
        out.push('\n');
    }
}

/// Writes the canvas with its axes.
fn frame(canvas: &Canvas, chart: &Chart, x: &ChartAxis, y: &ChartAxis, color: bool, out: &mut String) {
    let label_width = y.ticks.iter().map(|t| t.1.chars().count()).max().unwrap_or(0);
    let mut y_labels = vec![None; canvas.rows];
    for (place, text) in &y.ticks {
        let row = canvas.dot_row(*place) / 4;
        if let Ok(row) = usize::try_from(row)
            && let Some(label) = y_labels.get_mut(row)
        {
            *label = Some(text);
        }
    }
    for (row, label) in y_labels.into_iter().enumerate() {
        match label {
            Some(text) => out.push_str(&format!("{text:>label_width$} ┤")),
            None => out.push_str(&format!("{:label_width$} │", "")),
        }
        canvas.write_row(row, color, out);
        out.push('\n');
    }

    let mut rule = vec!['─'; canvas.columns];
    // Labels are centred below their ticks. A label that would touch another is omitted.
    let mut labels: Vec<char> = Vec::new();
    let name = printable(&chart.x_name);
    let start = label_width + 2;
    let end = start + canvas.columns + MARGIN;
    let name_at = end.saturating_sub(name.chars().count());
    for (place, text) in &x.ticks {
        let column = (canvas.dot_column(*place) / 2).clamp(0, canvas.columns as i64 - 1) as usize;
        rule[column] = '┬';
        let length = text.chars().count();
        let at = (start + column).saturating_sub(length / 2);
        let free = labels.is_empty() || at > labels.len();
        let limit = if name.is_empty() { end } else { name_at.saturating_sub(1) };
        if free && at + length <= limit {
            labels.resize(at, ' ');
            labels.extend(text.chars());
        }
    }
    out.push_str(&format!("{:label_width$} └{}\n", "", rule.iter().collect::<String>()));
    if !name.is_empty() && labels.len() < name_at {
        labels.resize(name_at, ' ');
        labels.extend(name.chars());
    }
    out.push_str(&format!("{}\n", labels.iter().collect::<String>()));
}

/// The letter of a line: `a` to `z`, then `A` to `Z`, then again.
fn letter(line: usize) -> char {
    let letters = (b'a'..=b'z').chain(b'A'..=b'Z');
    char::from(letters.cycle().nth(line % 52).unwrap_or(b'?'))
}

fn painted(text: &str, line: Option<usize>, color: bool) -> String {
    match line {
        Some(i) if color => format!("\x1b[38;5;{}m{text}\x1b[0m", PALETTE[i % PALETTE.len()]),
        _ => text.into(),
    }
}

/// A character cell: dots, or a sign in their place, and the line that they belong to.
#[derive(Debug, Clone, Copy, Default)]
struct CanvasCell {
    dots: u8,
    sign: Option<char>,
    line: Option<usize>,
}

/// The cells, including a margin at the right that only letters use.
struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<CanvasCell>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Canvas { columns, rows, cells: vec![CanvasCell::default(); (columns + MARGIN) * rows] }
    }

    /// The dot column of a position on the x-axis (0 to 1).
    fn dot_column(&self, place: f64) -> i64 {
        (place * (self.columns * 2 - 1) as f64).round() as i64
    }

    /// The dot row of a position on the y-axis, from the top.
    fn dot_row(&self, place: f64) -> i64 {
        ((1.0 - place) * (self.rows * 4 - 1) as f64).round() as i64
    }

    fn dot(&mut self, column: i64, row: i64, line: usize) {
        // The bits of a braille character by row and column of the dot.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let (Ok(column), Ok(row)) = (usize::try_from(column), usize::try_from(row)) else { return };
        if column < self.columns * 2 && row < self.rows * 4 {
            let cell = &mut self.cells[row / 4 * (self.columns + MARGIN) + column / 2];
            cell.dots |= BITS[row % 4][column % 2];
            cell.line = Some(line);
        }
    }

    /// Draws a quarter of the dots between the least and greatest values.
    fn band(&mut self, index: usize, line: &ChartLine, x: &ChartAxis, y: &ChartAxis) {
        for segment in line.segments(y) {
            for pair in segment.windows(2) {
                let [from, to] = [0, 1].map(|i| self.dot_column(x.place(pair[i].x)));
                for column in from..=to {
                    let part = if to > from { (column - from) as f64 / (to - from) as f64 } else { 1.0 };
                    let between = |a: f64, b: f64| a + (b - a) * part;
                    let hi = between(edge(y, pair[0].hi, pair[0]), edge(y, pair[1].hi, pair[1]));
                    let lo = between(edge(y, pair[0].lo, pair[0]), edge(y, pair[1].lo, pair[1]));
                    let (top, bottom) = (self.dot_row(hi.clamp(0.0, 1.0)), self.dot_row(lo.clamp(0.0, 1.0)));
                    (top..=bottom)
                        .filter(|r| column % 2 == 0 && r % 2 == 0)
                        .for_each(|r| self.dot(column, r, index));
                }
            }
        }
    }

    /// Draws the means as connected lines; a single mean is a dot.
    fn mean(&mut self, index: usize, line: &ChartLine, x: &ChartAxis, y: &ChartAxis) {
        for segment in line.segments(y) {
            let place = |b: &LineBucket| (x.place(b.x), y.place(b.mean));
            let mut from = place(&segment[0]);
            self.dot(self.dot_column(from.0), self.dot_row(from.1), index);
            for bucket in &segment[1..] {
                let to = place(bucket);
                self.segment(from, to, index);
                from = to;
            }
        }
    }

    /// Draws the part of a straight line that is on the canvas.
    fn segment(&mut self, from: (f64, f64), to: (f64, f64), index: usize) {
        // Clip at the upper and lower edge, so that distant values do not cost more dots.
        let (mut begin, mut end) = (0.0f64, 1.0f64);
        let rise = to.1 - from.1;
        if rise != 0.0 {
            let (a, b) = ((0.0 - from.1) / rise, (1.0 - from.1) / rise);
            (begin, end) = (begin.max(a.min(b)), end.min(a.max(b)));
        } else if !(0.0..=1.0).contains(&from.1) {
            return;
        }
        if begin > end {
            return;
        }
        let at = |t: f64| (from.0 + (to.0 - from.0) * t, from.1 + rise * t);
        let dots = |p: (f64, f64)| (self.dot_column(p.0), self.dot_row(p.1));
        let ((c0, r0), (c1, r1)) = (dots(at(begin)), dots(at(end)));
        let count = (c1 - c0).abs().max((r1 - r0).abs());
        for i in 0..=count {
            let part = if count > 0 { i as f64 / count as f64 } else { 0.0 };
            let between = |a: i64, b: i64| a + ((b - a) as f64 * part).round() as i64;
            self.dot(between(c0, c1), between(r0, r1), index);
        }
    }

    /// Draws a `×` where the line becomes non-finite: at the height of its last finite value, or at the bottom.
    fn marks(&mut self, index: usize, line: &ChartLine, x: &ChartAxis, y: &ChartAxis) {
        for (at, before) in line.turns() {
            let cell = self.cell_of(x.place(at), before.map_or(0.0, |b| y.place(b.mean)));
            self.cells[cell] = CanvasCell { dots: 0, sign: Some(MARK), line: Some(index) };
        }
    }

    /// Draws the letter of a line to the right of its end, moved up or down if the cell has a sign already.
    fn letter(&mut self, index: usize, line: &ChartLine, x: &ChartAxis, y: &ChartAxis) {
        let ends_non_finite = line.points.last().is_some_and(|b| b.nonfinite);
        let end = if ends_non_finite {
            line.turns().last().map(|(at, before)| (*at, before.map_or(0.0, |b| y.place(b.mean))))
        } else {
            line.segments(y).last().and_then(<[LineBucket]>::last).map(|b| (b.x, y.place(b.mean)))
        };
        let Some((at, height)) = end else { return };
        let stride = self.columns + MARGIN;
        let (row, column) =
            (self.cell_of(x.place(at), height) / stride, self.cell_of(x.place(at), height) % stride);
        let column = column + 1;
        let distances = (0..self.rows).flat_map(|d| [row.checked_sub(d), Some(row + d)]).flatten();
        let free = |r: &usize| *r < self.rows && self.cells[r * stride + column].sign.is_none();
        let Some(row) = distances.into_iter().find(free) else { return };
        self.cells[row * stride + column] =
            CanvasCell { dots: 0, sign: Some(letter(index)), line: Some(index) };
    }

    /// The index of the cell at a position, clamped to the canvas.
    fn cell_of(&self, x: f64, y: f64) -> usize {
        let y = if y.is_nan() { 0.0 } else { y };
        let column = (self.dot_column(x) / 2).clamp(0, self.columns as i64 - 1) as usize;
        let row = (self.dot_row(y.clamp(0.0, 1.0)) / 4).clamp(0, self.rows as i64 - 1) as usize;
        row * (self.columns + MARGIN) + column
    }

    /// Appends a row as text, without trailing blanks.
    fn write_row(&self, row: usize, color: bool, out: &mut String) {
        let stride = self.columns + MARGIN;
        let cells = &self.cells[row * stride..(row + 1) * stride];
        let used = cells.iter().rposition(|c| c.line.is_some()).map_or(0, |last| last + 1);
        for run in cells[..used].chunk_by(|a, b| a.line == b.line) {
            let text: String = run.iter().map(|c| c.text()).collect();
            out.push_str(&painted(&text, run[0].line, color));
        }
    }
}

impl CanvasCell {
    fn text(self) -> char {
        match (self.sign, self.dots) {
            (Some(sign), _) => sign,
            (None, 0) => ' ',
            // 0x2800 to 0x28FF are all valid characters.
            (None, dots) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
        }
    }
}

/// The position of the edge of a band, or of the mean if the axis cannot show the edge (zero on a logarithmic axis).
fn edge(y: &ChartAxis, value: f64, bucket: LineBucket) -> f64 {
    let place = y.place(value);
    if place.is_nan() { y.place(bucket.mean) } else { place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_are_drawn_with_axes_letters_and_a_legend() {
        let chart = Chart {
            title: "loss".into(),
            x_name: "step".into(),
            lines: vec![ChartLine::of("up", &[0.0, 1.0, 2.0, 3.0, 4.0]), ChartLine::of("flat", &[2.0; 5])],
            ..Chart::default()
        };
        let drawn = terminal(&chart, 24, 9, false);
        assert_eq!(drawn, EXPECTED_TWO, "\n{drawn}");
    }

    #[test]
    fn a_line_that_turns_nan_ends_in_a_mark_and_its_letter() {
        let chart = Chart {
            lines: vec![ChartLine::of("lr=8", &[1.0, 2.0, 3.0, f64::NAN, f64::NAN])],
            ..Chart::default()
        };
        let drawn = terminal(&chart, 24, 9, false);
        assert_eq!(drawn, EXPECTED_NAN, "\n{drawn}");
    }

    #[test]
    fn a_band_surrounds_its_mean() {
        let chart = Chart { band: true, lines: vec![ChartLine::of("a", &[5.0; 4])], ..Chart::default() };
        let drawn = terminal(&chart, 24, 9, false);
        assert_eq!(drawn, EXPECTED_BAND, "\n{drawn}");
    }

    #[test]
    fn colours_are_optional_and_control_characters_are_escaped() {
        let chart = Chart { lines: vec![ChartLine::of("\x1b[31mred\n", &[1.0, 2.0])], ..Chart::default() };
        assert!(!terminal(&chart, 40, 10, false).contains('\x1b'));
        let colored = terminal(&chart, 40, 10, true);
        assert!(colored.contains("\x1b[38;5;33m") && !colored.contains("\x1b[31m"));
    }

    #[test]
    fn edge_cases_are_drawn() {
        let nothing = Chart {
            lines: vec![ChartLine::of("a", &[f64::NAN]), ChartLine::of("b", &[])],
            ..Chart::default()
        };
        assert!(terminal(&nothing, 40, 10, false).contains("nothing to draw"));
        let extremes = Chart {
            band: true,
            lines: vec![ChartLine::of("a", &[f64::MIN, f64::MAX, 0.0]), ChartLine::of("b", &[1.0])],
            ..Chart::default()
        };
        for (width, height) in [(0, 0), (1, 1), (200, 60)] {
            assert!(terminal(&extremes, width, height, false).lines().count() >= 5);
        }
    }

    #[test]
    fn the_drawing_fits_the_requested_size() {
        let wave: Vec<f64> = (0..500).map(|i| (f64::from(i) / 40.0).sin() * 1e5).collect();
        let chart =
            Chart { title: "wave".into(), lines: vec![ChartLine::of("sine", &wave)], ..Chart::default() };
        let text = terminal(&chart, 60, 16, false);
        assert_eq!(text.lines().count(), 16);
        assert!(text.lines().all(|l| l.chars().count() <= 60), "\n{text}");
    }

    const EXPECTED_TWO: &str = "\
loss
a up  b flat
4 ┤                ⣀⠤⠒a
  │            ⣀⠤⠒⠉
2 ┤⠤⠤⠤⠤⠤⠤⠤⠤⣤⠤⠶⠭⠤⠤⠤⠤⠤⠤⠤b
  │   ⢀⡠⠔⠊⠉
0 ┤⡠⠔⠊⠁
  └┬────────┬────────┬
   0        2       step
";
    const EXPECTED_NAN: &str = "\
a lr=8 × non-finite from 3
3 ┤        ⢀⠔    ×a
  │       ⡔⠁
  │     ⡠⠊
2 ┤   ⡠⠊
  │ ⢀⠜
1 ┤⠔⠁
  └┬────────┬────────┬
   0        2        4
";
    const EXPECTED_BAND: &str = "\
a a
6 ┤⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄⠄
  │⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅
  │⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅
5 ┤⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍⠍a
  │⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅
4 ┤⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅⠅
  └┬───────────┬──────
   0           2
";
}
