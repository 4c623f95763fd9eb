//! Imports what other trackers leave behind.
//!
//! ```text
//! a folder ─► event_folder: which files, which runs ─► event_files: frames of one file ─► event: what a frame says
//!                    │                                                                      (wire: protobuf)
//!                    └─► imported_run: new points, params and restarts go to the store; how far each file was read is
//!                        kept in the run's environment
//! ```
//!
//! Invariant: what was imported once is not imported again. A file that grew is read on; a file that was written anew is an
//! error, before anything of its run is appended.

#![deny(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the files to import are the user's, outside of the store")]

mod event;
mod event_files;
mod event_folder;
mod event_folder_stats;
mod imported_run;
mod wire;

#[cfg(test)]
mod tests;

pub use event_folder::{EventFolder, holds_event_files};
pub use event_folder_stats::EventFolderStats;
