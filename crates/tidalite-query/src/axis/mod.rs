//! X-axes: the buckets of one, the words for them, and the x of each point.
//!
//! It uses points, batches and words. Invariants: every i64 lies in exactly one bucket of a width; converting the x
//! of points to integers keeps their order.

mod bucket;
mod calendar;
mod placement;
mod scale;
mod x_axis;

pub(crate) use bucket::BucketRuns;
pub use bucket::{Width, same_bucket};
pub use calendar::Calendar;
pub use placement::Placement;
pub(crate) use scale::{XScale, XValue};
pub use x_axis::XAxis;
