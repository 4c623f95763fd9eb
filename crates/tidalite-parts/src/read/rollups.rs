//! Reads rollups: the index of tiers on opening, then only the pages of the requested series and columns.
//!
//! Steps: the footer and the names give the rows of each series; the column `width` gives the ends of tiers. A read fetches
//! the pages of the requested columns.
//!
//! Rollups are redundant unless the part is thinned: where they cannot be read, queries use the points, and
//! [`verify`](crate::Part::verify) reports the damage. In a thinned part they are the only record of most points, so a query
//! that needs them fails.

use super::footer::{self, ExpectedFile, TileMap};
use super::pages::Pages;
use super::series::series_of;
use crate::fetched::Fetched;
use crate::meta::PartMeta;
use crate::names::NameInterner;
use crate::rollup::file::{ROLLUP_SCHEMA, column};
use crate::series::row::SeriesRow;
use crate::series::table::SeriesTable;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{
    Error, ExactSquares, ExactSum, Extreme, Point, REST_BYTES_MAX, Result, SeriesKey, Summary, SummaryFacts,
    rest_from_bytes, sum_rest_from_bytes,
};
use tidalite_vfs::{ReadFile, Vfs};

/// The rollups of a part, open for reading.
#[derive(Debug)]
pub struct Rollups {
    file: Arc<dyn ReadFile>,
    map: TileMap,
    series: HashMap<SeriesKey, RolledSeries>,
}

/// The rollups of a series in a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledSeries {
    /// The rows of the series table that the buckets cover, as indices, ascending by step.
    pub rows: Vec<u32>,
    /// The number of points of these rows.
    pub points: u64,
    /// Ascending by width.
    pub tiers: Vec<RollupTier>,
}

/// Buckets of one width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupTier {
    /// Steps per bucket, a power of two.
    pub width: u64,
    /// Its rows in the file, ascending by step.
    rows: Range<u32>,
}

impl RollupTier {
    /// The number of buckets.
    pub fn buckets(&self) -> usize {
        self.rows.len()
    }
}

impl Rollups {
    /// Opens the rollups of the part that `meta` and `table` describe; `None` where it has none.
    pub(super) fn open(
        vfs: &dyn Vfs,
        path: &Path,
        meta: &PartMeta,
        table: &SeriesTable,
    ) -> Result<Option<Rollups>> {
        let Some(of_file) = &meta.rollups else { return Ok(None) };
        let file = vfs.open(path)?;
        let expected = ExpectedFile {
            bytes: of_file.bytes,
            footer_bytes: of_file.footer_bytes,
            footer_crc32c: of_file.footer_crc32c,
            groups: 1,
            rows: of_file.rows,
            schema: &ROLLUP_SCHEMA,
        };
        let mut maps = footer::load(file.as_ref(), &expected)?;
        let map = maps.pop().expect("the number of row groups was checked");
        let mut rollups = Rollups { file, map, series: HashMap::new() };
        rollups.find_tiers(table, meta.is_thinned())?;
        Ok(Some(rollups))
    }

    /// Finds the tiers of each series, and the rows of the series table that they cover.
    fn find_tiers(&mut self, table: &SeriesTable, thinned: bool) -> Result<()> {
        let mut widths = Vec::new();
        let all = 0..self.map.rows;
        self.integers("width", std::slice::from_ref(&all), &mut widths, &mut Fetched::default())?;
        let mut row = 0;
        for (key, count) in series_of(self.file.as_ref(), &self.map, 0, &mut NameInterner::default())? {
            let entry = RolledSeries { rows: Vec::new(), points: 0, tiers: Vec::new() };
            let entry = self.series.entry(key).or_insert(entry);
            let of_key = &widths[row as usize..(row + count) as usize];
            for tier in of_key.chunk_by(|a, b| a == b) {
                let length = u32::try_from(tier.len()).unwrap_or(0);
                let width = u64::try_from(tier[0]).unwrap_or(0);
                let wider = entry.tiers.last().is_none_or(|t| t.width < width);
                if !width.is_power_of_two() || !wider {
                    let wrong = "the widths of its buckets are out of order";
                    return Err(Error::corrupt("read rollups", self.file.path(), 0, wrong));
                }
                entry.tiers.push(RollupTier { width, rows: row..row + length });
                row += length;
            }
        }
        let mut details = table.reader();
        for (at, row) in (0u32..).zip(table.entries()) {
            if let Some(entry) = self.series.get_mut(&table.key(&row)) {
                entry.rows.push(at);
                entry.points += match thinned {
                    true => details.of(at as usize)?.summary.count,
                    false => u64::from(row.rows),
                };
            }
        }
        for entry in self.series.values_mut() {
            entry.rows.sort_by_key(|&r| table.entry(r as usize).first_step);
        }
        Ok(())
    }

