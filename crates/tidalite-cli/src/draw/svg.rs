//! A line chart as a stand-alone SVG.
//!
//! Drawn in this order: background, horizontal grid, bands, lines, marks where a line becomes non-finite, axes, and the
//! legend at the right. Each name is placed next to the end of its line; names that would overlap are moved apart. The
//! colours are those of M. Okabe and K. Ito, "Color Universal Design", 2008, which colour-blind readers can distinguish,
//! without yellow, which is invisible on white. Further lines repeat the colours with dashes. Names are escaped.

use std::fmt::Write as _;

use super::chart::{Chart, ChartAxis, ChartLine, LineBucket};

const PALETTE: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];
/// Dash patterns, one per pass through the palette.
const DASHES: [&str; 4] = ["", "6 3", "2 3", "8 3 2 3"];
const FONT: &str = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
/// Height of a line of the legend, in pixels.
const LEGEND_LINE: f64 = 17.0;
/// Mean width of a character of 12 px text, in pixels.
const CHARACTER: f64 = 7.0;
const NAME_CHARACTERS_MAX: usize = 32;
/// The smallest drawing, in pixels.
const SIZE_MIN: (u32, u32) = (240, 160);

/// The area of the plot within the picture, in pixels.
struct Plot {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// An entry of the legend: its text, and the end of its line.
struct Entry {
    line: usize,
    name: String,
    remark: Option<String>,
    end: (f64, f64),
    y: f64,
}

/// Draws `chart` in `width` × `height` pixels.
pub(crate) fn svg(chart: &Chart, width: u32, height: u32) -> String {
    let (width, height) = (width.max(SIZE_MIN.0), height.max(SIZE_MIN.1));
    let mut out = String::new();
    // Writing to a String cannot fail, so results are ignored here and below.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FONT}\" font-size=\"12\" role=\"img\">\n\
         <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        // Screen readers read this, so it falls back to the name of the y-axis.
        escaped(if chart.title.is_empty() { &chart.y_name } else { &chart.title })
    );
    let (width, height) = (f64::from(width), f64::from(height));
    let y = chart.y_axis((height / 70.0) as usize);
    let mut plot = plot_area(chart, y.as_ref(), width, height);
    let (Some(y), Some(x)) = (y, chart.x_axis((plot.width / 90.0) as usize)) else {
        plot.left = 20.0;
        headings(chart, &plot, &mut out);
        let _ = write!(
            out,
            "<text x=\"20\" y=\"{}\" fill=\"#777777\">nothing to draw: no finite value</text>\n</svg>\n",
            height / 2.0
        );
        return out;
    };
    headings(chart, &plot, &mut out);
    grid(&plot, &y, &mut out);
    let _ = writeln!(
        out,
        "<clipPath id=\"plot\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n\
         <g clip-path=\"url(#plot)\" stroke-linejoin=\"round\">",
        px(plot.left),
        px(plot.top - 1.0),
        px(plot.width + 1.0),
        px(plot.height + 2.0)
    );
    if chart.band {
        chart.lines.iter().enumerate().for_each(|(i, l)| band(i, l, &plot, &x, &y, &mut out));
    }
    chart.lines.iter().enumerate().for_each(|(i, l)| mean(i, l, &plot, &x, &y, &mut out));
    out.push_str("</g>\n");
    chart.lines.iter().enumerate().for_each(|(i, l)| marks(i, l, chart, &plot, (&x, &y), &mut out));
    x_axis(chart, &plot, &x, &mut out);
    legend(chart, &plot, &x, &y, &mut out);
    out.push_str("</svg>\n");
    out
}

/// The area that headings, labels and legend leave for the plot.
fn plot_area(chart: &Chart, y: Option<&ChartAxis>, width: f64, height: f64) -> Plot {
    let label = y.iter().flat_map(|y| &y.ticks).map(|t| t.1.chars().count()).max().unwrap_or(0);
    let left = 20.0 + label as f64 * CHARACTER + 8.0;
    let top = 16.0 + if chart.title.is_empty() { 0.0 } else { 24.0 } + y_heading(chart).map_or(0.0, |_| 20.0);
    let bottom = 28.0 + if chart.x_name.is_empty() { 4.0 } else { 20.0 };
    let longest = |l: &ChartLine| {
        let name = l.name.chars().count().min(NAME_CHARACTERS_MAX);
        name.max(l.remark(chart.x_unit).map_or(0, |r| r.chars().count() + 2))
    };
    let legend = chart.lines.iter().map(longest).max().unwrap_or(0) as f64 * CHARACTER + 40.0;
    let right = legend.min(width * 0.4);
    Plot { left, top, width: width - left - right, height: (height - top - bottom).max(40.0) }
}

