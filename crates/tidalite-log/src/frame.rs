//! One frame: encoding it for an offset, and checking that the bytes at an offset are one.
//!
//! A frame's checksum covers its head, payload and padding, and is seeded with the frame's offset: CRC-32C continued
//! from the segment's seed xored with the offset. Two offsets of a segment never share a seed. Frames of two segments
//! share one only with a probability of 2^-32.
//!
//! The writer builds a [`Draft`] and *places* it under its lock. Replay *views* bytes as a [`Frame`].

use crate::format::{
    FRAME_BYTES_MAX, FRAME_CRC_AT, FRAME_HEAD_BYTES, FRAME_LEN_AT, FRAME_ORDINAL_AT, FRAME_TAG_AT,
    ROW_FIXED_BYTES, STAMPED_ROW_FIXED_BYTES, Tag, frame_bytes, u32_at,
};
use tidalite_model::{Error, Result, Written};

/// The checksum seed of the frame at `offset`.
#[inline]
fn seed_at(segment_seed: u32, offset: u64) -> u32 {
    // Offsets stay below SEGMENT_BYTES_LIMIT, so the lower 32 bits hold them completely.
    segment_seed ^ (offset & u64::from(u32::MAX)) as u32
}

/// A frame whose offset is not known yet.
#[derive(Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
}

impl Draft {
    /// A frame with an empty payload. `arg` is stored in 24 bits.
    pub(crate) fn new(tag: Tag, arg: u32) -> Self {
        let mut draft = Draft { bytes: Vec::with_capacity(64) };
        draft.restart(tag, arg);
        draft
    }

    /// Starts again in the same buffer.
    #[inline]
    pub(crate) fn restart(&mut self, tag: Tag, arg: u32) {
        debug_assert!(arg < 1 << 24, "handles are bounded where they are assigned");
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; FRAME_TAG_AT]);
        self.bytes.extend_from_slice(&(u32::from(tag as u8) | arg << 8).to_le_bytes());
    }

    /// Becomes a complete row. A layout bounds its width, so the row fits a frame.
    #[inline]
    pub(crate) fn row(&mut self, layout: u32, step: i64, time_us: i64, written: Written, values: &[f64]) {
        let (tag, row_fixed) = row_kind(written);
        let payload = row_fixed + 8 * values.len();
        self.bytes.resize(FRAME_HEAD_BYTES + payload, 0);
        let (fixed, rest) = self.bytes.split_at_mut(FRAME_HEAD_BYTES + row_fixed);
        let words: [u64; 4] = [
            u64::from(u32::from(tag as u8) | layout << 8) << 32,
            step.cast_unsigned(),
            time_us.cast_unsigned(),
            written.as_i64().cast_unsigned(),
        ];
        let payload = u32::try_from(payload).expect("a layout bounds the width of its rows");
        fixed[FRAME_LEN_AT..FRAME_LEN_AT + 4].copy_from_slice(&payload.to_le_bytes());
        for (to, word) in fixed[FRAME_ORDINAL_AT..].as_chunks_mut().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        for (to, value) in rest.as_chunks_mut().0.iter_mut().zip(values) {
            *to = value.to_bits().to_le_bytes();
        }
    }

    /// Overwrites eight bytes of the payload with a clock.
    pub(crate) fn set_clock(&mut self, at: usize, clock_us: i64) {
        let at = FRAME_HEAD_BYTES + at;
        self.bytes[at..at + 8].copy_from_slice(&clock_us.to_le_bytes());
    }

    /// Appends to the payload.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Reserves space for the payload.
    pub(crate) fn reserve(&mut self, payload: usize) {
        self.bytes.reserve(payload + 8);
    }

    /// Payload bytes so far.
    #[inline]
    pub(crate) fn payload_bytes(&self) -> usize {
        self.bytes.len() - FRAME_HEAD_BYTES
    }

    /// Finishes the payload: sets its length and adds padding.
    ///
    /// # Errors
    /// `Invalid` if it is longer than a frame may be. `what` names the content, `remedy` what to do.
    pub(crate) fn finish(&mut self, what: &str, remedy: &str) -> Result<()> {
        let payload = self.payload_bytes();
        if payload > FRAME_BYTES_MAX {
            return Err(Error::invalid(
                "append to log",
                format!("{what} takes {payload} bytes; the maximum is {FRAME_BYTES_MAX}"),
                remedy,
            ));
        }
        self.finish_fitting();
        Ok(())
    }

    /// Like [`finish`](Self::finish), for a payload that is known to fit.
    #[inline]
    pub(crate) fn finish_fitting(&mut self) {
        let payload = u32::try_from(self.payload_bytes()).expect("the payload is bounded by FRAME_BYTES_MAX");
        self.bytes[FRAME_LEN_AT..FRAME_LEN_AT + 4].copy_from_slice(&payload.to_le_bytes());
        let padding = self.bytes.len().next_multiple_of(8) - self.bytes.len();
        self.bytes.extend_from_slice(&[0; 8][..padding]);
    }

    /// Size of the finished frame.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The finished frame, encoded for this offset and ordinal.
    #[inline]
    pub(crate) fn place(&mut self, segment_seed: u32, offset: u64, ordinal: u32) -> &[u8] {
        self.bytes[FRAME_ORDINAL_AT..FRAME_ORDINAL_AT + 4].copy_from_slice(&ordinal.to_le_bytes());
        let crc = crc32c::crc32c_append(seed_at(segment_seed, offset), &self.bytes[FRAME_LEN_AT..]);
        self.bytes[FRAME_CRC_AT..FRAME_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }
}

