//! Writes answers to standard output.

use super::cells::encode_error;
use super::encode::{csv, json_lines, json_rows};
use super::window::TableWindow;
use crate::args::Format;
use crate::error::CliResult;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use std::io::Write;

/// The most rows of a table without a limit.
const TABLE_ROWS: usize = 40;

/// Writes an answer to `out`: any number of batches of one schema.
pub(crate) struct AnswerWriter<W: Write> {
    out: W,
    schema: SchemaRef,
    form: AnswerEncoder,
    limit: Option<usize>,
    rows: usize,
}

enum AnswerEncoder {
    Table(TableWindow),
    Json,
    Csv { headed: bool },
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

impl<W: Write> AnswerWriter<W> {
    /// Creates a writer of at most `limit` rows. 0 means all; None means 40 in a table, otherwise all. A longer table
    /// shows its first and last rows.
    pub(crate) fn new(out: W, format: Format, schema: SchemaRef, limit: Option<usize>) -> CliResult<Self> {
        let form = match format {
            Format::Json => AnswerEncoder::Json,
            Format::Csv => AnswerEncoder::Csv { headed: false },
            Format::Arrow => AnswerEncoder::Arrow(Box::new(
                StreamWriter::try_new(Vec::new(), &schema).map_err(encode_error)?,
            )),
            Format::Table | Format::Parquet => AnswerEncoder::Table(TableWindow::new(match limit {
                None => TABLE_ROWS,
                Some(0) => usize::MAX,
                Some(n) => n,
            })),
        };
        let limit = limit.filter(|&n| n > 0);
        Ok(AnswerWriter { out, schema, form, limit, rows: 0 })
    }

    /// Whether further rows would be ignored, so that reading can stop.
    pub(crate) fn is_full(&self) -> bool {
        !matches!(self.form, AnswerEncoder::Table(_)) && self.limit.is_some_and(|n| self.rows >= n)
    }

    /// The number of rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a batch.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> CliResult {
        let batch = match (&mut self.form, self.limit) {
            (AnswerEncoder::Table(window), _) => {
                self.rows += batch.num_rows();
                window.push(batch);
                return Ok(());
            }
            (_, Some(n)) => batch.slice(0, batch.num_rows().min(n.saturating_sub(self.rows))),
            _ => batch.clone(),
        };
        self.rows += batch.num_rows();
        match &mut self.form {
            AnswerEncoder::Json => self.out.write_all(&json_lines(&batch)?)?,
            AnswerEncoder::Csv { headed } => {
                let bytes = csv(&batch, !*headed)?;
                *headed = true;
                self.out.write_all(&bytes)?;
            }
            AnswerEncoder::Arrow(stream) => {
                stream.write(&batch).map_err(encode_error)?;
                let bytes = std::mem::take(stream.get_mut());
                self.out.write_all(&bytes)?;
            }
            AnswerEncoder::Table(_) => {}
        }
        Ok(())
    }

    /// Hands on what was written so far; of a table, nothing yet.
    pub(crate) fn flush(&mut self) -> CliResult {
        Ok(self.out.flush()?)
    }

    /// Ends the answer.
    pub(crate) fn finish(mut self) -> CliResult {
        match self.form {
            AnswerEncoder::Table(window) => self.out.write_all(window.render(&self.schema)?.as_bytes())?,
            AnswerEncoder::Csv { headed: false } => {
                self.out.write_all(&csv(&RecordBatch::new_empty(self.schema), true)?)?;
            }
            AnswerEncoder::Arrow(mut stream) => {
                stream.finish().map_err(encode_error)?;
                self.out.write_all(stream.get_ref())?;
            }
            AnswerEncoder::Json | AnswerEncoder::Csv { .. } => {}
        }
        Ok(self.out.flush()?)
    }
}

/// Writes one batch to standard output as a complete answer.
pub(crate) fn print(batch: &RecordBatch, format: Format, limit: Option<usize>) -> CliResult {
    let mut answer = AnswerWriter::new(std::io::stdout().lock(), format, batch.schema(), limit)?;
    answer.write(batch)?;
    answer.finish()
}

/// Writes a batch of one row to standard output; in JSON as an indented document.
pub(crate) fn print_one(batch: &RecordBatch, format: Format) -> CliResult {
    match (format, json_rows(batch)?.pop()) {
        (Format::Json, Some(document)) => print_document(&document),
        _ => print(batch, format, None),
    }
}

/// Writes one JSON document, indented.
pub(crate) fn print_document(document: &serde_json::Value) -> CliResult {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{document:#}")?;
    Ok(out.flush()?)
}

/// Writes text to standard output.
pub(crate) fn print_text(text: &str) -> CliResult {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::super::columns::AnswerColumns;
    use super::*;

    fn batch() -> RecordBatch {
        AnswerColumns::default()
            .text("run", [Some("a,\"b\""), None])
            .json("params", [serde_json::json!({"lr": 0.1, "name": "x"}), serde_json::json!({})])
            .int("step", [Some(1), None])
            .float("value", [f64::NAN, 0.1])
            .time("time", [Some(0), None])
            .finish()
    }

    fn written(format: Format, batches: &[RecordBatch], limit: Option<usize>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut answer = AnswerWriter::new(&mut out, format, batches[0].schema(), limit).unwrap();
        batches.iter().for_each(|b| answer.write(b).unwrap());
        answer.finish().unwrap();
        out
    }

    #[test]
    fn json_and_csv_write_non_finite_values_as_words() {
        let json = String::from_utf8(written(Format::Json, &[batch()], None)).unwrap();
        assert_eq!(
            json,
            "{\"run\":\"a,\\\"b\\\"\",\"params\":{\"lr\":0.1,\"name\":\"x\"},\"step\":1,\"value\":\"NaN\",\
             \"time\":\"1970-01-01T00:00:00.000000Z\"}\n\
             {\"run\":null,\"params\":{},\"step\":null,\"value\":0.1,\"time\":null}\n"
        );
        let csv = String::from_utf8(written(Format::Csv, &[batch(), batch()], Some(3))).unwrap();
        assert_eq!(csv.lines().count(), 4, "one header, and no more rows than asked for");
        assert!(csv.starts_with("run,params,step,value,time\n\"a,\"\"b\"\"\","));
    }

    #[test]
    fn an_arrow_stream_reads_back() {
        let bytes = written(Format::Arrow, &[batch(), batch()], None);
        let reader = arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
        assert_eq!(reader.map(|b| b.unwrap().num_rows()).sum::<usize>(), 4);
    }

    #[test]
    fn a_long_table_shows_its_head_and_tail() {
        let part = |from: i64| AnswerColumns::default().int("step", from..from + 7).finish();
        let parts: Vec<RecordBatch> = (0..10).map(|i| part(i * 7)).collect();
        let text = String::from_utf8(written(Format::Table, &parts, Some(5))).unwrap();
        let cells: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(cells[0], "step");
        assert_eq!(cells[2..8], ["0", "1", "2", "…", "68", "69"]);
        assert!(text.contains("65 of 70 rows are left out"), "{text}");
        let all = String::from_utf8(written(Format::Table, &parts, Some(0))).unwrap();
        assert_eq!(all.lines().count(), 72);
    }
}
