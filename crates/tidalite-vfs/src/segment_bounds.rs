//! The bounds check that every kind of segment file shares.

use std::path::Path;
use tidalite_model::{Error, Result};

/// The end of a write of `bytes` at `offset`. An error if it exceeds the capacity.
#[inline]
pub(crate) fn end_inside(path: &Path, offset: u64, bytes: usize, capacity: u64) -> Result<u64> {
    match offset.checked_add(bytes as u64) {
        Some(end) if end <= capacity => Ok(end),
        _ => Err(outside(path, offset, bytes, capacity)),
    }
}

#[cold]
fn outside(path: &Path, offset: u64, bytes: usize, capacity: u64) -> Error {
    Error::invalid(
        "write to segment",
        format!("{bytes} bytes do not fit below its capacity of {capacity}"),
        "begin a new segment",
    )
    .at(path)
    .at_offset(offset)
}
