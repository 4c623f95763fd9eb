//! Two-copies files, and what the manifest says of the other files.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files of a store by their path.
pub type StoreFiles = BTreeMap<PathBuf, Vec<u8>>;

/// The bytes of a two-copies file.
pub fn seal(kind: &str, text: &[u8]) -> Vec<u8> {
    let crc = checksum(kind, text);
    let mut copy = format!("tidalite {kind} 1 {crc:08x} {:016}\n", text.len()).into_bytes();
    copy.extend_from_slice(text);
    copy.push(b'\n');
    copy.repeat(2)
}

fn checksum(kind: &str, text: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(format!("{kind} 1 ").as_bytes()), text)
}

/// Kind and text of the first copy; `None` if there is no header line.
pub fn sealed_text(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let line = bytes.iter().position(|&b| b == b'\n')?;
    let kind = std::str::from_utf8(&bytes[..line]).ok()?.split(' ').nth(1)?.to_string();
    let text = bytes.get(line + 1..(bytes.len() / 2).checked_sub(1)?)?;
    Some((kind, text.to_vec()))
}

/// Makes every manifest say of a file what it is now: its length and its checksums. `footer` is the number of bytes after the
/// last page, of a file of pages.
pub fn name_again(files: &mut StoreFiles, path: &Path, footer: Option<usize>) {
    let Some(bytes) = files.get(path) else { return };
    let facts = NewFacts::of(path, bytes, footer);
    for (_, manifest) in files.iter_mut().filter(|(name, _)| folder_of(name) == Some("manifest")) {
        let Some((_, text)) = sealed_text(manifest) else { continue };
        let Ok(mut said) = serde_json::from_slice::<Value>(&text) else { continue };
        facts.say(&mut said);
        if let Ok(text) = serde_json::to_vec_pretty(&said) {
            *manifest = seal("manifest", &text);
        }
    }
}

fn folder_of(path: &Path) -> Option<&str> {
    path.parent()?.file_name()?.to_str()
}

/// What a manifest has to say of a file.
struct NewFacts {
    folder: String,
    /// The uuid in its name, without hyphens.
    id: String,
    /// The checksum in the header of a two-copies file.
    sealed: u32,
    bytes: u64,
    crc32c: u32,
    footer: Option<(u64, u32)>,
}

impl NewFacts {
    fn of(path: &Path, bytes: &[u8], footer: Option<usize>) -> Self {
        let footer = footer.map(|n| {
            let from = bytes.len().saturating_sub(n);
            ((bytes.len() - from) as u64, crc32c::crc32c(&bytes[from..]))
        });
        NewFacts {
            folder: folder_of(path).unwrap_or_default().to_string(),
            id: path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_string(),
            sealed: sealed_text(bytes).map_or(0, |(kind, text)| checksum(&kind, &text)),
            bytes: bytes.len() as u64,
            crc32c: crc32c::crc32c(bytes),
            footer,
        }
    }

    fn say(&self, manifest: &mut Value) {
        let is_it =
            |entry: &&mut Value| entry["id"].as_str().is_some_and(|id| id.replace('-', "") == self.id);
        let fields: [&str; 2] = match self.folder.as_str() {
            "runs" => ["runs", "runs_changed"],
            "writers" => ["writer_table", "writers_added"],
            _ => ["parts", "parts"],
        };
        for field in fields {
            let entries = match manifest.get_mut(field) {
                Some(Value::Array(entries)) => entries.iter_mut().collect(),
                Some(entry) => vec![entry],
                None => Vec::new(),
            };
            entries.into_iter().filter(is_it).for_each(|entry| self.say_of(entry));
        }
    }

    fn say_of(&self, entry: &mut Value) {
        match self.folder.as_str() {
            "runs" | "writers" => entry["crc32c"] = self.sealed.into(),
            "series" => {
                entry["series_bytes"] = self.bytes.into();
                entry["series_crc32c"] = self.crc32c.into();
            }
            folder => {
                let entry = if folder == "rollups" { &mut entry["rollups"] } else { entry };
                entry["bytes"] = self.bytes.into();
                entry["crc32c"] = self.crc32c.into();
                if let Some((bytes, crc)) = self.footer {
                    entry["footer_bytes"] = bytes.into();
                    entry["footer_crc32c"] = crc.into();
                }
            }
        }
    }
}
