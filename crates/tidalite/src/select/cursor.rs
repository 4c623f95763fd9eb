//! Cursors: how far a follower has read.
//!
//! A cursor is a [`Moment`] and the version of the manifest that was read with it. The moment says of each writer how
//! many of its frames were seen. It does not list a writer that is gone and whose log was read to its end: it has a
//! number below which all writers were seen whole, except those that it lists. So a cursor grows with the number of
//! living writers only.
//!
//! A merge may bring frames of a writer that is gone here. They lie in the parts of a later version, and the writer
//! table says from which frame on; see [`Cursor::before_merges`].
//!
//! Invariants: a frame that a cursor counts as seen stays seen, whatever is flushed, compacted or collected. Equal
//! cursors have one text.

use crate::engine::log_tail::TailEnd;
use crate::files::writer_table::{self, Brought};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use tidalite_model::{Error, Moment, Result, SEQ_ORDINAL_MAX, Seq, WRITER_MAX};

/// A position in the stream of all writes: what a follower has seen. Its text can be kept and parsed. It belongs to one
/// store, and not to copies of it.
///
/// The text has at most 200 characters for 12 living writers, and at most 14 more for each further one. Writers that are
/// gone take no space. If all log at about the same pace, 40 fit into 200 characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The version that was read.
    version: u64,
    /// The frames that were seen.
    seen: Moment,
}

impl Cursor {
    /// The cursor after everything that a snapshot sees, and after everything that `self` has seen.
    ///
    /// `writer_next` is that of the version. `logs` are the logs that were found after that version was read, each with
    /// its end. A writer below `writer_next` without a log is seen whole: it was flushed, or it never logs (a writer that
    /// begins checks that its number is still free). One that has no log and a higher number may still begin, so it is
    /// listed with nothing seen.
    pub(super) fn after(&self, version: u64, writer_next: u32, logs: &[TailEnd]) -> Cursor {
        let gone = logs.iter().filter(|log| log.is_final).map(|log| log.writer + 1).max().unwrap_or(0);
        let below = gone.max(writer_next);
        let with_log: BTreeSet<u32> = logs.iter().map(|log| log.writer).collect();
        let absent = (writer_next..below).filter(|w| !with_log.contains(w)).map(|w| (w, 0));
        let going_on = logs.iter().filter(|log| !log.is_final).map(|log| (log.writer, log.end));
        let now = Moment::new(below, going_on.chain(absent));
        Cursor { version: self.version.max(version), seen: self.seen.join(&now) }
    }

    /// The version that was read.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// This cursor without the frames that merges brought after its version.
    pub(super) fn before_merges(&self, brought: &Brought) -> Cursor {
        let seen = writer_table::before_merges(&self.seen, brought, self.version);
        Cursor { version: self.version, seen }
    }

    /// Whether a frame was seen.
    pub(super) fn has_seen(&self, writer: u32, ordinal: u64) -> bool {
        ordinal < self.seen.end(writer)
    }

    /// Whether the frames of all these writers up to one ordinal were seen.
    pub(super) fn has_seen_all(&self, first: u32, last: u32, ordinal: u64) -> bool {
        let below = self.seen.below();
        let listed =
            self.seen.ends().skip_while(|(w, _)| *w < first).take_while(|(w, _)| *w <= last.min(below));
        listed.into_iter().all(|(_, end)| ordinal < end)
            && (first.max(below)..=last).all(|writer| self.has_seen(writer, ordinal))
    }

    /// The first write of a writer that was not seen, as a seq.
    pub(super) fn of(&self, writer: u32) -> i64 {
        match self.seen.end(writer) {
            end if end <= SEQ_ORDINAL_MAX => Seq::new(writer, end).as_i64(),
            // All frames: the least seq that is greater than all of this writer's.
            _ if writer < WRITER_MAX => Seq::new(writer + 1, 0).as_i64(),
            _ => i64::MAX,
        }
    }
}

/// The most writers that a text may list. It bounds the memory for a short text. Fewer live at any time.
const LISTED_MAX: u64 = 1 << 17;
/// The first byte of a cursor's text, decoded.
const CURSOR_FORMAT: u8 = 1;

