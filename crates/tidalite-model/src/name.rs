//! Names: run ids, metric names, label keys and label values.
//!
//! Any UTF-8 text of 1 to [`NAME_BYTES_MAX`] bytes is a valid name, with slashes, dots, NUL and emoji. A user's name
//! never becomes a file name.

use crate::{Error, Result};

/// The maximum length of a name in bytes. Each segment that uses a name repeats it, so it must be far smaller than
/// the first segment (256 KiB by default). 4 KiB is also the longest path on most systems.
pub const NAME_BYTES_MAX: usize = 4096;

/// Checks one name. `what` says what it names ("metric name", "run id", …).
///
/// # Errors
/// `Invalid` if the name is empty or longer than [`NAME_BYTES_MAX`].
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
    fn any_text_of_1_to_4096_bytes_is_a_valid_name() {
        for ok in ["a", "../../etc/passwd", "nul\0byte", "🌊", " ", &"x".repeat(NAME_BYTES_MAX)] {
            check_name("metric name", ok).unwrap();
        }
        for bad in ["", &"x".repeat(NAME_BYTES_MAX + 1), &"x".repeat(65536)] {
            let e = check_name("metric name", bad).unwrap_err();
            assert_eq!(e.kind(), crate::ErrorKind::Invalid);
            assert!(e.to_string().len() < 200, "the message quotes only the start of the name: {e}");
        }
    }
}
