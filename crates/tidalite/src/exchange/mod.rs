//! Points to and from files of other tools: import and export in CSV, JSON lines, Parquet and Arrow IPC.
//!
//! May use: `write` (import appends), `select` (export reads), `plan`, `engine`.
//!
//! Invariants: what is exported reads back bit for bit. These are the user's files, not the store's, so they go through std
//! and not through the store's file system.

mod export;
pub(crate) mod file_format;
pub(crate) mod import;
mod nan_text;
