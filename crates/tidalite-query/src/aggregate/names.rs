//! The names of groups: each distinct text is kept once per column, and each distinct set of names has a number.
//!
//! A set is interned name by name: the pair of the first two names has a number, the pair of that number and the
//! third name has one, and so on. So no key is longer than two numbers.

use super::by::By;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use tidalite_model::{Labels, SeriesKey};

/// The names of a series, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct SeriesNames<'a> {
    /// Its run.
    pub run: &'a Arc<str>,
    /// Its metric.
    pub metric: &'a Arc<str>,
    /// Its labels.
    pub labels: &'a Labels,
}

impl From<SeriesNames<'_>> for SeriesKey {
    fn from(of: SeriesNames<'_>) -> SeriesKey {
        SeriesKey { run: of.run.clone(), metric: of.metric.clone(), labels: of.labels.clone() }
    }
}

impl<'a> From<&'a SeriesKey> for SeriesNames<'a> {
    fn from(key: &'a SeriesKey) -> SeriesNames<'a> {
        SeriesNames { run: &key.run, metric: &key.metric, labels: &key.labels }
    }
}

/// For each run, the keys of the params that are grouped by, in that order; see `param_column.rs`.
pub(crate) type RunTexts = HashMap<String, Vec<Option<String>>>;

/// The names of the groups of a series, in the order grouped by; `None` for a label or a param that it lacks.
pub(crate) fn texts_of<'a>(
    of: SeriesNames<'a>,
    by: &'a [By],
    runs: &'a RunTexts,
) -> impl Iterator<Item = Option<Cow<'a, str>>> {
    let mut params = runs.get(&**of.run).map_or(&[][..], Vec::as_slice).iter();
    by.iter().filter(|b| b.is_name()).map(move |b| match b {
        By::Param(_) => params.next().and_then(Option::as_deref).map(Cow::Borrowed),
        By::Run => Some(Cow::Borrowed(&**of.run)),
        By::Metric => Some(Cow::Borrowed(&**of.metric)),
        By::Labels => Some(Cow::Borrowed(of.labels.as_str())),
        By::Label(label) => of.labels.get(label).map(Cow::Owned),
        By::StepBucket(_) | By::TimeBucket(_) | By::Calendar(_) => None,
    })
}

#[derive(Debug)]
pub(crate) struct NameSets {
    levels: Vec<NameLevel>,
    /// The numbers of each set's texts: as many per set as there are levels.
    text_ids: Vec<u32>,
    sets: usize,
    scratch: Vec<u32>,
}

/// One column of names.
#[derive(Debug, Default)]
struct NameLevel {
    texts: Vec<Option<Box<str>>>,
    index: HashMap<Box<str>, u32>,
    absent: Option<u32>,
    /// Bytes of all texts, each kept twice: in `texts` and as a key of `index`.
    text_bytes: usize,
    latest: u32,
    /// For each name, the one that followed it the last time: series come in order, so the metrics of each run follow each
    /// other alike.
    next: Vec<u32>,
    /// From the number of the previous names and that of this one to the number of both. The first level has none.
    pairs: HashMap<u64, u32, BuildHasherDefault<PairHasher>>,
}

/// Hashes a pair of numbers that are counted up, which nobody can choose to collide.
#[derive(Debug, Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only pairs are hashed")
    }

    fn write_u64(&mut self, pair: u64) {
        // An odd factor from the golden ratio; the table uses the highest bits and the lowest ones.
        let mixed = u128::from(pair ^ (pair >> 29)) * 0x9e37_79b9_7f4a_7c15;
        self.0 = mixed as u64 ^ (mixed >> 64) as u64;
    }
}

impl NameSets {
    /// For sets of this many names.
    pub(crate) fn new(levels: usize) -> Self {
        NameSets {
            levels: (0..levels).map(|_| NameLevel::default()).collect(),
            text_ids: Vec::new(),
            sets: 0,
            scratch: Vec::new(),
        }
    }

    /// The number of sets.
    pub(crate) fn len(&self) -> usize {
        self.sets
    }

