//! The series table of a part that has no file of it: derived from the points.
//!
//! Where series have few points, a row of the table takes more bytes than the points that it summarizes, and is not read
//! faster. On opening, the names, the steps and how the points were written give the entries. Details are computed from the
//! points of a group of series when they are needed.
//!
//! A series with a damaged page of steps has all steps as its range, so that no query leaves it out by its steps: reading
//! its points gives the error.

use super::footer::TileMap;
use super::pages::Pages;
use super::series::series_of;
use crate::chunk::SeriesChunk;
use crate::facts::{SeqRanges, facts};
use crate::fetched::Fetched;
use crate::names::{NameInterner, NumberedNames};
use crate::schema::PointColumn;
use crate::series::packed::EntryPacker;
use crate::series::read::{DetailsSource, SeriesBlock, SeriesHeads, ranked};
use crate::series::row::{Details, SeriesEntry, SeriesRow};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Labels, Result, SeriesKey, Written};
use tidalite_vfs::ReadFile;

/// Most series of a group. Their points are read together.
const GROUP_SERIES: usize = 1 << 10;
/// Rows from which a group ends, about those of a page.
const GROUP_ROWS: u32 = 1 << 13;

/// The points that details are computed from.
#[derive(Debug)]
pub(super) struct DerivedDetails {
    file: Arc<dyn ReadFile>,
    tiles: Arc<Vec<TileMap>>,
    path: PathBuf,
    groups: Vec<DerivedGroup>,
}

/// Series that are adjacent in a tile.
#[derive(Debug)]
struct DerivedGroup {
    tile: u32,
    /// Their indices in the table.
    series: Range<u32>,
    /// Their rows in the tile.
    rows: Range<u32>,
}

/// The steps and marks of a tile.
struct TileSteps {
    steps: Vec<i64>,
    written: Vec<i64>,
}

impl DerivedDetails {
    /// Derives the entries of all series.
    ///
    /// # Errors
    /// `Corrupt` where the names of a tile are damaged.
    pub(super) fn open(
        file: Arc<dyn ReadFile>,
        tiles: Arc<Vec<TileMap>>,
        path: PathBuf,
    ) -> Result<(Self, SeriesHeads)> {
        let mut derived = DerivedDetails { file, tiles: tiles.clone(), path, groups: Vec::new() };
        let (mut names, mut numbered) = (NameInterner::default(), <[NumberedNames; 3]>::default());
        let mut packer = EntryPacker::default();
        let mut at = 0u32;
        for (tile, map) in (0u32..).zip(&*tiles) {
            let all = 0..map.rows;
            let whole = match derived.steps_of(tile, &all) {
                Err(e) if e.kind() == ErrorKind::Corrupt => None,
                read => Some(read?),
            };
            let mut start = 0;
            for (key, rows) in series_of(derived.file.as_ref(), map, tile, &mut names)? {
                let rows = start..start + rows;
                start = rows.end;
                let mut entry = derived.entry(tile, &rows, whole.as_ref())?;
                let texts = [&*key.run, &*key.metric, key.labels.as_str()];
                for ((name, numbered), text) in entry.names.iter_mut().zip(&mut numbered).zip(texts) {
                    *name = numbered.number_of(text);
                }
                packer.push(entry);
                derived.add(tile, at, rows);
                at += 1;
            }
        }
        Ok((derived, ranked(packer.finish(), numbered)))
    }

    /// Adds the next series to the last group, or to a new one.
    fn add(&mut self, tile: u32, at: u32, rows: Range<u32>) {
        if let Some(group) = self.groups.last_mut()
            && group.tile == tile
            && group.series.len() < GROUP_SERIES
            && rows.end - group.rows.start <= GROUP_ROWS
        {
            (group.series.end, group.rows.end) = (at + 1, rows.end);
            return;
        }
        self.groups.push(DerivedGroup { tile, series: at..at + 1, rows });
    }

