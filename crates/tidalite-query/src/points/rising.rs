//! Whether a column of integers rises, in passes that the compiler turns into vectors.

/// Whether each number is at least `by`, 0 or 1, above the one before.
///
/// The check runs block by block, since a loop that may stop at each pair is slower than one that may not. It looks
/// at all differences at once, for which there are vector instructions where comparisons of i64 have none.
/// Differences may wrap around; but where a block's differences are small and its last number is not below its first,
/// none did.
pub(crate) fn rises(column: &[i64], by: i64) -> bool {
    const BLOCK: usize = 1024;
    /// A block of differences below this adds up to less than 2^63.
    const SMALL: u64 = 1 << 52;
    let mut at = 0;
    while at + 1 < column.len() {
        let end = (at + BLOCK).min(column.len() - 1);
        let pairs = || column[at..end].iter().zip(&column[at + 1..=end]);
        let above = |(&a, &b): (&i64, &i64)| b.wrapping_sub(a).wrapping_sub(by).cast_unsigned();
        let all_small = pairs().fold(0, |bits, pair| bits | above(pair)) < SMALL;
        let sure = all_small && column[at] <= column[end];
        if !sure && !pairs().all(|(&a, &b)| if by == 0 { a <= b } else { a < b }) {
            return false;
        }
        at = end;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_falling_pair_is_found_at_any_place_in_the_blocks() {
        for at in [1, 1023, 1024, 1025, 2048, 2999] {
            let mut steps: Vec<i64> = (0..3000).collect();
            assert!(rises(&steps, 1));
            steps[at] = steps[at - 1];
            assert!(!rises(&steps, 1) && rises(&steps, 0), "{at}");
            steps[at] = steps[at - 1] - 1;
            assert!(!rises(&steps, 0), "{at}");
        }
    }

    proptest! {
        #[test]
        fn a_column_rises_where_each_pair_does(
            steps in prop::collection::vec(prop_oneof![-9..9i64, i64::MIN..i64::MIN + 9, i64::MAX - 9..i64::MAX, any::<i64>()], 0..9),
            sort in any::<bool>(),
        ) {
            let mut steps = steps;
            if sort {
                steps.sort_unstable();
            }
            prop_assert_eq!(rises(&steps, 0), steps.windows(2).all(|w| w[0] <= w[1]));
            prop_assert_eq!(rises(&steps, 1), steps.windows(2).all(|w| w[0] < w[1]));
        }
    }
}
