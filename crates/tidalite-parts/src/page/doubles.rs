//! A column of doubles: each page in the encoding that takes the least space.
//!
//! - BYTE_STREAM_SPLIT suits values that hardly repeat: equal exponents and zero mantissa bytes are next to each other.
//! - RLE_DICTIONARY suits values that repeat: rounded decimals, counts, levels, constants.
//! - PLAIN suits sequences of values that repeat, which zstd finds in whole values only.
//!
//! Every reader knows all three, and a page of any of them may follow a page of another. All are tried on pages whose values
//! repeat, as a sample of the page or of the column tells. Where the values of a sample hardly repeat, the page is split
//! without a trial: neither of the others can be smaller. Among equal sizes the order is split, plain, dictionary.

use super::number_hash::NumberHash;
use super::write::{ChunkPages, StoredBody, Zstd};
use super::{hybrid, split};
use crate::options::ValueEncoding;
use crate::schema::VALUE_DICTIONARY_MAX;
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;
use std::collections::{HashMap, HashSet};
use tidalite_model::Result;

/// Rows of the sample of a page.
const PAGE_SAMPLE: usize = 512;
/// Rows of the sample of all pages whose values do not repeat within the page.
const COLUMN_SAMPLE: usize = 4_096;
/// About what an entry of a dictionary takes, to choose which pages a dictionary should serve.
const ENTRY_BYTES: usize = 6;

/// The values of a column, page by page.
pub(crate) trait DoublePages {
    /// The number of pages.
    fn count(&self) -> usize;
    /// Replaces `bits` with the bits of the values of a page.
    fn fill(&self, page: usize, bits: &mut Vec<u64>);
}

/// Encodes the pages of a column.
pub(crate) fn encode<'z>(
    column: ColumnDescPtr,
    of: &dyn DoublePages,
    encoding: ValueEncoding,
    zstd: &'z mut Zstd,
) -> Result<ChunkPages<'z>> {
    let tried = match encoding {
        ValueEncoding::Least => pages_to_try(of),
        ValueEncoding::Split => vec![false; of.count()],
        ValueEncoding::Plain | ValueEncoding::Dictionary => vec![true; of.count()],
    };
    let mut dictionary = ValueDictionary::default();
    let (mut bits, mut body) = (Vec::new(), Vec::new());
    let mut pages = Vec::with_capacity(tried.len());
    for (page, tried) in tried.into_iter().enumerate() {
        of.fill(page, &mut bits);
        split::encode(&bits, &mut body);
        let mut best = zstd.streams(&body, split::STREAMS, Encoding::BYTE_STREAM_SPLIT)?;
        let mut indexed = None;
        if tried {
            body.clear();
            body.extend(bits.iter().flat_map(|v| v.to_le_bytes()));
            let plain = zstd.body(&body, Encoding::PLAIN)?;
            let forced = encoding == ValueEncoding::Plain;
            if forced || (plain.stored_bytes() < best.stored_bytes() && encoding == ValueEncoding::Least) {
                best = plain;
            }
            if !forced && let Some(indices) = dictionary.indices(&bits) {
                let stored = least_indices(&indices, &mut body, zstd)?;
                indexed = Some(IndexedPage { indices, stored });
            }
        }
        let rows = u32::try_from(bits.len()).expect("a page's rows fit 32 bits");
        pages.push(CandidatePage { rows, best, indexed });
    }
    let chosen = match encoding {
        ValueEncoding::Dictionary => ChosenDictionary::of_all(&pages, &dictionary.entries, zstd)?,
        _ => choose(&pages, &dictionary.entries, zstd)?,
    };
    let mut out = ChunkPages::new(column, zstd);
    match chosen {
        Some(chosen) => chosen.write(pages, &dictionary.entries, &mut out)?,
        None => pages.into_iter().try_for_each(|page| out.push(page.best, page.rows))?,
    }
    Ok(out)
}

