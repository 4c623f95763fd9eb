//! The forged files: each function changes one file of a store.

use super::mutate::{self, number, pick};
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchReader,
    StringArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::path::Path;
use std::sync::Arc;
use tidalite_testkit::{LogFrame, LogSegment, PagedFile, Random, StoreFiles, name_again, seal, sealed_text};

/// What is forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forgery {
    /// Frames and headers of segments.
    Log,
    /// Marker, manifests, run tables and writer tables: the bytes of their texts.
    Text,
    /// The same, value by value.
    Json,
    /// Pages of points and rollups.
    Pages,
    /// Footers of the same files.
    Footer,
    /// Series tables: the bytes of the files.
    SeriesBytes,
    /// Series tables: their rows.
    SeriesRows,
}

impl Forgery {
    pub(super) const ALL: [Forgery; 7] = [
        Forgery::Log,
        Forgery::Text,
        Forgery::Json,
        Forgery::Pages,
        Forgery::Footer,
        Forgery::SeriesBytes,
        Forgery::SeriesRows,
    ];

    /// Whether it may change this file of a store.
    pub(super) fn fits(self, path: &Path) -> bool {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("");
        let is_paged = ["parts", "hidden", "rollups"].contains(&folder);
        match self {
            Forgery::Log => path.extension().is_some_and(|e| e == "seg"),
            Forgery::Text => path.extension().is_some_and(|e| e == "json") || path.ends_with("TIDALITE"),
            Forgery::Json => path.extension().is_some_and(|e| e == "json"),
            Forgery::Pages | Forgery::Footer => is_paged,
            Forgery::SeriesBytes | Forgery::SeriesRows => folder == "series",
        }
    }

    /// Changes a file. With `named`, the checksums of the file, and what manifests say of it, are made to match.
    pub(super) fn apply(self, random: &mut Random, files: &mut StoreFiles, path: &Path, named: bool) {
        let bytes = files[path].clone();
        let (bytes, footer) = match self {
            Forgery::Log => (log(random, &bytes, named), None),
            Forgery::Text => (text(random, &bytes, named), None),
            Forgery::Json => (json(random, &bytes, named), None),
            Forgery::Pages => pages(random, &bytes),
            Forgery::Footer => footer(random, bytes),
            Forgery::SeriesBytes => (several(random, bytes, mutate::bytes), None),
            Forgery::SeriesRows => (series_rows(random, &bytes), None),
        };
        files.insert(path.to_path_buf(), bytes);
        if named {
            name_again(files, path, footer);
        }
    }
}

fn several<T>(random: &mut Random, mut of: T, change: impl Fn(&mut Random, &mut T)) -> T {
    for _ in 0..=random.below(3) {
        change(random, &mut of);
    }
    of
}

/// Changes frames. Without `sound`, the checksum of each changed frame is wrong.
fn log(random: &mut Random, bytes: &[u8], sound: bool) -> Vec<u8> {
    let Some(mut segment) = LogSegment::parse(bytes) else {
        return several(random, bytes.to_vec(), mutate::bytes);
    };
    let times = if sound { 1 + random.below(3) } else { 1 };
    for _ in 0..times {
        if sound && random.below(8) == 0 {
            header(random, &mut segment);
            continue;
        }
        let at = pick(random, segment.frames.len());
        let Some(mut frame) = segment.frames.get(at).cloned() else { continue };
        let before = frame.clone();
        match random.below(8) {
            0 if sound => drop(segment.frames.remove(at)),
            1 if sound => segment.frames.insert(at, frame.clone()),
            2 if sound => {
                let other = pick(random, segment.frames.len());
                segment.frames.swap(at, other);
            }
            3 => frame.tag = u8::try_from(1 + random.below(14)).unwrap(),
            4 => frame.argument = u32::try_from(number(random) & 0xff_ffff).unwrap(),
            5 => frame.number = Some(u32::try_from(number(random) & 0xffff_ffff).unwrap()),
            _ => {
                let length = frame.payload.len();
                mutate::bytes(random, &mut frame.payload);
                // Otherwise all that follows would be elsewhere, with checksums that match.
                if !sound {
                    frame.payload.resize(length, 0);
                }
            }
        }
        if frame != before {
            frame.wrong = if sound { 0 } else { 1 + u32::try_from(random.below(1 << 30)).unwrap() };
            segment.frames[at] = frame;
        }
    }
    if sound && random.below(10) == 0 {
        let tag = u8::try_from(1 + random.below(11)).unwrap();
        let payload = (0..random.below(64)).map(|_| random.next_u64().to_le_bytes()[0]).collect();
        segment.frames.push(LogFrame::new(tag, 0, payload));
    }
    segment.to_bytes()
}

