//! The cut: ends of all logs that were current at one instant, so that a snapshot which has a row also has each row
//! whose `log` returned before that row's `log` was called.
//!
//! ```text
//! each log was read once ─► look at each log again: has it grown?
//!        no ─► it is confirmed                 yes ─► note its new end; no other log is confirmed any more
//! all are confirmed ─► the cut
//! ```
//!
//! Why this is a cut: ends only grow. Take the instant of the last look that found growth, or of the first look. The log
//! of that look ended then where the look says. Every other log was seen with its end before that instant, and with the
//! same end after it.
//!
//! Logs that grew last are looked at first. So a log that grows all the time need only rest between two adjacent looks,
//! and one that rarely grows may be looked at last.

use tidalite_model::Result;

/// Looks at logs that may be wasted because logs grow: this many, and some more for each log. A look takes about half a
/// microsecond.
const LOOKS_MAX: usize = 4096;
const LOOKS_MAX_PER_LOG: usize = 32;

/// What looking at the logs led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Whether the ends are a cut. Otherwise logs grew at every try.
    pub(crate) is_cut: bool,
    pub(crate) looks: usize,
}

/// Looks at `logs` logs, each of which was read before, until their ends are a cut. `has_grown` looks at one of them,
/// notes its end, and says whether that is another one than at the last look.
///
/// # Errors
/// Those of `has_grown`.
pub(super) fn agree(logs: usize, mut has_grown: impl FnMut(usize) -> Result<bool>) -> Result<Agreement> {
    let looks_max = LOOKS_MAX + LOOKS_MAX_PER_LOG * logs;
    // Those that grew last come first.
    let mut order: Vec<usize> = (0..logs).collect();
    let (mut confirmed, mut looks) = (0, 0);
    while confirmed < logs && looks < looks_max {
        looks += 1;
        if has_grown(order[confirmed])? {
            order[..=confirmed].rotate_right(1);
            confirmed = 0;
        }
        confirmed += 1;
    }
    Ok(Agreement { is_cut: confirmed == logs, looks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A splitmix64 generator.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (z >> 31)
    }

    #[test]
    fn ends_that_agree_were_current_at_one_instant() {
        for seed in 0..2000 {
            let mut state = seed;
            let logs = 1 + (random(&mut state) % 9) as usize;
            let odds = 2 + random(&mut state) % 40;
            let mut ends = vec![0_u64; logs];
            let mut history = vec![ends.clone()];
            let mut seen = vec![0; logs];
            let state = RefCell::new(state);
            let mut grow = |ends: &mut Vec<u64>| {
                while random(&mut state.borrow_mut()).is_multiple_of(odds) {
                    let log = random(&mut state.borrow_mut()) as usize % logs;
                    ends[log] += 1;
                    history.push(ends.clone());
                }
            };
            for (log, seen) in seen.iter_mut().enumerate() {
                grow(&mut ends);
                *seen = ends[log];
            }
            let agreement = agree(logs, |log| {
                grow(&mut ends);
                let grown = ends[log] != seen[log];
                seen[log] = ends[log];
                Ok(grown)
            });
            if agreement.unwrap().is_cut {
                assert!(history.contains(&seen), "seed {seed}: {seen:?} was never the state of the logs");
            }
        }
    }

    #[test]
    fn logs_that_never_rest_end_the_looking() {
        let agreement = agree(3, |_| Ok(true)).unwrap();
        assert_eq!(agreement, Agreement { is_cut: false, looks: LOOKS_MAX + 3 * LOOKS_MAX_PER_LOG });
        assert!(agree(1, |_| Ok(false)).unwrap().is_cut && agree(0, |_| Ok(true)).unwrap().is_cut);
    }
}