fn y_heading(chart: &Chart) -> Option<String> {
    match (chart.y_name.as_str(), chart.log_y) {
        ("", false) => None,
        ("", true) => Some("log scale".into()),
        (name, false) => Some(name.into()),
        (name, true) => Some(format!("{name} (log scale)")),
    }
}

fn headings(chart: &Chart, plot: &Plot, out: &mut String) {
    if !chart.title.is_empty() {
        let _ = writeln!(
            out,
            "<text x=\"20\" y=\"30\" font-size=\"16\" font-weight=\"600\" fill=\"#222222\">{}</text>",
            escaped(&chart.title)
        );
    }
    if let Some(name) = y_heading(chart) {
        let _ = writeln!(
            out,
            "<text x=\"20\" y=\"{}\" fill=\"#777777\">{}</text>",
            px(plot.top - 14.0),
            escaped(&name)
        );
    }
}

fn grid(plot: &Plot, y: &ChartAxis, out: &mut String) {
    for (place, text) in &y.ticks {
        let at = px(plot.y(*place));
        let _ = writeln!(
            out,
            "<line x1=\"{}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"#e8e8e8\"/>\
             <text x=\"{}\" y=\"{at}\" dy=\"0.35em\" text-anchor=\"end\" fill=\"#555555\">{text}</text>",
            px(plot.left),
            px(plot.left + plot.width),
            px(plot.left - 8.0)
        );
    }
}

fn x_axis(chart: &Chart, plot: &Plot, x: &ChartAxis, out: &mut String) {
    let bottom = plot.top + plot.height;
    let _ = writeln!(
        out,
        "<line x1=\"{}\" x2=\"{}\" y1=\"{2}\" y2=\"{2}\" stroke=\"#888888\"/>",
        px(plot.left),
        px(plot.left + plot.width),
        px(bottom)
    );
    for (place, text) in &x.ticks {
        let at = px(plot.x(*place));
        let _ = writeln!(
            out,
            "<line x1=\"{at}\" x2=\"{at}\" y1=\"{}\" y2=\"{}\" stroke=\"#888888\"/>\
             <text x=\"{at}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555555\">{text}</text>",
            px(bottom),
            px(bottom + 5.0),
            px(bottom + 19.0)
        );
    }
    if !chart.x_name.is_empty() {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#777777\">{}</text>",
            px(plot.left + plot.width),
            px(bottom + 37.0),
            escaped(&chart.x_name)
        );
    }
}

/// Draws the area between least and greatest values, one per segment without a gap.
fn band(index: usize, line: &ChartLine, plot: &Plot, x: &ChartAxis, y: &ChartAxis, out: &mut String) {
    for segment in line.segments(y).filter(|s| s.len() > 1) {
        let edge = |b: &LineBucket, value: f64| {
            let place = y.place(value);
            plot.y(if place.is_nan() { y.place(b.mean) } else { place })
        };
        let upper = segment.iter().map(|b| (plot.x(x.place(b.x)), edge(b, b.hi)));
        let lower = segment.iter().rev().map(|b| (plot.x(x.place(b.x)), edge(b, b.lo)));
        let _ = writeln!(
            out,
            "<path d=\"{}Z\" fill=\"{}\" fill-opacity=\"0.16\"/>",
            path(upper.chain(lower)),
            color(index)
        );
    }
}

fn mean(index: usize, line: &ChartLine, plot: &Plot, x: &ChartAxis, y: &ChartAxis, out: &mut String) {
    for segment in line.segments(y) {
        let mut points = segment.iter().map(|b| (plot.x(x.place(b.x)), plot.y(y.place(b.mean))));
        if let [only] = segment {
            let (cx, cy) = (plot.x(x.place(only.x)), plot.y(y.place(only.mean)));
            let _ = writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"2\" fill=\"{}\"/>",
                px(cx),
                px(cy),
                color(index)
            );
        } else {
            let _ = writeln!(
                out,
                "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"{}/>",
                path(&mut points),
                color(index),
                dash(index)
            );
        }
    }
}

/// Draws a cross where the line becomes non-finite, with a tooltip.
fn marks(
    index: usize,
    line: &ChartLine,
    chart: &Chart,
    plot: &Plot,
    (x, y): (&ChartAxis, &ChartAxis),
    out: &mut String,
) {
    for (at, before) in line.turns() {
        let (cx, cy) = plot.turn(at, before, x, y);
        let text = line.remark(chart.x_unit).unwrap_or_default();
        let _ = writeln!(
            out,
            "<path d=\"M{} {}l9 9m0 -9l-9 9\" stroke=\"#ffffff\" stroke-width=\"5\" stroke-linecap=\"round\"/>\
             <path d=\"M{0} {1}l9 9m0 -9l-9 9\" stroke=\"{}\" stroke-width=\"2.2\" stroke-linecap=\"round\">\
             <title>{}: {}</title></path>",
            px(cx - 4.5),
            px(cy - 4.5),
            color(index),
            escaped(&line.name),
            escaped(&text)
        );
    }
}

