//! Columnar kernels over points in memory: filters, merging, transforms, aggregates, drawings, alignment. This crate
//! reads no files: it takes columns and returns columns or Arrow record batches.
//!
//! A query goes through these steps. A [`SeriesFilter`] selects series. [`merge`] joins their pieces and resolves
//! repeats. A [`PointFilter`] selects points. Then a [`PointsBuilder`] makes batches of them, or the [`Partial`]
//! states of a [`Grouping`] aggregate them to one row per group, or [`chart`] and [`lttb`] draw them, or an
//! [`Alignment`] puts them side by side. A [`band`] is an aggregate of aggregates: first over the points of each run,
//! then over runs.
//!
//! Two rules hold throughout. Aggregates are over finite values: NaN and ±Inf are counted separately. And the result
//! depends on the points, not on the pieces and the order in which they come.
//!
//! Nothing here starts a thread. States are `Send`, they merge, and they hand out their heavier work as jobs, so the
//! caller decides about threads and memory.
//!
//! Folders, from the lowest to the highest; each uses only those before it: `words`, `points`, `filter`, `batch`,
//! `axis`, `aggregate`, `drawing`, `alignment`, `transform`, `over_axis`.

#![forbid(unsafe_code)]

mod aggregate;
mod alignment;
mod axis;
mod batch;
mod drawing;
mod filter;
mod over_axis;
mod points;
mod run_list;
mod transform;
mod words;

pub use aggregate::{
    Aggregate, By, Grouping, NumberedGroups, Partial, Percent, PercentileJob, SeriesNames, TwoLevels,
    WholeSeries, aggregate_schema,
};
pub use alignment::{AlignOn, Alignment, Fill, StepRows};
pub use axis::{Calendar, Placement, Width, XAxis, same_bucket};
pub use batch::{PointsBuilder, points_schema};
pub use drawing::{
    ChartBucket, ChartBuckets, ChartMerge, LineChoice, LineCount, LineMeans, Outline, PixelColumns, band,
    band_grouping, band_schema, chart, chart_batch, chart_schema, chart_width, lttb, sample, sample_piece,
};
pub use filter::{
    Compare, LabelMatcher, NameMatcher, Pattern, PointFilter, RunField, RunFilter, SeriesFilter, TimeText,
    Verdict, compare_int_float, moment_us, param_named, parse_time,
};
pub use over_axis::{
    AxisBand, AxisFrame, AxisLine, AxisReach, OverAxis, over_band_schema, over_chart_schema,
    over_points_schema,
};
pub use points::{PointField, PointSort, Points, PointsView, Repeats, merge};
pub use run_list::{RunColumn, RunSort};
pub use transform::{CounterChanges, Transform, TransformChain};
pub use words::similar_names;