impl fmt::Display for Cursor {
    /// Letters, digits, `-` and `_`: base 64 of the format, the version, the number below which writers are seen whole,
    /// the exceptions, and a checksum. Empty for the cursor before everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Cursor::default() {
            return Ok(());
        }
        let mut bytes = vec![CURSOR_FORMAT];
        put(&mut bytes, self.version);
        put(&mut bytes, u64::from(self.seen.below()));
        let all = equal_ends(&self.seen);
        put(&mut bytes, all.len() as u64);
        let (mut writer, mut end) = (0, 0);
        for equal in all {
            // The lowest bit says whether a length follows. Most entries are of one writer and need none.
            put(&mut bytes, ((u64::from(equal.first) - writer) << 1) | u64::from(equal.writers > 1));
            if equal.writers > 1 {
                put(&mut bytes, equal.writers);
            }
            // Ends are mostly near each other, so their differences are short. An end of `u64::MAX` is 0 here.
            let next = equal.end.wrapping_add(1);
            put(&mut bytes, zigzag(next.wrapping_sub(end).cast_signed()));
            (writer, end) = (u64::from(equal.first) + equal.writers, next);
        }
        let sum = crc32c::crc32c(&bytes).to_le_bytes();
        bytes.extend_from_slice(&sum[..2]);
        f.write_str(&to_base64(&bytes))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cursor> {
        if text.is_empty() {
            return Ok(Cursor::default());
        }
        let cursor = from_base64(text).and_then(|bytes| Cursor::decoded(&bytes));
        // A text that reads back as another one was not printed by a follower.
        cursor.filter(|cursor| cursor.to_string() == text).ok_or_else(|| {
            Error::invalid(
                "read cursor",
                format!("{text:?} is not the text of a cursor"),
                "give a cursor whole, as a follower printed it",
            )
        })
    }
}

impl Cursor {
    fn decoded(bytes: &[u8]) -> Option<Cursor> {
        let (bytes, sum) = bytes.split_last_chunk::<2>()?;
        if crc32c::crc32c(bytes).to_le_bytes()[..2] != *sum {
            return None;
        }
        let (&format, mut rest) = bytes.split_first()?;
        if format != CURSOR_FORMAT {
            return None;
        }
        let version = take(&mut rest)?;
        let below = u32::try_from(take(&mut rest)?).ok().filter(|&b| b <= WRITER_MAX + 1)?;
        let mut ends = BTreeMap::new();
        let (mut writer, mut end) = (0_u64, 0_u64);
        for _ in 0..take(&mut rest)? {
            let head = take(&mut rest)?;
            let first = writer.checked_add(head >> 1)?;
            let writers = if head & 1 == 1 { take(&mut rest)? } else { 1 };
            end = end.wrapping_add(unzigzag(take(&mut rest)?).cast_unsigned());
            writer = first.checked_add(writers).filter(|&w| w <= u64::from(WRITER_MAX) + 1)?;
            if ends.len() as u64 + writers > LISTED_MAX {
                return None;
            }
            for w in first..writer {
                ends.insert(u32::try_from(w).ok()?, end.wrapping_sub(1));
            }
        }
        rest.is_empty().then(|| Cursor { version, seen: Moment::new(below, ends) })
    }
}

/// Writers that follow one another and have one end.
struct EqualEnds {
    first: u32,
    writers: u64,
    end: u64,
}

fn equal_ends(seen: &Moment) -> Vec<EqualEnds> {
    let mut all: Vec<EqualEnds> = Vec::new();
    for (writer, end) in seen.ends() {
        match all.last_mut() {
            Some(last) if last.end == end && u64::from(last.first) + last.writers == u64::from(writer) => {
                last.writers += 1;
            }
            _ => all.push(EqualEnds { first: writer, writers: 1, end }),
        }
    }
    all
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -(n & 1).cast_signed()
}

/// Appends a number, 7 bits to a byte, the lowest first; the upper bit of a byte says that more follow.
fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// Takes a number from the front.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        n |= part.checked_shl(shift).filter(|shifted| shifted >> shift == part)?;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

