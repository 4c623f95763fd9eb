//! The project's error: a kind that tells the caller what to do, and a message in four parts (what we were doing,
//! where, what was wrong, what to do about it).
//!
//! Every crate returns this type. So a message is written once, where the facts are known, and reaches the command
//! line and Python unchanged.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of a fallible call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The codes of "too many open files" of a process and of the machine, which `io::ErrorKind` has no name for. They are the
/// same on all Unix systems.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// The kind of a failure, by what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Someone else holds the resource; try again later.
    Busy,
    /// The named store, run, file or other object does not exist.
    NotFound,
    /// The input is wrong; nothing was changed.
    Invalid,
    /// Bytes on the disk are not what was written.
    Corrupt,
    /// This version does not support the format version, file system or operation.
    Unsupported,
    /// The disk, a quota, a memory budget or the limit of open files is exhausted; make room and try again.
    Full,
    /// The operating system refused or failed an operation.
    Io,
    /// An earlier failure made this handle unusable; open a new one.
    Poisoned,
    /// The caller ended the work, or closed the store meanwhile. What was done up to then holds.
    Cancelled,
}

impl ErrorKind {
    /// The kind's name, as used in Python exceptions and JSON output.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Busy => "Busy",
            ErrorKind::NotFound => "NotFound",
            ErrorKind::Invalid => "Invalid",
            ErrorKind::Corrupt => "Corrupt",
            ErrorKind::Unsupported => "Unsupported",
            ErrorKind::Full => "Full",
            ErrorKind::Io => "Io",
            ErrorKind::Poisoned => "Poisoned",
            ErrorKind::Cancelled => "Cancelled",
        }
    }
}

/// What a caller can do about an error, where each interface has its own words for it: flags of the command, arguments in
/// Python, methods in Rust. The message says it in general; an interface adds how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorAdvice {
    /// Rename or join runs of two stores that have one id.
    RenameOrJoin,
    /// Ask for an answer without what is damaged.
    ReportDamage,
    /// Allow more memory.
    AllowMemory,
}

/// An opaque error: its [`kind`](Error::kind), where it happened, and a message for people.
///
/// ```
/// use tidalite_model::{Error, ErrorKind};
/// let e = Error::invalid("append row", "metric name is empty", "give each metric a name");
/// assert_eq!(e.kind(), ErrorKind::Invalid);
/// assert_eq!(e.to_string(), "append row: metric name is empty; give each metric a name");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    doing: String,
    path: Option<PathBuf>,
    offset: Option<u64>,
    wrong: String,
    remedy: String,
    advice: Option<ErrorAdvice>,
    source: Option<io::Error>,
}

/// Whether the process, or the machine, has as many files open as it may.
fn is_descriptor_limit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

impl Error {
    /// An error of `kind`: what we were `doing`, what was `wrong`, and the `remedy` (may be empty).
    pub fn new(
        kind: ErrorKind,
        doing: impl Into<String>,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Error(Box::new(Inner {
            kind,
            doing: doing.into(),
            path: None,
            offset: None,
            wrong: wrong.into(),
            remedy: remedy.into(),
            advice: None,
            source: None,
        }))
    }

