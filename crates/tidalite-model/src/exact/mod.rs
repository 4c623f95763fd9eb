//! Exact sums of f64 numbers and of their squares, and the mean and the spread that follow from them.
//!
//! [`sum`] is the sum itself: a few f64 terms whose total is exact, or [`wide`], a fixed-point number that holds any sum.
//! [`block`] adds many values at once. [`natural`] rounds quotients of whole numbers; [`moments`] uses it for the nearest
//! f64, the mean and the spread. [`bytes`] is the form on disk. These modules use nothing else of the crate.
//!
//! Invariant: a sum is exact, so it does not depend on the order in which values were added or sums were merged. A result
//! is the f64 nearest to the true one, so it does not depend on that order either.

mod block;
mod bytes;
mod moments;
mod natural;
mod sum;
#[cfg(test)]
mod tests;
mod wide;

pub(crate) use block::add_finite;
pub use bytes::{REST_BYTES_MAX, rest_from_bytes, rest_to_bytes, sum_rest_from_bytes};
pub use sum::{ExactSquares, ExactSum, ExactTerms};
