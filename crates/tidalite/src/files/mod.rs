//! The store's files: the path of each, and the small text files that say what is live.
//!
//! May use: nothing else of the engine.
//!
//! Invariants: only [`paths`] makes paths, and never from a name that a user gave. Marker, manifest, run table and writer
//! table hold their text twice ([`two_copies`]), so that they stay readable with one copy damaged. A version appears
//! whole or not at all ([`manifest`]).

pub(crate) mod current_runs;
pub(crate) mod finding;
pub(crate) mod lost;
pub(crate) mod manifest;
pub(crate) mod marker;
pub(crate) mod param_json;
pub(crate) mod paths;
mod run_row;
pub(crate) mod run_table;
pub(crate) mod staged;
pub(crate) mod two_copies;
pub(crate) mod writer_table;