/// Whether the encodings of repeated values are tried, for each page.
fn pages_to_try(of: &dyn DoublePages) -> Vec<bool> {
    let mut tried = Vec::with_capacity(of.count());
    let (mut bits, mut others) = (Vec::new(), Vec::new());
    let of_page = COLUMN_SAMPLE.div_ceil(of.count().max(1));
    for page in 0..of.count() {
        of.fill(page, &mut bits);
        let sample: Vec<u64> = strided(&bits, PAGE_SAMPLE).collect();
        let repeats = repeats(&sample);
        if !repeats {
            others.extend(strided(&bits, of_page));
        }
        tried.push(repeats);
    }
    if repeats(&others) {
        tried.fill(true);
    }
    tried
}

/// At most about `count` of the values, evenly.
fn strided(values: &[u64], count: usize) -> impl Iterator<Item = u64> {
    values.iter().copied().step_by(values.len().div_ceil(count).max(1))
}

/// Whether values of a sample repeat: at least one in 32 occurs before. Of noise hardly one does.
fn repeats(sample: &[u64]) -> bool {
    let mut seen: HashSet<u64, NumberHash> = HashSet::default();
    seen.extend(sample);
    (sample.len() - seen.len()) * 32 > sample.len()
}

/// A page with its candidates.
struct CandidatePage {
    rows: u32,
    /// The smaller one of split and plain.
    best: StoredBody,
    indexed: Option<IndexedPage>,
}

/// A page as indices.
struct IndexedPage {
    indices: Vec<u32>,
    stored: StoredBody,
}

impl CandidatePage {
    /// The bytes that indices save, without the dictionary.
    fn saved(&self) -> Option<usize> {
        self.best.stored_bytes().checked_sub(self.indexed.as_ref()?.stored.stored_bytes())
    }
}

/// The entries of a dictionary in order of appearance.
#[derive(Default)]
struct ValueDictionary {
    entries: Vec<u64>,
    numbers: HashMap<u64, u32, NumberHash>,
}

impl ValueDictionary {
    /// The index of each value, which may become a new entry; `None` where the dictionary is full.
    fn indices(&mut self, values: &[u64]) -> Option<Vec<u32>> {
        let mut indices: Vec<u32> = Vec::with_capacity(values.len());
        let mut last = None;
        for &value in values {
            let index = match last {
                Some((before, index)) if before == value => index,
                _ => {
                    let next = u32::try_from(self.entries.len()).expect("the dictionary is bounded");
                    let index = *self.numbers.entry(value).or_insert(next);
                    if index == next {
                        if self.entries.len() == VALUE_DICTIONARY_MAX {
                            self.numbers.remove(&value);
                            return None;
                        }
                        self.entries.push(value);
                    }
                    index
                }
            };
            last = Some((value, index));
            indices.push(index);
        }
        Some(indices)
    }
}

/// The smallest body with these indices. Whole bytes take more bits, but zstd codes frequent bytes in fewer.
fn least_indices(indices: &[u32], body: &mut Vec<u8>, zstd: &mut Zstd) -> Result<StoredBody> {
    let width = hybrid::width_of(indices.iter().max().map_or(0, |&most| most + 1));
    let mut store = |width| {
        hybrid::encode(indices, width, body);
        zstd.body(body, Encoding::RLE_DICTIONARY)
    };
    let whole = store(width.next_multiple_of(8))?;
    if width.is_multiple_of(8) {
        return Ok(whole);
    }
    let packed = store(width)?;
    Ok(if packed.stored_bytes() < whole.stored_bytes() { packed } else { whole })
}

/// The pages that a dictionary serves, and the dictionary.
struct ChosenDictionary {
    served: Vec<bool>,
    /// The new number of each entry that is used.
    numbers: Vec<Option<u32>>,
    used: u32,
    stored: StoredBody,
}

