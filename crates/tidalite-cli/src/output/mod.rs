//! Writes record batches: as a table for people, as JSON lines, CSV or an Arrow stream for programs.
//!
//! A batch is encoded completely before it is written, so that write errors and encoding errors stay apart. Values that
//! are not finite are written as in exports: `NaN`, `inf`, `-inf` in CSV, the strings `"NaN"`, `"Infinity"`, `"-Infinity"`
//! in JSON. `tidalite import` reads both back. A column of the extension type `arrow.json` holds JSON text, which JSON
//! output embeds unchanged.
//!
//! May use: `args` (for the format), `text`, and the files `error.rs` and `table.rs`.

mod answer;
mod cells;
mod columns;
mod encode;
mod window;

pub(crate) use answer::{AnswerWriter, print, print_document, print_one, print_text};
pub(crate) use cells::encode_error;
pub(crate) use columns::AnswerColumns;
pub(crate) use encode::{csv, json_lines, json_rows};
pub(crate) use window::table_text;