/// The digits of base 64 that need no escape in a command, a file name or an address.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().enumerate().fold(0_u32, |n, (i, b)| n | u32::from(*b) << (16 - 8 * i));
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for (i, c) in four.iter().enumerate() {
            let digit = u32::try_from(DIGITS.iter().position(|d| d == c)?).ok()?;
            bits |= digit << (18 - 6 * i);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..][..four.len().checked_sub(1)?]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(writer: u32, end: u64, is_final: bool) -> TailEnd {
        TailEnd { writer, end, is_final }
    }

    fn read_back(cursor: &Cursor) -> usize {
        let text = cursor.to_string();
        assert_eq!(text.parse::<Cursor>().unwrap(), *cursor);
        text.len()
    }

    #[test]
    fn a_cursor_reads_back_from_its_text_and_no_other_text_is_one() {
        let many: Vec<TailEnd> = (3..70).map(|w| log(w * w, u64::from(w) << (w % 40), w % 5 == 0)).collect();
        for logs in [vec![], vec![log(1, 20, false), log(7, 0, false), log(8, 0, true)], many] {
            let cursor = Cursor::default().after(9, 2, &logs);
            read_back(&cursor);
            let text = cursor.to_string();
            for cut in 1..text.len() {
                assert!(text[..cut].parse::<Cursor>().is_err(), "{}", &text[..cut]);
            }
        }
        for wrong in ["1:20", "A", "AAAA", "?", "AQ=="] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
        assert_eq!("".parse::<Cursor>().unwrap(), Cursor::default());
    }

    #[test]
    fn the_text_does_not_grow_with_writers_that_are_gone_and_little_with_those_that_live() {
        let dead = |w: u32| log(w, u64::from(w) * 7919 % 100_000, true);
        let cursor = Cursor::default().after(70_000, 1, &(1..20_000).map(dead).collect::<Vec<_>>());
        assert!(read_back(&cursor) <= 24, "{cursor}");
        // Any ends, at the worst places.
        let apart = |n: u32| log(n * 500_000, SEQ_ORDINAL_MAX * u64::from(n % 2), false);
        let living: Vec<_> = (1..=12).map(apart).collect();
        let text = Cursor { version: 1 << 40, ..Cursor::default() }.after(0, WRITER_MAX, &living);
        assert!(read_back(&text) <= 200, "{text}");
        // Ranks that log at about the same pace.
        let near = |w: u32| log(1000 + w, 1_000_000 + u64::from(w) * 31 % 60, false);
        let text = Cursor::default().after(70_000, 1000, &(0..40).map(near).collect::<Vec<_>>());
        assert!(read_back(&text) <= 200, "{text}");
    }

    #[test]
    fn a_number_without_a_log_that_may_still_begin_is_not_seen() {
        let cursor = Cursor::default().after(5, 3, &[log(2, 10, false), log(3, 4, true), log(6, 9, true)]);
        assert!(cursor.has_seen(1, u64::MAX - 1), "flushed and collected");
        assert!(cursor.has_seen(2, 9) && !cursor.has_seen(2, 10), "goes on");
        assert!(cursor.has_seen(3, 1 << 39) && cursor.has_seen(6, 1 << 39), "gone");
        assert!(!cursor.has_seen(4, 0) && !cursor.has_seen(5, 0) && !cursor.has_seen(7, 0));
    }

    #[test]
    fn what_was_seen_stays_seen() {
        let first = Cursor::default().after(5, 3, &[log(2, 10, false), log(8, 4, false)]);
        // As on a network, where another machine sees less.
        let later = first.after(4, 1, &[log(2, 7, false), log(1, 3, false)]);
        assert_eq!(later, first);
        let done = first.after(6, 9, &[log(8, 4, true)]);
        assert!(done.has_seen(2, 1 << 30) && done.has_seen(8, 1 << 30) && !done.has_seen(9, 0));
    }

    #[test]
    fn frames_that_a_later_merge_brings_are_new() {
        let cursor = Cursor::default().after(5, 9, &[]);
        let merged = |version, writer, from| writer_table::BroughtFrames { version, writer, from };
        let brought = vec![merged(4, 2, 0), merged(6, 2, 10), merged(7, 2, 30), merged(7, 3, 0)];
        let before = cursor.before_merges(&brought);
        assert!(before.has_seen(2, 9) && !before.has_seen(2, 10) && !before.has_seen(3, 0));
        assert!(before.has_seen(4, 77));
        assert_eq!(cursor.before_merges(&brought[..1].to_vec()), cursor);
    }

    #[test]
    fn seqs_separate_what_was_seen_from_what_was_not() {
        let cursor = Cursor::default().after(1, 5, &[log(4, 10, false)]);
        assert_eq!(cursor.of(4), Seq::new(4, 10).as_i64());
        assert!(Seq::new(3, SEQ_ORDINAL_MAX).as_i64() < cursor.of(3));
        assert_eq!(cursor.of(3), Seq::new(4, 0).as_i64());
        assert_eq!(cursor.of(6), Seq::new(6, 0).as_i64());
    }
}
