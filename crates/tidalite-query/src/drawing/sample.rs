//! A series by some of its points, evenly by their number: what a table of it shows, and what a test of a model needs.

use crate::points::Points;

/// `n` points at equal distances by their number, the first and the last among them, and besides these every point that is not
/// finite, which a sample must not hide. Where there are at most `n` points, all of them.
///
/// ```
/// use tidalite_query::{Points, sample};
/// let mut points = Points::default();
/// (0..100).for_each(|step| points.push(step, 0, 0, if step == 7 { f64::NAN } else { 1.0 }));
/// sample(&mut points, 4);
/// assert_eq!(points.steps, [0, 7, 33, 66, 99]);
/// ```
pub fn sample(points: &mut Points, n: usize) {
    *points = sample_piece(points, 0, points.len(), n);
}

/// Of some consecutive points of a series, those that [`sample`] keeps of the whole series. They begin with its point `start`,
/// counted from 0, and it has `len` points.
///
/// ```
/// use tidalite_query::{Points, sample_piece};
/// let piece = |steps: std::ops::Range<i64>| {
///     let mut points = Points::default();
///     steps.for_each(|step| points.push(step, 0, 0, 1.0));
///     points
/// };
/// assert_eq!(sample_piece(&piece(0..50), 0, 100, 4).steps, [0, 33]);
/// assert_eq!(sample_piece(&piece(50..100), 50, 100, 4).steps, [66, 99]);
/// ```
///
/// # Panics
/// If the points reach beyond the series.
pub fn sample_piece(points: &Points, start: usize, len: usize, n: usize) -> Points {
    assert!(start + points.len() <= len, "a piece lies within its series");
    let mut kept = points.clone();
    if len <= n {
        return kept;
    }
    let mut mask: Vec<bool> = points.values.iter().map(|value| !value.is_finite()).collect();
    for i in 0..n {
        // The wide product cannot overflow; `n` is at least 2 where it divides.
        let place = if n == 1 { 0 } else { i as u128 * (len as u128 - 1) / (n as u128 - 1) };
        let place = usize::try_from(place).expect("below the number of points");
        if let Some(is_kept) = place.checked_sub(start).and_then(|place| mask.get_mut(place)) {
            *is_kept = true;
        }
    }
    kept.keep(&mask);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sample_is_even_and_hides_no_value_that_is_not_finite(
            values in prop::collection::vec(prop_oneof![9 => -1.0..1.0f64, 1 => Just(f64::NAN)], 0..200),
            n in 1..40usize,
            cut in 0..200usize,
        ) {
            let mut all = Points::default();
            (0..).zip(&values).for_each(|(step, &value)| all.push(step, 0, step * 3, value));
            let mut some = all.clone();
            sample(&mut some, n);
            let pieces = [(0, cut.min(all.len())), (cut.min(all.len()), all.len())];
            let mut joined = Points::default();
            for (start, end) in pieces {
                joined.extend(&sample_piece(&all.view().slice(start..end).to_points(), start, all.len(), n));
            }
            let bits = |points: &Points| points.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!((&joined.steps, bits(&joined)), (&some.steps, bits(&some)));
            let odd = values.iter().filter(|v| !v.is_finite()).count();
            prop_assert!(some.len() <= n.min(values.len()) + odd && some.len() >= n.min(values.len()));
            prop_assert!(some.steps.windows(2).all(|w| w[0] < w[1]));
            for i in 0..some.len() {
                let step = usize::try_from(some.steps[i]).unwrap();
                prop_assert_eq!(some.values[i].to_bits(), values[step].to_bits());
                prop_assert_eq!(some.times_us[i], some.steps[i] * 3);
            }
            prop_assert_eq!(some.values.iter().filter(|v| !v.is_finite()).count(), odd);
            if n > 1 && values.len() > n {
                prop_assert_eq!((some.steps[0], some.steps[some.len() - 1]), (0, values.len() as i64 - 1));
                let widest = (values.len() - 1).div_ceil(n - 1);
                let gaps = some.steps.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
                prop_assert!(gaps <= widest as i64);
            }
        }
    }
}
