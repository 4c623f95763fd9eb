//! No state of a store is a dead end: what failed can be repeated, a full disk can be emptied, a failed writer is opened again,
//! and a limit or a file that cannot be written is an error.

mod copies;
#[cfg(unix)]
mod full;
mod reopened;
#[cfg(target_os = "linux")]
pub(crate) mod scarce;
#[cfg(target_os = "linux")]
pub(crate) mod unwritable;
