//! Numbers as text for people.

/// Scales and suffixes of large numbers, largest first.
pub(crate) const SUFFIXES: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];

/// Formats a number with at most four significant digits: `0.125`, `1234`, `12.35k`, `3e-4`, `NaN`.
pub(crate) fn short_number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return if value.is_nan() { "NaN".into() } else { format!("{value}") };
    }
    if !(1e-3..1e15).contains(&size) {
        return scientific(value, 3);
    }
    let (scale, suffix) = if size < 9999.5 {
        (1.0, "")
    } else {
        SUFFIXES.into_iter().find(|(s, _)| size >= s * 0.99995).unwrap_or((1.0, ""))
    };
    let scaled = value / scale;
    // Four significant digits in all, those before the decimal point included.
    let decimals = (3 - scaled.abs().log10().floor() as i32).clamp(0, 6) as usize;
    trim_zeros(format!("{scaled:.decimals$}{suffix}"), suffix)
}

/// Formats a number in scientific notation with at most this many decimals: `3e-4`.
pub(crate) fn scientific(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$e}");
    match text.split_once('e') {
        Some((digits, exponent)) if value != 0.0 => format!("{}e{exponent}", trim_zeros(digits.into(), "")),
        _ => "0".into(),
    }
}

/// Removes trailing zeros of the decimals, which precede `suffix`.
pub(crate) fn trim_zeros(text: String, suffix: &str) -> String {
    let digits = text.strip_suffix(suffix).unwrap_or(&text);
    if !digits.contains('.') {
        return text;
    }
    format!("{}{suffix}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Formats a value: integers in full, other numbers with at most seven significant digits.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == 0.0 || !(1e-4..1e15).contains(&size) {
        return short_number(value);
    }
    if value.fract() == 0.0 {
        return value.to_string();
    }
    let decimals = (6 - size.log10().floor() as i32).clamp(0, 10) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_four_digits() {
        let texts =
            [0.0, 0.125, 3e-4, -2.5, 1234.0, 12_345.0, 9_999.9, 1.5e6, 1e300, f64::NAN, f64::NEG_INFINITY];
        assert_eq!(
            texts.map(short_number),
            ["0", "0.125", "3e-4", "-2.5", "1234", "12.35k", "10k", "1.5M", "1e300", "NaN", "-inf"]
        );
        assert_eq!(short_number(0.123_456), "0.1235");
        assert_eq!(short_number(2.345_678), "2.346");
    }

    #[test]
    fn numbers_have_seven_digits() {
        let texts = [0.0, 1.0, 123_456_789.0, 0.123_456_789, 1_234.567_89, 1e-9, -2.5, f64::NAN, 1e300];
        assert_eq!(
            texts.map(number),
            ["0", "1", "123456789", "0.1234568", "1234.568", "1e-9", "-2.5", "NaN", "1e300"]
        );
    }
}
