//! The constants of the segment format. Each offset is derived from the one before. `docs/format.md` states the same
//! in prose. A test fixes the values, since existing files depend on them.
//!
//! All integers are little-endian and of fixed width.

use tidalite_model::SEQ_ORDINAL_MAX;

/// The first bytes of each segment. The last byte is the version of the format.
pub const SEGMENT_MAGIC: [u8; 8] = *b"TIDLSEG1";

/// Identity of the segment, 16 bytes: the writer's UUID, with the segment's number xored into the last four bytes.
pub const SEGMENT_ID_AT: usize = SEGMENT_MAGIC.len();
/// Ordinal of the writer, u32.
pub const WRITER_AT: usize = SEGMENT_ID_AT + 16;
/// Number of the segment within its writer, u32, from 1.
pub const SEGMENT_NUMBER_AT: usize = WRITER_AT + 4;
/// Position of the segment's first byte in the writer's stream, u64.
pub const BASE_POSITION_AT: usize = SEGMENT_NUMBER_AT + 4;
/// Ordinal of the segment's first frame within the writer, u64.
pub const BASE_ORDINAL_AT: usize = BASE_POSITION_AT + 8;
/// CRC-32C of everything before it, u32. Four zero bytes follow.
pub const HEADER_CRC_AT: usize = BASE_ORDINAL_AT + 8;
/// Committed length, u64: the offset one past the last published frame. The only word that changes, and the only one
/// without a checksum.
pub const COMMITTED_AT: usize = HEADER_CRC_AT + 8;
/// Size of the header.
pub const HEADER_BYTES: usize = COMMITTED_AT + 8;

/// CRC-32C of the rest of the frame, padding included, u32.
pub const FRAME_CRC_AT: usize = 0;
/// Length of the payload, u32.
pub const FRAME_LEN_AT: usize = FRAME_CRC_AT + 4;
/// Index of the frame in its segment, u32, from 0.
pub const FRAME_ORDINAL_AT: usize = FRAME_LEN_AT + 4;
/// Tag, u8, and its argument, u24.
pub const FRAME_TAG_AT: usize = FRAME_ORDINAL_AT + 4;
/// Bytes before the payload. Frames begin at multiples of 8 and are padded with zeros.
pub const FRAME_HEAD_BYTES: usize = FRAME_TAG_AT + 4;

/// Where the first frame, always [`Tag::Origin`], begins.
pub const FIRST_FRAME_AT: usize = HEADER_BYTES;
/// The longest payload. A batch of a million points fits, and a reader that meets a damaged length never allocates
/// more than this.
pub const FRAME_BYTES_MAX: usize = 32 << 20;
/// No frame ends beyond this offset of a segment, so that an offset fits the 32 bits that seed a checksum.
pub const SEGMENT_BYTES_LIMIT: u64 = 1 << 30;
/// The greatest handle of a run, series or layout. A layout's handle is stored in 24 bits.
pub const HANDLE_MAX: u32 = (1 << 24) - 1;

/// The greatest base ordinal: every frame of such a segment still has an ordinal that fits a `Seq`.
pub(crate) const BASE_ORDINAL_MAX: u64 = SEQ_ORDINAL_MAX - SEGMENT_BYTES_LIMIT / FRAME_HEAD_BYTES as u64;

/// Payload bytes of a row before its values: step, time.
pub(crate) const ROW_FIXED_BYTES: usize = 16;
/// Payload bytes of a stamped row before its values: step, time, how it was written.
pub(crate) const STAMPED_ROW_FIXED_BYTES: usize = 24;
/// Payload bytes of a batch before its columns: count, flags, clock.
pub(crate) const POINTS_FIXED_BYTES: usize = 16;
/// Payload bytes of one point of a batch: step, time, value, series.
pub(crate) const POINT_BYTES: usize = 8 + 8 + 8 + 4;
/// Payload bytes of one series declaration before its texts: series, run, lengths of metric and labels.
pub(crate) const SERIES_FIXED_BYTES: usize = 16;
/// Payload of a SYNC mark: durable position, time.
pub(crate) const SYNC_PAYLOAD_BYTES: usize = 16;
/// Payload of the first frame: the header up to its checksum.
pub(crate) const ORIGIN_PAYLOAD_BYTES: usize = HEADER_CRC_AT;

