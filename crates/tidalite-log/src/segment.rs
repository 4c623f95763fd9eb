//! A segment's header: who wrote it, and where it starts in the writer's stream.
//!
//! It is written once, before the first committed length is published. Only that length changes later. The first
//! frame repeats the header, and the names of folder and file give the identity, so a damaged header loses nothing.

use crate::format::{
    BASE_ORDINAL_AT, BASE_ORDINAL_MAX, BASE_POSITION_AT, COMMITTED_AT, FIRST_FRAME_AT, HEADER_BYTES,
    HEADER_CRC_AT, ORIGIN_PAYLOAD_BYTES, SEGMENT_ID_AT, SEGMENT_MAGIC, SEGMENT_NUMBER_AT, Tag, WRITER_AT,
    frame_bytes, u32_at, u64_at,
};
use crate::frame::{Draft, view};
use uuid::Uuid;

/// Size of the first frame.
pub(crate) const ORIGIN_BYTES: usize = frame_bytes(ORIGIN_PAYLOAD_BYTES);

/// Which segment of which writer. Seeds the checksum of every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentId {
    pub(crate) writer: u32,
    pub(crate) number: u32,
    bytes: [u8; 16],
}

impl SegmentId {
    pub(crate) fn new(writer: u32, writer_uuid: Uuid, number: u32) -> Self {
        let mut bytes = writer_uuid.into_bytes();
        for (b, n) in bytes[12..].iter_mut().zip(number.to_le_bytes()) {
            *b ^= n;
        }
        SegmentId { writer, number, bytes }
    }

    /// The seed of this segment's checksums.
    pub(crate) fn seed(&self) -> u32 {
        crc32c::crc32c(&self.bytes)
    }
}

/// A header without the committed length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) id: SegmentId,
    pub(crate) base_position: u64,
    pub(crate) base_ordinal: u64,
}

impl SegmentHeader {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..SEGMENT_ID_AT].copy_from_slice(&SEGMENT_MAGIC);
        out[SEGMENT_ID_AT..WRITER_AT].copy_from_slice(&self.id.bytes);
        out[WRITER_AT..SEGMENT_NUMBER_AT].copy_from_slice(&self.id.writer.to_le_bytes());
        out[SEGMENT_NUMBER_AT..BASE_POSITION_AT].copy_from_slice(&self.id.number.to_le_bytes());
        out[BASE_POSITION_AT..BASE_ORDINAL_AT].copy_from_slice(&self.base_position.to_le_bytes());
        out[BASE_ORDINAL_AT..HEADER_CRC_AT].copy_from_slice(&self.base_ordinal.to_le_bytes());
        let crc = crc32c::crc32c(&out[..HEADER_CRC_AT]);
        out[HEADER_CRC_AT..HEADER_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header, with a committed length of zero, and the first frame.
    pub(crate) fn start_of_segment(&self) -> Vec<u8> {
        let header = self.encode();
        let mut origin = Draft::new(Tag::Origin, 0);
        origin.push(&header[..ORIGIN_PAYLOAD_BYTES]);
        origin.finish_fitting();
        let mut out = header.to_vec();
        out.extend_from_slice(origin.place(self.id.seed(), FIRST_FRAME_AT as u64, 0));
        out
    }

    /// Reads the header of segment `id`, or else its copy in the first frame.
    pub(crate) fn read(start: &[u8], id: SegmentId) -> HeaderRead {
        if let Some(header) = start.get(..HEADER_BYTES)
            && u32_at(header, HEADER_CRC_AT) == crc32c::crc32c(&header[..HEADER_CRC_AT])
            && let Some(found) = Self::fields(header, id)
        {
            return HeaderRead::Sound(found);
        }
        if let Some(frame) = start.get(FIRST_FRAME_AT..)
            && let Some(f) = view(frame, id.seed(), FIRST_FRAME_AT as u64)
            && (f.tag, f.payload.len()) == (Some(Tag::Origin), ORIGIN_PAYLOAD_BYTES)
            && let Some(found) = Self::fields(f.payload, id)
        {
            return HeaderRead::FromCopy(found);
        }
        HeaderRead::None
    }

    /// The fields, if they are those of segment `id`.
    fn fields(bytes: &[u8], id: SegmentId) -> Option<SegmentHeader> {
        let sound = bytes[..SEGMENT_ID_AT] == SEGMENT_MAGIC
            && bytes[SEGMENT_ID_AT..WRITER_AT] == id.bytes
            && u32_at(bytes, WRITER_AT) == id.writer
            && u32_at(bytes, SEGMENT_NUMBER_AT) == id.number;
        let header = SegmentHeader {
            id,
            base_position: u64_at(bytes, BASE_POSITION_AT),
            base_ordinal: u64_at(bytes, BASE_ORDINAL_AT),
        };
        // Half the range allows adding any offset without a check. No stream is 8 EiB long.
        let bounded = header.base_position <= u64::MAX / 2 && header.base_ordinal <= BASE_ORDINAL_MAX;
        (sound && bounded).then_some(header)
    }
}

