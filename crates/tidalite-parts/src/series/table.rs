//! The series table of an open part: its series, their rows in each tile, and their summaries.
//!
//! The table has a file of its own, so that summaries and the choice of what to read need no page of the points file. A
//! table may have millions of rows, and a query mostly needs few of them. The series, rows and steps of each entry are kept
//! in memory. The rest is decoded one row group at a time, and the groups used last are kept in the cache of the store.

use super::packed::PackedEntries;
use super::read::{DetailsSource, SeriesBlock, SeriesFile, SeriesHeads};
use super::row::{Details, SeriesEntry, SeriesRow};
use super::write::encode_series;
use crate::fetched::Fetched;
use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_model::{Error, Labels, Result, SeriesKey, Summary, SummaryFacts};

/// All series of a part, in file order: by tile, and within a tile ascending by key.
#[derive(Debug)]
pub struct SeriesTable {
    entries: PackedEntries,
    runs: Vec<Arc<str>>,
    metrics: Vec<Arc<str>>,
    labels: Vec<Labels>,
    details: Box<dyn DetailsSource>,
    /// Added to write orders; see [`PartMeta::seq_base`](crate::PartMeta::seq_base).
    seq_base: i64,
    /// Where decoded groups are kept, if there is a cache.
    cache: Option<Box<dyn BlockCache>>,
    /// Without a cache, the groups decoded last, with their numbers; the most recently used one last.
    kept: Mutex<Vec<(usize, Arc<SeriesBlock>)>>,
}

/// A cache of the decoded groups of one table. It may drop them at any time.
pub(crate) trait BlockCache: Debug + Send + Sync {
    fn get(&self, group: usize) -> Option<Arc<SeriesBlock>>;
    fn put(&self, group: usize, block: Arc<SeriesBlock>);
}

/// Decoded groups that a table keeps without a cache: 4,000 rows, 1 MB.
const BLOCKS_KEPT: usize = 2;

impl SeriesTable {
    pub(crate) fn new(
        details: Box<dyn DetailsSource>,
        heads: SeriesHeads,
        path: &Path,
        seq_base: i64,
    ) -> Result<Self> {
        let SeriesHeads { entries, names: [runs, metrics, labels] } = heads;
        let parse = |text: Arc<str>| {
            let labels = Labels::parse(&text).ok().filter(|labels| labels.as_str() == &*text);
            labels.ok_or_else(|| {
                Error::corrupt("read series table", path, 0, "labels are not of the form key=value")
            })
        };
        let labels = labels.into_iter().map(parse).collect::<Result<_>>()?;
        Ok(SeriesTable {
            entries,
            runs,
            metrics,
            labels,
            details,
            seq_base,
            cache: None,
            kept: Mutex::default(),
        })
    }

    /// Keeps decoded groups in a cache from now on.
    pub(crate) fn keep_in(&mut self, cache: Box<dyn BlockCache>) {
        self.cache = Some(cache);
    }

    /// Keeps its file open: it may be removed while the table is read.
    pub(crate) fn keep_open(&self) -> Result<()> {
        self.details.keep_open()
    }

    /// A table that has no file.
    pub(crate) fn of_rows(rows: &[SeriesRow], path: &Path, thinned: bool) -> Result<Self> {
        let (file, heads) = SeriesFile::open(encode_series(rows)?.into(), path, None, thinned)?;
        Self::new(Box::new(file), heads, path, 0)
    }

