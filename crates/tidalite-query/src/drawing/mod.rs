//! Series drawn by fewer points or by buckets: charts, lines (LTTB and M4), outlines and bands.
//!
//! It uses aggregates, axes, batches and points. Invariants: bucket widths are powers of two and buckets are aligned
//! at zero; a line is made of the series' own points.

mod band;
mod chart;
mod chart_batch;
mod lttb;
mod m4;
mod outline;
mod sample;

pub use band::{band, band_grouping, band_schema};
pub use chart::{ChartBucket, ChartBuckets, ChartMerge, chart, chart_width};
pub use chart_batch::{chart_batch, chart_schema};
pub use lttb::{LineChoice, LineCount, LineMeans, lttb};
pub use m4::PixelColumns;
pub use outline::Outline;
pub use sample::{sample, sample_piece};
