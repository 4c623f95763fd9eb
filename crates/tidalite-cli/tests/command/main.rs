//! Tests the command as a process: a small store, the answers and the exit codes.
//!
//! `answers` tests each command in each format, `files` import and export, `foreign_files` files of trackers and tools,
//! `refusals` bad input and its messages, `streams` pipes and `follow`, `top` the live view.

#![allow(clippy::disallowed_methods, reason = "tests prepare files and damage them")]
#![allow(clippy::unwrap_used)]

mod answers;
mod demo;
mod edit;
mod files;
mod foreign_files;
mod help;
mod interrupts;
mod merge;
mod refusals;
mod runs;
mod sample;
mod streams;
mod top;
