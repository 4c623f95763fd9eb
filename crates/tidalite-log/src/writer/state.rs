//! What the writer's one mutex guards: the names, the current segment, and the segments that wait for their sync.
//!
//! Invariants:
//! - Frames are written first and the committed length after them, once for all frames of one append. A failure
//!   before that leaves the committed length, and so the log, unchanged.
//! - The current segment always has space for a copy of each declaration made since its last SYNC mark, one mark and
//!   one SEAL. So closing it never fails for lack of space.
//! - A segment in which a write failed takes no more frames. The bytes after its committed length may be half a
//!   frame, or a complete one whose append was refused. They are never overwritten, and nothing is written after
//!   them.

use super::declare::{RequiredNames, WriterNames, unknown_handle};
use crate::format::{COMMITTED_AT, FRAME_HEAD_BYTES, SYNC_PAYLOAD_BYTES, Tag, frame_bytes};
use crate::frame::{Draft, row_kind};
use crate::segment::SegmentHeader;
use crate::sink::LayoutId;
use std::sync::Arc;
use tidalite_model::{Error, Result, TIME_US_MAX, TIME_US_MIN, Written};
use tidalite_vfs::SegmentFile;

/// Space reserved for one SYNC mark and one SEAL.
pub(super) const CLOSING_BYTES: u64 = (frame_bytes(SYNC_PAYLOAD_BYTES) + frame_bytes(0)) as u64;

/// The inner box can be taken out for `truncate` once no sync shares the segment.
pub(super) type SharedSegment = Arc<Box<dyn SegmentFile>>;

#[derive(Debug)]
pub(super) struct LogState {
    pub(super) names: WriterNames,
    pub(super) current: Option<Current>,
    /// Segments that take no more frames and are not known to be durable, oldest first.
    pub(super) retired: Vec<Retired>,
    pub(super) spare: Spare,
    /// Number of the newest segment; 0 before the first.
    pub(super) number: u32,
    /// Position and ordinal at which the next segment begins. Valid only while there is no current one.
    pub(super) base: (u64, u64),
    /// Size of the next segment if the last one was not filled.
    pub(super) unfilled_bytes: u64,
    pub(super) last_unit: UnitEnd,
    /// The greatest clock of a write that this writer has made or seen. Never decreases.
    clock_us: i64,
    pub(super) failed: Option<Error>,
    pub(super) closed: bool,
    /// Buffer in which rows are encoded.
    scratch: Draft,
}

/// Everything about a row but its values.
#[derive(Debug, Clone, Copy)]
pub struct RowHead {
    /// Its step.
    pub step: i64,
    /// Whether the step was counted up and not chosen by the caller.
    pub automatic: bool,
    /// Its time, µs since 1970 UTC.
    pub time_us: i64,
    /// The wall clock, µs since 1970 UTC.
    pub now_us: i64,
}

/// The last thing a caller appended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct UnitEnd {
    /// Its ordinal. `None` before the first.
    pub(super) ordinal: Option<u64>,
    /// One past its last byte in the stream.
    pub(super) end: u64,
}

/// A segment made ahead of need.
#[derive(Debug)]
pub(super) enum Spare {
    None,
    /// Being made by the background job, without the mutex.
    Making,
    Ready(Box<dyn SegmentFile>),
}

/// The segment that takes the next frame.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) file: SharedSegment,
    pub(super) header: SegmentHeader,
    seed: u32,
    capacity: u64,
    /// One past the last published frame.
    offset: u64,
    /// The number of frames so far.
    frames: u32,
    /// A row that ends beyond this takes the slow path: the segment is full, a spare must be requested, or writing
    /// failed.
    easy_end: u64,
    pub(super) spare_asked: bool,
    /// A write failed.
    broken: bool,
    /// Declarations without a copy so far.
    fresh: Vec<Draft>,
    fresh_bytes: u64,
    /// Whether its name in the folder is durable.
    pub(super) entry_durable: bool,
}

/// A segment that takes no more frames.
#[derive(Debug)]
pub(super) struct Retired {
    pub(super) file: SharedSegment,
    /// Its committed length.
    pub(super) bytes: u64,
    pub(super) entry_durable: bool,
}

impl LogState {
    pub(super) fn new(unfilled_bytes: u64) -> Self {
        LogState {
            names: WriterNames::default(),
            current: None,
            retired: Vec::new(),
            spare: Spare::None,
            number: 0,
            base: (0, 0),
            unfilled_bytes,
            last_unit: UnitEnd::default(),
            clock_us: TIME_US_MIN,
            failed: None,
            closed: false,
            scratch: Draft::new(Tag::Row, 0),
        }
    }

