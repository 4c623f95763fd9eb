//! SegmentReader one segment: frame after frame, and what to do where they end or one is not valid.
//!
//! ```text
//! frame valid, ordinal follows ─► hand over ─► next        SEAL, or the successor's base reached ─► complete
//! none here:
//!   writer lives:  more committed by now, or a successor? ─► go on;  else bytes were published: damage
//!                  ─► next valid frame, or wait
//!   writer gone:   a mark says this position was durable? ─yes─► damage ─► next valid frame, or the next segment
//!                                                         └no──► torn tail: the end of this log
//! ```

use super::finding::{LogFinding, LogFindingKind, known, row_in};
use super::names::{DeclaredNames, Refused};
use super::poll::{Poll, StreamPosition};
use super::resync::{Anchor, each_frame, end_of_data, next_frame};

use super::window::SegmentWindow;
use crate::dir::{WriterDir, read_start};
use crate::format::{
    COMMITTED_AT, FIRST_FRAME_AT, FRAME_HEAD_BYTES, SEGMENT_BYTES_LIMIT, Tag, frame_bytes, u64_at,
};
use crate::frame::{Frame, bytes_needed, view};
use crate::segment::{HeaderRead, SegmentHeader};
use crate::sink::BatchRef;
use std::path::{Path, PathBuf};
use tidalite_model::{ErrorKind, Result, Seq};
use tidalite_vfs::{ReadFile, Vfs};

/// A segment being read.
#[derive(Debug)]
pub(super) struct SegmentReader {
    pub(super) number: u32,
    path: PathBuf,
    pub(super) header: SegmentHeader,
    /// The header is damaged, and so is its copy: this one follows from the segment before.
    header_inferred: bool,
    seed: u32,
    window: SegmentWindow,
    /// Where the next frame begins, and its number in the segment.
    offset: u64,
    frames: u32,
    /// Where the next segment begins, once it has: all of this one is written then.
    successor: Option<SegmentHeader>,
    /// Declarations further on were learnt already.
    looked_ahead: bool,
    /// The bytes at this offset were read a second time, and are still no frame.
    read_again_at: Option<u64>,
}

/// What opening a segment came to.
pub(super) enum OpenedSegment {
    Ready(Box<SegmentReader>),
    /// No frame was ever written.
    NotBegun,
    /// Its place in the stream cannot be told.
    Unreadable,
}

/// Why reading a segment ended, and where.
pub(super) enum SegmentEnd {
    /// The next segment continues the log.
    Complete(StreamPosition),
    /// The writer is gone, and the log ends here.
    LogEnd(StreamPosition),
}

/// Why the frames stop.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// SEAL, or the successor goes on from here.
    Complete,
    /// Nothing further below the limit, or no valid frame.
    End,
}

impl SegmentReader {
    /// Opens segment `number`; `expected` is where it should begin, if its predecessor was read to its end.
    pub(super) fn open(
        poll: &mut Poll<'_>,
        dir: &WriterDir,
        number: u32,
        expected: Option<StreamPosition>,
    ) -> Result<OpenedSegment> {
        let path = dir.segment_path(number);
        let file = poll.vfs.open(&path)?;
        let (start, committed) = read_start(&*file)?;
        let id = dir.segment_id(number);
        let (header, header_inferred) = match SegmentHeader::read(&start, id) {
            HeaderRead::Sound(header) => (header, false),
            HeaderRead::FromCopy(header) => {
                let from = Anchor { offset: FIRST_FRAME_AT as u64, ordinal: 0 };
                if poll.alive || poll.durable(dir, number, from)? > header.base_position {
                    let what = "the header is damaged; its copy is whole, and nothing is lost";
                    let finding =
                        LogFinding::new(LogFindingKind::BadHeader, &path, 0, COMMITTED_AT as u64, what);
                    poll.findings.push(finding.losing(0));
                }
                (header, false)
            }
            // The writer writes it before it sets the committed length.
            HeaderRead::None if poll.alive && committed == 0 => return Ok(OpenedSegment::NotBegun),
            HeaderRead::None => match expected {
                Some(StreamPosition { position, ordinal, .. }) => {
                    (SegmentHeader { id, base_position: position, base_ordinal: ordinal }, true)
                }
                None if end_of_data(&mut SegmentWindow::new(file.clone(), file.len()?), 0)? == 0 => {
                    return Ok(OpenedSegment::NotBegun);
                }
                None => return Ok(OpenedSegment::Unreadable),
            },
        };
        Ok(OpenedSegment::Ready(Box::new(SegmentReader {
            number,
            path,
            header,
            header_inferred,
            seed: id.seed(),
            window: SegmentWindow::new(file, 0),
            offset: FIRST_FRAME_AT as u64,
            frames: 0,
            successor: None,
            looked_ahead: false,
            read_again_at: None,
        })))
    }

