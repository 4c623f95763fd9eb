//! The file formats of imports and exports.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tidalite_model::{Error, ErrorKind, Result};

/// A file format for points.
///
/// ```
/// use tidalite::FileFormat;
/// assert_eq!("jsonl".parse::<FileFormat>()?, FileFormat::JsonLines);
/// assert_eq!(FileFormat::from_extension("losses.parquet")?, FileFormat::Parquet);
/// # Ok::<(), tidalite::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Text with a header and one row per line.
    Csv,
    /// Text with one JSON object per line.
    JsonLines,
    /// Apache Arrow IPC, as a file or a stream.
    ArrowIpc,
}

/// The names of each format, which are also its file extensions. The first is the one shown.
const NAMES: [(FileFormat, &[&str]); 4] = [
    (FileFormat::Parquet, &["parquet"]),
    (FileFormat::Csv, &["csv"]),
    (FileFormat::JsonLines, &["jsonl", "ndjson", "json"]),
    (FileFormat::ArrowIpc, &["arrow", "ipc", "feather"]),
];

impl FileFormat {
    /// The format's name: `parquet`, `csv`, `jsonl` or `arrow`.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(format, _)| *format == self).map_or("", |(_, names)| names[0])
    }

    /// The format of a file by its extension: `.parquet`, `.csv`, `.jsonl`, `.ndjson`, `.json` (also one object per
    /// line), `.arrow`, `.ipc` or `.feather`, in upper or lower case. An extension of a compressed file, `.gz`, `.zst` or
    /// `.zstd`, may follow that of text.
    ///
    /// # Errors
    /// `Unsupported` for any other extension, or none.
    pub fn from_extension(path: impl AsRef<Path>) -> Result<FileFormat> {
        let path = path.as_ref();
        let plain = FileFormat::without_compression(path);
        let extension = plain.extension().and_then(|e| e.to_str()).unwrap_or("");
        extension.parse().map_err(|_| {
            let wrong = match extension {
                "" => "the file name has no extension".to_owned(),
                other => format!("the extension {:?} is unknown", format!(".{other}")),
            };
            let remedy = "give the format (parquet, csv, jsonl, arrow), or use such an extension";
            Error::new(ErrorKind::Unsupported, "choose file format", wrong, remedy).at(path)
        })
    }

    /// The path without an extension that says how the file is compressed.
    pub(super) fn without_compression(path: &Path) -> PathBuf {
        let compressed = |e: &OsStr| ["gz", "zst", "zstd"].iter().any(|known| e.eq_ignore_ascii_case(known));
        match path.extension() {
            Some(extension) if compressed(extension) => path.with_extension(""),
            _ => path.to_path_buf(),
        }
    }
}

impl FromStr for FileFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<FileFormat> {
        let lower = text.to_ascii_lowercase();
        NAMES.iter().find(|(_, names)| names.contains(&lower.as_str())).map(|(format, _)| *format).ok_or_else(
            || {
                Error::invalid(
                    "choose file format",
                    format!("{text:?} is not a format"),
                    "use parquet, csv, jsonl or arrow",
                )
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions_parse_to_their_format() {
        for (format, names) in NAMES {
            for name in names {
                assert_eq!(name.parse::<FileFormat>().unwrap(), format);
                assert_eq!(
                    FileFormat::from_extension(format!("a.b.{}", name.to_uppercase())).unwrap(),
                    format
                );
            }
            assert_eq!(format.name().parse::<FileFormat>().unwrap(), format);
        }
    }

    #[test]
    fn the_error_for_an_unknown_format_lists_the_known_ones() {
        let name = "xlsx".parse::<FileFormat>().unwrap_err();
        let extension = FileFormat::from_extension("a.xlsx").unwrap_err();
        let none = FileFormat::from_extension("points").unwrap_err();
        for e in [name, extension, none] {
            assert!(e.to_string().contains("parquet, csv, jsonl"), "{e}");
        }
    }
}
