//! The contents of a chart and its axes, shared by the terminal and the SVG drawing.
//!
//! A line is a list of buckets with the least, greatest and mean finite value. A bucket without a finite value holds NaN
//! and is drawn as a gap. Of a line with non-finite values, only the middle 80 % of the values determine the y-axis. So a
//! loss that explodes before it becomes NaN leaves the chart at its edge, and the other lines stay readable.

use super::ticks;
use crate::text::{short_number, time_span};

/// A summary of consecutive points of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LineBucket {
    /// Position on the x-axis: a step, or seconds.
    pub(crate) x: f64,
    /// Least finite value; NaN if there is none.
    pub(crate) lo: f64,
    /// Greatest finite value; NaN if there is none.
    pub(crate) hi: f64,
    /// Mean of the finite values; NaN if there is none.
    pub(crate) mean: f64,
    /// Whether a value is NaN or infinite.
    pub(crate) nonfinite: bool,
}

/// One series of a chart; `points` ascend in `x`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChartLine {
    /// The name in the legend.
    pub(crate) name: String,
    /// The buckets.
    pub(crate) points: Vec<LineBucket>,
}

/// What the x-axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum XUnit {
    /// A number, such as a step.
    #[default]
    Number,
    /// Seconds, labelled in minutes, hours and days.
    Seconds,
}

/// A chart, ready to be drawn by [`terminal`](super::line::terminal) or [`svg`](super::svg::svg).
#[derive(Debug, Clone, Default)]
pub(crate) struct Chart {
    /// Title above the chart; may be empty.
    pub(crate) title: String,
    /// Name of the x-axis; may be empty.
    pub(crate) x_name: String,
    /// Name of the y-axis; may be empty.
    pub(crate) y_name: String,
    /// What the x-axis counts.
    pub(crate) x_unit: XUnit,
    /// Whether the y-axis is logarithmic. Values that are not positive are not drawn then.
    pub(crate) log_y: bool,
    /// Fixed lower end of the y-axis.
    pub(crate) y_min: Option<f64>,
    /// Fixed upper end of the y-axis.
    pub(crate) y_max: Option<f64>,
    /// Whether the range between the least and greatest value of each bucket is drawn too.
    pub(crate) band: bool,
    /// The series.
    pub(crate) lines: Vec<ChartLine>,
}

/// The range of an axis and its ticks.
#[derive(Debug, Clone)]
pub(crate) struct ChartAxis {
    lo: f64,
    hi: f64,
    log: bool,
    /// Position from 0 to 1, and label.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl ChartAxis {
    /// The position of `value`: 0 at the lower end, 1 at the upper end, beyond that for values outside. NaN if the axis
    /// cannot show the value.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let map = |v: f64| if self.log { v.log10() } else { v };
        // Halve, so that the range of all f64 values does not overflow.
        let (lo, hi, v) = (map(self.lo) / 2.0, map(self.hi) / 2.0, map(value) / 2.0);
        let place = (v - lo) / (hi - lo);
        if place.is_finite() { place } else { f64::NAN }
    }
}

impl Chart {
    /// The x-axis with about `about` ticks; None if there is nothing to draw.
    pub(crate) fn x_axis(&self, about: usize) -> Option<ChartAxis> {
        let xs = self.lines.iter().flat_map(|l| &l.points).map(|b| b.x).filter(|x| x.is_finite());
        let (lo, hi) = range(xs)?;
        let (lo, hi) = if lo == hi { (lo - 0.5, hi + 0.5) } else { (lo, hi) };
        let (values, texts) = match self.x_unit {
            XUnit::Number => {
                let t = ticks::ticks(lo, hi, about);
                (t.clone(), ticks::labels(&t))
            }
            XUnit::Seconds => {
                let t = ticks::time_ticks(lo, hi, about);
                (t.clone(), ticks::time_labels(&t))
            }
        };
        Some(ChartAxis { lo, hi, log: false, ticks: Vec::new() }.with_ticks(values, texts))
    }

