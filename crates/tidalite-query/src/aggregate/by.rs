//! What aggregates are grouped by.

use crate::axis::Calendar;
use crate::filter::RunField;
use crate::words::{MICROS, micros, shown, unknown_word};
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// One thing to group by.
///
/// As words: `run`, `metric`, `labels`, `label:KEY`, `param:NAME`, `step:WIDTH`, and `time:WIDTH` with a unit of time
/// (us, ms, s, m or min, h, d, w, mo, y). Weeks start on Monday. A time zone follows an `@`: `time:1d@Europe/Berlin`.
/// As in filters, `labels.KEY` is `label:KEY`, and `params.NAME` is `param:NAME`.
///
/// ```
/// use tidalite_query::By;
/// assert_eq!("label:rank".parse::<By>()?, By::Label("rank".into()));
/// assert_eq!("time:1.5s".parse::<By>()?, By::TimeBucket(1_500_000));
/// assert_eq!(By::StepBucket(100).to_string(), "step:100");
/// assert!("epoch".parse::<By>().unwrap_err().to_string().contains("label:KEY"));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum By {
    /// The run; column and word `run`.
    Run,
    /// The metric; column and word `metric`.
    Metric,
    /// All labels together, in their canonical text; column and word `labels`.
    Labels,
    /// The value of one label, null where a series lacks it; column and word `label:<key>`.
    Label(String),
    /// The value of one param of the run, null where the run lacks it; column and word `param:<name>`. The param is
    /// the one of that name; else, where the name has dots, the one within params, as `model.depth`.
    Param(String),
    /// Buckets of this many steps, aligned at step 0; column `step_bucket` holds each bucket's start; word
    /// `step:<width>`.
    StepBucket(u64),
    /// Buckets of this many microseconds, aligned at 1970 UTC; column `time_bucket` holds each bucket's start; word
    /// `time:<width>`.
    TimeBucket(u64),
    /// Buckets of a calendar; column `time_bucket` holds each bucket's start; word `time:<width>` with whole weeks, months or
    /// years, or with `@` and a time zone.
    Calendar(Calendar),
}

impl By {
    /// The name of its column in the result.
    ///
    /// ```
    /// assert_eq!(tidalite_query::By::StepBucket(100).column(), "step_bucket");
    /// ```
    pub fn column(&self) -> String {
        match self {
            By::Run => "run".into(),
            By::Metric => "metric".into(),
            By::Labels => "labels".into(),
            By::Label(key) => format!("label:{key}"),
            By::Param(name) => format!("param:{name}"),
            By::StepBucket(_) => "step_bucket".into(),
            By::TimeBucket(_) | By::Calendar(_) => "time_bucket".into(),
        }
    }

    /// Whether it groups by a name rather than by a bucket.
    pub(crate) fn is_name(&self) -> bool {
        !self.is_bucket()
    }

    /// Whether it groups by buckets of steps or of time.
    pub(crate) fn is_bucket(&self) -> bool {
        matches!(self, By::StepBucket(_) | By::TimeBucket(_) | By::Calendar(_))
    }
}

const DOING: &str = "read group";
const KNOWN: &str = "run, metric, labels, label:KEY, param:NAME, step:WIDTH, time:WIDTH";
const MICROS_PER_SECOND: u64 = 1_000_000;

/// Cuts to microseconds. Rounding to nanoseconds first removes the binary error of a decimal such as 0.57.
fn cut_to_micros(us: f64) -> f64 {
    ((us * 1e3).round() / 1e3).floor()
}

fn wrong_width(word: &str, of: &str, example: &str) -> Error {
    Error::invalid(
        DOING,
        format!("`{}` has no width in {of} of at least 1", shown(word)),
        format!("write it as in {example}"),
    )
}

