//! A column of texts of a tile, as runs of equal texts.

use std::ops::Range;

/// One text column of a tile.
pub(super) struct TextColumn {
    body: Vec<u8>,
    entries: Vec<Range<usize>>,
    indices: Vec<u32>,
    /// The ends of the runs of equal indices, ascending.
    ends: Vec<u32>,
}

impl TextColumn {
    /// The column whose rows have these entries, which are ranges of `body`.
    pub(super) fn of(body: Vec<u8>, entries: Vec<Range<usize>>, rows: Vec<u32>) -> TextColumn {
        let (mut indices, mut ends): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        for (end, index) in (1u32..).zip(rows) {
            match ends.last_mut() {
                Some(last) if indices.last() == Some(&index) => *last = end,
                _ => {
                    indices.push(index);
                    ends.push(end);
                }
            }
        }
        TextColumn { body, entries, indices, ends }
    }

    /// The text of a row, and the end of its run of equal texts.
    pub(super) fn at(&self, row: u32) -> (&[u8], u32) {
        let run = self.ends.partition_point(|&end| end <= row);
        let entry = &self.entries[self.indices[run] as usize];
        (&self.body[entry.clone()], self.ends[run])
    }
}
