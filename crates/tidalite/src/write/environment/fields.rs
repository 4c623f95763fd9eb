//! Fields that are found, and the texts and small files from which they come.

use std::path::Path;
use tidalite_model::{Param, Params};

/// The fields found so far.
#[derive(Default)]
pub(super) struct CapturedFields(pub(super) Params);

impl CapturedFields {
    pub(super) fn put(&mut self, field: &str, value: Option<Param>) {
        self.0.extend(value.map(|value| (field.to_string(), value)));
    }

    pub(super) fn put_map(&mut self, field: &str, map: Option<Params>) {
        self.put(field, map.filter(|map| !map.is_empty()).map(Param::Map));
    }
}

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The most bytes of a text that is kept.
const TEXT_BYTES_MAX: usize = 4096;

pub(super) fn text(value: &str) -> Param {
    let mut end = value.len().min(TEXT_BYTES_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    Param::Text(value[..end].to_string())
}

/// The beginning of a small file, as text.
#[expect(clippy::disallowed_methods, reason = "these files are none of a store")]
pub(super) fn read(path: &Path, bytes_max: u64) -> Option<String> {
    use std::io::Read;
    let file = std::fs::File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn texts_are_cut_between_characters() {
    let long = "é".repeat(TEXT_BYTES_MAX);
    assert_eq!(text(&long), Param::Text("é".repeat(TEXT_BYTES_MAX / 2)));
    assert_eq!(text(&format!("x{long}")), Param::Text(format!("x{}", "é".repeat(TEXT_BYTES_MAX / 2 - 1))));
}
