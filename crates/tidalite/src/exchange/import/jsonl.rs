//! Reads JSON lines: one object per line, whose keys are the columns. Keys may come in any order. In a wide table, any
//! line may add keys.
//!
//! `NaN`, `Infinity` and `-Infinity` may be quoted, or bare as Python's `json` writes them.

use super::batch::PointBatch;
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault, quoted};
use super::json_object::{Json, Object};
use super::long::Loader;
use super::map::{COLUMNS_MAX, ColumnUse, ROLES, Role, TableForm};
use super::metered::{Metered, READ_AHEAD_BYTES, ROW_BYTES_MAX, too_long};
use super::options::Import;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use tidalite_model::Labels;

pub(super) fn load(
    file: &File,
    import: &Import,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> Result<(), ImportFault> {
    let (bytes_done, row_bytes) = (batch.bytes_done, std::cell::Cell::new(0));
    let metered = Metered { file, bytes_done, row_bytes: &row_bytes };
    let mut reader = BufReader::with_capacity(READ_AHEAD_BYTES, metered);
    let mut batch = Some(batch);
    let mut rows: Option<JsonRows<'_, '_>> = None;
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        row_bytes.set(0);
        let n =
            (&mut reader).take(ROW_BYTES_MAX + 1).read_until(b'\n', &mut line).map_err(ImportFault::Read)?;
        number += 1;
        let place = FilePlace::Line(number);
        if n as u64 > ROW_BYTES_MAX {
            return Err(too_long(place));
        }
        if n == 0 {
            return Ok(());
        }
        let text = line.trim_ascii();
        // Some editors write a byte order mark first.
        let text = if number == 1 { text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text) } else { text };
        if text.is_empty() {
            continue;
        }
        let object = parse(text).map_err(|fault| fault.in_row(place))?;
        if rows.is_none() {
            let batch = batch.take().expect("the rows begin once");
            rows = Some(JsonRows::new(import, &object, batch, now_us).map_err(|fault| fault.in_row(place))?);
        }
        rows.as_mut().expect("set above").take(number, object)?;
    }
}

/// The rows of one file, whose first row gives the columns.
struct JsonRows<'a, 'b> {
    import: Import,
    loader: Loader<'a, 'b>,
    /// By key: its use, and the last line that has it.
    keys: HashMap<String, (ColumnUse, u64)>,
}

impl<'a, 'b> JsonRows<'a, 'b> {
    fn new(
        import: &Import,
        first: &Object,
        batch: &'a mut PointBatch<'b>,
        now_us: i64,
    ) -> Result<Self, ImportFault> {
        let names: Vec<&str> = first.0.iter().map(|(key, _)| key.as_str()).collect();
        let (shape, slots) = import.shape(&names, true)?;
        let keys = names.iter().zip(slots).map(|(name, slot)| ((*name).to_owned(), (slot, 0))).collect();
        Ok(JsonRows { import: import.clone(), loader: Loader::new(import, shape, batch, now_us), keys })
    }

    fn take(&mut self, line: u64, object: Object) -> Result<(), ImportFault> {
        let place = FilePlace::Line(line);
        let mut roles: [Option<usize>; ROLES.len()] = [None; ROLES.len()];
        let mut metrics = Vec::new();
        let mut label_text = None;
        for (at, (key, value)) in object.0.iter().enumerate() {
            match self.slot(line, key).map_err(|fault| fault.in_row(place))? {
                ColumnUse::Role(role) => roles[role as usize] = Some(at),
                ColumnUse::Metric => metrics.push((key.as_str(), value.cell())),
                ColumnUse::Ignored => {}
            }
            if let (Json::Pairs(pairs), Some((ColumnUse::Role(Role::Labels), _))) =
                (value, self.keys.get(key))
            {
                let labels = Labels::new(pairs.iter().map(|(k, v)| (k, v)));
                let labels = labels
                    .map_err(|e| ImportFault::wrong(e.wrong(), "correct the labels").in_cell(place, key))?;
                label_text = Some(labels);
            }
        }
        let mut cells = roles.map(|at| at.map_or(TableCell::Null, |at| object.0[at].1.cell()));
        if let Some(labels) = &label_text {
            cells[Role::Labels as usize] = TableCell::Text(labels.as_str());
        }
        match self.loader.shape.form {
            TableForm::Long => self.loader.long(place, &cells),
            TableForm::Wide => self.loader.wide(place, &cells, metrics.into_iter()),
        }
    }

