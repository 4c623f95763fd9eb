//! Writes a part: the pages of each tile, then the footer, then the series table and the rollups.
//!
//! The points file is hashed while it is written, so its checksums cost no second pass. A writer that is dropped before
//! [`finish`](PartWriter::finish) removes its files. A process that dies leaves files that nothing refers to.

use crate::facts::SeqRanges;
use crate::meta::{PartMeta, RollupMeta};
use crate::options::{PartOptions, PartPaths};
use crate::page::sums;
use crate::page::write::EncodedColumn;
use crate::rollup::bucket::RolledChunk;
use crate::rollup::file::{self as rollup_file, ROLLUP_SCHEMA};
use crate::rollup::tier::assemble;
use crate::schema::{SCHEMA, TILES_MAX};
use crate::series::row::SeriesRow;
use crate::series::write::SeriesWriter;
use crate::tile::EncodedTile;
use crate::totals::Totals;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{Vfs, WriteFile};

/// Writes one part. See the [crate documentation](crate).
#[derive(Debug)]
pub struct PartWriter {
    vfs: Arc<dyn Vfs>,
    paths: PartPaths,
    file: SerializedFileWriter<PartSink>,
    sums: Vec<u32>,
    series: SeriesWriter<PartSink>,
    totals: Totals,
    rolled: Vec<RolledChunk>,
    tiles: u32,
    rows: u64,
    seq_ranges: SeqRanges,
    value_bits_sum: u64,
    /// Whether its tiles are thinned; `None` before the first tile.
    thinned: Option<bool>,
    /// Files to remove unless the writer finishes.
    made: Vec<PathBuf>,
    /// Fewest points of a series on average for a series table.
    table_series_points: u32,
}

impl PartWriter {
    /// Starts a part and creates its points file. The folder must exist.
    ///
    /// # Errors
    /// `Busy` where the file exists already; those of the disk.
    pub fn create(vfs: Arc<dyn Vfs>, paths: &PartPaths) -> Result<Self> {
        let sink = PartSink::new(vfs.create(&paths.points)?);
        let series = vfs.create(&paths.series).and_then(|file| SeriesWriter::new(PartSink::new(file)));
        let series = series.inspect_err(|_| {
            // Nothing refers to a file that cannot be removed here, so it is collected later as an orphan.
            let _ = vfs.remove(&paths.points);
        })?;
        let made = vec![paths.points.clone(), paths.series.clone()];
        let file = parquet_file(sink, &SCHEMA, 4).map_err(|e| refused(paths, &e))?;
        Ok(PartWriter {
            vfs,
            paths: paths.clone(),
            file,
            sums: Vec::new(),
            series,
            totals: Totals::default(),
            rolled: Vec::new(),
            tiles: 0,
            rows: 0,
            seq_ranges: SeqRanges::default(),
            value_bits_sum: 0,
            thinned: None,
            made,
            table_series_points: PartOptions::default().table_series_points,
        })
    }

    /// Sets the fewest points of a series on average for the part to have a series table; see
    /// [`PartOptions::table_series_points`].
    #[must_use]
    pub fn table_series_points(mut self, points: u32) -> Self {
        self.table_series_points = points;
        self
    }

    /// The number of points pushed.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The number of tiles pushed.
    pub fn tiles(&self) -> u32 {
        self.tiles
    }

