//! A part that is open for reading.

use super::cache::{PageCache, SeriesCache};
use super::derived::DerivedDetails;
use super::footer::{self, PageEntry, TileMap, read_checked};
use super::pages::Pages;
use super::rollups::Rollups;
use super::series::series_of;
use crate::chunk::SeriesChunk;
use crate::facts::{SeqRanges, facts};
use crate::fetched::Fetched;
use crate::meta::PartMeta;
use crate::names::NameInterner;
use crate::options::{ColumnSet, PartPaths};
use crate::rollup::bucket::total;
use crate::schema::{PointColumn, SCHEMA};
use crate::series::read::SeriesFile;
use crate::series::row::SeriesRow;
use crate::series::table::{BySeries, SeriesTable};
use crate::thin;
use parquet::file::metadata::ParquetMetaData;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tidalite_model::{Error, ErrorKind, Result, SeriesKey, Summary, Written};
use tidalite_vfs::{ReadFile, Vfs};

/// The requested columns of some rows of a tile; rows in file order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TileColumns {
    /// Steps; empty unless requested.
    pub steps: Vec<i64>,
    /// Places of the writes; empty unless requested.
    pub seqs: Vec<i64>,
    /// How the points were written; empty unless requested.
    pub written: Vec<i64>,
    /// Times, µs since 1970 UTC; empty unless requested.
    pub times_us: Vec<i64>,
    /// Values; empty unless requested.
    pub values: Vec<f64>,
}

impl TileColumns {
    /// The bytes of memory that the columns hold, filled or not.
    pub fn memory_bytes(&self) -> usize {
        let integers = [&self.steps, &self.seqs, &self.written, &self.times_us].map(Vec::capacity);
        (integers.iter().sum::<usize>() + self.values.capacity()) * 8
    }

    /// Clears all columns. Their memory is kept.
    fn clear(&mut self) {
        self.steps.clear();
        self.seqs.clear();
        self.written.clear();
        self.times_us.clear();
        self.values.clear();
    }
}

/// A part that is open for reading. Threads may share it.
#[derive(Debug)]
pub struct Part {
    vfs: Arc<dyn Vfs>,
    pub(crate) file: Arc<dyn ReadFile>,
    pub(crate) paths: PartPaths,
    pub(crate) meta: PartMeta,
    pub(crate) tiles: Arc<Vec<TileMap>>,
    series: SeriesTable,
    pub(crate) series_damage: Option<Error>,
    /// Built on first use.
    by_series: OnceLock<BySeries>,
    /// Opened on first use; `None` where the part has none or they cannot be read.
    rollups: OnceLock<Option<Rollups>>,
    /// The cache of its decoded pages, and the part's number in it.
    cache: Option<(Arc<PageCache>, u64)>,
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some((cache, number)) = &self.cache {
            cache.forget(*number);
        }
    }
}

