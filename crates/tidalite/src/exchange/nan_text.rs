//! NaN as text. There are 2^53 - 2 different NaNs, and every format keeps a value's bits.

use std::borrow::Cow;

/// The bits of a plain `NaN`.
const NAN_BITS: u64 = 0x7ff8_0000_0000_0000;
const SIGN_BIT: u64 = 1 << 63;
const EXPONENT_BITS: u64 = 0x7ff0_0000_0000_0000;
const MANTISSA_BITS: u64 = 0x000f_ffff_ffff_ffff;

/// The text of a NaN, which [`parse`] turns back into the same bits: `NaN`, `-NaN`, or for other bits C's notation with
/// the mantissa, such as `NaN(0x8000000000001)`.
pub(crate) fn write(nan: f64) -> Cow<'static, str> {
    let bits = nan.to_bits();
    match bits {
        NAN_BITS => Cow::Borrowed("NaN"),
        b if b == NAN_BITS | SIGN_BIT => Cow::Borrowed("-NaN"),
        _ => {
            let sign = if bits & SIGN_BIT == 0 { "" } else { "-" };
            Cow::Owned(format!("{sign}NaN({:#x})", bits & MANTISSA_BITS))
        }
    }
}

/// Parses a NaN with an optional sign, in upper or lower case. `None` if the text is not a NaN.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (SIGN_BIT, rest),
        None => (0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (word, payload) = text.split_at_checked(3)?;
    if !word.eq_ignore_ascii_case("nan") {
        return None;
    }
    let bits = match payload {
        "" => NAN_BITS,
        _ => {
            let digits = payload.strip_prefix("(0x")?.strip_suffix(')')?;
            let mantissa =
                u64::from_str_radix(digits, 16).ok().filter(|m| (1..=MANTISSA_BITS).contains(m))?;
            EXPONENT_BITS | mantissa
        }
    };
    Some(f64::from_bits(bits | sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_the_bits_of_a_nan() {
        for bits in [
            NAN_BITS,
            NAN_BITS | SIGN_BIT,
            0x7ff0_0000_0000_0001,
            0xffff_ffff_ffff_ffff,
            0x7ff8_0000_0000_0001,
        ] {
            let text = write(f64::from_bits(bits));
            assert_eq!(parse(&text).unwrap().to_bits(), bits, "{text}");
        }
        assert_eq!(parse("nan").unwrap().to_bits(), NAN_BITS);
    }

    #[test]
    fn other_text_is_not_a_nan() {
        for text in ["", "na", "nano", "NaN(", "NaN(0x0)", "NaN(0x10000000000000)", "inf", "é"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