    /// The entry of the series with these rows. `whole` is the whole tile, unless a page of it is damaged.
    fn entry(&self, tile: u32, rows: &Range<u32>, whole: Option<&TileSteps>) -> Result<SeriesEntry> {
        let entry = SeriesEntry {
            names: [0; 3],
            tile,
            row_start: rows.start,
            rows: rows.end - rows.start,
            first_step: i64::MIN,
            last_step: i64::MAX,
            automatic: 0,
            repeats: true,
        };
        let of = |steps: &[i64], written: &[i64]| {
            let automatic = written.iter().filter(|n| Written::from_i64(**n).is_automatic()).count();
            let (Some(&first_step), Some(&last_step)) = (steps.first(), steps.last()) else { return entry };
            SeriesEntry {
                first_step,
                last_step,
                automatic: u32::try_from(automatic).unwrap_or(u32::MAX),
                repeats: steps.windows(2).any(|pair| pair[0] == pair[1]),
                ..entry
            }
        };
        if let Some(whole) = whole {
            let range = rows.start as usize..rows.end as usize;
            return Ok(of(&whole.steps[range.clone()], &whole.written[range]));
        }
        match self.steps_of(tile, rows) {
            Ok(read) => Ok(of(&read.steps, &read.written)),
            Err(e) if e.kind() == ErrorKind::Corrupt => Ok(entry),
            Err(e) => Err(e),
        }
    }

    fn steps_of(&self, tile: u32, rows: &Range<u32>) -> Result<TileSteps> {
        let mut fetched = Fetched::default();
        let steps = self.integers(tile, PointColumn::Step, rows, &mut fetched)?;
        Ok(TileSteps { steps, written: self.written(tile, rows, &mut fetched)? })
    }

    fn written(&self, tile: u32, rows: &Range<u32>, fetched: &mut Fetched) -> Result<Vec<i64>> {
        match self.tiles[tile as usize].chunks[PointColumn::Written.index()].constant {
            Some(number) => Ok(vec![number; rows.len()]),
            None => self.integers(tile, PointColumn::Written, rows, fetched),
        }
    }

    fn integers(
        &self,
        tile: u32,
        column: PointColumn,
        rows: &Range<u32>,
        fetched: &mut Fetched,
    ) -> Result<Vec<i64>> {
        let mut out = Vec::new();
        let pages = self.pages(tile, column);
        pages.integers(std::slice::from_ref(rows), &mut out)?;
        *fetched += pages.fetched();
        Ok(out)
    }

    fn pages(&self, tile: u32, column: PointColumn) -> Pages<'_> {
        Pages::new(self.file.as_ref(), &self.tiles[tile as usize], tile, column)
    }

    fn corrupt(&self, wrong: String) -> Error {
        Error::corrupt("read part", &self.path, 0, wrong)
    }
}

impl DetailsSource for DerivedDetails {
    /// The part keeps its points file open.
    fn keep_open(&self) -> Result<()> {
        Ok(())
    }

    fn group_of(&self, row: u32) -> (usize, Range<u32>) {
        let group = self.groups.partition_point(|g| g.series.end <= row);
        (group, self.groups[group].series.clone())
    }

    fn block(&self, group: usize, entries: &mut dyn Iterator<Item = SeriesEntry>) -> Result<SeriesBlock> {
        let DerivedGroup { tile, rows, .. } = &self.groups[group];
        let mut fetched = Fetched::default();
        let [steps, seqs, times_us] = [PointColumn::Step, PointColumn::Seq, PointColumn::Time]
            .map(|column| self.integers(*tile, column, rows, &mut fetched));
        let (steps, seqs, times_us) = (steps?, seqs?, times_us?);
        let written = self.written(*tile, rows, &mut fetched)?;
        let (pages, mut values) = (self.pages(*tile, PointColumn::Value), Vec::new());
        pages.values(std::slice::from_ref(rows), &mut values)?;
        fetched += pages.fetched();
        let unnamed = SeriesKey::new("", "", Labels::none());
        let details = |entry: SeriesEntry| {
            let start = (entry.row_start - rows.start) as usize;
            let range = start..start + entry.rows as usize;
            let chunk = SeriesChunk {
                key: &unnamed,
                steps: &steps[range.clone()],
                seqs: &seqs[range.clone()],
                written: &written[range.clone()],
                times_us: &times_us[range.clone()],
                values: &values[range],
            };
            let facts = facts(&chunk, &mut SeqRanges::default());
            let SeriesRow { seq_min, seq_max, summary, .. } =
                facts.map_err(|e| self.corrupt(format!("tile {tile}: {}", e.wrong())))?;
            Ok(Details { seq_min, seq_max, summary })
        };
        Ok(SeriesBlock::Rows(entries.map(details).collect::<Result<_>>()?, fetched))
    }

    fn contradicts(&self, row: u32) -> Error {
        self.corrupt(format!("the points of series {row} contradict themselves"))
    }
}
