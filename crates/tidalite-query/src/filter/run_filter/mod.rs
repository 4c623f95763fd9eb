//! Which runs a query takes, by what is known of them: params, tags, status, times, labels, parent.
//!
//! A filter is built by methods or parsed from text; both make the same tree. Invariant: the tree has no *and*
//! directly within an *and*, no *or* within an *or* and no *not* within a *not*, so a filter equals the one parsed
//! from its text.
//!
//! May use: `compare`, `rfc3339` and `series_filter` of `filter`.

mod build;
mod check;
mod eval;
mod field;
mod literal;
mod param;
mod parse;
#[cfg(test)]
mod tests;
mod text;
mod tree;

pub use field::RunField;
pub use param::param_named;
pub use tree::RunFilter;