/// What a frame holds. Zero is not a tag, so a zeroed block contains no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Tag {
    /// Declares a run: handle u32, id text.
    Run = 1,
    /// Declares one or more series: handle u32, run handle u32, metric bytes u32, labels bytes u32, texts.
    Series = 2,
    /// Declares the layout in the argument: series handles u32.
    Layout = 3,
    /// A row of the layout in the argument, written at its time: step i64, time i64, then the bits of each f64 value.
    Row = 4,
    /// A batch: count u32, flags u32, clock i64, then columns: steps i64, times i64, value bits f64, series handles u32.
    Points = 5,
    /// A change to a run: run handle u32, clock i64, the change.
    Change = 6,
    /// A staged part: UUID, clock i64, the engine's metadata.
    Part = 7,
    /// A sync mark: when this was written, at a time (i64), the writer's stream was durable below a position (u64).
    Sync = 8,
    /// The last frame of a segment that was closed normally. Empty.
    Seal = 9,
    /// The first frame of each segment: a copy of the header up to its checksum.
    Origin = 10,
    /// As `Row`, with how it was written (i64, see [`Written`](tidalite_model::Written)) between time and values.
    StampedRow = 11,
}

impl Tag {
    /// The tag with this code. `None` if this version does not know it.
    pub fn from_byte(byte: u8) -> Option<Tag> {
        use Tag::{Change, Layout, Origin, Part, Points, Row, Run, Seal, Series, StampedRow, Sync};
        [Run, Series, Layout, Row, Points, Change, Part, Sync, Seal, Origin, StampedRow]
            .get(usize::from(byte).checked_sub(1)?)
            .copied()
    }

    /// Whether callers append frames of this kind. The other kinds are the log's own bookkeeping.
    pub(crate) fn is_unit(self) -> bool {
        matches!(self, Tag::Row | Tag::StampedRow | Tag::Points | Tag::Change | Tag::Part)
    }
}

/// Flag of a batch whose steps are automatic.
pub(crate) const POINTS_AUTOMATIC: u32 = 1;

/// Size in the segment of a frame with this payload.
#[inline]
pub(crate) const fn frame_bytes(payload: usize) -> usize {
    (FRAME_HEAD_BYTES + payload).next_multiple_of(8)
}

/// Reads a u32 at `at`.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice has four bytes"))
}

/// Reads a u64 at `at`.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the slice has eight bytes"))
}

/// Reads an i64 at `at`.
#[inline]
pub(crate) fn i64_at(bytes: &[u8], at: usize) -> i64 {
    u64_at(bytes, at).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_are_those_of_format_version_1() {
        assert_eq!(
            [SEGMENT_ID_AT, WRITER_AT, SEGMENT_NUMBER_AT, BASE_POSITION_AT, BASE_ORDINAL_AT],
            [8, 24, 28, 32, 40]
        );
        assert_eq!([HEADER_CRC_AT, COMMITTED_AT, HEADER_BYTES, FIRST_FRAME_AT], [48, 56, 64, 64]);
        assert_eq!(
            [FRAME_CRC_AT, FRAME_LEN_AT, FRAME_ORDINAL_AT, FRAME_TAG_AT, FRAME_HEAD_BYTES],
            [0, 4, 8, 12, 16]
        );
        assert_eq!((FRAME_BYTES_MAX, HANDLE_MAX), (33_554_432, 16_777_215));
        assert_eq!([frame_bytes(0), frame_bytes(1), frame_bytes(8), frame_bytes(48)], [16, 24, 24, 64]);
    }

    #[test]
    fn tags_are_1_to_11_and_zero_is_none() {
        for byte in 0..=255u8 {
            match Tag::from_byte(byte) {
                Some(tag) => assert_eq!(tag as u8, byte),
                None => assert!(byte == 0 || byte > 11, "{byte}"),
            }
        }
    }
}
