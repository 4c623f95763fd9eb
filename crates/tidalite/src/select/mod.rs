//! Selections and their answers: points, summaries, aggregates, charts, bands, aligned tables, followers.
//!
//! A [`Selection`](selection::Selection) says which points; each answer is an `impl Selection` in a file of its own.
//!
//! May use: `plan`, `view`, `parts`, `engine` and `files`.
//!
//! Invariants: nothing is read before an answer is asked for, and each answer sees one snapshot. Memory is bounded by
//! the memory option; an answer that needs more is refused.

mod aggregate;
mod align;
mod band;
mod chart;
pub(crate) mod cursor;
mod damage;
pub(crate) mod diff;
mod exclude;
mod exclusions;
pub(crate) mod explain;
pub(crate) mod follow;
mod groups;
mod having;
mod labels;
mod line;
mod m4;
mod metrics;
mod names;
mod nothing;
pub(crate) mod over;
pub(crate) mod pattern;
mod planning;
mod point_page;
pub(crate) mod points;
mod rate;
mod rows;
pub(crate) mod run_list;
pub(crate) mod run_totals;
mod sample;
pub(crate) mod selection;
mod summaries;
mod top;
mod transform;
