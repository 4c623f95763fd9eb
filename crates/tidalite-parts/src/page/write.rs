//! The pages of one column chunk: compressed with a checksum, written one after another, and described for the footer.
//!
//! The Parquet crate's page writer writes the headers. The body is compressed here, because the crate cannot add a content
//! checksum to the zstd frame. Every reader of the file checks that checksum by default.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::io::{self, Write};
use tidalite_model::{Error, ErrorKind, Result};

/// A finished column chunk in memory.
#[derive(Debug)]
pub(crate) struct EncodedColumn {
    /// The pages, as stored in the file.
    pub(crate) bytes: Bytes,
    /// CRC32C of each page, header included, in file order.
    pub(crate) sums: Vec<u32>,
    /// The chunk's entry in the footer; offsets are relative to `bytes`.
    pub(crate) close: ColumnCloseResult,
}

/// A compressor that adds a content checksum to each frame. All columns of a tile share one.
pub(crate) struct Zstd {
    compressor: zstd::bulk::Compressor<'static>,
    buffer: Vec<u8>,
}

impl Zstd {
    pub(crate) fn new(level: i32) -> Result<Self> {
        if !(1..=19).contains(&level) {
            return Err(Error::invalid(
                "encode tile",
                format!("zstd level {level} is unknown"),
                "give a level from 1 to 19",
            ));
        }
        let mut compressor = zstd::bulk::Compressor::new(level).map_err(compressor_failed)?;
        compressor.include_checksum(true).map_err(compressor_failed)?;
        Ok(Zstd { compressor, buffer: Vec::new() })
    }

    fn compress(&mut self, body: &[u8]) -> Result<Bytes> {
        self.buffer.clear();
        self.buffer.reserve(zstd::zstd_safe::compress_bound(body.len()));
        self.compressor.compress_to_buffer(body, &mut self.buffer).map_err(compressor_failed)?;
        Ok(Bytes::copy_from_slice(&self.buffer))
    }
}

/// A column chunk being built.
pub(crate) struct ChunkPages<'z> {
    column: ColumnDescPtr,
    zstd: &'z mut Zstd,
    out: TrackedWrite<Vec<u8>>,
    sums: Vec<u32>,
    locations: OffsetIndexBuilder,
    rows: u64,
    /// Total size of the pages before compression, headers included, as the footer counts it.
    bytes_plain: u64,
    dictionary_bytes: Option<u64>,
    encodings: Vec<Encoding>,
}

impl<'z> ChunkPages<'z> {
    pub(crate) fn new(column: ColumnDescPtr, zstd: &'z mut Zstd) -> Self {
        ChunkPages {
            column,
            zstd,
            out: TrackedWrite::new(Vec::new()),
            sums: Vec::new(),
            locations: OffsetIndexBuilder::new(),
            rows: 0,
            bytes_plain: 0,
            dictionary_bytes: None,
            encodings: vec![Encoding::RLE],
        }
    }

    /// Adds the dictionary page, which must come before any data page. `body` is PLAIN.
    pub(crate) fn dictionary_page(&mut self, body: &[u8], num_values: u32) -> Result<()> {
        debug_assert!(self.sums.is_empty(), "the dictionary page comes first");
        let buf = self.zstd.compress(body)?;
        let page = Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false };
        let bytes = self.write(page, body.len())?;
        self.dictionary_bytes = Some(bytes);
        self.note_encoding(Encoding::PLAIN);
        Ok(())
    }

    /// Adds a data page of `rows` values.
    pub(crate) fn data_page(&mut self, body: &[u8], rows: u32, encoding: Encoding) -> Result<()> {
        let start = self.out.bytes_written();
        let page = Page::DataPage {
            buf: self.zstd.compress(body)?,
            num_values: rows,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let bytes = self.write(page, body.len())?;
        let bytes = i32::try_from(bytes).map_err(|_| too_large(self.column.name()))?;
        self.locations.append_row_count(i64::from(rows));
        self.locations.append_offset_and_size(signed(start as u64), bytes);
        self.rows += u64::from(rows);
        self.note_encoding(encoding);
        Ok(())
    }

    /// Writes one page and records its checksum. Returns its size, header included.
    fn write(&mut self, page: Page, bytes_plain: usize) -> Result<u64> {
        let start = self.out.bytes_written();
        let spec = SerializedPageWriter::new(&mut self.out)
            .write_page(CompressedPage::new(page, bytes_plain))
            .map_err(parquet_refused)?;
        self.out.flush().map_err(|e| parquet_refused(e.into()))?;
        self.sums.push(crc32c::crc32c(&self.out.inner()[start..]));
        self.bytes_plain += spec.uncompressed_size as u64;
        Ok(spec.bytes_written)
    }

    fn note_encoding(&mut self, encoding: Encoding) {
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
    }

    /// The finished chunk.
    pub(crate) fn finish(self, statistics: Option<Statistics>) -> Result<EncodedColumn> {
        let bytes = self.out.into_inner().map_err(parquet_refused)?;
        let mut metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings(self.encodings)
            .set_num_values(signed(self.rows))
            .set_total_compressed_size(signed(bytes.len() as u64))
            .set_total_uncompressed_size(signed(self.bytes_plain))
            .set_dictionary_page_offset(self.dictionary_bytes.map(|_| 0))
            .set_data_page_offset(signed(self.dictionary_bytes.unwrap_or(0)));
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata: metadata.build().map_err(parquet_refused)?,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.locations.build()),
        };
        Ok(EncodedColumn { bytes: bytes.into(), sums: self.sums, close })
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("sizes in memory fit 63 bits")
}

fn too_large(column: &str) -> Error {
    Error::invalid(
        "encode tile",
        format!("a page of column {column} exceeds 2 GiB"),
        "put fewer points into one tile",
    )
}

fn parquet_refused(e: ParquetError) -> Error {
    Error::invalid("encode tile", e.to_string(), "put fewer points into one tile")
}

fn compressor_failed(e: io::Error) -> Error {
    Error::new(ErrorKind::Full, "compress page", e.to_string(), "make more memory available and try again")
}
