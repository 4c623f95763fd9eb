//! Decoders of the four encodings of data pages, and of dictionary pages.
//!
//! A decoder takes a body whose checksum has matched and the rows wanted (ascending, disjoint, within the page). The body is
//! followed by [`PADDING`] zero bytes, so that whole words can be loaded at any offset. The result is `None` where the body
//! contradicts itself. The page's rows and the body's size bound every allocation.

use super::transpose::{JOINED, join};
use std::ops::Range;

/// Zero bytes after a body.
pub(crate) const PADDING: usize = 16;

/// A decompressed page body.
#[derive(Clone, Copy)]
pub(crate) struct PageBody<'a> {
    padded: &'a [u8],
    length: usize,
}

impl<'a> PageBody<'a> {
    /// The body at the start of `padded`, whose last [`PADDING`] bytes are zeros.
    pub(crate) fn new(padded: &'a [u8]) -> Self {
        PageBody { padded, length: padded.len() - PADDING }
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        &self.padded[..self.length]
    }

    /// `N` bytes from `at`, which is at most the length.
    fn word<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.padded[at..].first_chunk().expect("the padding is wider than a word")
    }

    fn varint(&self, at: &mut usize) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes().get(*at)?;
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&self, at: &mut usize) -> Option<i64> {
        let raw = self.varint(at)?;
        Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// The unsigned number of `width` bits (at most 64) that begins at bit `bit` of byte `at`.
    #[inline(always)]
    fn packed(&self, at: usize, bit: usize, width: u32, mask: u64) -> u64 {
        let (at, shift) = (at + bit / 8, bit % 8);
        if width <= 57 {
            u64::from_le_bytes(self.word(at)) >> shift & mask
        } else {
            let wide = u128::from_le_bytes(self.word(at)) >> shift;
            u64::from_le_bytes(*wide.to_le_bytes().first_chunk().expect("16 bytes hold 8")) & mask
        }
    }
}

fn mask_of(width: u32) -> u64 {
    if width == 0 { 0 } else { u64::MAX >> (64 - width) }
}

/// BYTE_STREAM_SPLIT of `rows` doubles.
pub(crate) fn split(
    body: PageBody<'_>,
    rows: usize,
    wanted: &[Range<usize>],
    out: &mut Vec<f64>,
) -> Option<()> {
    if body.length != rows.checked_mul(8)? {
        return None;
    }
    for range in wanted {
        let streams: [&[u8]; 8] =
            std::array::from_fn(|k| &body.padded[k * rows + range.start..k * rows + range.end]);
        out.reserve(range.len());
        let blocks = streams.map(|s| s.as_chunks::<JOINED>());
        for i in 0..range.len() / JOINED {
            out.extend_from_slice(&join(std::array::from_fn(|k| &blocks[k].0[i])).map(f64::from_bits));
        }
        for i in 0..range.len() % JOINED {
            let bytes = blocks.map(|(_, rest)| rest[i]);
            out.push(f64::from_bits(u64::from_le_bytes(bytes)));
        }
    }
    Some(())
}

/// DELTA_BINARY_PACKED of `rows` integers, in blocks of 128 with four miniblocks, as we write them.
pub(crate) fn delta(
    body: PageBody<'_>,
    rows: usize,
    wanted: &[Range<usize>],
    out: &mut Vec<i64>,
) -> Option<()> {
    let Some(end) = wanted.last().map(|r| r.end) else { return Some(()) };
    let from = out.len();
    first_of_delta(body, 0, rows, end, out)?;
    if let [only] = wanted
        && only.start == 0
    {
        return Some(());
    }
    let mut to = from;
    for range in wanted {
        out.copy_within(from + range.start..from + range.end, to);
        to += range.len();
    }
    out.truncate(to);
    Some(())
}

/// Appends the first `end` of `rows` integers, which begin at byte `at`. Returns where they end, if they are all.
fn first_of_delta(
    body: PageBody<'_>,
    mut at: usize,
    rows: usize,
    end: usize,
    out: &mut Vec<i64>,
) -> Option<usize> {
    let shape = (body.varint(&mut at)?, body.varint(&mut at)?, body.varint(&mut at)?);
    if shape != (128, 4, rows as u64) {
        return None;
    }
    // Each value is a sum of all differences before it, so decoding begins at row 0. Rows not wanted are dropped at the end.
    let from = out.len();
    if end == 0 {
        return Some(at);
    }
    out.reserve(end);
    let mut last = body.zigzag(&mut at)?;
    out.push(last);
    while out.len() - from < end {
        let least = body.zigzag(&mut at)?;
        let widths: [u8; 4] = *body.bytes().get(at..)?.first_chunk()?;
        at += widths.len();
        for width in widths {
            let count = (end - (out.len() - from)).min(32);
            if count == 0 {
                break;
            }
            let bytes = usize::from(width) * 4;
            if width > 64 || body.length - at < bytes {
                return None;
            }
            miniblock(body, at, u32::from(width), least, &mut last, count, out);
            at += bytes;
        }
    }
    Some(at)
}