/// The kind of frame that a row takes, and its payload bytes before the values. Most rows need no stamp.
#[inline]
pub(crate) fn row_kind(written: Written) -> (Tag, usize) {
    if written == Written::AT_ITS_TIME {
        (Tag::Row, ROW_FIXED_BYTES)
    } else {
        (Tag::StampedRow, STAMPED_ROW_FIXED_BYTES)
    }
}

/// A frame whose checksum matched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) tag: Option<Tag>,
    pub(crate) arg: u32,
    pub(crate) ordinal: u32,
    pub(crate) payload: &'a [u8],
    /// Size in the segment.
    pub(crate) bytes: u64,
}

/// The fields of the first 16 bytes. They are trusted only once the checksum matches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) payload: usize,
    pub(crate) ordinal: u32,
    pub(crate) tag: u8,
    pub(crate) arg: u32,
}

impl Head {
    /// Reads a head. `None` if no frame can begin with these bytes.
    #[inline]
    pub(crate) fn read(head: &[u8; FRAME_HEAD_BYTES]) -> Option<Head> {
        let word = u32_at(head, FRAME_TAG_AT);
        let payload = usize::try_from(u32_at(head, FRAME_LEN_AT)).ok()?;
        let [tag, ..] = word.to_le_bytes();
        if tag == 0 || payload > FRAME_BYTES_MAX {
            return None;
        }
        Some(Head { payload, ordinal: u32_at(head, FRAME_ORDINAL_AT), tag, arg: word >> 8 })
    }
}

/// Size of the frame that seems to begin here. `None` if none does.
#[inline]
pub(crate) fn bytes_needed(bytes: &[u8]) -> Option<usize> {
    Some(frame_bytes(Head::read(bytes.first_chunk()?)?.payload))
}

/// The frame at `offset` of a segment; `bytes` begin there. `None` if they hold no complete and valid frame.
#[inline]
pub(crate) fn view(bytes: &[u8], segment_seed: u32, offset: u64) -> Option<Frame<'_>> {
    let h = Head::read(bytes.first_chunk()?)?;
    let total = frame_bytes(h.payload);
    let frame = bytes.get(..total)?;
    let crc = crc32c::crc32c_append(seed_at(segment_seed, offset), &frame[FRAME_LEN_AT..]);
    let (payload, padding) = frame[FRAME_HEAD_BYTES..].split_at(h.payload);
    let valid = crc == u32_at(frame, FRAME_CRC_AT) && padding.iter().all(|&b| b == 0);
    valid.then_some(Frame {
        tag: Tag::from_byte(h.tag),
        arg: h.arg,
        ordinal: h.ordinal,
        payload,
        bytes: total as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut draft = Draft::new(Tag::Row, 0x00AB_CDEF);
        draft.push(payload);
        draft.finish("a row", "").unwrap();
        draft.place(77, 4096, 5).to_vec()
    }

    #[test]
    fn a_frame_is_valid_only_at_its_own_offset_and_segment() {
        for len in 0..40 {
            let bytes = frame(&vec![0xA5; len]);
            let f = view(&bytes, 77, 4096).unwrap();
            assert_eq!((f.tag, f.arg, f.ordinal), (Some(Tag::Row), 0x00AB_CDEF, 5));
            assert_eq!((f.payload.len(), f.bytes), (len, bytes.len() as u64));
            assert!(view(&bytes, 77, 4104).is_none(), "the same bytes at another offset");
            assert!(view(&bytes, 78, 4096).is_none(), "the same bytes in another segment");
        }
    }

    #[test]
    fn any_flipped_bit_is_detected() {
        let good = frame(b"step time value");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(view(&bad, 77, 4096).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_huge_length_is_refused() {
        let mut bytes = frame(b"x");
        for len in [u32::MAX, u32::MAX - 7, (FRAME_BYTES_MAX as u32) + 1] {
            bytes[FRAME_LEN_AT..FRAME_LEN_AT + 4].copy_from_slice(&len.to_le_bytes());
            assert!(bytes_needed(&bytes).is_none() && view(&bytes, 77, 4096).is_none(), "{len}");
        }
        bytes[FRAME_LEN_AT..FRAME_LEN_AT + 4].copy_from_slice(&(FRAME_BYTES_MAX as u32).to_le_bytes());
        assert_eq!(bytes_needed(&bytes), Some(FRAME_BYTES_MAX + FRAME_HEAD_BYTES));
        assert!(view(&bytes, 77, 4096).is_none());
    }

    #[test]
    fn zeros_are_not_a_frame() {
        assert!(view(&[0; 64], 0, 0).is_none());
    }
}
