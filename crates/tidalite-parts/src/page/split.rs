//! BYTE_STREAM_SPLIT: byte k of every value lies in stream k, streams one behind the other.
//!
//! Exponents then stand beside exponents and zero mantissa bytes beside zeros, which zstd makes use of.

use super::transpose::transpose;

/// Replaces `out` by the eight streams of `bits`.
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
