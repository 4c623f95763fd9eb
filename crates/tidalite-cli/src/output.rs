//! Record batches as tables for people, and as JSON lines, CSV or an Arrow stream for programs.
//!
//! A batch is encoded whole, then written, so that an error of standard output is never mistaken for one of encoding.
//! Values that are no numbers are words, as in exports: `NaN`, `inf`, `-inf` in CSV, and the texts `"NaN"`, `"Infinity"`,
//! `"-Infinity"` in JSON; `tidalite import` reads both back. A column of the extension type `arrow.json` is JSON text,
//! embedded as it is.

use crate::args::Format;
use crate::draw::ticks;
use crate::failure::{Failure, Outcome};
use crate::table::{Align, Table, terminal_width};
use crate::values::time_text;
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::ipc::writer::StreamWriter;
use std::collections::VecDeque;
use std::io::Write;

/// Rows of a table where no limit is given.
const TABLE_ROWS: usize = 40;
/// The metadata by which Arrow knows an extension type, and the type for JSON text.
pub(crate) const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// Writes an answer of any number of batches of one schema to `out`.
pub(crate) struct Answer<W: Write> {
    out: W,
    schema: SchemaRef,
    form: Form,
    limit: Option<usize>,
    rows: usize,
}

enum Form {
    Table(Window),
    Json,
    Csv { headed: bool },
    Arrow(StreamWriter<Vec<u8>>),
}

impl<W: Write> Answer<W> {
    /// An answer of at most `limit` rows: 0 is all, absent is 40 in a table and else all. A table that has more shows
    /// its head and its tail.
    pub(crate) fn new(out: W, format: Format, schema: SchemaRef, limit: Option<usize>) -> Outcome<Self> {
        let form = match format {
            Format::Json => Form::Json,
            Format::Csv => Form::Csv { headed: false },
            Format::Arrow => Form::Arrow(StreamWriter::try_new(Vec::new(), &schema).map_err(fault)?),
            Format::Table | Format::Parquet => Form::Table(Window::new(match limit {
                None => TABLE_ROWS,
                Some(0) => usize::MAX,
                Some(n) => n,
            })),
        };
        let limit = limit.filter(|&n| n > 0);
        Ok(Answer { out, schema, form, limit, rows: 0 })
    }

    /// Whether more rows would change nothing, so that the source need not be read on.
    pub(crate) fn is_full(&self) -> bool {
        !matches!(self.form, Form::Table(_)) && self.limit.is_some_and(|n| self.rows >= n)
    }

    /// Rows given so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes a batch.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Outcome {
        let batch = match (&mut self.form, self.limit) {
            (Form::Table(window), _) => {
                self.rows += batch.num_rows();
                window.push(batch);
                return Ok(());
            }
            (_, Some(n)) => batch.slice(0, batch.num_rows().min(n.saturating_sub(self.rows))),
            _ => batch.clone(),
        };
        self.rows += batch.num_rows();
        match &mut self.form {
            Form::Json => self.out.write_all(&json_lines(&batch)?)?,
            Form::Csv { headed } => {
                let bytes = csv(&batch, !*headed)?;
                *headed = true;
                self.out.write_all(&bytes)?;
            }
            Form::Arrow(stream) => {
                stream.write(&batch).map_err(fault)?;
                let bytes = std::mem::take(stream.get_mut());
                self.out.write_all(&bytes)?;
            }
            Form::Table(_) => {}
        }
        Ok(())
    }

    /// Hands on what was written so far; of a table, nothing yet.
    pub(crate) fn flush(&mut self) -> Outcome {
        Ok(self.out.flush()?)
    }

    /// Ends the answer.
    pub(crate) fn finish(mut self) -> Outcome {
        match self.form {
            Form::Table(window) => self.out.write_all(window.render(&self.schema)?.as_bytes())?,
            Form::Csv { headed: false } => {
                self.out.write_all(&csv(&RecordBatch::new_empty(self.schema), true)?)?;
            }
            Form::Arrow(mut stream) => {
                stream.finish().map_err(fault)?;
                self.out.write_all(stream.get_ref())?;
            }
            Form::Json | Form::Csv { .. } => {}
        }
        Ok(self.out.flush()?)
    }
}

