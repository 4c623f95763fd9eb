//! Following one writer's log from a frame on, poll by poll, over all its segments.
//!
//! ```text
//! Start ─► In(segment) ─► Between(end of it) ─► In(next) ─► … ─► Over, once the writer is gone
//! ```
//!
//! A reader keeps its current file open, so a segment may be deleted while it is read. If the next segment was
//! deleted, it was flushed before, and the reader returns `NotFound`: the caller takes the newer manifest and starts
//! again. A gap between segments that still exist is damage.

use super::finding::{LogFinding, LogFindingKind, LostFrames};
use super::names::DeclaredNames;
use super::poll::{Poll, Progress, StreamPosition};
use super::resync::Anchor;
use super::segment_reader::{OpenedSegment, SegmentEnd, SegmentReader, header_of, orphans};
use crate::dir::WriterDir;
use crate::format::{COMMITTED_AT, FIRST_FRAME_AT};
use crate::sink::LogSink;
use std::ops::Range;
use tidalite_model::{Error, Result};
use tidalite_vfs::Vfs;

/// The result of one replay or one poll.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Replayed {
    /// Ordinal of the first frame not read yet. Never less than the ordinal at which reading was to start.
    pub next_ordinal: u64,
    /// Bytes of valid frames read.
    pub bytes: u64,
    /// Valid frames read, declarations and marks included.
    pub frames: u64,
    /// What was wrong.
    pub findings: Vec<LogFinding>,
    /// Whether the caller said that the writer lives.
    pub alive: bool,
    /// Where reading continues.
    pub resume: Resume,
}

/// A position in a writer's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Number of the segment; 0 before the first.
    pub segment: u32,
    /// Offset in the segment.
    pub offset: u64,
    /// Ordinal of the frame at this offset, or of the next one to be written there.
    pub ordinal: u64,
}

impl Resume {
    /// Damage if a log of a living writer, in which nothing else is damaged, ends here and before frame `flushed`: the manifest
    /// says that every frame before that one is flushed. Nothing that was read shows it, and the writer's next rows would
    /// count as flushed. The log of a writer that is gone may have lost its end after it was flushed.
    pub fn short_of(&self, dir: &WriterDir, flushed: u64) -> Option<LogFinding> {
        // Without a segment the end is not known.
        if self.segment == 0 || self.ordinal >= flushed {
            return None;
        }
        let what = format!(
            "the log ends before frame {}, and the manifest says that {flushed} of its frames are flushed",
            self.ordinal
        );
        let path = dir.segment_path(self.segment);
        let finding = LogFinding::new(LogFindingKind::Damage, &path, self.offset, 0, &what);
        Some(finding.losing_frames(None, LostFrames::of(self.ordinal, None, u64::MAX, None)))
    }

    /// Damage if a log ends here, and before frame `accepted`: its writer has appended every frame before that one. Segments
    /// were removed or cut.
    pub fn lacks(&self, dir: &WriterDir, accepted: u64) -> Option<LogFinding> {
        let lost = accepted.checked_sub(self.ordinal).filter(|&lost| lost > 0)?;
        let what = format!(
            "{lost} frames from frame {} of the writer on are missing, which this process has logged",
            self.ordinal
        );
        let finding = LogFinding::new(LogFindingKind::MissingSegment, &dir.path, 0, 0, &what);
        let gone = LostFrames::of(self.ordinal, Some(lost), u64::MAX, None);
        Some(finding.losing_frames(Some(lost), gone))
    }
}

