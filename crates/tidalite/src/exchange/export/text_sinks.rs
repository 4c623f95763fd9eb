//! Exports CSV and JSON lines. Numbers are the shortest text that parses to the same bits.

use super::sink::{ExportFailure, ExportOutput, ExportSink};
use crate::exchange::nan_text;
use arrow::array::{AsArray, DictionaryArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use std::io::Write;
use tidalite_query::TimeText;

pub(super) struct CsvSink<'o> {
    out: ExportOutput<'o>,
    times: TimeText,
    lines: Vec<u8>,
}

impl<'o> CsvSink<'o> {
    pub(super) fn start(out: ExportOutput<'o>) -> Result<Box<dyn ExportSink + 'o>, ExportFailure> {
        out.write_all(b"run,metric,labels,step,time,value\n")?;
        Ok(Box::new(CsvSink { out, times: TimeText::default(), lines: Vec::new() }))
    }
}

impl ExportSink for CsvSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportFailure> {
        let lines = &mut self.lines;
        lines.clear();
        for row in ExportRows::of(batch, csv_field).iter() {
            for name in row.names {
                lines.extend_from_slice(name);
                lines.push(b',');
            }
            write!(lines, "{},", row.step)?;
            self.times.write(row.time_us, lines);
            lines.push(b',');
            write_value(row.value, ["inf", "-inf"], lines)?;
            lines.push(b'\n');
        }
        Ok(self.out.write_all(lines)?)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportFailure> {
        Ok(())
    }
}

pub(super) struct JsonLinesSink<'o> {
    out: ExportOutput<'o>,
    times: TimeText,
    lines: Vec<u8>,
}

impl<'o> JsonLinesSink<'o> {
    pub(super) fn start(out: ExportOutput<'o>) -> Box<dyn ExportSink + 'o> {
        Box::new(JsonLinesSink { out, times: TimeText::default(), lines: Vec::new() })
    }
}

impl ExportSink for JsonLinesSink<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ExportFailure> {
        let lines = &mut self.lines;
        lines.clear();
        for row in ExportRows::of(batch, json_text).iter() {
            for (key, name) in [&b"{\"run\":"[..], b",\"metric\":", b",\"labels\":"].iter().zip(row.names) {
                lines.extend_from_slice(key);
                lines.extend_from_slice(name);
            }
            write!(lines, ",\"step\":{},\"time\":\"", row.step)?;
            self.times.write(row.time_us, lines);
            lines.extend_from_slice(b"\",\"value\":");
            if row.value.is_finite() {
                write_value(row.value, ["", ""], lines)?;
            } else {
                lines.push(b'"');
                write_value(row.value, ["Infinity", "-Infinity"], lines)?;
                lines.push(b'"');
            }
            lines.extend_from_slice(b"}\n");
        }
        Ok(self.out.write_all(lines)?)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportFailure> {
        Ok(())
    }
}

/// A batch of points by row. Each distinct name is formatted once.
struct ExportRows<'b> {
    names: [(&'b [i32], Vec<Vec<u8>>); 3],
    steps: &'b [i64],
    times_us: &'b [i64],
    values: &'b [f64],
}

struct ExportRow<'r> {
    names: [&'r [u8]; 3],
    step: i64,
    time_us: i64,
    value: f64,
}

impl<'b> ExportRows<'b> {
    fn of(batch: &'b RecordBatch, written: fn(&str) -> Vec<u8>) -> Self {
        let names = [0, 1, 2].map(|at| {
            let column: &DictionaryArray<Int32Type> = batch.column(at).as_dictionary();
            let texts = column.values().as_string::<i32>();
            (&**column.keys().values(), texts.iter().map(|t| written(t.unwrap_or(""))).collect())
        });
        ExportRows {
            names,
            steps: batch.column(3).as_primitive::<Int64Type>().values(),
            times_us: batch.column(4).as_primitive::<TimestampMicrosecondType>().values(),
            values: batch.column(5).as_primitive::<Float64Type>().values(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = ExportRow<'_>> {
        (0..self.steps.len()).map(|row| ExportRow {
            names: self.names.each_ref().map(|(keys, texts)| {
                texts[usize::try_from(keys[row]).expect("no name of a point is null")].as_slice()
            }),
            step: self.steps[row],
            time_us: self.times_us[row],
            value: self.values[row],
        })
    }
}

fn write_value(value: f64, infinities: [&str; 2], out: &mut Vec<u8>) -> std::io::Result<()> {
    if value.is_nan() {
        return out.write_all(nan_text::write(value).as_bytes());
    }
    if value.is_infinite() {
        return out.write_all(infinities[usize::from(value < 0.0)].as_bytes());
    }
    // Debug keeps the sign of zero, and writes 1e300 with an exponent.
    write!(out, "{value:?}")
}

/// A field, quoted if it needs quotes.
fn csv_field(text: &str) -> Vec<u8> {
    if !text.contains(['"', ',', '\n', '\r']) {
        return text.as_bytes().to_vec();
    }
    format!("\"{}\"", text.replace('"', "\"\"")).into_bytes()
}

fn json_text(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("a text is always JSON")
}
