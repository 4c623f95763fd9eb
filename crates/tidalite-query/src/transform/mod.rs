//! Series made from series, point by point: smoothed values, rates of counters, derivatives.
//!
//! It uses points and words. Invariants: an output point keeps the step and the time of its input point, and depends
//! on that point and earlier ones alone, so a series may come in pieces and later points change nothing before them.
//! A point that is NaN or ±Inf passes through unchanged and does not affect other points.

mod average;
mod chain;
mod change;
mod kind;
#[cfg(test)]
mod tests;
mod words;

pub use chain::TransformChain;
pub use change::CounterChanges;
pub use kind::Transform;