/// The result of reading a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderRead {
    /// The header is intact.
    Sound(SegmentHeader),
    /// The header is damaged, its copy is intact.
    FromCopy(SegmentHeader),
    /// Both are damaged.
    None,
}

/// The committed length in a header.
pub(crate) fn committed_in(header: &[u8; HEADER_BYTES]) -> u64 {
    u64_at(header, COMMITTED_AT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        let id = SegmentId::new(7, Uuid::from_u128(0x1234_5678), 3);
        SegmentHeader { id, base_position: 4096, base_ordinal: 99 }
    }

    #[test]
    fn a_header_reads_back_and_its_copy_replaces_it() {
        let h = header();
        let bytes = h.start_of_segment();
        assert_eq!(bytes.len(), FIRST_FRAME_AT + ORIGIN_BYTES);
        assert_eq!(SegmentHeader::read(&bytes, h.id), HeaderRead::Sound(h));
        for bit in 0..HEADER_CRC_AT * 8 + 32 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::read(&bad, h.id), HeaderRead::FromCopy(h), "bit {bit}");
            bad[FIRST_FRAME_AT + 20] ^= 1;
            assert_eq!(SegmentHeader::read(&bad, h.id), HeaderRead::None);
        }
        for len in 0..bytes.len() {
            let read = SegmentHeader::read(&bytes[..len], h.id);
            assert_eq!(read == HeaderRead::Sound(h), len >= HEADER_BYTES, "{len}");
        }
    }

    #[test]
    fn the_header_of_another_segment_or_writer_is_refused() {
        let h = header();
        let bytes = h.start_of_segment();
        for other in [
            SegmentId::new(7, Uuid::from_u128(0x1234_5678), 4),
            SegmentId::new(8, Uuid::from_u128(0x1234_5678), 3),
            SegmentId::new(7, Uuid::from_u128(0x1234_5679), 3),
        ] {
            assert_eq!(SegmentHeader::read(&bytes, other), HeaderRead::None);
        }
    }

    #[test]
    fn a_right_checksum_does_not_make_other_bytes_a_header_or_another_frame_its_copy() {
        let h = header();
        let good = h.start_of_segment();
        let mut bytes = good.clone();
        bytes[0] ^= 1;
        let crc = crc32c::crc32c(&bytes[..HEADER_CRC_AT]);
        bytes[HEADER_CRC_AT..HEADER_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::read(&bytes, h.id), HeaderRead::FromCopy(h), "another first byte");
        for (tag, payload) in [(Tag::Sync, &good[..ORIGIN_PAYLOAD_BYTES]), (Tag::Origin, &good[..8])] {
            let mut first = Draft::new(tag, 0);
            first.push(payload);
            first.finish_fitting();
            bytes.truncate(FIRST_FRAME_AT);
            bytes.extend_from_slice(first.place(h.id.seed(), FIRST_FRAME_AT as u64, 0));
            assert_eq!(SegmentHeader::read(&bytes, h.id), HeaderRead::None, "{tag:?}");
        }
    }

    #[test]
    fn a_header_whose_positions_could_overflow_is_refused() {
        let mut h = header();
        h.base_position = u64::MAX / 2;
        h.base_ordinal = BASE_ORDINAL_MAX;
        assert_eq!(SegmentHeader::read(&h.start_of_segment(), h.id), HeaderRead::Sound(h));
        h.base_position = u64::MAX;
        assert_eq!(SegmentHeader::read(&h.start_of_segment(), h.id), HeaderRead::None);
        h.base_position = 0;
        h.base_ordinal = u64::MAX;
        assert_eq!(SegmentHeader::read(&h.start_of_segment(), h.id), HeaderRead::None);
    }
}