    /// Wrong input; nothing was changed.
    pub fn invalid(doing: impl Into<String>, wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, doing, wrong, remedy)
    }

    /// The named object does not exist.
    pub fn not_found(doing: impl Into<String>, wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, doing, wrong, remedy)
    }

    /// Bytes at `offset` of `path` are not what was written.
    pub fn corrupt(doing: impl Into<String>, path: &Path, offset: u64, wrong: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Corrupt,
            doing,
            wrong,
            "run `tidalite verify` for the exact extent, and restore the file from a backup if you have one",
        )
        .at(path)
        .at_offset(offset)
    }

    /// An operating-system error while `doing` something to `path`. The kind follows from the error's code.
    pub fn io(doing: impl Into<String>, path: &Path, source: io::Error) -> Self {
        let (kind, remedy) = match source.kind() {
            _ if is_descriptor_limit(&source) => (
                ErrorKind::Full,
                "raise the limit of open files (`ulimit -n`), or close some files; nothing was lost",
            ),
            io::ErrorKind::NotFound => (ErrorKind::NotFound, "check the path"),
            io::ErrorKind::FileTooLarge => (
                ErrorKind::Full,
                "raise the limit of the size of files (`ulimit -f`); everything accepted so far is kept",
            ),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (ErrorKind::Full, "free some space and try again; everything accepted so far is kept")
            }
            io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => (ErrorKind::Busy, "try again later"),
            io::ErrorKind::PermissionDenied => {
                (ErrorKind::Io, "check the permissions of the path, or open it read-only")
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                (ErrorKind::Io, "open the store read-only, or use a writable file system")
            }
            io::ErrorKind::InvalidData => {
                (ErrorKind::Corrupt, "remove it: a store consists of folders and regular files only")
            }
            io::ErrorKind::NotADirectory => (ErrorKind::Invalid, "give the path of a folder"),
            _ => (ErrorKind::Io, "check the disk and the system log"),
        };
        let mut e = Self::new(kind, doing, source.to_string(), remedy).at(path);
        e.0.source = Some(source);
        e
    }

    /// The store in the folder `root`, which a handle has opened, is not there any more.
    pub fn store_gone(kind: ErrorKind, doing: impl Into<String>, root: &Path) -> Self {
        let wrong = "the store that was opened here is gone, or another one is in its place; what was accepted and was \
            not flushed is lost";
        Self::new(kind, doing, wrong, "open the store again, or restore its folder").at(root)
    }

    /// The same error, for this file or folder.
    pub fn at(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_path_buf());
        self
    }

    /// The same error, at this byte of the file.
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    /// The kind, which tells the caller what to do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file or folder concerned.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The offset in that file, if known.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// What was being done.
    pub fn doing(&self) -> &str {
        &self.0.doing
    }

    /// Adds what an interface can say about the remedy in its own words.
    pub fn advising(mut self, advice: ErrorAdvice) -> Self {
        self.0.advice = Some(advice);
        self
    }

    /// What an interface can say about the remedy in its own words.
    pub fn advice(&self) -> Option<ErrorAdvice> {
        self.0.advice
    }

    /// What was wrong, without the path and the remedy.
    pub fn wrong(&self) -> &str {
        &self.0.wrong
    }

    /// A copy. An operating-system source is copied as its kind and text.
    pub fn duplicate(&self) -> Self {
        let i = &self.0;
        Error(Box::new(Inner {
            kind: i.kind,
            doing: i.doing.clone(),
            path: i.path.clone(),
            offset: i.offset,
            wrong: i.wrong.clone(),
            remedy: i.remedy.clone(),
            advice: i.advice,
            source: i.source.as_ref().map(|s| io::Error::new(s.kind(), s.to_string())),
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let i = &self.0;
        write!(f, "{}: ", i.doing)?;
        if let Some(path) = &i.path {
            write!(f, "{}", path.display())?;
            if let Some(offset) = i.offset {
                write!(f, " at byte {offset}")?;
            }
            write!(f, ": ")?;
        }
        write!(f, "{}", i.wrong)?;
        if !i.remedy.is_empty() {
            write!(f, "; {}", i.remedy)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", self.0.kind.name())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_what_where_wrong_and_remedy() {
        let e = Error::corrupt("replay log", Path::new("/s/log/1"), 64, "checksum is 1, expected 2");
        let text = e.to_string();
        assert!(
            text.starts_with(
                "replay log: /s/log/1 at byte 64: checksum is 1, expected 2; run `tidalite verify`"
            ),
            "{text}"
        );
        assert_eq!((e.kind(), e.offset()), (ErrorKind::Corrupt, Some(64)));
    }

    #[test]
    fn a_full_disk_and_a_missing_file_have_specific_kinds() {
        let full = Error::io("allocate segment", Path::new("/s"), io::Error::from_raw_os_error(28));
        let gone = Error::io("open", Path::new("/s"), io::Error::from_raw_os_error(2));
        assert_eq!((full.kind(), gone.kind()), (ErrorKind::Full, ErrorKind::NotFound));
    }

    #[test]
    fn too_many_open_files_are_told_from_a_faulty_disk() {
        for code in [EMFILE, ENFILE] {
            let e = Error::io("open file", Path::new("/s"), io::Error::from_raw_os_error(code));
            assert_eq!(e.kind(), ErrorKind::Full);
            let text = e.to_string();
            assert!(text.contains("raise the limit of open files (`ulimit -n`)"), "{text}");
            assert!(!text.contains("check the disk"), "{text}");
        }
    }
}
