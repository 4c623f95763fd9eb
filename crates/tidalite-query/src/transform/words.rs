//! Reading and writing the words of transforms.

use super::kind::{Decay, Per, Transform, TransformKind, wrong};
use crate::words::{micros, shown};
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

const REMEDY: &str = "use any of ema:0.9, half-life:100 (steps), half-life:10s (time), mean:50 (points), mean:time, \
                      rate, derivative:step, derivative:time, integral";

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
        let unknown = || wrong(format!("`{}` is not a transform", shown(word)), REMEDY);
        let (name, given) = word.split_once(':').map_or((word, None), |(name, given)| (name, Some(given)));
        match (name, given) {
            ("ema", Some(factor)) => Transform::ema(factor.parse().map_err(|_| unknown())?),
            ("half-life", Some(span)) => match span.parse() {
                Ok(steps) => Transform::half_life_steps(steps),
                Err(_) => Transform::half_life_us(micros(span, &UNITS, f64::round).ok_or_else(unknown)?),
            },
            ("mean", Some("time")) => Ok(Transform::mean_by_time()),
            ("mean", Some(points)) => Transform::moving_mean(points.parse().map_err(|_| unknown())?),
            ("rate", None) => Ok(Transform::rate()),
            ("derivative", Some("step")) => Ok(Transform::derivative_by_step()),
            ("derivative", Some("time")) => Ok(Transform::derivative_by_time()),
            ("integral", None) => Ok(Transform::integral()),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TransformKind::Ema(Decay::Factor(factor)) => write!(f, "ema:{factor}"),
            TransformKind::Ema(Decay::Steps(steps)) => write!(f, "half-life:{steps}"),
            TransformKind::Ema(Decay::Micros(us)) if us % 1_000_000 == 0 => {
                write!(f, "half-life:{}s", us / 1_000_000)
            }
            TransformKind::Ema(Decay::Micros(us)) => write!(f, "half-life:{us}us"),
            TransformKind::MovingMean(points) => write!(f, "mean:{points}"),
            TransformKind::Rate => f.write_str("rate"),
            TransformKind::Derivative(Per::Step) => f.write_str("derivative:step"),
            TransformKind::Integral => f.write_str("integral"),
            TransformKind::MeanByTime => f.write_str("mean:time"),
            TransformKind::Derivative(Per::Second) => f.write_str("derivative:time"),
        }
    }
}
