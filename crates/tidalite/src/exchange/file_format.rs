//! The file formats that points are imported from and exported to.

use std::path::Path;
use std::str::FromStr;
use tidalite_model::{Error, ErrorKind, Result};

/// A format of files that hold points.
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
    /// Text, one row a line, with a header.
    Csv,
    /// Text, one JSON object a line.
    JsonLines,
    /// Apache Arrow IPC: a file or a stream.
    ArrowIpc,
}

/// Names and file name extensions of each format; the first is its name.
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

    /// The format that a file's extension stands for: `.parquet`, `.csv`, `.jsonl`, `.ndjson`, `.json` (one object a
    /// line as well), `.arrow`, `.ipc`, `.feather`, in any case of letters.
    ///
    /// # Errors
    /// `Unsupported` for another extension, or none.
    pub fn from_extension(path: impl AsRef<Path>) -> Result<FileFormat> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        extension.parse().map_err(|_| {
            let wrong = match extension {
                "" => "the file name has no extension that would say its format".to_owned(),
                other => format!("files of the kind {:?} are not known", format!(".{other}")),
            };
            let remedy = "say the format (parquet, csv, jsonl, arrow), or use such an extension";
            Error::new(ErrorKind::Unsupported, "choose file format", wrong, remedy).at(path)
        })
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
                    format!("{text:?} is no format"),
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
    fn a_format_is_known_by_name_and_by_extension() {
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
    fn an_unknown_format_is_refused_with_the_known_ones() {
        let name = "xlsx".parse::<FileFormat>().unwrap_err();
        let extension = FileFormat::from_extension("a.xlsx").unwrap_err();
        let none = FileFormat::from_extension("points").unwrap_err();
        for e in [name, extension, none] {
            assert!(e.to_string().contains("parquet, csv, jsonl"), "{e}");
        }
    }
}
