//! Record batches as tables for people, and as JSON lines, CSV or an Arrow stream for programs.
//!
//! A batch is encoded whole, then written, so that an error of standard output is never mistaken for one of encoding.
//! Values that are no numbers are words, as in exports: `NaN`, `inf`, `-inf` in CSV, and the texts `"NaN"`, `"Infinity"`,
//! `"-Infinity"` in JSON; `tidalite import` reads both back. A column of the extension type `arrow.json` is JSON text,
//! embedded as it is.

mod answer;
mod cells;
mod columns;
mod encode;
mod window;

pub(crate) use answer::{AnswerWriter, print, print_document, print_one, print_text};
pub(crate) use columns::AnswerColumns;
pub(crate) use encode::json_rows;
