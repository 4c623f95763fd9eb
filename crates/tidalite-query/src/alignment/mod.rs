//! Series side by side: one column per series on one axis of steps or time, or one per metric and one row per step of each run.
//!
//! It uses axes, batches, points and words. Invariants: the axis ascends without repeats, and each column is as long
//! as it; columns are filled independently, so several threads may fill them.

mod aligned;
mod column_names;
mod fill;
mod step_rows;

pub use aligned::Alignment;
pub use fill::{AlignOn, Fill};
pub use step_rows::StepRows;
