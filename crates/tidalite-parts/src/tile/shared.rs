//! The columns time and written where their numbers repeat: a dictionary, and large pages of indices.
//!
//! Metrics that are logged together share these numbers, so a tile has few distinct ones. The indices of each series begin
//! at a whole byte. So equal numbers give equal bytes, which zstd stores once.

use crate::chunk::SeriesChunk;
use crate::page::delta::{pack, varint};
use crate::page::write::{ChunkPages, Zstd};
use crate::schema::{PointColumn, SHARED_DICTIONARY_MAX};
use parquet::basic::Encoding;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use tidalite_model::Result;

/// Rows of a page, about; it ends at the end of a series. Pages are large because zstd finds repeats only within a page.
const PAGE_ROWS: usize = 1 << 17;
/// Fewest indices per packed run. Shorter series share a run.
const RUN_MIN: usize = 64;
/// Fewest rows per dictionary entry. Below it, a dictionary costs more than differences.
const REPEATS_MIN: usize = 3;
/// Why a number of an entry fits 32 bits.
const TOO_MANY: &str = "a dictionary has at most 2^17 entries";

/// The numbers of a chunk in one column.
pub(super) type Integers = for<'c> fn(&SeriesChunk<'c>) -> &'c [i64];

/// The distinct numbers of a tile's column in order of appearance, and the index of each row's.
pub(super) struct SharedNumbers {
    entries: Vec<i64>,
    indices: Vec<u32>,
}

/// Encodes the column of `numbers`.
pub(super) fn encode<'z>(
    column: PointColumn,
    chunks: &[SeriesChunk<'_>],
    numbers: &SharedNumbers,
    zstd: &'z mut Zstd,
) -> Result<ChunkPages<'z>> {
    let SharedNumbers { entries, indices } = numbers;
    let mut pages = ChunkPages::new(column.descriptor(), zstd);
    let plain: Vec<u8> = entries.iter().flat_map(|n| n.to_le_bytes()).collect();
    let count = u32::try_from(entries.len()).expect(TOO_MANY);
    pages.dictionary_page(&plain, count)?;
    let width = (32 - (count - 1).leading_zeros()).max(1);
    let mut page = IndexPage::new(width);
    let mut rest = indices.as_slice();
    for chunk in chunks {
        let (mut of_chunk, others) = rest.split_at(chunk.steps.len());
        rest = others;
        while !of_chunk.is_empty() {
            let (now, later) = of_chunk.split_at(of_chunk.len().min(PAGE_ROWS - page.rows));
            page.add(now);
            of_chunk = later;
            if page.rows >= PAGE_ROWS {
                page.write_to(&mut pages)?;
            }
        }
        // Ending the page a little early keeps the next series whole.
        if page.rows + chunk.steps.len() / 2 >= PAGE_ROWS {
            page.write_to(&mut pages)?;
        }
    }
    page.write_to(&mut pages)?;
    Ok(pages)
}

/// Finds the shared numbers of a column; `None` where a dictionary does not pay off and the caller should write
/// differences.
pub(super) fn find(chunks: &[SeriesChunk<'_>], of: Integers) -> Option<SharedNumbers> {
    let rows: usize = chunks.iter().map(|c| of(c).len()).sum();
    let entries_max = SHARED_DICTIONARY_MAX.min(rows / REPEATS_MIN);
    let mut entries: Vec<i64> = Vec::new();
    let mut indices: Vec<u32> = Vec::with_capacity(rows);
    let mut numbers: HashMap<i64, u32, BuildHasherDefault<IntegerHasher>> = HashMap::default();
    let mut before: &[i64] = &[];
    for chunk in chunks {
        let held = of(chunk);
        if held == before {
            indices.extend_from_within(indices.len() - before.len()..);
            continue;
        }
        before = held;
        // The most likely number is the entry after the previous one, since series of a run share sequences of numbers.
        let mut guess = 0;
        for &given in held {
            if entries.get(guess) != Some(&given) {
                let next = u32::try_from(entries.len()).expect(TOO_MANY);
                let number = *numbers.entry(given).or_insert(next);
                if number == next {
                    if entries.len() == entries_max {
                        return None;
                    }
                    entries.push(given);
                }
                guess = number as usize;
            }
            indices.push(u32::try_from(guess).expect(TOO_MANY));
            guess += 1;
        }
    }
    Some(SharedNumbers { entries, indices })
}

/// A data page being built, as hybrid runs of indices.
struct IndexPage {
    width: u32,
    rows: usize,
    waiting: Vec<u64>,
    body: Vec<u8>,
}

impl IndexPage {
    fn new(width: u32) -> Self {
        IndexPage { width, rows: 0, waiting: Vec::new(), body: vec![width.to_le_bytes()[0]] }
    }

    /// Adds the indices of one series.
    fn add(&mut self, indices: &[u32]) {
        self.waiting.extend(indices.iter().map(|&i| u64::from(i)));
        self.rows += indices.len();
        if self.waiting.len() >= RUN_MIN {
            self.pack_waiting();
        }
    }

    /// Packs the waiting indices: whole groups of eight as one packed run, the rest as runs of one. So the next series begins
    /// at a whole byte.
    fn pack_waiting(&mut self) {
        let (eights, rest) = self.waiting.split_at(self.waiting.len() / 8 * 8);
        if !eights.is_empty() {
            varint((eights.len() as u64 / 8) << 1 | 1, &mut self.body);
            pack(eights, self.width, &mut self.body);
        }
        for index in rest {
            varint(1 << 1, &mut self.body);
            self.body.extend_from_slice(&index.to_le_bytes()[..self.width.div_ceil(8) as usize]);
        }
        self.waiting.clear();
    }

    fn write_to(&mut self, pages: &mut ChunkPages<'_>) -> Result<()> {
        self.pack_waiting();
        if self.rows > 0 {
            let rows = u32::try_from(self.rows).expect("a tile's rows fit 32 bits");
            pages.data_page(&self.body, rows, Encoding::RLE_DICTIONARY)?;
        }
        self.rows = 0;
        self.body.truncate(1);
        Ok(())
    }
}

/// Fibonacci hashing of one number. Collisions chosen by an attacker are harmless, since the dictionary is small.
#[derive(Default)]
struct IntegerHasher(u64);

impl Hasher for IntegerHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_i64(&mut self, number: i64) {
        let product = number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The hash table uses the low bits, which a product mixes least.
        self.0 = product ^ (product >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
