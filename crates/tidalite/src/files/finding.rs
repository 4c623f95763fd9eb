//! One problem in a store: where it is, and what it costs as far as that is known.

use std::fmt;
use std::path::PathBuf;
use tidalite_model::{Error, ErrorKind, SeriesKey};
use tidalite_parts::PartFinding;

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// The end of a log that a crash left half written. It was never durable, so it is not damage. Everything before it
    /// is whole.
    TornTail,
    /// Bytes differ from what was written.
    Damage,
    /// A file that the store needs does not exist.
    Missing,
}

impl FindingKind {
    /// The kind as text, for output.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::TornTail => "torn tail",
            FindingKind::Damage => "damage",
            FindingKind::Missing => "missing",
        }
    }

    /// Whether something durable was lost or changed.
    pub fn is_damage(self) -> bool {
        self != FindingKind::TornTail
    }
}

/// One problem in a store.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The kind of problem.
    pub kind: FindingKind,
    /// The file or folder.
    pub path: PathBuf,
    /// The offset of the first affected byte.
    pub offset: u64,
    /// The number of affected bytes; 0 if unknown.
    pub bytes: u64,
    /// The number of log frames lost, if known.
    pub frames: Option<u64>,
    /// The affected run, if it is a single known one.
    pub run: Option<String>,
    /// Affected series, as far as known; at most 16.
    pub series: Vec<SeriesKey>,
    /// The least and the greatest affected step, if known.
    pub steps: Option<(i64, i64)>,
    /// The number of affected rows, if known.
    pub rows: Option<u64>,
    /// The whole finding in words.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.path.display().to_string();
        if self.message.contains(&place) {
            return f.write_str(&self.message);
        }
        match self.bytes > 0 || self.offset > 0 {
            true => write!(f, "{place} at byte {}: {}", self.offset, self.message),
            false => write!(f, "{place}: {}", self.message),
        }
    }
}

impl Finding {
    /// A problem with a file of which no more is known.
    pub(crate) fn new(kind: FindingKind, path: PathBuf, message: String) -> Finding {
        Finding {
            kind,
            path,
            offset: 0,
            bytes: 0,
            frames: None,
            run: None,
            series: Vec::new(),
            steps: None,
            rows: None,
            message,
        }
    }
}

impl From<tidalite_log::LogFinding> for Finding {
    fn from(f: tidalite_log::LogFinding) -> Self {
        use tidalite_log::LogFindingKind as Kind;
        let kind = match f.kind {
            Kind::TornTail | Kind::OrphanTail => FindingKind::TornTail,
            Kind::MissingSegment => FindingKind::Missing,
            _ => FindingKind::Damage,
        };
        Finding {
            offset: f.offset,
            bytes: f.bytes,
            frames: f.frames,
            run: f.run,
            series: f.series,
            steps: f.steps,
            rows: f.rows,
            ..Finding::new(kind, f.path, f.message)
        }
    }
}

impl From<PartFinding> for Finding {
    fn from(f: PartFinding) -> Self {
        let run =
            f.series.first().map(|k| k.run.to_string()).filter(|r| f.series.iter().all(|k| *k.run == **r));
        Finding {
            offset: f.offset,
            bytes: f.bytes,
            run,
            series: f.series,
            steps: f.steps.map(|steps| (steps.first, steps.last)),
            rows: f.rows.map(|r| u64::from(r.end - r.start)),
            ..Finding::new(FindingKind::Damage, f.path, f.message)
        }
    }
}

impl From<&Error> for Finding {
    fn from(e: &Error) -> Self {
        let kind = if e.kind() == ErrorKind::NotFound { FindingKind::Missing } else { FindingKind::Damage };
        // Path and offset have their own fields. The remedy is left out: it is usually to run `verify`.
        let message = format!("{}: {}", e.doing(), e.wrong());
        let path = e.path().map(PathBuf::from).unwrap_or_default();
        Finding { offset: e.offset().unwrap_or(0), ..Finding::new(kind, path, message) }
    }
}
