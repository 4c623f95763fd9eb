//! Escapes control characters, so that names from a store are safe to print.

/// Escapes control characters, including line breaks and terminal escapes, so that a name cannot move the cursor.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| {
        // Rust does not count bidirectional marks as control characters, but they reorder the text around them.
        let harmful = c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if harmful { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

/// Like [`printable`], but keeps line breaks, for messages of several lines.
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