/// Draws the names at the right, each next to the end of its line if possible.
fn legend(chart: &Chart, plot: &Plot, x: &ChartAxis, y: &ChartAxis, out: &mut String) {
    let mut entries: Vec<Entry> =
        chart.lines.iter().enumerate().map(|(i, l)| entry(i, l, chart, plot, x, y)).collect();
    entries.sort_by(|a, b| a.y.total_cmp(&b.y));
    let bottom = plot.top + plot.height;
    // Entries that do not fit are only counted.
    let mut used = 0.0;
    let fitting = entries
        .iter()
        .take_while(|e| {
            used += e.height();
            used <= plot.height
        })
        .count();
    let hidden = entries.len() - fitting;
    entries.truncate(if hidden > 0 { fitting.saturating_sub(1) } else { fitting });
    spread(&mut entries, plot.top, bottom - if hidden > 0 { LEGEND_LINE } else { 0.0 });

    let left = plot.left + plot.width + 14.0;
    for e in &entries {
        let ink = color(e.line);
        // A thin line connects the end of a line with its name, unless both are at the same height.
        if (e.end.1 - e.y).abs() > 3.0 && (e.end.0 - (plot.left + plot.width)).abs() < 30.0 {
            let _ = writeln!(
                out,
                "<path d=\"M{} {}L{} {}\" stroke=\"{ink}\" stroke-opacity=\"0.45\" fill=\"none\"/>",
                px(e.end.0 + 2.0),
                px(e.end.1),
                px(left - 2.0),
                px(e.y)
            );
        }
        let _ = writeln!(
            out,
            "<path d=\"M{} {}h12\" stroke=\"{ink}\" stroke-width=\"2.4\"{}/>\
             <text x=\"{}\" y=\"{}\" dy=\"0.35em\" fill=\"#222222\">{}</text>",
            px(left),
            px(e.y),
            dash(e.line),
            px(left + 17.0),
            px(e.y),
            escaped(&e.name)
        );
        if let Some(remark) = &e.remark {
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" dy=\"0.35em\" font-size=\"11\" fill=\"#777777\">× {}</text>",
                px(left + 17.0),
                px(e.y + LEGEND_LINE - 3.0),
                escaped(remark)
            );
        }
    }
    let shown = entries.len();
    if hidden > 0 {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" fill=\"#777777\">and {} more</text>",
            px(left + 17.0),
            px(bottom),
            chart.lines.len() - shown
        );
    }
}

fn entry(index: usize, line: &ChartLine, chart: &Chart, plot: &Plot, x: &ChartAxis, y: &ChartAxis) -> Entry {
    let last = line.segments(y).last().and_then(<[LineBucket]>::last);
    let turn = line.turns().last().copied().filter(|_| line.points.last().is_some_and(|b| b.nonfinite));
    let end = match (turn, last) {
        (Some((at, before)), _) => plot.turn(at, before, x, y),
        (None, Some(b)) => (plot.x(x.place(b.x)), plot.y(y.place(b.mean).clamp(0.0, 1.0))),
        (None, None) => (plot.left, plot.top + plot.height),
    };
    let characters = line.name.chars().count();
    let name = if characters > NAME_CHARACTERS_MAX {
        line.name.chars().take(NAME_CHARACTERS_MAX - 1).chain(['…']).collect()
    } else {
        line.name.clone()
    };
    Entry { line: index, name, remark: line.remark(chart.x_unit), end, y: end.1 }
}

impl Entry {
    fn height(&self) -> f64 {
        LEGEND_LINE + if self.remark.is_some() { LEGEND_LINE - 3.0 } else { 0.0 }
    }
}

/// Moves entries, sorted by y, down so that they do not overlap, then up so that the last stays in the plot.
fn spread(entries: &mut [Entry], top: f64, bottom: f64) {
    let mut least = top;
    for e in entries.iter_mut() {
        e.y = e.y.max(least);
        least = e.y + e.height();
    }
    let mut greatest = bottom;
    for e in entries.iter_mut().rev() {
        e.y = e.y.min(greatest - e.height() + LEGEND_LINE);
        greatest = e.y - LEGEND_LINE;
    }
}

impl Plot {
    fn x(&self, place: f64) -> f64 {
        self.left + place * self.width
    }