    /// The use of a key in this line. Refuses a repeated or unknown key.
    fn slot(&mut self, line: u64, key: &str) -> Result<ColumnUse, ImportFault> {
        if let Some((slot, seen)) = self.keys.get_mut(key) {
            if std::mem::replace(seen, line) == line {
                return Err(ImportFault::wrong(
                    format!("the key {} occurs twice", quoted(key)),
                    "give each key once",
                ));
            }
            return Ok(*slot);
        }
        if self.keys.len() >= COLUMNS_MAX {
            let wrong = format!("there are more than {COLUMNS_MAX} different keys");
            return Err(ImportFault::wrong(wrong, "give names as values of `metric`, one object per point"));
        }
        let slot = self.import.slot(key, self.loader.shape.form);
        match slot {
            None => {
                let wrong = format!("the key {} is not a column of a table of points", quoted(key));
                return Err(ImportFault::wrong(
                    wrong,
                    "map it (target=source), ignore it, or import as a wide table",
                ));
            }
            // Labels may be missing in any line. The other columns are in the first line or have defaults.
            Some(ColumnUse::Role(Role::Labels)) => {
                self.loader.shape.sources[Role::Labels as usize] = Some(key.to_owned())
            }
            Some(ColumnUse::Role(_)) => {
                let wrong = format!("the key {} was not in the first line", quoted(key));
                return Err(ImportFault::wrong(wrong, "give it on each line, or ignore it"));
            }
            Some(_) => {}
        }
        let slot = slot.expect("checked above");
        self.keys.insert(key.to_owned(), (slot, line));
        Ok(slot)
    }
}

fn parse(text: &[u8]) -> Result<Object, ImportFault> {
    let first = match serde_json::from_slice(text) {
        Ok(object) => return Ok(object),
        Err(e) => e,
    };
    let error = match quote_bare_words(text) {
        None => first,
        Some(words_quoted) => match serde_json::from_slice(&words_quoted) {
            Ok(object) => return Ok(object),
            Err(e) => e,
        },
    };
    // The parser sees only one line, so its line number is always 1.
    let wrong = error.to_string().replace(" at line 1 column ", " at character ");
    let remedy = match text[0] {
        b'[' => "write each object on a separate line, without an array around them",
        _ => "write each object on a separate line: {\"run\": \"a\", \"step\": 0, \"loss\": 0.5}",
    };
    Err(ImportFault::wrong(wrong, remedy))
}

/// Quotes bare `NaN` and `Infinity` outside strings. `None` if there are none.
fn quote_bare_words(text: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 4] = [b"-Infinity", b"Infinity", b"-NaN", b"NaN"];
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut found = false;
    let (mut in_string, mut escaped) = (false, false);
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
        } else if byte == b'"' {
            in_string = true;
        } else if let Some(word) = WORDS.into_iter().find(|w| text[at..].starts_with(w)) {
            out.push(b'"');
            out.extend_from_slice(word);
            out.push(b'"');
            at += word.len();
            found = true;
            continue;
        }
        out.push(byte);
        at += 1;
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_are_quoted_only_outside_strings() {
        let text = br#"{"NaN \" NaN": NaN, "b": [-Infinity], "c": "\\", "d":Infinity}"#;
        let quoted = br#"{"NaN \" NaN": "NaN", "b": ["-Infinity"], "c": "\\", "d":"Infinity"}"#;
        assert_eq!(quote_bare_words(text).unwrap(), quoted);
        assert!(quote_bare_words(br#"{"a": "NaN"}"#).is_none());
    }
}
