//! The words of the query language: tables from a word to a value, and spans of time.
//!
//! It uses no other folder. Invariants: a word that a type writes is one that it reads, and an unknown word is
//! refused with the list of known ones.

mod span;
mod table;

pub(crate) use span::{MICROS, micros};
pub(crate) use table::{read_word, shown, unknown_word, write_word};