    /// The rows, as far as they are kept in memory.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = SeriesEntry> + ExactSizeIterator + '_ {
        self.entries.iter()
    }

    /// One of the rows, as far as it is kept in memory.
    ///
    /// # Panics
    /// Panics if there is no such row.
    pub fn entry(&self, row: usize) -> SeriesEntry {
        self.entries.get(row)
    }

    /// The index of a row's run (`name` 0), metric (1) or labels (2) in the lists of them. Cheaper than its entry.
    ///
    /// # Panics
    /// Panics if there is no such row or name.
    pub fn name(&self, row: usize, name: usize) -> u32 {
        self.entries.name(row, name)
    }

    /// The series of an entry.
    pub fn key(&self, entry: &SeriesEntry) -> SeriesKey {
        SeriesKey {
            run: self.run(entry).clone(),
            metric: self.metric(entry).clone(),
            labels: self.labels(entry).clone(),
        }
    }

    /// The run of an entry.
    pub fn run(&self, entry: &SeriesEntry) -> &Arc<str> {
        &self.runs[entry.names[0] as usize]
    }

    /// The metric of an entry.
    pub fn metric(&self, entry: &SeriesEntry) -> &Arc<str> {
        &self.metrics[entry.names[1] as usize]
    }

    /// The labels of an entry.
    pub fn labels(&self, entry: &SeriesEntry) -> &Labels {
        &self.labels[entry.names[2] as usize]
    }

    /// All runs, ascending.
    pub fn runs(&self) -> &[Arc<str>] {
        &self.runs
    }

    /// All metrics, ascending.
    pub fn metrics(&self) -> &[Arc<str>] {
        &self.metrics
    }

    /// All sets of labels, ascending.
    pub fn all_labels(&self) -> &[Labels] {
        &self.labels
    }

    /// The indices of the rows of one tile.
    pub fn tile(&self, tile: u32) -> Range<usize> {
        let first = |is_before: &dyn Fn(u32) -> bool| {
            let (mut start, mut end) = (0, self.entries.len());
            while start < end {
                let middle = start + (end - start) / 2;
                match is_before(self.entry(middle).tile) {
                    true => start = middle + 1,
                    false => end = middle,
                }
            }
            start
        };
        first(&|at| at < tile)..first(&|at| at <= tile)
    }

    /// A reader of the rest of each row.
    pub fn reader(&self) -> DetailsReader<'_> {
        DetailsReader { table: self, held: None, fetched: Fetched::default() }
    }

    /// One full row. For several rows, a [`reader`](Self::reader) is faster.
    ///
    /// # Errors
    /// `Corrupt` where the file has changed since the part was opened.
    pub fn row(&self, row: usize) -> Result<SeriesRow> {
        let Details { seq_min, seq_max, summary } = self.reader().of(row)?;
        let entry = self.entry(row);
        let SeriesEntry { tile, row_start, rows, automatic, repeats, .. } = entry;
        let key = self.key(&entry);
        Ok(SeriesRow { key, tile, row_start, rows, seq_min, seq_max, automatic, repeats, summary })
    }

    /// A group, and whether it was kept already.
    fn block(&self, group: usize, rows: &Range<u32>) -> Result<(Arc<SeriesBlock>, bool)> {
        let kept = self.cache.as_ref().map_or_else(|| self.kept(group), |cache| cache.get(group));
        if let Some(block) = kept {
            return Ok((block, true));
        }
        let mut entries = (rows.start as usize..rows.end as usize).map(|row| self.entry(row));
        let block = Arc::new(self.details.block(group, &mut entries)?);
        if let Some(cache) = &self.cache {
            cache.put(group, block.clone());
            return Ok((block, false));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have decoded the same group since.
        kept.retain(|(number, _)| *number != group);
        if kept.len() == BLOCKS_KEPT {
            kept.remove(0);
        }
        kept.push((group, block.clone()));
        Ok((block, false))
    }

    fn kept(&self, group: usize) -> Option<Arc<SeriesBlock>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(number, _)| *number == group)?;
        kept[at..].rotate_left(1);
        kept.last().map(|(_, block)| block.clone())
    }

    /// Whether the rows fill tiles of `tile_rows` rows without gap or overlap, with ascending keys.
    pub(crate) fn fits(&self, tile_rows: &[u32]) -> bool {
        let mut rest = self.entries();
        for (tile, &rows) in (0u32..).zip(tile_rows) {
            let mut at = 0;
            let mut last: Option<[u32; 3]> = None;
            while at < rows {
                let Some(row) = rest.next() else { return false };
                let follows = row.tile == tile && row.row_start == at && last.is_none_or(|k| k < row.names);
                if !follows || row.rows == 0 || row.rows > rows - at {
                    return false;
                }
                at += row.rows;
                last = Some(row.names);
            }
        }
        rest.len() == 0
    }
}

/// Reads details of rows. It is fast where consecutive rows are in the same group.
#[derive(Debug)]
pub struct DetailsReader<'a> {
    table: &'a SeriesTable,
    held: Option<(Range<u32>, Arc<SeriesBlock>)>,
    fetched: Fetched,
}