/// Damage if a writer of which nothing is flushed has no segment, and files that it makes only after its first segment lie in
/// its folder; `is_later` says which. Without such a file, nothing tells whether the writer ever had a segment.
///
/// # Errors
/// Disk errors. `NotFound` if the folder is gone.
pub fn segments_gone(
    vfs: &dyn Vfs,
    dir: &WriterDir,
    is_later: impl Fn(&str) -> bool,
) -> Result<Option<LogFinding>> {
    let begun = vfs.read_dir(&dir.path)?.iter().any(|name| is_later(name));
    // Looked at afterwards: a segment that was there before such a file is found now.
    if !begun || !dir.segment_numbers(vfs)?.is_empty() {
        return Ok(None);
    }
    let what = "all segments of the writer are missing: what lies here is made only after the first one";
    let finding = LogFinding::new(LogFindingKind::MissingSegment, &dir.path, 0, 0, what);
    Ok(Some(finding.losing_frames(None, LostFrames::of(0, None, u64::MAX, None))))
}

/// Reads one writer's log and keeps its position. Each poll delivers what is new.
#[derive(Debug)]
pub struct TailReader {
    pub(super) dir: WriterDir,
    pub(super) from_ordinal: u64,
    /// Frames from this ordinal on are not read.
    end_ordinal: u64,
    pub(super) place: ReplayPosition,
    names: DeclaredNames,
    /// Findings not returned yet, because the sink refused something later.
    findings: Vec<LogFinding>,
    /// The writer is gone, and everything was read.
    is_finished: bool,
}

/// Where reading continues.
#[derive(Debug)]
pub(super) enum ReplayPosition {
    Start,
    In(Box<SegmentReader>),
    Between(StreamPosition),
    /// The writer is gone, and there is nothing more to read.
    Over(StreamPosition),
}

impl From<SegmentEnd> for ReplayPosition {
    fn from(end: SegmentEnd) -> Self {
        match end {
            SegmentEnd::Complete(end) => ReplayPosition::Between(end),
            SegmentEnd::LogEnd(end) => ReplayPosition::Over(end),
        }
    }
}

impl TailReader {
    /// A reader of the frames from `from_ordinal` on.
    pub fn new(dir: WriterDir, from_ordinal: u64) -> Self {
        TailReader::within(dir, from_ordinal..u64::MAX)
    }

    /// A reader of the frames with these ordinals.
    pub(super) fn within(dir: WriterDir, ordinals: Range<u64>) -> Self {
        TailReader {
            dir,
            from_ordinal: ordinals.start,
            end_ordinal: ordinals.end,
            place: ReplayPosition::Start,
            names: DeclaredNames::default(),
            findings: Vec::new(),
            is_finished: false,
        }
    }

    /// Whether the writer is gone and all of its log was read: a poll delivers nothing any more, and there is no need to
    /// ask whether the writer lives. The reader then holds no file open.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// The folder of the log.
    pub fn dir(&self) -> &WriterDir {
        &self.dir
    }

    /// Delivers what is new. `alive` says whether more frames may be appended: [`life`](crate::life), called before
    /// this method. If so, only committed frames are read, and no tail counts as torn.
    ///
    /// # Errors
    /// `NotFound` if a segment that is needed was deleted, as happens after a flush: read the manifest again and
    /// start a new reader. The sink's own error; the next poll delivers the refused item again. Disk errors.
    pub fn poll(&mut self, vfs: &dyn Vfs, alive: bool, sink: &mut dyn LogSink) -> Result<Replayed> {
        self.poll_until(vfs, alive, Progress::Further, sink)
    }