    /// Appends a row if that only takes a copy into the current segment; otherwise `None`.
    #[inline]
    pub(super) fn append_row(
        &mut self,
        layout: LayoutId,
        head: RowHead,
        values: &[f64],
    ) -> Option<Result<UnitEnd>> {
        let (width, declared_in) = self.names.layout_facts(layout)?;
        let written = self.written(head);
        let c = self.current.as_mut()?;
        let bytes = FRAME_HEAD_BYTES + row_kind(written).1 + 8 * values.len();
        let end = c.offset + bytes as u64;
        if declared_in != c.header.id.number || width != values.len() || end > c.easy_end {
            return None;
        }
        self.scratch.row(layout.0, head.step, head.time_us, written, values);
        let frame = self.scratch.place(c.seed, c.offset, c.frames);
        if let Err(e) = c.file.write_at(c.offset, frame) {
            c.give_up();
            return Some(Err(e));
        }
        c.file.publish(COMMITTED_AT as u64, end);
        let ordinal = c.header.base_ordinal + u64::from(c.frames);
        c.offset = end;
        c.frames += 1;
        self.last_unit = UnitEnd { ordinal: Some(ordinal), end: c.header.base_position + end };
        Some(Ok(self.last_unit))
    }

    /// Checks the number of values against the layout.
    pub(super) fn check_row(&self, layout: LayoutId, values: usize) -> Result<()> {
        let (width, _) = self.names.layout_facts(layout).ok_or_else(|| unknown_handle("layout", layout.0))?;
        if width == values {
            return Ok(());
        }
        Err(Error::invalid(
            "append row",
            format!("{values} values were given for a layout of {width} series"),
            "give one value for each series of the layout",
        ))
    }

    /// The clock of a write that is made now, at this reading of the wall clock.
    #[inline]
    pub(super) fn tick(&mut self, now_us: i64) -> i64 {
        let clock_us = self.clock_us.max(now_us.clamp(TIME_US_MIN, TIME_US_MAX));
        // A clock of 0 is not written down, since it means the time of the point.
        self.clock_us = if clock_us == 0 { 1 } else { clock_us };
        self.clock_us
    }

    /// How a row is written that is appended now.
    #[inline]
    pub(super) fn written(&mut self, head: RowHead) -> Written {
        Written::new(self.tick(head.now_us), head.time_us, head.automatic)
    }

    /// Writes the missing declarations and a finished frame to the current segment. `None` if they do not fit.
    /// `stamp` gives the frame its clock.
    pub(super) fn append(
        &mut self,
        draft: &mut Draft,
        needs: RequiredNames<'_>,
        stamp: &mut dyn FnMut(&mut LogState, &mut Draft),
    ) -> Result<Option<UnitEnd>> {
        stamp(self, draft);
        let Some(c) = &mut self.current else { return Ok(None) };
        let number = c.header.id.number;
        let mut declarations = self.names.missing(needs, number)?;
        if !c.fits(&declarations, draft) {
            return Ok(None);
        }
        c.write(&mut declarations, draft)?;
        self.names.declared(needs, number);
        let ordinal = c.header.base_ordinal + u64::from(c.frames) - 1;
        self.last_unit = UnitEnd { ordinal: Some(ordinal), end: c.header.base_position + c.offset };
        Ok(Some(self.last_unit))
    }

    /// Appends a mark that the stream is durable below `durable`, if there is space for it.
    pub(super) fn mark(&mut self, durable: u64, time_us: i64) {
        if let Some(c) = &mut self.current
            && self.failed.is_none()
            && !c.broken
            && c.offset + c.fresh_bytes + frame_bytes(SYNC_PAYLOAD_BYTES) as u64 + CLOSING_BYTES <= c.capacity
        {
            // A failed mark makes the segment unusable, which the next append notices. No row is lost.
            let _ = c.write_mark(durable, time_us);
        }
    }

    /// Closes the current segment with copies of declarations, a mark if given, and SEAL.
    pub(super) fn retire(&mut self, mark: Option<(u64, i64)>) {
        let Some(mut c) = self.current.take() else { return };
        if !c.broken {
            // Without these frames the segment ends where its successor's header says.
            let _ = c.write_closing(mark);
        }
        self.base = (c.header.base_position + c.offset, c.header.base_ordinal + u64::from(c.frames));
        // Many may wait for a slow disk.
        c.file.release();
        self.retired.push(Retired { file: c.file, bytes: c.offset, entry_durable: c.entry_durable });
    }

