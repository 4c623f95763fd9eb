//! Which cells stand for an absent value.

use super::cell::TableCell;
use super::fault::ImportFault;
use super::options::Import;
use crate::exchange::nan_text;

/// The texts that always do, in any case. Those in brackets are what nvidia-smi writes, and `#N/A` is from spreadsheets.
const ABSENT_TEXTS: [&str; 8] = ["na", "n/a", "null", "none", "<na>", "[n/a]", "[not supported]", "#n/a"];

/// The rule for the values of one file.
#[derive(Debug)]
pub(super) struct AbsentValues {
    /// Texts that stand for an absent value here.
    texts: Vec<String>,
    /// Whether NaN does.
    nan: bool,
    /// Whether an absent value is an error.
    refuse: bool,
}

impl AbsentValues {
    pub(super) fn new(import: &Import) -> AbsentValues {
        let texts = import.nulls.iter().map(|t| t.trim().to_owned()).collect();
        AbsentValues { texts, nan: import.nan_is_absent, refuse: import.refuse_absent }
    }

    /// Whether a cell of values is absent.
    fn has(&self, cell: TableCell<'_>) -> bool {
        match cell {
            TableCell::Null => true,
            TableCell::Float(x) => self.nan && x.is_nan(),
            TableCell::Text(text) => {
                let text = text.trim_ascii();
                let usual = match text.as_bytes().first() {
                    None => true,
                    Some(b'0'..=b'9' | b'.' | b'-' | b'+') => false,
                    Some(_) => ABSENT_TEXTS.iter().any(|t| text.eq_ignore_ascii_case(t)),
                };
                usual || self.is_given(text) || self.nan && nan_text::parse(text).is_some()
            }
            _ => false,
        }
    }

    /// Whether a cell of values is absent.
    ///
    /// # Errors
    /// If it is, and must not be.
    pub(super) fn check(&self, cell: TableCell<'_>) -> Result<bool, ImportFault> {
        match self.has(cell) {
            true if self.refuse => Err(ImportFault::wrong(
                "there is no value",
                "drop the row, fill it, or let absent values give no points",
            )),
            absent => Ok(absent),
        }
    }

    /// Whether a cell of a label is absent. A label may be any word, so only an empty cell and the given texts count.
    pub(super) fn has_label(&self, cell: TableCell<'_>) -> bool {
        match cell {
            TableCell::Null => true,
            TableCell::Text(text) => text.trim_ascii().is_empty() || self.is_given(text.trim_ascii()),
            _ => false,
        }
    }

    fn is_given(&self, text: &str) -> bool {
        self.texts.iter().any(|t| t == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_and_given_texts_are_absent_and_nan_is_not() {
        let plain = AbsentValues::new(&Import::new());
        for text in ["", " ", "NA", "n/a", "NULL", "null", "None", "<NA>", "[N/A]", "[Not Supported]", "#N/A"]
        {
            assert!(plain.has(TableCell::Text(text)), "{text:?}");
        }
        for text in ["nan", "NaN", "0", "-", "nada", "inf", "-999"] {
            assert!(!plain.has(TableCell::Text(text)), "{text:?}");
        }
        assert!(!plain.has(TableCell::Float(f64::NAN)));
        let given = AbsentValues::new(&Import::new().null("-999").null("-").nan_is_absent(true));
        for cell in ["-999", " - ", "NA", "nan", "-NaN"].map(TableCell::Text) {
            assert!(given.has(cell), "{cell:?}");
        }
        assert!(given.has(TableCell::Float(f64::NAN)) && !given.has(TableCell::Text("-99")));
        assert!(!plain.has_label(TableCell::Text("None")) && given.has_label(TableCell::Text("-")));
    }
}
