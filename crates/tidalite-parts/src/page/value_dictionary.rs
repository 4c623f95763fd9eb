//! The distinct values of a column, and the number of each: an open-addressing hash table with linear probing.
//!
//! Each value of a column that repeats is looked up once while it is encoded, so the table is made for that: slots are
//! numbers of entries, half of them are empty, and nothing is removed. The hash is multiplicative (D. E. Knuth, "The Art
//! of Computer Programming", vol. 3, section 6.4), with an odd multiplier that is chosen anew for each table, so nobody
//! can prepare values that collide.

use crate::schema::VALUE_DICTIONARY_MAX;
use std::hash::{BuildHasher, RandomState};

/// A slot without an entry.
const EMPTY: u32 = u32::MAX;
/// Fewest slots.
const SLOTS_MIN: usize = 1 << 10;

/// The entries of a dictionary in order of appearance.
pub(super) struct ValueDictionary {
    entries: Vec<u64>,
    /// The number of the entry in each slot; a power of two.
    slots: Vec<u32>,
    multiplier: u64,
}

impl Default for ValueDictionary {
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl ValueDictionary {
    /// An empty dictionary with room for so many entries. It grows beyond them.
    pub(super) fn with_room(entries: usize) -> Self {
        let slots = (2 * entries).next_power_of_two().max(SLOTS_MIN);
        let multiplier = RandomState::new().hash_one(0) | 1;
        ValueDictionary { entries: Vec::new(), slots: vec![EMPTY; slots], multiplier }
    }

    pub(super) fn entries(&self) -> &[u64] {
        &self.entries
    }

    /// Takes the entries out of the dictionary, which is empty then.
    pub(super) fn take_entries(&mut self) -> Vec<u64> {
        self.slots.fill(EMPTY);
        std::mem::take(&mut self.entries)
    }

    /// The index of each value, which may become a new entry; `None` where the dictionary is full.
    pub(super) fn indices(&mut self, values: &[u64]) -> Option<Vec<u32>> {
        let mut indices = Vec::with_capacity(values.len());
        let mut last = None;
        for &value in values {
            let index = match last {
                Some((before, index)) if before == value => index,
                _ => self.index(value)?,
            };
            last = Some((value, index));
            indices.push(index);
        }
        Some(indices)
    }

    fn index(&mut self, value: u64) -> Option<u32> {
        let mut at = self.first_slot(value);
        loop {
            match self.slots[at] {
                EMPTY => break,
                index if self.entries[index as usize] == value => return Some(index),
                _ => at = (at + 1) & (self.slots.len() - 1),
            }
        }
        if self.entries.len() == VALUE_DICTIONARY_MAX {
            return None;
        }
        let index = u32::try_from(self.entries.len()).expect("the dictionary is bounded");
        self.slots[at] = index;
        self.entries.push(value);
        if 2 * self.entries.len() > self.slots.len() {
            self.grow();
        }
        Some(index)
    }

    /// Where a value is looked for first: the highest bits of the product, which depend on all bits of the value.
    fn first_slot(&self, value: u64) -> usize {
        let product = value.wrapping_mul(self.multiplier);
        (product >> (u64::BITS - self.slots.len().trailing_zeros())) as usize
    }

    fn grow(&mut self) {
        self.slots = vec![EMPTY; 4 * self.slots.len()];
        for (index, &value) in (0u32..).zip(&self.entries) {
            let mut at = self.first_slot(value);
            while self.slots[at] != EMPTY {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = index;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_number_in_order_of_appearance() {
        let mut dictionary = ValueDictionary::default();
        // Doubles of whole numbers differ in their high bits only.
        let values: Vec<u64> = (0..20_000u64).map(|i| (i * 7919 % 5_000) as f64).map(f64::to_bits).collect();
        let indices = dictionary.indices(&values).unwrap();
        assert_eq!(dictionary.entries().len(), 5_000);
        assert!(indices.iter().zip(&values).all(|(&i, &value)| dictionary.entries()[i as usize] == value));
        let first = |index: u32| indices.iter().position(|&i| i == index).unwrap();
        assert!((1..100).all(|index| first(index - 1) < first(index)));
        assert_eq!(dictionary.take_entries().len(), 5_000);
        assert_eq!(dictionary.indices(&[3, 3, 4]), Some(vec![0, 0, 1]));
    }

    #[test]
    fn a_full_dictionary_has_no_number_for_a_new_value() {
        let mut dictionary = ValueDictionary::default();
        let most = VALUE_DICTIONARY_MAX as u64;
        assert!(dictionary.indices(&(0..most).collect::<Vec<_>>()).is_some());
        assert_eq!(dictionary.indices(&[most]), None);
        assert_eq!(dictionary.indices(&[most - 1]), Some(vec![most as u32 - 1]));
    }
}