    /// Where reading stands.
    pub(super) fn end(&self) -> StreamPosition {
        StreamPosition {
            number: self.number,
            offset: self.offset,
            position: self.header.base_position + self.offset,
            ordinal: self.header.base_ordinal + u64::from(self.frames),
        }
    }

    fn anchor(&self) -> Anchor {
        Anchor { offset: self.offset, ordinal: self.frames }
    }

    /// Reads on; gives where to go next, or `None` where there is nothing more for now.
    pub(super) fn read(
        &mut self,
        poll: &mut Poll<'_>,
        dir: &WriterDir,
        names: &mut DeclaredNames,
        from_ordinal: u64,
    ) -> Result<Option<SegmentEnd>> {
        loop {
            if self.hand_over_frames(poll, names, from_ordinal)? == Stop::Complete {
                return Ok(Some(SegmentEnd::Complete(self.end())));
            }
            if self.look_for_more(poll, dir)? {
                continue;
            }
            let next =
                if poll.alive { self.end_of_live(poll, names)? } else { self.end_of_dead(poll, dir, names)? };
            match next {
                Next::Continue => {}
                Next::Wait => return Ok(None),
                Next::End(end) => return Ok(Some(end)),
            }
        }
    }

    /// Hands over valid frames up to the first that is none.
    fn hand_over_frames(
        &mut self,
        poll: &mut Poll<'_>,
        names: &mut DeclaredNames,
        from_ordinal: u64,
    ) -> Result<Stop> {
        let (base, limit) = (self.header.base_ordinal, self.window.limit());
        let bound = self.successor.map_or(u64::MAX, |s| s.base_ordinal);
        loop {
            let ordinal = base + u64::from(self.frames);
            if ordinal >= bound {
                return Ok(Stop::Complete);
            }
            let Some(needed) = bytes_needed(self.window.at(self.offset, FRAME_HEAD_BYTES)?) else {
                return Ok(Stop::End);
            };
            if self.offset + needed as u64 > limit {
                return Ok(Stop::End);
            }
            let frame = match view(self.window.at(self.offset, needed)?, self.seed, self.offset) {
                Some(frame) if frame.ordinal == self.frames => frame,
                _ => return Ok(Stop::End),
            };
            let taken = match frame.tag {
                Some(tag) if tag.is_unit() && ordinal < from_ordinal => Ok(()),
                Some(tag) if tag.is_unit() => {
                    let seq = Seq::new(self.header.id.writer, ordinal);
                    names.take_unit(&frame, seq, poll.sink)
                }
                Some(Tag::Sync | Tag::Seal | Tag::Origin) => Ok(()),
                Some(_) => names.learn(&frame, poll.sink),
                None => Err(Refused::Malformed),
            };
            let (bytes, sealed) = (frame.bytes, frame.tag == Some(Tag::Seal));
            match taken {
                Ok(()) => {}
                Err(Refused::BySink(e)) => return Err(e),
                Err(Refused::Undeclared) if !self.looked_ahead => {
                    self.look_ahead(poll, names)?;
                    continue;
                }
                Err(refused) => {
                    let finding = refusal(&self.path, self.offset, &frame, &refused, ordinal);
                    poll.refuse(finding);
                }
            }
            self.offset += bytes;
            self.frames += 1;
            poll.frames += 1;
            poll.bytes += bytes;
            if sealed {
                return Ok(Stop::Complete);
            }
        }
    }

