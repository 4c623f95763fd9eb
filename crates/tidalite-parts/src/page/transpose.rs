//! Words of eight bytes to eight streams of bytes and back, as BYTE_STREAM_SPLIT needs.

/// Byte j of word i becomes byte i of word j. The function is its own inverse.
///
/// It swaps halves, then quarters, then eighths, as in H. S. Warren, "Hacker's Delight", 2nd ed., section 7-3. So no byte
/// is moved alone, and the compiler vectorizes neighbouring words.
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

/// Words joined at once: enough for the compiler to vectorize the loop.
pub(crate) const JOINED: usize = 64;

/// Joins eight streams of bytes to words: bytes to pairs, pairs to fours, fours to words. The compiler vectorizes each
/// stage.
#[inline(always)]
pub(crate) fn join(streams: [&[u8; JOINED]; 8]) -> [u64; JOINED] {
    let mut pairs = [[0u16; JOINED]; 4];
    for (pairs, [low, high]) in pairs.iter_mut().zip(streams.as_chunks::<2>().0) {
        for ((pair, &low), &high) in pairs.iter_mut().zip(*low).zip(*high) {
            *pair = u16::from(low) | u16::from(high) << 8;
        }
    }
    let mut fours = [[0u32; JOINED]; 2];
    for (fours, [low, high]) in fours.iter_mut().zip(pairs.as_chunks::<2>().0) {
        for ((four, &low), &high) in fours.iter_mut().zip(low).zip(high) {
            *four = u32::from(low) | u32::from(high) << 16;
        }
    }
    let mut words = [0u64; JOINED];
    for ((word, &low), &high) in words.iter_mut().zip(&fours[0]).zip(&fours[1]) {
        *word = u64::from(low) | u64::from(high) << 32;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_streams_gives_the_words_that_were_split() {
        let words: [u64; JOINED] =
            std::array::from_fn(|i| 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(i as u64 + 1));
        let streams: [[u8; JOINED]; 8] =
            std::array::from_fn(|k| std::array::from_fn(|i| words[i].to_le_bytes()[k]));
        assert_eq!(join(streams.each_ref()), words);
    }

    #[test]
    fn a_transposed_block_swaps_bytes_and_words() {
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