/// DELTA_BYTE_ARRAY of `rows` texts, of at most `bytes_max` bytes together: the texts, and the range of each.
pub(crate) fn front_coded(
    body: PageBody<'_>,
    rows: usize,
    bytes_max: usize,
) -> Option<(Vec<u8>, Vec<Range<usize>>)> {
    let (mut shared, mut lengths) = (Vec::new(), Vec::new());
    let at = first_of_delta(body, 0, rows, rows, &mut shared)?;
    let at = first_of_delta(body, at, rows, rows, &mut lengths)?;
    let mut rest = body.bytes().get(at..)?;
    let (mut texts, mut ranges) = (Vec::new(), Vec::<Range<usize>>::with_capacity(rows));
    for (shared, length) in shared.into_iter().zip(lengths) {
        let (shared, length) = (usize::try_from(shared).ok()?, usize::try_from(length).ok()?);
        let before = ranges.last().cloned().unwrap_or(0..0);
        let (added, others) = rest.split_at_checked(length)?;
        let start = texts.len();
        if shared > before.len() || shared + length > bytes_max - start {
            return None;
        }
        texts.extend_from_within(before.start..before.start + shared);
        texts.extend_from_slice(added);
        ranges.push(start..texts.len());
        rest = others;
    }
    rest.is_empty().then_some((texts, ranges))
}

#[inline]
fn miniblock(
    body: PageBody<'_>,
    at: usize,
    width: u32,
    least: i64,
    last: &mut i64,
    count: usize,
    out: &mut Vec<i64>,
) {
    if width == 0 {
        let (mut delta, base) = (0i64, *last);
        out.extend((0..count).map(|_| {
            delta = delta.wrapping_add(least);
            base.wrapping_add(delta)
        }));
        *last = base.wrapping_add(delta);
        return;
    }
    let mask = mask_of(width);
    out.extend((0..count).map(|i| {
        let above = body.packed(at, i * width as usize, width, mask);
        *last = last.wrapping_add(least).wrapping_add(above.cast_signed());
        *last
    }));
}

/// RLE_DICTIONARY of `rows` indices into `entries`, in runs and packed groups.
pub(crate) fn dictionary<T: Copy>(
    body: PageBody<'_>,
    rows: usize,
    entries: &[T],
    wanted: &[Range<usize>],
    out: &mut Vec<T>,
) -> Option<()> {
    let width = u32::from(*body.bytes().first()?);
    if width > 32 {
        return None;
    }
    let (mut at, mut row, mut next) = (1, 0, 0);
    // The packed run that was last decoded in full, and the range of its entries in `out`.
    let mut before: Option<(&[u8], Range<usize>)> = None;
    while let Some(first) = wanted.get(next) {
        if first.end <= row {
            next += 1;
            continue;
        }
        if row >= rows {
            return None;
        }
        let head = body.varint(&mut at)?;
        let count = usize::try_from(head >> 1).ok()?;
        let (values, bytes) = if head & 1 == 1 {
            (count.checked_mul(8)?, count.checked_mul(width as usize)?)
        } else {
            (count, width.div_ceil(8) as usize)
        };
        if values == 0 || body.length - at < bytes {
            return None;
        }
        let end = rows.min(row.saturating_add(values));
        for range in &wanted[next..] {
            let (from, to) = (range.start.max(row), range.end.min(end));
            if range.start >= end {
                break;
            }
            if from >= to {
                continue;
            }
            if head & 1 == 1 {
                let run = &body.bytes()[at..at + bytes];
                let whole = from == row && to == end && end - row == values;
                match &before {
                    // Series that were logged together have the same times, hence the same bytes.
                    Some((bytes, decoded)) if whole && *bytes == run && decoded.len() == values => {
                        out.extend_from_within(decoded.clone());
                    }
                    _ => {
                        let start = out.len();
                        packed(body, at, width, from - row..to - row, entries, out)?;
                        if whole {
                            before = Some((run, start..out.len()));
                        }
                    }
                }
            } else {
                let index = body.packed(at, 0, width, mask_of(width));
                let entry = *entries.get(usize::try_from(index).ok()?)?;
                out.extend(std::iter::repeat_n(entry, to - from));
            }
        }
        at += bytes;
        row = end;
    }
    Some(())
}

