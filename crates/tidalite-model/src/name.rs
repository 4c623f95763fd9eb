//! What a name may be: run ids, metric names, label keys and label values.
//!
//! Any UTF-8 text of 1 to [`NAME_BYTES_MAX`] bytes is a name: slashes, dots, NUL and emoji included, since a name
//! given by a user never becomes a file name.

use crate::{Error, Result};

/// The longest name, in bytes. A name is repeated in each segment that uses it, so it must stay far below the
/// smallest segment (256 KiB); 4 KiB is also the longest path most systems know.
pub const NAME_BYTES_MAX: usize = 4096;

/// Checks one name; `what` says whose it is ("metric name", "run id", …).
///
/// # Errors
/// `Invalid` where the name is empty or longer than [`NAME_BYTES_MAX`].
pub fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(
            format!("check {what}"),
            format!("the {what} is empty"),
            format!("give a {what} of 1 to {NAME_BYTES_MAX} bytes"),
        ));
    }
    if name.len() > NAME_BYTES_MAX {
        let head: String = name.chars().take(24).collect();
        return Err(Error::invalid(
            format!("check {what}"),
            format!("the {what} {:?}… has {} bytes", head, name.len()),
            format!("give a {what} of at most {NAME_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_of_1_to_4096_bytes_is_a_name() {
        for ok in ["a", "../../etc/passwd", "nul\0byte", "🌊", " ", &"x".repeat(NAME_BYTES_MAX)] {
            check_name("metric name", ok).unwrap();
        }
        for bad in ["", &"x".repeat(NAME_BYTES_MAX + 1), &"x".repeat(65536)] {
            let e = check_name("metric name", bad).unwrap_err();
            assert_eq!(e.kind(), crate::ErrorKind::Invalid);
            assert!(e.to_string().len() < 200, "the message quotes a head of the name only: {e}");
        }
    }
}
