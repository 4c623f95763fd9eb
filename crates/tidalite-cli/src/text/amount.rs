//! Byte counts and counts as text, with three significant digits.

/// Formats a number of bytes in decimal units with three digits: `0 B`, `117 kB`, `4.92 GB`.
pub(crate) fn human_bytes(bytes: u64) -> String {
    scaled(bytes, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Formats a count with three digits: `999`, `1.5 k`, `10 M`.
pub(crate) fn human_count(count: u64) -> String {
    scaled(count, &["", "k", "M", "G", "T", "P", "E"])
}

/// A number of things, of which `one` is the word: `1 part`, `2 parts`, `1 series`.
pub(crate) fn counted(count: impl TryInto<u64> + std::fmt::Display + Copy, one: &str) -> String {
    let is_one = count.try_into().is_ok_and(|n| n == 1);
    format!("{count} {}", plural(is_one, one))
}

/// A word for one thing, or for several.
pub(crate) fn plural(is_one: bool, one: &str) -> String {
    if is_one || one.ends_with('s') { one.to_string() } else { format!("{one}s") }
}

fn scaled(amount: u64, units: &[&str]) -> String {
    let (mut value, mut unit) = (amount as f64, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        _ if unit == 0 => 0,
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    let digits = format!("{value:.decimals$}");
    let digits = if decimals > 0 { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits} {}", units[unit]).trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!([0u64, 1, 2].map(|n| counted(n, "part")), ["0 parts", "1 part", "2 parts"]);
        assert_eq!([1usize, 2].map(|n| counted(n, "series")), ["1 series", "2 series"]);
    }

    #[test]
    fn amounts_have_three_digits() {
        let bytes = [0, 999, 1000, 116_821, 999_499, 999_500, 4_920_000_000, u64::MAX];
        assert_eq!(
            bytes.map(human_bytes),
            ["0 B", "999 B", "1 kB", "117 kB", "999 kB", "1 MB", "4.92 GB", "18.4 EB"]
        );
        assert_eq!([7, 1500, 10_000_000].map(human_count), ["7", "1.5 k", "10 M"]);
    }
}
