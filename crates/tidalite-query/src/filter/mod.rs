//! Which series, points and runs a query takes.
//!
//! It uses points and words. Invariant: a filter decides from its input alone, so the same filter over the same
//! points, names or run always gives the same answer.

mod compare;
mod glob;
mod moment;
mod pattern;
mod point_filter;
mod rfc3339;
mod run_filter;
mod series_filter;

pub use compare::{Compare, compare_int_float};
pub use moment::moment_us;
pub use pattern::Pattern;
pub use point_filter::{PointFilter, Verdict};
pub use rfc3339::{TimeText, parse_time};
pub use run_filter::{RunField, RunFilter, param_named};
pub use series_filter::{LabelMatcher, NameMatcher, SeriesFilter};
