//! Arrow IPC, files and streams.
//!
//! A file is a stream between two magic words, with a footer that lists its batches. It is read as that stream: front to
//! back and piece by piece, so that no length in the file makes us allocate what the file does not hold.

use super::Import;
use super::batch::Batch;
use super::columns::Table;
use super::fault::Fault;
use super::guard::guarded;
use arrow::buffer::Buffer;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Read at a time.
const PIECE_BYTES: u64 = 1 << 20;

const MAGIC: &[u8; 6] = b"ARROW1";
/// What is read to tell a file from a stream.
const HEAD_BYTES: u64 = 8;
/// The stream in a file begins behind the magic word and zeros, at a multiple of 8 and here at the latest.
const PADDED_BYTES: usize = 64;
/// The footer's length and the magic, at the very end.
const TRAILER_BYTES: u64 = 10;

pub(super) fn load(file: &File, import: &Import, batch: &mut Batch<'_>, now_us: i64) -> Result<(), Fault> {
    let bytes_done = batch.bytes_done;
    let mut batch = Some(batch);
    let mut begin = |schema: &Schema| {
        let batch = batch.take().expect("a file has one schema");
        Table::new(import, schema, batch, now_us)
    };
    let mut table = None;
    let mut stream = Stream::open(file)?;
    let mut decoder = StreamDecoder::new();
    while let Some(piece) = stream.piece()? {
        bytes_done.set(bytes_done.get() + piece.len() as u64);
        let mut buffer = Buffer::from_vec(piece);
        while let Some(read) = guarded(|| decoder.decode(&mut buffer))?.map_err(fault)? {
            let table = match &mut table {
                Some(table) => table,
                None => table.insert(begin(&read.schema())?),
            };
            let all: Vec<usize> = (0..read.num_columns()).collect();
            table.take(&read, &all)?;
        }
    }
    decoder.finish().map_err(|_| damaged("it is cut short".to_owned()))?;
    match decoder.schema() {
        // Columns are checked even where there are no rows.
        Some(schema) if table.is_none() => begin(&schema).map(|_| ()),
        Some(_) => Ok(()),
        None => Err(damaged("it has no schema".to_owned())),
    }
}

/// The bytes of the stream, whether it is a file of its own or lies in a file with a footer.
struct Stream<'a> {
    file: &'a File,
    /// What was read of it to see which it is.
    head: Vec<u8>,
    left: u64,
}

impl<'a> Stream<'a> {
    fn open(mut file: &'a File) -> Result<Self, Fault> {
        let mut head = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut head).map_err(Fault::Read)?;
        if !head.starts_with(MAGIC) {
            return Ok(Stream { file, head, left: u64::MAX });
        }
        let bytes = file.seek(SeekFrom::End(0)).map_err(Fault::Read)?;
        let cut_short = || damaged("it is cut short: the end of an Arrow file is missing".to_owned());
        let trailer_at =
            bytes.checked_sub(TRAILER_BYTES).filter(|&at| at >= HEAD_BYTES).ok_or_else(cut_short)?;
        file.seek(SeekFrom::Start(trailer_at)).map_err(Fault::Read)?;
        let mut trailer = [0; TRAILER_BYTES as usize];
        file.read_exact(&mut trailer).map_err(Fault::Read)?;
        let (length, magic) = trailer.split_first_chunk::<4>().expect("the trailer has ten bytes");
        if magic != MAGIC {
            return Err(cut_short());
        }
        let footer = u64::from(u32::from_le_bytes(*length));
        let end = trailer_at.checked_sub(footer).filter(|&end| end >= HEAD_BYTES);
        let end = end.ok_or_else(|| damaged("its footer is longer than the file".to_owned()))?;
        file.seek(SeekFrom::Start(HEAD_BYTES)).map_err(Fault::Read)?;
        let mut head = Vec::new();
        file.take(PADDED_BYTES as u64).read_to_end(&mut head).map_err(Fault::Read)?;
        let padding = head.chunks(8).take_while(|word| word.iter().all(|&b| b == 0)).count() * 8;
        let left = (end - HEAD_BYTES).checked_sub(head.len() as u64).ok_or_else(cut_short)?;
        head.drain(..padding.min(head.len()));
        Ok(Stream { file, head, left })
    }

    /// The next bytes; `None` at the end.
    fn piece(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut piece = std::mem::take(&mut self.head);
        let read = self.file.take(self.left.min(PIECE_BYTES)).read_to_end(&mut piece).map_err(Fault::Read)?;
        self.left -= read as u64;
        Ok((!piece.is_empty()).then_some(piece))
    }
}

fn fault(e: ArrowError) -> Fault {
    match e {
        ArrowError::IoError(_, e) => Fault::Read(e),
        e => {
            let what = e.to_string();
            match what.contains("compression") || what.contains("feature") {
                true => Fault::unsupported(
                    what,
                    "write the file without compression (compression=\"uncompressed\" in pyarrow)",
                ),
                false => damaged(what),
            }
        }
    }
}

fn damaged(what: String) -> Fault {
    Fault::wrong(
        format!("it cannot be read as Arrow IPC: {what}"),
        "check that the file is Arrow IPC, and whole",
    )
}
