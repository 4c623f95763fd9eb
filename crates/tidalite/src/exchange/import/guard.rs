//! Keeps panics of third-party decoders from reaching the caller.
//!
//! The readers of Parquet and Arrow IPC can panic on damaged bytes. A panic means that the file is damaged. No reader
//! is used after it panicked.

use super::fault::ImportFault;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a step of a decoder, and turns a panic into a fault.
pub(super) fn guarded<T>(step: impl FnOnce() -> T) -> Result<T, ImportFault> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|_| {
        ImportFault::wrong("the file is damaged: its decoder failed", "fetch or write the file again")
    })
}
