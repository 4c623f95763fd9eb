//! What a check gives: nothing, or a difference in words.

use tidalite::Error;

/// The result of a check: nothing, or a difference in words.
pub type CheckResult<T = ()> = Result<T, String>;

/// The text for an error where none may occur.
pub fn unexpected(e: &Error) -> String {
    format!("unexpected {}: {e}", e.kind().name())
}

/// Whether two numbers are equal. −0 equals 0, since either may be the extreme.
pub(crate) fn same_value(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(a), Some(b)) => a == b,
        (a, b) => a.is_none() && b.is_none(),
    }
}
