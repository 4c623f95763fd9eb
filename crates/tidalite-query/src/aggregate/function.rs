//! The aggregate functions and their words. A result's columns carry the same words.

use crate::words::{shown, write_word};
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Result};

/// An aggregate of each group's points. Every number but the counts, `first`, `last` and their times is over finite
/// values: NaN and ±Inf are counted separately.
///
/// ```
/// use tidalite_query::Aggregate;
/// let p: Aggregate = "p99.9".parse()?;
/// assert_eq!(p.to_string(), "p99.9");
/// assert_eq!("argmin".parse::<Aggregate>()?, Aggregate::ArgMin);
/// assert!("average".parse::<Aggregate>().unwrap_err().to_string().contains("mean"));
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Aggregate {
    /// The number of points.
    Count,
    /// The number of finite values.
    Finite,
    /// The number of NaN.
    Nan,
    /// The number of +Inf and −Inf.
    Inf,
    /// Sum of the finite values.
    Sum,
    /// Mean of the finite values.
    Mean,
    /// Population standard deviation of the finite values (divided by n).
    Std,
    /// Population variance of the finite values (divided by n).
    Var,
    /// Least finite value.
    Min,
    /// Greatest finite value.
    Max,
    /// The value at the least step, finite or not.
    First,
    /// The value at the greatest step, finite or not.
    Last,
    /// The step of the least finite value; the least such step.
    ArgMin,
    /// The step of the greatest finite value; the least such step.
    ArgMax,
    /// The least step with a NaN.
    ArgNan,
    /// The least step.
    StepFirst,
    /// The greatest step.
    StepLast,
    /// The time of the point at the least step.
    TimeFirst,
    /// The time of the point at the greatest step.
    TimeLast,
    /// The least time.
    TimeMin,
    /// The greatest time.
    TimeMax,
    /// The 50th percentile of the finite values.
    Median,
    /// A percentile of the finite values, exact: interpolated linearly between two order statistics. Word `p95`.
    Percentile(Percent),
    /// A percentile of the finite values, approximate: a sketch gives each of the two order statistics to within 1 %
    /// of itself, in bounded memory. Word `p95~`.
    Approximate(Percent),
}

/// A number from 0 to 100.
///
/// ```
/// use tidalite_query::Percent;
/// assert_eq!(Percent::new(99.9).map(Percent::get), Some(99.9));
/// assert_eq!(Percent::new(101.0), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(f64);

/// The words of all aggregates but the percentiles.
const WORDS: [(&str, Aggregate); 22] = [
    ("count", Aggregate::Count),
    ("finite", Aggregate::Finite),
    ("nan", Aggregate::Nan),
    ("inf", Aggregate::Inf),
    ("sum", Aggregate::Sum),
    ("mean", Aggregate::Mean),
    ("std", Aggregate::Std),
    ("var", Aggregate::Var),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("first", Aggregate::First),
    ("last", Aggregate::Last),
    ("argmin", Aggregate::ArgMin),
    ("argmax", Aggregate::ArgMax),
    ("argnan", Aggregate::ArgNan),
    ("step_first", Aggregate::StepFirst),
    ("step_last", Aggregate::StepLast),
    ("time_first", Aggregate::TimeFirst),
    ("time_last", Aggregate::TimeLast),
    ("time_min", Aggregate::TimeMin),
    ("time_max", Aggregate::TimeMax),
    ("median", Aggregate::Median),
];

