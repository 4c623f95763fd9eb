//! The column time: differences, or a dictionary and large pages of indices, whichever is smaller.
//!
//! Metrics that are logged together share their times, so a tile has few distinct times. The indices of each series begin at
//! a whole byte. So equal times give equal bytes, which zstd stores once.

use super::differences::integer_column;
use super::number_hash::NumberHash;
use super::plan::PageSlices;
use crate::chunk::SeriesChunk;
use crate::page::delta::{pack, varint};
use crate::page::hybrid;
use crate::page::write::{ChunkPages, Zstd};
use crate::schema::{PointColumn, TIME_DICTIONARY_MAX};
use parquet::basic::Encoding;
use std::collections::HashMap;
use tidalite_model::Result;

/// Pages that are encoded to estimate what differences take.
const SAMPLED_PAGES: usize = 2;
/// Rows per byte of differences from which the clock counts as regular.
const REGULAR_ROWS: u64 = 64;
/// Rows of a page of indices, about; it ends at the end of a series. Pages are large because zstd finds repeats only
/// within a page.
const PAGE_ROWS: usize = 1 << 17;
/// Fewest indices per packed run. Shorter series share a run.
const RUN_MIN: usize = 64;
/// Fewest rows per dictionary entry. Below it, differences are smaller.
const REPEATS_MIN: usize = 3;

/// Encodes the column with a dictionary, or as differences with the planned page boundaries, whichever is smaller.
///
/// A regular clock takes a few bits as differences, but eight bytes an entry in a dictionary, which is PLAIN. Where times
/// jitter, differences of each series take more than one dictionary that all series share.
pub(super) fn encode<'z>(
    chunks: &[SeriesChunk<'_>],
    plan: &[PageSlices],
    zstd: &'z mut Zstd,
) -> Result<ChunkPages<'z>> {
    let rows: usize = chunks.iter().map(|c| c.times_us.len()).sum();
    let column = PointColumn::Time.descriptor();
    let differences = bytes_of_differences(chunks, plan, zstd)?;
    // So small where the clock is regular: a dictionary cannot be smaller.
    if differences > rows as u64 / REGULAR_ROWS
        && let Some((entries, indices)) = index(chunks, TIME_DICTIONARY_MAX.min(rows / REPEATS_MIN))
    {
        let pages = with_dictionary(chunks, &entries, &indices, ChunkPages::new(column, zstd))?;
        if (pages.bytes() as u64) <= differences {
            return Ok(pages);
        }
        return with_differences(chunks, plan, pages.into_zstd());
    }
    with_differences(chunks, plan, zstd)
}

/// Pages of differences.
fn with_differences<'z>(
    chunks: &[SeriesChunk<'_>],
    plan: &[PageSlices],
    zstd: &'z mut Zstd,
) -> Result<ChunkPages<'z>> {
    integer_column(PointColumn::Time, chunks, |c| c.times_us, plan, zstd)
}

/// About the bytes that the column takes as differences, from a sample of the pages.
fn bytes_of_differences(chunks: &[SeriesChunk<'_>], plan: &[PageSlices], zstd: &mut Zstd) -> Result<u64> {
    let sample: Vec<PageSlices> = plan.iter().copied().step_by(plan.len().div_ceil(SAMPLED_PAGES)).collect();
    let pages = integer_column(PointColumn::Time, chunks, |c| c.times_us, &sample, zstd)?;
    Ok(pages.bytes() as u64 * plan.len() as u64 / sample.len() as u64)
}

/// A dictionary, and pages of indices.
fn with_dictionary<'z>(
    chunks: &[SeriesChunk<'_>],
    entries: &[i64],
    indices: &[u32],
    mut pages: ChunkPages<'z>,
) -> Result<ChunkPages<'z>> {
    let plain: Vec<u8> = entries.iter().flat_map(|t| t.to_le_bytes()).collect();
    let count = u32::try_from(entries.len()).expect("a dictionary of times has at most 2^17 entries");
    pages.dictionary_page(&plain, count)?;
    let mut page = IndexPage::new(hybrid::width_of(count));
    let mut rest = indices;
    for chunk in chunks {
        let (mut of_chunk, others) = rest.split_at(chunk.times_us.len());
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
        if page.rows + chunk.times_us.len() / 2 >= PAGE_ROWS {
            page.write_to(&mut pages)?;
        }
    }
    page.write_to(&mut pages)?;
    Ok(pages)
}

/// The distinct times in order of appearance, and the index of each row's time; `None` beyond `entries_max` times.
fn index(chunks: &[SeriesChunk<'_>], entries_max: usize) -> Option<(Vec<i64>, Vec<u32>)> {
    let rows: usize = chunks.iter().map(|c| c.times_us.len()).sum();
    let mut entries: Vec<i64> = Vec::new();
    let mut indices: Vec<u32> = Vec::with_capacity(rows);
    let mut numbers: HashMap<i64, u32, NumberHash> = HashMap::default();
    let mut before: &[i64] = &[];
    for chunk in chunks {
        if chunk.times_us == before {
            indices.extend_from_within(indices.len() - before.len()..);
            continue;
        }
        before = chunk.times_us;
        // The most likely time is the entry after the previous one, since series of a run share sequences of times.
        let mut guess = 0;
        for &time in chunk.times_us {
            if entries.get(guess) != Some(&time) {
                let next =
                    u32::try_from(entries.len()).expect("a dictionary of times has at most 2^17 entries");
                let number = *numbers.entry(time).or_insert(next);
                if number == next {
                    if entries.len() == entries_max {
                        return None;
                    }
                    entries.push(time);
                }
                guess = number as usize;
            }
            indices.push(u32::try_from(guess).expect("a dictionary of times has at most 2^17 entries"));
            guess += 1;
        }
    }
    Some((entries, indices))
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
