//! The pages of one column chunk: compressed with a checksum, written one after another, and described for the footer.
//!
//! The Parquet crate's page writer writes the headers. The body is compressed here, because the crate cannot add a content
//! checksum to the zstd frame. Every reader of the file checks that checksum by default.

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::io::{self, Write};
use tidalite_model::{Error, ErrorKind, Result};
use zstd::zstd_safe::{InBuffer, OutBuffer, ResetDirective};

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
    /// For pages of streams. Matches are rare there, so levels 2 and 3 take a fifth longer for 0.2 % of the bytes.
    of_streams: zstd::bulk::Compressor<'static>,
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
        let compressor = |level| {
            let mut compressor = zstd::bulk::Compressor::new(level)?;
            compressor.include_checksum(true)?;
            Ok(compressor)
        };
        let of_streams = compressor(if level <= 3 { 1 } else { level }).map_err(compressor_failed)?;
        Ok(Zstd { compressor: compressor(level).map_err(compressor_failed)?, of_streams, buffer: Vec::new() })
    }

    /// Compresses the body of a page.
    pub(crate) fn body(&mut self, body: &[u8], encoding: Encoding) -> Result<StoredBody> {
        Ok(StoredBody { bytes: self.compress(body)?, plain_bytes: body.len(), encoding })
    }

    /// Compresses the body of a page that consists of `streams` parts of equal length with different kinds of bytes, each in a
    /// zstd block of its own. Bytes are coded by their frequencies within a block, so a block should hold one kind of bytes.
    pub(crate) fn streams(&mut self, body: &[u8], streams: usize, encoding: Encoding) -> Result<StoredBody> {
        let bytes = body.len() / streams;
        if bytes < STREAM_BYTES_MIN {
            return self.body(body, encoding);
        }
        let context = self.of_streams.context_mut();
        self.buffer.clear();
        self.buffer.reserve(zstd::zstd_safe::compress_bound(body.len()) + streams * BLOCK_OVERHEAD);
        let done = (|| {
            context.reset(ResetDirective::SessionOnly).map_err(zstd_failed)?;
            context.set_pledged_src_size(Some(body.len() as u64)).map_err(zstd_failed)?;
            let mut out = OutBuffer::around(&mut self.buffer);
            for stream in body.chunks(bytes) {
                let mut input = InBuffer::around(stream);
                context.compress_stream(&mut out, &mut input).map_err(zstd_failed)?;
                if input.pos < stream.len() {
                    return Err(io::Error::other("the buffer is too small"));
                }
                all(context.flush_stream(&mut out))?;
            }
            all(context.end_stream(&mut out))
        })();
        done.map_err(compressor_failed)?;
        Ok(StoredBody { bytes: Bytes::copy_from_slice(&self.buffer), plain_bytes: body.len(), encoding })
    }

    fn compress(&mut self, body: &[u8]) -> Result<Bytes> {
        self.buffer.clear();
        self.buffer.reserve(zstd::zstd_safe::compress_bound(body.len()));
        self.compressor.compress_to_buffer(body, &mut self.buffer).map_err(compressor_failed)?;
        Ok(Bytes::copy_from_slice(&self.buffer))
    }
}

/// Least bytes of a stream for a block of its own. The table of a block's byte frequencies takes up to 128 bytes.
const STREAM_BYTES_MIN: usize = 512;
/// What a block may take besides its bytes.
const BLOCK_OVERHEAD: usize = 32;

/// The body of a page as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredBody {
    bytes: Bytes,
    plain_bytes: usize,
    encoding: Encoding,
}

impl StoredBody {
    /// Its size in the file.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.bytes.len()
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
    /// The number of pages of each kind and encoding.
    counts: Vec<PageEncodingStats>,
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
            counts: Vec::new(),
        }
    }

    /// The size of the pages so far.
    pub(crate) fn bytes(&self) -> usize {
        self.out.bytes_written()
    }

    /// The compressor; the pages are dropped.
    pub(crate) fn into_zstd(self) -> &'z mut Zstd {
        self.zstd
    }

    /// Adds the dictionary page, which must come before any data page. `body` is PLAIN.
    pub(crate) fn dictionary_page(&mut self, body: &[u8], num_values: u32) -> Result<()> {
        let body = self.zstd.body(body, Encoding::PLAIN)?;
        self.push_dictionary(body, num_values)
    }

    /// Adds the dictionary page, which must come before any data page. `body` is PLAIN.
    pub(crate) fn push_dictionary(&mut self, body: StoredBody, num_values: u32) -> Result<()> {
        debug_assert!(self.sums.is_empty(), "the dictionary page comes first");
        let StoredBody { bytes: buf, plain_bytes, encoding } = body;
        let page = Page::DictionaryPage { buf, num_values, encoding, is_sorted: false };
        let bytes = self.write(page, plain_bytes)?;
        self.dictionary_bytes = Some(bytes);
        self.note_encoding(PageType::DICTIONARY_PAGE, Encoding::PLAIN);
        Ok(())
    }

    /// Adds a data page of `rows` values.
    pub(crate) fn data_page(&mut self, body: &[u8], rows: u32, encoding: Encoding) -> Result<()> {
        let body = self.zstd.body(body, encoding)?;
        self.push(body, rows)
    }

    /// Adds a data page of `rows` values.
    pub(crate) fn push(&mut self, body: StoredBody, rows: u32) -> Result<()> {
        let StoredBody { bytes: buf, plain_bytes, encoding } = body;
        let start = self.out.bytes_written();
        let page = Page::DataPage {
            buf,
            num_values: rows,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let bytes = self.write(page, plain_bytes)?;
        let bytes = i32::try_from(bytes).map_err(|_| too_large(self.column.name()))?;
        self.locations.append_row_count(i64::from(rows));
        self.locations.append_offset_and_size(signed(start as u64), bytes);
        self.rows += u64::from(rows);
        self.note_encoding(PageType::DATA_PAGE, encoding);
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

    fn note_encoding(&mut self, page_type: PageType, encoding: Encoding) {
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        match self.counts.iter_mut().find(|of| (of.page_type, of.encoding) == (page_type, encoding)) {
            Some(of) => of.count += 1,
            None => self.counts.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
    }

    /// The finished chunk.
    pub(crate) fn finish(self, statistics: Option<Statistics>) -> Result<EncodedColumn> {
        let bytes = self.out.into_inner().map_err(parquet_refused)?;
        let mut metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings(self.encodings)
            .set_page_encoding_stats(self.counts)
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

/// The result of a call that has to write all that waits.
fn all(left: std::result::Result<usize, usize>) -> io::Result<()> {
    match left.map_err(zstd_failed)? {
        0 => Ok(()),
        left => Err(io::Error::other(format!("the buffer is too small by {left} bytes"))),
    }
}

fn zstd_failed(code: usize) -> io::Error {
    io::Error::other(zstd::zstd_safe::get_error_name(code))
}

fn compressor_failed(e: io::Error) -> Error {
    Error::new(ErrorKind::Full, "compress page", e.to_string(), "make more memory available and try again")
}
