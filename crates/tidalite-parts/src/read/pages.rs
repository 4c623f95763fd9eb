//! Fetches pages with few reads, checks each page before using it, and decompresses bodies into a buffer that the thread
//! reuses. Pages in a cache are not fetched.

use super::cache::{Number, PageCache, PageKey};
use super::footer::{ChunkMap, PageEntry, TileMap};
use super::texts::TextColumn;
use crate::fetched::Fetched;
use crate::page::decode::{self, PADDING, PageBody};
use crate::page::header;
use crate::schema::{DICTIONARY_BYTES_MAX, PointColumn};
use bytes::Bytes;
use parquet::basic::Encoding;
use std::cell::{Cell, OnceCell};
use std::ops::Range;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_vfs::ReadFile;

/// Most bytes of adjacent pages that one read fetches. A larger page is fetched alone.
const READ_BYTES_MAX: u64 = 4 << 20;
/// Larger buffers are freed after the call.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// The pages of one column of one tile.
pub(crate) struct Pages<'a> {
    file: &'a dyn ReadFile,
    chunk: &'a ChunkMap,
    tile: u32,
    column: &'static str,
    fetched: Cell<Fetched>,
    /// The cache, and the numbers of the part and the column in it.
    kept: Option<(&'a PageCache, u64, u32)>,
    /// Whether to keep more pages in the cache.
    keep: bool,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(file: &'a dyn ReadFile, tile: &'a TileMap, number: u32, column: PointColumn) -> Self {
        Self::of(file, tile, number, (column.index(), column.name()))
    }

    /// The pages of the column with this index and name.
    pub(super) fn of(
        file: &'a dyn ReadFile,
        tile: &'a TileMap,
        number: u32,
        (at, column): (usize, &'static str),
    ) -> Self {
        let fetched = Cell::default();
        Pages { file, chunk: &tile.chunks[at], tile: number, column, fetched, kept: None, keep: false }
    }

    /// The same pages, with a cache and the open part's number in it.
    pub(super) fn kept_by(
        self,
        cache: Option<&'a (Arc<PageCache>, u64)>,
        column: PointColumn,
        keep: bool,
    ) -> Self {
        let column = u32::try_from(column.index()).expect("there are eight columns");
        Pages { kept: cache.map(|(cache, part)| (&**cache, *part, column)), keep, ..self }
    }

    /// What was fetched so far by this reader.
    pub(super) fn fetched(&self) -> Fetched {
        self.fetched.get()
    }

    /// Replaces `out` with the integers of the rows wanted.
    pub(crate) fn integers(&self, rows: &[Range<u32>], out: &mut Vec<i64>) -> Result<()> {
        let entries = OnceCell::new();
        let ready = || {
            if self.chunk.dictionary.is_some() && entries.get().is_none() {
                let _ = entries.set(self.dictionary(decode::plain_integers)?);
            }
            Ok(())
        };
        self.numbers(rows, out, ready, |body, encoding, n, wanted, out| match encoding {
            ENCODING_DELTA => decode::delta(body, n, wanted, out),
            ENCODING_DICTIONARY => decode::dictionary(body, n, entries.get()?, wanted, out),
            _ => None,
        })
    }

    /// Replaces `out` with the values of the rows wanted.
    pub(super) fn values(&self, rows: &[Range<u32>], out: &mut Vec<f64>) -> Result<()> {
        let entries = OnceCell::new();
        let ready = || {
            if self.chunk.dictionary.is_some() && entries.get().is_none() {
                let _ = entries.set(self.dictionary(decode::plain_doubles)?);
            }
            Ok(())
        };
        self.numbers(rows, out, ready, |body, encoding, n, wanted, out| match encoding {
            ENCODING_SPLIT => decode::split(body, n, wanted, out),
            ENCODING_DICTIONARY => decode::dictionary(body, n, entries.get()?, wanted, out),
            ENCODING_PLAIN => decode::plain(body, n, wanted, out),
            _ => None,
        })
    }

    /// Replaces `out` with the numbers of the rows wanted, from the cache or the file. `ready` is called before a page is
    /// decoded.
    fn numbers<T: Number>(
        &self,
        rows: &[Range<u32>],
        out: &mut Vec<T>,
        ready: impl Fn() -> Result<()>,
        decode: impl Fn(PageBody<'_>, u64, usize, &[Range<usize>], &mut Vec<T>) -> Option<()>,
    ) -> Result<()> {
        out.clear();
        out.reserve(rows.iter().map(|r| r.len()).sum());
        let pages = self.pages_with(rows);
        let Some((cache, part, column)) = self.kept else {
            if pages.is_empty() {
                return Ok(());
            }
            ready()?;
            return self
                .decode(&pages, rows, |_, body, encoding, n, wanted| decode(body, encoding, n, wanted, out));
        };
        let key = |page: &PageEntry| PageKey { part, tile: self.tile, column, first_row: page.first_row };
        let mut rest = &pages[..];
        while let Some(first) = rest.first() {
            if let Some(page) = cache.get(&key(first)) {
                let numbers =
                    T::of(&page).ok_or_else(|| self.corrupt(Some(first), "the cache is mixed up".into()))?;
                rows.iter().filter_map(|r| within(r, first)).for_each(|r| out.extend_from_slice(&numbers[r]));
                let mut fetched = self.fetched.get();
                fetched.cached += 1;
                self.fetched.set(fetched);
                rest = &rest[1..];
                continue;
            }
            // The pages that follow and are not in the cache either are fetched together.
            let missing = 1 + rest[1..].iter().take_while(|page| cache.get(&key(page)).is_none()).count();
            let (fetch, others) = rest.split_at(missing);
            ready()?;
            self.decode(fetch, rows, |entry, body, encoding, n, wanted| {
                if !self.keep || !cache.wants(&key(entry), n) {
                    return decode(body, encoding, n, wanted, out);
                }
                let mut whole = Vec::with_capacity(n);
                decode(body, encoding, n, std::slice::from_ref(&(0..n)), &mut whole)?;
                wanted
                    .iter()
                    .try_for_each(|r| whole.get(r.clone()).map(|found| out.extend_from_slice(found)))?;
                cache.put(key(entry), T::keep(&whole));
                Some(())
            })?;
            rest = others;
        }
        Ok(())
    }

    /// Calls `take` with the string of bytes of each wanted row, of at most `longest` bytes. It returns `None` where the
    /// string contradicts itself.
    pub(super) fn strings(
        &self,
        rows: &[Range<u32>],
        longest: usize,
        mut take: impl FnMut(&[u8]) -> Option<()>,
    ) -> Result<()> {
        let pages = self.pages_with(rows);
        self.decode_within(longest + 4, &pages, rows, |_, body, encoding, n, wanted| {
            let strings = (encoding == ENCODING_PLAIN).then(|| decode::plain_texts(body, n)).flatten()?;
            let mut wanted = wanted.iter().flat_map(|rows| &strings[rows.clone()]);
            wanted.try_for_each(|string| take(&body.bytes()[string.clone()]))
        })
    }

    /// The texts of all `rows` rows.
    pub(super) fn texts(&self, rows: u32) -> Result<TextColumn> {
        if self.chunk.dictionary.is_none() {
            return self.front_coded_texts(rows);
        }
        let (body, entries) = self.dictionary(|body, values| {
            decode::plain_texts(body, values).map(|entries| (body.bytes().to_vec(), entries))
        })?;
        let numbers: Vec<u32> = (0..).take(entries.len()).collect();
        let mut all = Vec::new();
        let rows = 0..rows;
        let rows = std::slice::from_ref(&rows);
        self.decode(&self.pages_with(rows), rows, |_, body, encoding, n, wanted| match encoding {
            ENCODING_DICTIONARY => decode::dictionary(body, n, &numbers, wanted, &mut all),
            _ => None,
        })?;
        Ok(TextColumn::of(body, entries, all))
    }

    /// The texts of all rows of a column without a dictionary.
    fn front_coded_texts(&self, rows: u32) -> Result<TextColumn> {
        let (mut texts, mut entries) = (Vec::new(), Vec::<Range<usize>>::new());
        let rows = 0..rows;
        let rows = std::slice::from_ref(&rows);
        let (texts_max, pages) = (DICTIONARY_BYTES_MAX, self.pages_with(rows));
        self.decode_to(texts_max, &pages, rows, |_, body, encoding, n, _| match encoding {
            ENCODING_FRONT => {
                let (bytes, ranges) = decode::front_coded(body, n, texts_max.saturating_sub(texts.len()))?;
                entries.extend(ranges.into_iter().map(|r| texts.len() + r.start..texts.len() + r.end));
                texts.extend_from_slice(&bytes);
                Some(())
            }
            _ => None,
        })?;
        let all = (0..).take(entries.len()).collect();
        Ok(TextColumn::of(texts, entries, all))
    }

    /// The dictionary page. `make` decodes it from its body and its number of values.
    fn dictionary<T>(&self, make: impl FnOnce(PageBody<'_>, usize) -> Option<T>) -> Result<T> {
        let entry = self.chunk.dictionary.as_ref();
        let entry = entry.ok_or_else(|| self.corrupt(None, "there is no dictionary page".into()))?;
        let (mut make, mut made) = (Some(make), None);
        self.fetch(&[*entry], |scratch, bytes| {
            let (head, body) = self.body(entry, bytes, DICTIONARY_BYTES_MAX, scratch)?;
            if head.kind == header::DICTIONARY
                && let Some(make) = make.take()
            {
                made = usize::try_from(head.values).ok().and_then(|n| make(body, n));
            }
            Ok(())
        })?;
        made.ok_or_else(|| self.corrupt(Some(entry), "the dictionary contradicts itself".into()))
    }

    /// Calls `decode` with each page, its body, encoding and number of rows, and the rows wanted from it.
    fn decode(
        &self,
        pages: &[PageEntry],
        rows: &[Range<u32>],
        decode: impl FnMut(&PageEntry, PageBody<'_>, u64, usize, &[Range<usize>]) -> Option<()>,
    ) -> Result<()> {
        // Numbers and indices take at most 16 bytes per row.
        self.decode_within(16, pages, rows, decode)
    }

    /// As [`decode`](Self::decode), with at most this many bytes per row and 1,024 more in a page.
    fn decode_within(
        &self,
        row_bytes: usize,
        pages: &[PageEntry],
        rows: &[Range<u32>],
        decode: impl FnMut(&PageEntry, PageBody<'_>, u64, usize, &[Range<usize>]) -> Option<()>,
    ) -> Result<()> {
        let most = pages.iter().map(|page| page.rows as usize).max().unwrap_or(0);
        self.decode_to(1024 + most * row_bytes, pages, rows, decode)
    }

    /// As [`decode`](Self::decode), with at most `bytes_max` bytes in a page.
    fn decode_to(
        &self,
        bytes_max: usize,
        pages: &[PageEntry],
        rows: &[Range<u32>],
        mut decode: impl FnMut(&PageEntry, PageBody<'_>, u64, usize, &[Range<usize>]) -> Option<()>,
    ) -> Result<()> {
        let mut wanted = Vec::new();
        let mut entries = pages.iter();
        self.fetch(pages, |scratch, bytes| {
            let entry = entries.next().expect("fetch hands over each page once");
            let n = entry.rows as usize;
            wanted.clear();
            wanted.extend(rows.iter().filter_map(|r| within(r, entry)));
            let (head, body) = self.body(entry, bytes, bytes_max, scratch)?;
            let matches = head.kind == header::DATA && head.values == u64::from(entry.rows);
            if matches && decode(entry, body, head.encoding, n, &wanted).is_some() {
                return Ok(());
            }
            Err(self.corrupt(Some(entry), "the page contradicts itself".into()))
        })
    }

    /// The data pages that hold any wanted row, in order.
    fn pages_with(&self, rows: &[Range<u32>]) -> Vec<PageEntry> {
        let pages = &self.chunk.pages;
        let mut found: Vec<PageEntry> = Vec::new();
        let mut from = 0;
        for range in rows.iter().filter(|r| !r.is_empty()) {
            let first = pages.partition_point(|p| p.first_row + p.rows <= range.start).max(from);
            let end = pages.partition_point(|p| p.first_row < range.end);
            if first < end {
                found.extend_from_slice(&pages[first..end]);
                from = end;
            }
        }
        found
    }

    /// Reads and checks pages, adjacent ones together, and calls `take` with each in order.
    fn fetch(
        &self,
        pages: &[PageEntry],
        mut take: impl FnMut(&mut Scratch, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut scratch = Scratch::borrow()?;
        let mut raw = std::mem::take(&mut scratch.raw);
        let result = (|| {
            let mut rest = pages;
            while let Some(first) = rest.first() {
                let mut end = first.offset + u64::from(first.bytes);
                let mut count = 1;
                for page in &rest[1..] {
                    let next = page.offset + u64::from(page.bytes);
                    if page.offset != end || next - first.offset > READ_BYTES_MAX {
                        break;
                    }
                    (end, count) = (next, count + 1);
                }
                let length = usize::try_from(end - first.offset)
                    .map_err(|_| self.corrupt(Some(first), "the page is out of range".into()))?;
                if raw.len() < length {
                    raw.resize(length, 0);
                }
                self.file.read_exact_at(first.offset, &mut raw[..length])?;
                let mut fetched = self.fetched.get();
                fetched += Fetched { pages: count as u64, bytes: length as u64, cached: 0 };
                self.fetched.set(fetched);
                let mut bytes = &raw[..length];
                for page in &rest[..count] {
                    let (this, others) = bytes.split_at(page.bytes as usize);
                    self.check(page, this)?;
                    take(&mut scratch, this)?;
                    bytes = others;
                }
                rest = &rest[count..];
            }
            Ok(())
        })();
        scratch.raw = raw;
        scratch.give_back();
        result
    }

    fn check(&self, page: &PageEntry, bytes: &[u8]) -> Result<()> {
        let found = crc32c::crc32c(bytes);
        if found == page.sum {
            return Ok(());
        }
        Err(self.corrupt(Some(page), format!("checksum is {found:08x}, expected {:08x}", page.sum)))
    }

    /// Reads and checks the whole chunk. Returns its bytes and the checksum of each page.
    pub(crate) fn whole(&self) -> Result<(Bytes, Vec<u32>)> {
        let pages: Vec<PageEntry> = self.chunk.dictionary.iter().chain(&self.chunk.pages).copied().collect();
        let mut all = Vec::with_capacity(usize::try_from(self.chunk.extent().1).unwrap_or(0));
        self.fetch(&pages, |_, bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok((all.into(), pages.iter().map(|page| page.sum).collect()))
    }

    /// Reads and checks each page by itself, dictionary page included. Calls `bad` with each damaged page.
    pub(crate) fn check_all(&self, bad: &mut dyn FnMut(PageEntry, Error)) -> Result<()> {
        for page in self.chunk.dictionary.iter().chain(&self.chunk.pages) {
            match self.fetch(std::slice::from_ref(page), |_, _| Ok(())) {
                Err(e) if e.kind() == ErrorKind::Corrupt => bad(*page, e),
                other => other?,
            }
        }
        Ok(())
    }

    /// Parses the header and decompresses the body, which must not exceed `bytes_max` bytes.
    fn body<'s>(
        &self,
        page: &PageEntry,
        bytes: &[u8],
        bytes_max: usize,
        scratch: &'s mut Scratch,
    ) -> Result<(header::PageHeader, PageBody<'s>)> {
        let bad = |wrong: &str| self.corrupt(Some(page), wrong.into());
        let head = header::parse(bytes).ok_or_else(|| bad("the page has no header"))?;
        let stored = &bytes[head.bytes..];
        let plain = usize::try_from(head.plain_bytes).ok().filter(|&n| n <= bytes_max);
        let plain = plain.ok_or_else(|| bad("the page claims too many bytes"))?;
        if head.stored_bytes != stored.len() as u64 {
            return Err(bad("the page's length is not the one in its header"));
        }
        if scratch.body.len() < plain + PADDING {
            scratch.body.resize(plain + PADDING, 0);
        }
        let written = scratch.zstd.decompress_to_buffer(stored, &mut scratch.body[..plain]);
        if written.ok() != Some(plain) {
            return Err(bad("the page does not decompress"));
        }
        scratch.body[plain..plain + PADDING].fill(0);
        Ok((head, PageBody::new(&scratch.body[..plain + PADDING])))
    }

    fn corrupt(&self, page: Option<&PageEntry>, wrong: String) -> Error {
        let (column, tile) = (self.column, self.tile);
        let place = match page {
            Some(p) if p.rows > 0 => {
                format!(
                    "page of column {column}, tile {tile}, rows {}..{}",
                    p.first_row,
                    p.first_row + p.rows
                )
            }
            _ => format!("dictionary of column {column}, tile {tile}"),
        };
        let offset = page.or(self.chunk.pages.first()).map_or(0, |p| p.offset);
        Error::corrupt("read part", self.file.path(), offset, format!("{place}: {wrong}"))
    }
}

/// The rows of `rows` that are in a page, counted from the page's first row.
fn within(rows: &Range<u32>, page: &PageEntry) -> Option<Range<usize>> {
    let start = rows.start.max(page.first_row);
    let end = rows.end.min(page.first_row + page.rows);
    (start < end).then(|| (start - page.first_row) as usize..(end - page.first_row) as usize)
}

const ENCODING_PLAIN: u64 = Encoding::PLAIN as u64;
const ENCODING_DELTA: u64 = Encoding::DELTA_BINARY_PACKED as u64;
const ENCODING_DICTIONARY: u64 = Encoding::RLE_DICTIONARY as u64;
const ENCODING_FRONT: u64 = Encoding::DELTA_BYTE_ARRAY as u64;
const ENCODING_SPLIT: u64 = Encoding::BYTE_STREAM_SPLIT as u64;

/// Buffers of one thread. A call borrows them.
struct Scratch {
    raw: Vec<u8>,
    body: Vec<u8>,
    zstd: zstd::bulk::Decompressor<'static>,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Scratch {
    fn borrow() -> Result<Box<Scratch>> {
        if let Some(scratch) = SCRATCH.take() {
            return Ok(scratch);
        }
        let zstd = zstd::bulk::Decompressor::new().map_err(|e| {
            Error::new(
                ErrorKind::Full,
                "read part",
                e.to_string(),
                "make more memory available and try again",
            )
        })?;
        Ok(Box::new(Scratch { raw: Vec::new(), body: Vec::new(), zstd }))
    }

    fn give_back(mut self: Box<Self>) {
        for buffer in [&mut self.raw, &mut self.body] {
            if buffer.len() > KEPT_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
        SCRATCH.set(Some(self));
    }
}