/// Writes one batch as a whole answer to standard output.
pub(crate) fn print(batch: &RecordBatch, format: Format, limit: Option<usize>) -> Outcome {
    let mut answer = Answer::new(std::io::stdout().lock(), format, batch.schema(), limit)?;
    answer.write(batch)?;
    answer.finish()
}

/// Writes one batch of one row: in JSON as a document of its own.
pub(crate) fn print_one(batch: &RecordBatch, format: Format) -> Outcome {
    match (format, json_rows(batch)?.pop()) {
        (Format::Json, Some(document)) => print_document(&document),
        _ => print(batch, format, None),
    }
}

/// Writes one JSON document, indented.
pub(crate) fn print_document(document: &serde_json::Value) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{document:#}")?;
    Ok(out.flush()?)
}

/// Writes text for people.
pub(crate) fn print_text(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The batch's rows as JSON objects.
pub(crate) fn json_rows(batch: &RecordBatch) -> Outcome<Vec<serde_json::Value>> {
    let text = json_lines(batch)?;
    let rows = text.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(serde_json::from_slice);
    rows.collect::<Result<_, _>>().map_err(|e| Failure::Other(format!("write answer: {e}")))
}

fn fault(e: arrow::error::ArrowError) -> Failure {
    Failure::Other(format!("write answer: {e}"))
}

/// The head and the tail of a table, whatever the number of rows between; memory holds the rows shown, and the batches
/// they came in.
struct Window {
    head_rows: usize,
    tail_rows: usize,
    head: Vec<RecordBatch>,
    head_len: usize,
    tail: VecDeque<RecordBatch>,
    tail_len: usize,
    total: usize,
}

impl Window {
    fn new(rows: usize) -> Self {
        let tail_rows = rows / 2;
        let (head, tail) = (Vec::new(), VecDeque::new());
        Window { head_rows: rows - tail_rows, tail_rows, head, head_len: 0, tail, tail_len: 0, total: 0 }
    }

    fn push(&mut self, batch: &RecordBatch) {
        self.total += batch.num_rows();
        let taken = batch.num_rows().min(self.head_rows - self.head_len);
        if taken > 0 {
            self.head.push(batch.slice(0, taken));
            self.head_len += taken;
        }
        let rest = batch.slice(taken, batch.num_rows() - taken);
        if rest.num_rows() > 0 {
            self.tail_len += rest.num_rows();
            self.tail.push_back(rest);
        }
        while let Some(first) = self.tail.front()
            && self.tail_len - first.num_rows() >= self.tail_rows
        {
            self.tail_len -= first.num_rows();
            self.tail.pop_front();
        }
        if self.tail_len > self.tail_rows
            && let Some(first) = self.tail.front_mut()
        {
            let cut = self.tail_len - self.tail_rows;
            *first = first.slice(cut, first.num_rows() - cut);
            self.tail_len -= cut;
        }
    }

    fn render(&self, schema: &SchemaRef) -> Outcome<String> {
        let left_out = self.total - self.head_len - self.tail_len;
        let shown: Vec<&RecordBatch> = self.head.iter().chain(&self.tail).collect();
        // Columns that say nothing in any row shown are left out.
        let said = |c: &usize| {
            let quiet_kind =
                matches!(schema.field(*c).name().as_str(), "labels" | "tags" | "params" | "parent");
            !quiet_kind || shown.iter().any(|b| !is_blank(b.column(*c)))
        };
        let columns: Vec<usize> = (0..schema.fields().len()).filter(said).collect();
        let fields: Vec<&Field> = columns.iter().map(|&c| schema.field(c)).collect();
        let heads: Vec<(&str, Align)> =
            fields.iter().map(|f| (f.name().as_str(), align(f.data_type()))).collect();
        let mut table = Table::new(&heads);
        for (i, batch) in shown.iter().enumerate() {
            if i == self.head.len() && left_out > 0 {
                table.row(columns.iter().map(|_| "…"));
            }
            let cells: Vec<Cells> = columns
                .iter()
                .map(|&c| Cells::of(schema.field(c), batch.column(c)))
                .collect::<Outcome<_>>()?;
            for row in 0..batch.num_rows() {
                table.row(cells.iter().map(|c| c.people(row)));
            }
        }
        let mut text = table.render(terminal_width());
        if left_out > 0 {
            text.push_str(&format!(
                "{left_out} of {} rows are left out; for all: --limit 0, or --format csv\n",
                self.total
            ));
        }
        Ok(text)
    }
}

fn is_blank(column: &ArrayRef) -> bool {
    match cast(column, &DataType::Utf8) {
        Ok(texts) => texts.as_string::<i32>().iter().all(|t| matches!(t, None | Some("" | "{}" | "[]"))),
        Err(_) => false,
    }
}

fn align(kind: &DataType) -> Align {
    match kind {
        DataType::Int64 | DataType::Float64 => Align::Right,
        _ => Align::Left,
    }
}

/// A column of one of the kinds that answers have.
enum Cells {
    Text(StringArray),
    Json(StringArray),
    Int(Int64Array),
    Float(Float64Array),
    Time(TimestampMicrosecondArray),
}

impl Cells {
    fn of(field: &Field, column: &ArrayRef) -> Outcome<Cells> {
        Ok(match column.data_type() {
            DataType::Int64 => Cells::Int(column.as_primitive::<Int64Type>().clone()),
            DataType::Float64 => Cells::Float(column.as_primitive::<Float64Type>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Cells::Time(column.as_primitive::<TimestampMicrosecondType>().clone())
            }
            _ => {
                let texts = cast(column, &DataType::Utf8).map_err(fault)?.as_string::<i32>().clone();
                let json = field.metadata().get(EXTENSION.0).is_some_and(|v| v == EXTENSION.1);
                if json { Cells::Json(texts) } else { Cells::Text(texts) }
            }
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Text(a) | Cells::Json(a) => a.is_null(row),
            Cells::Int(a) => a.is_null(row),
            Cells::Float(a) => a.is_null(row),
            Cells::Time(a) => a.is_null(row),
        }
    }

    /// For a table.
    fn people(&self, row: usize) -> String {
        if self.is_null(row) {
            return "–".into();
        }
        match self {
            Cells::Text(a) => a.value(row).to_owned(),
            Cells::Json(a) => plain_json(a.value(row)),
            Cells::Int(a) => a.value(row).to_string(),
            Cells::Float(a) => number(a.value(row)),
            Cells::Time(a) => time_text(a.value(row), true),
        }
    }

    /// For JSON, appended.
    fn json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        // Writing to a vector cannot fail, so the results are dropped.
        let _ = match self {
            Cells::Text(a) => serde_json::to_writer(&mut *out, a.value(row)),
            Cells::Json(a) => {
                out.extend_from_slice(a.value(row).as_bytes());
                Ok(())
            }
            Cells::Int(a) => serde_json::to_writer(&mut *out, &a.value(row)),
            Cells::Float(a) if a.value(row).is_finite() => serde_json::to_writer(&mut *out, &a.value(row)),
            Cells::Float(a) => {
                serde_json::to_writer(&mut *out, &a.value(row).to_string().replace("inf", "Infinity"))
            }
            Cells::Time(a) => serde_json::to_writer(&mut *out, &time_text(a.value(row), false)),
        };
    }

    /// For CSV, appended.
    fn csv(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return;
        }
        match self {
            Cells::Text(a) | Cells::Json(a) => quoted(a.value(row), out),
            // `{:?}` is the shortest text that reads back, with an exponent where that is shorter.
            Cells::Float(a) if a.value(row).is_finite() => {
                out.extend_from_slice(format!("{:?}", a.value(row)).as_bytes())
            }
            Cells::Float(a) => out.extend_from_slice(a.value(row).to_string().as_bytes()),
            Cells::Int(a) => out.extend_from_slice(a.value(row).to_string().as_bytes()),
            Cells::Time(a) => out.extend_from_slice(time_text(a.value(row), false).as_bytes()),
        }
    }
}

