//! X-axes: the buckets of one, the words for them, and the x of each point.
//!
//! It uses points, batches and words. Invariants: every i64 lies in exactly one bucket of a width; converting the x
//! of points to integers keeps their order.

mod bucket;
mod placement;
mod scale;
mod x_axis;

pub use bucket::same_bucket;
pub(crate) use bucket::{BucketRuns, Width};
pub use placement::Placement;
pub(crate) use scale::{XScale, XValue};
pub use x_axis::XAxis;
