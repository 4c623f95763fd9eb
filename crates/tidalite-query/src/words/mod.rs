//! The words of the query language: tables from a word to a value, spans of time, and names similar to a name.
//!
//! It uses no other folder. Invariants: a word that a type writes is one that it reads, and an unknown word is
//! refused with the list of known ones.

mod similar;
mod span;
mod table;

pub use similar::similar_names;
pub(crate) use span::{MICROS, micros};
pub(crate) use table::{read_word, shown, unknown_word, write_word};