    /// Learns the declarations that stand further on: copies of those that were lost may be among them.
    fn look_ahead(&mut self, poll: &mut Poll<'_>, names: &mut DeclaredNames) -> Result<()> {
        self.looked_ahead = true;
        let mut window = SegmentWindow::new(self.window.file().clone(), self.window.limit());
        each_frame(&mut window, self.seed, self.anchor(), &mut |frame| match frame.tag {
            Some(Tag::Run | Tag::Series | Tag::Layout) => match names.learn(frame, poll.sink) {
                Err(Refused::BySink(e)) => Err(e),
                // Reported when reading gets there.
                Ok(()) | Err(Refused::Undeclared | Refused::Malformed) => Ok(()),
            },
            _ => Ok(()),
        })
    }

    /// Whether more can be read than at the last look: the writer went on, or it is gone and all of its file counts.
    fn look_for_more(&mut self, poll: &mut Poll<'_>, dir: &WriterDir) -> Result<bool> {
        let had = (self.window.limit(), self.successor.is_some());
        if self.successor.is_none() {
            self.successor = header_of(poll.vfs, dir, self.number + 1)?
                .filter(|s| s.base_ordinal >= self.header.base_ordinal);
        }
        let file = self.window.file();
        let mut limit = file.len()?.min(SEGMENT_BYTES_LIMIT);
        // Asked after the successor: a segment that has one is not written to any more.
        if poll.alive && self.successor.is_none() {
            limit = limit.min(committed(&**file)?);
        }
        self.window.set_limit(limit);
        Ok((limit, self.successor.is_some()) != had)
    }

    /// The frames of a living writer's segment end here.
    fn end_of_live(&mut self, poll: &mut Poll<'_>, names: &DeclaredNames) -> Result<Next> {
        if self.offset >= self.window.limit() {
            // With a successor that has not been reached: frames at the end are missing.
            let Some(successor) = self.successor else { return Ok(Next::Wait) };
            return Ok(self.skip_to(poll, names, successor));
        }
        if self.read_again_at != Some(self.offset) {
            // The committed length and the frame are read by two calls; look again before it is called damage.
            self.read_again_at = Some(self.offset);
            self.window.forget();
            return Ok(Next::Continue);
        }
        let anchor = self.anchor();
        match (next_frame(&mut self.window, self.seed, anchor, anchor.offset + 8)?, self.successor) {
            (Some(found), _) => {
                self.report_damage(poll, names, found.offset, Some(u64::from(found.ordinal - self.frames)))?;
                (self.offset, self.frames) = (found.offset, found.ordinal);
                Ok(Next::Continue)
            }
            (None, Some(successor)) => Ok(self.skip_to(poll, names, successor)),
            (None, None) => {
                // Said at each poll, until frames behind it show how many are lost.
                self.report_damage(poll, names, self.window.limit(), None)?;
                Ok(Next::Wait)
            }
        }
    }

