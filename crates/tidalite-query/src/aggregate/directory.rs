//! From the names and buckets of a group to the index of its state.
//!
//! Buckets of one axis are mostly close together. So the buckets of each set of names are an array from bucket to state, as
//! long as its length stays within a multiple of the buckets that exist. Sparser buckets, and those of two axes, are in a
//! hash map.

use super::names::NameSets;
use std::borrow::Cow;
use std::collections::HashMap;

/// How many axes have buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BucketAxes {
    None,
    One,
    Two,
}

/// A group: its names' place in the list of names, and its buckets (0 where an axis has none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    pub(crate) names: u32,
    /// On the first axis that has buckets.
    pub(crate) bucket: i64,
    /// On the second.
    pub(crate) bucket2: i64,
}

#[derive(Debug)]
pub(crate) struct GroupDirectory {
    axes: BucketAxes,
    names: NameSets,
    /// For each state, the slot's parts; no buckets where no axis has any.
    slot_names: Vec<u32>,
    buckets: Vec<i64>,
    buckets2: Vec<i64>,
    /// For each set of names, its buckets, while they stand close together; their state where no axis has buckets.
    near: Vec<BucketArray>,
    /// Places in all these arrays.
    places: usize,
    alone: Vec<u32>,
    far: HashMap<GroupKey, u32>,
}

/// States of consecutive buckets.
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
/// An array from bucket to state may have this many places for each that is taken, and as many from the start: 64
/// bytes, about what an entry of a hash map costs.
const PLACES_A_STATE: usize = 16;
const PLACES_MIN: usize = 64;

impl GroupDirectory {
    /// For groups of so many names each.
    pub(crate) fn new(names: usize, axes: BucketAxes) -> Self {
        GroupDirectory {
            axes,
            names: NameSets::new(names),
            slot_names: Vec::new(),
            buckets: Vec::new(),
            buckets2: Vec::new(),
            near: Vec::new(),
            places: 0,
            alone: Vec::new(),
            far: HashMap::new(),
        }
    }

    /// How many states there are.
    pub(crate) fn len(&self) -> usize {
        self.slot_names.len()
    }

    /// The slot of a state.
    #[inline]
    pub(crate) fn slot(&self, state: usize) -> GroupKey {
        GroupKey {
            names: self.slot_names[state],
            bucket: self.buckets.get(state).copied().unwrap_or_default(),
            bucket2: self.buckets2.get(state).copied().unwrap_or_default(),
        }
    }

    /// The names of all groups.
    pub(crate) fn names(&self) -> &NameSets {
        &self.names
    }

    /// The place of a set of names, new or not.
    pub(crate) fn intern<'a>(&mut self, texts: impl Iterator<Item = Option<Cow<'a, str>>>) -> u32 {
        let (place, is_new) = self.names.intern(texts);
        if is_new {
            match self.axes {
                BucketAxes::None => self.alone.push(NO_STATE),
                BucketAxes::One => self.near.push(BucketArray::default()),
                BucketAxes::Two => {}
            }
        }
        place
    }

    /// The states of some buckets of one set of names, in `places`. New ones have the next places behind those there are, as
    /// they come up.
    pub(crate) fn locate_all(&mut self, names: u32, buckets: &[(i64, i64)], places: &mut Vec<u32>) {
        places.clear();
        if !self.extend(names, buckets, places) {
            places.extend(
                buckets.iter().map(|&(bucket, bucket2)| self.locate(GroupKey { names, bucket, bucket2 })),
            );
        }
    }

    /// Takes in buckets that follow each other, and the last one of their names; whether they do.
    fn extend(&mut self, names: u32, buckets: &[(i64, i64)], places: &mut Vec<u32>) -> bool {
        let Some(near) = self.near.get_mut(names as usize).filter(|near| near.ends_before(buckets)) else {
            return false;
        };
        let start = self.slot_names.len();
        let end = u32::try_from(start + buckets.len()).expect(STATES_MAX);
        self.places -= near.states.capacity();
        if near.states.is_empty() {
            near.start = buckets[0].0;
        }
        places.extend(end - buckets.len() as u32..end);
        near.states.extend_from_slice(places);
        near.held += buckets.len();
        self.places += near.states.capacity();
        self.slot_names.resize(end as usize, names);
        self.buckets.extend(buckets.iter().map(|b| b.0));
        true
    }

    /// The state of a slot, new or not.
    #[inline]
    fn locate(&mut self, slot: GroupKey) -> u32 {
        let found = match self.axes {
            BucketAxes::None => self.alone[slot.names as usize],
            BucketAxes::One if !self.near[slot.names as usize].spilled => {
                self.near[slot.names as usize].get(slot.bucket)
            }
            _ => self.far.get(&slot).copied().unwrap_or(NO_STATE),
        };
        if found == NO_STATE { self.add(slot) } else { found }
    }

    fn add(&mut self, slot: GroupKey) -> u32 {
        let state = u32::try_from(self.len()).ok().filter(|&s| s != NO_STATE).expect(STATES_MAX);
        self.slot_names.push(slot.names);
        let names = slot.names as usize;
        match self.axes {
            BucketAxes::None => self.alone[names] = state,
            BucketAxes::One => {
                self.buckets.push(slot.bucket);
                self.places -= self.near[names].states.capacity();
                if !self.near[names].spilled && !self.near[names].insert(slot.bucket, state) {
                    self.spill(names);
                }
                self.places += self.near[names].states.capacity();
                if self.near[names].spilled {
                    self.far.insert(slot, state);
                }
            }
            BucketAxes::Two => {
                self.buckets.push(slot.bucket);
                self.buckets2.push(slot.bucket2);
                self.far.insert(slot, state);
            }
        }
        state
    }

    /// From the array to the hash map.
    fn spill(&mut self, names: usize) {
        self.near[names].spilled = true;
        let states = std::mem::take(&mut self.near[names].states);
        for state in states.into_iter().filter(|&s| s != NO_STATE) {
            self.far.insert(self.slot(state as usize), state);
        }
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        // A hash map keeps about one place in three free, and a byte of its own for each.
        let entry = |bytes: usize| (bytes + 1) * 3 / 2;
        (self.places + self.slot_names.capacity() + self.alone.capacity()) * size_of::<u32>()
            + (self.buckets.capacity() + self.buckets2.capacity()) * size_of::<i64>()
            + self.names.bytes()
            + self.near.capacity() * size_of::<BucketArray>()
            + self.far.len() * entry(size_of::<(GroupKey, u32)>())
    }
}

