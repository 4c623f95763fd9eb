//! BYTE_STREAM_SPLIT: stream k holds byte k of every value; the streams follow one another.
//!
//! So exponents are next to exponents and zero mantissa bytes next to zeros, which zstd compresses well.

use super::transpose::transpose;

/// The number of streams.
pub(crate) const STREAMS: usize = 8;

/// Replaces `out` with the eight streams of `bits`.
pub(crate) fn encode(bits: &[u64], out: &mut Vec<u8>) {
    let n = bits.len();
    out.clear();
    out.resize(n * 8, 0);
    let (eights, rest) = bits.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        for (k, word) in transpose(*eight).into_iter().enumerate() {
            let at = k * n + i * 8;
            out[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
    }
    for (i, value) in (eights.len() * 8..).zip(rest) {
        for (k, byte) in value.to_le_bytes().into_iter().enumerate() {
            out[k * n + i] = byte;
        }
    }
}