impl Part {
    /// Opens a part. Reads and checks its footer and its series table, but no page. Where the part has no series table, since
    /// its series have few points, reads the pages of names and steps instead.
    ///
    /// A series table that is damaged or missing is rebuilt from the points, which must all be intact; in a thinned part from
    /// the rollups as well. This is slow but loses no point. [`series_damage`](Self::series_damage) reports it.
    ///
    /// # Errors
    /// `NotFound` where the points file is absent; `Corrupt` where it is not the file that `meta` describes, or where the
    /// series table cannot be rebuilt.
    pub fn open(vfs: Arc<dyn Vfs>, paths: &PartPaths, meta: &PartMeta) -> Result<Part> {
        let file = vfs.open(&paths.points)?;
        let tiles = Arc::new(footer::load(file.as_ref(), &expected(meta))?);
        let loaded = if meta.has_series_table() {
            load_series(vfs.as_ref(), paths, meta, &tiles)
        } else {
            // Nothing can be rebuilt where this fails.
            Ok(derive_series(&file, &tiles, paths, meta)?)
        };
        let (series, series_damage) = match loaded {
            Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                (SeriesTable::of_rows(&[], &paths.series, false)?, Some(e))
            }
            other => (other?, None),
        };
        let mut part = Part {
            vfs,
            file,
            paths: paths.clone(),
            meta: meta.clone(),
            tiles,
            series,
            series_damage,
            by_series: OnceLock::new(),
            rollups: OnceLock::new(),
            cache: None,
        };
        if part.series_damage.is_some() {
            part.series = part.rebuild_series()?;
        }
        Ok(part)
    }

    /// The same part, with a cache for its decoded pages. They are dropped when the part is closed.
    pub fn kept_in(mut self, cache: Arc<PageCache>) -> Part {
        let number = cache.admit();
        self.series.keep_in(Box::new(SeriesCache { cache: cache.clone(), part: number }));
        self.cache = Some((cache, number));
        self
    }

    /// The parsed footer.
    pub(crate) fn metadata(&self) -> Result<ParquetMetaData> {
        footer::metadata(self.file.as_ref(), &expected(&self.meta))
    }

    /// The series table.
    pub fn series(&self) -> &SeriesTable {
        &self.series
    }

    /// The rows of the series table, ordered by series.
    pub fn by_series(&self) -> &BySeries {
        self.by_series.get_or_init(|| BySeries::of(&self.series))
    }

    /// The number of pages of the points file, dictionary pages included.
    pub fn pages(&self) -> u64 {
        let chunks = self.tiles.iter().flat_map(|t| &t.chunks);
        chunks.map(|c| c.pages.len() as u64 + u64::from(c.dictionary.is_some())).sum()
    }

    /// The number of pages of values that hold any of these rows of a tile; 0 where there is no such tile.
    pub fn value_pages(&self, tile: u32, rows: Range<u32>) -> usize {
        let pages = self.tiles.get(tile as usize).map(|t| &t.chunks[PointColumn::Value.index()].pages);
        let overlaps = |p: &&PageEntry| p.first_row < rows.end && rows.start < p.first_row + p.rows;
        pages.map_or(0, |pages| pages.iter().filter(overlaps).count())
    }

    /// Where within these rows of a tile a page of values begins: what a damaged page costs ends there.
    pub fn page_starts(&self, tile: u32, rows: Range<u32>) -> impl Iterator<Item = u32> {
        let pages = &self.tiles[tile as usize].chunks[PointColumn::Value.index()].pages;
        pages.iter().map(|page| page.first_row).filter(move |first| rows.contains(first))
    }

    /// Why the series table was rebuilt; `None` where it was intact.
    pub fn series_damage(&self) -> Option<&Error> {
        self.series_damage.as_ref()
    }

    /// Keeps its points file and its series table open: they may be removed while the part is read.
    ///
    /// # Errors
    /// `NotFound` where one of them was removed before.
    pub fn keep_open(&self) -> Result<()> {
        self.file.keep_open()?;
        self.series.keep_open()
    }

    /// The paths of its files.
    pub fn paths(&self) -> &PartPaths {
        &self.paths
    }

    /// Its entry in the manifest.
    pub fn meta(&self) -> &PartMeta {
        &self.meta
    }

    /// Reads `rows` (ascending, disjoint, within the tile) of the given columns.
    ///
    /// # Errors
    /// `Invalid` where there is no such tile or row; `Corrupt` where a page to be read is damaged; the error names the page.
    pub fn read(&self, tile: u32, rows: &[Range<u32>], columns: ColumnSet) -> Result<TileColumns> {
        let mut out = TileColumns::default();
        self.read_into(tile, rows, columns, false, &mut out)?;
        Ok(out)
    }

    /// As [`read`](Self::read), but replaces the contents of `out` and returns what was fetched. Reusing `out` for many tiles
    /// reuses its memory, whose first touch takes longer than the decoding. `keep` says whether to cache pages that are read
    /// again. After an error the contents of `out` are unspecified.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn read_into(
        &self,
        tile: u32,
        rows: &[Range<u32>],
        columns: ColumnSet,
        keep: bool,
        out: &mut TileColumns,
    ) -> Result<Fetched> {
        out.clear();
        self.check_rows(tile, rows)?;
        let mut fetched = Fetched::default();
        let mut integers = |column, out: &mut Vec<i64>| -> Result<()> {
            let pages = self.pages_of(tile, column, keep);
            pages.integers(rows, out)?;
            fetched += pages.fetched();
            Ok(())
        };
        if columns.step {
            integers(PointColumn::Step, &mut out.steps)?;
        }
        if columns.seq {
            integers(PointColumn::Seq, &mut out.seqs)?;
            if self.meta.seq_base != 0 {
                out.seqs.iter_mut().for_each(|s| *s = s.saturating_add(self.meta.seq_base));
            }
        }
        if columns.written {
            match self.tiles[tile as usize].chunks[PointColumn::Written.index()].constant {
                Some(number) => out.written.resize(rows.iter().map(Range::len).sum(), number),
                None => integers(PointColumn::Written, &mut out.written)?,
            }
            if let Some(clock_us) = self.meta.clock {
                let place = |n: &mut i64| {
                    *n = Written::at(clock_us, Written::from_i64(*n).is_automatic()).as_i64();
                };
                out.written.iter_mut().for_each(place);
            }
        }
        if columns.time {
            integers(PointColumn::Time, &mut out.times_us)?;
        }
        if columns.value {
            let pages = self.pages_of(tile, PointColumn::Value, keep);
            pages.values(rows, &mut out.values)?;
            fetched += pages.fetched();
        }
        Ok(fetched)
    }

    fn pages_of(&self, tile: u32, column: PointColumn, keep: bool) -> Pages<'_> {
        let pages = Pages::new(self.file.as_ref(), &self.tiles[tile as usize], tile, column);
        pages.kept_by(self.cache.as_ref(), column, keep)
    }

    /// The limit of its cache in bytes, which other parts may share; 0 where it has no cache.
    pub fn cache_bytes(&self) -> usize {
        self.cache.as_ref().map_or(0, |(cache, _)| cache.bytes_max())
    }

    /// Reads a whole tile.
    pub(crate) fn read_all(&self, tile: u32) -> Result<TileColumns> {
        let rows = 0..self.tiles[tile as usize].rows;
        self.read(tile, std::slice::from_ref(&rows), ColumnSet::ALL)
    }

    /// The rollups; `None` where the part has none or they cannot be read.
    pub fn rollups(&self) -> Option<&Rollups> {
        self.rollups.get_or_init(|| self.open_rollups().ok().flatten()).as_ref()
    }

    /// Why the rollups cannot be read; `None` where they can, and where there are none.
    pub fn rollups_damage(&self) -> Option<Error> {
        if self.rollups().is_some() {
            return None;
        }
        self.open_rollups().err().map(as_damage)
    }

    /// The rollups of a thinned part, which it must have.
    ///
    /// # Errors
    /// `Corrupt` where there are none or they cannot be read.
    pub fn thinned_rollups(&self) -> Result<&Rollups> {
        self.rollups().ok_or_else(|| match self.open_rollups() {
            Err(e) if e.kind() != ErrorKind::NotFound => e,
            _ => self.lost("the rollups of a thinned part are not there"),
        })
    }

    /// The buckets of a row of a thinned part, and their width as a power of two.
    ///
    /// # Errors
    /// `Corrupt` where the buckets cannot be read or contradict the series table.
    pub fn thinned(&self, row: &SeriesRow) -> Result<(u32, Vec<Summary>)> {
        let (shift, buckets) = self.thinned_rollups()?.finest(&row.key)?;
        // The writer merges the buckets in the same order, so the sums have the same bits.
        if total(&buckets).same_bits(&row.summary) {
            return Ok((shift, buckets));
        }
        Err(self.lost("the buckets of a thinned series are not those of its summary"))
    }

    /// Replaces the summaries of rows with those from the rollups of a thinned part.
    pub(crate) fn summed_by_rollups(&self, rows: &mut [SeriesRow]) -> Result<()> {
        let lost = || self.lost("the rollups of a thinned part are not there");
        let rollups = self.open_rollups()?.ok_or_else(lost)?;
        for row in rows {
            row.summary = total(&rollups.finest(&row.key)?.1);
        }
        Ok(())
    }

    pub(crate) fn lost(&self, wrong: &str) -> Error {
        Error::corrupt("read rollups", &self.paths.rollups, 0, wrong)
    }

    /// Opens the rollups; `None` where the part has none.
    pub(crate) fn open_rollups(&self) -> Result<Option<Rollups>> {
        Rollups::open(self.vfs.as_ref(), &self.paths.rollups, &self.meta, &self.series)
    }

    fn check_rows(&self, tile: u32, rows: &[Range<u32>]) -> Result<()> {
        let tile_rows = self.tiles.get(tile as usize).map(|t| t.rows);
        let mut at = 0;
        let ascending = rows.iter().all(|r| {
            let follows = at <= r.start && r.start <= r.end;
            at = r.end;
            follows
        });
        if ascending && tile_rows.is_some_and(|n| at <= n) {
            return Ok(());
        }
        Err(Error::invalid(
            "read part",
            format!("tile {tile} has no such rows"),
            "ask for ascending rows that the series table names",
        )
        .at(&self.paths.points))
    }

    /// Rebuilds the series table from the points.
    fn rebuild_series(&self) -> Result<SeriesTable> {
        let mut names = NameInterner::default();
        let mut rows = Vec::new();
        for tile in 0..self.meta.tiles {
            let mut row_start = 0;
            let columns = self.read_all(tile)?;
            for (key, count) in self.names(tile, &mut names)? {
                let row = self.facts_of(tile, &key, &columns, row_start..row_start + count)?;
                row_start += count;
                rows.push(row);
            }
        }
        if self.meta.is_thinned() {
            self.summed_by_rollups(&mut rows).map_err(as_damage)?;
        }
        SeriesTable::of_rows(&rows, &self.paths.series, self.meta.is_thinned())
    }

    /// The series of a tile and their numbers of rows, in file order, read from the columns run, metric and labels.
    pub(crate) fn names(&self, tile: u32, names: &mut NameInterner) -> Result<Vec<(SeriesKey, u32)>> {
        series_of(self.file.as_ref(), &self.tiles[tile as usize], tile, names)
    }

    /// The series table's row of one series, computed from a tile's columns.
    pub(crate) fn facts_of(
        &self,
        tile: u32,
        key: &SeriesKey,
        columns: &TileColumns,
        rows: Range<u32>,
    ) -> Result<SeriesRow> {
        let range = rows.start as usize..rows.end as usize;
        let chunk = SeriesChunk {
            key,
            steps: &columns.steps[range.clone()],
            seqs: &columns.seqs[range.clone()],
            written: &columns.written[range.clone()],
            times_us: &columns.times_us[range.clone()],
            values: &columns.values[range],
        };
        let row = facts(&chunk, &mut SeqRanges::default()).map_err(|e| {
            Error::corrupt("read part", &self.paths.points, 0, format!("tile {tile}: {}", e.wrong()))
        })?;
        let mut row = SeriesRow { tile, row_start: rows.start, ..row };
        if self.meta.is_thinned() {
            thin::set_seq(&mut row, chunk.seqs);
        }
        Ok(row)
    }
}