    /// The rollups of a series; `None` where it has none.
    pub fn of(&self, key: &SeriesKey) -> Option<&RolledSeries> {
        self.series.get(key)
    }

    /// The finest buckets of a series that must have rollups, and their width as a power of two.
    pub(crate) fn finest(&self, key: &SeriesKey) -> Result<(u32, Vec<Summary>)> {
        let tier = self.of(key).and_then(|rolled| rolled.tiers.first()).ok_or_else(|| {
            Error::corrupt("read rollups", self.file.path(), 0, "a thinned series has no buckets")
        })?;
        let (buckets, _) = self.read(tier, SummaryFacts::ALL)?;
        Ok((tier.width.trailing_zeros(), buckets))
    }

    /// The number of buckets in the finest tiers of the series of these rows.
    pub fn buckets(&self, rows: &[SeriesRow]) -> u64 {
        let finest = rows.iter().filter_map(|row| self.of(&row.key)?.tiers.first());
        finest.map(|tier| tier.buckets() as u64).sum()
    }

    /// All series that have rollups.
    pub(crate) fn series(&self) -> &HashMap<SeriesKey, RolledSeries> {
        &self.series
    }

    /// The buckets of a tier, ascending by step, and what was fetched for them. Facts that are not in `columns` have the
    /// default of a [`Summary`]. Extremes whose steps are not in `columns` have step 0.
    ///
    /// # Errors
    /// `Corrupt` where a page to be read is damaged.
    pub fn read(&self, tier: &RollupTier, columns: SummaryFacts) -> Result<(Vec<Summary>, Fetched)> {
        let mut reader = BucketReader { rollups: self, rows: tier.rows.clone(), fetched: Fetched::default() };
        let summaries = reader.summaries(columns)?;
        let follow =
            |pair: &[Summary]| pair[0].steps().zip(pair[1].steps()).is_some_and(|(a, b)| a.last < b.first);
        if !summaries.iter().all(Summary::is_possible) || !summaries.windows(2).all(follow) {
            let wrong = "the facts of a bucket contradict themselves, or those of the next one";
            return Err(Error::corrupt("read rollups", self.file.path(), 0, wrong));
        }
        Ok((summaries, reader.fetched))
    }

    fn integers(
        &self,
        name: &'static str,
        rows: &[Range<u32>],
        out: &mut Vec<i64>,
        fetched: &mut Fetched,
    ) -> Result<()> {
        let pages = Pages::of(self.file.as_ref(), &self.map, 0, column(name));
        pages.integers(rows, out)?;
        *fetched += pages.fetched();
        Ok(())
    }

    /// The pages of the column with this index.
    pub(crate) fn pages(&self, at: usize) -> Pages<'_> {
        Pages::of(self.file.as_ref(), &self.map, 0, (at, "of rollups"))
    }

    pub(crate) fn file(&self) -> &dyn ReadFile {
        self.file.as_ref()
    }
}

/// One read of a tier.
struct BucketReader<'a> {
    rollups: &'a Rollups,
    rows: Range<u32>,
    fetched: Fetched,
}

