//! Text from a store, made safe to print on a terminal.

/// `text` with control characters (line breaks and terminal escapes among them) shown as escapes, so that a name cannot
/// move the cursor.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| {
        // The marks that reorder text as it is shown are no control characters to Rust, but do as much harm.
        let hides = c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hides { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

/// As [`printable`], but line breaks stay: for messages whose lines are their own.
pub(crate) fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2J\nb\0\u{202e}é🙂"), "a\\u{1b}[2J\\nb\\u{0}\\u{202e}é🙂");
    }
}
