//! What callers choose: how hard to compress, where the files go, which columns to read.

use std::path::{Path, PathBuf};
use uuid::Uuid;

/// How to encode and write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartOptions {
    /// zstd's level, 1 to 19; default 3. Level 1 is about a third faster and 2 % larger.
    pub zstd_level: i32,
    /// About how many points a bucket of the finest rollups stands for; default 256. 0 writes none.
    pub rollup_points: u32,
    /// How many points a series has in a part, at least, to have rollups; default 16,384.
    pub rollup_series_points: u32,
}

impl Default for PartOptions {
    fn default() -> Self {
        PartOptions { zstd_level: 3, rollup_points: 256, rollup_series_points: 16_384 }
    }
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
    /// The rollups; there is no such file where no series has any.
    pub rollups: PathBuf,
}

impl PartPaths {
    /// The paths of all its files, those that may be absent too.
    pub fn files(&self) -> [&Path; 3] {
        [&self.points, &self.series, &self.rollups]
    }
}

/// Which columns to read. Names of series are not among them: the series table has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColumnSet {
    /// Steps.
    pub step: bool,
    /// Write orders.
    pub seq: bool,
    /// Times.
    pub time: bool,
    /// Values.
    pub value: bool,
}

impl ColumnSet {
    /// All four.
    pub const ALL: ColumnSet = ColumnSet { step: true, seq: true, time: true, value: true };
    /// Values alone.
    pub const VALUE: ColumnSet = ColumnSet { step: false, seq: false, time: false, value: true };
}
