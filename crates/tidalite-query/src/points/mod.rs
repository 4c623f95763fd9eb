//! The points of one series: their columns, and how several chunks become one.
//!
//! It uses the words and no other folder. Invariants: a column is as long as the values, or empty because it was not
//! read; merged points ascend by step, then clock, then seq.

mod columns;
mod merge;
mod repeats;
mod rising;
mod sort;

pub use columns::{Points, PointsView};
pub use merge::merge;
pub use repeats::Repeats;
pub(crate) use rising::rises;
pub use sort::{PointField, PointSort};
