//! Series over one axis.
//!
//! The x of a point replaces its step, and its step replaces the write order, so that the points that are kept are
//! found again.

use crate::alignment::{Alignment, Fill};
use crate::axis::{Placement, XAxis, XScale, XValue};
use crate::points::{Points, Repeats, merge};
use std::borrow::Cow;
use tidalite_model::{Error, Result, SeriesKey};

/// Series over one x-axis.
///
/// ```
/// use arrow::array::{AsArray, types::Float64Type};
/// use tidalite_model::{Labels, SeriesKey};
/// use tidalite_query::{OverAxis, Placement, Points, XAxis};
/// let (mut loss, mut tokens) = (Points::default(), Points::default());
/// (0..4).for_each(|step| loss.push(step, 0, 0, 1.0));
/// [(0, 0.0), (2, 512.0)].into_iter().for_each(|(step, value)| tokens.push(step, 0, 0, value));
/// let mut over = OverAxis::new(XAxis::Metric("tokens".into()));
/// over.push(SeriesKey::new("run-1", "loss", Labels::none()), loss, Placement::series(tokens));
/// assert_eq!(over.points()?["x"].as_primitive::<Float64Type>().values(), &[0.0, 0.0, 512.0, 512.0]);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug)]
pub struct OverAxis {
    pub(crate) x: XAxis,
    pub(crate) series: Vec<(SeriesKey, Points, Placement)>,
}

impl OverAxis {
    /// No series.
    pub fn new(x: XAxis) -> Self {
        OverAxis { x, series: Vec::new() }
    }

    /// Appends a series, whose points ascend by step, with repeats resolved. Needs steps, times and values. Points
    /// without an x are left out.
    pub fn push(&mut self, key: SeriesKey, points: Points, placement: Placement) {
        let kept = match placed(&points, &placement) {
            Cow::Owned(kept) => Some(kept),
            Cow::Borrowed(_) => None,
        };
        let points = kept.unwrap_or(points);
        if !points.is_empty() {
            self.series.push((key, points, placement));
        }
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.series.iter().map(|(_, points, _)| points.len()).sum()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The series side by side as an [`Alignment`], one row for each x that any of them has; the first column is `x`.
    /// Of several points of a series at one x, the one at the greatest step counts.
    pub fn align(&self) -> Alignment {
        let scale = order_scale(&self.x);
        let placed = self.series.iter().map(|(key, points, placement)| {
            // The last of equal x counts, and among these the steps ascend.
            (key.clone(), Points { seqs: Vec::new(), ..with_x_as_steps(points, placement, scale) })
        });
        Alignment::over(placed.collect(), self.x.clone(), scale)
    }

    /// Refuses a fill that is not defined on this axis.
    ///
    /// ```
    /// use tidalite_query::{Fill, OverAxis, XAxis};
    /// assert!(OverAxis::check_fill(&XAxis::Elapsed, Fill::Linear).is_ok());
    /// assert!(OverAxis::check_fill(&XAxis::Metric("tokens".into()), Fill::Linear).is_err());
    /// ```
    ///
    /// # Errors
    /// `Invalid` for linear interpolation over another metric, where one x may have several values.
    pub fn check_fill(x: &XAxis, fill: Fill) -> Result<()> {
        if x.metric().is_some() && fill == Fill::Linear {
            return Err(Error::invalid(
                "align series",
                "linear interpolation over another metric is not defined, since the metric may return to a value",
                "fill with the previous value or with null",
            ));
        }
        Ok(())
    }
}

/// The points that have an x.
pub(super) fn placed<'a>(points: &'a Points, placement: &Placement) -> Cow<'a, Points> {
    if matches!(placement, Placement::Step | Placement::Since(_)) {
        return Cow::Borrowed(points);
    }
    let mask: Vec<bool> = placement.x_values(points.view()).map(|x| x.is_some()).collect();
    if mask.iter().all(|is_placed| *is_placed) {
        return Cow::Borrowed(points);
    }
    let mut kept = points.clone();
    kept.keep(&mask);
    Cow::Owned(kept)
}

/// The scale where only the order of x counts.
pub(super) fn order_scale(x: &XAxis) -> XScale {
    if x.metric().is_some() { XScale::OrderedBits } else { XScale::Int }
}

/// The exact x of points from [`with_x_as_steps`].
pub(super) fn exact<'a>(
    kept: &'a Points,
    placement: &'a Placement,
    scale: XScale,
) -> impl Iterator<Item = XValue> + 'a {
    (0..kept.len()).map(move |i| match placement {
        Placement::Series(other) => {
            let last = other.steps.partition_point(|&step| step <= kept.seqs[i]);
            XValue::Float(other.values[last - 1])
        }
        Placement::NextOfSeries(other) => {
            let next = other.steps.partition_point(|&step| step < kept.seqs[i]);
            XValue::Float(other.values[next])
        }
        Placement::Step | Placement::Since(_) => scale.to_x(kept.steps[i]),
    })
}

/// The points with their x as steps and their steps as write order, sorted by both.
pub(crate) fn with_x_as_steps(points: &Points, placement: &Placement, scale: XScale) -> Points {
    let xs = placement.x_values(points.view()).map(|x| x.map(|x| scale.to_int(x)).unwrap_or_default());
    sorted(Points {
        steps: xs.collect(),
        seqs: points.steps.clone(),
        written: Vec::new(),
        times_us: points.times_us.clone(),
        values: points.values.clone(),
    })
}

pub(super) fn sorted(points: Points) -> Points {
    if points.is_ascending() { points } else { merge(vec![points], Repeats::All) }
}
