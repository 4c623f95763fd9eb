//! Tests the command as a process: a small store, the answers and the exit codes.
//!
//! `answers` tests each command in each format, `files` import and export, `refusals` bad input and its messages,
//! `streams` pipes and `follow`.

#![allow(clippy::disallowed_methods, reason = "tests prepare files and damage them")]
#![allow(clippy::unwrap_used)]

mod answers;
mod demo;
mod edit;
mod files;
mod help;
mod interrupts;
mod merge;
mod refusals;
mod sample;
mod streams;
