//! Columnar kernels over points in memory: selection, merge, aggregates, charts. This crate knows no files: what
//! reads parts and logs hands it columns, and gets columns or Arrow record batches back.
//!
//! The way of a query: a [`SeriesFilter`] says which series; their pieces become one by [`merge`], which resolves
//! repeats; a [`PointFilter`] says which points; then a [`PointsBuilder`] makes batches of them, or a [`Grouping`]'s
//! [`Partial`] states take them and give one row a group, or [`chart`] and [`lttb`] draw them small, or an [`Alignment`]
//! puts them side by side. A [`band`] is an aggregate of aggregates: first over each run's points, then over runs.
//!
//! Two rules hold throughout. Aggregates are over finite values: NaN and ±Inf are counted, never mixed in. And the
//! result depends on the points, not on the pieces and the order in which they came; only the last bits of sums may.
//!
//! Nothing here starts a thread: states are `Send`, merge, and hand out their heavier work as jobs, so that whoever
//! calls decides about threads and memory.

#![forbid(unsafe_code)]

mod aggregate;
mod alignment;
mod axis;
mod batch;
mod drawing;
mod filter;
mod over_axis;
mod points;
mod transform;
mod words;

pub use aggregate::{Aggregate, By, Grouping, Partial, Percent, PercentileJob, aggregate_schema};
pub use alignment::{AlignOn, Alignment, Fill};
pub use axis::{Placement, XAxis, same_bucket};
pub use batch::{PointsBuilder, points_schema};
pub use drawing::{
    ChartBucket, ChartBuckets, ChartMerge, Outline, PixelColumns, band, band_grouping, band_schema, chart,
    chart_batch, chart_schema, chart_width, lttb,
};
pub use filter::{
    Compare, LabelMatcher, NameMatcher, PointFilter, RunField, RunFilter, SeriesFilter, TimeText, Verdict,
    compare_int_float, param_named, parse_time,
};
pub use over_axis::{OverAxis, over_band_schema, over_chart_schema, over_points_schema};
pub use points::{Points, PointsView, Repeats, merge};
pub use transform::{Transform, TransformChain};
