//! Laying tiles into a file: pages as they come, then the footer, then the series table beside it.
//!
//! The file is hashed while it is written, so that its checksums cost no second pass. A writer that is dropped
//! before [`finish`](PartWriter::finish) removes what it made; one that dies leaves files that nothing refers to.

use crate::encode::EncodedTile;
use crate::facts::SeqRanges;
use crate::meta::PartMeta;
use crate::options::PartPlace;
use crate::page_sums;
use crate::schema::{SCHEMA, TILES_MAX};
use crate::series::{SeriesRow, SeriesTable};
use crate::series_file;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::{Vfs, WriteFile};

/// Writes one part. See the [crate text](crate).
#[derive(Debug)]
pub struct PartWriter {
    vfs: Arc<dyn Vfs>,
    place: PartPlace,
    file: SerializedFileWriter<Sink>,
    sums: Vec<u32>,
    series: Vec<SeriesRow>,
    tiles: u32,
    rows: u64,
    seq_ranges: SeqRanges,
    value_bits_sum: u64,
    /// Files to remove unless finished.
    made: Vec<PathBuf>,
}

impl PartWriter {
    /// Starts a part: makes the points file, whose folder must exist.
    ///
    /// # Errors
    /// `Busy` where the file exists already; those of the disk.
    pub fn create(vfs: Arc<dyn Vfs>, place: &PartPlace) -> Result<Self> {
        let sink = Sink::new(vfs.create(&place.points)?);
        let made = vec![place.points.clone()];
        let ascending = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
        let properties = WriterProperties::builder()
            .set_created_by(format!("tidalite version {}", env!("CARGO_PKG_VERSION")))
            .set_sorting_columns(Some((0..5).map(ascending).collect()))
            .build();
        let file = SerializedFileWriter::new(sink, SCHEMA.root_schema_ptr(), Arc::new(properties))
            .map_err(|e| refused(place, &e))?;
        Ok(PartWriter {
            vfs,
            place: place.clone(),
            file,
            sums: Vec::new(),
            series: Vec::new(),
            tiles: 0,
            rows: 0,
            seq_ranges: SeqRanges::default(),
            value_bits_sum: 0,
            made,
        })
    }

    /// How many points were pushed.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many tiles were pushed.
    pub fn tiles(&self) -> u32 {
        self.tiles
    }

    /// How many bytes the points file has so far.
    pub fn bytes(&self) -> u64 {
        self.file.bytes_written() as u64
    }

    /// Lays one tile behind those before it. After an error, drop the writer.
    ///
    /// # Errors
    /// `Invalid` where the part has [`TILES_MAX`] tiles already; those of the disk.
    pub fn push(&mut self, tile: EncodedTile) -> Result<()> {
        if self.tiles == TILES_MAX {
            return Err(Error::invalid(
                "write part",
                format!("the part has {TILES_MAX} tiles already"),
                "finish this part and start another",
            )
            .at(&self.place.points));
        }
        self.sums.extend(tile.columns.iter().flat_map(|c| &c.sums));
        lay(&mut self.file, tile.columns).map_err(|e| self.failed(e))?;
        self.series.extend(tile.series.into_iter().map(|row| SeriesRow { tile: self.tiles, ..row }));
        self.tiles += 1;
        self.rows += u64::from(tile.rows);
        self.seq_ranges.merge(&tile.seq_ranges);
        self.value_bits_sum = self.value_bits_sum.wrapping_add(tile.value_bits_sum);
        Ok(())
    }

    /// Writes the footer and the series table; with `sync`, both files' bytes are durable afterwards. Making their
    /// names durable is the caller's part ([`Vfs::sync_dir`]).
    ///
    /// # Errors
    /// `Invalid` where no tile was pushed; those of the disk. The files are removed then.
    pub fn finish(mut self, sync: bool) -> Result<PartMeta> {
        if self.tiles == 0 {
            return Err(Error::invalid("write part", "no tile was pushed", "push a tile first")
                .at(&self.place.points));
        }
        let sums = page_sums::to_text(self.sums.iter().copied());
        self.file.append_key_value_metadata(KeyValue::new(page_sums::KEY.to_string(), sums));
        self.file.inner_mut().footer_start = self.file.bytes_written() as u64;
        self.file.finish().map_err(|e| self.failed(e))?;
        let sink = self.file.inner_mut();
        sink.write_waiting()?;
        if sync {
            sink.file.sync()?;
        }
        let (bytes, crc32c) = (sink.hashed, sink.sum);
        let (footer_bytes, footer_crc32c) = (sink.hashed - sink.footer_start, sink.footer_sum);
        let table = SeriesTable { rows: std::mem::take(&mut self.series) };
        let (series_bytes, series_crc32c) = self.write_series(&table, sync)?;
        let meta = PartMeta {
            rows: self.rows,
            tiles: self.tiles,
            bytes,
            crc32c,
            footer_bytes,
            footer_crc32c,
            series_bytes,
            series_crc32c,
            seq: std::mem::take(&mut self.seq_ranges).into_vec(),
            seq_base: 0,
            value_bits_sum: self.value_bits_sum,
            ..totals(&table, self.place.id)
        };
        self.made.clear();
        Ok(meta)
    }

