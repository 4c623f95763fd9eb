//! From the names and buckets of a group to the index of its state.
//!
//! Buckets of one axis are mostly close together. So the buckets of each set of names are an array from bucket to
//! state, as long as its length stays within a multiple of the buckets that exist. Sparser buckets, and those of two
//! axes, are in a hash map.

use super::names::NameSets;
use std::borrow::Cow;
use std::collections::HashMap;

/// The number of axes that have buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BucketAxes {
    None,
    One,
    Two,
}

/// A group: the number of its name set, and its buckets (0 where an axis has none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    pub(crate) names: u32,
    /// The bucket on the first axis that has buckets.
    pub(crate) bucket: i64,
    /// The bucket on the second.
    pub(crate) bucket2: i64,
}

#[derive(Debug)]
pub(crate) struct GroupDirectory {
    axes: BucketAxes,
    names: NameSets,
    /// The keys of the states, column by column; an axis without buckets has no column.
    key_names: Vec<u32>,
    buckets: Vec<i64>,
    buckets2: Vec<i64>,
    /// With one axis: for each name set, its buckets while they are close together.
    arrays: Vec<BucketArray>,
    /// The total capacity of these arrays.
    array_len: usize,
    /// Without an axis: for each name set, its state.
    single: Vec<u32>,
    /// Sparse buckets, and buckets of two axes.
    map: HashMap<GroupKey, u32>,
}

/// The states of consecutive buckets.
#[derive(Debug, Default)]
struct BucketArray {
    start: i64,
    /// `NO_STATE` where a bucket has none.
    states: Vec<u32>,
    held: usize,
    spilled: bool,
}

const NO_STATE: u32 = u32::MAX;
const STATES_MAX: &str = "memory ends before 2^32 groups";
/// The greatest length of an array from bucket to state, per state in it: 64 bytes, about the cost of a hash map's
/// entry.
const LEN_PER_STATE: usize = 16;
/// An array may have this length with any number of states.
const LEN_MIN: usize = 64;

impl GroupDirectory {
    /// For groups of this many names each.
    pub(crate) fn new(names: usize, axes: BucketAxes) -> Self {
        GroupDirectory {
            axes,
            names: NameSets::new(names),
            key_names: Vec::new(),
            buckets: Vec::new(),
            buckets2: Vec::new(),
            arrays: Vec::new(),
            array_len: 0,
            single: Vec::new(),
            map: HashMap::new(),
        }
    }

    /// The number of states.
    pub(crate) fn len(&self) -> usize {
        self.key_names.len()
    }

    /// The key of a state.
    #[inline]
    pub(crate) fn key(&self, state: usize) -> GroupKey {
        GroupKey {
            names: self.key_names[state],
            bucket: self.buckets.get(state).copied().unwrap_or_default(),
            bucket2: self.buckets2.get(state).copied().unwrap_or_default(),
        }
    }

    /// The names of all groups.
    pub(crate) fn names(&self) -> &NameSets {
        &self.names
    }