    /// The size of the points file so far, in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes_written() as u64
    }

    /// Appends a tile. After an error, drop the writer.
    ///
    /// # Errors
    /// `Invalid` where the part has [`TILES_MAX`] tiles already, or would have thinned tiles and others; those of the disk.
    pub fn push(&mut self, tile: EncodedTile) -> Result<()> {
        if *self.thinned.get_or_insert(tile.thinned) != tile.thinned {
            return Err(Error::invalid(
                "write part",
                "thinned tiles and others were pushed",
                "give thinned tiles a part of their own",
            )
            .at(&self.paths.points));
        }
        if self.tiles == TILES_MAX {
            return Err(Error::invalid(
                "write part",
                format!("the part has {TILES_MAX} tiles already"),
                "finish this part and start another",
            )
            .at(&self.paths.points));
        }
        self.sums.extend(tile.columns.iter().flat_map(|c| &c.sums));
        append_row_group(&mut self.file, tile.columns).map_err(|e| self.failed(e))?;
        self.rolled.extend(tile.rollups);
        for row in tile.series {
            self.totals.add(&row);
            if let Err(e) = self.series.push(SeriesRow { tile: self.tiles, ..row }) {
                return Err(self.series.sink().failure.take().unwrap_or(e));
            }
        }
        self.tiles += 1;
        self.rows += u64::from(tile.rows);
        self.seq_ranges.merge(&tile.seq_ranges);
        self.value_bits_sum = self.value_bits_sum.wrapping_add(tile.value_bits_sum);
        Ok(())
    }

    /// Writes the footer, the series table and the rollups. With `sync`, the contents of all files are durable afterwards; the
    /// caller makes their names durable with [`Vfs::sync_dir`].
    ///
    /// # Errors
    /// `Invalid` where no tile was pushed; those of the disk. After an error the files are removed.
    pub fn finish(mut self, sync: bool) -> Result<PartMeta> {
        if self.tiles == 0 {
            return Err(Error::invalid("write part", "no tile was pushed", "push a tile first")
                .at(&self.paths.points));
        }
        let sums = std::mem::take(&mut self.sums);
        close(&mut self.file, &sums, sync).map_err(|e| self.failed(e))?;
        let sink = self.file.inner_mut();
        let (bytes, crc32c) = (sink.hashed, sink.sum);
        let (footer_bytes, footer_crc32c) = sink.footer();
        let (series_bytes, series_crc32c) = self.write_series(sync)?;
        let rollups = self.write_rollups(sync)?;
        let thinned = (self.thinned == Some(true)).then(|| self.totals.points());
        let meta = PartMeta {
            rows: self.rows,
            tiles: self.tiles,
            bytes,
            crc32c,
            footer_bytes,
            footer_crc32c,
            series_bytes,
            series_crc32c,
            rollups,
            thinned,
            seq: std::mem::take(&mut self.seq_ranges).into_vec(),
            seq_gone: Vec::new(),
            seq_base: 0,
            clock: None,
            value_bits_sum: self.value_bits_sum,
            ..self.totals.meta(self.paths.id)
        };
        self.made.clear();
        Ok(meta)
    }

    /// Finishes the series table's file. Returns its length and checksum, which are 0 where the part is better without one.
    fn write_series(&mut self, sync: bool) -> Result<(u64, u32)> {
        let series = self.series.rows();
        if self.thinned != Some(true) && self.rows < series.saturating_mul(self.table_series_points.into()) {
            self.vfs.remove(&self.paths.series)?;
            return Ok((0, 0));
        }
        let finished = self.series.finish();
        let sink = self.series.sink();
        finished.map_err(|e| sink.failure.take().unwrap_or(e))?;
        sink.write_waiting()?;
        if sync {
            sink.file.sync()?;
        }
        Ok((sink.hashed, sink.sum))
    }

    /// Writes the rollups' file; `None` where no series has rollups.
    fn write_rollups(&mut self, sync: bool) -> Result<Option<RollupMeta>> {
        let tiers = assemble(std::mem::take(&mut self.rolled), &self.totals);
        // The tiers of a series are adjacent.
        let rolled = tiers.chunk_by(|a, b| a.key == b.key).count();
        if self.thinned == Some(true) && rolled < self.totals.series() {
            return Err(Error::invalid(
                "write part",
                "a thinned series is in two tiles whose steps overlap",
                "give each thinned series once",
            )
            .at(&self.paths.points));
        }
        if tiers.is_empty() {
            return Ok(None);
        }
        let sink = PartSink::new(self.vfs.create(&self.paths.rollups)?);
        self.made.push(self.paths.rollups.clone());
        let mut file = parquet_file(sink, &ROLLUP_SCHEMA, 3).map_err(|e| refused(&self.paths, &e))?;
        let mut sums = Vec::new();
        let mut lay = || -> Result<u64> {
            let refused = |e: ParquetError| refused(&self.paths, &e);
            let mut group = file.next_row_group().map_err(refused)?;
            // A column is written before the next one is encoded.
            let rows = rollup_file::encode(&tiers, PartOptions::default().zstd_level, |column| {
                sums.extend_from_slice(&column.sums);
                group.append_column(&column.bytes, column.close).map_err(refused)
            })?;
            group.close().map_err(refused)?;
            close(&mut file, &sums, sync).map_err(refused)?;
            Ok(rows)
        };
        let rows = lay();
        let sink = file.inner_mut();
        let rows = rows.map_err(|e| sink.failure.take().unwrap_or(e))?;
        let (footer_bytes, footer_crc32c) = sink.footer();
        Ok(Some(RollupMeta { rows, bytes: sink.hashed, crc32c: sink.sum, footer_bytes, footer_crc32c }))
    }

    /// The cause of a failed call to the Parquet crate: the disk's error if there was one.
    fn failed(&mut self, e: ParquetError) -> Error {
        self.file.inner_mut().failure.take().unwrap_or_else(|| refused(&self.paths, &e))
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        for path in &self.made {
            // Nothing refers to a file that cannot be removed here, so it is collected later as an orphan.
            let _ = self.vfs.remove(path);
        }
    }
}