    /// Writes the series table's file; its length and checksum.
    fn write_series(&mut self, table: &SeriesTable, sync: bool) -> Result<(u64, u32)> {
        let bytes = series_file::encode(table)?;
        let mut file = self.vfs.create(&self.place.series)?;
        self.made.push(self.place.series.clone());
        file.write_all(&bytes)?;
        if sync {
            file.sync()?;
        }
        Ok((bytes.len() as u64, crc32c::crc32c(&bytes)))
    }

    /// The cause of a failed call to the Parquet crate: the disk's error where there was one.
    fn failed(&mut self, e: ParquetError) -> Error {
        self.file.inner_mut().failure.take().unwrap_or_else(|| refused(&self.place, &e))
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        for path in &self.made {
            // A file that cannot be removed is referred to by nothing; collecting such files is the engine's work.
            let _ = self.vfs.remove(path);
        }
    }
}

fn lay(
    file: &mut SerializedFileWriter<Sink>,
    columns: Vec<crate::encode::EncodedColumn>,
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for column in columns {
        group.append_column(&column.bytes, column.close)?;
    }
    group.close()?;
    Ok(())
}

/// Counts and ranges that follow from the series; the rest is zero.
fn totals(table: &SeriesTable, id: uuid::Uuid) -> PartMeta {
    let keys: HashSet<_> = table.rows.iter().map(|r| &r.key).collect();
    let runs: HashSet<_> = keys.iter().map(|k| &k.run).collect();
    let summaries = || table.rows.iter().map(|r| &r.summary);
    let steps = || summaries().flat_map(|s| [s.first, s.last]).flatten().map(|p| p.step);
    let not_empty = "a part has at least one point";
    PartMeta {
        id,
        rows: 0,
        tiles: 0,
        series: keys.len() as u64,
        runs: runs.len() as u64,
        bytes: 0,
        crc32c: 0,
        footer_bytes: 0,
        footer_crc32c: 0,
        series_bytes: 0,
        series_crc32c: 0,
        run_min: runs.iter().min().expect(not_empty).to_string(),
        run_max: runs.iter().max().expect(not_empty).to_string(),
        step_min: steps().min().expect(not_empty),
        step_max: steps().max().expect(not_empty),
        time_min_us: summaries().filter_map(|s| s.time_min_us).min().expect(not_empty),
        time_max_us: summaries().filter_map(|s| s.time_max_us).max().expect(not_empty),
        seq: Vec::new(),
        seq_base: 0,
        value_bits_sum: 0,
    }
}

fn refused(place: &PartPlace, e: &ParquetError) -> Error {
    Error::new(ErrorKind::Unsupported, "write part", e.to_string(), "write a smaller part").at(&place.points)
}

/// The points file as the Parquet crate sees it: gathers small writes, hashes all, and keeps the disk's own error.
#[derive(Debug)]
struct Sink {
    file: Box<dyn WriteFile>,
    waiting: Vec<u8>,
    /// Bytes taken so far, and their CRC32C.
    hashed: u64,
    sum: u32,
    /// Bytes from here on are the footer, with a checksum of its own.
    footer_start: u64,
    footer_sum: u32,
    failure: Option<Error>,
}

/// Bytes gathered before the disk is called.
const WAITING_MAX: usize = 1 << 20;

impl Sink {
    fn new(file: Box<dyn WriteFile>) -> Self {
        let waiting = Vec::with_capacity(WAITING_MAX);
        Sink { file, waiting, hashed: 0, sum: 0, footer_start: u64::MAX, footer_sum: 0, failure: None }
    }

    fn write_waiting(&mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.file.write_all(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }
}

impl Write for Sink {
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
            // What lies before the footer in this write was buffered above us.
            let skip = usize::try_from(self.footer_start.saturating_sub(self.hashed)).unwrap_or(bytes.len());
            self.footer_sum = crc32c::crc32c_append(self.footer_sum, &bytes[skip..]);
        }
        self.hashed = end;
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Nothing: the waiting bytes go out when there are enough of them, and at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
