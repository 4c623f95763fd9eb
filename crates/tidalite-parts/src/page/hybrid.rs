//! Indices into a dictionary in the hybrid encoding of RLE_DICTIONARY, as defined in the Parquet format's `Encodings.md`:
//! runs of one index, and groups of eight packed indices.

use super::delta::{pack, varint};

/// Fewest equal indices that become a run of their own. Shorter ones are packed: zstd finds them there as well.
const RUN_MIN: usize = 64;

/// The fewest bits that hold each of `count` indices. At least one bit, since some readers reject zero.
pub(crate) fn width_of(count: u32) -> u32 {
    (32 - count.saturating_sub(1).leading_zeros()).max(1)
}

/// Replaces `body` with a page of these indices, each of `width` bits.
pub(crate) fn encode(indices: &[u32], width: u32, body: &mut Vec<u8>) {
    body.clear();
    body.push(width.to_le_bytes()[0]);
    let mut packed_from = 0;
    let mut at = 0;
    while let Some(&index) = indices.get(at) {
        let run = indices[at..].iter().take_while(|&&i| i == index).count();
        // A packed group has eight indices, so it may take the first ones of the run.
        let fill = (at - packed_from).next_multiple_of(8) - (at - packed_from);
        if run >= RUN_MIN + fill {
            pack_groups(&indices[packed_from..at + fill], width, body);
            varint((run - fill) as u64 * 2, body);
            body.extend_from_slice(&index.to_le_bytes()[..width.div_ceil(8) as usize]);
            packed_from = at + run;
        }
        at += run;
    }
    pack_groups(&indices[packed_from..], width, body);
}

/// Appends a run of packed groups. The last one is padded with zeros.
fn pack_groups(indices: &[u32], width: u32, body: &mut Vec<u8>) {
    let groups = indices.len().div_ceil(8);
    if groups == 0 {
        return;
    }
    varint((groups as u64) << 1 | 1, body);
    let padding = groups * 8 - indices.len();
    match width {
        8 => body.extend(indices.iter().map(|i| i.to_le_bytes()[0])),
        16 => body.extend(indices.iter().flat_map(|i| [i.to_le_bytes()[0], i.to_le_bytes()[1]])),
        _ => {
            let (eights, rest) = indices.as_chunks::<8>();
            eights.iter().for_each(|eight| pack(&eight.map(u64::from), width, body));
            if !rest.is_empty() {
                let mut eight = [0; 8];
                eight.iter_mut().zip(rest).for_each(|(to, &from)| *to = u64::from(from));
                pack(&eight, width, body);
            }
            return;
        }
    }
    body.extend(std::iter::repeat_n(0, padding * width as usize / 8));
}