/// Reads the series table and checks it against the tiles of the points file.
fn load_series(vfs: &dyn Vfs, paths: &PartPaths, meta: &PartMeta, tiles: &[TileMap]) -> Result<SeriesTable> {
    let (path, table) = (&paths.series, load_table(vfs, paths, meta)?);
    if table.fits(&rows_of(tiles)) {
        return Ok(table);
    }
    Err(Error::corrupt("read series table", path, 0, "its rows do not fit the tiles of the points file"))
}

/// Derives the series table of a part that stores none.
fn derive_series(
    file: &Arc<dyn ReadFile>,
    tiles: &Arc<Vec<TileMap>>,
    paths: &PartPaths,
    meta: &PartMeta,
) -> Result<SeriesTable> {
    let (details, heads) = DerivedDetails::open(file.clone(), tiles.clone(), paths.points.clone())?;
    let table = SeriesTable::new(Box::new(details), heads, &paths.points, meta.seq_base)?;
    if table.fits(&rows_of(tiles)) {
        return Ok(table);
    }
    Err(Error::corrupt("open part", &paths.points, 0, "its series do not ascend"))
}

fn rows_of(tiles: &[TileMap]) -> Vec<u32> {
    tiles.iter().map(|t| t.rows).collect()
}

/// Reads the series table.
fn load_table(vfs: &dyn Vfs, paths: &PartPaths, meta: &PartMeta) -> Result<SeriesTable> {
    let path = &paths.series;
    let file = vfs.open(path)?;
    let bytes = read_checked(file.as_ref(), 0, meta.series_bytes, meta.series_crc32c, "read series table")?;
    let (file, heads) = SeriesFile::open(bytes, path, Some(file), meta.is_thinned())?;
    SeriesTable::new(Box::new(file), heads, path, meta.seq_base)
}

/// The series table of a part whose points file cannot be read: what the part held.
///
/// # Errors
/// `Corrupt` or `NotFound` where the table is damaged or gone too, or the part stores none.
pub fn series_table_alone(vfs: &dyn Vfs, paths: &PartPaths, meta: &PartMeta) -> Result<SeriesTable> {
    load_table(vfs, paths, meta)
}

/// Turns `NotFound` into `Corrupt`: the points file exists, so a missing second file is damage.
fn as_damage(e: Error) -> Error {
    let path = e.path().map(Path::to_path_buf).unwrap_or_default();
    match e.kind() {
        ErrorKind::NotFound => Error::corrupt("open part", &path, 0, "the file is not there"),
        _ => e,
    }
}

/// The properties that the points file must have.
fn expected(meta: &PartMeta) -> footer::ExpectedFile<'_> {
    footer::ExpectedFile {
        bytes: meta.bytes,
        footer_bytes: meta.footer_bytes,
        footer_crc32c: meta.footer_crc32c,
        groups: u64::from(meta.tiles),
        rows: meta.rows,
        schema: &SCHEMA,
    }
}