    /// The number of a name set, new or known.
    pub(crate) fn intern<'a>(&mut self, texts: impl Iterator<Item = Option<Cow<'a, str>>>) -> u32 {
        let (index, is_new) = self.names.intern(texts);
        if is_new {
            match self.axes {
                BucketAxes::None => self.single.push(NO_STATE),
                BucketAxes::One => self.arrays.push(BucketArray::default()),
                BucketAxes::Two => {}
            }
        }
        index
    }

    /// Puts the states of some buckets of one name set into `states`. New states have the next indexes, in order.
    pub(crate) fn locate_all(&mut self, names: u32, buckets: &[(i64, i64)], states: &mut Vec<u32>) {
        states.clear();
        if !self.extend(names, buckets, states) {
            states.extend(
                buckets.iter().map(|&(bucket, bucket2)| self.locate(GroupKey { names, bucket, bucket2 })),
            );
        }
    }

    /// Adds buckets at once, if they are consecutive and directly follow the last bucket of their names; returns
    /// whether they do.
    fn extend(&mut self, names: u32, buckets: &[(i64, i64)], states: &mut Vec<u32>) -> bool {
        let Some(array) = self.arrays.get_mut(names as usize).filter(|array| array.ends_before(buckets))
        else {
            return false;
        };
        let start = self.key_names.len();
        let end = u32::try_from(start + buckets.len()).expect(STATES_MAX);
        self.array_len -= array.states.capacity();
        if array.states.is_empty() {
            array.start = buckets[0].0;
        }
        states.extend(end - buckets.len() as u32..end);
        array.states.extend_from_slice(states);
        array.held += buckets.len();
        self.array_len += array.states.capacity();
        self.key_names.resize(end as usize, names);
        self.buckets.extend(buckets.iter().map(|b| b.0));
        true
    }

    /// The state of a key, new or known.
    #[inline]
    pub(crate) fn locate(&mut self, key: GroupKey) -> u32 {
        let found = match self.axes {
            BucketAxes::None => self.single[key.names as usize],
            BucketAxes::One if !self.arrays[key.names as usize].spilled => {
                self.arrays[key.names as usize].get(key.bucket)
            }
            _ => self.map.get(&key).copied().unwrap_or(NO_STATE),
        };
        if found == NO_STATE { self.add(key) } else { found }
    }

    fn add(&mut self, key: GroupKey) -> u32 {
        let state = u32::try_from(self.len()).ok().filter(|&s| s != NO_STATE).expect(STATES_MAX);
        self.key_names.push(key.names);
        let names = key.names as usize;
        match self.axes {
            BucketAxes::None => self.single[names] = state,
            BucketAxes::One => {
                self.buckets.push(key.bucket);
                self.array_len -= self.arrays[names].states.capacity();
                if !self.arrays[names].spilled && !self.arrays[names].insert(key.bucket, state) {
                    self.spill(names);
                }
                self.array_len += self.arrays[names].states.capacity();
                if self.arrays[names].spilled {
                    self.map.insert(key, state);
                }
            }
            BucketAxes::Two => {
                self.buckets.push(key.bucket);
                self.buckets2.push(key.bucket2);
                self.map.insert(key, state);
            }
        }
        state
    }

    /// Moves the states of an array to the hash map.
    fn spill(&mut self, names: usize) {
        self.arrays[names].spilled = true;
        let states = std::mem::take(&mut self.arrays[names].states);
        for state in states.into_iter().filter(|&s| s != NO_STATE) {
            self.map.insert(self.key(state as usize), state);
        }
    }

    /// The approximate memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        // A hash map keeps about a third of its entries free, and has one byte more per entry.
        let entry = |bytes: usize| (bytes + 1) * 3 / 2;
        (self.array_len + self.key_names.capacity() + self.single.capacity()) * size_of::<u32>()
            + (self.buckets.capacity() + self.buckets2.capacity()) * size_of::<i64>()
            + self.names.bytes()
            + self.arrays.capacity() * size_of::<BucketArray>()
            + self.map.len() * entry(size_of::<(GroupKey, u32)>())
    }
}

impl BucketArray {
    /// Whether buckets are consecutive and directly follow the last one here.
    fn ends_before(&self, buckets: &[(i64, i64)]) -> bool {
        let Some(first) = buckets.first() else { return false };
        let next = self.start.wrapping_add_unsigned(self.states.len() as u64);
        !self.spilled
            && (self.states.is_empty() || (next == first.0 && next > self.start))
            && buckets.windows(2).all(|w| w[1].0 > w[0].0 && w[1].0.wrapping_sub(w[0].0) == 1)
    }

    #[inline]
    fn get(&self, bucket: i64) -> u32 {
        // A bucket before the start wraps to an index beyond any array.
        let index = bucket.wrapping_sub(self.start).cast_unsigned();
        usize::try_from(index).ok().and_then(|p| self.states.get(p)).copied().unwrap_or(NO_STATE)
    }

