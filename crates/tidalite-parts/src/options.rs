//! Options of writing, the paths of a part, and the set of columns to read.

use std::path::{Path, PathBuf};
use uuid::Uuid;

/// How to encode and write a part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartOptions {
    /// The zstd level, 1 to 19; default 3. Level 1 is about a third faster and 2 % larger.
    pub zstd_level: i32,
    /// Points per bucket of the finest rollups, about; default 256. 0 writes no rollups.
    pub rollup_points: u32,
    /// Fewest points of a series in a part for it to have rollups; default 32,768.
    pub rollup_series_points: u32,
    /// Fewest points of a series on average for a part to have a file of its series table; default 16. In other parts the
    /// table is derived from the points when the part is opened. A thinned part always has one.
    pub table_series_points: u32,
    /// The encoding of values. Tests force each in turn.
    pub value_encoding: ValueEncoding,
}

impl Default for PartOptions {
    fn default() -> Self {
        PartOptions {
            zstd_level: 3,
            rollup_points: 256,
            rollup_series_points: 32_768,
            table_series_points: 16,
            value_encoding: ValueEncoding::default(),
        }
    }
}

/// How the values of a page are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueEncoding {
    /// As takes the least space.
    #[default]
    Least,
    /// BYTE_STREAM_SPLIT.
    Split,
    /// PLAIN.
    Plain,
    /// RLE_DICTIONARY, as long as the dictionary of a tile is not full; else BYTE_STREAM_SPLIT.
    Dictionary,
}

/// A part's id and the paths of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPaths {
    /// The part's id.
    pub id: Uuid,
    /// The points file.
    pub points: PathBuf,
    /// The series table.
    pub series: PathBuf,
    /// The rollups. The file exists only where a series has rollups.
    pub rollups: PathBuf,
}

impl PartPaths {
    /// The paths of all its files, including those that may be absent.
    pub fn files(&self) -> [&Path; 3] {
        [&self.points, &self.series, &self.rollups]
    }
}

/// The columns to read. The names of series are in the series table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnSet {
    /// Steps.
    pub step: bool,
    /// Places of the writes.
    pub seq: bool,
    /// How the points were written.
    pub written: bool,
    /// Times.
    pub time: bool,
    /// Values.
    pub value: bool,
}

impl ColumnSet {
    /// All five columns.
    pub const ALL: ColumnSet = ColumnSet { step: true, seq: true, written: true, time: true, value: true };
    /// No column.
    pub const NONE: ColumnSet =
        ColumnSet { step: false, seq: false, written: false, time: false, value: false };
    /// Only the values.
    pub const VALUE: ColumnSet = ColumnSet { value: true, ..ColumnSet::NONE };
}
