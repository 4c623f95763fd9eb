//! Charts for people: in a terminal, as SVG, or as one line of text. Nothing here knows of stores: callers hand over
//! plain buckets.

pub(crate) mod chart;
pub(crate) mod line;
pub(crate) mod spark;
pub(crate) mod svg;
pub(crate) mod ticks;
