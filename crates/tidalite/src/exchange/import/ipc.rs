//! Reads Arrow IPC files and streams.
//!
//! A stream is read message by message, and a file by the blocks that its footer lists. Neither allocates more than the
//! file holds, whatever lengths it claims; compressed buffers are bounded by `ipc_claims`.

use super::batch::PointBatch;
use super::columns::ArrowTable;
use super::fault::ImportFault;
use super::guard::guarded;
use super::ipc_claims::check_claims;
use super::options::Import;
use arrow::buffer::Buffer;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, StreamDecoder};
use arrow::ipc::{Block, root_as_footer, root_as_message};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// What messages begin with, before the length of their metadata. Old writers leave it out.
const CONTINUATION: [u8; 4] = [0xff; 4];

const MAGIC: &[u8; 6] = b"ARROW1";
/// The bytes that tell a file from a stream. The blocks of a file begin after them.
const HEAD_BYTES: u64 = 8;
/// The footer's length and the magic, at the end of a file.
const TRAILER_BYTES: u64 = 10;

pub(super) fn load(
    file: &File,
    import: &Import,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> Result<(), ImportFault> {
    let mut head = Vec::new();
    let mut start = file;
    start.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(ImportFault::Read)?;
    match head.starts_with(MAGIC) {
        true => load_file(file, import, batch, now_us),
        false => load_stream(head, file, import, batch, now_us),
    }
}

fn load_stream(
    head: Vec<u8>,
    file: &File,
    import: &Import,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> Result<(), ImportFault> {
    let bytes_done = batch.bytes_done;
    let mut batch = Some(batch);
    let mut begin = |schema: &Schema| {
        let batch = batch.take().expect("a stream has one schema");
        ArrowTable::new(import, schema, batch, now_us)
    };
    let mut table = None;
    let mut decoder = StreamDecoder::new();
    let mut messages = io::Cursor::new(head).chain(file);
    while let Some(message) = next_message(&mut messages)? {
        bytes_done.set(bytes_done.get() + message.len() as u64);
        let mut buffer = Buffer::from_vec(message);
        while let Some(read) = guarded(|| decoder.decode(&mut buffer))?.map_err(fault)? {
            let table = match &mut table {
                Some(table) => table,
                None => table.insert(begin(&read.schema())?),
            };
            let all: Vec<usize> = (0..read.num_columns()).collect();
            table.take(&read, &all)?;
        }
    }
    decoder.finish().map_err(|_| damaged("it is cut short"))?;
    match (table, decoder.schema()) {
        (Some(table), _) => table.finish(),
        // Checks the columns even if there are no rows.
        (None, Some(schema)) => begin(&schema)?.finish(),
        (None, None) => Err(damaged("it has no schema")),
    }
}

/// The bytes of the next message of a stream, whole. `None` after the last one.
fn next_message(stream: &mut impl Read) -> Result<Option<Vec<u8>>, ImportFault> {
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>, n: u64| {
        let read = stream.by_ref().take(n).read_to_end(bytes).map_err(ImportFault::Read)?;
        if read as u64 == n || bytes.is_empty() { Ok(()) } else { Err(damaged("it is cut short")) }
    };
    more(&mut bytes, 4)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes == CONTINUATION {
        more(&mut bytes, 4)?;
    }
    let head = bytes.len();
    let length = bytes.last_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
    if length == 0 {
        return Ok(Some(bytes));
    }
    more(&mut bytes, u64::from(length))?;
    let of_metadata = bytes.len();
    let body = guarded(|| root_as_message(&bytes[head..]).map(|message| message.bodyLength()))?;
    let body = body.map_err(|e| damaged(&format!("a message is damaged: {e}")))?;
    more(&mut bytes, u64::try_from(body).map_err(|_| damaged("a message has a negative length"))?)?;
    check_message(&bytes[head..], of_metadata - head)?;
    Ok(Some(bytes))
}

/// Checks what the buffers of a message claim, whose metadata has so many bytes.
fn check_message(message: &[u8], metadata: usize) -> Result<(), ImportFault> {
    let Some((metadata, body)) = message.split_at_checked(metadata) else { return Ok(()) };
    guarded(|| match root_as_message(metadata) {
        Ok(message) => check_claims(&message, body),
        // The decoder says what is wrong.
        Err(_) => Ok(()),
    })?
}

fn load_file(
    file: &File,
    import: &Import,
    batch: &mut PointBatch<'_>,
    now_us: i64,
) -> Result<(), ImportFault> {
    let bytes_done = batch.bytes_done;
    let (footer_at, bytes) = footer(file)?;
    let footer =
        guarded(|| root_as_footer(&bytes))?.map_err(|e| damaged(&format!("its footer is damaged: {e}")))?;
    let schema = footer.schema().ok_or_else(|| damaged("it has no schema"))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(ImportFault::unsupported(
            "its byte order differs from this machine's",
            "write it in this machine's byte order",
        ));
    }
    let schema = Arc::new(guarded(|| fb_to_schema(schema))?);
    let mut table = ArrowTable::new(import, &schema, batch, now_us)?;
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let mut decoder = FileDecoder::new(schema, footer.version());
    for block in footer.dictionaries().iter().flatten() {
        let bytes = read_block(file, block, footer_at)?;
        guarded(|| decoder.read_dictionary(block, &bytes))?.map_err(fault)?;
        bytes_done.set(bytes_done.get() + bytes.len() as u64);
    }
    for block in footer.recordBatches().iter().flatten() {
        let bytes = read_block(file, block, footer_at)?;
        let read = guarded(|| decoder.read_record_batch(block, &bytes))?.map_err(fault)?;
        bytes_done.set(bytes_done.get() + bytes.len() as u64);
        if let Some(read) = read {
            table.take(&read, &all)?;
        }
    }
    table.finish()
}

/// The footer's offset and bytes.
fn footer(mut file: &File) -> Result<(u64, Vec<u8>), ImportFault> {
    let cut_short = || damaged("it is cut short: the end of an Arrow file is missing");
    let bytes = file.seek(SeekFrom::End(0)).map_err(ImportFault::Read)?;
    let trailer_at = bytes.checked_sub(TRAILER_BYTES).filter(|&at| at >= HEAD_BYTES).ok_or_else(cut_short)?;
    let trailer = read_at(file, trailer_at, TRAILER_BYTES)?;
    let (length, magic) = trailer.split_first_chunk::<4>().ok_or_else(cut_short)?;
    if magic != MAGIC {
        return Err(cut_short());
    }
    let length = u64::from(u32::from_le_bytes(*length));
    let at = trailer_at.checked_sub(length).filter(|&at| at >= HEAD_BYTES);
    let at = at.ok_or_else(|| damaged("its footer is longer than the file"))?;
    Ok((at, read_at(file, at, length)?))
}

fn read_block(file: &File, block: &Block, end: u64) -> Result<Buffer, ImportFault> {
    let outside = || damaged("its footer lists a block outside the file");
    let at = u64::try_from(block.offset()).map_err(|_| outside())?;
    let head = u64::try_from(block.metaDataLength()).map_err(|_| outside())?;
    let body = u64::try_from(block.bodyLength()).map_err(|_| outside())?;
    let length = head.checked_add(body).filter(|_| head >= HEAD_BYTES).ok_or_else(outside)?;
    if at.checked_add(length).is_none_or(|block_end| block_end > end) {
        return Err(outside());
    }
    let bytes = read_at(file, at, length)?;
    let prefix = if bytes.starts_with(&CONTINUATION) { 8 } else { 4 };
    let metadata = usize::try_from(head).map_err(|_| outside())?;
    check_message(&bytes[prefix..], metadata - prefix)?;
    Ok(Buffer::from_vec(bytes))
}

fn read_at(mut file: &File, at: u64, length: u64) -> Result<Vec<u8>, ImportFault> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at)).map_err(ImportFault::Read)?;
    file.take(length).read_to_end(&mut bytes).map_err(ImportFault::Read)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(damaged("it became shorter while it was read")),
    }
}

fn fault(e: ArrowError) -> ImportFault {
    match e {
        ArrowError::IoError(_, e) => ImportFault::Read(e),
        e => damaged(&e.to_string()),
    }
}

fn damaged(what: &str) -> ImportFault {
    ImportFault::wrong(
        format!("it cannot be read as Arrow IPC: {what}"),
        "check that the file is a complete Arrow IPC file",
    )
}
