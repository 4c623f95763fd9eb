//! Parquet files of pages, as the points and the rollups of a part are, page by page.

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, OffsetIndexBuilder, PageIndexPolicy, ParquetMetaData,
    ParquetMetaDataReader, ParquetMetaDataWriter,
};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::TrackedWrite;
use std::io::Write;
use std::ops::Range;

/// One page.
#[derive(Debug, Clone)]
pub struct FilePage {
    group: usize,
    column: usize,
    /// Of a data page, its first row in the tile; `None` for a dictionary page.
    pub first_row: Option<i64>,
    /// The kind of page, as the format numbers it.
    pub kind: u64,
    /// How many bytes its header says that the body has; `None` for the right number.
    pub plain_bytes: Option<u64>,
    /// The rest of its header, after the two lengths.
    pub header: Vec<u8>,
    /// The body, not compressed.
    pub body: Vec<u8>,
}

impl FilePage {
    /// The number of its column.
    pub fn column(&self) -> usize {
        self.column
    }
}

/// A file of pages.
#[derive(Debug, Clone)]
pub struct PagedFile {
    /// The pages, in the order of the file.
    pub pages: Vec<FilePage>,
    metadata: ParquetMetaData,
    /// Where the pages were in the file that was taken apart.
    places: Vec<Range<usize>>,
}

/// The first bytes of a Parquet file, and its last ones.
const MAGIC: &[u8] = b"PAR1";
/// Under this key the footer has the checksums of the pages.
const SUMS_KEY: &str = "tidalite.pages";

fn strange(what: &str) -> ParquetError {
    ParquetError::General(what.to_string())
}

/// A number as Thrift's compact protocol writes it.
fn varint(bytes: &[u8], at: &mut usize) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or_else(|| strange("a page header is cut short"))?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(strange("a number is too long"))
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

/// Begins the first three fields of a page header, each a number of 32 bits.
const NEXT_NUMBER: u8 = 0x15;

impl FilePage {
    fn parse(group: usize, column: usize, first_row: Option<i64>, page: &[u8]) -> Result<Self> {
        let mut at = 0;
        let mut numbers = [0; 3];
        for number in &mut numbers {
            if page.get(at) != Some(&NEXT_NUMBER) {
                return Err(strange("a page header does not begin with three numbers"));
            }
            at += 1;
            *number = varint(page, &mut at)? >> 1;
        }
        let stored = usize::try_from(numbers[2]).map_err(|_| strange("a page is too large"))?;
        let start = page.len().checked_sub(stored).filter(|start| *start >= at);
        let start = start.ok_or_else(|| strange("a page is shorter than its body"))?;
        let body = zstd::stream::decode_all(&page[start..]).map_err(|e| strange(&e.to_string()))?;
        let header = page[at..start].to_vec();
        Ok(FilePage { group, column, first_row, kind: numbers[0], plain_bytes: None, header, body })
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).map_err(|e| strange(&e.to_string()))?;
        let stored = encoder
            .include_checksum(true)
            .and_then(|()| encoder.set_pledged_src_size(Some(self.body.len() as u64)))
            .and_then(|()| encoder.write_all(&self.body))
            .and_then(|()| encoder.finish())
            .map_err(|e| strange(&e.to_string()))?;
        let mut page = Vec::new();
        let plain = self.plain_bytes.unwrap_or(self.body.len() as u64);
        for number in [self.kind, plain, stored.len() as u64] {
            page.push(NEXT_NUMBER);
            push_varint(&mut page, number << 1);
        }
        page.extend_from_slice(&self.header);
        page.extend_from_slice(&stored);
        Ok(page)
    }
}

