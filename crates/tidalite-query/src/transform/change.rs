//! Changes from point to point: the growth of counters, derivatives, and integrals.
//!
//! Points without a predecessor are left out. Points that are not finite stay unchanged and are not predecessors.

use super::kind::Per;
use crate::points::Points;

const MICROS_PER_SECOND: f64 = 1e6;

/// The growth of a counter per second.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    before: Option<Counted>,
    changes: CounterChanges,
}

/// How often the values of counters rose and fell from one point to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CounterChanges {
    /// Greater than the value before.
    pub rises: u64,
    /// Less than the value before.
    pub falls: u64,
}

/// The last value of a counter.
#[derive(Debug, Clone, Copy)]
struct Counted {
    value: f64,
    time_us: i64,
    /// Its growth between points of exactly this time.
    grown: f64,
}

impl Rate {
    pub(super) fn apply(&mut self, points: &mut Points) {
        let kept = replace(&mut points.values, &points.times_us, |value, at| self.push(value, at));
        points.keep(&kept);
    }

    /// The changes since the last call.
    pub(super) fn take_changes(&mut self) -> CounterChanges {
        std::mem::take(&mut self.changes)
    }

    fn push(&mut self, value: f64, time_us: i64) -> Option<f64> {
        let Some(before) = self.before else {
            self.before = Some(Counted { value, time_us, grown: 0.0 });
            return None;
        };
        self.changes.rises += u64::from(value > before.value);
        self.changes.falls += u64::from(value < before.value);
        // A counter falls only by restarting at zero.
        let grown = if value >= before.value { value - before.value } else { value };
        let grown = before.grown + grown;
        if time_us == before.time_us {
            self.before = Some(Counted { value, time_us, grown });
            return None;
        }
        self.before = Some(Counted { value, time_us, grown: 0.0 });
        // After a clock went back, the elapsed time is unknown.
        (time_us > before.time_us).then(|| grown / seconds(time_us, before.time_us))
    }
}

/// The change since the previous point, per step or per second.
#[derive(Debug, Clone)]
pub(super) struct Derivative {
    per: Per,
    before: Option<(i64, f64)>,
}

impl Derivative {
    pub(super) fn new(per: Per) -> Self {
        Derivative { per, before: None }
    }

    pub(super) fn apply(&mut self, points: &mut Points) {
        let axis = match self.per {
            Per::Step => &points.steps,
            Per::Second => &points.times_us,
        };
        let kept = replace(&mut points.values, axis, |value, at| self.push(value, at));
        points.keep(&kept);
    }

    fn push(&mut self, value: f64, at: i64) -> Option<f64> {
        let (before_at, before) = self.before.replace((at, value))?;
        if at <= before_at {
            return None;
        }
        let distance = match self.per {
            Per::Step => at.abs_diff(before_at) as f64,
            Per::Second => seconds(at, before_at),
        };
        let change = value - before;
        // The difference may be beyond the range of f64 where the quotient is not.
        Some(if change.is_finite() { change / distance } else { value / distance - before / distance })
    }
}

/// The area under the line through the points, by time, or its mean height.
#[derive(Debug, Clone, Default)]
pub(super) struct Integral {
    area: f64,
    /// The seconds over which the area was taken.
    seconds: f64,
    before: Option<(i64, f64)>,
    is_mean: bool,
}

impl Integral {
    /// Of the mean height.
    pub(super) fn mean() -> Self {
        Integral { is_mean: true, ..Integral::default() }
    }

    pub(super) fn apply(&mut self, points: &mut Points) {
        for (value, &time_us) in points.values.iter_mut().zip(&points.times_us) {
            if value.is_finite() {
                *value = self.push(*value, time_us);
            }
        }
    }

    fn push(&mut self, value: f64, time_us: i64) -> f64 {
        if let Some((before_us, before)) = self.before.replace((time_us, value))
            && time_us > before_us
        {
            // Halves first: the sum of both may be beyond the range of f64.
            let advanced = seconds(time_us, before_us);
            self.area += (before / 2.0 + value / 2.0) * advanced;
            self.seconds += advanced;
        }
        match self.is_mean {
            false => self.area,
            true if self.seconds > 0.0 => self.area / self.seconds,
            true => value,
        }
    }
}

fn seconds(later_us: i64, earlier_us: i64) -> f64 {
    later_us.abs_diff(earlier_us) as f64 / MICROS_PER_SECOND
}

/// Replaces each finite value by the result of `of`; returns a mask of the points that stay.
fn replace(values: &mut [f64], axis: &[i64], mut of: impl FnMut(f64, i64) -> Option<f64>) -> Vec<bool> {
    let mut stays = |value: &mut f64, at: i64| {
        if !value.is_finite() {
            return true;
        }
        let becomes = of(*value, at);
        *value = becomes.unwrap_or(*value);
        becomes.is_some()
    };
    values.iter_mut().zip(axis).map(|(value, &at)| stays(value, at)).collect()
}
