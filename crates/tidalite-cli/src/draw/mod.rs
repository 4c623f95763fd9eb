//! Draws charts in a terminal, as SVG, or as a sparkline. This folder does not depend on the engine: charts are made of
//! plain buckets.
//!
//! May use: `text`.

pub(crate) mod chart;
pub(crate) mod line;
pub(crate) mod spark;
pub(crate) mod svg;
pub(crate) mod ticks;
