//! Quoting names within globs.

/// The glob that matches only this name, with its special characters escaped.
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
