//! The transforms and their parameters.

use tidalite_model::{Error, Result};

/// A transform of a series, point by point.
///
/// | word | value of a point |
/// |---|---|
/// | `ema:0.9` | debiased exponential moving average: a point's weight falls by this factor with each point that follows |
/// | `half-life:100`, `half-life:10s` | the same, where the weight halves in this many steps, or in this time |
/// | `mean:50` | mean of the last 50 points, this one included; of fewer at the start |
/// | `rate` | growth of a counter per second since the previous point; a fall means that it restarted at zero |
/// | `derivative:step`, `derivative:time` | change since the previous point, per step or per second |
/// | `integral` | area under the line through the points since the first one, in the value's unit × seconds |
/// | `mean:time` | mean of the line through the points since the first one, weighted by time |
///
/// Points that are NaN or ±Inf pass through unchanged and do not affect other points.
///
/// The average is `Σ wᵢ·xᵢ / Σ wᵢ` over the points so far, with `wᵢ` the product of the factors since point i. For
/// one factor `w` this is `(1 − w)·Σ wⁿ⁻ⁱ·xᵢ / (1 − wⁿ)`: the moving average without its bias towards zero at the
/// start, as in D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015, section 3), and as
/// in TensorBoard's smoothing.
///
/// A rate and a derivative have no point for the first finite point of a series, nor for one that is not after the
/// previous one (in time, or in steps). The growth of a counter between points of one time counts towards the next
/// later point. The rule for falls is the one that Prometheus documents for its function `rate`. Counters are never
/// negative.
///
/// An integral starts at 0, adds a trapezoid per point, and nothing where time does not advance: of a power in watts it is
/// the energy in joules. A mean by time is the integral divided by the time over which it was taken; before time has
/// advanced it is the value.
///
/// ```
/// use tidalite_query::{Points, Transform, TransformChain};
/// let mut points = Points::default();
/// for (step, value) in [(0, 4.0), (1, 0.0), (2, f64::NAN), (3, 2.0)] {
///     points.push(step, 0, 0, value);
/// }
/// TransformChain::new(&["mean:2".parse()?]).apply(&mut points);
/// assert_eq!(points.values[..2], [4.0, 2.0]);
/// assert!(points.values[2].is_nan() && points.values[3] == 1.0);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform(pub(super) TransformKind);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TransformKind {
    Ema(Decay),
    MovingMean(usize),
    Rate,
    Derivative(Per),
    Integral,
    MeanByTime,
}

/// How the weight of a point falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Decay {
    /// By this factor per point.
    Factor(f64),
    /// By half in this many steps.
    Steps(u64),
    /// By half in this many microseconds.
    Micros(u64),
}

/// What a change is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Per {
    Step,
    Second,
}

/// The longest window of a moving mean, in points: a state of 1 MiB per series.
const WINDOW_MAX: usize = 1 << 16;

impl Transform {
    /// A debiased exponential moving average: the weight of a point falls by this factor with each point that
    /// follows.
    ///
    /// ```
    /// use tidalite_query::Transform;
    /// assert_eq!(Transform::ema(0.9)?, "ema:0.9".parse()?);
    /// assert!(Transform::ema(1.0).is_err());
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` unless 0 ≤ `factor` < 1.
    pub fn ema(factor: f64) -> Result<Self> {
        if (0.0..1.0).contains(&factor) {
            return Ok(Transform(TransformKind::Ema(Decay::Factor(factor))));
        }
        Err(wrong(format!("the factor is {factor}"), "give a number from 0 up to, not including, 1"))
    }

    /// The same average, where the weight halves in this many steps.
    ///
    /// # Errors
    /// `Invalid` for 0 steps.
    pub fn half_life_steps(steps: u64) -> Result<Self> {
        at_least_one(steps, "the half-life is 0 steps", "give at least one")?;
        Ok(Transform(TransformKind::Ema(Decay::Steps(steps))))
    }

    /// The same average, where the weight halves in this many microseconds. A point that is earlier than the previous
    /// one counts as of the same time.
    ///
    /// # Errors
    /// `Invalid` for 0 microseconds.
    pub fn half_life_us(us: u64) -> Result<Self> {
        at_least_one(us, "the half-life is 0 microseconds", "give at least a microsecond")?;
        Ok(Transform(TransformKind::Ema(Decay::Micros(us))))
    }

    /// The mean of the last `points` points, this one included.
    ///
    /// # Errors
    /// `Invalid` for 0 points, or more than 65,536.
    pub fn moving_mean(points: usize) -> Result<Self> {
        if (1..=WINDOW_MAX).contains(&points) {
            return Ok(Transform(TransformKind::MovingMean(points)));
        }
        Err(wrong(format!("the window has {points} points"), "give 1 to 65536"))
    }

    /// The growth of a counter per second.
    pub fn rate() -> Self {
        Transform(TransformKind::Rate)
    }

    /// The change since the previous point, per step.
    pub fn derivative_by_step() -> Self {
        Transform(TransformKind::Derivative(Per::Step))
    }

    /// The change since the previous point, per second.
    pub fn derivative_by_time() -> Self {
        Transform(TransformKind::Derivative(Per::Second))
    }

    /// The area under the line through the points since the first one, by time in seconds.
    pub fn integral() -> Self {
        Transform(TransformKind::Integral)
    }

    /// The mean of the line through the points since the first one, weighted by time.
    pub fn mean_by_time() -> Self {
        Transform(TransformKind::MeanByTime)
    }

    /// Whether points must come with their times.
    pub fn needs_times(&self) -> bool {
        matches!(
            self.0,
            TransformKind::Ema(Decay::Micros(_))
                | TransformKind::Rate
                | TransformKind::Derivative(Per::Second)
                | TransformKind::Integral
                | TransformKind::MeanByTime
        )
    }
}

fn at_least_one(given: u64, wrong_text: &str, remedy: &str) -> Result<()> {
    if given > 0 { Ok(()) } else { Err(wrong(wrong_text.into(), remedy)) }
}

pub(super) fn wrong(wrong: String, remedy: &str) -> Error {
    Error::invalid("plan transform", wrong, remedy)
}
