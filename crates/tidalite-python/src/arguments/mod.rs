//! Conversion of Python arguments to the engine's types, one kind of argument per file.
//!
//! Conversions check and copy; they write nothing to a store. A wrong type is a `TypeError`, a wrong value is `Invalid`.
//!
//! May use: `errors.rs`.

pub(crate) mod groups;
pub(crate) mod names;
pub(crate) mod numbers;
pub(crate) mod opening;
pub(crate) mod params;
pub(crate) mod ranges;
pub(crate) mod time;
