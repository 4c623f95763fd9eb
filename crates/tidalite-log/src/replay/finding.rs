//! What replay found wrong, said exactly: which bytes, how many frames, and which points as far as can be told.

use crate::format::{FRAME_HEAD_BYTES, Tag, i64_at};
use crate::frame::Head;
use crate::sink::{LayoutId, SeriesId};
use std::path::{Path, PathBuf};
use tidalite_model::SeriesKey;

/// The most series that a finding names.
pub(super) const SERIES_NAMED_MAX: usize = 16;

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogFindingKind {
    /// The end of what a crash left: never durable, and left out.
    TornTail,
    /// Bytes that were durable, or that a living writer published, are not what was written; just they are left out.
    Damage,
    /// A segment that was durable is not there.
    MissingSegment,
    /// A segment's header is damaged. Where the message says so it was made out otherwise, and nothing is lost.
    BadHeader,
    /// A segment behind a torn tail: never durable, and left out.
    OrphanTail,
}

/// One thing that replay found wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogFinding {
    /// What kind of thing.
    pub kind: LogFindingKind,
    /// The file, or the folder where a file is missing.
    pub path: PathBuf,
    /// Where in the file it begins.
    pub offset: u64,
    /// How many bytes are concerned.
    pub bytes: u64,
    /// How many frames are lost, where their neighbours tell; declarations and marks count too.
    pub frames: Option<u64>,
    /// The run concerned, where it is one and can be told.
    pub run: Option<String>,
    /// Series concerned, as far as can be told; at most 16.
    pub series: Vec<SeriesKey>,
    /// Least and greatest step concerned, as far as can be told: damage may have changed them.
    pub steps: Option<(i64, i64)>,
    /// How many rows are lost, where that is certain.
    pub rows: Option<u64>,
    /// All of it in words.
    pub message: String,
}

impl LogFinding {
    pub(super) fn new(kind: LogFindingKind, path: &Path, offset: u64, bytes: u64, what: &str) -> Self {
        let place = path.display();
        LogFinding {
            kind,
            path: path.to_path_buf(),
            offset,
            bytes,
            frames: None,
            run: None,
            series: Vec::new(),
            steps: None,
            rows: None,
            message: format!("{place} at byte {offset}: {what}"),
        }
    }

    pub(super) fn losing(mut self, frames: u64) -> Self {
        self.frames = Some(frames);
        self
    }

    /// DeclaredNames the series, and their run where it is one.
    pub(super) fn naming(mut self, keys: impl Iterator<Item = SeriesKey>) -> Self {
        self.series = keys.take(SERIES_NAMED_MAX).collect();
        if let Some((first, rest)) = self.series.split_first()
            && rest.iter().all(|k| k.run == first.run)
        {
            self.run = Some(first.run.to_string());
        }
        self
    }
}

/// What the head of one damaged frame still says of a row: its layout and step. To be used only where the frame fills
/// exactly the bytes that are lost, and then still with the caveat that any of it may be the damaged part.
pub(super) fn row_in(bytes: &[u8]) -> Option<(LayoutId, i64)> {
    let head = Head::read(bytes.first_chunk::<FRAME_HEAD_BYTES>()?)?;
    let step = bytes.get(FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + 8)?;
    (head.tag == Tag::Row as u8).then(|| (LayoutId(head.arg), i64_at(step, 0)))
}

/// The series of a batch's or a row's handles that are known.
pub(super) fn known<'a>(
    handles: impl Iterator<Item = SeriesId> + 'a,
    lookup: impl Fn(SeriesId) -> Option<&'a SeriesKey> + 'a,
) -> impl Iterator<Item = SeriesKey> + 'a {
    handles.filter_map(move |h| lookup(h).cloned())
}
