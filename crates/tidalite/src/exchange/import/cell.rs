//! A cell of a table, and its meaning in each column. All formats use it, so text, numbers and typed columns follow the
//! same rules.

use super::fault::{ImportFault, quoted};
use std::borrow::Cow;

/// A cell, with the type that the format gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TableCell<'a> {
    /// Empty.
    Null,
    Int(i64),
    UInt(u64),
    Float(f64),
    Bool(bool),
    Text(&'a str),
    /// A typed timestamp, µs since 1970 UTC.
    TimeUs(i64),
    /// A type that no column accepts; the words name it in messages.
    Other(&'a str),
}

/// Whole numbers up to this one are exact in a float64, so a float is exactly one step.
const FLOAT_WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

impl<'a> TableCell<'a> {
    /// The cell as a name. An integer becomes its digits.
    pub(crate) fn name(self) -> Result<Cow<'a, str>, ImportFault> {
        match self {
            TableCell::Text(text) => Ok(Cow::Borrowed(text)),
            TableCell::Int(n) => Ok(Cow::Owned(n.to_string())),
            TableCell::UInt(n) => Ok(Cow::Owned(n.to_string())),
            TableCell::Null => Err(ImportFault::wrong("it is empty", "fill it, or drop the row")),
            other => Err(other.wrong("is not a name", "give text")),
        }
    }

    /// The cell as a step.
    pub(crate) fn step(self) -> Result<i64, ImportFault> {
        const REMEDY: &str = "give a whole number between -2^63 and 2^63 - 1";
        let whole = |x: f64| (x.fract() == 0.0 && x.abs() <= FLOAT_WHOLE_MAX).then_some(x as i64);
        let step = match self {
            TableCell::Int(n) => Some(n),
            TableCell::UInt(n) => i64::try_from(n).ok(),
            TableCell::Float(x) => whole(x),
            TableCell::Text(text) if !text.is_empty() => {
                let text = text.trim_ascii();
                text.parse().ok().or_else(|| {
                    // An integer that does not fit an i64 is out of range. Parsing it as a float would round it.
                    let float = text.contains(['.', 'e', 'E']);
                    text.parse().ok().filter(|_| float).and_then(whole)
                })
            }
            TableCell::Null | TableCell::Text(_) => {
                return Err(ImportFault::wrong(
                    "there is no step",
                    "fill it, or drop the row; ignore the column to count steps up instead",
                ));
            }
            TableCell::Bool(_) | TableCell::TimeUs(_) | TableCell::Other(_) => None,
        };
        step.ok_or_else(|| self.wrong("is not a step", REMEDY))
    }

    /// The cell as the value of a label. Pandas makes floats of whole numbers where a column has a gap.
    pub(super) fn label(self) -> Result<Cow<'a, str>, ImportFault> {
        match self {
            TableCell::Text(text) => Ok(Cow::Borrowed(text.trim())),
            TableCell::Bool(flag) => Ok(Cow::Borrowed(if flag { "true" } else { "false" })),
            TableCell::Float(x) if x.fract() == 0.0 && x.abs() <= FLOAT_WHOLE_MAX => {
                Ok(Cow::Owned((x as i64).to_string()))
            }
            other => other.name(),
        }
    }

    pub(super) fn wrong(self, what: &str, remedy: &str) -> ImportFault {
        ImportFault::wrong(format!("{} {what}", self.shown()), remedy)
    }

    /// The cell in words, for a message.
    pub(super) fn shown(self) -> String {
        match self {
            TableCell::Null => "nothing".to_owned(),
            TableCell::Int(n) => n.to_string(),
            TableCell::UInt(n) => n.to_string(),
            TableCell::Float(x) => x.to_string(),
            TableCell::Bool(flag) => flag.to_string(),
            TableCell::Text(text) => quoted(text),
            TableCell::TimeUs(_) => "a timestamp".to_owned(),
            TableCell::Other(words) => words.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_whole_numbers_in_any_notation() {
        for (cell, step) in [
            (TableCell::Int(-3), -3),
            (TableCell::UInt(7), 7),
            (TableCell::Float(12.0), 12),
            (TableCell::Text(" 5 "), 5),
            (TableCell::Text("5.0"), 5),
            (TableCell::Text("1e3"), 1000),
            (TableCell::Text("-9223372036854775808"), i64::MIN),
        ] {
            assert_eq!(cell.step().unwrap(), step);
        }
        let bad = ["", "x", "1.5", "9223372036854775808", "nan", "1e300", "9007199254740994.0"]
            .map(TableCell::Text);
        for cell in bad.into_iter().chain([
            TableCell::Null,
            TableCell::UInt(u64::MAX),
            TableCell::Float(0.5),
            TableCell::Other("a list"),
        ]) {
            assert!(cell.step().is_err(), "{cell:?}");
        }
    }
}