fn header(random: &mut Random, segment: &mut LogSegment) {
    let (at, len) = [(8, 16), (24, 4), (28, 4), (32, 8), (40, 8)][pick(random, 5)];
    let new = number(random).to_le_bytes();
    segment.header[at..at + len.min(8)].copy_from_slice(&new[..len.min(8)]);
    match random.below(3) {
        0 => segment.repeat_header(),
        1 => segment.committed = Some(number(random)),
        _ => {}
    }
}

/// Changes the bytes of a text. Without `sound`, the checksums stay those of the text as it was.
fn text(random: &mut Random, bytes: &[u8], sound: bool) -> Vec<u8> {
    let Some((kind, text)) = sealed_text(bytes) else { return bytes.to_vec() };
    let new = several(random, text, mutate::bytes);
    resealed(bytes, &kind, &new, sound)
}

fn json(random: &mut Random, bytes: &[u8], sound: bool) -> Vec<u8> {
    let Some((kind, text)) = sealed_text(bytes) else { return bytes.to_vec() };
    let Ok(said) = serde_json::from_slice(&text) else { return bytes.to_vec() };
    let said = several(random, said, mutate::json);
    let new = match &said {
        // As run tables are written: a line for each run.
        serde_json::Value::Array(rows) if kind == "runs" && random.below(4) > 0 => {
            let rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
            format!("[\n{}\n]", rows.join(",\n"))
        }
        said => said.to_string(),
    };
    resealed(bytes, &kind, new.as_bytes(), sound)
}

fn resealed(was: &[u8], kind: &str, text: &[u8], sound: bool) -> Vec<u8> {
    if sound {
        return seal(kind, text);
    }
    // The header line of the old text, so that at least the checksum is wrong.
    let line = was.iter().position(|&b| b == b'\n').unwrap_or(0) + 1;
    let old = std::str::from_utf8(&was[..line]).unwrap_or("").trim_end();
    let (crc, _) = old.rsplit_once(' ').unwrap_or_default();
    let copy = [format!("{crc} {:016}\n", text.len()).as_bytes(), text, b"\n"].concat();
    copy.repeat(2)
}

/// Changes pages, after they were decompressed. Returns the length of the footer too.
fn pages(random: &mut Random, bytes: &[u8]) -> (Vec<u8>, Option<usize>) {
    let mut file = PagedFile::parse(bytes).expect("the store is sound");
    for _ in 0..=random.below(2) {
        let at = pick(random, file.pages.len());
        let other = pick(random, file.pages.len());
        match random.below(12) {
            0 => mutate::bytes(random, &mut file.pages[at].header),
            1 => file.pages[at].plain_bytes = Some(number(random) & 0x7fff_ffff),
            2 => file.pages[at].kind = random.below(4),
            3 => {
                let body = file.pages[other].body.clone();
                file.pages[at].body = body;
            }
            4 => {
                file.pages[at].first_row =
                    file.pages[at].first_row.map(|row| row + random.below(200) as i64 - 99)
            }
            _ => mutate::bytes(random, &mut file.pages[at].body),
        }
    }
    let (bytes, footer) = file.to_bytes().expect("the pages are as many as before");
    (bytes, Some(footer))
}

