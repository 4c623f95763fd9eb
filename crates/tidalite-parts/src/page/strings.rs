//! The columns run, metric and labels: a dictionary page and one data page of run lengths, or one page of DELTA_BYTE_ARRAY.
//!
//! Rows of a series are adjacent, so a tile has at most as many runs of equal texts as series. A column costs a few bytes
//! per series, whatever the number of points. A general column writer would hash the text of each row.
//!
//! Where most rows have a text of their own, a dictionary and its indices take more than each text as what it adds to the one
//! before. Texts ascend within a run, so neighbours share most of their bytes.

use super::delta::{self, varint};
use super::write::{ChunkPages, EncodedColumn, Zstd};
use crate::schema::{DICTIONARY_BYTES_MAX, PointColumn};
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::Statistics;
use std::collections::HashMap;
use tidalite_model::{Error, Result, SeriesKey};

/// Longest text in the statistics. The footer would repeat longer texts for each tile.
const STATISTICS_BYTES_MAX: usize = 256;

/// Encodes one of the three columns from the series and their numbers of rows.
pub(crate) fn encode<'a>(
    column: PointColumn,
    series: impl Iterator<Item = (&'a SeriesKey, usize)>,
    zstd: &mut Zstd,
) -> Result<EncodedColumn> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut texts: Vec<&str> = Vec::new();
    let mut runs: Vec<(u32, u64)> = Vec::new();
    for (key, rows) in series {
        let text = text_of(column, key);
        let length = rows as u64;
        // Series ascend, so the text mostly equals that of the previous series.
        if let Some(last) = runs.last_mut()
            && texts[last.0 as usize] == text
        {
            last.1 += length;
            continue;
        }
        let next = u32::try_from(texts.len()).expect("a tile has fewer series than rows");
        let number = *numbers.entry(text).or_insert_with(|| {
            texts.push(text);
            next
        });
        runs.push((number, length));
    }
    let count = u32::try_from(texts.len()).expect("a tile has fewer series than rows");
    let rows = runs.iter().map(|(_, length)| length).sum::<u64>();
    let rows = u32::try_from(rows).expect("a tile's rows fit 32 bits");
    let dictionary = dictionary(column, &texts)?;
    let mut pages = ChunkPages::new(column.descriptor(), zstd);
    if count > 1 && count > rows / 2 {
        pages.data_page(&front_coded(&runs, &texts), rows, Encoding::DELTA_BYTE_ARRAY)?;
        return pages.finish(statistics(&texts));
    }
    pages.dictionary_page(&dictionary, count)?;
    pages.data_page(&run_lengths(&runs, count), rows, Encoding::RLE_DICTIONARY)?;
    pages.finish(statistics(&texts))
}

fn text_of(column: PointColumn, key: &SeriesKey) -> &str {
    match column {
        PointColumn::Run => &key.run,
        PointColumn::Metric => &key.metric,
        _ => key.labels.as_str(),
    }
}

/// The texts in PLAIN encoding: a length, then the bytes.
fn dictionary(column: PointColumn, texts: &[&str]) -> Result<Vec<u8>> {
    let bytes: usize = texts.iter().map(|t| t.len() + 4).sum();
    if bytes > DICTIONARY_BYTES_MAX {
        return Err(Error::invalid(
            "encode tile",
            format!("the texts of column {} take {bytes} bytes", column.name()),
            "put fewer series into one tile",
        ));
    }
    let mut body = Vec::with_capacity(bytes);
    texts.iter().for_each(|text| plain(text.as_bytes(), &mut body));
    Ok(body)
}

/// Appends a string of bytes in PLAIN encoding.
pub(crate) fn plain(bytes: &[u8], body: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).expect("a dictionary of 64 MiB holds no text of 4 GiB");
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(bytes);
}

/// The texts of all rows in DELTA_BYTE_ARRAY: how many bytes each shares with the one before, then the lengths of the rest and
/// the rest.
fn front_coded(runs: &[(u32, u64)], texts: &[&str]) -> Vec<u8> {
    let (mut shared, mut lengths, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let mut before: &[u8] = &[];
    for &(number, rows) in runs {
        for _ in 0..rows {
            let text = texts[number as usize].as_bytes();
            let same = text.iter().zip(before).take_while(|(a, b)| a == b).count();
            shared.push(i64::try_from(same).expect("a length in memory"));
            lengths.push(i64::try_from(text.len() - same).expect("a length in memory"));
            rest.extend_from_slice(&text[same..]);
            before = text;
        }
    }
    let mut body = Vec::new();
    delta::encode(&shared, &mut body);
    delta::encode(&lengths, &mut body);
    body.extend_from_slice(&rest);
    body
}

/// The indices in the hybrid encoding, as runs only. The least width is one bit, since some readers reject zero.
fn run_lengths(runs: &[(u32, u64)], count: u32) -> Vec<u8> {
    let width = (32 - (count - 1).leading_zeros()).max(1);
    let mut body = vec![width.to_le_bytes()[0]];
    for &(number, length) in runs {
        varint(length << 1, &mut body);
        body.extend_from_slice(&number.to_le_bytes()[..width.div_ceil(8) as usize]);
    }
    body
}

fn statistics(texts: &[&str]) -> Option<Statistics> {
    let (min, max) = (texts.iter().min()?, texts.iter().max()?);
    if min.len().max(max.len()) > STATISTICS_BYTES_MAX {
        return None;
    }
    Some(Statistics::byte_array(
        Some(ByteArray::from(*min)),
        Some(ByteArray::from(*max)),
        None,
        Some(0),
        false,
    ))
}
