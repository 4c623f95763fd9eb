//! The training data of the demo: 1,797 images of handwritten digits, 8 × 8 pixels each, embedded in the program.
//!
//! `data/README.md` describes the source, the licence (CC BY 4.0) and the format. Every fifth image is for testing, the
//! others are for training. The split is by position, so it is the same in each process.

/// Pixels per image.
pub(crate) const PIXELS: usize = 64;
/// Number of different digits.
pub(crate) const CLASSES: usize = 10;

const BYTES: &[u8] = include_bytes!("../../data/digits.bin");
const MAGIC: &[u8] = b"TIDLDIG1";
const HEADER_BYTES: usize = 16;
const PIXEL_MAX: f32 = 16.0;
/// One of this many images is for testing.
const TEST_EVERY: usize = 5;

/// One handwritten digit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Digit {
    /// Pixels by rows, from 0 (paper) to 1 (ink).
    pub(crate) pixels: [f32; PIXELS],
    /// The digit, 0 to 9.
    pub(crate) label: usize,
}

/// The data set, split into training and test images.
#[derive(Debug, Clone)]
pub(crate) struct Digits {
    /// Training images.
    pub(crate) train: Vec<Digit>,
    /// Test images.
    pub(crate) test: Vec<Digit>,
}

impl Digits {
    /// Unpacks the data set.
    pub(crate) fn load() -> Self {
        assert!(BYTES.starts_with(MAGIC), "data/digits.bin has the wrong format");
        let mut digits = Digits { train: Vec::new(), test: Vec::new() };
        for (i, record) in BYTES[HEADER_BYTES..].chunks_exact(PIXELS + 1).enumerate() {
            let (pixels, label) = record.split_at(PIXELS);
            let digit = Digit {
                pixels: std::array::from_fn(|p| f32::from(pixels[p]) / PIXEL_MAX),
                label: usize::from(label[0]),
            };
            let part = if i % TEST_EVERY == TEST_EVERY - 1 { &mut digits.test } else { &mut digits.train };
            part.push(digit);
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_agrees_with_the_bytes() {
        let count = u32::from_le_bytes(BYTES[8..12].try_into().unwrap());
        assert_eq!(&BYTES[12..16], &[8, 8, 16, 10]);
        assert_eq!(BYTES.len(), HEADER_BYTES + count as usize * (PIXELS + 1));
        assert_eq!(count, 1797);
    }

    #[test]
    fn every_image_is_in_one_part_and_every_digit_in_both() {
        let digits = Digits::load();
        assert_eq!((digits.train.len(), digits.test.len()), (1438, 359));
        for part in [&digits.train, &digits.test] {
            let mut seen = [0; CLASSES];
            for d in part.iter() {
                seen[d.label] += 1;
                assert!(d.pixels.iter().all(|p| (0.0..=1.0).contains(p)));
            }
            assert!(seen.iter().all(|&n| n > 20), "{seen:?}");
        }
    }

    #[test]
    fn the_first_image_is_a_zero() {
        let first = &Digits::load().train[0];
        assert_eq!(first.label, 0);
        let row: Vec<f32> = first.pixels[..8].iter().map(|p| p * 16.0).collect();
        assert_eq!(row, [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
    }
}