fn packed<T: Copy>(
    body: PageBody<'_>,
    at: usize,
    width: u32,
    indices: Range<usize>,
    entries: &[T],
    out: &mut Vec<T>,
) -> Option<()> {
    out.reserve(indices.len());
    match width {
        1 => return narrow::<1, T>(body, at, indices, entries, out),
        2 => return narrow::<2, T>(body, at, indices, entries, out),
        3 => return narrow::<3, T>(body, at, indices, entries, out),
        4 => return narrow::<4, T>(body, at, indices, entries, out),
        5 => return narrow::<5, T>(body, at, indices, entries, out),
        6 => return narrow::<6, T>(body, at, indices, entries, out),
        7 => return narrow::<7, T>(body, at, indices, entries, out),
        8 => return bytes(body.bytes().get(at + indices.start..at + indices.end)?, entries, out),
        16 => {
            let (pairs, _) = body.bytes().get(at + 2 * indices.start..at + 2 * indices.end)?.as_chunks();
            for pair in pairs {
                out.push(*entries.get(usize::from(u16::from_le_bytes(*pair)))?);
            }
            return Some(());
        }
        _ => {}
    }
    let mask = mask_of(width);
    for i in indices {
        let index = body.packed(at, i * width as usize, width, mask);
        out.push(*entries.get(usize::try_from(index).ok()?)?);
    }
    Some(())
}

/// Indices that are unpacked at a time.
const UNPACKED: usize = 2048;

/// As [`packed`], for indices of `WIDTH` bits, below 8: eight of them are `WIDTH` bytes.
fn narrow<const WIDTH: usize, T: Copy>(
    body: PageBody<'_>,
    at: usize,
    indices: Range<usize>,
    entries: &[T],
    out: &mut Vec<T>,
) -> Option<()> {
    let mut unpacked = [0u8; UNPACKED];
    let mask = u64::MAX >> (64 - WIDTH);
    let mut first = indices.start / 8 * 8;
    while first < indices.end {
        let groups = (indices.end - first).div_ceil(8).min(UNPACKED / 8);
        for (group, eight) in (first / 8..).zip(&mut unpacked.as_chunks_mut::<8>().0[..groups]) {
            let packed = u64::from_le_bytes(body.word(at + group * WIDTH));
            *eight = std::array::from_fn(|i| (packed >> (i * WIDTH) & mask) as u8);
        }
        let end = indices.end.min(first + groups * 8);
        bytes(&unpacked[indices.start.saturating_sub(first)..end - first], entries, out)?;
        first = end;
    }
    Some(())
}

/// The entries with these indices.
fn bytes<T: Copy>(indices: &[u8], entries: &[T], out: &mut Vec<T>) -> Option<()> {
    if indices.is_empty() {
        return Some(());
    }
    let most = indices.iter().fold(0, |most, &i| i.max(most));
    let last = entries.get(usize::from(most))?;
    if indices.len() < 256 {
        out.extend(indices.iter().map(|&i| entries[usize::from(i)]));
        return Some(());
    }
    // With an entry for each byte the loop needs no checks.
    let mut table = [*last; 256];
    let known = entries.len().min(256);
    table[..known].copy_from_slice(&entries[..known]);
    out.extend(indices.iter().map(|&i| table[usize::from(i)]));
    Some(())
}

/// A PLAIN dictionary of integers.
pub(crate) fn plain_integers(body: PageBody<'_>, values: usize) -> Option<Vec<i64>> {
    let (eights, []) = body.bytes().as_chunks::<8>() else { return None };
    (eights.len() == values).then(|| eights.iter().map(|e| i64::from_le_bytes(*e)).collect())
}

/// A PLAIN dictionary of doubles.
pub(crate) fn plain_doubles(body: PageBody<'_>, values: usize) -> Option<Vec<f64>> {
    let mut entries = Vec::with_capacity(values.min(body.length / 8));
    plain(body, values, std::slice::from_ref(&(0..values)), &mut entries)?;
    Some(entries)
}

/// PLAIN of `rows` doubles.
pub(crate) fn plain(
    body: PageBody<'_>,
    rows: usize,
    wanted: &[Range<usize>],
    out: &mut Vec<f64>,
) -> Option<()> {
    let (eights, []) = body.bytes().as_chunks::<8>() else { return None };
    if eights.len() != rows {
        return None;
    }
    for range in wanted {
        out.extend(eights[range.clone()].iter().map(|e| f64::from_le_bytes(*e)));
    }
    Some(())
}

/// A PLAIN dictionary of texts: the range of each in the body.
pub(crate) fn plain_texts(body: PageBody<'_>, values: usize) -> Option<Vec<Range<usize>>> {
    let (mut at, mut texts) = (0, Vec::new());
    while at < body.length {
        let length = u32::from_le_bytes(*body.bytes().get(at..)?.first_chunk()?);
        let start = at + 4;
        at = start.checked_add(usize::try_from(length).ok()?).filter(|&end| end <= body.length)?;
        texts.push(start..at);
    }
    (texts.len() == values).then_some(texts)
}
