//! Reads JSON lines: one object per line, whose keys are the columns. Keys may come in any order. In a wide table, any
//! line may add keys.
//!
//! `NaN`, `Infinity` and `-Infinity` may be quoted, or bare as Python's `json` writes them.

use super::batch::PointBatch;
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault, quoted};
use super::json_object::{Json, Object};
use super::long::{Loader, RowCells};
use super::map::{COLUMNS_MAX, ColumnUse, ROLES, Role, TableForm};
use super::options::Import;
use super::source::{ImportSource, READ_AHEAD_BYTES, ROW_BYTES_MAX, is_pause, too_long};
use super::wide::MetricCell;
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use tidalite_model::Labels;

pub(super) fn load(
    source: ImportSource<'_>,
    import: &Import,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> Result<(), ImportFault> {
    let row_bytes = source.row_bytes();
    let mut reader = BufReader::with_capacity(READ_AHEAD_BYTES, source);
    let mut line = Vec::new();
    let mut number = 0;
    // The first row makes the table, which then has the batch.
    let first = loop {
        number += 1;
        match next_line(&mut reader, &row_bytes, &mut line, number, &mut || batch.pause())? {
            None => return Ok(()),
            Some([]) => {}
            Some(text) => break parse(text).map_err(|fault| fault.in_row(FilePlace::Line(number)))?,
        }
    };
    let place = FilePlace::Line(number);
    let mut rows = JsonRows::new(import, &first, batch, now_us).map_err(|fault| fault.in_row(place))?;
    rows.take(number, first)?;
    loop {
        number += 1;
        let pause = &mut || rows.loader.batch.pause();
        match next_line(&mut reader, &row_bytes, &mut line, number, pause)? {
            None => return rows.loader.finish(),
            Some([]) => {}
            Some(text) => {
                let object = parse(text).map_err(|fault| fault.in_row(FilePlace::Line(number)))?;
                rows.take(number, object)?;
            }
        }
    }
}

/// The next line, without the blanks around it. `None` at the end of the file.
fn next_line<'l>(
    reader: &mut BufReader<ImportSource<'_>>,
    row_bytes: &Cell<u64>,
    line: &'l mut Vec<u8>,
    number: u64,
    pause: &mut dyn FnMut() -> Result<(), ImportFault>,
) -> Result<Option<&'l [u8]>, ImportFault> {
    line.clear();
    row_bytes.set(0);
    loop {
        match reader.by_ref().take(ROW_BYTES_MAX + 1).read_until(b'\n', line) {
            Ok(_) => break,
            Err(e) if is_pause(&e) => pause()?,
            Err(e) => return Err(ImportFault::of_read(e)),
        }
    }
    if line.len() as u64 > ROW_BYTES_MAX {
        return Err(too_long(FilePlace::Line(number)));
    }
    if line.is_empty() {
        return Ok(None);
    }
    let text = line.trim_ascii();
    // Some editors write a byte order mark first.
    Ok(Some(if number == 1 { text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text) } else { text }))
}

/// The rows of one file, whose first row gives the columns.
struct JsonRows<'a, 'b> {
    import: Import,
    loader: Loader<'a, 'b>,
    keys: HashMap<String, KeyUse>,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy)]
struct KeyUse {
    slot: ColumnUse,
    /// Its number, in the order in which keys were met.
    column: usize,
    /// The last line that has it.
    line: u64,
}

impl<'a, 'b> JsonRows<'a, 'b> {
    fn new(
        import: &Import,
        first: &Object,
        batch: &'a mut PointBatch<'b>,
        now_us: i64,
    ) -> Result<Self, ImportFault> {
        let names: Vec<&str> = first.0.iter().map(|(key, _)| key.as_str()).collect();
        let mut resolved = import.resolve(&names, true)?;
        let slots = std::mem::take(&mut resolved.slots).into_iter().enumerate();
        let of_key = |(column, slot)| KeyUse { slot, column, line: 0 };
        let keys = names.iter().zip(slots).map(|(name, slot)| ((*name).to_owned(), of_key(slot))).collect();
        let import = resolved.import.clone();
        Ok(JsonRows { loader: Loader::new(&import, resolved, batch, now_us), import, keys })
    }

    fn take(&mut self, line: u64, object: Object) -> Result<(), ImportFault> {
        let place = FilePlace::Line(line);
        let mut roles: [Option<usize>; ROLES.len()] = [None; ROLES.len()];
        let (mut metrics, mut labels) = (Vec::new(), Vec::new());
        let mut label_text = None;
        for (at, (key, value)) in object.0.iter().enumerate() {
            let used = self.key(line, key).map_err(|fault| fault.in_row(place))?;
            match (used.slot, value) {
                (ColumnUse::Role(Role::Labels), Json::Pairs(pairs)) => {
                    let read = Labels::new(pairs.iter().map(|(k, v)| (k, v)));
                    let read = read.map_err(|e| {
                        ImportFault::wrong(e.wrong(), "correct the labels").in_cell(place, key)
                    })?;
                    label_text = Some(read);
                }
                (ColumnUse::Role(role), _) => roles[role as usize] = Some(at),
                (ColumnUse::Metric, _) => {
                    metrics.push(MetricCell { column: used.column, name: key, cell: value.cell() })
                }
                (ColumnUse::Label, _) => labels.push((key.as_str(), value.cell())),
                (ColumnUse::Ignored, _) => {}
            }
        }
        let mut cells = roles.map(|at| at.map_or(TableCell::Null, |at| object.0[at].1.cell()));
        if let Some(labels) = &label_text {
            cells[Role::Labels as usize] = TableCell::Text(labels.as_str());
        }
        let row = RowCells { place, roles: &cells, labels: &labels };
        match self.loader.shape.form {
            TableForm::Long => self.loader.long(row),
            TableForm::Wide => self.loader.wide(row, metrics.into_iter()),
        }
    }

    /// The use of a key in this line. Refuses a repeated or unknown key.
    fn key(&mut self, line: u64, key: &str) -> Result<KeyUse, ImportFault> {
        if let Some(known) = self.keys.get_mut(key) {
            if std::mem::replace(&mut known.line, line) == line {
                return Err(ImportFault::wrong(
                    format!("the key {} occurs twice", quoted(key)),
                    "give each key once",
                ));
            }
            return Ok(*known);
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
                    "map it (target=source), read it as a label, ignore it, or import as a wide table",
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
        let used = KeyUse { slot, column: self.keys.len(), line };
        self.keys.insert(key.to_owned(), used);
        Ok(used)
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