    /// The frames of a segment whose writer is gone end here.
    fn end_of_dead(&mut self, poll: &mut Poll<'_>, dir: &WriterDir, names: &DeclaredNames) -> Result<Next> {
        let durable = poll.durable(dir, self.number, self.anchor())?;
        let base = self.header.base_position;
        if durable <= base + self.offset {
            return self.torn(poll, dir);
        }
        let anchor = self.anchor();
        if let Some(found) = next_frame(&mut self.window, self.seed, anchor, anchor.offset + 8)? {
            if base + found.offset <= durable {
                let lost = u64::from(found.ordinal - self.frames);
                self.report_damage(poll, names, found.offset, Some(lost))?;
                (self.offset, self.frames) = (found.offset, found.ordinal);
                return Ok(Next::Continue);
            }
        } else if let Some(successor) = self.successor.filter(|s| s.base_position <= durable) {
            return Ok(self.skip_to(poll, names, successor));
        } else if self.successor.is_none() && durable > base + self.window.limit() {
            // All that was here was durable, and so was something behind it.
            self.report_damage(poll, names, self.window.limit(), None)?;
            self.offset = self.window.limit();
            return Ok(Next::End(SegmentEnd::Complete(self.end())));
        }
        // Up to the mark's position it is damage; what stood behind that may have been lost by the crash.
        self.report_damage(poll, names, self.window.limit().min(durable - base), None)?;
        self.offset = self.window.limit().min(durable - base);
        self.torn(poll, dir)
    }

    /// Leaves out all up to where the successor begins.
    fn skip_to(&mut self, poll: &mut Poll<'_>, names: &DeclaredNames, successor: SegmentHeader) -> Next {
        let lost = successor.base_ordinal - self.end().ordinal;
        // An error of reading the damaged bytes again would only cost the finding its details.
        let _ = self.report_damage(poll, names, self.window.limit(), Some(lost));
        Next::End(SegmentEnd::Complete(StreamPosition {
            number: self.number,
            offset: self.window.limit(),
            position: successor.base_position,
            ordinal: successor.base_ordinal,
        }))
    }

    /// The end of what is left; nothing to report where the log simply ends here.
    fn torn(&mut self, poll: &mut Poll<'_>, dir: &WriterDir) -> Result<Next> {
        // A hint only: no checksum covers it. It may lie beyond a file that was cut.
        let committed = committed(&**self.window.file())?.min(SEGMENT_BYTES_LIMIT);
        let data_end = end_of_data(&mut self.window, self.offset)?.max(committed).max(self.offset);
        let orphans = orphans(poll.vfs, dir, self.number)?;
        let is_cut = self.window.limit() < FIRST_FRAME_AT as u64;
        if data_end > self.offset || !orphans.is_empty() || is_cut {
            let bytes = data_end - self.offset;
            let what = "the log ends here; what follows was not yet on the disk when the machine stopped";
            poll.findings.push(LogFinding::new(
                LogFindingKind::TornTail,
                &self.path,
                self.offset,
                bytes,
                what,
            ));
            poll.findings.extend(orphans);
        }
        Ok(Next::End(SegmentEnd::LogEnd(self.end())))
    }