    /// Refuses everything from now on. The first failure is kept.
    pub(super) fn fail(&mut self, first: &Error) {
        self.failed.get_or_insert_with(|| first.duplicate());
        if let Some(c) = &mut self.current {
            c.easy_end = 0;
        }
    }

    /// One past the last byte of the stream.
    pub(super) fn position(&self) -> u64 {
        self.current.as_ref().map_or(self.base.0, |c| c.header.base_position + c.offset)
    }

    /// The ordinal of the next frame.
    pub(super) fn next_ordinal(&self) -> u64 {
        self.current.as_ref().map_or(self.base.1, |c| c.header.base_ordinal + u64::from(c.frames))
    }
}

impl Current {
    /// Starts a segment by writing its header.
    pub(super) fn new(
        file: Box<dyn SegmentFile>,
        header: SegmentHeader,
        entry_durable: bool,
    ) -> Result<Self> {
        let start = header.start_of_segment();
        file.write_at(0, &start)?;
        file.publish(COMMITTED_AT as u64, start.len() as u64);
        let capacity = file.capacity();
        let mut current = Current {
            file: Arc::new(file),
            header,
            seed: header.id.seed(),
            capacity,
            offset: start.len() as u64,
            frames: 1,
            easy_end: 0,
            spare_asked: false,
            broken: false,
            fresh: Vec::new(),
            fresh_bytes: 0,
            entry_durable,
        };
        current.set_easy_end();
        Ok(current)
    }

    /// Whether more than half of the segment is full.
    pub(super) fn is_half_full(&self) -> bool {
        self.offset > self.capacity / 2
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Space that a segment needs after its start to hold these frames.
    pub(super) fn room_for(declarations: &[Draft], draft: &Draft) -> u64 {
        2 * declarations.iter().map(Draft::bytes).sum::<u64>() + draft.bytes() + CLOSING_BYTES
    }

    fn fits(&self, declarations: &[Draft], draft: &Draft) -> bool {
        !self.broken && self.offset + self.fresh_bytes + Self::room_for(declarations, draft) <= self.capacity
    }

    fn give_up(&mut self) {
        self.broken = true;
        self.easy_end = 0;
    }

    pub(super) fn set_easy_end(&mut self) {
        let end = self.capacity.saturating_sub(self.fresh_bytes + CLOSING_BYTES);
        self.easy_end = if self.spare_asked { end } else { end.min(self.capacity / 2) };
    }

    fn write(&mut self, declarations: &mut Vec<Draft>, draft: &mut Draft) -> Result<()> {
        self.write_frames(declarations.iter_mut().chain([draft]))?;
        self.fresh_bytes += declarations.iter().map(Draft::bytes).sum::<u64>();
        self.fresh.append(declarations);
        self.set_easy_end();
        Ok(())
    }

    /// Writes finished frames one after another and publishes them together.
    fn write_frames<'a>(&mut self, frames: impl Iterator<Item = &'a mut Draft>) -> Result<()> {
        let (mut offset, mut ordinal) = (self.offset, self.frames);
        for frame in frames {
            if let Err(e) = self.file.write_at(offset, frame.place(self.seed, offset, ordinal)) {
                self.give_up();
                return Err(e);
            }
            offset += frame.bytes();
            ordinal += 1;
        }
        self.file.publish(COMMITTED_AT as u64, offset);
        (self.offset, self.frames) = (offset, ordinal);
        Ok(())
    }

    fn write_mark(&mut self, durable: u64, time_us: i64) -> Result<()> {
        let mut copies = std::mem::take(&mut self.fresh);
        self.fresh_bytes = 0;
        self.write_frames(copies.iter_mut().chain([&mut mark_frame(durable, time_us)]))?;
        self.set_easy_end();
        Ok(())
    }

    fn write_closing(&mut self, mark: Option<(u64, i64)>) -> Result<()> {
        let mut frames = std::mem::take(&mut self.fresh);
        frames.extend(mark.map(|(durable, time_us)| mark_frame(durable, time_us)));
        let mut seal = Draft::new(Tag::Seal, 0);
        seal.finish_fitting();
        frames.push(seal);
        self.write_frames(frames.iter_mut())
    }
}

fn mark_frame(durable: u64, time_us: i64) -> Draft {
    let mut mark = Draft::new(Tag::Sync, 0);
    mark.push(&durable.to_le_bytes());
    mark.push(&time_us.to_le_bytes());
    mark.finish_fitting();
    mark
}
