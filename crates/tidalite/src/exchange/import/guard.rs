//! Decoders of other projects, kept from taking the host program down.
//!
//! The readers of Parquet and Arrow IPC check most of what they read, yet damaged bytes can make them panic. Such a
//! panic says nothing but that the file is damaged. Nothing of a reader is used after it panicked.

use super::fault::ImportFault;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a step of a decoder; a panic becomes a fault.
pub(super) fn guarded<T>(step: impl FnOnce() -> T) -> Result<T, ImportFault> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|_| {
        ImportFault::wrong("the file is damaged: its decoder failed", "get the file anew, or write it again")
    })
}