    /// Reports the bytes up to `end` as damaged, with all that can be told about what was lost.
    fn report_damage(
        &mut self,
        poll: &mut Poll<'_>,
        names: &DeclaredNames,
        end: u64,
        lost: Option<u64>,
    ) -> Result<()> {
        let start = if self.header_inferred && self.frames == 0 { 0 } else { self.offset };
        let what = match lost {
            Some(1) => "one frame is damaged and left out".to_string(),
            Some(n) => format!("{n} frames are damaged and left out"),
            None => "frames are damaged and left out; how many cannot be told".to_string(),
        };
        let mut finding =
            LogFinding::new(LogFindingKind::Damage, &self.path, start, end.saturating_sub(start), &what);
        finding.frames = lost;
        let bytes = usize::try_from(end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let damaged = self.window.at(self.offset, FRAME_HEAD_BYTES)?;
        if lost == Some(1) && bytes_needed(damaged) == Some(bytes) {
            let damaged = self.window.at(self.offset, bytes)?;
            finding = describe(finding, &damaged[..bytes.min(damaged.len())], names);
        }
        poll.findings.push(finding);
        Ok(())
    }
}

/// A frame is whole and yet cannot be used.
fn refusal(path: &Path, offset: u64, frame: &Frame<'_>, refused: &Refused, ordinal: u64) -> LogFinding {
    let what = match refused {
        Refused::Undeclared => "frames name series or runs whose declarations are damaged, and are left out",
        _ => "frames are whole but say what this version cannot read, and are left out",
    };
    let what = format!("from frame {ordinal} of the writer on, {what}");
    let mut finding = LogFinding::new(LogFindingKind::Damage, path, offset, frame.bytes, &what).losing(1);
    if frame.tag == Some(Tag::Row) && frame.payload.len() >= 8 {
        let step = u64_at(frame.payload, 0).cast_signed();
        finding.steps = Some((step, step));
        finding.rows = Some(1);
    }
    finding
}

/// What to do next.
enum Next {
    Continue,
    Wait,
    End(SegmentEnd),
}

/// Adds what the bytes of one damaged frame still say.
fn describe(mut finding: LogFinding, bytes: &[u8], names: &DeclaredNames) -> LogFinding {
    if let Some((layout, step)) = row_in(bytes) {
        finding.rows = Some(1);
        finding.steps = Some((step, step));
        let series = names.layout(layout).unwrap_or_default();
        return finding.naming(known(series.iter().copied(), |s| names.series_key(s)));
    }
    let payload = bytes.get(FRAME_HEAD_BYTES..).unwrap_or_default();
    let is_points = bytes.get(FRAME_HEAD_BYTES - 4) == Some(&(Tag::Points as u8));
    // Padding is none for an even count and 4 bytes for an odd one.
    let batch = [payload.len(), payload.len().saturating_sub(4)]
        .into_iter()
        .find_map(|n| BatchRef::new(Seq::default(), payload.get(..n)?));
    if let Some(points) =
        batch.filter(|p| is_points && !p.is_empty() && frame_bytes(payload.len()) == bytes.len())
    {
        let steps = (0..points.len()).map(|i| points.step(i));
        finding.steps = steps.clone().min().zip(steps.max());
        let mut series: Vec<_> = (0..points.len()).map(|i| points.series(i)).collect();
        series.sort_unstable();
        series.dedup();
        return finding.naming(known(series.into_iter(), |s| names.series_key(s)));
    }
    finding
}

/// The header of a segment, where it exists and can be read.
pub(super) fn header_of(vfs: &dyn Vfs, dir: &WriterDir, number: u32) -> Result<Option<SegmentHeader>> {
    let file = match vfs.open(&dir.segment_path(number)) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let (start, _) = read_start(&*file)?;
    Ok(match SegmentHeader::read(&start, dir.segment_id(number)) {
        HeaderRead::Sound(header) | HeaderRead::FromCopy(header) => Some(header),
        HeaderRead::None => None,
    })
}

/// The committed length. The writer sets it in one step, but the copy out of the kernel may not be one: two equal
/// reads in a row are taken for whole.
fn committed(file: &dyn ReadFile) -> Result<u64> {
    let mut last = None;
    for _ in 0..16 {
        let mut word = [0; 8];
        if file.read_at(COMMITTED_AT as u64, &mut word)? < word.len() {
            return Ok(0);
        }
        let now = u64::from_le_bytes(word);
        if last.replace(now) == Some(now) {
            return Ok(now);
        }
    }
    Ok(last.unwrap_or(0))
}

/// Findings for the segments behind `number` that hold anything.
pub(super) fn orphans(vfs: &dyn Vfs, dir: &WriterDir, number: u32) -> Result<Vec<LogFinding>> {
    let mut found = Vec::new();
    for n in dir.segment_numbers(vfs)?.into_iter().filter(|&n| n > number) {
        let path = dir.segment_path(n);
        let file = match vfs.open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let len = file.len()?;
        let end = end_of_data(&mut SegmentWindow::new(file, len), 0)?;
        if end > 0 {
            let what = "this segment stands behind a torn one, and is left out";
            found.push(LogFinding::new(LogFindingKind::OrphanTail, &path, 0, end, what));
        }
    }
    Ok(found)
}
