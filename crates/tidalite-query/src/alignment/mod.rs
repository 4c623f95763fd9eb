//! Series side by side: one column per series on one axis of steps or time.
//!
//! It uses axes, batches, points and words. Invariants: the axis ascends without repeats, and each column is as long
//! as it; columns are filled independently, so several threads may fill them.

mod aligned;
mod column_names;
mod fill;

pub use aligned::Alignment;
pub use fill::{AlignOn, Fill};
