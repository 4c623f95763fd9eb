//! The series table: one row for each series in each tile of a part, with its rows in the tile and its summary.
//!
//! [`row`] is what the table says of a series, [`schema`] its columns. [`write`] makes the file. [`columns`] decodes
//! columns of a row group, [`read`] the groups, and [`table`] answers from them. [`packed`] is what of each row stays in
//! memory. These modules import names and pages; they know nothing of points files or rollups.
//!
//! Invariants:
//! - A table lists tiles in order. Within a tile keys ascend, and the rows follow one another without a gap.
//! - No byte is used before its checksum has matched, also where it is read again later.

mod columns;
pub(crate) mod packed;
pub(crate) mod read;
pub(crate) mod row;
pub(crate) mod schema;
pub(crate) mod table;
pub(crate) mod write;

pub use row::{Details, SeriesEntry, SeriesRow};
pub use table::{BySeries, DetailsReader, SeriesTable};
