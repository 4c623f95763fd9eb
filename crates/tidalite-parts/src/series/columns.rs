//! Columns of one row group of a series table: the Parquet crate reads the pages, this file decodes them.

use super::schema::ParquetResult;
use crate::names::NumberedNames;
use crate::page::decode::{self, PADDING, PageBody};
use bytes::{Buf, Bytes, buf::Reader};
use parquet::basic::Encoding;
use parquet::column::page::Page;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{ChunkReader, Length, RowGroupReader};
use parquet::file::serialized_reader::SerializedRowGroupReader;
use std::ops::Range;
use std::sync::Arc;

pub(super) fn reader(
    window: Arc<FileWindow>,
    group: &RowGroupMetaData,
) -> ParquetResult<SerializedRowGroupReader<'_, FileWindow>> {
    SerializedRowGroupReader::new(window, group, None, Arc::new(ReaderProperties::builder().build()))
}

/// Reads adjacent columns.
pub(super) fn columns<T, const N: usize>(
    indices: Range<usize>,
    mut read: impl FnMut(usize) -> ParquetResult<Vec<T>>,
) -> ParquetResult<[Vec<T>; N]> {
    let mut found = [const { Vec::new() }; N];
    for (index, column) in indices.zip(&mut found) {
        *column = read(index)?;
    }
    Ok(found)
}

/// The contents of a page.
#[derive(Clone, Copy)]
enum Holds {
    Dictionary,
    Values,
    /// Indices into the dictionary.
    Indices,
}