/// Chooses between no dictionary, one for the pages that each repay their own entries, and one for all pages whose indices are
/// smaller.
fn choose(pages: &[CandidatePage], entries: &[u64], zstd: &mut Zstd) -> Result<Option<ChosenDictionary>> {
    let mut best: Option<(usize, ChosenDictionary)> = None;
    let all: Vec<bool> = pages.iter().map(|page| page.saved().is_some_and(|saved| saved > 0)).collect();
    let own = repaying(pages, entries.len());
    for served in if own == all { vec![all] } else { vec![all, own] } {
        let saved: usize =
            pages.iter().zip(&served).filter(|(_, served)| **served).filter_map(|(p, _)| p.saved()).sum();
        if saved == 0 {
            continue;
        }
        let dictionary = ChosenDictionary::of(served, pages, entries, zstd)?;
        let gain = saved.saturating_sub(dictionary.stored.stored_bytes());
        if gain > best.as_ref().map_or(0, |(gain, _)| *gain) {
            best = Some((gain, dictionary));
        }
    }
    Ok(best.map(|(_, dictionary)| dictionary))
}

/// The pages that save more than the entries take which no earlier such page has.
fn repaying(pages: &[CandidatePage], entries: usize) -> Vec<bool> {
    let mut present = vec![false; entries];
    let mut added = Vec::new();
    let repays = |page: &CandidatePage| {
        let (Some(saved), Some(indexed)) = (page.saved(), &page.indexed) else { return false };
        added.clear();
        for &index in &indexed.indices {
            if !std::mem::replace(&mut present[index as usize], true) {
                added.push(index);
            }
        }
        let repays = saved > added.len() * ENTRY_BYTES;
        if !repays {
            added.iter().for_each(|&index| present[index as usize] = false);
        }
        repays
    };
    pages.iter().map(repays).collect()
}

impl ChosenDictionary {
    /// Serves each page that has indices.
    fn of_all(pages: &[CandidatePage], entries: &[u64], zstd: &mut Zstd) -> Result<Option<ChosenDictionary>> {
        let served: Vec<bool> = pages.iter().map(|page| page.indexed.is_some()).collect();
        if !served.contains(&true) {
            return Ok(None);
        }
        Self::of(served, pages, entries, zstd).map(Some)
    }

    fn of(
        served: Vec<bool>,
        pages: &[CandidatePage],
        entries: &[u64],
        zstd: &mut Zstd,
    ) -> Result<ChosenDictionary> {
        let mut present = vec![false; entries.len()];
        for (page, _) in pages.iter().zip(&served).filter(|(_, served)| **served) {
            page.indexed.iter().flat_map(|p| &p.indices).for_each(|&index| present[index as usize] = true);
        }
        let (mut used, mut body) = (0, Vec::new());
        let number = |(present, entry): (bool, &u64)| {
            present.then(|| {
                body.extend_from_slice(&entry.to_le_bytes());
                used += 1;
                used - 1
            })
        };
        let numbers = present.into_iter().zip(entries).map(number).collect();
        let stored = zstd.body(&body, Encoding::PLAIN)?;
        Ok(ChosenDictionary { served, numbers, used, stored })
    }

    fn write(self, pages: Vec<CandidatePage>, entries: &[u64], out: &mut ChunkPages<'_>) -> Result<()> {
        out.push_dictionary(self.stored, self.used)?;
        let all_used = self.used as usize == entries.len();
        let mut body = Vec::new();
        for (page, served) in pages.into_iter().zip(self.served) {
            let stored = match page.indexed.filter(|_| served) {
                None => page.best,
                Some(indexed) if all_used => indexed.stored,
                Some(IndexedPage { mut indices, .. }) => {
                    for index in &mut indices {
                        *index = self.numbers[*index as usize].expect("the page's entries are used");
                    }
                    least_indices(&indices, &mut body, out.zstd())?
                }
            };
            out.push(stored, page.rows)?;
        }
        Ok(())
    }
}
