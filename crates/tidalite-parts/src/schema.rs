//! The columns of a points file, and the bounds that writer and reader share.
//!
//! All columns are required and flat. So a data page holds encoded values only, and no levels.

use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr, SchemaDescriptor};
use std::sync::{Arc, LazyLock};

/// Most rows of one tile. A Parquet page counts its values in 31 bits, and a whole tile is encoded in memory: 16 Mi rows
/// are 1 GiB of points.
pub const TILE_ROWS_MAX: u32 = 1 << 24;

/// Most tiles of one part: Parquet numbers its row groups in 15 bits.
pub const TILES_MAX: u32 = 32_767;

/// Most bytes of a dictionary page before compression. One such page holds the texts of a column of names; 64 MiB are
/// 16,000 distinct names of the greatest length.
pub(crate) const DICTIONARY_BYTES_MAX: usize = 64 << 20;

/// Most entries of a tile's dictionary of times: 1 MiB. Beyond it, finding the repeats costs more than it saves.
pub(crate) const TIME_DICTIONARY_MAX: usize = 1 << 17;

/// Most entries of a tile's dictionary of values: 256 KiB. A reader of one page decodes the whole dictionary.
pub(crate) const VALUE_DICTIONARY_MAX: usize = 1 << 15;

/// A column of a points file, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointColumn {
    Run,
    Metric,
    Labels,
    Step,
    Seq,
    Written,
    Time,
    Value,
}

impl PointColumn {
    pub(crate) const ALL: [PointColumn; 8] = [
        PointColumn::Run,
        PointColumn::Metric,
        PointColumn::Labels,
        PointColumn::Step,
        PointColumn::Seq,
        PointColumn::Written,
        PointColumn::Time,
        PointColumn::Value,
    ];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            PointColumn::Run => "run",
            PointColumn::Metric => "metric",
            PointColumn::Labels => "labels",
            PointColumn::Step => "step",
            PointColumn::Seq => "seq",
            PointColumn::Written => "written",
            PointColumn::Time => "time",
            PointColumn::Value => "value",
        }
    }

    pub(crate) fn descriptor(self) -> ColumnDescPtr {
        SCHEMA.column(self.index())
    }
}

/// The schema as text, in the notation of the Parquet documents and of every reader's `schema` command.
const SCHEMA_TEXT: &str = "message points {
    required binary run (STRING);
    required binary metric (STRING);
    required binary labels (STRING);
    required int64 step;
    required int64 seq;
    required int64 written;
    required int64 time (TIMESTAMP(MICROS,true));
    required double value;
}";

pub(crate) static SCHEMA: LazyLock<SchemaDescPtr> = LazyLock::new(|| {
    let root = parse_message_type(SCHEMA_TEXT).expect("the schema's text is valid");
    Arc::new(SchemaDescriptor::new(Arc::new(root)))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_schema_agree() {
        assert_eq!(SCHEMA.num_columns(), PointColumn::ALL.len());
        for (i, column) in PointColumn::ALL.into_iter().enumerate() {
            assert_eq!((column.index(), column.descriptor().name()), (i, column.name()));
            assert_eq!((column.descriptor().max_def_level(), column.descriptor().max_rep_level()), (0, 0));
        }
    }
}