/// Calls `take` with each page of a column and its number of values. The Parquet crate reads the pages. Its column readers
/// are not used: they allocate an object per text, and panic on some pages that contradict themselves.
fn each_page(
    group: &dyn RowGroupReader,
    column: usize,
    mut take: impl FnMut(Holds, PageBody<'_>, usize) -> ParquetResult<Option<()>>,
) -> ParquetResult {
    let rows = group.metadata().num_rows().unsigned_abs();
    let mut pages = group.get_column_page_reader(column)?;
    let mut padded = Vec::new();
    while let Some(page) = pages.get_next_page()? {
        let holds = match (&page, page.encoding()) {
            (Page::DictionaryPage { .. }, _) => Holds::Dictionary,
            (Page::DataPage { .. }, Encoding::PLAIN) => Holds::Values,
            (Page::DataPage { .. }, Encoding::RLE_DICTIONARY) => Holds::Indices,
            _ => return Err(general("a page is encoded as none of a series table is")),
        };
        if u64::from(page.num_values()) > rows {
            return Err(general("a page has more values than its group has rows"));
        }
        padded.clear();
        padded.extend_from_slice(page.buffer());
        padded.resize(padded.len() + PADDING, 0);
        take(holds, PageBody::new(&padded), page.num_values() as usize)?
            .ok_or_else(|| general("a page contradicts itself"))?;
    }
    Ok(())
}

type Plain<T> = fn(PageBody<'_>, usize) -> Option<Vec<T>>;

/// A column without nulls.
pub(super) fn read<T: Copy>(
    group: &dyn RowGroupReader,
    column: usize,
    plain: Plain<T>,
) -> ParquetResult<Vec<T>> {
    let (mut dictionary, mut found) = (Vec::new(), Vec::new());
    each_page(group, column, |holds, body, n| {
        Ok(values(holds, body, n, plain, &mut dictionary, &mut found))
    })?;
    check_rows(group, column, found.len())?;
    Ok(found)
}

fn values<T: Copy>(
    holds: Holds,
    body: PageBody<'_>,
    n: usize,
    plain: Plain<T>,
    dictionary: &mut Vec<T>,
    found: &mut Vec<T>,
) -> Option<()> {
    match holds {
        Holds::Dictionary => *dictionary = plain(body, n)?,
        Holds::Values => found.extend(plain(body, n)?),
        Holds::Indices => indices(body, n, dictionary, found)?,
    }
    Some(())
}

fn indices<T: Copy>(body: PageBody<'_>, n: usize, dictionary: &[T], found: &mut Vec<T>) -> Option<()> {
    let all = 0..n;
    decode::dictionary(body, n, dictionary, std::slice::from_ref(&all), found)
}

/// A column with nulls. A page begins with the length of its levels, then the levels, one bit per row in runs.
pub(super) fn read_optional<T: Copy>(
    group: &dyn RowGroupReader,
    column: usize,
    plain: Plain<T>,
) -> ParquetResult<Vec<Option<T>>> {
    let (mut dictionary, mut found): (Vec<T>, Vec<Option<T>>) = (Vec::new(), Vec::new());
    let mut page = |holds, body: PageBody<'_>, n: usize| -> Option<()> {
        if let Holds::Dictionary = holds {
            dictionary = plain(body, n)?;
            return Some(());
        }
        let (length, rest) = body.bytes().split_first_chunk()?;
        let (levels, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        let padded = |head: &[u8], bytes: &[u8]| [head, bytes, &[0; PADDING]].concat();
        // Levels are encoded like dictionary indices, without the byte for the width.
        let (levels, rest) = (padded(&[1], levels), padded(&[], rest));
        let mut present = Vec::new();
        indices(PageBody::new(&levels), n, &[false, true], &mut present)?;
        let count = present.iter().filter(|p| **p).count();
        let mut some = Vec::with_capacity(count);
        values(holds, PageBody::new(&rest), count, plain, &mut dictionary, &mut some)?;
        let mut some = some.into_iter();
        found.extend(present.into_iter().map(|p| if p { some.next() } else { None }));
        Some(())
    };
    each_page(group, column, |holds, body, n| Ok(page(holds, body, n)))?;
    check_rows(group, column, found.len())?;
    Ok(found)
}

/// A column of texts, as their numbers.
pub(super) fn read_texts(
    group: &dyn RowGroupReader,
    column: usize,
    numbered: &mut NumberedNames,
) -> ParquetResult<Vec<u32>> {
    let (mut dictionary, mut found) = (Vec::new(), Vec::new());
    each_page(group, column, |holds, body, n| {
        let mut number = |out: &mut Vec<u32>| -> ParquetResult<Option<()>> {
            let Some(texts) = decode::plain_texts(body, n) else { return Ok(None) };
            for text in texts {
                out.push(numbered.number(&body.bytes()[text]).map_err(general)?);
            }
            Ok(Some(()))
        };
        match holds {
            Holds::Dictionary => number(&mut dictionary),
            Holds::Values => number(&mut found),
            Holds::Indices => Ok(indices(body, n, &dictionary, &mut found)),
        }
    })?;
    check_rows(group, column, found.len())?;
    Ok(found)
}

/// Strings of bytes, one per row.
#[derive(Debug, Default)]
pub(super) struct ByteStrings {
    bytes: Vec<u8>,
    /// The start and the end of each.
    rows: Vec<(usize, usize)>,
}

impl ByteStrings {
    /// The bytes that they take in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&self.rows[..])
    }

    pub(super) fn get(&self, row: usize) -> &[u8] {
        let (start, end) = self.rows[row];
        &self.bytes[start..end]
    }
}

/// A column of strings of bytes.
pub(super) fn read_bytes(group: &dyn RowGroupReader, column: usize) -> ParquetResult<ByteStrings> {
    let (mut dictionary, mut found) = (Vec::new(), ByteStrings::default());
    each_page(group, column, |holds, body, n| {
        if let Holds::Indices = holds {
            return Ok(indices(body, n, &dictionary, &mut found.rows));
        }
        let Some(strings) = decode::plain_texts(body, n) else { return Ok(None) };
        let into = if let Holds::Dictionary = holds { &mut dictionary } else { &mut found.rows };
        for string in strings {
            let start = found.bytes.len();
            found.bytes.extend_from_slice(&body.bytes()[string]);
            into.push((start, found.bytes.len()));
        }
        Ok(Some(()))
    })?;
    check_rows(group, column, found.rows.len())?;
    Ok(found)
}

pub(super) fn reals(body: PageBody<'_>, n: usize) -> Option<Vec<f64>> {
    let bits = decode::plain_integers(body, n)?;
    Some(bits.into_iter().map(|bits| f64::from_bits(bits.cast_unsigned())).collect())
}

/// One bit per value, the lowest first.
pub(super) fn flags(body: PageBody<'_>, n: usize) -> Option<Vec<bool>> {
    let bytes = body.bytes().get(..n.div_ceil(8))?;
    Some((0..n).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1).collect())
}

fn check_rows(group: &dyn RowGroupReader, column: usize, rows: usize) -> ParquetResult {
    if rows as u64 == group.metadata().num_rows().unsigned_abs() {
        return Ok(());
    }
    Err(ParquetError::General(format!("column {column} has another number of rows than its group")))
}

/// A range of a file in memory, as a source for the Parquet crate.
pub(super) struct FileWindow {
    /// The offset of the bytes in the file.
    pub(super) start: u64,
    pub(super) bytes: Bytes,
}

impl FileWindow {
    fn from(&self, at: u64) -> ParquetResult<Bytes> {
        let within = at.checked_sub(self.start).and_then(|n| usize::try_from(n).ok());
        let within = within.filter(|&n| n <= self.bytes.len());
        Ok(self.bytes.slice(within.ok_or_else(|| general("a column ends beyond its group"))?..))
    }
}

impl Length for FileWindow {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for FileWindow {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(general("a column ends beyond its group"));
        }
        Ok(bytes.slice(..length))
    }
}

pub(super) fn general(wrong: &str) -> ParquetError {
    ParquetError::General(wrong.into())
}