impl DetailsReader<'_> {
    /// The details of a row.
    ///
    /// # Errors
    /// `Corrupt` where the file has changed since the part was opened, or contradicts itself.
    pub fn of(&mut self, row: usize) -> Result<Details> {
        let entry = self.table.entry(row);
        let (i, block) = self.hold(row)?;
        let mut details = block.details(i, &entry).ok_or_else(|| self.contradicts(row))?;
        details.seq_min = details.seq_min.saturating_add(self.table.seq_base);
        details.seq_max = details.seq_max.saturating_add(self.table.seq_base);
        Ok(details)
    }

    /// The summary of a row, given its entry. Sums are left empty where `facts` needs neither.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn summary_of(&mut self, row: usize, entry: &SeriesEntry, facts: SummaryFacts) -> Result<Summary> {
        let (i, block) = self.hold(row)?;
        block.summary(i, entry, facts.sum || facts.squares).ok_or_else(|| self.contradicts(row))
    }

    /// What was read of the points so far, where the part has no file of its series table.
    pub fn fetched(&self) -> Fetched {
        self.fetched
    }

    /// The place of a row in its group, and the group.
    fn hold(&mut self, row: usize) -> Result<(usize, &SeriesBlock)> {
        let number = u32::try_from(row).expect("a table's rows are counted in u32");
        if self.held.as_ref().is_none_or(|(rows, _)| !rows.contains(&number)) {
            let (group, rows) = self.table.details.group_of(number);
            let (block, is_kept) = self.table.block(group, &rows)?;
            if let SeriesBlock::Rows(_, fetched) = &*block {
                self.fetched += if is_kept { fetched.taken_from_cache() } else { *fetched };
            }
            self.held = Some((rows, block));
        }
        let (rows, block) = self.held.as_ref().expect("held since above");
        Ok(((number - rows.start) as usize, block))
    }

    fn contradicts(&self, row: usize) -> Error {
        self.table.details.contradicts(u32::try_from(row).expect("a table's rows are counted in u32"))
    }
}

/// The rows of a series table ordered by series. Series ascend by key; the rows of a series ascend by first step.
#[derive(Debug)]
pub struct BySeries {
    /// Row indices in the table.
    rows: Vec<u32>,
    /// The end of each series in `rows`.
    ends: Vec<u32>,
    /// The end of each run in `ends`.
    run_ends: Vec<u32>,
}

impl BySeries {
    pub(crate) fn of(table: &SeriesTable) -> Self {
        let entries = &table.entries;
        let counted = |n: usize| u32::try_from(n).expect("a table's rows are counted in u32");
        let mut rows: Vec<u32> = (0..counted(entries.len())).collect();
        // The least significant name first: each pass keeps the order of the one before.
        for (name, count) in [(2, table.labels.len()), (1, table.metrics.len()), (0, table.runs.len())] {
            rows = sorted_by(&rows, count, |row| entries.name(row as usize, name) as usize);
        }
        let series = |at: usize| [0, 1, 2].map(|name| entries.name(rows[at] as usize, name));
        let (mut ends, mut run_ends) = (Vec::new(), vec![0; table.runs.len()]);
        let mut last = (0..rows.len().min(1)).map(series).next();
        for at in 1..=rows.len() {
            let next = (at < rows.len()).then(|| series(at));
            if next != last {
                ends.push(counted(at));
                let run = last.map_or(0, |names| names[0] as usize);
                run_ends[run] = counted(ends.len());
                last = next;
            }
        }
        let mut start = 0;
        for &end in &ends {
            // Mostly they are in order.
            let rows = &mut rows[start..end as usize];
            rows.sort_by_key(|&row| entries.get(row as usize).first_step);
            start = end as usize;
        }
        // A file may name a run that has no rows.
        let mut before = 0;
        for end in &mut run_ends {
            before = before.max(*end);
            *end = before;
        }
        BySeries { rows, ends, run_ends }
    }

    /// The series of a run, by its index in the table's [`runs`](SeriesTable::runs).
    pub fn of_run(&self, run: usize) -> Range<usize> {
        let start = run.checked_sub(1).map_or(0, |before| self.run_ends[before] as usize);
        start..self.run_ends[run] as usize
    }

    /// The rows of a series, as indices in the table.
    pub fn series(&self, series: usize) -> &[u32] {
        let start = series.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.rows[start..self.ends[series] as usize]
    }
}

/// Rows in ascending order of a number below `count`, otherwise in the order that they had.
fn sorted_by(rows: &[u32], count: usize, number: impl Fn(u32) -> usize) -> Vec<u32> {
    let mut starts = vec![0; count + 1];
    for &row in rows {
        starts[number(row) + 1] += 1;
    }
    for n in 1..starts.len() {
        starts[n] += starts[n - 1];
    }
    let mut sorted = vec![0; rows.len()];
    for &row in rows {
        let at: &mut usize = &mut starts[number(row)];
        sorted[*at] = row;
        *at += 1;
    }
    sorted
}
