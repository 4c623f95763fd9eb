//! The words for transforms, as [`Transform`] lists them.

use super::{Decay, Kind, Per, Transform, wrong};
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

const REMEDY: &str = "use any of ema:0.9, half-life:100 (steps), half-life:10s (time), mean:50 (points), rate, \
                      derivative:step, derivative:time";

/// Microseconds of each unit of time.
const UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

impl FromStr for Transform {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let unknown = || {
            let word: String = word.chars().take(40).collect();
            wrong(format!("`{word}` is no transform"), REMEDY)
        };
        let (name, given) = word.split_once(':').map_or((word, None), |(name, given)| (name, Some(given)));
        match (name, given) {
            ("ema", Some(factor)) => Transform::ema(factor.parse().map_err(|_| unknown())?),
            ("half-life", Some(span)) => match span.parse() {
                Ok(steps) => Transform::half_life_steps(steps),
                Err(_) => Transform::half_life_us(micros(span).ok_or_else(unknown)?),
            },
            ("mean", Some(points)) => Transform::moving_mean(points.parse().map_err(|_| unknown())?),
            ("rate", None) => Ok(Transform::rate()),
            ("derivative", Some("step")) => Ok(Transform::derivative_by_step()),
            ("derivative", Some("time")) => Ok(Transform::derivative_by_time()),
            _ => Err(unknown()),
        }
    }
}

/// `250ms`, `1.5h`: in whole microseconds.
fn micros(span: &str) -> Option<u64> {
    let digits = span.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = span.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit);
    }
    let us = (number.parse::<f64>().ok()? * unit as f64).round();
    // Below 2^64, so that the cast takes nothing away.
    (us < 1.8e19).then_some(us as u64)
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Ema(Decay::Factor(factor)) => write!(f, "ema:{factor}"),
            Kind::Ema(Decay::Steps(steps)) => write!(f, "half-life:{steps}"),
            Kind::Ema(Decay::Micros(us)) if us % 1_000_000 == 0 => write!(f, "half-life:{}s", us / 1_000_000),
            Kind::Ema(Decay::Micros(us)) => write!(f, "half-life:{us}us"),
            Kind::MovingMean(points) => write!(f, "mean:{points}"),
            Kind::Rate => f.write_str("rate"),
            Kind::Derivative(Per::Step) => f.write_str("derivative:step"),
            Kind::Derivative(Per::Second) => f.write_str("derivative:time"),
        }
    }
}