    /// As [`poll`](Self::poll), but reads only up to `until`, which [`look`](Self::look) returned.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn poll_until(
        &mut self,
        vfs: &dyn Vfs,
        alive: bool,
        until: Progress,
        sink: &mut dyn LogSink,
    ) -> Result<Replayed> {
        if self.is_finished {
            return Ok(self.replayed((0, 0), alive));
        }
        let mut poll = Poll::new(vfs, alive, sink, &mut self.findings);
        poll.end_ordinal = self.end_ordinal;
        if let (Progress::UpTo(bytes), ReplayPosition::In(reading)) = (until, &self.place) {
            poll.until = Some((reading.number, bytes));
        }
        loop {
            // The segment with the limit is the one that is read first.
            let ended = poll.until.is_some() && !matches!(&self.place, ReplayPosition::In(_));
            let read = matches!(&self.place, ReplayPosition::Between(end) if end.ordinal >= self.end_ordinal);
            if until == Progress::Nothing || ended || read {
                break;
            }
            let next = match &mut self.place {
                ReplayPosition::Start => first(&mut poll, &self.dir, self.from_ordinal)?,
                ReplayPosition::In(reading) => reading
                    .read(&mut poll, &self.dir, &mut self.names, self.from_ordinal)?
                    .map(ReplayPosition::from),
                ReplayPosition::Between(end) => following(&mut poll, &self.dir, *end)?,
                ReplayPosition::Over(_) => None,
            };
            match next {
                Some(place) => self.place = place,
                None => break,
            }
        }
        let read = (poll.frames, poll.bytes);
        // Without a segment to read in, files may have been removed, and a poll must report that.
        if let Some(end) = self.end().filter(|_| !alive && until == Progress::Further) {
            self.place = ReplayPosition::Over(end);
            self.is_finished = true;
        }
        Ok(self.replayed(read, alive))
    }

    fn replayed(&mut self, (frames, bytes): (u64, u64), alive: bool) -> Replayed {
        let resume = self.resume();
        Replayed {
            next_ordinal: resume.ordinal.max(self.from_ordinal),
            bytes,
            frames,
            findings: std::mem::take(&mut self.findings),
            alive,
            resume,
        }
    }

    /// What was found wrong up to a frame that the sink refused: a poll that fails keeps it for the next one.
    pub fn take_findings(&mut self) -> Vec<LogFinding> {
        std::mem::take(&mut self.findings)
    }

    /// Passes all names declared so far to a sink that replaces another one.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn declarations(&self, sink: &mut dyn LogSink) -> Result<()> {
        self.names.hand_over(sink)
    }

    /// The position in the writer's stream of the first frame that is not read; `None` before the first segment.
    pub fn position(&self) -> Option<u64> {
        self.end().map(|end| end.position)
    }

    fn end(&self) -> Option<StreamPosition> {
        match &self.place {
            ReplayPosition::Start => None,
            ReplayPosition::In(reading) => Some(reading.end()),
            ReplayPosition::Between(end) | ReplayPosition::Over(end) => Some(*end),
        }
    }

    fn resume(&self) -> Resume {
        match self.end() {
            None => Resume { segment: 0, offset: 0, ordinal: self.from_ordinal },
            Some(end) => Resume { segment: end.number, offset: end.offset, ordinal: end.ordinal },
        }
    }
}

/// Opens the segment that contains `from_ordinal`, or the first one that exists.
fn first(poll: &mut Poll<'_>, dir: &WriterDir, from_ordinal: u64) -> Result<Option<ReplayPosition>> {
    let numbers = dir.segment_numbers(poll.vfs)?;
    let Some(&least) = numbers.first() else { return Ok(None) };
    let mut start = least;
    for &n in numbers[1..].iter().rev() {
        if header_of(poll.vfs, dir, n)?.is_some_and(|h| h.base_ordinal <= from_ordinal) {
            start = n;
            break;
        }
    }
    let origin = StreamPosition { number: 0, offset: 0, position: 0, ordinal: 0 };
    match SegmentReader::open(poll, dir, start, (start == 1).then_some(origin))? {
        OpenedSegment::NotBegun => Ok(None),
        OpenedSegment::Ready(reading) if reading.header.base_ordinal <= from_ordinal => {
            Ok(Some(ReplayPosition::In(reading)))
        }
        OpenedSegment::Ready(reading) => {
            // Frames before `from_ordinal` were flushed and are not needed. Frames from there on that are gone are a
            // gap.
            let end = StreamPosition { ordinal: from_ordinal, ..origin };
            gap(poll, dir, end, reading).map(Some)
        }
        OpenedSegment::Unreadable => {
            unreadable(poll, dir, StreamPosition { number: start, ordinal: from_ordinal, ..origin }, &numbers)
        }
    }
}

