//! Arrow columns and record batches of points.
//!
//! It uses points. Invariants: every time is a timestamp in microseconds, UTC; the names of a series are
//! dictionaries; a batch made of one piece takes over its columns without a copy.

mod column;
mod points_batch;

pub(crate) use column::{name_columns, name_field, name_fields, names, timestamp};
pub use points_batch::{PointsBuilder, points_schema};