impl BucketArray {
    /// Whether buckets follow each other and the last one here.
    fn ends_before(&self, buckets: &[(i64, i64)]) -> bool {
        let Some(first) = buckets.first() else { return false };
        let next = self.start.wrapping_add_unsigned(self.states.len() as u64);
        !self.spilled
            && (self.states.is_empty() || (next == first.0 && next > self.start))
            && buckets.windows(2).all(|w| w[1].0 > w[0].0 && w[1].0.wrapping_sub(w[0].0) == 1)
    }

    #[inline]
    fn get(&self, bucket: i64) -> u32 {
        // A bucket before the start wraps to a place beyond any array.
        let place = bucket.wrapping_sub(self.start).cast_unsigned();
        usize::try_from(place).ok().and_then(|p| self.states.get(p)).copied().unwrap_or(NO_STATE)
    }

    /// Notes the state of a bucket that has none; `false` where that would spread the array too thin.
    fn insert(&mut self, bucket: i64, state: u32) -> bool {
        if self.states.is_empty() {
            self.start = bucket;
        }
        if bucket.wrapping_sub(self.start).cast_unsigned() == self.states.len() as u64 {
            // The next bucket, as with most: the array only grows denser.
            self.states.push(state);
            self.held += 1;
            return true;
        }
        let start = i128::from(self.start.min(bucket));
        let end = (i128::from(self.start) + self.states.len() as i128).max(i128::from(bucket) + 1);
        let places_max = PLACES_MIN + PLACES_A_STATE * (self.held + 1);
        if end - start > places_max as i128 {
            return false;
        }
        if bucket < self.start {
            // Room for half as much again, so that buckets that come backwards do not move everything each time.
            let missing = usize::try_from(self.start.abs_diff(bucket)).expect("within the places allowed");
            let room = (self.states.len() / 2).max(missing);
            let room = if self.start.checked_sub_unsigned(room as u64).is_some() { room } else { missing };
            self.states.splice(0..0, std::iter::repeat_n(NO_STATE, room));
            self.start -= i64::try_from(room).expect("within the places allowed");
        }
        let place = usize::try_from(self.start.abs_diff(bucket)).expect("within the places allowed");
        if place >= self.states.len() {
            self.states.resize(place + 1, NO_STATE);
        }
        self.states[place] = state;
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
        fn each_slot_has_one_state_of_its_own(
            slots in prop::collection::vec((0..3usize, bucket(), bucket()), 0..200),
            axes in prop::sample::select(vec![BucketAxes::None, BucketAxes::One, BucketAxes::Two]),
        ) {
            let mut directory = GroupDirectory::new(1, axes);
            let mut expected: HashMap<GroupKey, u32> = HashMap::new();
            let ids: Vec<u32> = ["a", "b", "c"]
                .map(|r| directory.intern([Some(r.into())].into_iter()))
                .to_vec();
            for (names, one, two) in slots {
                let bucket = if axes == BucketAxes::None { 0 } else { one };
                let bucket2 = if axes == BucketAxes::Two { two } else { 0 };
                let slot = GroupKey { names: ids[names], bucket, bucket2 };
                let next = expected.len() as u32;
                let state = *expected.entry(slot).or_insert(next);
                prop_assert_eq!(directory.locate(slot), state);
            }
            prop_assert_eq!(directory.len(), expected.len());
            for (slot, state) in expected {
                prop_assert_eq!(directory.locate(slot), state);
                prop_assert_eq!(directory.slot(state as usize), slot);
            }
        }

        #[test]
        fn buckets_at_once_have_the_states_that_they_have_one_by_one(
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
                for (&(bucket, bucket2), &place) in buckets.iter().zip(&places) {
                    let slot = GroupKey { names: ids[names], bucket, bucket2 };
                    prop_assert_eq!(one_by_one.locate(slot), place);
                    prop_assert_eq!(at_once.locate(slot), place);
                    prop_assert_eq!(at_once.slot(place as usize), slot);
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
