//! Finding the next frame after invalid bytes, and finding how far the stream was durable.
//!
//! A frame begins at a multiple of 8. After a gap a frame is accepted if its ordinal can follow (between the expected
//! ordinal and as many more as 16-byte frames fit the gap), its length fits and its checksum matches. The seeded
//! checksum limits a false match to 2^-32 for each plausible offset, and few offsets are plausible.
//!
//! Each search is one pass over the bytes and skips zeros quickly. Searches run only after damage, and for logs that
//! end without a SEAL.

use super::window::SegmentWindow;
use crate::dir::WriterDir;
use crate::format::{
    FIRST_FRAME_AT, FRAME_HEAD_BYTES, SEGMENT_BYTES_LIMIT, SYNC_PAYLOAD_BYTES, Tag, frame_bytes, u64_at,
};
use crate::frame::{Frame, Head, view};
use tidalite_model::{ErrorKind, Result};
use tidalite_vfs::Vfs;

/// A position in a segment where the next frame is expected, and that frame's ordinal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    pub(super) offset: u64,
    pub(super) ordinal: u32,
}

impl Anchor {
    /// Whether a frame with this ordinal may be at `offset`, if only frames are in between.
    fn allows(&self, offset: u64, ordinal: u32) -> bool {
        let most = (offset - self.offset) / FRAME_HEAD_BYTES as u64;
        ordinal >= self.ordinal && u64::from(ordinal - self.ordinal) <= most
    }
}

/// A frame that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundFrame {
    pub(super) offset: u64,
    pub(super) ordinal: u32,
    bytes: usize,
}

impl FoundFrame {
    /// Where the next frame is expected.
    fn after(self) -> Anchor {
        Anchor { offset: self.offset + self.bytes as u64, ordinal: self.ordinal + 1 }
    }
}

/// The first frame at or after `from` that may follow the anchor.
pub(super) fn next_frame(
    window: &mut SegmentWindow,
    seed: u32,
    anchor: Anchor,
    from: u64,
) -> Result<Option<FoundFrame>> {
    find_frame(window, seed, anchor, from, &mut |_, _| Ok(()))
}

