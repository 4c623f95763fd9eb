//! Reads the footer and the page index into a map of pages: offset, rows and checksum of each.
//!
//! Invariants of a map: the pages of a file follow one another without a gap, from the magic bytes to the page index. The
//! data pages of a chunk begin at row 0 and end at the tile's last row.

use crate::page::sums;
use crate::schema::TILE_ROWS_MAX;
use bytes::Bytes;
use parquet::basic::Type;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    RowGroupMetaData,
};
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use tidalite_model::{Error, Result};
use tidalite_vfs::ReadFile;

/// One page in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageEntry {
    pub(crate) offset: u64,
    /// Size, header included.
    pub(crate) bytes: u32,
    /// First row within the tile; 0 for a dictionary page.
    pub(crate) first_row: u32,
    /// Number of rows; 0 for a dictionary page.
    pub(crate) rows: u32,
    /// CRC32C of the page, header included.
    pub(crate) sum: u32,
}

/// The pages of one column of one tile.
#[derive(Debug)]
pub(crate) struct ChunkMap {
    pub(crate) dictionary: Option<PageEntry>,
    pub(crate) pages: Vec<PageEntry>,
    /// The number in every row of a column of integers, where the statistics say that there is only one.
    pub(crate) constant: Option<i64>,
}

impl ChunkMap {
    /// Its offset in the file, and its size.
    pub(crate) fn extent(&self) -> (u64, u64) {
        let all = || self.dictionary.iter().chain(&self.pages);
        (all().next().map_or(0, |page| page.offset), all().map(|page| u64::from(page.bytes)).sum())
    }
}

/// The pages of one tile.
#[derive(Debug)]
pub(crate) struct TileMap {
    pub(crate) rows: u32,
    /// One for each column, in file order.
    pub(crate) chunks: Vec<ChunkMap>,
}

/// Offset of the first page, after the magic bytes.
const PAGES_START: u64 = 4;

/// The sizes, checksum, counts and schema that a file must have.
pub(super) struct ExpectedFile<'a> {
    pub(super) bytes: u64,
    pub(super) footer_bytes: u64,
    pub(super) footer_crc32c: u32,
    pub(super) groups: u64,
    pub(super) rows: u64,
    pub(super) schema: &'a SchemaDescriptor,
}

/// Reads and checks the footer of a file. Returns the map of each row group.
pub(super) fn load(file: &dyn ReadFile, meta: &ExpectedFile<'_>) -> Result<Vec<TileMap>> {
    let start = meta.bytes.saturating_sub(meta.footer_bytes);
    let corrupt = |wrong: &str| Error::corrupt("open part", file.path(), start, wrong);
    let metadata = metadata(file, meta)?;
    let tiles = tiles_of(&metadata, start, meta.schema).map_err(corrupt)?;
    let rows: u64 = tiles.iter().map(|t| u64::from(t.rows)).sum();
    if tiles.len() as u64 != meta.groups || rows != meta.rows {
        return Err(corrupt("tiles or rows are not as many as the manifest says"));
    }
    Ok(tiles)
}

/// Reads the footer, checks its checksum and parses it.
pub(super) fn metadata(file: &dyn ReadFile, meta: &ExpectedFile<'_>) -> Result<ParquetMetaData> {
    let start = meta.bytes.saturating_sub(meta.footer_bytes);
    let bytes = read_checked(file, start, meta.bytes, meta.footer_crc32c, "open part")?;
    let corrupt = |wrong: &str| Error::corrupt("open part", file.path(), start, wrong);
    let mut reader = ParquetMetaDataReader::new()
        .with_column_index_policy(PageIndexPolicy::Skip)
        .with_offset_index_policy(PageIndexPolicy::Required)
        .with_metadata_options(Some(ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false)));
    reader.try_parse_sized(&bytes, meta.bytes).map_err(|e| corrupt(&e.to_string()))?;
    reader.finish().map_err(|e| corrupt(&e.to_string()))
}

type Checked<T> = Result<T, &'static str>;

fn tiles_of(metadata: &ParquetMetaData, pages_end: u64, schema: &SchemaDescriptor) -> Checked<Vec<TileMap>> {
    check_columns(metadata, schema)?;
    let pairs = metadata.file_metadata().key_value_metadata();
    let text = pairs.and_then(|pairs| pairs.iter().find(|p| p.key == sums::KEY)?.value.as_deref());
    let page_sums = text.and_then(sums::from_text).ok_or("the footer has no page checksums")?;
    let index = metadata.offset_index().ok_or("the file has no page index")?;
    let mut builder = MapBuilder { sums: page_sums.iter(), at: PAGES_START, columns: schema.num_columns() };
    let mut tiles = Vec::with_capacity(metadata.num_row_groups());
    for (i, group) in metadata.row_groups().iter().enumerate() {
        tiles.push(builder.tile(group, index.get(i).ok_or("the page index is too short")?)?);
    }
    if builder.at != pages_end || builder.sums.next().is_some() {
        return Err("pages do not end where the footer begins");
    }
    Ok(tiles)
}

