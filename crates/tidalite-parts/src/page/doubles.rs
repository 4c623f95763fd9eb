//! A column of doubles: each page in the encoding that takes the least space.
//!
//! - BYTE_STREAM_SPLIT suits values that hardly repeat: equal exponents and zero mantissa bytes are next to each other.
//! - RLE_DICTIONARY suits values that repeat: rounded decimals, counts, levels, constants.
//! - PLAIN suits sequences of values that repeat, which zstd finds in whole values only.
//!
//! Every reader knows all three, and a page of any of them may follow a page of another. All are tried on pages whose values
//! repeat, as a sample of the page or of the column tells; on some rows first, and on the whole page in what is smaller there.
//! Where the values of a sample hardly repeat, the page is split
//! without a trial: neither of the others can be smaller. Among equal sizes the order is split, plain, dictionary.

use super::value_dictionary::ValueDictionary;
use super::write::{ChunkPages, StoredBody, Zstd};
use super::{hybrid, split};
use crate::options::ValueEncoding;
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;
use tidalite_model::Result;

/// Rows of the sample of a page.
const PAGE_SAMPLE: usize = 512;
/// Rows of the sample of all pages whose values do not repeat within the page.
const COLUMN_SAMPLE: usize = 4_096;
/// Rows that are encoded in each way to choose one for a page of at least twice as many.
const TRIAL_ROWS: usize = 1_024;
/// The share of entries that may be in a dictionary in vain.
const UNUSED_SHARE: usize = 16;
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
    let mut trial = PageTrial { encoding, dictionary: ValueDictionary::default(), body: Vec::new(), zstd };
    let (mut bits, mut pages) = (Vec::new(), Vec::with_capacity(tried.len()));
    for (page, tried) in tried.into_iter().enumerate() {
        of.fill(page, &mut bits);
        pages.push(if tried {
            trial.of(&bits)?
        } else {
            CandidatePage::of(&bits, trial.split(&bits)?, None)
        });
    }
    let entries = trial.dictionary.take_entries();
    let chosen = match encoding {
        ValueEncoding::Dictionary => ChosenDictionary::of_all(&pages, &entries, trial.zstd)?,
        _ => choose(&pages, &entries, trial.zstd)?,
    };
    let mut bodies = Vec::with_capacity(pages.len());
    for (at, page) in pages.into_iter().enumerate() {
        let body = match (page.indexed, &chosen) {
            (Some(indexed), Some(chosen)) if chosen.served[at] => {
                chosen.page(indexed, &mut trial.body, trial.zstd)?
            }
            _ => match page.without_dictionary {
                WithoutDictionary::Stored(body) => body,
                WithoutDictionary::Estimated { is_plain, .. } => {
                    of.fill(at, &mut bits);
                    if is_plain { trial.plain(&bits)? } else { trial.split(&bits)? }
                }
            },
        };
        bodies.push((body, page.rows));
    }
    let mut out = ChunkPages::new(column, trial.zstd);
    if let Some(chosen) = chosen {
        out.push_dictionary(chosen.stored, chosen.used)?;
    }
    bodies.into_iter().try_for_each(|(body, rows)| out.push(body, rows))?;
    Ok(out)
}

/// Encodes pages in several ways.
struct PageTrial<'z> {
    encoding: ValueEncoding,
    dictionary: ValueDictionary,
    body: Vec<u8>,
    zstd: &'z mut Zstd,
}

