//! Texts of exact width for the table: cut with `…` where they are too long, filled with blanks where they are too short.

use crate::text::{printable, scientific, short_number, time_span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// At the left.
pub(super) fn left(text: &str, width: usize) -> String {
    let text = cut(text, width);
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// At the right.
pub(super) fn right(text: &str, width: usize) -> String {
    let text = cut(text, width);
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// A text of at most this width, on one line.
pub(super) fn cut(text: &str, width: usize) -> String {
    let text = printable(text);
    if text.width() <= width {
        return text;
    }
    let mut room = width.saturating_sub(1);
    let mut kept = String::new();
    for c in text.chars() {
        let Some(rest) = room.checked_sub(c.width().unwrap_or(0)) else { break };
        room = rest;
        kept.push(c);
    }
    if width > 0 { kept + "…" } else { kept }
}

/// A name, of which the end says most, as of `train/head/loss`.
pub(super) fn ending(name: &str, width: usize) -> String {
    let name = printable(name);
    if name.width() <= width {
        return left(&name, width);
    }
    let mut kept: Vec<char> = Vec::new();
    let mut room = width.saturating_sub(1);
    for c in name.chars().rev() {
        let Some(rest) = room.checked_sub(c.width().unwrap_or(0)) else { break };
        room = rest;
        kept.push(c);
    }
    left(&std::iter::once('…').chain(kept.into_iter().rev()).collect::<String>(), width)
}

/// A number of at most nine characters.
pub(super) fn value(value: f64) -> String {
    let text = short_number(value);
    if text.len() <= 9 { text } else { scientific(value, 1) }
}

/// A time in whole seconds, minutes, hours or days.
pub(super) fn span(seconds: f64) -> String {
    let days = (seconds / 86_400.0).floor();
    if days >= 100.0 {
        return format!("{days}d");
    }
    time_span(seconds.floor())
}

/// A step of at most seven characters.
pub(super) fn step(step: i64) -> String {
    let text = step.to_string();
    if text.len() <= 7 {
        return text;
    }
    let short = short_number(step as f64);
    if short.len() <= 7 { short } else { scientific(step as f64, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_width_that_was_asked_for() {
        assert_eq!(
            (left("ab", 4), right("ab", 4), left("abcdef", 4)),
            ("ab  ".into(), "  ab".into(), "abc…".into())
        );
        assert_eq!((ending("train/loss", 6), ending("loss", 6)), ("…/loss".into(), "loss  ".into()));
        // Wide characters take two columns.
        assert_eq!((left("日本語", 4), ending("日本語", 4)), ("日… ".into(), "…語 ".into()));
        assert_eq!(left("a\nb", 8), "a\\nb    ");
        assert_eq!((cut("abc", 0), cut("abc", 1)), (String::new(), "…".to_string()));
    }

    #[test]
    fn numbers_fit_their_columns() {
        for number in
            [-1.234_567e-300, f64::MIN, f64::MAX, -12_345.678, f64::NAN, f64::NEG_INFINITY, -0.000_123_4]
        {
            assert!(value(number).len() <= 9, "{}", value(number));
        }
        for seconds in [0.0, 59.99, 86_399.0, 8_639_999.0, 1e10] {
            assert!(span(seconds).len() <= 7, "{}", span(seconds));
        }
        assert_eq!((span(0.7), span(3.2), span(125.0)), ("0 s".into(), "3 s".into(), "2m 5s".into()));
        assert!([0, -999_999, i64::MAX, 1_234_567_890].iter().all(|n| step(*n).chars().count() <= 7));
    }
}
