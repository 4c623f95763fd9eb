//! The encoding of a [`RunChange`]: its kind, then its fields in order.
//!
//! A text is a length (u32) and UTF-8. A list, set or map is a count (u32) and its items. A param is one byte for its
//! type and then its value. The decoder trusts nothing: a count is bounded by the bytes that are left, nesting by
//! `PARAM_DEPTH_MAX`, and trailing bytes are an error.

mod codes;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use decode::decode;
pub(crate) use encode::encode;
