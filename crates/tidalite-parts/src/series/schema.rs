//! The columns of a series table's file.

use parquet::errors::ParquetError;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor, TypePtr};
use std::sync::{Arc, LazyLock};

/// Most rows of a row group. A reader of one row decodes its whole group: smaller groups mean less decoding for one series,
/// but a larger footer. With this size one series takes a tenth of a millisecond, and the footer a twentieth of the file.
pub(crate) const GROUP_ROWS: usize = 1 << 11;

/// The writer writes the columns in this order.
const SCHEMA_TEXT: &str = "message series {
    required binary run (STRING);
    required binary metric (STRING);
    required binary labels (STRING);
    required int64 tile;
    required int64 row_start;
    required int64 rows;
    required int64 seq_min;
    required int64 seq_max;
    required int64 automatic;
    required int64 count;
    required int64 finite;
    required int64 nan;
    required int64 pos_inf;
    required int64 neg_inf;
    required int64 first_step;
    required int64 last_step;
    required int64 first_time (TIMESTAMP(MICROS,true));
    required int64 last_time (TIMESTAMP(MICROS,true));
    required int64 time_min (TIMESTAMP(MICROS,true));
    required int64 time_max (TIMESTAMP(MICROS,true));
    required boolean repeats;
    required double sum;
    required double squares;
    required double first_value;
    required double last_value;
    required binary sums_rest;
    optional double min;
    optional double max;
    optional int64 min_step;
    optional int64 max_step;
}";

pub(crate) static SERIES_SCHEMA: LazyLock<TypePtr> =
    LazyLock::new(|| Arc::new(parse_message_type(SCHEMA_TEXT).expect("the schema's text is valid")));

pub(crate) static SERIES_COLUMNS: LazyLock<SchemaDescPtr> =
    LazyLock::new(|| Arc::new(SchemaDescriptor::new(SERIES_SCHEMA.clone())));

/// A result of the Parquet crate.
pub(crate) type ParquetResult<T = ()> = Result<T, ParquetError>;
