//! Checks a whole part and reports exactly what is damaged.
//!
//! Steps:
//! 1. Report damage to the series table that opening the part found.
//! 2. Compare each page of the points file with its checksum.
//! 3. Where a tile's pages are intact, compare its points with the series table: names, order, summaries. Where all tiles
//!    are intact, compare the sum of the values' bits with the manifest.
//! 4. Compare the whole points file with its checksum, which also covers the bytes outside pages.
//! 5. Check the pages of the rollups, compare the buckets with the points, then compare the whole file with its checksum.
//!
//! In a thinned part most points are gone. There the buckets must add up to the summaries, and the points must be the ends
//! and extremes of each bucket.

use crate::chunk::SeriesChunk;
use crate::names::NameInterner;
use crate::read::{PageEntry, Pages, Part, Rollups, TileColumns};
use crate::rollup::bucket::{RolledChunk, buckets};
use crate::rollup::file::ROLLUP_SCHEMA;
use crate::rollup::tier::assemble;
use crate::schema::PointColumn;
use crate::series::{SeriesEntry, SeriesRow};
use crate::thin::{is_outline_of, row_fits_outline};
use crate::totals::Totals;
use std::ops::Range;
use std::path::PathBuf;
use tidalite_model::{Error, ErrorKind, Extent, Result, SeriesKey, Summary, SummaryFacts, value_bits_sum};
use tidalite_vfs::ReadFile;

/// One damaged range of a part's files, and the points that it affects.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PartFinding {
    /// The damaged file.
    pub path: PathBuf,
    /// The first damaged byte.
    pub offset: u64,
    /// The number of bytes that may be damaged.
    pub bytes: u64,
    /// The damaged tile, where the damage is in one.
    pub tile: Option<u32>,
    /// The damaged column, where the damage is in one.
    pub column: Option<&'static str>,
    /// Rows of the tile that cannot be read in full.
    pub rows: Option<Range<u32>>,
    /// The series of these rows, at most 16 of them.
    pub series: Vec<SeriesKey>,
    /// The number of series of these rows.
    pub series_count: usize,
    /// The steps of these series in this tile, including their other rows.
    pub steps: Option<Extent>,
    /// What is wrong, for people.
    pub message: String,
}

/// Most series named in one finding.
const SERIES_NAMED_MAX: usize = 16;
/// Bytes per read while a whole file is hashed.
const READ_BYTES: usize = 1 << 20;

