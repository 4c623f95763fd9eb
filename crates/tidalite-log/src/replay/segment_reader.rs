//! Reading one segment: frame after frame, and what follows where the frames end or one is invalid.
//!
//! ```text
//! valid, ordinal follows ─► deliver ─► next frame          SEAL, or the successor's base reached ─► complete
//! no valid frame here:
//!   writer lives:  more committed by now, or a successor? ─► continue;  else bytes were published: damage
//!                  ─► next valid frame, or wait
//!   writer gone:   a mark says this position was durable? ─yes─► damage ─► next valid frame or next segment
//!                                                         └no──► torn tail: the end of this log
//! ```

use super::finding::{LogFinding, LogFindingKind, LostFrames};
use super::lost::{describe, learn_early, refusal};
use super::names::{DeclaredNames, Refused};
use super::poll::{Poll, StreamPosition};
use super::resync::{Anchor, each_frame, each_until_mark, end_of_data, next_frame};
use super::window::SegmentWindow;
use crate::dir::{WriterDir, read_start};
use crate::format::{COMMITTED_AT, FIRST_FRAME_AT, FRAME_HEAD_BYTES, SEGMENT_BYTES_LIMIT, Tag};
use crate::frame::{bytes_needed, view};
use crate::segment::{HeaderRead, SegmentHeader};
use std::path::PathBuf;
use tidalite_model::{ErrorKind, Result, Seq};
use tidalite_vfs::{ReadFile, Vfs};

/// A segment being read.
#[derive(Debug)]
pub(super) struct SegmentReader {
    pub(super) number: u32,
    path: PathBuf,
    pub(super) header: SegmentHeader,
    /// Header and copy are damaged. This one is derived from the segment before.
    header_inferred: bool,
    seed: u32,
    window: SegmentWindow,
    /// Where the next frame begins, and its ordinal in the segment.
    offset: u64,
    frames: u32,
    /// The next segment's header, once it exists. This segment is then complete.
    successor: Option<SegmentHeader>,
    /// The declarations further on were already learned.
    looked_ahead: bool,
    /// Frames were lost, and no mark has come since: names that they declared may not be known.
    lost_since_mark: bool,
    /// The bytes at this offset were read a second time and are still not a valid frame.
    read_again_at: Option<u64>,
}

/// The result of opening a segment.
pub(super) enum OpenedSegment {
    Ready(Box<SegmentReader>),
    /// No frame was ever written.
    NotBegun,
    /// Its position in the stream is unknown.
    Unreadable,
}

/// Why reading a segment ended, and where.
pub(super) enum SegmentEnd {
    /// The log continues in the next segment.
    Complete(StreamPosition),
    /// The writer is gone, and the log ends here.
    LogEnd(StreamPosition),
}

/// Why reading of frames stopped.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// SEAL, or the position at which the successor continues.
    Complete,
    /// The last frame that is wanted.
    Enough,
    /// The limit, or an invalid frame.
    End,
}