/// As [`next_frame`], and passes the frame to `take`.
fn find_frame(
    window: &mut SegmentWindow,
    seed: u32,
    anchor: Anchor,
    from: u64,
    take: &mut dyn FnMut(FoundFrame, &Frame<'_>) -> Result<()>,
) -> Result<Option<FoundFrame>> {
    let mut offset = from.next_multiple_of(8);
    loop {
        let limit = window.limit();
        let held = window.at(offset, FRAME_HEAD_BYTES)?;
        if held.len() < FRAME_HEAD_BYTES {
            return Ok(None);
        }
        // A head contains a non-zero tag, so no head begins more than its size before the first non-zero byte.
        let (zeros, all) = (leading_zeros(held), held.len());
        let skip = zeros.saturating_sub(FRAME_HEAD_BYTES) / 8 * 8;
        if skip > 0 {
            offset += skip as u64;
            if zeros == all {
                // The hole ends where data begins, and a head may begin before its first byte that is not zero.
                let data = window.skip_hole(offset + (zeros - skip) as u64)?;
                offset = offset.max(data.saturating_sub(FRAME_HEAD_BYTES as u64) / 8 * 8);
            }
            continue;
        }
        let heads = held.windows(FRAME_HEAD_BYTES).step_by(8).enumerate();
        let plausible = heads.filter_map(|(i, head)| {
            let head = Head::read(head.first_chunk()?)?;
            let at = offset + 8 * i as u64;
            let bytes = frame_bytes(head.payload);
            let fits = at + bytes as u64 <= limit && anchor.allows(at, head.ordinal);
            fits.then_some(FoundFrame { offset: at, ordinal: head.ordinal, bytes })
        });
        match { plausible }.next() {
            Some(found) => {
                let held = window.at(found.offset, found.bytes)?;
                if let Some(frame) = view(held, seed, found.offset) {
                    take(found, &frame)?;
                    return Ok(Some(found));
                }
                offset = found.offset + 8;
            }
            // The last 8 bytes may be the first half of a head.
            None => offset += ((held.len() - FRAME_HEAD_BYTES) / 8 * 8 + 8) as u64,
        }
    }
}

/// Calls `each` with all frames that are found from the anchor on.
pub(super) fn each_frame(
    window: &mut SegmentWindow,
    seed: u32,
    mut anchor: Anchor,
    each: &mut dyn FnMut(&Frame<'_>) -> Result<()>,
) -> Result<()> {
    while let Some(found) = find_frame(window, seed, anchor, anchor.offset, &mut |_, frame| each(frame))? {
        anchor = found.after();
    }
    Ok(())
}

/// Calls `each` with the frames from the anchor on, up to the next mark or SEAL. `false` if a frame before it is missing: only
/// with all of them is each name declared that was in use before the mark.
pub(super) fn each_until_mark(
    window: &mut SegmentWindow,
    seed: u32,
    mut anchor: Anchor,
    each: &mut dyn FnMut(&Frame<'_>) -> Result<()>,
) -> Result<bool> {
    loop {
        let mut ended = None;
        let found = find_frame(window, seed, anchor, anchor.offset, &mut |found, frame| {
            if (found.offset, found.ordinal) != (anchor.offset, anchor.ordinal) {
                ended = Some(false);
            } else if matches!(frame.tag, Some(Tag::Sync | Tag::Seal)) {
                ended = Some(true);
            } else {
                each(frame)?;
            }
            Ok(())
        })?;
        let Some(found) = found.filter(|_| ended.is_none()) else { return Ok(ended.unwrap_or(false)) };
        anchor = found.after();
    }
}

/// How far the writer's stream was durable, by the SYNC marks after `from` in segment `number` and in all later
/// segments. 0 without a mark. An earlier mark says nothing about later bytes.
pub(super) fn durable_position(vfs: &dyn Vfs, dir: &WriterDir, number: u32, from: Anchor) -> Result<u64> {
    let mut durable = 0;
    for n in dir.segment_numbers(vfs)?.into_iter().filter(|&n| n >= number) {
        let file = match vfs.open(&dir.segment_path(n)) {
            Ok(file) => file,
            // It was flushed and deleted in between. Its marks covered only itself and what was before it.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let limit = file.len()?.min(SEGMENT_BYTES_LIMIT);
        let anchor = if n == number { from } else { Anchor { offset: FIRST_FRAME_AT as u64, ordinal: 0 } };
        each_frame(&mut SegmentWindow::new(file, limit), dir.segment_id(n).seed(), anchor, &mut |frame| {
            if frame.tag == Some(Tag::Sync) && frame.payload.len() == SYNC_PAYLOAD_BYTES {
                durable = durable.max(u64_at(frame.payload, 0));
            }
            Ok(())
        })?;
    }
    Ok(durable)
}

/// The number of leading zero bytes. Whole blocks are compared where possible.
fn leading_zeros(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<ZEROS_BLOCK>();
    let zeros = blocks.iter().take_while(|b| is_zero(*b)).count() * ZEROS_BLOCK;
    zeros + bytes[zeros..].iter().take_while(|&&b| b == 0).count()
}

/// Fits the first-level cache, and is long enough for the widest vector instructions.
const ZEROS_BLOCK: usize = 1024;

fn is_zero(block: &[u8]) -> bool {
    block.iter().fold(0, |all, b| all | b) == 0
}

/// One past the last non-zero byte at or after `from`. `from` if all bytes are zero.
pub(super) fn end_of_data(window: &mut SegmentWindow, from: u64) -> Result<u64> {
    let (mut at, mut end) = (from, from);
    loop {
        let held = window.at(at, 1)?;
        if held.is_empty() {
            return Ok(end);
        }
        let bytes = held.len() as u64;
        let zeros = leading_zeros(held);
        // Searched backwards only where a byte is not zero: that takes longer than comparing whole blocks.
        if zeros < held.len() {
            let last = held.iter().rposition(|&b| b != 0).unwrap_or(zeros);
            end = at + last as u64 + 1;
        }
        at = window.skip_hole(at + bytes)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_counted_to_the_byte() {
        for len in [0, 1, 1023, 1024, 5000] {
            for at in [0, 1, 1023, 1024, 1025, 4999, 6000] {
                let mut bytes = vec![0; len];
                if let Some(b) = bytes.get_mut(at) {
                    *b = 1;
                }
                assert_eq!(leading_zeros(&bytes), at.min(len));
            }
        }
    }
}
