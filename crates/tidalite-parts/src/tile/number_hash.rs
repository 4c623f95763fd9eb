//! A fast hash of one 64-bit number, for the dictionary of times.
//!
//! It is multiplicative hashing (D. E. Knuth, "The Art of Computer Programming", vol. 3, section 6.4) with an odd
//! multiplier that is chosen anew for each table, so nobody can prepare numbers that collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers with one multiplier.
#[derive(Debug, Clone)]
pub(super) struct NumberHash {
    multiplier: u64,
}

impl Default for NumberHash {
    fn default() -> Self {
        NumberHash { multiplier: RandomState::new().hash_one(0) | 1 }
    }
}

impl BuildHasher for NumberHash {
    type Hasher = NumberHasher;

    fn build_hasher(&self) -> NumberHasher {
        NumberHasher { multiplier: self.multiplier, hash: 0 }
    }
}

/// The hash of one number.
pub(super) struct NumberHasher {
    multiplier: u64,
    hash: u64,
}

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(self.multiplier);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The high bits of a product depend on all bits of the number. The hash table uses the low bits first.
        self.hash = number.wrapping_mul(self.multiplier).swap_bytes();
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}
