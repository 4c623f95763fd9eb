//! From a selection to points: which series, where their points are stored, and how to read as few of them as possible.
//!
//! 1. The [`planner`] finds the selected series and makes a [`Plan`](query_plan::Plan).
//! 2. The plan is read in batches of consecutive series ([`load`]), so results come in order and memory is bounded.
//! 3. Where summaries or rollups stand for points, no page is read ([`pushdown`]).
//! 4. Of series whose points lie in one part and all count, summaries are looked up without a plan for each ([`plain`]).
//! 5. Transforms apply to merged points, in pieces where a series is long ([`transformed`]).
//!
//! May use: `view`, `parts`, `engine` and `files`.
//!
//! Invariant: a summary stands for points only where each of them counts; otherwise the points are read and merged.

mod batch_tails;
mod extent;
mod found;
mod judged;
mod load;
pub(crate) mod plain;
pub(crate) mod planner;
pub(crate) mod plans;
mod pushdown;
mod pushdown_rollups;
mod pushdown_thinned;
pub(crate) mod query_plan;
pub(crate) mod resolution;
pub(crate) mod resolved;
pub(crate) mod series;
pub(crate) mod shaping;
mod span;
mod transformed;
mod wanted_names;