    /// The y-axis with about `about` ticks; None if no value can be drawn.
    pub(crate) fn y_axis(&self, about: usize) -> Option<ChartAxis> {
        let fits = |v: &f64| v.is_finite() && (!self.log_y || *v > 0.0);
        let mut all: Option<(f64, f64)> = None;
        for line in &self.lines {
            let mut values: Vec<f64> = if self.band {
                line.points.iter().flat_map(|b| [b.lo, b.hi, b.mean]).filter(fits).collect()
            } else {
                line.points.iter().map(|b| b.mean).filter(fits).collect()
            };
            if line.points.iter().any(|b| b.nonfinite) {
                values.sort_by(f64::total_cmp);
                let tenth = values.len() / 10;
                values = values.split_off(tenth);
                values.truncate((values.len() - tenth).max(1));
            }
            all = [all, range(values)].into_iter().flatten().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        }
        let limit = |l: Option<f64>| l.filter(fits);
        let (lo, hi) = self.padded(all.or(limit(self.y_min).zip(limit(self.y_max)))?);
        let (lo, hi) = (limit(self.y_min).unwrap_or(lo), limit(self.y_max).unwrap_or(hi));
        let (lo, hi) = if lo < hi { (lo, hi) } else { self.padded((lo.min(hi), lo.max(hi))) };
        let axis = ChartAxis { lo, hi, log: self.log_y, ticks: Vec::new() };
        if self.log_y {
            let values = ticks::log_ticks(lo, hi, about);
            let texts = values.iter().map(|&v| short_number(v)).collect();
            Some(axis.with_ticks(values, texts))
        } else {
            let values = ticks::ticks(lo, hi, about);
            let texts = ticks::labels(&values);
            Some(axis.with_ticks(values, texts))
        }
    }

    /// Adds a margin above and below. The range starts at zero if the values are close to it.
    fn padded(&self, (lo, hi): (f64, f64)) -> (f64, f64) {
        if self.log_y {
            let room = if lo < hi { (hi / lo).powf(0.03) } else { 1.5 };
            return ((lo / room).max(f64::MIN_POSITIVE), (hi * room).min(f64::MAX));
        }
        let room = if lo < hi { hi / 25.0 - lo / 25.0 } else { (lo.abs() * 0.1).max(0.5) };
        let from_zero = lo >= 0.0 && lo < hi * 0.3;
        let (lo, hi) = (if from_zero { 0.0 } else { lo - room }, hi + room);
        (lo.max(f64::MIN), hi.min(f64::MAX))
    }
}

impl ChartAxis {
    fn with_ticks(mut self, values: Vec<f64>, texts: Vec<String>) -> Self {
        self.ticks = values.into_iter().map(|v| self.place(v)).zip(texts).collect();
        self
    }
}

impl ChartLine {
    /// The segments of the line without a gap: runs of buckets whose mean `y` can show.
    pub(crate) fn segments<'a>(&'a self, y: &'a ChartAxis) -> impl Iterator<Item = &'a [LineBucket]> {
        let shown = |b: &LineBucket| b.x.is_finite() && y.place(b.mean).is_finite();
        self.points.chunk_by(move |a, b| shown(a) && shown(b)).filter(move |s| shown(&s[0]))
    }

    /// Where the line becomes non-finite: the `x`, and the last bucket with a finite mean up to there, if any.
    pub(crate) fn turns(&self) -> Vec<(f64, Option<LineBucket>)> {
        let mut turns = Vec::new();
        let mut last: Option<LineBucket> = None;
        let mut before = false;
        for b in &self.points {
            let drawn = b.mean.is_finite();
            last = if drawn { Some(*b) } else { last };
            if b.nonfinite && !before {
                turns.push((b.x, last));
            }
            before = b.nonfinite;
        }
        turns
    }

    /// The remark in the legend on a line with non-finite values: from where on, at which x, or how many times.
    pub(crate) fn remark(&self, x_unit: XUnit) -> Option<String> {
        let turns = self.turns();
        let at = match x_unit {
            XUnit::Number => short_number,
            XUnit::Seconds => time_span,
        };
        let ends_non_finite = self.points.last().is_some_and(|b| b.nonfinite);
        match turns.last() {
            None => None,
            Some((x, _)) if ends_non_finite => Some(format!("non-finite from {}", at(*x))),
            Some((x, _)) if turns.len() == 1 => Some(format!("non-finite at {}", at(*x))),
            Some(_) => Some(format!("non-finite {} times", turns.len())),
        }
    }
}

fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((lo, hi)) => Some((v.min(lo), v.max(hi))),
    })
}

#[cfg(test)]
impl ChartLine {
    /// A line for tests: one bucket per value at x = 0, 1, …, with a band of ±1.
    pub(crate) fn of(name: &str, values: &[f64]) -> Self {
        let bucket = |(i, &v): (usize, &f64)| {
            let mean = if v.is_finite() { v } else { f64::NAN };
            LineBucket { x: i as f64, lo: mean - 1.0, hi: mean + 1.0, mean, nonfinite: !v.is_finite() }
        };
        ChartLine { name: name.into(), points: values.iter().enumerate().map(bucket).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(lines: Vec<ChartLine>) -> Chart {
        Chart { lines, ..Chart::default() }
    }

    #[test]
    fn an_axis_near_zero_starts_at_zero() {
        let y = chart(vec![ChartLine::of("a", &[1.0, 9.0])]).y_axis(4).unwrap();
        assert_eq!((y.lo, y.place(0.0)), (0.0, 0.0));
        let y = chart(vec![ChartLine::of("a", &[100.0, 101.0])]).y_axis(4).unwrap();
        assert!(y.lo > 99.0);
    }

    #[test]
    fn a_line_that_explodes_does_not_stretch_the_axis() {
        let mut values = vec![2.0; 30];
        values.extend([1e3, 1e30, f64::NAN, f64::NAN]);
        let y =
            chart(vec![ChartLine::of("calm", &[1.0; 34]), ChartLine::of("wild", &values)]).y_axis(4).unwrap();
        assert!(y.hi < 3.0, "{y:?}");
    }

    #[test]
    fn a_logarithmic_axis_omits_values_that_are_not_positive() {
        let mut c = chart(vec![ChartLine::of("a", &[0.0, -1.0, 0.1, 10.0])]);
        c.log_y = true;
        let y = c.y_axis(4).unwrap();
        assert!(y.lo > 0.0 && y.place(0.0).is_nan() && y.place(-1.0).is_nan());
        assert!((y.place(1.0) - 0.5).abs() < 1e-9);
        assert_eq!(c.lines[0].segments(&y).count(), 1);
        let mut none = chart(vec![ChartLine::of("a", &[0.0])]);
        none.log_y = true;
        assert!(none.y_axis(4).is_none());
    }

    #[test]
    fn extreme_values_have_a_position() {
        let c = chart(vec![ChartLine::of("a", &[f64::MIN, 0.0, f64::MAX])]);
        let y = c.y_axis(4).unwrap();
        assert_eq!((y.place(f64::MIN), y.place(0.0), y.place(f64::MAX)), (0.0, 0.5, 1.0));
    }

    #[test]
    fn a_gap_splits_a_line_and_starts_with_a_turn() {
        let l = ChartLine::of("a", &[1.0, 2.0, f64::NAN, f64::INFINITY, 3.0]);
        let y = chart(vec![l.clone()]).y_axis(4).unwrap();
        assert_eq!(l.segments(&y).map(<[LineBucket]>::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(l.turns(), [(2.0, Some(l.points[1]))]);
        assert_eq!(l.remark(XUnit::Number).as_deref(), Some("non-finite at 2"));
        assert_eq!(
            ChartLine::of("b", &[1.0, f64::NAN]).remark(XUnit::Seconds).as_deref(),
            Some("non-finite from 1 s")
        );
        assert_eq!(ChartLine::of("c", &[1.0]).remark(XUnit::Number), None);
    }

    #[test]
    fn nothing_to_draw_gives_no_axis() {
        assert!(chart(vec![]).x_axis(4).is_none());
        assert!(chart(vec![ChartLine::of("a", &[f64::NAN])]).y_axis(4).is_none());
    }
}