impl PagedFile {
    /// Takes a file apart.
    ///
    /// # Errors
    /// If it is not a sound file of pages.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let metadata = ParquetMetaDataReader::new()
            .with_offset_index_policy(PageIndexPolicy::Required)
            .parse_and_finish(&Bytes::copy_from_slice(bytes))?;
        let index = metadata.offset_index().ok_or_else(|| strange("there is no page index"))?;
        let (mut pages, mut places) = (Vec::new(), Vec::new());
        let mut at = MAGIC.len();
        for (group, columns) in index.iter().enumerate() {
            for (column, of_column) in columns.iter().enumerate() {
                for location in of_column.page_locations() {
                    let start =
                        usize::try_from(location.offset).map_err(|_| strange("an offset is negative"))?;
                    let end =
                        start.saturating_add(usize::try_from(location.compressed_page_size).unwrap_or(0));
                    let cut = || strange("a page lies outside of the file");
                    if start > at {
                        let dictionary = bytes.get(at..start).ok_or_else(cut)?;
                        pages.push(FilePage::parse(group, column, None, dictionary)?);
                        places.push(at..start);
                    }
                    let page = bytes.get(start..end).ok_or_else(cut)?;
                    pages.push(FilePage::parse(group, column, Some(location.first_row_index), page)?);
                    places.push(start..end);
                    at = end;
                }
            }
        }
        Ok(PagedFile { pages, metadata, places })
    }

    /// Where each page was in the file that was taken apart.
    pub fn places(&self) -> &[Range<usize>] {
        &self.places
    }

    /// Where the last page ended there.
    pub fn pages_end(&self) -> usize {
        self.places.last().map_or(MAGIC.len(), |place| place.end)
    }

    /// The bytes of the file, with checksums that match, and how many of them follow the last page.
    ///
    /// # Errors
    /// If a chunk has no page.
    pub fn to_bytes(&self) -> Result<(Vec<u8>, usize)> {
        let mut out = Vec::new();
        let mut file = TrackedWrite::new(&mut out);
        file.write_all(MAGIC)?;
        let mut sums = String::new();
        let mut places = Vec::new();
        for page in &self.pages {
            let bytes = page.to_bytes()?;
            sums += &format!("{:08x}", crc32c::crc32c(&bytes));
            places.push((page, file.bytes_written(), bytes.len()));
            file.write_all(&bytes)?;
        }
        let pages_end = file.bytes_written();
        let metadata = self.metadata_of(&places, sums)?;
        ParquetMetaDataWriter::new_with_tracked(file, &metadata).finish()?;
        let footer = out.len() - pages_end;
        Ok((out, footer))
    }

    fn metadata_of(&self, places: &[(&FilePage, usize, usize)], sums: String) -> Result<ParquetMetaData> {
        let (mut groups, mut indexes) = (Vec::new(), Vec::new());
        for (group, of_group) in self.metadata.row_groups().iter().enumerate() {
            let (mut columns, mut index) = (Vec::new(), Vec::new());
            for (column, chunk) in of_group.columns().iter().enumerate() {
                let of_chunk: Vec<_> =
                    places.iter().filter(|(page, ..)| (page.group, page.column) == (group, column)).collect();
                columns.push(moved(chunk, &of_chunk)?);
                index.push(index_of(&of_chunk));
            }
            groups.push(of_group.clone().into_builder().set_column_metadata(columns).build()?);
            indexes.push(index);
        }
        let old = self.metadata.file_metadata();
        let mut pairs = old.key_value_metadata().cloned().unwrap_or_default();
        pairs.retain(|pair| pair.key != SUMS_KEY);
        pairs.push(KeyValue::new(SUMS_KEY.to_string(), sums));
        let file = FileMetaData::new(
            old.version(),
            old.num_rows(),
            old.created_by().map(str::to_string),
            Some(pairs),
            old.schema_descr_ptr(),
            old.column_orders().cloned(),
        );
        let metadata = ParquetMetaData::new(file, groups);
        Ok(metadata.into_builder().set_offset_index(Some(indexes)).build())
    }
}

/// The offset index of a chunk.
fn index_of(pages: &[&(&FilePage, usize, usize)]) -> OffsetIndexMetaData {
    let mut index = OffsetIndexBuilder::new();
    let data: Vec<_> = pages.iter().filter_map(|(page, at, n)| Some((page.first_row?, *at, *n))).collect();
    for (i, (first, offset, length)) in data.iter().enumerate() {
        let next = data.get(i + 1).map_or(*first, |(next, ..)| *next);
        index.append_row_count(next.saturating_sub(*first));
        index.append_offset_and_size(*offset as i64, i32::try_from(*length).unwrap_or(i32::MAX));
    }
    index.build()
}

/// What the footer says of a chunk whose pages lie elsewhere now.
fn moved(chunk: &ColumnChunkMetaData, pages: &[&(&FilePage, usize, usize)]) -> Result<ColumnChunkMetaData> {
    let offset = |dictionary: bool| {
        let mut of_kind = pages.iter().filter(|(page, ..)| page.first_row.is_none() == dictionary);
        of_kind.next().map(|(_, offset, _)| *offset as i64)
    };
    let total: usize = pages.iter().map(|(_, _, length)| length).sum();
    let data = offset(false).ok_or_else(|| strange("a chunk has no data page"))?;
    chunk
        .clone()
        .into_builder()
        .set_total_compressed_size(total as i64)
        .set_data_page_offset(data)
        .set_dictionary_page_offset(offset(true))
        .build()
}
