//! Segments of logs, frame by frame.

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFrame {
    /// The tag, known or not.
    pub tag: u8,
    /// The argument; three bytes are written.
    pub argument: u32,
    /// The payload.
    pub payload: Vec<u8>,
    /// The number in the segment, where it is not the one that follows from the frame's place.
    pub number: Option<u32>,
    /// Xored into the right checksum.
    pub wrong: u32,
}

impl LogFrame {
    /// A frame in its place, with the right checksum.
    pub fn new(tag: u8, argument: u32, payload: Vec<u8>) -> Self {
        LogFrame { tag, argument, payload, number: None, wrong: 0 }
    }
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSegment {
    /// The header up to its checksum.
    pub header: [u8; 48],
    /// The committed length; `None` for the right one.
    pub committed: Option<u64>,
    /// The frames.
    pub frames: Vec<LogFrame>,
    /// What follows the last frame.
    pub rest: Vec<u8>,
}

/// The tag of a segment's first frame, which repeats the header.
const ORIGIN: u8 = 10;
const HEADER_BYTES: usize = 64;

impl LogSegment {
    /// A segment with nothing but its first frame. `id` is the uuid in the name of its folder.
    pub fn new(mut id: [u8; 16], writer: u32, number: u32, base_position: u64, base_ordinal: u64) -> Self {
        id[12..].iter_mut().zip(number.to_le_bytes()).for_each(|(b, n)| *b ^= n);
        let mut header = [0; 48];
        header[..8].copy_from_slice(b"TIDLSEG1");
        header[8..24].copy_from_slice(&id);
        header[24..28].copy_from_slice(&writer.to_le_bytes());
        header[28..32].copy_from_slice(&number.to_le_bytes());
        header[32..40].copy_from_slice(&base_position.to_le_bytes());
        header[40..48].copy_from_slice(&base_ordinal.to_le_bytes());
        let frames = vec![LogFrame::new(ORIGIN, 0, header.to_vec())];
        LogSegment { header, committed: None, frames, rest: Vec::new() }
    }

    /// Takes a segment apart; `None` if it has no header. What is not a frame is in `rest`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let header: [u8; 48] = *bytes.first_chunk()?;
        let committed = u64::from_le_bytes(*bytes.get(56..HEADER_BYTES)?.first_chunk()?);
        let mut frames = Vec::new();
        let mut at = HEADER_BYTES;
        while let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let Some(payload) = bytes.get(at + 16..).and_then(|rest| rest.get(..length)) else { break };
            if head[12] == 0 {
                break;
            }
            let argument = u32::from_le_bytes([head[13], head[14], head[15], 0]);
            frames.push(LogFrame::new(head[12], argument, payload.to_vec()));
            at += (16 + length).next_multiple_of(8);
        }
        let rest = bytes.get(at..).unwrap_or_default().to_vec();
        Some(LogSegment { header, committed: (committed != at as u64).then_some(committed), frames, rest })
    }

    /// Makes the first frame say what the header says.
    pub fn repeat_header(&mut self) {
        if let Some(first) = self.frames.first_mut().filter(|first| first.tag == ORIGIN) {
            first.payload = self.header.to_vec();
        }
    }

    /// The bytes of the file, with checksums that match, but where a frame says otherwise.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.to_vec();
        bytes.extend_from_slice(&crc32c::crc32c(&self.header).to_le_bytes());
        bytes.resize(HEADER_BYTES, 0);
        let seed = crc32c::crc32c(&self.header[8..24]);
        for (number, frame) in (0..).zip(&self.frames) {
            let mut body = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
            body.extend_from_slice(&frame.number.unwrap_or(number).to_le_bytes());
            body.push(frame.tag);
            body.extend_from_slice(&frame.argument.to_le_bytes()[..3]);
            body.extend_from_slice(&frame.payload);
            body.resize((body.len() + 4).next_multiple_of(8) - 4, 0);
            let seed = seed ^ u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let crc = crc32c::crc32c_append(seed, &body) ^ frame.wrong;
            bytes.extend_from_slice(&crc.to_le_bytes());
            bytes.extend_from_slice(&body);
        }
        let committed = self.committed.unwrap_or(bytes.len() as u64);
        bytes[56..HEADER_BYTES].copy_from_slice(&committed.to_le_bytes());
        bytes.extend_from_slice(&self.rest);
        bytes
    }
}