/// Opens the segment after one that was read to its end.
fn following(poll: &mut Poll<'_>, dir: &WriterDir, end: StreamPosition) -> Result<Option<ReplayPosition>> {
    let numbers = dir.segment_numbers(poll.vfs)?;
    let here = numbers.contains(&end.number);
    let next = numbers.iter().copied().find(|&n| n > end.number);
    let Some(next) = next.filter(|&n| here || n == end.number + 1) else {
        return if here { Ok(None) } else { Err(deleted(dir, end)) };
    };
    let expected = (next == end.number + 1).then_some(end);
    match SegmentReader::open(poll, dir, next, expected)? {
        OpenedSegment::NotBegun => Ok(None),
        OpenedSegment::Ready(reading) if reading.header.base_ordinal == end.ordinal => {
            Ok(Some(ReplayPosition::In(reading)))
        }
        OpenedSegment::Ready(reading) if reading.header.base_ordinal > end.ordinal => {
            gap(poll, dir, end, reading).map(Some)
        }
        OpenedSegment::Ready(_) | OpenedSegment::Unreadable => {
            unreadable(poll, dir, StreamPosition { number: next, offset: 0, ..end }, &numbers)
        }
    }
}

/// Frames are missing between `end` and the opened segment. They are damage if they were durable, else part of the
/// torn tail.
fn gap(
    poll: &mut Poll<'_>,
    dir: &WriterDir,
    end: StreamPosition,
    reading: Box<SegmentReader>,
) -> Result<ReplayPosition> {
    let from = Anchor { offset: FIRST_FRAME_AT as u64, ordinal: 0 };
    let durable = if poll.alive { u64::MAX } else { poll.durable(dir, reading.number, from)? };
    if durable > end.position {
        let lost = reading.header.base_ordinal - end.ordinal;
        let what = format!(
            "{lost} frames before segment {} are missing, from frame {} of the writer on",
            reading.number, end.ordinal
        );
        let finding = LogFinding::new(LogFindingKind::MissingSegment, &dir.path, 0, 0, &what);
        let gone = LostFrames::of(end.ordinal, Some(lost), u64::MAX, None);
        poll.findings.push(finding.losing_frames(Some(lost), gone));
    }
    if durable >= reading.header.base_position {
        return Ok(ReplayPosition::In(reading));
    }
    poll.findings.extend(orphans(poll.vfs, dir, reading.number - 1)?);
    Ok(ReplayPosition::Over(end))
}

/// The header of the segment at `end` is unreadable. The segment is skipped if something after it was durable, else
/// it is part of the torn tail.
fn unreadable(
    poll: &mut Poll<'_>,
    dir: &WriterDir,
    end: StreamPosition,
    numbers: &[u32],
) -> Result<Option<ReplayPosition>> {
    let from = Anchor { offset: FIRST_FRAME_AT as u64, ordinal: 0 };
    if !poll.alive && poll.durable(dir, end.number, from)? <= end.position {
        poll.findings.extend(orphans(poll.vfs, dir, end.number - 1)?);
        return Ok(Some(ReplayPosition::Over(end)));
    }
    let path = dir.segment_path(end.number);
    let what = "the header and its copy are damaged; the segment is skipped";
    let finding = LogFinding::new(LogFindingKind::BadHeader, &path, 0, COMMITTED_AT as u64, what);
    let gone = LostFrames::of(end.ordinal, None, u64::MAX, None);
    poll.findings.push(finding.losing_frames(None, gone));
    Ok(numbers.last().is_some_and(|&last| last > end.number).then_some(ReplayPosition::Between(end)))
}

fn deleted(dir: &WriterDir, end: StreamPosition) -> Error {
    Error::not_found(
        "read log",
        format!("what follows segment {} was flushed and deleted", end.number),
        "take a new snapshot, which reads it from the parts",
    )
    .at(&dir.path)
}
