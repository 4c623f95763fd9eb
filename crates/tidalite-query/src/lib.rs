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
mod align;
mod band;
mod batch;
mod bucket;
mod chart;
mod chart_batch;
mod column_names;
mod compare;
mod directory;
mod fill;
mod filter;
mod finish;
mod glob;
mod grouping;
mod lttb;
mod m4;
mod matcher;
mod merge;
mod names;
mod needs;
mod outline;
mod over_band;
mod over_batch;
mod partial;
mod points;
mod quantile;
mod rfc3339;
mod run_filter;
mod sketch;
mod states;
mod tally;
mod transform;
mod x_axis;

pub use aggregate::{Aggregate, Percent};
pub use align::Alignment;
pub use band::{band, band_grouping, band_schema};
pub use batch::{PointsBuilder, points_schema};
pub use bucket::same_bucket;
pub use chart::{ChartBucket, ChartBuckets, ChartMerge, chart, chart_width};
pub use chart_batch::{chart_batch, chart_schema};
pub use compare::{Compare, whole_to_real};
pub use fill::{AlignOn, Fill};
pub use filter::{PointFilter, Verdict};
pub use grouping::{By, Grouping, aggregate_schema};
pub use lttb::lttb;
pub use m4::PixelColumns;
pub use matcher::{LabelMatcher, NameMatcher, SeriesFilter};
pub use merge::{Repeats, merge};
pub use outline::Outline;
pub use over_band::over_band_schema;
pub use over_batch::{OverAxis, over_chart_schema, over_points_schema};
pub use partial::{Partial, PercentileJob};
pub use points::{Points, PointsView};
pub use rfc3339::{TimeText, parse_time};
pub use run_filter::{RunField, RunFilter, param_named};
pub use transform::{Transform, Transforming};
pub use x_axis::{Along, XAxis};