impl BucketReader<'_> {
    fn integers(&mut self, name: &'static str, wanted: bool) -> Result<Vec<i64>> {
        let mut out = Vec::new();
        if wanted {
            let rows = std::slice::from_ref(&self.rows);
            self.rollups.integers(name, rows, &mut out, &mut self.fetched)?;
        }
        Ok(out)
    }

    fn reals(&mut self, name: &'static str, wanted: bool) -> Result<Vec<f64>> {
        let mut out = Vec::new();
        if wanted {
            let (file, map) = (self.rollups.file.as_ref(), &self.rollups.map);
            let pages = Pages::of(file, map, 0, column(name));
            pages.values(std::slice::from_ref(&self.rows), &mut out)?;
            self.fetched += pages.fetched();
        }
        Ok(out)
    }

    /// The sums of each row, as far as they are wanted.
    fn sums(&mut self, wanted: SummaryFacts) -> Result<Vec<(ExactSum, ExactSquares)>> {
        let (sums, squares) = (self.reals("sum", wanted.sum)?, self.reals("squares", wanted.squares)?);
        if sums.is_empty() {
            return Ok(vec![Default::default(); self.rows.len()]);
        }
        let mut at = 0..;
        let mut found = Vec::with_capacity(self.rows.len());
        let (file, map) = (self.rollups.file.as_ref(), &self.rollups.map);
        let pages = Pages::of(file, map, 0, column("sums_rest"));
        pages.strings(std::slice::from_ref(&self.rows), REST_BYTES_MAX, |rest| {
            let at = at.next()?;
            found.push(match wanted.squares {
                true => rest_from_bytes([sums[at], squares[at]], rest)?,
                false => (sum_rest_from_bytes(sums[at], rest)?, ExactSquares::default()),
            });
            Some(())
        })?;
        self.fetched += pages.fetched();
        Ok(found)
    }

    fn summaries(&mut self, wanted: SummaryFacts) -> Result<Vec<Summary>> {
        let (counts, finites) = (self.integers("count", true)?, self.integers("finite", true)?);
        // Mostly all values are finite, and the other counts are zero.
        let others = counts != finites;
        let nonfinite = [
            self.integers("nan", others)?,
            self.integers("pos_inf", others)?,
            self.integers("neg_inf", others)?,
        ];
        let steps = [self.integers("first_step", true)?, self.integers("last_step", true)?];
        let extreme_steps = [
            self.integers("min_step", wanted.extreme_steps)?,
            self.integers("max_step", wanted.extreme_steps)?,
        ];
        let times = [
            self.integers("first_time", wanted.times)?,
            self.integers("last_time", wanted.times)?,
            self.integers("time_min", wanted.times)?,
            self.integers("time_max", wanted.times)?,
        ];
        let sums = self.sums(wanted)?;
        let ends = [self.reals("first_value", wanted.ends)?, self.reals("last_value", wanted.ends)?];
        let extremes = [self.reals("min", wanted.extremes)?, self.reals("max", wanted.extremes)?];
        let count = |column: &[i64], i: usize| column.get(i).map_or(0, |n| n.cast_unsigned());
        let whole = |column: &[i64], i: usize| column.get(i).copied().unwrap_or_default();
        let real = |column: &[f64], i: usize| column.get(i).copied().unwrap_or_default();
        let bucket = |(i, (sum, squares)): (usize, (ExactSum, ExactSquares))| {
            let end = |side: usize| Point {
                step: steps[side][i],
                time_us: whole(&times[side], i),
                value: real(&ends[side], i),
            };
            let extreme = |side: usize| {
                let value = *extremes[side].get(i)?;
                (finites[i] > 0).then(|| Extreme { value, step: whole(&extreme_steps[side], i) })
            };
            Summary {
                count: count(&counts, i),
                finite: count(&finites, i),
                nan: count(&nonfinite[0], i),
                pos_inf: count(&nonfinite[1], i),
                neg_inf: count(&nonfinite[2], i),
                sum,
                squares,
                min: extreme(0),
                max: extreme(1),
                first: Some(end(0)),
                last: Some(end(1)),
                time_min_us: times[2].get(i).copied(),
                time_max_us: times[3].get(i).copied(),
            }
        };
        Ok(sums.into_iter().enumerate().map(bucket).collect())
    }
}
