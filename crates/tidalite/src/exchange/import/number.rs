//! Numbers in cells: exact whole numbers, words such as `NaN` and `true`, decimal commas, and units behind a number.

use super::cell::TableCell;
use super::fault::ImportFault;
use crate::exchange::nan_text;
use crate::write::batch_columns::is_exact;

/// Units that may stand behind a number, as system tools write them.
const UNITS: [&str; 30] = [
    "%", "B", "kB", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "B/s", "kB/s", "KB/s", "MB/s",
    "GB/s", "MiB/s", "W", "mW", "Hz", "MHz", "GHz", "C", "°C", "RPM", "V", "s", "ms", "us", "ns",
];

/// The fewest digits of a whole number that a float64 may not hold.
const INEXACT_DIGITS: usize = 16;

impl<'a> TableCell<'a> {
    /// The cell as a value. With `comma`, a comma in text may be the decimal point.
    pub(super) fn value(self, comma: bool) -> Result<f64, ImportFault> {
        match self {
            TableCell::Int(n) if is_exact(i128::from(n)) => Ok(n as f64),
            TableCell::UInt(n) if is_exact(i128::from(n)) => Ok(n as f64),
            TableCell::Int(_) | TableCell::UInt(_) => Err(self.inexact()),
            TableCell::Float(x) => Ok(x),
            TableCell::Bool(flag) => Ok(f64::from(u8::from(flag))),
            TableCell::Text(text) if !text.is_empty() => self.text_value(text.trim_ascii(), comma),
            TableCell::Null | TableCell::Text(_) => Err(ImportFault::wrong(
                "there is no value",
                "drop the row, or write NaN for a value that is not a number",
            )),
            TableCell::TimeUs(_) | TableCell::Other(_) => Err(self.wrong("is not a number", "give numbers")),
        }
    }

    fn text_value(self, text: &str, comma: bool) -> Result<f64, ImportFault> {
        if let Some(nan) = nan_text::parse(text) {
            return Ok(nan);
        }
        let digits = text.trim_start_matches(['+', '-']);
        match text.parse::<f64>() {
            // Refuses a number too large for a float64 instead of storing infinity.
            Ok(x) if x.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) => {
                Err(self.wrong("is beyond the range of a float64", "write inf if you mean infinity"))
            }
            Ok(x)
                if digits.len() >= INEXACT_DIGITS
                    && digits.bytes().all(|b| b.is_ascii_digit())
                    && format!("{:.0}", x.abs()).trim_start_matches('0')
                        != digits.trim_start_matches('0') =>
            {
                Err(self.inexact())
            }
            Ok(x) => Ok(x),
            Err(_) if text.eq_ignore_ascii_case("true") => Ok(1.0),
            Err(_) if text.eq_ignore_ascii_case("false") => Ok(0.0),
            Err(_) => match comma.then(|| decimal_comma(text)).flatten() {
                Some(x) => Ok(x),
                None => Err(self.wrong("is not a number", "give a number, NaN, inf or -inf")),
            },
        }
    }

    /// The number before a unit, and the unit.
    pub(super) fn value_with_unit(self, comma: bool) -> Option<(f64, &'a str)> {
        let TableCell::Text(text) = self else { return None };
        let text = text.trim_ascii();
        let unit = UNITS.iter().filter(|u| text.ends_with(**u)).max_by_key(|u| u.len())?;
        let (number, unit) = text.split_at(text.len() - unit.len());
        let last = number.trim_end().bytes().last()?;
        // `nan s` and `infC` would be numbers with units otherwise.
        if !last.is_ascii_digit() && last != b'.' {
            return None;
        }
        Some((TableCell::Text(number).value(comma).ok()?, unit))
    }

    /// Whether the cell is a number, be it one that cannot be stored.
    pub(super) fn is_number(self) -> bool {
        match self {
            TableCell::Text(text) => text.trim_ascii().parse::<f64>().is_ok(),
            TableCell::Int(_) | TableCell::UInt(_) | TableCell::Float(_) | TableCell::Bool(_) => true,
            TableCell::Null | TableCell::TimeUs(_) | TableCell::Other(_) => false,
        }
    }

    fn inexact(self) -> ImportFault {
        self.wrong(
            "is a whole number that a float64 cannot hold exactly",
            "round it, write it with a decimal point to store the nearest float64, or leave it out",
        )
    }
}

/// A number whose decimal point is a comma.
fn decimal_comma(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once(',')?;
    let plain =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'e' | b'E'));
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    format!("{whole}.{fraction}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_exact_and_too_large_ones_are_refused() {
        for (text, value) in [
            ("0.1", 0.1),
            ("-0", -0.0),
            ("5e-324", 5e-324),
            ("+Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            (" 7 ", 7.0),
            ("True", 1.0),
            ("false", 0.0),
            ("9007199254740992", 9_007_199_254_740_992.0),
            ("-0009007199254740994", -9_007_199_254_740_994.0),
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
            ("9007199254740993.0", 9_007_199_254_740_992.0),
        ] {
            assert_eq!(TableCell::Text(text).value(false).unwrap().to_bits(), value.to_bits(), "{text}");
        }
        for text in [
            "1e999",
            "-1e400",
            "abc",
            "0x10",
            "1,5",
            "NaN(",
            "NaN(0x0)",
            "nano",
            "",
            "9007199254740993",
            "yes",
        ] {
            assert!(TableCell::Text(text).value(false).is_err(), "{text}");
        }
        assert!(TableCell::UInt(u64::MAX).value(false).is_err());
        assert!(TableCell::Int(-9_007_199_254_740_993).value(false).is_err());
        assert_eq!(TableCell::Int(i64::MIN).value(false).unwrap(), -9_223_372_036_854_775_808.0);
    }

    #[test]
    fn a_comma_is_the_decimal_point_where_it_is_allowed() {
        for (text, value) in [("1,5", 1.5), ("-0,25", -0.25), ("1,5e3", 1500.0)] {
            assert_eq!(TableCell::Text(text).value(true).unwrap(), value, "{text}");
        }
        for text in ["1,2,3", "a,5", "1.000,5"] {
            assert!(TableCell::Text(text).value(true).is_err(), "{text}");
        }
    }

    #[test]
    fn a_known_unit_is_told_from_its_number() {
        for (text, value, unit) in
            [(" 35 %", 35.0, "%"), ("1024 MiB", 1024.0, "MiB"), ("12.5W", 12.5, "W"), ("-3 °C", -3.0, "°C")]
        {
            assert_eq!(TableCell::Text(text).value_with_unit(false), Some((value, unit)), "{text}");
        }
        for text in ["35", "%", "12 Jan", "nan s", "infC", "1 2 s", "B"] {
            assert_eq!(TableCell::Text(text).value_with_unit(false), None, "{text}");
        }
    }
}
