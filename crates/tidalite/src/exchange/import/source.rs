//! The text of an import as bytes: from a file or a pipe, plain or compressed with gzip or zstd.
//!
//! 1. Count the bytes as they are stored, for progress.
//! 2. Decompress, where the first bytes say so.
//! 3. Count the bytes since the last row. Without a limit, a missing quote or line end would load the whole file into memory.
//!
//! A pipe gives an error of its own where it has nothing more for now and the last row is complete. The reader above then
//! appends what came, and goes on.

use super::batch::LIVE_DELAY;
use super::fault::{FilePlace, ImportFault};
use super::feed::Feed;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::rc::Rc;

/// The longest row of text.
pub(crate) const ROW_BYTES_MAX: u64 = 64 << 20;

/// The most bytes that a reader above reads ahead. They count towards a row that does not contain them.
pub(crate) const READ_AHEAD_BYTES: usize = 256 << 10;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The text to import.
pub(super) struct ImportSource<'a> {
    text: Box<dyn Read + 'a>,
    /// Bytes since the last row ended. The reader above resets it.
    row_bytes: Rc<Cell<u64>>,
    /// Bytes that were read to look at them.
    ahead: Vec<u8>,
    /// Whether it is a pipe.
    live: bool,
    /// Whether the last byte given ends a line outside quotes.
    between_rows: bool,
    in_quotes: bool,
}

/// Bytes as they are stored.
pub(super) enum StoredBytes<'a> {
    File(&'a File),
    Pipe(Feed),
}

impl<'a> ImportSource<'a> {
    /// Begins to read. `pause` is called where a pipe has nothing for now.
    pub(super) fn open(
        stored: StoredBytes<'a>,
        bytes_done: &'a Cell<u64>,
        pause: &mut dyn FnMut() -> Result<(), ImportFault>,
    ) -> Result<ImportSource<'a>, ImportFault> {
        let live = matches!(stored, StoredBytes::Pipe(_));
        let mut counted = CountedBytes { stored, bytes_done };
        let mut head = Vec::new();
        read_until(&mut counted, &mut head, |head| head.len() >= ZSTD_MAGIC.len(), pause)?;
        let is = |magic: &[u8]| head.starts_with(magic);
        let (gzip, zstd) = (is(&GZIP_MAGIC), is(&ZSTD_MAGIC));
        let stored = BufReader::new(io::Cursor::new(head).chain(counted));
        let text: Box<dyn Read + 'a> = if gzip {
            Box::new(Decompressed(flate2::bufread::MultiGzDecoder::new(stored)))
        } else if zstd {
            Box::new(Decompressed(zstd::Decoder::with_buffer(stored).map_err(ImportFault::of_read)?))
        } else {
            Box::new(stored)
        };
        let row_bytes = Rc::new(Cell::new(0));
        let ahead = Vec::new();
        Ok(ImportSource { text, row_bytes, ahead, live, between_rows: true, in_quotes: false })
    }

    /// The count of bytes since the last row ended.
    pub(super) fn row_bytes(&self) -> Rc<Cell<u64>> {
        self.row_bytes.clone()
    }

    /// Whether it is a pipe.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// The first line, or as much of it as a reader reads ahead. It is read again afterwards.
    pub(super) fn first_line(
        &mut self,
        pause: &mut dyn FnMut() -> Result<(), ImportFault>,
    ) -> Result<&[u8], ImportFault> {
        // Lines without text are no header, and no row.
        let done =
            |ahead: &[u8]| ahead.len() >= READ_AHEAD_BYTES || ahead.trim_ascii_start().contains(&b'\n');
        read_until(&mut self.text, &mut self.ahead, done, pause)?;
        let text = self.ahead.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.ahead).trim_ascii_start();
        Ok(text.split(|&b| b == b'\n').next().unwrap_or(text))
    }

    fn give(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let n = self.ahead.len().min(buf.len());
            buf[..n].copy_from_slice(&self.ahead[..n]);
            self.ahead.drain(..n);
            return Ok(n);
        }
        loop {
            match self.text.read(buf) {
                // A row that has begun will end.
                Err(e) if is_pause(&e) && !self.between_rows => {}
                done => return done,
            }
        }
    }
}

impl Read for ImportSource<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if is_too_long(self.row_bytes.get()) {
            return Err(io::Error::other("a row is too long"));
        }
        let n = self.give(buf)?;
        self.row_bytes.set(self.row_bytes.get() + n as u64);
        if self.live && n > 0 {
            let quotes = buf[..n].iter().filter(|&&b| b == b'"').count();
            self.in_quotes ^= quotes % 2 == 1;
            self.between_rows = buf[n - 1] == b'\n' && !self.in_quotes;
        }
        Ok(n)
    }
}

/// Reads until `done`, or to the end.
fn read_until(
    from: &mut impl Read,
    into: &mut Vec<u8>,
    done: impl Fn(&[u8]) -> bool,
    pause: &mut dyn FnMut() -> Result<(), ImportFault>,
) -> Result<(), ImportFault> {
    let mut piece = [0; 4096];
    while !done(into) {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => into.extend_from_slice(&piece[..n]),
            Err(e) if is_pause(&e) => pause()?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(ImportFault::of_read(e)),
        }
    }
    Ok(())
}

struct CountedBytes<'a> {
    stored: StoredBytes<'a>,
    bytes_done: &'a Cell<u64>,
}

impl Read for CountedBytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.stored {
            StoredBytes::File(file) => file.read(buf)?,
            StoredBytes::Pipe(feed) => feed.read(buf, LIVE_DELAY)?,
        };
        self.bytes_done.set(self.bytes_done.get() + n as u64);
        Ok(n)
    }
}

/// A decompressor whose own errors say that the file is damaged.
struct Decompressed<R>(R);

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(|e| match is_pause(&e) || e.raw_os_error().is_some() {
            true => e,
            false => io::Error::new(
                ErrorKind::InvalidData,
                format!("its compressed data is damaged or cut short: {e}"),
            ),
        })
    }
}

/// Whether a pipe has nothing more for now.
pub(super) fn is_pause(e: &io::Error) -> bool {
    e.kind() == ErrorKind::WouldBlock
}

/// Whether this many bytes since the last row exceed the longest row plus the read-ahead.
pub(crate) fn is_too_long(row_bytes: u64) -> bool {
    row_bytes > ROW_BYTES_MAX + READ_AHEAD_BYTES as u64
}

pub(crate) fn too_long(place: FilePlace) -> ImportFault {
    let wrong = format!("the row is longer than {} MiB", ROW_BYTES_MAX >> 20);
    ImportFault::wrong(wrong, "close its quotes or end its line; an import holds each row in memory")
        .in_row(place)
}
