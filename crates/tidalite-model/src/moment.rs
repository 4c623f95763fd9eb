//! Moments in the order of writing: how far each writer had come. Clocks are not involved.
//!
//! A rewind or a deletion takes back what was written *before a moment*: of each writer, the frames below some
//! ordinal. Most writers are gone at that moment and everything they wrote came before it. So a moment is a bound on
//! writer ordinals, and an end for each exception. The join of two moments is what came before either. Joining is
//! commutative, associative and idempotent, so the order in which logs are read does not matter.

use crate::Seq;
use std::collections::BTreeMap;

/// Which writes of each writer came before.
///
/// ```
/// use tidalite_model::{Moment, Seq};
/// let moment = Moment::new(3, [(2, 10), (5, 1)]);
/// assert!(moment.covers(Seq::new(1, 99)) && moment.covers(Seq::new(2, 9)) && moment.covers(Seq::new(5, 0)));
/// assert!(!moment.covers(Seq::new(2, 10)) && !moment.covers(Seq::new(3, 0)) && !moment.covers(Seq::new(5, 1)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moment {
    /// All writes of writers below this ordinal came before, and no writes of the others. `ends` lists the
    /// exceptions.
    below: u32,
    /// The first frame ordinal that did not come before.
    ends: BTreeMap<u32, u64>,
}

impl Moment {
    /// A moment at which writers below `below` had written everything, and each writer in `ends` its frames below the
    /// given ordinal.
    pub fn new(below: u32, ends: impl IntoIterator<Item = (u32, u64)>) -> Moment {
        Moment { below, ends: ends.into_iter().collect() }.tidied()
    }

    /// Whether a write came before this moment.
    #[inline]
    pub fn covers(&self, seq: Seq) -> bool {
        seq.ordinal() < self.end(seq.writer())
    }

    /// The first frame ordinal of a writer that did not come before. `u64::MAX` if all did.
    pub fn end(&self, writer: u32) -> u64 {
        let unlisted = if writer < self.below { u64::MAX } else { 0 };
        self.ends.get(&writer).copied().unwrap_or(unlisted)
    }

    /// The moment at which `seq` was written, given how far the other writers had come: earlier writes of its own
    /// writer came before too.
    #[must_use]
    pub fn of_write(mut self, seq: Seq) -> Moment {
        let end = self.ends.entry(seq.writer()).or_insert(0);
        *end = (*end).max(seq.ordinal());
        self.tidied()
    }

    /// What came before either moment.
    #[must_use]
    pub fn join(&self, other: &Moment) -> Moment {
        let writers = self.ends.keys().chain(other.ends.keys());
        let ends = writers.map(|&w| (w, self.end(w).max(other.end(w)))).collect();
        Moment { below: self.below.max(other.below), ends }.tidied()
    }

    /// The same moment but for one writer, of which the frames below `end` came before.
    #[must_use]
    pub fn with_end(&self, writer: u32, end: u64) -> Moment {
        let mut moment = self.clone();
        moment.ends.insert(writer, end);
        moment.tidied()
    }

    /// Whether every write before `other` also came before this moment.
    ///
    /// ```
    /// use tidalite_model::Moment;
    /// let moment = Moment::new(3, [(2, 10)]);
    /// assert!(moment.includes(&Moment::new(2, [(2, 10)])));
    /// assert!(!moment.includes(&Moment::new(3, [])) && !moment.includes(&Moment::new(2, [(3, 1)])));
    /// ```
    pub fn includes(&self, other: &Moment) -> bool {
        let listed = self.ends.keys().chain(other.ends.keys());
        // Writers that only the bound of `other` covers. If one of them is no exception of it, it had written all.
        let more = self.below..other.below;
        let exceptions = other.ends.range(self.below..).take_while(|(w, _)| more.contains(w)).count();
        exceptions >= more.len() && listed.into_iter().all(|&writer| self.end(writer) >= other.end(writer))
    }

    /// Writers below this ordinal had written everything, except those in [`ends`](Self::ends).
    pub fn below(&self) -> u32 {
        self.below
    }

    /// The exceptions, ascending: a writer, and its first frame ordinal that did not come before.
    pub fn ends(&self) -> impl Iterator<Item = (u32, u64)> {
        self.ends.iter().map(|(w, end)| (*w, *end))
    }

    /// Removes exceptions that match the default, so that equal moments compare equal.
    fn tidied(mut self) -> Moment {
        let below = self.below;
        self.ends.retain(|&w, end| *end != if w < below { u64::MAX } else { 0 });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<Moment> {
        let mut all = vec![Moment::default()];
        for below in [0, 1, 3] {
            for ends in [vec![], vec![(0, 2)], vec![(2, 1), (4, 3)], vec![(0, 0), (1, 5), (3, 0)]] {
                all.push(Moment::new(below, ends));
            }
        }
        all
    }

    #[test]
    fn a_write_before_a_joined_moment_is_before_one_of_the_two() {
        for a in some() {
            for b in some() {
                let joined = a.join(&b);
                for writer in 0..6 {
                    for ordinal in [0, 1, 2, 3, 4, 5, 1 << 40] {
                        let seq = Seq::new(writer, ordinal.min(crate::SEQ_ORDINAL_MAX));
                        assert_eq!(joined.covers(seq), a.covers(seq) || b.covers(seq), "{a:?} {b:?} {seq:?}");
                    }
                }
                assert_eq!(joined, b.join(&a));
                let seqs = || (0..6).flat_map(|w| [0, 1, 2, 4, 5, 1 << 39].map(|o| Seq::new(w, o)));
                let same = seqs().all(|seq| joined.covers(seq) == a.covers(seq));
                assert_eq!(a.includes(&b), same, "{a:?} {b:?}");
                assert_eq!(joined.join(&a), joined);
                some().iter().for_each(|c| assert_eq!(joined.join(c), a.join(&b.join(c))));
            }
        }
    }

    #[test]
    fn a_writes_moment_covers_its_writers_earlier_writes() {
        let moment = Moment::new(2, [(1, 4)]).of_write(Seq::new(7, 3));
        assert!(moment.covers(Seq::new(7, 2)) && !moment.covers(Seq::new(7, 3)));
        assert!(moment.covers(Seq::new(0, 9)) && !moment.covers(Seq::new(1, 4)));
    }
}
