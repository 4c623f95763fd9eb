//! The checksums of a file's pages, as text in the footer: the key-value pair `tidalite.pages`.
//!
//! The text has eight hexadecimal digits per page, in file order (row group by row group, column by column, a dictionary
//! page before its data pages). Each number is the CRC32C of the page as stored, header included. Parquet's own page
//! checksum does not cover the header, and readers ignore it by default.

use std::fmt::Write;

/// The key of the key-value pair.
pub(crate) const KEY: &str = "tidalite.pages";

/// The text for `sums`.
pub(crate) fn to_text(sums: impl ExactSizeIterator<Item = u32>) -> String {
    let mut text = String::with_capacity(sums.len() * 8);
    for sum in sums {
        write!(text, "{sum:08x}").expect("writing to a string does not fail");
    }
    text
}

/// The sums in `text`; `None` where the text is malformed.
pub(crate) fn from_text(text: &str) -> Option<Vec<u32>> {
    let (digits, []) = text.as_bytes().as_chunks::<8>() else {
        return None;
    };
    digits.iter().map(|d| d.iter().try_fold(0, |sum, &c| Some(sum << 4 | digit(c)?))).collect()
}

fn digit(c: u8) -> Option<u32> {
    match c {
        b'0'..=b'9' => Some(u32::from(c - b'0')),
        b'a'..=b'f' => Some(u32::from(c - b'a') + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_read_back_and_malformed_texts_are_refused() {
        let sums = [0, 1, 0xdead_beef, u32::MAX];
        assert_eq!(from_text(&to_text(sums.into_iter())).as_deref(), Some(&sums[..]));
        assert_eq!(from_text(""), Some(Vec::new()));
        for bad in ["0", "0000000g", "0000000A", "+0000000", "00000000 ", "0000000é"] {
            assert_eq!(from_text(bad), None, "{bad}");
        }
    }
}
