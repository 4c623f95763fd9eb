//! The transposition of eight words of eight bytes, which is all that BYTE_STREAM_SPLIT does, both ways.

/// Byte j of word i becomes byte i of word j. Its own inverse.
///
/// By halves, quarters and eighths, as in H. S. Warren, "Hacker's Delight", 2nd ed., section 7-3: no byte is
/// touched alone, and the compiler turns neighbouring words into vectors.
#[inline(always)]
pub(crate) fn transpose(mut words: [u64; 8]) -> [u64; 8] {
    const HALVES: u64 = 0x0000_0000_ffff_ffff;
    const QUARTERS: u64 = 0x0000_ffff_0000_ffff;
    const EIGHTHS: u64 = 0x00ff_00ff_00ff_00ff;
    for i in [0, 1, 2, 3] {
        swap(&mut words, i, i + 4, 32, HALVES);
    }
    for i in [0, 1, 4, 5] {
        swap(&mut words, i, i + 2, 16, QUARTERS);
    }
    for i in [0, 2, 4, 6] {
        swap(&mut words, i, i + 1, 8, EIGHTHS);
    }
    words
}

#[inline(always)]
fn swap(words: &mut [u64; 8], low: usize, high: usize, shift: u32, mask: u64) {
    let (a, b) = (words[low], words[high]);
    words[low] = (a & mask) | ((b & mask) << shift);
    words[high] = ((a >> shift) & mask) | (b & !mask);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_change_place_with_words() {
        let words: [u64; 8] = std::array::from_fn(|i| 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(i as u64 + 1));
        let turned = transpose(words);
        for (i, word) in words.iter().enumerate() {
            for (j, other) in turned.iter().enumerate() {
                assert_eq!(word.to_le_bytes()[j], other.to_le_bytes()[i]);
            }
        }
        assert_eq!(transpose(turned), words);
    }
}
