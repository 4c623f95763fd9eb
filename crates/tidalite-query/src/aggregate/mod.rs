//! Aggregates: the words for them, what they are grouped by, and the states that compute them.
//!
//! It uses axes (for buckets), batches, filters (for params by name), points and words. Invariants: every aggregate
//! but the counts, `first` and `last` is over finite values; the result depends on the points, and not on the order in
//! which they are pushed and merged.

mod by;
mod cuts;
mod directory;
mod finish;
mod function;
mod grouping;
mod names;
mod needs;
mod numbered;
mod param_column;
mod partial;
mod plan;
mod quantile;
mod row_order;
mod sketch;
mod states;
mod tally;
#[cfg(test)]
mod tests;
mod two_levels;
mod whole_series;

pub use by::By;
pub use function::{Aggregate, Percent};
pub use grouping::{Grouping, aggregate_schema};
pub use names::SeriesNames;
pub(crate) use needs::AggregateNeeds;
pub use numbered::NumberedGroups;
pub(crate) use param_column::ParamColumn;
pub use partial::{Partial, PercentileJob};
pub(crate) use tally::summarize;
pub use two_levels::TwoLevels;
pub use whole_series::WholeSeries;
