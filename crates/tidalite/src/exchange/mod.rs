//! Imports and exports points as CSV, JSON lines, Parquet and Arrow IPC.
//!
//! May use: `write` (import appends), `select` (export reads), `upkeep` (its thread starts with the log), `plan`, `view`,
//! `engine`, `files`.
//!
//! Invariant: an exported file imports back bit for bit. The files are the user's, not the store's, so they go through
//! `std`, not through the store's file system.

mod export;
pub(crate) mod file_format;
mod folder;
pub(crate) mod import;
mod nan_text;
mod run_lines;
