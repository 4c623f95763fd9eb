//! An embedded columnar store for streams of metrics. Runs log rows, any process reads them live, and the points are
//! stored as plain Parquet.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("metrics");
//! use tidalite::Store;
//!
//! let store = Store::open(&path)?;
//! let run = store.run("resnet-42").param("lr", 3e-4).start()?;
//! for step in 0..100 {
//!     run.log(step, &[("loss", 1.0 / (step + 1) as f64), ("acc", step as f64 / 100.0)])?;
//! }
//! run.finish()?;
//!
//! let chart = store.select().metric("loss").runs("resnet-*").chart(1000)?;
//! assert_eq!(chart.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a point is stored
//!
//! [`Run::log`] appends a row to this process's log, where every process sees it at once. Background threads sync the
//! log, flush it into a part (a Parquet file), and compact parts into fewer. A [`Selection`] reads parts and live logs
//! together, as of one [`Snapshot`].
//!
//! # Units
//!
//! Steps are `i64` that the caller chooses. Times are `i64` microseconds since 1970-01-01 UTC. Values are `f64`; their
//! bits are kept, NaN and ±Inf included.
//!
//! # Cargo features
//!
//! `system`, off by default: samples telemetry of the machine and logs it with a run's metrics (the module `system` and
//! `Run::watch_system`).
//!
//! # Errors
//!
//! A call that fails returns an [`Error`]; its [`ErrorKind`] says what the caller can do about it. The library never
//! prints, never exits, and never takes the host program down.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files and damage them"))]
#![forbid(unsafe_code)]

mod engine;
mod exchange;
mod files;
mod parts;
mod plan;
mod select;
#[cfg(feature = "system")]
pub mod system;
mod upkeep;
mod view;
mod write;

pub use engine::on_damage::OnDamage;
pub use engine::options::Options;
pub use engine::store::Store;
pub use exchange::file_format::FileFormat;
pub use exchange::import::options::{Import, ImportStats, TimeUnit};
pub use files::finding::{Finding, FindingKind};
pub use files::param_json::{param_from_json, param_to_json};
pub use select::cursor::Cursor;
pub use select::diff::{RunDiff, RunDiffRow, RunFact};
pub use select::explain::Explain;
pub use select::follow::Follow;
pub use select::over::Over;
pub use select::pattern::escape;
pub use select::points::PointStream;
pub use select::run_list::{RunList, RunPage};
pub use select::run_totals::RunTotals;
pub use select::selection::Selection;
pub use upkeep::compact::CompactStats;
pub use upkeep::flush::FlushStats;
pub use upkeep::merge_stores::options::{Merge, MergeStats, OnConflict};
pub use upkeep::parquet_files::ParquetFiles;
pub use upkeep::reopen::Reopened;
pub use upkeep::report::{Report, Unread};
pub use upkeep::salvage::Salvaged;
pub use upkeep::thin::options::{Thin, ThinStats};
pub use upkeep::verify::VerifyDepth;
pub use view::encodings::PartEncodings;
pub use view::lineage::History;
pub use view::run_targets::RunTargets;
pub use view::snapshot::Snapshot;
pub use view::stats::Stats;
pub use write::builder::RunBuilder;
pub use write::edit::RunEditor;
pub use write::environment::capture_environment;
pub use write::exist::Exist;
pub use write::handles::{Metric, MetricSet};
pub use write::row_at::RowAt;
pub use write::run::Run;

pub use arrow;
pub use tidalite_log::{Durability, Watermark};
pub use tidalite_model::{
    Bounds, Error, ErrorAdvice, ErrorKind, ExactSquares, ExactSum, Extent, Extreme, Labels, NAME_BYTES_MAX,
    Param, Params, Parent, Participant, Point, Result, RunInfo, Seq, SeriesKey, Status, StepRange, Summary,
    TIME_US_MAX, TIME_US_MIN,
};
pub use tidalite_parts::ColumnEncodings;
pub use tidalite_query::{
    Aggregate, AlignOn, By, Calendar, ChartBucket, ChartBuckets, Compare, Fill, Pattern, Percent, PointField,
    PointSort, Repeats, RunColumn, RunField, RunFilter, RunSort, Transform, TwoLevels, XAxis,
    aggregate_schema, band_schema, chart_schema, moment_us, over_band_schema, over_chart_schema,
    over_points_schema, points_schema, similar_names,
};

/// What [`Options::value_encoding`] takes: for the tests of this project.
#[doc(hidden)]
pub use tidalite_parts::ValueEncoding;
/// The file system that [`Options::vfs`] takes: for the tests of this project.
#[doc(hidden)]
pub use tidalite_vfs::Vfs;

/// The examples of the documents, compiled and run.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/rust.md")]
    mod rust {}
}
