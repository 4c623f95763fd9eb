//! Spans of time as text: a decimal number and a unit, such as `250ms` or `1.5h`.

/// The units of time, in microseconds.
pub(crate) const MICROS: [(&str, u64); 9] = [
    ("us", 1),
    ("µs", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
];

/// A span of time in microseconds. A whole number is exact; `to_whole` makes another one whole. `None` where the text
/// has no such unit, no number, or more microseconds than u64 holds.
pub(crate) fn micros(text: &str, units: &[(&str, u64)], to_whole: fn(f64) -> f64) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = units.iter().find(|(name, _)| *name == unit)?.1;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit);
    }
    let us = to_whole(number.parse::<f64>().ok()? * unit as f64);
    // Below 2^64, so the cast does not saturate.
    (us < 1.8e19).then_some(us as u64)
}
