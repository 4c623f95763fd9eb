//! The store's files: where each is, and the small text files that say what is live.
//!
//! May use: nothing else of the engine.
//!
//! Invariants: [`paths`] is the only module that makes a path, and never from a name that a user gave. Marker, manifest
//! and run table are written twice into one file ([`two_copies`]), so that one damaged copy is repaired by the other.
//! A version appears whole or not at all ([`manifest`]).

pub(crate) mod manifest;
pub(crate) mod marker;
pub(crate) mod param_json;
pub(crate) mod paths;
pub(crate) mod run_table;
pub(crate) mod staged;
pub(crate) mod two_copies;