/// Changes what follows the last page.
fn footer(random: &mut Random, mut bytes: Vec<u8>) -> (Vec<u8>, Option<usize>) {
    let pages_end = PagedFile::parse(&bytes).expect("the store is sound").pages_end();
    let mut footer = bytes.split_off(pages_end);
    // The length and the magic at the end stay, so that a reader comes further.
    let end = footer.split_off(footer.len() - 8);
    footer = several(random, footer, mutate::bytes);
    footer.extend(match random.below(10) {
        0 => several(random, end, mutate::bytes),
        _ => end,
    });
    let length = footer.len();
    bytes.extend(footer);
    (bytes, Some(length))
}

/// Changes values in the rows of a series table.
fn series_rows(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let mut rows = concat_batches(&schema, &batches).unwrap();
    for _ in 0..=random.below(3) {
        let column = pick(random, rows.num_columns());
        let mut columns = rows.columns().to_vec();
        columns[column] = changed(random, &columns[column]);
        // A text may stay the same, and a row may come twice.
        rows = RecordBatch::try_new(schema.clone(), columns).unwrap();
        if random.below(6) == 0 {
            let order: Vec<u64> =
                (0..rows.num_rows()).map(|_| random.below(rows.num_rows() as u64)).collect();
            let order = arrow::array::UInt64Array::from(order);
            rows = arrow::compute::take_record_batch(&rows, &order).unwrap();
        }
    }
    encoded(&rows)
}

pub(super) fn encoded(rows: &RecordBatch) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut out, rows.schema(), options).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    out
}

/// The same column with another value in one row.
fn changed(random: &mut Random, column: &ArrayRef) -> ArrayRef {
    let row = pick(random, column.len());
    let near = [0, 1, u64::MAX, 1 << 62][pick(random, 4)];
    let integer = |random: &mut Random, old: i64| match random.below(2) {
        0 => old.wrapping_add(near.cast_signed()),
        _ => number(random).cast_signed(),
    };
    let any: &dyn Array = column.as_ref();
    match column.data_type() {
        DataType::Int64 => {
            let mut all: Vec<Option<i64>> =
                any.as_any().downcast_ref::<Int64Array>().unwrap().iter().collect();
            all[row] = all[row].map(|old| integer(random, old)).or(Some(3));
            Arc::new(Int64Array::from(all))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let all = any.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
            let mut all: Vec<i64> = all.values().to_vec();
            all[row] = integer(random, all[row]);
            Arc::new(TimestampMicrosecondArray::from(all).with_timezone_opt(zone.clone()))
        }
        DataType::Float64 => {
            let mut all: Vec<Option<f64>> =
                any.as_any().downcast_ref::<Float64Array>().unwrap().iter().collect();
            let odd = [f64::NAN, f64::INFINITY, -0.0, 1e308, f64::from_bits(random.next_u64())];
            all[row] = Some(odd[pick(random, odd.len())]);
            Arc::new(Float64Array::from(all))
        }
        DataType::Boolean => {
            let all = any.as_any().downcast_ref::<BooleanArray>().unwrap();
            Arc::new(all.iter().enumerate().map(|(i, b)| b.map(|b| b ^ (i == row))).collect::<BooleanArray>())
        }
        DataType::Utf8 => {
            let all = any.as_any().downcast_ref::<StringArray>().unwrap();
            let mut all: Vec<String> = all.iter().map(|text| text.unwrap_or("").to_string()).collect();
            all[row] = ["", "a=b=c,", "\\", "zz", "é\0"][pick(random, 5)].to_string();
            Arc::new(StringArray::from(all))
        }
        DataType::Binary => {
            let all = any.as_any().downcast_ref::<BinaryArray>().unwrap();
            let mut all: Vec<Vec<u8>> = all.iter().map(|b| b.unwrap_or_default().to_vec()).collect();
            mutate::bytes(random, &mut all[row]);
            Arc::new(BinaryArray::from_iter_values(all))
        }
        other => panic!("a series table has no column of {other}"),
    }
}
