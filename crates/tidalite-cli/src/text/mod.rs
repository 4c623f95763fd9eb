//! Text for people: numbers, amounts, times, and names with control characters escaped.
//!
//! May use: nothing else of the command.

mod amount;
mod escape;
mod number;
mod time;

pub(crate) use amount::{counted, human_bytes, human_count, plural};
pub(crate) use escape::{printable, printable_lines};
pub(crate) use number::{SUFFIXES, number, scientific, short_number, trim_zeros};
pub(crate) use time::{human_duration, time_span, time_text};
