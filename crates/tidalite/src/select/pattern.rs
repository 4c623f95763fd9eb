//! Patterns of names: `*` stands for any text, `?` for one character, `[ab]` and `{a,b}` for alternatives.

use tidalite_model::Result;
use tidalite_query::NameMatcher;

/// Matches names against any of the patterns and regular expressions; where there are none, all names match.
///
/// # Errors
/// `Invalid` for a wrong pattern or expression.
pub(super) fn matcher(patterns: &[String], regexes: &[String]) -> Result<NameMatcher> {
    if patterns.is_empty() && regexes.is_empty() {
        return Ok(NameMatcher::all());
    }
    NameMatcher::with_regexes(patterns, regexes)
}

/// The pattern that matches only this name, with its special characters escaped.
///
/// ```
/// assert_eq!(tidalite::escape("layers[0]/norm"), r"layers\[0\]/norm");
/// ```
pub fn escape(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | ',' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