impl PageTrial<'_> {
    /// A page with what may be the smallest.
    fn of(&mut self, bits: &[u64]) -> Result<CandidatePage> {
        match self.encoding {
            ValueEncoding::Plain => return Ok(CandidatePage::of(bits, self.plain(bits)?, None)),
            ValueEncoding::Dictionary => {
                let (split, indexed) = (self.split(bits)?, self.indexed(bits)?);
                return Ok(CandidatePage::of(bits, split, indexed));
            }
            _ => {}
        }
        if bits.len() < 2 * TRIAL_ROWS {
            let (split, plain) = (self.split(bits)?, self.plain(bits)?);
            let best = if plain.stored_bytes() < split.stored_bytes() { plain } else { split };
            return Ok(CandidatePage::of(bits, best, self.indexed(bits)?));
        }
        let middle = (bits.len() - TRIAL_ROWS) / 2;
        let sample = &bits[middle..middle + TRIAL_ROWS];
        let (split, plain) = (self.split(sample)?.stored_bytes(), self.plain(sample)?.stored_bytes());
        let (least, is_plain) = (split.min(plain), plain < split);
        // A dictionary of its own: entries of pages that take no dictionary would be in that of the column in vain.
        let own = ValueDictionary::with_room(sample.len()).indices(sample);
        let indices = match own {
            Some(indices) => least_indices(&indices, &mut self.body, self.zstd)?.stored_bytes(),
            None => usize::MAX,
        };
        // Indices are so small that the others are not needed; or both are needed, since the sample tells less of a
        // dictionary, which finds the repeats of the whole page; or indices are not.
        if indices < least / 2
            && let Some(indexed) = self.indexed(bits)?
        {
            let bytes = least * (bits.len() / TRIAL_ROWS);
            let without_dictionary = WithoutDictionary::Estimated { bytes, is_plain };
            return Ok(CandidatePage { rows: rows_of(bits), without_dictionary, indexed: Some(indexed) });
        }
        let mut best = if is_plain { self.plain(bits)? } else { self.split(bits)? };
        if split.max(plain) < least * 5 / 4 {
            let other = if is_plain { self.split(bits)? } else { self.plain(bits)? };
            best = if other.stored_bytes() < best.stored_bytes() { other } else { best };
        }
        let indexed = if indices < least * 3 / 2 { self.indexed(bits)? } else { None };
        Ok(CandidatePage::of(bits, best, indexed))
    }

    fn split(&mut self, bits: &[u64]) -> Result<StoredBody> {
        split::encode(bits, &mut self.body);
        self.zstd.streams(&self.body, split::STREAMS, Encoding::BYTE_STREAM_SPLIT)
    }

    fn plain(&mut self, bits: &[u64]) -> Result<StoredBody> {
        self.body.clear();
        self.body.extend(bits.iter().flat_map(|v| v.to_le_bytes()));
        self.zstd.body(&self.body, Encoding::PLAIN)
    }

    /// The page as indices; `None` where the dictionary is full.
    fn indexed(&mut self, bits: &[u64]) -> Result<Option<IndexedPage>> {
        let Some(indices) = self.dictionary.indices(bits) else { return Ok(None) };
        let stored = least_indices(&indices, &mut self.body, self.zstd)?;
        Ok(Some(IndexedPage { indices, stored }))
    }
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
    let mut seen = ValueDictionary::with_room(sample.len());
    let distinct = seen.indices(sample).map_or(sample.len(), |_| seen.entries().len());
    (sample.len() - distinct) * 32 > sample.len()
}

/// A page with its candidates.
struct CandidatePage {
    rows: u32,
    without_dictionary: WithoutDictionary,
    indexed: Option<IndexedPage>,
}

/// The smaller one of split and plain.
enum WithoutDictionary {
    Stored(StoredBody),
    /// About its bytes, where indices are so much smaller that it was not made.
    Estimated {
        bytes: usize,
        is_plain: bool,
    },
}

impl WithoutDictionary {
    fn bytes(&self) -> usize {
        match self {
            WithoutDictionary::Stored(body) => body.stored_bytes(),
            WithoutDictionary::Estimated { bytes, .. } => *bytes,
        }
    }
}

/// A page as indices.
struct IndexedPage {
    indices: Vec<u32>,
    stored: StoredBody,
}

fn rows_of(bits: &[u64]) -> u32 {
    u32::try_from(bits.len()).expect("a page's rows fit 32 bits")
}

impl CandidatePage {
    fn of(bits: &[u64], best: StoredBody, indexed: Option<IndexedPage>) -> CandidatePage {
        CandidatePage { rows: rows_of(bits), without_dictionary: WithoutDictionary::Stored(best), indexed }
    }

    /// The bytes that indices save, without the dictionary.
    fn saved(&self) -> Option<usize> {
        self.without_dictionary.bytes().checked_sub(self.indexed.as_ref()?.stored.stored_bytes())
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
    /// The new number of each entry that is used; `None` where they keep their numbers.
    numbers: Option<Vec<Option<u32>>>,
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
        // A few entries in vain are better than encoding all pages again.
        let unused = present.iter().filter(|present| !**present).count();
        let renumbers = unused > entries.len() / UNUSED_SHARE;
        let (mut used, mut body) = (0, Vec::new());
        let number = |(present, entry): (bool, &u64)| {
            (present || !renumbers).then(|| {
                body.extend_from_slice(&entry.to_le_bytes());
                used += 1;
                used - 1
            })
        };
        let numbers: Vec<Option<u32>> = present.into_iter().zip(entries).map(number).collect();
        let stored = zstd.body(&body, Encoding::PLAIN)?;
        Ok(ChosenDictionary { served, numbers: renumbers.then_some(numbers), used, stored })
    }

    /// A page that it serves.
    fn page(&self, mut page: IndexedPage, body: &mut Vec<u8>, zstd: &mut Zstd) -> Result<StoredBody> {
        let Some(numbers) = &self.numbers else { return Ok(page.stored) };
        for index in &mut page.indices {
            *index = numbers[*index as usize].expect("the page's entries are used");
        }
        least_indices(&page.indices, body, zstd)
    }
}
