//! The entries of a series table in memory: a few bytes a row, and each row read by itself.
//!
//! A table of a large store has millions of rows, and stays in memory while its part is open. In blocks of [`BLOCK_ROWS`] rows,
//! each column is stored as the difference to its least value, with as many bits as the largest difference needs (frame of
//! reference). Within a tile, series ascend and their rows are alike, so most columns take no bits or few.

use super::row::SeriesEntry;

/// Rows of a block.
const BLOCK_ROWS: usize = 256;
/// Numbers of an entry.
const COLUMNS: usize = 10;

/// The entries of a table, in file order.
#[derive(Debug, Default)]
pub(crate) struct PackedEntries {
    blocks: Vec<Block>,
    /// The differences of all blocks, and one word more, so that each is within two words.
    words: Vec<u64>,
    rows: usize,
}

/// Some rows. All but the last block have [`BLOCK_ROWS`].
#[derive(Debug)]
struct Block {
    /// The first bit of the first column.
    start: u64,
    columns: [Column; COLUMNS],
}

#[derive(Debug, Clone, Copy)]
struct Column {
    least: u64,
    /// The first bit, from that of the block.
    start: u32,
    /// Bits of a row.
    width: u32,
}

/// An entry as numbers whose differences are small. Signed ones are shifted, so that they keep their order.
fn numbers(entry: &SeriesEntry) -> [u64; COLUMNS] {
    let [run, metric, labels] = entry.names.map(u64::from);
    let first = ordered(entry.first_step);
    // An overflow is undone by that of `entry`.
    let steps = ordered(entry.last_step).wrapping_sub(first);
    let [tile, row_start, rows, automatic] =
        [entry.tile, entry.row_start, entry.rows, entry.automatic].map(u64::from);
    [run, metric, labels, tile, row_start, rows, first, steps, automatic, u64::from(entry.repeats)]
}

fn ordered(n: i64) -> u64 {
    n.cast_unsigned() ^ (1 << 63)
}

fn unordered(n: u64) -> i64 {
    (n ^ (1 << 63)).cast_signed()
}

impl PackedEntries {
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// # Panics
    /// Panics if there is no such row.
    pub(crate) fn get(&self, row: usize) -> SeriesEntry {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let (block, i) = (&self.blocks[row / BLOCK_ROWS], (row % BLOCK_ROWS) as u64);
        let column = |c: usize| self.number(block, c, i);
        let small = |c: usize| u32::try_from(column(c)).expect("it was a u32 when it was packed");
        let first = column(6);
        SeriesEntry {
            names: [small(0), small(1), small(2)],
            tile: small(3),
            row_start: small(4),
            rows: small(5),
            first_step: unordered(first),
            last_step: unordered(first.wrapping_add(column(7))),
            automatic: small(8),
            repeats: column(9) != 0,
        }
    }

    /// The index of a row's run, metric or labels.
    ///
    /// # Panics
    /// Panics if there is no such row.
    pub(crate) fn name(&self, row: usize, name: usize) -> u32 {
        assert!(row < self.rows && name < 3, "name {name} of row {row} of {}", self.rows);
        let number = self.number(&self.blocks[row / BLOCK_ROWS], name, (row % BLOCK_ROWS) as u64);
        u32::try_from(number).expect("it was a u32 when it was packed")
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = SeriesEntry> + ExactSizeIterator + '_ {
        (0..self.rows).map(|row| self.get(row))
    }

    fn number(&self, block: &Block, column: usize, i: u64) -> u64 {
        let Column { least, start, width } = block.columns[column];
        if width == 0 {
            return least;
        }
        let at = block.start + u64::from(start) + i * u64::from(width);
        let (word, bit) = (usize::try_from(at / 64).expect("an index of a word in memory"), at % 64);
        let two = u128::from(self.words[word]) | u128::from(self.words[word + 1]) << 64;
        let mask = u64::MAX >> (64 - width);
        // The lower half holds all of the number.
        least.wrapping_add((two >> bit) as u64 & mask)
    }

    fn push_block(&mut self, bits: &mut u64, entries: &[SeriesEntry]) {
        let all: Vec<[u64; COLUMNS]> = entries.iter().map(numbers).collect();
        let mut at = 0;
        let start = *bits;
        let columns = std::array::from_fn(|c| {
            let least = all.iter().map(|row| row[c]).min().unwrap_or(0);
            let most = all.iter().map(|row| row[c]).max().unwrap_or(0);
            let width = u64::BITS - (most - least).leading_zeros();
            let column = Column { least, start: at, width };
            at += width * u32::try_from(entries.len()).expect("rows of a block");
            for row in &all {
                self.push_bits(*bits, row[c] - least, width);
                *bits += u64::from(width);
            }
            column
        });
        self.blocks.push(Block { start, columns });
        self.rows += entries.len();
    }