impl SegmentReader {
    /// Opens segment `number`. `expected` is where it should begin, if its predecessor was read to its end.
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
                    let what = "the header is damaged; its copy is intact, and nothing is lost";
                    let finding =
                        LogFinding::new(LogFindingKind::BadHeader, &path, 0, COMMITTED_AT as u64, what);
                    poll.findings.push(finding.losing(0));
                }
                (header, false)
            }
            // The writer writes the header before it sets the committed length.
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
            lost_since_mark: false,
            read_again_at: None,
        })))
    }

    /// The current position.
    pub(super) fn end(&self) -> StreamPosition {
        StreamPosition {
            number: self.number,
            offset: self.offset,
            position: self.header.base_position + self.offset,
            ordinal: self.header.base_ordinal + u64::from(self.frames),
        }
    }

    /// The committed length when it was last read.
    pub(super) fn limit(&self) -> u64 {
        self.window.limit()
    }

    pub(super) fn file(&self) -> &dyn ReadFile {
        &**self.window.file()
    }

    fn anchor(&self) -> Anchor {
        Anchor { offset: self.offset, ordinal: self.frames }
    }

    /// Reads on. Returns where the segment ended, or `None` if there is nothing more for now.
    pub(super) fn read(
        &mut self,
        poll: &mut Poll<'_>,
        dir: &WriterDir,
        names: &mut DeclaredNames,
        from_ordinal: u64,
    ) -> Result<Option<SegmentEnd>> {
        loop {
            match self.hand_over_frames(poll, names, from_ordinal)? {
                Stop::Complete => return Ok(Some(SegmentEnd::Complete(self.end()))),
                Stop::Enough => return Ok(None),
                Stop::End => {}
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

    /// Delivers frames up to the first invalid one.
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
            if ordinal >= poll.end_ordinal {
                return Ok(Stop::Enough);
            }
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
                Some(Tag::Sync) => {
                    self.lost_since_mark = false;
                    Ok(())
                }
                Some(Tag::Seal | Tag::Origin) => Ok(()),
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

    /// Learns the declarations further on, which may include copies of lost ones.
    fn look_ahead(&mut self, poll: &mut Poll<'_>, names: &mut DeclaredNames) -> Result<()> {
        self.looked_ahead = true;
        let mut window = SegmentWindow::new(self.window.file().clone(), self.window.limit());
        each_frame(&mut window, self.seed, self.anchor(), &mut |frame| learn_early(names, frame, poll))
    }

    /// Whether more can be read than at the last check: the writer went on, or it is gone and its whole file counts.
    fn look_for_more(&mut self, poll: &mut Poll<'_>, dir: &WriterDir) -> Result<bool> {
        let had = (self.window.limit(), self.successor.is_some());
        if let Some((_, bytes)) = poll.until.filter(|&(number, _)| number == self.number) {
            self.window.set_limit(bytes.min(self.window.file().len()?));
            return Ok(self.window.limit() != had.0);
        }
        if self.successor.is_none() {
            self.successor = header_of(poll.vfs, dir, self.number + 1)?
                .filter(|s| s.base_ordinal >= self.header.base_ordinal);
        }
        let file = self.window.file();
        let mut limit = file.len()?.min(SEGMENT_BYTES_LIMIT);
        // Read after the check for a successor: a segment with a successor is no longer written to.
        if poll.alive && self.successor.is_none() {
            limit = limit.min(committed(&**file)?);
        }
        self.window.set_limit(limit);
        Ok((limit, self.successor.is_some()) != had)
    }

    /// Handles the end of the frames in a living writer's segment.
    fn end_of_live(&mut self, poll: &mut Poll<'_>, names: &mut DeclaredNames) -> Result<Next> {
        if self.offset >= self.window.limit() {
            // The successor's base was not reached, so frames are missing at the end.
            let Some(successor) = self.successor else { return Ok(Next::Wait) };
            return self.skip_to(poll, names, successor);
        }
        if self.read_again_at != Some(self.offset) {
            // The committed length and the frame are two reads. Read again before reporting damage.
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
            (None, Some(successor)) => self.skip_to(poll, names, successor),
            (None, None) => {
                // Reported at each poll, until frames after it show how many are lost.
                self.report_damage(poll, names, self.window.limit(), None)?;
                Ok(Next::Wait)
            }
        }
    }

    /// Handles the end of the frames in a segment whose writer is gone.
    fn end_of_dead(
        &mut self,
        poll: &mut Poll<'_>,
        dir: &WriterDir,
        names: &mut DeclaredNames,
    ) -> Result<Next> {
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
            return self.skip_to(poll, names, successor);
        } else if self.successor.is_none() && durable > base + self.window.limit() {
            // Everything here was durable, and so was something after it.
            self.report_damage(poll, names, self.window.limit(), None)?;
            self.offset = self.window.limit();
            return Ok(Next::End(SegmentEnd::Complete(self.end())));
        }
        // Up to the durable position it is damage. The crash may have lost what follows.
        self.report_damage(poll, names, self.window.limit().min(durable - base), None)?;
        self.offset = self.window.limit().min(durable - base);
        self.torn(poll, dir)
    }

    /// Skips everything up to the successor, and reports it. Where the damaged bytes cannot be read again, that is an error: the
    /// frames would otherwise be missing without a word.
    fn skip_to(
        &mut self,
        poll: &mut Poll<'_>,
        names: &mut DeclaredNames,
        successor: SegmentHeader,
    ) -> Result<Next> {
        let lost = successor.base_ordinal - self.end().ordinal;
        self.report_damage(poll, names, self.window.limit(), Some(lost))?;
        Ok(Next::End(SegmentEnd::Complete(StreamPosition {
            number: self.number,
            offset: self.window.limit(),
            position: successor.base_position,
            ordinal: successor.base_ordinal,
        })))
    }

    /// Ends the log here. Reports nothing if no data follows.
    fn torn(&mut self, poll: &mut Poll<'_>, dir: &WriterDir) -> Result<Next> {
        // Only a hint, since no checksum covers it. It may exceed the length of a file that was cut.
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

    /// Reports the bytes up to `end` as damaged, with everything known about what was lost.
    fn report_damage(
        &mut self,
        poll: &mut Poll<'_>,
        names: &mut DeclaredNames,
        end: u64,
        lost: Option<u64>,
    ) -> Result<()> {
        let start = if self.header_inferred && self.frames == 0 { 0 } else { self.offset };
        let what = match lost {
            Some(1) => "one frame is damaged and skipped".to_string(),
            Some(n) => format!("{n} frames are damaged and skipped"),
            None => "an unknown number of frames is damaged and skipped".to_string(),
        };
        let mut finding =
            LogFinding::new(LogFindingKind::Damage, &self.path, start, end.saturating_sub(start), &what);
        let complete = self.learn_to_mark(poll, names, end, lost)?;
        let runs = complete.then(|| names.runs());
        let here = self.end();
        // A file that was cut holds fewer bytes than the frames took.
        let next = self.successor.filter(|_| end == self.window.limit()).map(|s| s.base_position);
        let taken = next.unwrap_or(self.header.base_position + end).saturating_sub(here.position);
        finding = finding.losing_frames(lost, LostFrames::of(here.ordinal, lost, taken, runs));
        let bytes = usize::try_from(end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let damaged = self.window.at(self.offset, FRAME_HEAD_BYTES)?;
        if lost == Some(1) && bytes_needed(damaged) == Some(bytes) {
            let damaged = self.window.at(self.offset, bytes)?;
            finding = describe(finding, &damaged[..bytes.min(damaged.len())], names);
        }
        poll.findings.push(finding);
        Ok(())
    }

    /// Learns the names that lost frames could have used. Whatever they declared is declared again before the next mark.
    /// Returns whether no name can be missing.
    fn learn_to_mark(
        &mut self,
        poll: &mut Poll<'_>,
        names: &mut DeclaredNames,
        end: u64,
        lost: Option<u64>,
    ) -> Result<bool> {
        // The names in a single frame were declared before it.
        let known = lost == Some(1) && !self.lost_since_mark;
        self.lost_since_mark = true;
        let Some(lost) = lost.and_then(|lost| u32::try_from(lost).ok()) else { return Ok(false) };
        let mut window = SegmentWindow::new(self.window.file().clone(), self.window.limit());
        let from = Anchor { offset: end, ordinal: self.frames.saturating_add(lost) };
        let all =
            each_until_mark(&mut window, self.seed, from, &mut |frame| learn_early(names, frame, poll))?;
        Ok(known || all)
    }
}

/// What to do next.
enum Next {
    Continue,
    Wait,
    End(SegmentEnd),
}

/// The header of a segment, if it exists and is readable.
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

/// The committed length. The writer stores it atomically, but reading it through the kernel may not be atomic. Two
/// equal reads in a row are accepted.
pub(super) fn committed(file: &dyn ReadFile) -> Result<u64> {
    let mut last = None;
    for _ in 0..16 {
        let now = committed_once(file)?;
        if last.replace(now) == Some(now) {
            return Ok(now);
        }
    }
    Ok(last.unwrap_or(0))
}

/// The committed length by one read, which may be torn.
pub(super) fn committed_once(file: &dyn ReadFile) -> Result<u64> {
    let mut word = [0; 8];
    let read = file.read_at(COMMITTED_AT as u64, &mut word)?;
    Ok(if read < word.len() { 0 } else { u64::from_le_bytes(word) })
}

/// Findings for the segments after `number` that contain data.
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
            let what = "this segment follows a torn one, and is dropped";
            found.push(LogFinding::new(LogFindingKind::OrphanTail, &path, 0, end, what));
        }
    }
    Ok(found)
}