fn check_columns(metadata: &ParquetMetaData, schema: &SchemaDescriptor) -> Checked<()> {
    let found = metadata.file_metadata().schema_descr();
    let same = found.num_columns() == schema.num_columns()
        && found.columns().iter().zip(schema.columns()).all(|(a, b)| {
            let facts = |c: &ColumnDescriptor| -> (String, Type, i16, i16) {
                (c.path().string(), c.physical_type(), c.max_def_level(), c.max_rep_level())
            };
            facts(a) == facts(b)
        });
    if same { Ok(()) } else { Err("the columns are not those of a part") }
}

/// Walks the pages in file order.
struct MapBuilder<'a> {
    sums: std::slice::Iter<'a, u32>,
    /// The offset at which the next page must begin.
    at: u64,
    columns: usize,
}

impl MapBuilder<'_> {
    fn tile(&mut self, group: &RowGroupMetaData, index: &[OffsetIndexMetaData]) -> Checked<TileMap> {
        let rows = u32::try_from(group.num_rows()).ok().filter(|n| (1..=TILE_ROWS_MAX).contains(n));
        let rows = rows.ok_or("a tile's number of rows is out of range")?;
        if index.len() != self.columns || group.num_columns() != self.columns {
            return Err("the page index has too few columns");
        }
        let chunks = group.columns().iter().zip(index).map(|(chunk, index)| self.chunk(chunk, index, rows));
        Ok(TileMap { rows, chunks: chunks.collect::<Checked<_>>()? })
    }

    fn chunk(
        &mut self,
        chunk: &ColumnChunkMetaData,
        index: &OffsetIndexMetaData,
        tile_rows: u32,
    ) -> Checked<ChunkMap> {
        let end = u64::try_from(chunk.compressed_size()).ok().and_then(|n| self.at.checked_add(n));
        let end = end.ok_or("a column chunk's size is out of range")?;
        let locations = index.page_locations();
        let data_start = locations.first().and_then(|l| u64::try_from(l.offset).ok());
        let data_start = data_start.ok_or("a column chunk has no page")?;
        let dictionary = match chunk.dictionary_page_offset() {
            Some(_) => {
                let bytes = data_start.checked_sub(self.at).and_then(|n| u32::try_from(n).ok());
                Some(self.page(self.at, bytes.ok_or("a dictionary page has a wrong offset")?, 0, 0)?)
            }
            None => None,
        };
        let mut pages = Vec::with_capacity(locations.len());
        for (i, location) in locations.iter().enumerate() {
            let row = |l: Option<&parquet::file::page_index::offset_index::PageLocation>| {
                l.map_or(Ok(tile_rows), |l| u32::try_from(l.first_row_index))
            };
            let (Ok(first), Ok(next)) = (row(Some(location)), row(locations.get(i + 1))) else {
                return Err("a page's rows are out of range");
            };
            if (i == 0 && first != 0) || first >= next || next > tile_rows {
                return Err("a page's rows are out of range");
            }
            let (Ok(offset), Ok(bytes)) =
                (u64::try_from(location.offset), u32::try_from(location.compressed_page_size))
            else {
                return Err("a page's offset is out of range");
            };
            pages.push(self.page(offset, bytes, first, next - first)?);
        }
        if self.at != end {
            return Err("the pages of a column chunk do not fill it");
        }
        Ok(ChunkMap { dictionary, pages, constant: constant(chunk) })
    }

    fn page(&mut self, offset: u64, bytes: u32, first_row: u32, rows: u32) -> Checked<PageEntry> {
        if offset != self.at || bytes == 0 {
            return Err("pages do not follow one another");
        }
        self.at = offset.checked_add(u64::from(bytes)).ok_or("a page's offset is out of range")?;
        let sum = *self.sums.next().ok_or("the footer has too few page checksums")?;
        Ok(PageEntry { offset, bytes, first_row, rows, sum })
    }
}

/// The only number in a column of integers, by its statistics.
fn constant(chunk: &ColumnChunkMetaData) -> Option<i64> {
    let Some(Statistics::Int64(range)) = chunk.statistics() else { return None };
    let exact = range.min_is_exact() && range.max_is_exact();
    let (least, greatest) = range.min_opt().zip(range.max_opt())?;
    (exact && least == greatest).then_some(*least)
}

/// Reads and checks the file's last bytes, `start..end`. `end` is the length that the file must have.
pub(super) fn read_checked(
    file: &dyn ReadFile,
    start: u64,
    end: u64,
    crc32c: u32,
    doing: &str,
) -> Result<Bytes> {
    let corrupt = |wrong: String| Error::corrupt(doing, file.path(), start, wrong);
    let actual = file.len()?;
    // Checked before anything is allocated, so no claimed length exceeds the file's size.
    if actual != end {
        return Err(corrupt(format!("the file has {actual} bytes, expected {end}")));
    }
    let length = end.checked_sub(start).and_then(|n| usize::try_from(n).ok());
    let mut bytes = vec![0; length.ok_or_else(|| corrupt("the checked range is out of range".into()))?];
    file.read_exact_at(start, &mut bytes)?;
    let found = crc32c::crc32c(&bytes);
    if found != crc32c {
        return Err(corrupt(format!("checksum is {found:08x}, expected {crc32c:08x}")));
    }
    Ok(bytes.into())
}
