//! What replay found wrong: which bytes, how many frames, and which points as far as known.

use crate::format::{FRAME_HEAD_BYTES, Tag, i64_at};
use crate::frame::Head;
use crate::sink::{LayoutId, SeriesId};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite_model::SeriesKey;

/// The maximum number of series that a finding names.
pub(super) const SERIES_NAMED_MAX: usize = 16;

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogFindingKind {
    /// The end of a log that a crash left incomplete. It was never durable, and is dropped.
    TornTail,
    /// Bytes that were durable, or that a living writer published, are not what was written. Only they are skipped.
    Damage,
    /// A segment that was durable is missing.
    MissingSegment,
    /// A segment's header is damaged. If its copy is intact, the message says so and nothing is lost.
    BadHeader,
    /// A segment after a torn tail. It was never durable, and is dropped.
    OrphanTail,
}

/// Frames that are lost, and could have held what a caller appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostFrames {
    /// The ordinal of the first one.
    pub first: u64,
    /// The ordinal after the last one, if the frames after them tell.
    pub end: Option<u64>,
    /// The runs that rows and changes in them could be of: all that the log has declared. `None` if declarations are lost
    /// too, so that it could be any run. The runs of a staged part are not declared; see `part`.
    pub runs: Option<Arc<[Arc<str>]>>,
    /// Whether one of them could have named a staged part.
    pub part: bool,
}

impl LostFrames {
    /// The frames from `first` on: `count` of them in `bytes` of the stream, if that is known. `None` if they could not have
    /// held rows or changes.
    pub(super) fn of(
        first: u64,
        count: Option<u64>,
        bytes: u64,
        runs: Option<Arc<[Arc<str>]>>,
    ) -> Option<LostFrames> {
        let single = count == Some(1);
        if count == Some(0) || single && bytes < UNIT_BYTES_MIN {
            return None;
        }
        let part = !single || bytes >= PART_BYTES_MIN;
        Some(LostFrames { first, end: count.map(|count| first + count), runs, part })
    }
}

/// The shortest frame with a row or a change: what is shorter holds declarations or marks.
const UNIT_BYTES_MIN: u64 = 40;
/// No frame that names a staged part is shorter: the names of the fields that describe it take more.
const PART_BYTES_MIN: u64 = 256;

/// One thing that replay found wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogFinding {
    /// The kind.
    pub kind: LogFindingKind,
    /// The file, or the folder if a file is missing.
    pub path: PathBuf,
    /// Where in the file it begins.
    pub offset: u64,
    /// The number of bytes affected.
    pub bytes: u64,
    /// The number of frames lost, if the frames around them tell. Declarations and marks count too.
    pub frames: Option<u64>,
    /// The run affected, if it is one run and known.
    pub run: Option<String>,
    /// The series affected, as far as known; at most 16.
    pub series: Vec<SeriesKey>,
    /// Lowest and highest step affected, as far as known. Damage may have changed them.
    pub steps: Option<(i64, i64)>,
    /// The frames lost that could have held rows or changes; `None` if nothing that a caller appended is lost.
    pub lost: Option<LostFrames>,
    /// The number of rows lost, if certain.
    pub rows: Option<u64>,
    /// The whole finding in words.
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
            lost: None,
            rows: None,
            message: format!("{place} at byte {offset}: {what}"),
        }
    }

    pub(super) fn losing(mut self, frames: u64) -> Self {
        self.frames = Some(frames);
        self
    }

    /// Says that frames are lost, and `count` that they are so many.
    pub(super) fn losing_frames(mut self, count: Option<u64>, lost: Option<LostFrames>) -> Self {
        self.frames = count;
        self.lost = lost;
        self
    }

    /// Names the series, and their run if they share one.
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

/// The layout and step in the head of a damaged row. Use only if the frame fills exactly the lost bytes. Even then,
/// either value may be damaged.
pub(super) fn row_in(bytes: &[u8]) -> Option<(LayoutId, i64)> {
    let head = Head::read(bytes.first_chunk::<FRAME_HEAD_BYTES>()?)?;
    let step = bytes.get(FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + 8)?;
    [Tag::Row as u8, Tag::StampedRow as u8].contains(&head.tag).then(|| (LayoutId(head.arg), i64_at(step, 0)))
}

/// The known series among these handles.
pub(super) fn known<'a>(
    handles: impl Iterator<Item = SeriesId> + 'a,
    lookup: impl Fn(SeriesId) -> Option<&'a SeriesKey> + 'a,
) -> impl Iterator<Item = SeriesKey> + 'a {
    handles.filter_map(move |h| lookup(h).cloned())
}
