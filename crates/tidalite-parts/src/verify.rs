//! Checking a whole part, and saying exactly what is damaged.
//!
//! Steps: the series table; each page by its checksum; where a tile's pages are intact, its points against the
//! series table (names, order, summaries) and the sums in the manifest; the whole file's checksum, which covers what
//! belongs to no page. Last the rollups in the same way, against what the points add up to. In a thinned part most points are
//! not there: the buckets have to add up to the summaries, and what is left has to be the ends and extremes of each bucket.

use crate::chunk::SeriesChunk;
use crate::names::NameInterner;
use crate::read::{PageEntry, Pages, Part, Rollups, TileColumns};
use crate::rollup::bucket::{RolledChunk, buckets};
use crate::rollup::file::ROLLUP_SCHEMA;
use crate::rollup::tier::assemble;
use crate::schema::PointColumn;
use crate::series::{SeriesEntry, SeriesRow};
use crate::thin::{is_left_of, stands_for};
use crate::totals::Totals;
use std::ops::Range;
use std::path::PathBuf;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey, Summary, SummaryFacts, value_bits_sum};
use tidalite_vfs::ReadFile;

/// One damaged place of a part, and what it costs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PartFinding {
    /// The file.
    pub path: PathBuf,
    /// First byte concerned.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The tile concerned, where it is one.
    pub tile: Option<u32>,
    /// The column concerned, where it is one.
    pub column: Option<&'static str>,
    /// Rows of the tile that cannot be read whole.
    pub rows: Option<Range<u32>>,
    /// The series that those rows belong to, the first 16.
    pub series: Vec<SeriesKey>,
    /// How many series those are in all.
    pub series_count: usize,
    /// Least and greatest step of those series in this tile; of the series whole, not of the rows alone.
    pub steps: Option<(i64, i64)>,
    /// What is wrong, for people.
    pub message: String,
}

/// Series named in one finding.
const SERIES_NAMED_MAX: usize = 16;
/// Bytes read at once where the whole file is hashed.
const READ_BYTES: usize = 1 << 20;

impl Part {
    /// Reads and checks every byte, and calls `found` with each damage.
    ///
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
        // Damage to a page changes the file's sum as well: that one is worth saying where nothing else was found.
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
        // Where their pages are sound, what they say is not.
        if let Some(e) = contradicted.filter(|_| findings_of_rollups == 0) {
            found(self.rollup_finding(&e));
        }
        Ok(())
    }

    /// Checks the rollups' pages, what they say where the points could be read, and the whole file.
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

    /// Whether the rollups are what the points, summed up tile by tile, come to.
    fn check_rollups(&self, rollups: &Rollups, rolled: Vec<RolledChunk>) -> Result<bool> {
        let table = self.series();
        let mut totals = Totals::default();
        let mut details = table.reader();
        for (at, entry) in table.entries().iter().enumerate() {
            totals.add_points(&table.key(entry), details.of(at)?.summary.count);
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
            // Compared as texts of bits, as series tables are.
            let text = |buckets: &[Summary]| format!("{buckets:?}");
            if text(&found) != text(&expected.buckets) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn rollup_finding(&self, e: &Error) -> PartFinding {
        let bytes = self.meta.rollups.map_or(0, |m| m.bytes);
        PartFinding { path: self.paths.rollups.clone(), ..self.finding(e.offset().unwrap_or(0), bytes, e) }
    }

    /// Checks all tiles, and what they add up to; the buckets of those series that have rollups, where all could be read.
    /// What the points of a thinned part say against its rollups goes to `contradicted`.
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
                // Of a thinned part, whose points are compared with its rollups.
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

    /// Checks a tile's pages by their checksums; whether one is damaged.
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

    /// Checks a tile's points against the series table; the sum of its values' bits.
    fn check_points(
        &self,
        tile: u32,
        names: &mut NameInterner,
        rollups: Option<&Rollups>,
        rolled: &mut Vec<RolledChunk>,
    ) -> Result<u64> {
        let columns = self.read_all(tile)?;
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
                if !stands_for(&facts, &row) {
                    return Err(
                        self.contradiction("what is left of a series is not what its summary tells of")
                    );
                }
                if rollups.is_some() {
                    rolled.push(self.check_thinned(key, &row, &columns)?);
                }
                continue;
            }
            // Compared as texts of bits: a summary's first and last value may be NaN, which equals nothing.
            if format!("{facts:?}") != format!("{row:?}") {
                return Err(self.contradiction("a summary is not that of its points"));
            }
            let finest = rollups.and_then(|r| r.of(key)?.tiers.first()).map(|t| t.width);
            if let Some(width) = finest {
                let rows = range.start as usize..range.end as usize;
                let chunk = SeriesChunk {
                    key,
                    steps: &columns.steps[rows.clone()],
                    seqs: &columns.seqs[rows.clone()],
                    times_us: &columns.times_us[rows.clone()],
                    values: &columns.values[rows],
                };
                let shift = width.trailing_zeros();
                rolled.push(RolledChunk { key: key.clone(), shift, buckets: buckets(&chunk, shift) });
            }
        }
        Ok(value_bits_sum(&columns.values))
    }

    /// Checks what is left of a thinned series against its buckets, and gives these.
    fn check_thinned(&self, key: &SeriesKey, row: &SeriesRow, columns: &TileColumns) -> Result<RolledChunk> {
        let (shift, all) = self.thinned(row)?;
        let rows = row.row_start as usize..(row.row_start + row.rows) as usize;
        let chunk = SeriesChunk {
            key,
            steps: &columns.steps[rows.clone()],
            seqs: &columns.seqs[rows.clone()],
            times_us: &columns.times_us[rows.clone()],
            values: &columns.values[rows],
        };
        let kept = buckets(&chunk, shift);
        if kept.len() == all.len() && kept.iter().zip(&all).all(|(kept, all)| is_left_of(kept, all)) {
            return Ok(RolledChunk { key: key.clone(), shift, buckets: all });
        }
        Err(self.lost("a bucket is not that of what is left of its points"))
    }

    /// Hashes the whole file; what is wrong with it.
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
        // A dictionary page stands for all rows of its tile.
        let rows = match page.rows {
            0 => 0..self.tiles[tile as usize].rows,
            n => page.first_row..page.first_row + n,
        };
        let table = self.series();
        let concerned = || {
            let touches = |s: &&SeriesEntry| s.row_start < rows.end && rows.start < s.row_start + s.rows;
            table.entries()[table.tile(tile)].iter().filter(touches)
        };
        let ends = || concerned().flat_map(|s| [s.first_step, s.last_step]);
        PartFinding {
            tile: Some(tile),
            column: Some(column.name()),
            series: concerned().take(SERIES_NAMED_MAX).map(|s| table.key(s)).collect(),
            series_count: concerned().count(),
            steps: ends().min().zip(ends().max()),
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

/// Length and checksum of a whole file.
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