    /// Sets the state of a bucket that has none; returns `false` where the array would become too sparse.
    fn insert(&mut self, bucket: i64, state: u32) -> bool {
        if self.states.is_empty() {
            self.start = bucket;
        }
        if bucket.wrapping_sub(self.start).cast_unsigned() == self.states.len() as u64 {
            // The common case is the next bucket, which makes the array denser.
            self.states.push(state);
            self.held += 1;
            return true;
        }
        let start = i128::from(self.start.min(bucket));
        let end = (i128::from(self.start) + self.states.len() as i128).max(i128::from(bucket) + 1);
        let len_max = LEN_MIN + LEN_PER_STATE * (self.held + 1);
        if end - start > len_max as i128 {
            return false;
        }
        if bucket < self.start {
            // Half the length more, so that buckets in descending order do not move the array each time.
            let missing = usize::try_from(self.start.abs_diff(bucket)).expect("within the greatest length");
            let added = (self.states.len() / 2).max(missing);
            let added = if self.start.checked_sub_unsigned(added as u64).is_some() { added } else { missing };
            self.states.splice(0..0, std::iter::repeat_n(NO_STATE, added));
            self.start -= i64::try_from(added).expect("within the greatest length");
        }
        let index = usize::try_from(self.start.abs_diff(bucket)).expect("within the greatest length");
        if index >= self.states.len() {
            self.states.resize(index + 1, NO_STATE);
        }
        self.states[index] = state;
        self.held += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -40..40i64,
            2 => -2000..2000i64,
            1 => any::<i64>(),
            1 => (0..40i64).prop_map(|i| i64::MIN + i),
            1 => (0..40i64).prop_map(|i| i64::MAX - i),
        ]
    }

    proptest! {
        #[test]
        fn each_key_has_one_state_of_its_own(
            keys in prop::collection::vec((0..3usize, bucket(), bucket()), 0..200),
            axes in prop::sample::select(vec![BucketAxes::None, BucketAxes::One, BucketAxes::Two]),
        ) {
            let mut directory = GroupDirectory::new(1, axes);
            let mut expected: HashMap<GroupKey, u32> = HashMap::new();
            let ids: Vec<u32> = ["a", "b", "c"]
                .map(|r| directory.intern([Some(r.into())].into_iter()))
                .to_vec();
            for (names, one, two) in keys {
                let bucket = if axes == BucketAxes::None { 0 } else { one };
                let bucket2 = if axes == BucketAxes::Two { two } else { 0 };
                let key = GroupKey { names: ids[names], bucket, bucket2 };
                let next = expected.len() as u32;
                let state = *expected.entry(key).or_insert(next);
                prop_assert_eq!(directory.locate(key), state);
            }
            prop_assert_eq!(directory.len(), expected.len());
            for (key, state) in expected {
                prop_assert_eq!(directory.locate(key), state);
                prop_assert_eq!(directory.key(state as usize), key);
            }
        }

        #[test]
        fn locating_buckets_at_once_equals_locating_each(
            runs in prop::collection::vec((0..2usize, bucket(), 0..20i64, 1..3i64), 0..30),
        ) {
            let (mut at_once, mut one_by_one) = (GroupDirectory::new(1, BucketAxes::One), GroupDirectory::new(1, BucketAxes::One));
            let mut ids = [0; 2];
            for directory in [&mut at_once, &mut one_by_one] {
                ids = ["a", "b"].map(|r| directory.intern([Some(r.into())].into_iter()));
            }
            for (names, start, count, stride) in runs {
                let buckets: Vec<(i64, i64)> =
                    (0..count).map(|i| (start.saturating_add(i * stride), 0)).collect();
                let mut places = Vec::new();
                at_once.locate_all(ids[names], &buckets, &mut places);
                for (&(bucket, bucket2), &index) in buckets.iter().zip(&places) {
                    let key = GroupKey { names: ids[names], bucket, bucket2 };
                    prop_assert_eq!(one_by_one.locate(key), index);
                    prop_assert_eq!(at_once.locate(key), index);
                    prop_assert_eq!(at_once.key(index as usize), key);
                }
                prop_assert_eq!(at_once.len(), one_by_one.len());
            }
        }
    }

    #[test]
    fn buckets_at_the_ends_of_the_axis_stay_apart() {
        let mut directory = GroupDirectory::new(0, BucketAxes::One);
        let names = directory.intern([].into_iter());
        let states: Vec<u32> = [i64::MIN + 1, i64::MIN, i64::MAX, -1, 0]
            .map(|bucket| directory.locate(GroupKey { names, bucket, bucket2: 0 }))
            .to_vec();
        assert_eq!(states, [0, 1, 2, 3, 4]);
        assert_eq!(directory.intern([].into_iter()), names);
    }
}
