//! The command as a user meets it: a real process, a small store, its answers and its exit codes.
//!
//! Modules by promise: `answers` (each command in each format), `files` (import and export), `refusals` (bad input, and
//! what the message says), `streams` (pipes, follow), `help`, `demo`.

#![allow(clippy::disallowed_methods, reason = "tests prepare files and damage them")]
#![allow(clippy::unwrap_used)]

mod answers;
mod demo;
mod files;
mod help;
mod refusals;
mod sample;
mod streams;
