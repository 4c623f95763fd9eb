//! Series over another x-axis than the step: their points, charts, lines, bands and columns side by side.
//!
//! It uses aggregates, alignment, axes, batches, drawings and points. Steps: each point gets an x, the series is
//! sorted by it, and the x replaces the step in charts and lines. Invariant: a point that is kept shows its own step,
//! time and value, and its exact x.

mod band;
mod frame;
mod pieces;
mod schema;
mod series;
#[cfg(test)]
mod tests;

pub use band::over_band_schema;
pub use frame::{AxisBand, AxisFrame, AxisLine, AxisReach};
pub use schema::{over_chart_schema, over_points_schema};
pub use series::OverAxis;