    fn push_bits(&mut self, at: u64, number: u64, width: u32) {
        if width == 0 {
            return;
        }
        let (word, bit) = (usize::try_from(at / 64).expect("an index of a word in memory"), at % 64);
        if self.words.len() < word + 2 {
            self.words.resize(word + 2, 0);
        }
        let two = u128::from(number) << bit;
        self.words[word] |= two as u64;
        self.words[word + 1] |= (two >> 64) as u64;
    }
}

/// Packs entries one after the other.
#[derive(Debug, Default)]
pub(crate) struct EntryPacker {
    packed: PackedEntries,
    /// Those of the last block, as long as it is not full.
    last: Vec<SeriesEntry>,
    /// Bits of the blocks before.
    bits: u64,
}

impl EntryPacker {
    pub(crate) fn push(&mut self, entry: SeriesEntry) {
        self.last.push(entry);
        if self.last.len() == BLOCK_ROWS {
            self.end_block();
        }
    }

    pub(crate) fn finish(mut self) -> PackedEntries {
        if !self.last.is_empty() {
            self.end_block();
        }
        self.packed.words.shrink_to_fit();
        self.packed.blocks.shrink_to_fit();
        self.packed
    }

    fn end_block(&mut self) {
        self.packed.push_block(&mut self.bits, &self.last);
        self.last.clear();
    }
}

impl FromIterator<SeriesEntry> for PackedEntries {
    fn from_iter<I: IntoIterator<Item = SeriesEntry>>(entries: I) -> PackedEntries {
        let mut packer = EntryPacker::default();
        entries.into_iter().for_each(|entry| packer.push(entry));
        packer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// Entries of extreme and of ordinary numbers, drawn from a seed (xorshift).
    fn drawn(seed: u64, count: usize) -> Vec<SeriesEntry> {
        let mut state = seed;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut small = move || match next() % 4 {
            0 => u32::MAX,
            1 => 0,
            2 => (next() % 9) as u32,
            _ => next() as u32,
        };
        let mut step = move || match next() % 4 {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => (next() % 9) as i64 - 4,
            _ => next().cast_signed(),
        };
        let mut entry = || SeriesEntry {
            names: [small(), small(), small()],
            tile: small(),
            row_start: small(),
            rows: small(),
            first_step: step(),
            last_step: step(),
            automatic: small(),
            repeats: small() % 2 == 0,
        };
        (0..count).map(|_| entry()).collect()
    }

    #[test]
    fn every_entry_comes_back_as_it_was() {
        for (seed, count) in (1u64..).zip([0, 1, 2, 63, 64, 255, 256, 257, 512, 700]) {
            let entries = drawn(seed * 0x9e37_79b9, count);
            let packed: PackedEntries = entries.iter().copied().collect();
            assert_eq!(packed.len(), entries.len());
            assert_eq!(packed.iter().collect::<Vec<_>>(), entries);
            for (row, entry) in entries.iter().enumerate().rev() {
                assert_eq!(packed.get(row), *entry);
                assert_eq!([0, 1, 2].map(|name| packed.name(row, name)), entry.names);
            }
        }
    }

    #[test]
    fn rows_of_many_alike_series_take_few_bytes() {
        let entry = |i: u32| SeriesEntry {
            names: [i / 90_000, i % 3000, (i / 3000) % 32],
            tile: i / 500,
            row_start: i % 500 * 2048,
            rows: 2048,
            first_step: i64::from(i / 90_000) * 2048,
            last_step: i64::from(i / 90_000) * 2048 + 2047,
            automatic: 0,
            repeats: false,
        };
        let packed: PackedEntries = (0..1_000_000).map(entry).collect();
        let bytes = packed.words.len() * 8 + packed.blocks.len() * size_of::<Block>();
        assert!(bytes < 6 * packed.len(), "{} bytes a row", bytes / packed.len());
        assert!((0..1_000_000).step_by(997).all(|i| packed.get(i as usize) == entry(i)));
    }

    #[test]
    #[should_panic(expected = "row 3 of 3")]
    fn a_row_beyond_the_end_is_refused() {
        let entry = SeriesEntry {
            names: [0; 3],
            tile: 0,
            row_start: 0,
            rows: 1,
            first_step: 0,
            last_step: 0,
            automatic: 0,
            repeats: false,
        };
        std::iter::repeat_n(entry, 3).collect::<PackedEntries>().get(3);
    }
}