impl Aggregate {
    /// Parses a list of words.
    ///
    /// ```
    /// use tidalite_query::Aggregate;
    /// assert_eq!(Aggregate::parse_list(&["count", "mean"])?, [Aggregate::Count, Aggregate::Mean]);
    /// assert!(Aggregate::parse_list(&["count", "avg"]).unwrap_err().to_string().contains("word 2 of 2"));
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` at the first unknown word; the message gives its position, counted from 1.
    pub fn parse_list<S: AsRef<str>>(words: &[S]) -> Result<Vec<Aggregate>> {
        let read = |(i, word): (usize, &S)| {
            let word = word.as_ref();
            Self::from_word(word)
                .ok_or_else(|| unknown(&format!("word {} of {}: ", i + 1, words.len()), word))
        };
        words.iter().enumerate().map(read).collect()
    }

    fn from_word(word: &str) -> Option<Self> {
        if let Some((_, aggregate)) = WORDS.iter().find(|(w, _)| *w == word) {
            return Some(*aggregate);
        }
        let (word, about) = word.strip_suffix('~').map_or((word, false), |word| (word, true));
        let number = word.strip_prefix('p')?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let plain = match number.split_once('.') {
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => digits(number),
        };
        let percent = plain.then(|| number.parse().ok().and_then(Percent::new)).flatten()?;
        Some(if about { Aggregate::Approximate(percent) } else { Aggregate::Percentile(percent) })
    }

    /// The percentage of an exact percentile.
    pub(crate) fn exact_percent(&self) -> Option<Percent> {
        match self {
            Aggregate::Median => Some(Percent(50.0)),
            Aggregate::Percentile(p) => Some(*p),
            _ => None,
        }
    }
}

impl Percent {
    /// A percentage; `None` outside 0 to 100.
    pub fn new(percent: f64) -> Option<Self> {
        // Adding zero makes −0 the same percentage, and the same column name, as 0.
        (0.0..=100.0).contains(&percent).then_some(Percent(percent + 0.0))
    }

    /// The percentage.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The float nearest to the decimal fraction, which dividing by 100 may miss.
    pub(crate) fn fraction(self) -> f64 {
        format!("{}e-2", self.0).parse().expect("a number and an exponent are a number")
    }
}

fn unknown(place: &str, word: &str) -> Error {
    let known: Vec<&str> = WORDS.iter().map(|w| w.0).collect();
    Error::invalid(
        "read aggregates",
        format!("{place}`{}` is not an aggregate", shown(word)),
        format!(
            "use any of {}, or a percentile from p0 to p100 such as p99.9, or p99.9~ from a sketch",
            known.join(", ")
        ),
    )
}

impl FromStr for Aggregate {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::from_word(word).ok_or_else(|| unknown("", word))
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aggregate::Percentile(p) => write!(f, "p{}", p.0),
            Aggregate::Approximate(p) => write!(f, "p{}~", p.0),
            other => write_word(f, &WORDS, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_aggregate_reads_back_from_its_word(
            aggregate in prop_oneof![
                prop::sample::select(WORDS.map(|w| w.1).to_vec()),
                (0.0..=100.0f64).prop_map(|p| Aggregate::Percentile(Percent::new(p).unwrap())),
                (0.0..=100.0f64).prop_map(|p| Aggregate::Approximate(Percent::new(p).unwrap())),
            ],
        ) {
            prop_assert_eq!(aggregate.to_string().parse::<Aggregate>().unwrap(), aggregate);
        }
    }

    #[test]
    fn each_word_reads_back() {
        let words: Vec<&str> =
            WORDS.iter().map(|w| w.0).chain(["p0", "p50", "p99.9", "p100", "p0~", "p99.9~"]).collect();
        for (aggregate, word) in Aggregate::parse_list(&words).unwrap().iter().zip(&words) {
            assert_eq!(aggregate.to_string(), *word);
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_its_position_and_the_known_words() {
        for bad in [
            "", "p", "p101", "p-1", "p1e1", "pinf", "pnan", "p.5", "p5.", "P50", "Mean", "avg", "~", "p~",
            "p5~~", "median~",
        ] {
            let text = Aggregate::parse_list(&["count", bad]).unwrap_err().to_string();
            assert!(text.contains(&format!("word 2 of 2: `{bad}`")), "{text}");
            assert!(text.contains("argmax") && text.contains("p99.9"), "{text}");
            assert!(bad.parse::<Aggregate>().is_err());
        }
    }

    #[test]
    fn a_fraction_is_the_float_nearest_to_the_decimal() {
        for (percent, fraction) in [(99.9, 0.999), (0.0, 0.0), (100.0, 1.0), (95.0, 0.95), (0.1, 0.001)] {
            assert_eq!(Percent::new(percent).unwrap().fraction(), fraction);
        }
        for bad in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert!(Percent::new(bad).is_none());
        }
    }
}