/// A Parquet file with this schema, sorted by its first `ascending` columns.
fn parquet_file(
    sink: PartSink,
    schema: &SchemaDescriptor,
    ascending: i32,
) -> Result<SerializedFileWriter<PartSink>, ParquetError> {
    let sorted = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
    let properties = WriterProperties::builder()
        .set_created_by(format!("tidalite version {}", env!("CARGO_PKG_VERSION")))
        .set_sorting_columns(Some((0..ascending).map(sorted).collect()))
        .build();
    SerializedFileWriter::new(sink, schema.root_schema_ptr(), Arc::new(properties))
}

/// Writes the footer with the checksums of all pages, and flushes the buffer. With `sync` the file is durable afterwards.
fn close(
    file: &mut SerializedFileWriter<PartSink>,
    page_sums: &[u32],
    sync: bool,
) -> Result<(), ParquetError> {
    let text = sums::to_text(page_sums.iter().copied());
    file.append_key_value_metadata(KeyValue::new(sums::KEY.to_string(), text));
    file.inner_mut().footer_start = file.bytes_written() as u64;
    file.finish()?;
    let sink = file.inner_mut();
    let written = sink.write_waiting().and_then(|()| if sync { sink.file.sync() } else { Ok(()) });
    written.map_err(|e| {
        let text = e.to_string();
        sink.failure = Some(e);
        ParquetError::General(text)
    })
}

fn append_row_group(
    file: &mut SerializedFileWriter<PartSink>,
    columns: Vec<EncodedColumn>,
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for column in columns {
        group.append_column(&column.bytes, column.close)?;
    }
    group.close()?;
    Ok(())
}

fn refused(paths: &PartPaths, e: &ParquetError) -> Error {
    Error::new(ErrorKind::Unsupported, "write part", e.to_string(), "write a smaller part").at(&paths.points)
}

/// The file as the Parquet crate's output. It buffers small writes, hashes all bytes, and keeps the disk's error.
#[derive(Debug)]
struct PartSink {
    file: Box<dyn WriteFile>,
    waiting: Vec<u8>,
    /// Number of bytes written so far, buffered ones included. `sum` is their CRC32C.
    hashed: u64,
    sum: u32,
    /// Offset of the footer, which has a checksum of its own.
    footer_start: u64,
    footer_sum: u32,
    failure: Option<Error>,
}

/// Bytes buffered before a write to the disk.
const WAITING_MAX: usize = 1 << 20;

impl PartSink {
    fn new(file: Box<dyn WriteFile>) -> Self {
        let waiting = Vec::with_capacity(WAITING_MAX);
        PartSink { file, waiting, hashed: 0, sum: 0, footer_start: u64::MAX, footer_sum: 0, failure: None }
    }

    /// Length and checksum of the footer, after it was written.
    fn footer(&self) -> (u64, u32) {
        (self.hashed - self.footer_start, self.footer_sum)
    }

    fn write_waiting(&mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.file.write_all(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }
}

impl Write for PartSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.len() + bytes.len() > WAITING_MAX
            && let Err(e) = self.write_waiting()
        {
            let text = e.to_string();
            self.failure = Some(e);
            return Err(io::Error::other(text));
        }
        self.sum = crc32c::crc32c_append(self.sum, bytes);
        let end = self.hashed + bytes.len() as u64;
        if end > self.footer_start {
            // The crate's own buffer may hold bytes from before the footer.
            let skip = usize::try_from(self.footer_start.saturating_sub(self.hashed)).unwrap_or(bytes.len());
            self.footer_sum = crc32c::crc32c_append(self.footer_sum, &bytes[skip..]);
        }
        self.hashed = end;
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: buffered bytes are written when the buffer is full, and at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