    /// The number of a set, and whether it is new. A new set has the next number.
    pub(crate) fn intern<'a>(&mut self, texts: impl Iterator<Item = Option<Cow<'a, str>>>) -> (u32, bool) {
        let mut set = 0;
        self.scratch.clear();
        for (i, (level, text)) in self.levels.iter_mut().zip(texts).enumerate() {
            let id = level.intern(text.as_deref());
            self.scratch.push(id);
            set = if i == 0 {
                id
            } else {
                let next = number(level.pairs.len());
                *level.pairs.entry(u64::from(set) << 32 | u64::from(id)).or_insert(next)
            };
        }
        let is_new = set as usize == self.sets;
        if is_new {
            self.sets += 1;
            self.text_ids.extend_from_slice(&self.scratch);
        }
        (set, is_new)
    }

    /// The names of a set.
    pub(crate) fn texts(&self, set: usize) -> impl Iterator<Item = Option<Cow<'_, str>>> {
        let ids = &self.text_ids[set * self.levels.len()..(set + 1) * self.levels.len()];
        self.levels.iter().zip(ids).map(|(level, &id)| level.texts[id as usize].as_deref().map(Cow::Borrowed))
    }

    /// The number of a set's name at a level.
    #[inline]
    pub(crate) fn text_id(&self, set: u32, level: usize) -> usize {
        self.text_ids[set as usize * self.levels.len() + level] as usize
    }

    /// The name with a number at a level.
    #[inline]
    pub(crate) fn text(&self, id: usize, level: usize) -> Option<&str> {
        self.levels[level].texts[id].as_deref()
    }

    /// Whether some set has no name at a level.
    pub(crate) fn has_absent(&self, level: usize) -> bool {
        self.levels[level].absent.is_some()
    }

    /// The rank by name of each number at a level; the absent name is first.
    pub(crate) fn ranks(&self, level: usize) -> Vec<u32> {
        let texts = &self.levels[level].texts;
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_unstable_by_key(|&i| &texts[i]);
        let mut ranks = vec![0; texts.len()];
        for (rank, id) in (0..).zip(order) {
            ranks[id] = rank;
        }
        ranks
    }

    /// The approximate memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        // A hash map keeps about a third of its entries free, and has one byte more per entry.
        let entry = |bytes: usize| (bytes + 1) * 3 / 2;
        let level = |l: &NameLevel| {
            let text = size_of::<Option<Box<str>>>() + size_of::<u32>() + entry(size_of::<(Box<str>, u32)>());
            l.text_bytes + l.texts.len() * text + l.pairs.len() * entry(size_of::<(u64, u32)>())
        };
        self.levels.iter().map(level).sum::<usize>() + self.text_ids.capacity() * size_of::<u32>()
    }
}

impl NameLevel {
    fn intern(&mut self, text: Option<&str>) -> u32 {
        // Series mostly come in order, so most names equal the previous one, or the one that followed that before.
        let is = |number: u32| self.texts.get(number as usize).is_some_and(|t| t.as_deref() == text);
        if is(self.latest) {
            return self.latest;
        }
        let before = self.latest as usize;
        if let Some(&guess) = self.next.get(before).filter(|guess| is(**guess)) {
            self.latest = guess;
            return guess;
        }
        let next = number(self.texts.len());
        self.latest = match text {
            None => *self.absent.get_or_insert(next),
            Some(text) => match self.index.get(text) {
                Some(&id) => id,
                None => {
                    self.index.insert(text.into(), next);
                    self.text_bytes += 2 * text.len();
                    next
                }
            },
        };
        if self.latest == next {
            self.texts.push(text.map(Into::into));
            self.next.push(0);
        }
        if let Some(follower) = self.next.get_mut(before) {
            *follower = self.latest;
        }
        self.latest
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("memory ends before 2^32 groups")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidalite_model::Labels;

    #[test]
    fn a_group_has_the_names_grouped_by() {
        let key = SeriesKey::new("r", "m", Labels::parse("a=1,b=2").unwrap());
        let by = [By::Label("b".into()), By::StepBucket(4), By::Metric, By::Label("c".into()), By::Labels];
        let runs = RunTexts::new();
        let texts: Vec<_> = texts_of((&key).into(), &by, &runs).collect();
        assert_eq!(texts, [Some("2".into()), Some("m".into()), None, Some("a=1,b=2".into())]);
    }

    #[test]
    fn params_are_in_the_order_grouped_by() {
        let key = |run: &str| SeriesKey::new(run, "m", Labels::none());
        let by = [By::Param("x".into()), By::Run, By::Param("y".into())];
        let runs = RunTexts::from([("r".to_string(), vec![None, Some("1".to_string())])]);
        let texts = |run: &str| {
            texts_of((&key(run)).into(), &by, &runs).map(|t| t.map(Cow::into_owned)).collect::<Vec<_>>()
        };
        assert_eq!(texts("r"), [None, Some("r".into()), Some("1".into())]);
        assert_eq!(texts("s"), [None, Some("s".into()), None]);
    }

    proptest! {
        #[test]
        fn equal_sets_have_one_number_and_ranks_follow_the_names(
            sets in prop::collection::vec(prop::collection::vec(prop::option::of("[ab]{0,2}"), 3), 0..60),
            levels in 0..=3usize,
        ) {
            let mut names = NameSets::new(levels);
            let mut expected: Vec<Vec<Option<String>>> = Vec::new();
            for set in sets {
                let set = set[..levels].to_vec();
                let place = expected.iter().position(|e| *e == set).unwrap_or(expected.len());
                let is_new = place == expected.len();
                let found = names.intern(set.iter().map(|t| t.as_deref().map(Cow::Borrowed)));
                prop_assert_eq!(found, (u32::try_from(place).unwrap(), is_new));
                if is_new {
                    expected.push(set);
                }
            }
            prop_assert_eq!(names.len(), expected.len());
            for (place, set) in expected.iter().enumerate() {
                let texts: Vec<Option<String>> = names.texts(place).map(|t| t.map(Cow::into_owned)).collect();
                prop_assert_eq!(&texts, set);
            }
            for level in 0..levels {
                let ranks = names.ranks(level);
                for a in 0..ranks.len() {
                    for b in 0..ranks.len() {
                        let order = names.text(a, level).cmp(&names.text(b, level));
                        prop_assert_eq!(ranks[a].cmp(&ranks[b]), order);
                    }
                }
            }
        }
    }
}
