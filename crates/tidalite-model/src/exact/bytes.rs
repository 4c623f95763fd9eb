//! The form on disk of what the nearest f64 numbers of two sums leave.
//!
//! The bytes are those of two whole numbers, one after the other: that of the sum, then that of the squares. Each is its
//! length in bytes as a varint, and unless the length is 0, its place (u16: how many bytes it lies above the lowest byte
//! of a fixed-point number whose lowest bit is 2^-2176), and its bytes, lowest first, in two's complement. No shorter
//! form is possible, so equal sums have equal bytes. No bytes at all say that both are zero.

use super::natural::scaled;
use super::sum::{ExactSquares, ExactSum, ExactTerms};
use super::wide::{LEAST, LIMBS, Wide};

/// The bytes of a whole fixed-point number.
const WIDE_BYTES: usize = 8 * LIMBS;

/// The greatest length of both: each has a length of two bytes, a place of two bytes, and at most all its bytes.
pub const REST_BYTES_MAX: usize = 2 * (4 + WIDE_BYTES);

/// What the nearest f64 numbers of the sums leave of them.
///
/// ```
/// use tidalite_model::{ExactSquares, ExactSum, rest_from_bytes, rest_to_bytes};
/// let (mut sum, mut squares) = (ExactSum::default(), ExactSquares::default());
/// [1e16, 1.0].into_iter().for_each(|v| (sum.add(v), squares.add_square(v)).0);
/// let bytes = rest_to_bytes(&sum, &squares);
/// let read = rest_from_bytes([sum.nearest(), squares.nearest()], &bytes).unwrap();
/// assert!(read == (sum, squares));
/// ```
pub fn rest_to_bytes(sum: &ExactSum, squares: &ExactSquares) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (sum, squares) = (sum.rest(), squares.rest());
    if !(sum.is_zero() && squares.is_zero()) {
        write(&sum.to_wide(), &mut bytes);
        write(&squares.to_wide(), &mut bytes);
    }
    bytes
}

/// The sums, from their nearest f64 numbers and the bytes of [`rest_to_bytes`]; `None` where the bytes are not of that
/// form.
pub fn rest_from_bytes(nearest: [f64; 2], bytes: &[u8]) -> Option<(ExactSum, ExactSquares)> {
    let (mut sum, mut squares) = (ExactSum::default(), ExactSquares::default());
    let finite = |v: f64| if v.is_finite() { v } else { 0.0 };
    sum.add(finite(nearest[0]));
    squares.add(finite(nearest[1]));
    if !bytes.is_empty() {
        let left = read(&mut sum, bytes)?;
        let left = read(&mut squares, left)?;
        left.is_empty().then_some(())?;
    }
    Some((sum, squares))
}

/// As [`rest_from_bytes`], for the sum alone.
pub fn sum_rest_from_bytes(nearest: f64, bytes: &[u8]) -> Option<ExactSum> {
    let mut sum = ExactSum::default();
    sum.add(if nearest.is_finite() { nearest } else { 0.0 });
    if !bytes.is_empty() {
        read(&mut sum, bytes)?;
    }
    Some(sum)
}

impl<const TERMS: usize> ExactTerms<TERMS> {
    /// What is left of the sum when its nearest f64 is subtracted; all of it where that is infinite.
    fn rest(&self) -> Self {
        let nearest = self.nearest();
        let mut left = self.clone();
        if nearest.is_finite() {
            left.add(-nearest);
        }
        left
    }
}

fn write(number: &Wide, out: &mut Vec<u8>) {
    let all: Vec<u8> = number.limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    let Some(low) = all.iter().position(|&b| b != 0) else {
        out.push(0);
        return;
    };
    // The last byte that differs from the sign, and one more where its upper bit does.
    let sign = if number.is_negative() { u8::MAX } else { 0 };
    let last = all.iter().rposition(|&b| b != sign).unwrap_or(low).max(low);
    let end = if (all[last] ^ sign) >> 7 == 1 { last + 2 } else { last + 1 };
    let length = end - low;
    if length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
    }
    out.push(if length >= 0x80 { length >> 7 } else { length } as u8);
    out.extend_from_slice(&(low as u16).to_le_bytes());
    out.extend_from_slice(&all[low..end]);
}

/// Adds the number at the start of `bytes` to a sum; returns the bytes after it.
fn read<'a, const TERMS: usize>(sum: &mut ExactTerms<TERMS>, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (&first, mut bytes) = bytes.split_first()?;
    let mut length = usize::from(first & 0x7f);
    if first >= 0x80 {
        let (&second, left) = bytes.split_first()?;
        (length, bytes) = (length | usize::from(second) << 7, left);
    }
    if length == 0 {
        return Some(bytes);
    }
    let (place, bytes) = bytes.split_first_chunk()?;
    let place = usize::from(u16::from_le_bytes(*place));
    let (digits, left) = bytes.split_at_checked(length)?;
    (place + length <= WIDE_BYTES).then_some(())?;
    if !read_terms(sum, digits, place) {
        let sign = if digits[length - 1] >> 7 == 1 { u8::MAX } else { 0 };
        let mut all = [sign; WIDE_BYTES];
        all[..place].fill(0);
        all[place..place + length].copy_from_slice(digits);
        let (eights, _) = all.as_chunks::<8>();
        let mut number = Wide::ZERO;
        number.limbs.iter_mut().zip(eights).for_each(|(limb, eight)| *limb = u64::from_le_bytes(*eight));
        sum.merge(&ExactTerms { terms: [0.0; TERMS], wide: Some(Box::new(number)) });
    }
    Some(left)
}

/// Adds the number as f64 terms, where it is short and within their range.
fn read_terms<const TERMS: usize>(sum: &mut ExactTerms<TERMS>, digits: &[u8], place: usize) -> bool {
    /// Six bytes are a whole number that an f64 holds.
    const SIX: usize = 6;
    let exponent = LEAST + 8 * i32::try_from(place).expect("a place is below 2^16");
    let bits = 8 * i32::try_from(digits.len()).expect("a length is below 2^16");
    if digits.len() > TERMS * SIX || exponent < -1074 || exponent + bits > 1000 {
        return false;
    }
    for (at, six) in digits.chunks(SIX).enumerate() {
        let mut eight = [0; 8];
        eight[..six.len()].copy_from_slice(six);
        let mut number = i64::from_le_bytes(eight);
        if (at + 1) * SIX >= digits.len() {
            // The uppermost bytes have the sign.
            let unused = 64 - 8 * six.len();
            number = number << unused >> unused;
        }
        sum.add(scaled(number as f64, exponent + 8 * SIX as i32 * at as i32));
    }
    true
}