    /// Clamps distant values well outside the plot, because viewers differ in how they draw very long lines.
    fn y(&self, place: f64) -> f64 {
        self.top + (1.0 - place.clamp(-20.0, 20.0)) * self.height
    }

    /// Where a line becomes non-finite: at its last finite value, clamped to the plot, or at the bottom if it has none.
    fn turn(&self, at: f64, before: Option<LineBucket>, x: &ChartAxis, y: &ChartAxis) -> (f64, f64) {
        let place = before.map(|b| y.place(b.mean)).filter(|p| !p.is_nan()).unwrap_or(0.0);
        (self.x(x.place(at)), self.y(place.clamp(0.0, 1.0)))
    }
}

fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut d = String::new();
    for (x, y) in points {
        let _ = write!(d, "{}{} {}", if d.is_empty() { "M" } else { "L" }, px(x), px(y));
    }
    d
}

fn color(line: usize) -> &'static str {
    PALETTE[line % PALETTE.len()]
}

fn dash(line: usize) -> String {
    match DASHES[line / PALETTE.len() % DASHES.len()] {
        "" => String::new(),
        pattern => format!(" stroke-dasharray=\"{pattern}\""),
    }
}

/// A coordinate with a precision of 0.1 pixel.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(Into::into).unwrap_or(text)
}

/// Escapes text for XML and replaces characters that XML forbids.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_a_path_a_name_and_optionally_a_band() {
        let mut chart = Chart {
            lines: vec![ChartLine::of("a", &[1.0, 2.0]), ChartLine::of("b", &[3.0, 1.0])],
            ..Chart::default()
        };
        let plain = svg(&chart, 400, 300);
        assert_eq!(plain.matches("stroke-width=\"1.6\"").count(), 2);
        assert!(
            plain.contains(">a</text>") && plain.contains(">b</text>") && !plain.contains("fill-opacity")
        );
        chart.band = true;
        assert_eq!(svg(&chart, 400, 300).matches("fill-opacity").count(), 2);
    }

    #[test]
    fn a_line_runs_from_corner_to_corner_of_its_range() {
        let chart = Chart { lines: vec![ChartLine::of("a", &[0.0, 4.0])], ..Chart::default() };
        let text = svg(&chart, 240, 160);
        assert!(text.contains("<path d=\"M35 128L193 20.3\""), "{text}");
    }

    #[test]
    fn names_are_escaped() {
        let chart = Chart {
            title: "</title><script>".into(),
            y_name: "a\"b&c".into(),
            lines: vec![ChartLine::of("<b>\0\x1b", &[1.0, f64::NAN])],
            ..Chart::default()
        };
        let text = svg(&chart, 400, 300);
        assert!(!text.contains("<script>") && !text.contains("<b>") && text.contains("&lt;script&gt;"));
        assert!(text.contains("a&quot;b&amp;c"));
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn a_line_that_turns_nan_has_a_cross_and_a_remark() {
        let text = svg(
            &Chart { lines: vec![ChartLine::of("lr=8", &[1.0, 2.0, f64::NAN])], ..Chart::default() },
            400,
            300,
        );
        assert!(text.contains("l9 9m0 -9l-9 9") && text.contains("× non-finite from 2"));
        assert!(!text.contains("NaN"), "no coordinate may be NaN");
    }

    #[test]
    fn a_long_legend_stays_inside_the_picture() {
        let lines: Vec<ChartLine> =
            (0..100).map(|i| ChartLine::of(&format!("run-{i}"), &[f64::from(i), 50.0])).collect();
        let text = svg(&Chart { lines, ..Chart::default() }, 600, 400);
        assert!(text.contains(" more</text>"));
        let ys = text.lines().filter(|l| l.contains(">run-")).map(|l| l.split("h12").next().unwrap());
        let ys: Vec<f64> = ys.map(|l| l.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(ys.len() > 10 && ys.windows(2).all(|w| w[1] - w[0] >= 16.9), "{ys:?}");
        assert!(ys.iter().all(|y| (0.0..400.0).contains(y)));
    }

    #[test]
    fn a_picture_without_a_title_is_named_by_its_y_axis() {
        let chart = Chart { y_name: "loss".into(), ..Chart::default() };
        assert!(svg(&chart, 400, 300).contains("<title>loss</title>"));
    }

    #[test]
    fn an_empty_chart_has_a_message() {
        assert!(svg(&Chart::default(), 0, 0).contains("nothing to draw"));
        assert!(
            svg(&Chart { lines: vec![ChartLine::of("a", &[f64::NAN])], ..Chart::default() }, 400, 300)
                .contains("nothing")
        );
    }
}