impl FromStr for By {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        // As filters write them.
        if word.starts_with("params.") || word.starts_with("labels.") {
            return match word.parse()? {
                RunField::Label(key) => Ok(By::Label(key)),
                RunField::Param(path) => Ok(By::Param(path.join("."))),
                _ => Err(unknown_word(DOING, word, KNOWN)),
            };
        }
        match word.split_once(':').map_or((word, None), |(kind, rest)| (kind, Some(rest))) {
            ("run", None) => Ok(By::Run),
            ("metric", None) => Ok(By::Metric),
            ("labels", None) => Ok(By::Labels),
            ("label", Some(key)) if !key.is_empty() => Ok(By::Label(key.into())),
            ("param", Some(name)) if !name.is_empty() => Ok(By::Param(name.into())),
            ("step", Some(width)) => {
                let width = width.replace('_', "").parse().ok().filter(|&w| w > 0);
                width.map(By::StepBucket).ok_or_else(|| wrong_width(word, "steps", "step:100"))
            }
            ("time", Some(width)) => {
                if Calendar::is_word(width) {
                    return width.parse().map(By::Calendar);
                }
                let us = micros(width, &MICROS, cut_to_micros).filter(|&us| us > 0);
                us.map(By::TimeBucket).ok_or_else(|| wrong_width(word, "time", "time:10s or time:1mo"))
            }
            _ => Err(unknown_word(DOING, word, KNOWN)),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::StepBucket(width) => write!(f, "step:{width}"),
            By::TimeBucket(us) if us % MICROS_PER_SECOND == 0 => {
                write!(f, "time:{}s", us / MICROS_PER_SECOND)
            }
            By::TimeBucket(us) => write!(f, "time:{us}us"),
            By::Calendar(calendar) => write!(f, "time:{calendar}"),
            name => f.write_str(&name.column()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_by() -> impl Strategy<Value = By> {
        prop_oneof![
            prop::sample::select(vec![By::Run, By::Metric, By::Labels]),
            ".{1,9}".prop_map(By::Label),
            ".{1,9}".prop_map(By::Param),
            (1..=u64::MAX).prop_map(By::StepBucket),
            (1..=u64::MAX).prop_map(By::TimeBucket),
            (1..=99u64).prop_map(|s| By::TimeBucket(s * MICROS_PER_SECOND)),
            prop::sample::select(vec!["1d", "6h@Europe/Berlin", "2w", "3mo@Asia/Tokyo", "1y"])
                .prop_map(|word| By::Calendar(word.parse().unwrap())),
        ]
    }

    proptest! {
        #[test]
        fn each_group_reads_back_from_its_word(by in any_by()) {
            prop_assert_eq!(by.to_string().parse::<By>().unwrap(), by);
        }
    }

    #[test]
    fn widths_have_units_and_separators() {
        for (word, by) in [
            ("step:1_000", By::StepBucket(1000)),
            ("time:250ms", By::TimeBucket(250_000)),
            ("time:0.57s", By::TimeBucket(570_000)),
            ("time:1.5us", By::TimeBucket(1)),
            ("time:2µs", By::TimeBucket(2)),
            ("time:1.5min", By::TimeBucket(90_000_000)),
            ("time:1.5w", By::TimeBucket(907_200_000_000)),
            ("time:2w", By::Calendar("2w".parse().unwrap())),
            ("time:1mo", By::Calendar("1mo@UTC".parse().unwrap())),
            ("time:1d@Asia/Kolkata", By::Calendar("1d@Asia/Kolkata".parse().unwrap())),
        ] {
            assert_eq!(word.parse::<By>().unwrap(), by, "{word}");
        }
    }

    #[test]
    fn labels_and_params_are_also_named_as_in_filters() {
        for (word, by) in [
            ("params.lr", By::Param("lr".into())),
            ("params.model.depth", By::Param("model.depth".into())),
            ("params.\"learning rate\"", By::Param("learning rate".into())),
            ("labels.rank", By::Label("rank".into())),
        ] {
            assert_eq!(word.parse::<By>().unwrap(), by, "{word}");
        }
        assert_eq!("params.lr".parse::<By>().unwrap().to_string(), "param:lr");
        assert!("params.".parse::<By>().is_err() && "labels.a.b".parse::<By>().is_err());
    }

    #[test]
    fn a_wrong_word_is_refused_with_the_known_ones_and_a_wrong_width_with_an_example() {
        for bad in ["", "runs", "step", "label:", "param:", "run:1", "Run"] {
            let text = bad.parse::<By>().unwrap_err().to_string();
            assert!(text.contains("run, metric, labels, label:KEY"), "{text}");
        }
        for bad in ["step:0", "step:-1", "step:x", "time:5", "time:0s", "time:0.1us", "time:..s", "time:9q"] {
            let text = bad.parse::<By>().unwrap_err().to_string();
            assert!(text.contains(bad) && text.contains("write it as in"), "{text}");
        }
    }
}
