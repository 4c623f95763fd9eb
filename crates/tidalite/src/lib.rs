//! An embedded columnar store for streams of metrics: runs log rows, any process reads them live, and the same points
//! become plain Parquet.
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
//! # The life of a point
//!
//! [`Run::log`] appends a row to this process's own log, where every process sees it at once. In the background the log
//! is synced, and from time to time flushed into a part, a Parquet file; parts are compacted into fewer. A
//! [`Select`] reads parts and live logs together, as of one [`Snapshot`].
//!
//! # Units
//!
//! Steps are `i64` and the caller's own; times are `i64` microseconds since 1970-01-01 UTC; values are `f64` whose
//! bits are kept, NaN and ±Inf included.
//!
//! # Cargo features
//!
//! `system`, off by default: telemetry of the machine, sampled and logged beside a run's own metrics (the module `system`
//! and `Run::watch_system`).
//!
//! # Errors
//!
//! Every call gives one [`Error`], whose [`ErrorKind`] says what can be done about it. The library never prints, never
//! exits, and never takes the host program down.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files and damage them"))]
#![forbid(unsafe_code)]

mod align;
mod backup;
mod band;
#[cfg(feature = "system")]
mod beside;
mod collect;
mod compact;
mod draw;
mod explain;
mod export;
mod file_format;
mod flush;
mod follow;
mod group;
mod having;
mod hides;
mod import;
mod ingest;
mod lineage;
mod m4;
mod maintain;
mod manifest;
mod metrics;
mod nan_text;
mod options;
mod over;
mod param_json;
mod places;
mod plan;
mod planner;
mod ranked;
mod report;
mod retract;
mod run;
mod run_table;
mod scan;
mod sealed;
mod select;
mod sizes;
mod snapshot;
mod stats;
mod store;
mod stretch;
mod stretch_thinned;
#[cfg(feature = "system")]
pub mod system;
mod tail;
mod thin;
mod thin_outline;
mod thinned;
mod threads;
mod tiles;
mod transformed;

pub use compact::CompactStats;
pub use explain::Explain;
pub use file_format::FileFormat;
pub use flush::FlushStats;
pub use follow::{Cursor, Follow};
pub use import::{Import, ImportStats, TimeUnit};
pub use lineage::History;
pub use options::Options;
pub use over::Over;
pub use param_json::{param_from_json, param_to_json};
pub use report::{Finding, FindingKind, Report};
pub use run::{Columns, Metric, RowAt, Run, RunBuilder};
pub use select::{PointStream, Select, escape};
pub use snapshot::Snapshot;
pub use stats::Stats;
pub use store::Store;
pub use thin::{Thin, ThinStats};

pub use tidalite_log::{Durability, Watermark};
pub use tidalite_model::{
    Error, ErrorKind, Extreme, Labels, NAME_BYTES_MAX, Param, Params, Parent, Point, Result, RunInfo, Seq,
    SeriesKey, Status, Summary, TIME_US_MAX, TIME_US_MIN,
};
pub use tidalite_query::{
    Aggregate, AlignOn, By, ChartBuckets, Compare, Fill, Repeats, RunField, RunFilter, Transform, XAxis,
    aggregate_schema, band_schema, chart_schema, over_band_schema, over_chart_schema, over_points_schema,
    points_schema,
};