fn json_lines(batch: &RecordBatch) -> Outcome<Vec<u8>> {
    let schema = batch.schema();
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let mut key = serde_json::Value::from(field.name().as_str()).to_string().into_bytes();
        key.push(b':');
        columns.push((key, Cells::of(field, column)?));
    }
    let mut out = Vec::with_capacity(batch.num_rows() * 96);
    for row in 0..batch.num_rows() {
        for (i, (key, cells)) in columns.iter().enumerate() {
            out.push(if i == 0 { b'{' } else { b',' });
            out.extend_from_slice(key);
            cells.json(row, &mut out);
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(out)
}

fn csv(batch: &RecordBatch, header: bool) -> Outcome<Vec<u8>> {
    let schema = batch.schema();
    let mut out = Vec::with_capacity(batch.num_rows() * 80);
    if header {
        for (i, field) in schema.fields().iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            quoted(field.name(), &mut out);
        }
        out.push(b'\n');
    }
    let columns = schema.fields().iter().zip(batch.columns());
    let columns: Vec<Cells> = columns.map(|(f, c)| Cells::of(f, c)).collect::<Outcome<_>>()?;
    for row in 0..batch.num_rows() {
        for (i, cells) in columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            cells.csv(row, &mut out);
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// A field as RFC 4180 has it.
fn quoted(text: &str, out: &mut Vec<u8>) {
    if !text.contains([',', '"', '\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// A value for people: whole numbers as they are, others in seven significant digits.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || value == 0.0 || !(1e-4..1e15).contains(&size) {
        return ticks::number(value);
    }
    if value.fract() == 0.0 {
        return value.to_string();
    }
    let decimals = (6 - size.log10().floor() as i32).clamp(0, 10) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.to_owned()
}

/// A JSON object as `k=v, k=v`, and a list of texts as words, for people.
fn plain_json(text: &str) -> String {
    let plain = |v: &serde_json::Value| match v {
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(map)) => {
            map.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect::<Vec<_>>().join(", ")
        }
        Ok(serde_json::Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Columns;

    fn batch() -> RecordBatch {
        Columns::default()
            .text("run", [Some("a,\"b\""), None])
            .json("params", [serde_json::json!({"lr": 0.1, "name": "x"}), serde_json::json!({})])
            .int("step", [Some(1), None])
            .float("value", [f64::NAN, 0.1])
            .time("time", [Some(0), None])
            .finish()
    }

    fn written(format: Format, batches: &[RecordBatch], limit: Option<usize>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut answer = Answer::new(&mut out, format, batches[0].schema(), limit).unwrap();
        batches.iter().for_each(|b| answer.write(b).unwrap());
        answer.finish().unwrap();
        out
    }

    #[test]
    fn json_and_csv_keep_what_numbers_cannot_say() {
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
    fn a_long_table_shows_head_and_tail_and_says_what_it_left_out() {
        let part = |from: i64| Columns::default().int("step", from..from + 7).finish();
        let parts: Vec<RecordBatch> = (0..10).map(|i| part(i * 7)).collect();
        let text = String::from_utf8(written(Format::Table, &parts, Some(5))).unwrap();
        let cells: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(cells[0], "step");
        assert_eq!(cells[2..8], ["0", "1", "2", "…", "68", "69"]);
        assert!(text.contains("65 of 70 rows are left out"), "{text}");
        let all = String::from_utf8(written(Format::Table, &parts, Some(0))).unwrap();
        assert_eq!(all.lines().count(), 72);
    }

    #[test]
    fn numbers_for_people_have_seven_digits() {
        let texts = [0.0, 1.0, 123_456_789.0, 0.123_456_789, 1_234.567_89, 1e-9, -2.5, f64::NAN, 1e300];
        assert_eq!(
            texts.map(number),
            ["0", "1", "123456789", "0.1234568", "1234.568", "1e-9", "-2.5", "NaN", "1e300"]
        );
    }
}
