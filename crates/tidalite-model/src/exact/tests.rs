//! Sums are exact in any order, at any magnitude. The suite compares results with an oracle of big whole numbers.

use super::{ExactSquares, ExactSum, add_finite, rest_from_bytes, rest_to_bytes};

/// A sequence of numbers that look random (G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8, 2003).
struct DrawnBits(u64);

impl DrawnBits {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % n
    }

    /// Values of one kind: ordinary, short, extreme, tiny, any bits.
    fn values(&mut self) -> Vec<f64> {
        let (kind, n) = (self.below(6), self.below(60) * self.below(60));
        let extremes =
            [1e308, -1e308, f64::MAX, f64::MIN, 1e-300, 1.0, 1e16, -1e16, 5e-324, -5e-324, 0.0, -0.0];
        let one = |random: &mut Self| match kind {
            0 => (random.next() >> 11) as f64 / 9e15 - 0.5,
            1 => f64::from((random.next() >> 40) as u32 as f32) / 1024.0,
            2 => extremes[random.below(extremes.len())],
            3 => f64::from_bits(random.next() & !(0x7fe << 52)),
            4 => ((random.next() >> 11) as f64).powi(7) * if random.below(2) == 0 { 1e-120 } else { -1e-90 },
            _ => f64::from_bits(random.next()),
        };
        (0..n).map(|_| one(self)).filter(|v| v.is_finite()).collect()
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            let other = self.below(end + 1);
            list.swap(end, other);
        }
    }
}

type Sums = (ExactSum, ExactSquares);

fn one_by_one(values: &[f64]) -> Sums {
    let mut sums = Sums::default();
    values.iter().for_each(|&v| {
        sums.0.add(v);
        sums.1.add_square(v);
    });
    sums
}

fn at_once(values: &[f64]) -> Sums {
    let mut sums = Sums::default();
    add_finite(values, &mut sums.0, &mut sums.1);
    sums
}

fn merged(parts: &[Sums]) -> Sums {
    let mut sums = Sums::default();
    parts.iter().for_each(|part| {
        sums.0.merge(&part.0);
        sums.1.merge(&part.1);
    });
    sums
}

fn results(n: usize, sums: &Sums) -> Vec<Option<u64>> {
    let (n, (sum, squares)) = (n as u64, sums);
    let bits = |v: Option<f64>| v.map(f64::to_bits);
    let all = [Some(sum.nearest()), sum.mean(n), squares.var(n, sum), squares.std(n, sum)];
    all.into_iter().map(bits).collect()
}

#[test]
fn sums_do_not_depend_on_order_or_grouping() {
    let mut random = DrawnBits(0x9e37_79b9_7f4a_7c15);
    for _ in 0..400 {
        let mut values = random.values();
        let (sums, n) = (one_by_one(&values), values.len());
        assert!(sums == at_once(&values), "{values:?}");
        random.shuffle(&mut values);
        let mut parts: Vec<Sums> = values.chunks(1 + random.below(40)).map(at_once).collect();
        random.shuffle(&mut parts);
        let half = parts.len() / 2;
        let tree = merged(&[merged(&parts[half..]), merged(&parts[..half])]);
        for other in [merged(&parts), tree, one_by_one(&values)] {
            assert!(other == sums, "{values:?}");
            assert_eq!(results(n, &other), results(n, &sums));
        }
    }
}

#[test]
fn sums_read_back_from_bytes() {
    let mut random = DrawnBits(7);
    let mut longest = 0;
    for _ in 0..400 {
        let values = random.values();
        let sums = at_once(&values);
        let bytes = rest_to_bytes(&sums.0, &sums.1);
        let nearest = [sums.0.nearest(), sums.1.nearest()];
        assert!(rest_from_bytes(nearest, &bytes) == Some(sums), "{values:?}");
        longest = longest.max(bytes.len());
        // Any bytes are read without a panic.
        let mut bad = bytes.clone();
        if !bad.is_empty() {
            let at = random.below(bad.len());
            bad[at] ^= 1 << random.below(8);
            let _ = rest_from_bytes(nearest, &bad);
            assert!(rest_from_bytes(nearest, &bytes[..at]).is_none() || at == 0, "{at} of {bytes:?}");
        }
    }
    assert!(longest > 300, "the values reach beyond what terms hold");
    assert!(rest_to_bytes(&ExactSum::default(), &ExactSquares::default()).is_empty());
    let whole = at_once(&[1.0, 2.0, 3.0]);
    assert!(rest_to_bytes(&whole.0, &whole.1).is_empty());
}

#[test]
fn results_are_finite_where_the_true_ones_are() {
    let of = |values: &[f64]| {
        let (sum, squares) = at_once(values);
        let n = values.len() as u64;
        (sum.nearest(), sum.mean(n).unwrap(), squares.var(n, &sum).unwrap(), squares.std(n, &sum).unwrap())
    };
    assert_eq!(of(&[f64::MAX; 20]), (f64::INFINITY, f64::MAX, 0.0, 0.0));
    assert_eq!(of(&[f64::MAX, f64::MIN]), (0.0, 0.0, f64::INFINITY, f64::MAX));
    assert_eq!(of(&[5e-324, -5e-324]), (0.0, 0.0, 0.0, 5e-324));
    assert_eq!(of(&[1e16, 1.0, -1e16]).0, 1.0);
    assert_eq!(of(&[-0.0]).0.to_bits(), 0.0f64.to_bits());
    let small: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 2)).collect();
    assert_eq!(of(&small), (1e12 + 500.0, 1e9 + 0.5, 0.25, 0.5));
    assert_eq!(ExactSum::default().mean(0), None);
}

#[test]
fn a_mean_rounds_to_the_nearest_also_near_a_tie() {
    // The true mean is halfway between two f64, and 2^-74 away from that.
    for (off, expected) in [(-2f64.powi(-74), 1.0), (0.0, 1.0), (2f64.powi(-74), 1.0 + f64::EPSILON)] {
        let mut sum = ExactSum::default();
        [1.0, 1.0 + f64::EPSILON, off].into_iter().for_each(|v| sum.add(v));
        assert_eq!(sum.mean(2), Some(expected), "{off}");
    }
    // A third of 1 + 2^-55 is halfway; the next numbers are closer to it than one correction can tell.
    let third = 1.0f64 / 3.0;
    for (off, expected) in [(-2f64.powi(-108), third), (2f64.powi(-107), f64::from_bits(third.to_bits() + 1))]
    {
        let mut sum = ExactSum::default();
        sum.add(1.0);
        sum.add(2f64.powi(-55) + off);
        assert_eq!(sum.mean(3), Some(expected), "{off}");
    }
}