impl Part {
    /// Checks the files of the part and calls `found` with each damage.
    ///
    /// It reads these bytes from the disk:
    /// - All bytes of the points file: each page by itself, then the whole file from the first byte to the last.
    /// - Of the rollups, the footer and each page, then the whole file unless a page or a bucket was wrong. Where the footer
    ///   is damaged, nothing else of the file is read.
    /// - Of the series table, the row groups that are not in memory. [`open`](Self::open) has read and checked the whole
    ///   file. A table with one row group stays in memory, so a change to its file since then is not found.
    ///
    /// So opening a part and verifying it reads every byte of each intact file.
    /// # Errors
    /// Those of the disk; damage is a finding, not an error.
    pub fn verify(&self, found: &mut dyn FnMut(PartFinding)) -> Result<()> {
        if let Some(e) = &self.series_damage {
            let finding = self.finding(e.offset().unwrap_or(0), self.meta.series_bytes, e);
            found(PartFinding { path: self.paths.series.clone(), ..finding });
        }
        let rollups = match self.open_rollups() {
            Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                found(self.rollup_finding(&e));
                None
            }
            other => other?,
        };
        let (mut findings, mut contradicted) = (0, None);
        let mut report = |finding| {
            findings += 1;
            found(finding);
        };
        let rolled = self.verify_points(rollups.as_ref(), &mut contradicted, &mut report)?;
        // Damage to a page changes the file's checksum too. So the checksum is reported only where nothing else was found.
        if let Some(e) = self.check_file()?
            && findings == 0
        {
            found(self.finding(0, self.meta.bytes, &e));
        }
        let Some(rollups) = &rollups else { return Ok(()) };
        let mut findings_of_rollups = 0;
        self.verify_rollups(rollups, rolled.filter(|_| findings == 0), &mut |finding| {
            findings_of_rollups += 1;
            found(finding);
        })?;
        // The pages are intact, so the contradiction is in the buckets themselves.
        if let Some(e) = contradicted.filter(|_| findings_of_rollups == 0) {
            found(self.rollup_finding(&e));
        }
        Ok(())
    }

    /// Checks the pages of the rollups, the buckets where the points could be read, and the whole file.
    fn verify_rollups(
        &self,
        rollups: &Rollups,
        rolled: Option<Vec<RolledChunk>>,
        found: &mut dyn FnMut(PartFinding),
    ) -> Result<()> {
        let mut sound = true;
        for at in 0..ROLLUP_SCHEMA.num_columns() {
            rollups.pages(at).check_all(&mut |page, e| {
                sound = false;
                let finding = PartFinding { offset: page.offset, ..self.rollup_finding(&e) };
                found(PartFinding { bytes: u64::from(page.bytes), ..finding });
            })?;
        }
        let wrong = |wrong: &str| Error::corrupt("verify part", &self.paths.rollups, 0, wrong);
        if let Some(rolled) = rolled.filter(|_| sound) {
            match self.check_rollups(rollups, rolled) {
                Ok(true) => {}
                Ok(false) => {
                    sound = false;
                    found(self.rollup_finding(&wrong("a bucket is not that of its points")));
                }
                Err(e) if e.kind() == ErrorKind::Corrupt => {
                    sound = false;
                    found(self.rollup_finding(&e));
                }
                Err(e) => return Err(e),
            }
        }
        let expected = self.meta.rollups.map(|m| (m.bytes, m.crc32c));
        if sound && Some(hash(rollups.file())?) != expected {
            found(self.rollup_finding(&wrong("outside its pages the file differs")));
        }
        Ok(())
    }

    /// Whether the rollups equal the buckets computed from the points of all tiles.
    fn check_rollups(&self, rollups: &Rollups, rolled: Vec<RolledChunk>) -> Result<bool> {
        let table = self.series();
        let mut totals = Totals::default();
        let mut details = table.reader();
        for (at, entry) in table.entries().enumerate() {
            totals.add_points(&table.key(&entry), details.of(at)?.summary.count);
        }
        let tiers = assemble(rolled, &totals);
        let listed: usize = rollups.series().values().map(|s| s.tiers.len()).sum();
        if listed != tiers.len() {
            return Ok(false);
        }
        for expected in &tiers {
            let width = 1 << expected.shift;
            let of_key = rollups.of(&expected.key);
            let Some(tier) = of_key.and_then(|s| s.tiers.iter().find(|t| t.width == width)) else {
                return Ok(false);
            };
            let (found, _) = rollups.read(tier, SummaryFacts::ALL)?;
            let same = |(a, b): (&Summary, &Summary)| a.same_bits(b);
            if found.len() != expected.buckets.len() || !found.iter().zip(&expected.buckets).all(same) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn rollup_finding(&self, e: &Error) -> PartFinding {
        let bytes = self.meta.rollups.map_or(0, |m| m.bytes);
        PartFinding { path: self.paths.rollups.clone(), ..self.finding(e.offset().unwrap_or(0), bytes, e) }
    }

    /// Checks all tiles and the sum of their values' bits. Returns the buckets of the series that have rollups, or `None` where
    /// a tile is damaged. Where the points of a thinned part contradict its rollups, the error goes to `contradicted`.
    fn verify_points(
        &self,
        rollups: Option<&Rollups>,
        contradicted: &mut Option<Error>,
        report: &mut dyn FnMut(PartFinding),
    ) -> Result<Option<Vec<RolledChunk>>> {
        let mut rolled = Vec::new();
        let mut names = NameInterner::default();
        let mut value_bits = 0u64;
        let mut whole = true;
        for tile in 0..self.meta.tiles {
            if self.check_pages(tile, report)? {
                whole = false;
                continue;
            }
            match self.check_points(tile, &mut names, rollups, &mut rolled) {
                Ok(sum) => value_bits = value_bits.wrapping_add(sum),
                // In a thinned part, the rollups contradict the points.
                Err(e) if e.kind() == ErrorKind::Corrupt && e.path() == Some(&self.paths.rollups) => {
                    whole = false;
                    contradicted.get_or_insert(e);
                }
                Err(e) if e.kind() == ErrorKind::Corrupt => {
                    whole = false;
                    let finding = self.finding(e.offset().unwrap_or(0), 0, &e);
                    report(PartFinding { tile: Some(tile), ..finding });
                }
                Err(e) => return Err(e),
            }
        }
        if whole && value_bits != self.meta.value_bits_sum {
            let e = self.contradiction("the values' sum is not the one in the manifest");
            report(self.finding(0, 0, &e));
        }
        Ok(whole.then_some(rolled))
    }

    /// Compares a tile's pages with their checksums. Returns whether one is damaged.
    fn check_pages(&self, tile: u32, report: &mut dyn FnMut(PartFinding)) -> Result<bool> {
        let mut damaged = false;
        for column in PointColumn::ALL {
            let pages = Pages::new(self.file.as_ref(), &self.tiles[tile as usize], tile, column);
            pages.check_all(&mut |page, e| {
                damaged = true;
                report(self.page_finding(tile, column, page, &e));
            })?;
        }
        Ok(damaged)
    }

    /// Compares a tile's points with the series table. Returns the sum of its values' bits.
    fn check_points(
        &self,
        tile: u32,
        names: &mut NameInterner,
        rollups: Option<&Rollups>,
        rolled: &mut Vec<RolledChunk>,
    ) -> Result<u64> {
        let columns = self.read_all(tile)?;
        self.check_constant(tile)?;
        let series = self.names(tile, names)?;
        let expected = self.series().tile(tile);
        if series.len() != expected.len() {
            return Err(self.contradiction("the series are not those of the series table"));
        }
        for ((key, rows), row) in series.iter().zip(expected) {
            let row = self.series().row(row)?;
            let range = row.row_start..row.row_start + row.rows;
            if *key != row.key || *rows != row.rows {
                return Err(self.contradiction("the series are not those of the series table"));
            }
            let facts = self.facts_of(tile, key, &columns, range.clone())?;
            if self.meta.is_thinned() {
                if !row_fits_outline(&facts, &row) {
                    return Err(self.contradiction("the outline of a series does not fit its summary"));
                }
                if rollups.is_some() {
                    rolled.push(self.check_thinned(key, &row, &columns)?);
                }
                continue;
            }
            if !facts.same_bits(&row) {
                return Err(self.contradiction("a summary is not that of its points"));
            }
            let finest = rollups.and_then(|r| r.of(key)?.tiers.first()).map(|t| t.width);
            if let Some(width) = finest {
                let rows = range.start as usize..range.end as usize;
                let chunk = SeriesChunk {
                    key,
                    steps: &columns.steps[rows.clone()],
                    seqs: &columns.seqs[rows.clone()],
                    written: &columns.written[rows.clone()],
                    times_us: &columns.times_us[rows.clone()],
                    values: &columns.values[rows],
                };
                let shift = width.trailing_zeros();
                rolled.push(RolledChunk { key: key.clone(), shift, buckets: buckets(&chunk, shift) });
            }
        }
        Ok(value_bits_sum(&columns.values))
    }

    /// Compares the rows of the column written with the footer, where readers take them from the footer alone.
    fn check_constant(&self, tile: u32) -> Result<()> {
        let map = &self.tiles[tile as usize];
        let constant = map.chunks[PointColumn::Written.index()].constant;
        let (all, mut stored) = (0..map.rows, Vec::new());
        let pages = Pages::new(self.file.as_ref(), map, tile, PointColumn::Written);
        pages.integers(std::slice::from_ref(&all), &mut stored)?;
        if constant.is_some_and(|constant| stored.iter().any(|&n| n != constant)) {
            return Err(
                self.contradiction("the range of column written in the footer is not that of its rows")
            );
        }
        Ok(())
    }

    /// Compares the outline of a thinned series with its buckets. Returns the buckets.
    fn check_thinned(&self, key: &SeriesKey, row: &SeriesRow, columns: &TileColumns) -> Result<RolledChunk> {
        let (shift, all) = self.thinned(row)?;
        let rows = row.row_start as usize..(row.row_start + row.rows) as usize;
        let chunk = SeriesChunk {
            key,
            steps: &columns.steps[rows.clone()],
            seqs: &columns.seqs[rows.clone()],
            written: &columns.written[rows.clone()],
            times_us: &columns.times_us[rows.clone()],
            values: &columns.values[rows],
        };
        let kept = buckets(&chunk, shift);
        if kept.len() == all.len() && kept.iter().zip(&all).all(|(kept, all)| is_outline_of(kept, all)) {
            return Ok(RolledChunk { key: key.clone(), shift, buckets: all });
        }
        Err(self.lost("a bucket does not fit the outline of its points"))
    }

    /// Compares the whole points file with its checksum. Returns the mismatch.
    fn check_file(&self) -> Result<Option<Error>> {
        let (at, sum) = hash(self.file.as_ref())?;
        if (at, sum) == (self.meta.bytes, self.meta.crc32c) {
            return Ok(None);
        }
        let wrong = format!(
            "outside its pages the file differs: checksum is {sum:08x} over {at} bytes, expected {:08x} over {}",
            self.meta.crc32c, self.meta.bytes
        );
        Ok(Some(Error::corrupt("verify part", &self.paths.points, 0, wrong)))
    }

    fn page_finding(&self, tile: u32, column: PointColumn, page: PageEntry, e: &Error) -> PartFinding {
        // A dictionary page affects all rows of its tile.
        let rows = match page.rows {
            0 => 0..self.tiles[tile as usize].rows,
            n => page.first_row..page.first_row + n,
        };
        let table = self.series();
        let affected = || {
            let touches = |s: &SeriesEntry| s.row_start < rows.end && rows.start < s.row_start + s.rows;
            table.tile(tile).map(|row| table.entry(row)).filter(touches)
        };

        PartFinding {
            tile: Some(tile),
            column: Some(column.name()),
            series: affected().take(SERIES_NAMED_MAX).map(|s| table.key(&s)).collect(),
            series_count: affected().count(),
            steps: Extent::of(
                affected().filter(|s| !s.has_unknown_steps()).flat_map(|s| [s.first_step, s.last_step]),
            ),
            rows: Some(rows.clone()),
            ..self.finding(page.offset, u64::from(page.bytes), e)
        }
    }

    fn finding(&self, offset: u64, bytes: u64, e: &Error) -> PartFinding {
        PartFinding {
            path: self.paths.points.clone(),
            offset,
            bytes,
            tile: None,
            column: None,
            rows: None,
            series: Vec::new(),
            series_count: 0,
            steps: None,
            message: e.wrong().to_string(),
        }
    }

    fn contradiction(&self, wrong: &str) -> Error {
        Error::corrupt("verify part", &self.paths.points, 0, wrong)
    }
}

/// The length and checksum of a whole file.
fn hash(file: &dyn ReadFile) -> Result<(u64, u32)> {
    let mut buffer = vec![0; READ_BYTES];
    let (mut at, mut sum) = (0, 0);
    loop {
        let read = file.read_at(at, &mut buffer)?;
        if read == 0 {
            return Ok((at, sum));
        }
        sum = crc32c::crc32c_append(sum, &buffer[..read]);
        at += read as u64;
    }
}
