//! Reads Parquet files, only the needed columns.

use super::batch::PointBatch;
use super::columns::ArrowTable;
use super::fault::ImportFault;
use super::guard::guarded;
use super::options::Import;
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use std::fs::File;
use std::io;

/// Rows per decoded batch.
const ROWS: usize = 16_384;

pub(super) fn load(
    file: &File,
    import: &Import,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> Result<(), ImportFault> {
    let bytes = batch.bytes_total;
    let file = file.try_clone().map_err(ImportFault::Read)?;
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file))?.map_err(fault)?;
    let mut table = ArrowTable::new(import, builder.schema(), batch, now_us)?;
    let rows_total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0).max(1);
    let needed = table.needed();
    let columns = ProjectionMask::roots(builder.parquet_schema(), needed.iter().copied());
    let mut reader =
        guarded(|| builder.with_projection(columns).with_batch_size(ROWS).build())?.map_err(fault)?;
    let mut rows_done = 0;
    while let Some(read) = guarded(|| reader.next())? {
        let read = read.map_err(arrow_fault)?;
        rows_done += read.num_rows() as u64;
        let share = u128::from(bytes) * u128::from(rows_done.min(rows_total)) / u128::from(rows_total);
        table.set_bytes_done(u64::try_from(share).unwrap_or(bytes));
        table.take(&read, &needed)?;
    }
    table.finish()
}

fn fault(e: ParquetError) -> ImportFault {
    match e {
        ParquetError::External(e) => match e.downcast::<io::Error>() {
            Ok(io) => ImportFault::Read(*io),
            Err(other) => damaged(other.to_string()),
        },
        ParquetError::NYI(what) => unsupported(what),
        // The crate reports this for codecs that it was built without.
        ParquetError::General(what) if what.contains("Disabled feature") => unsupported(what),
        other => damaged(other.to_string()),
    }
}

fn arrow_fault(e: ArrowError) -> ImportFault {
    match e {
        ArrowError::IoError(_, e) => ImportFault::Read(e),
        ArrowError::ParquetError(what) if what.contains("Disabled feature") || what.starts_with("NYI") => {
            unsupported(what)
        }
        ArrowError::ExternalError(e) => match e.downcast::<ParquetError>() {
            Ok(parquet) => fault(*parquet),
            Err(other) => damaged(other.to_string()),
        },
        other => damaged(other.to_string()),
    }
}

fn unsupported(what: String) -> ImportFault {
    ImportFault::unsupported(
        what,
        "write the file with zstd, snappy, lz4 or no compression, and with plain encodings",
    )
}

fn damaged(what: String) -> ImportFault {
    ImportFault::wrong(
        format!("it cannot be read as Parquet: {what}"),
        "check that the file is a complete Parquet file",
    )
}
