//! DELTA_BINARY_PACKED, as defined in the Parquet format's `Encodings.md`: blocks of 128 differences in four miniblocks.
//! The width of a miniblock is the number of bits that its greatest difference above the block's least one needs.
//!
//! Steps and write orders mostly rise by a constant amount. A block then takes a few bytes, which zstd compresses well.

/// Differences per block.
const BLOCK: usize = 128;
/// Differences per miniblock.
const MINIBLOCK: usize = 32;

/// Appends the encoding of `values` (at least one).
pub(crate) fn encode(values: &[i64], out: &mut Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else { return };
    varint(BLOCK as u64, out);
    varint((BLOCK / MINIBLOCK) as u64, out);
    varint(values.len() as u64, out);
    zigzag(first, out);
    let mut previous = first;
    let mut block = [0i64; BLOCK];
    for values in rest.chunks(BLOCK) {
        let deltas = &mut block[..values.len()];
        // Differences wrap around, as the format requires; the reader's sums wrap back.
        for (delta, &value) in deltas.iter_mut().zip(values) {
            *delta = value.wrapping_sub(previous);
            previous = value;
        }
        encode_block(deltas, out);
    }
}

fn encode_block(deltas: &[i64], out: &mut Vec<u8>) {
    let least = deltas.iter().copied().min().unwrap_or(0);
    zigzag(least, out);
    let widths_at = out.len();
    out.extend_from_slice(&[0; BLOCK / MINIBLOCK]);
    for (i, deltas) in deltas.chunks(MINIBLOCK).enumerate() {
        // The last miniblock is padded with zeros.
        let mut above = [0u64; MINIBLOCK];
        for (a, delta) in above.iter_mut().zip(deltas) {
            *a = delta.wrapping_sub(least).cast_unsigned();
        }
        let width = 64 - above.iter().fold(0, |all, a| all | a).leading_zeros();
        out[widths_at + i] = u8::try_from(width).expect("a width is at most 64");
        pack(&above, width, out);
    }
}

/// Appends `values`, each of `width` bits, lowest bit first. Their total must be a whole number of bytes.
pub(crate) fn pack(values: &[u64], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut bits, mut have) = (0u128, 0);
    for &value in values {
        bits |= u128::from(value) << have;
        have += width;
        while have >= 32 {
            out.extend_from_slice(&bits.to_le_bytes()[..4]);
            bits >>= 32;
            have -= 32;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes()[..have.div_ceil(8) as usize]);
}

/// Appends an unsigned LEB128 number.
pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn zigzag(value: i64, out: &mut Vec<u8>) {
    varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}
