//! The log's folders and files by name: which writers exist, which are alive, and which segments each has.
//!
//! ```text
//! log/00000042-<uuid>/          one writer; its ordinal is claimed once and never reused
//!     lock                      locked by the writer while it lives; holds no data
//!     00000001.seg …            its segments; the engine keeps other files here (staged parts)
//! log/00000043.claim/           exists while ordinal 43 gets its folder
//! ```
//!
//! Two processes may look for a free ordinal at the same time. Creating the claim folder decides: it succeeds for one
//! of them. The winner checks again while it holds the claim, since an earlier winner may have made its folder in
//! between. A claim left by a crash costs that ordinal and nothing else.

use crate::format::{FIRST_FRAME_AT, FRAME_HEAD_BYTES, HEADER_BYTES, Tag};
use crate::frame::view;
use crate::segment::{HeaderRead, ORIGIN_BYTES, SegmentHeader, SegmentId, committed_in};
use std::path::{Path, PathBuf};
use tidalite_model::{Error, ErrorKind, Result, WRITER_MAX};
use tidalite_vfs::{LockMode, ReadFile, Vfs};
use uuid::Uuid;

/// The file in a writer's folder whose lock shows that the writer lives.
pub(crate) const LOCK_NAME: &str = "lock";

const ORDINAL_DIGITS: usize = 8;

/// The folder of one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterDir {
    /// The writer's ordinal, unique within the store.
    pub writer: u32,
    /// The folder.
    pub path: PathBuf,
    pub(crate) uuid: Uuid,
}

impl WriterDir {
    /// The uuid in the folder's name: who the writer is, in this store and in any copy of it.
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn parse(log_dir: &Path, name: &str) -> Option<WriterDir> {
        let (ordinal, uuid) = name.split_once('-')?;
        let writer = ordinal_of(ordinal)?;
        let parsed = Uuid::try_parse(uuid).ok()?;
        (parsed.simple().to_string() == uuid).then(|| WriterDir {
            writer,
            path: log_dir.join(name),
            uuid: parsed,
        })
    }

    pub(crate) fn segment_path(&self, number: u32) -> PathBuf {
        self.path.join(segment_name(number))
    }

    pub(crate) fn segment_id(&self, number: u32) -> SegmentId {
        SegmentId::new(self.writer, self.uuid, number)
    }

    /// Numbers of the segment files present, ascending.
    pub(crate) fn segment_numbers(&self, vfs: &dyn Vfs) -> Result<Vec<u32>> {
        Ok(vfs.read_dir(&self.path)?.iter().filter_map(|n| number(n.strip_suffix(".seg")?)).collect())
    }
}

/// Parses exactly eight digits.
fn number(digits: &str) -> Option<u32> {
    let sound = digits.len() == ORDINAL_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| digits.parse().ok())?
}

/// Parses the ordinal of a writer. A greater number than any writer can have is not ours: it would leave no ordinal for others.
fn ordinal_of(digits: &str) -> Option<u32> {
    number(digits).filter(|&writer| writer <= WRITER_MAX)
}

pub(crate) fn segment_name(number: u32) -> String {
    format!("{number:08}.seg")
}

/// The writers of a log, ascending by ordinal. Entries with other names are ignored.
///
/// # Errors
/// Disk errors. `NotFound` if the folder does not exist.
pub fn writers(vfs: &dyn Vfs, log_dir: &Path) -> Result<Vec<WriterDir>> {
    let mut found: Vec<WriterDir> =
        vfs.read_dir(log_dir)?.iter().filter_map(|name| WriterDir::parse(log_dir, name)).collect();
    found.sort_by_key(|w| w.writer);
    Ok(found)
}

/// The ordinals that are named in a log: those of writers, and those that are being claimed.
///
/// # Errors
/// As [`writers`].
pub fn numbers_taken(vfs: &dyn Vfs, log_dir: &Path) -> Result<Vec<u32>> {
    Ok(vfs.read_dir(log_dir)?.iter().filter_map(|n| ordinal_of(n.get(..ORDINAL_DIGITS)?)).collect())
}

/// Whether the lock of this writer is held. A free lock means that the writer is gone or has not locked its folder
/// yet; [`life`] tells the two apart.
///
/// # Errors
/// Disk errors. `Unsupported` if the file system has no locks.
pub fn is_alive(vfs: &dyn Vfs, dir: &WriterDir) -> Result<bool> {
    match vfs.lock(&dir.path.join(LOCK_NAME), LockMode::Shared) {
        Ok(lock) => Ok(lock.is_none()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether a writer is starting, alive or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// No segment exists and the lock is free. The writer is about to lock its folder, or died before it did.
    Beginning,
    /// The lock is held.
    Living,
    /// The writer is gone permanently. It appends no more frames.
    Over,
}

impl Life {
    /// Whether more frames may be appended. Pass this to [`TailReader::poll`](crate::TailReader::poll).
    pub fn may_append(self) -> bool {
        self != Life::Over
    }
}

/// Whether the writer of this folder is starting, alive or gone.
///
/// A free lock alone does not prove that a writer is gone: a new writer creates its folder just before it takes the
/// lock. But it takes the lock before it creates a segment. So if a segment existed *before* the lock was found free,
/// the writer held the lock and has released it.
///
/// # Errors
/// Those of [`is_alive`].
pub fn life(vfs: &dyn Vfs, dir: &WriterDir) -> Result<Life> {
    if is_alive(vfs, dir)? {
        return Ok(Life::Living);
    }
    let begun = match dir.segment_numbers(vfs) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Life::Over),
        numbers => !numbers?.is_empty(),
    };
    Ok(match begun {
        false => Life::Beginning,
        true if is_alive(vfs, dir)? => Life::Living,
        true => Life::Over,
    })
}

/// Creates the folder of a new writer with the lowest free ordinal that is at least `least`. Syncs nothing.
pub(crate) fn claim_writer(vfs: &dyn Vfs, log_dir: &Path, mut least: u32) -> Result<WriterDir> {
    loop {
        let taken = numbers_taken(vfs, log_dir)?.into_iter().max();
        let writer = taken.map_or(least, |t| least.max(t.saturating_add(1)));
        if writer > WRITER_MAX {
            return Err(Error::new(
                ErrorKind::Full,
                "open log for writing",
                format!("the store has had {WRITER_MAX} writers, which is the maximum"),
                "export the store into a new one",
            )
            .at(log_dir));
        }
        least = writer + 1;
        let claim = log_dir.join(format!("{writer:08}.claim"));
        if !vfs.create_dir(&claim)? {
            continue;
        }
        let made = claimed(vfs, log_dir, writer);
        // If this fails, an empty folder remains and costs only the ordinal.
        let _ = vfs.remove_dir(&claim);
        if let Some(dir) = made? {
            return Ok(dir);
        }
    }
}

/// Creates the folder of `writer`, whose claim the caller holds. `None` if an earlier holder of the claim has created
/// it.
fn claimed(vfs: &dyn Vfs, log_dir: &Path, writer: u32) -> Result<Option<WriterDir>> {
    let prefix = format!("{writer:08}-");
    if vfs.read_dir(log_dir)?.iter().any(|n| n.starts_with(&prefix)) {
        return Ok(None);
    }
    let uuid = vfs.uuid();
    let path = log_dir.join(format!("{prefix}{}", uuid.simple()));
    Ok(vfs.create_dir(&path)?.then_some(WriterDir { writer, path, uuid }))
}

/// What can be known of a segment without reading its frames.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// Number within the writer, from 1.
    pub number: u32,
    /// Path of the file.
    pub path: PathBuf,
    /// Length of the file in bytes. For an unsealed segment this is its capacity.
    pub bytes: u64,
    /// Ordinal of the first frame. If the header is unreadable or not yet written: the end of the segment before.
    pub base_ordinal: u64,
    /// Whether it ends in a SEAL frame.
    pub sealed: bool,
    /// One past the ordinal of the last frame, if known: the segment is sealed, has a successor, or never held a
    /// frame. `None` also if the header is unreadable, since the contents are evidence.
    pub end_ordinal: Option<u64>,
}

/// The segments of a writer, ascending by number.
///
/// # Errors
/// Disk errors. `NotFound` if the folder, or a segment that was listed, is gone.
pub fn segments(vfs: &dyn Vfs, dir: &WriterDir) -> Result<Vec<SegmentInfo>> {
    let mut found = Vec::new();
    let mut headers = Vec::new();
    for number in dir.segment_numbers(vfs)? {
        let path = dir.segment_path(number);
        let file = vfs.open(&path)?;
        let bytes = file.len()?;
        let (start, committed) = read_start(&*file)?;
        let header = match SegmentHeader::read(&start, dir.segment_id(number)) {
            HeaderRead::Sound(h) | HeaderRead::FromCopy(h) => Some(h),
            HeaderRead::None => None,
        };
        let previous_end = found.last().and_then(|s: &SegmentInfo| s.end_ordinal);
        let mut info = SegmentInfo {
            number,
            path,
            bytes,
            base_ordinal: header.map(|h| h.base_ordinal).or(previous_end).unwrap_or(0),
            sealed: false,
            end_ordinal: None,
        };
        if let Some(h) = header {
            let ends = [bytes, committed];
            let sealed =
                ends.iter().find_map(|&end| sealed_at(&*file, &h, end, bytes).transpose()).transpose()?;
            info.sealed = sealed.is_some();
            info.end_ordinal = sealed;
        } else if start.iter().all(|&b| b == 0) {
            // The committed length is among these bytes.
            info.end_ordinal = Some(info.base_ordinal);
        }
        found.push(info);
        headers.push(header);
    }
    for i in 1..found.len() {
        if let (Some(_), None, Some(next)) = (headers[i - 1], found[i - 1].end_ordinal, headers[i])
            && found[i].number == found[i - 1].number + 1
        {
            found[i - 1].end_ordinal = Some(next.base_ordinal);
        }
    }
    Ok(found)
}

/// The position after the last frame of a writer's log, in the writer's stream: what its newest segment says of itself, so
/// that a look at a log costs one small read. A torn tail may count, and a segment whose header is unreadable does not.
///
/// # Errors
/// Disk errors. `NotFound` if the folder, or a segment that was listed, is gone.
pub fn end_position(vfs: &dyn Vfs, dir: &WriterDir) -> Result<u64> {
    for number in dir.segment_numbers(vfs)?.into_iter().rev() {
        let (start, committed) = read_start(&*vfs.open(&dir.segment_path(number))?)?;
        // A segment is made ahead of need, and has no header until its first frame.
        if let HeaderRead::Sound(h) | HeaderRead::FromCopy(h) =
            SegmentHeader::read(&start, dir.segment_id(number))
        {
            return Ok(h.base_position.saturating_add(committed));
        }
    }
    Ok(0)
}

/// Reads the header and first frame, as far as the file goes, and the committed length.
pub(crate) fn read_start(file: &dyn ReadFile) -> Result<(Vec<u8>, u64)> {
    let mut start = vec![0; FIRST_FRAME_AT + ORIGIN_BYTES];
    let read = file.read_at(0, &mut start)?;
    start.truncate(read);
    let committed = start.first_chunk::<HEADER_BYTES>().map_or(0, committed_in);
    Ok((start, committed))
}

/// One past the ordinal of the SEAL frame that ends at `end`, if there is one.
fn sealed_at(file: &dyn ReadFile, header: &SegmentHeader, end: u64, bytes: u64) -> Result<Option<u64>> {
    let head = FRAME_HEAD_BYTES as u64;
    if end > bytes || end < FIRST_FRAME_AT as u64 + head || !end.is_multiple_of(8) {
        return Ok(None);
    }
    let mut last = [0; FRAME_HEAD_BYTES];
    if file.read_at(end - head, &mut last)? < last.len() {
        return Ok(None);
    }
    Ok(match view(&last, header.id.seed(), end - head) {
        Some(f) if f.tag == Some(Tag::Seal) => Some(header.base_ordinal + u64::from(f.ordinal) + 1),
        _ => None,
    })
}

/// Whether a SEAL frame ends at `end`: the segment takes no more frames.
pub(crate) fn is_sealed_at(file: &dyn ReadFile, header: &SegmentHeader, end: u64) -> Result<bool> {
    Ok(sealed_at(file, header, end, file.len()?)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_vfs::SimVfs;

    #[test]
    fn other_names_are_ignored() {
        let log = Path::new("/s/log");
        let good = "00000042-0123456789abcdef0123456789abcdef";
        assert_eq!(WriterDir::parse(log, good).map(|d| d.writer), Some(42));
        for bad in [
            "42-0123456789abcdef0123456789abcdef",
            "00000042-0123456789ABCDEF0123456789abcdef",
            "00000042-01234567-89ab-cdef-0123-456789abcdef",
            "00000042.claim",
            "+0000042-0123456789abcdef0123456789abcdef",
            "99999999-0123456789abcdef0123456789abcdef",
            "lock",
            "",
        ] {
            assert_eq!(WriterDir::parse(log, bad), None, "{bad}");
        }
    }

    #[test]
    fn each_writer_gets_an_ordinal_of_its_own() {
        let vfs = SimVfs::new(1);
        let log = Path::new("/log");
        vfs.create_dir(log).unwrap();
        let ordinals: Vec<u32> =
            (0..3).map(|_| claim_writer(&vfs, log, 5).map(|d| d.writer).unwrap()).collect();
        assert_eq!(ordinals, [5, 6, 7]);
        vfs.create_dir(&log.join("00000008.claim")).unwrap();
        assert_eq!(claim_writer(&vfs, log, 0).unwrap().writer, 9, "a claim left behind is skipped");
        assert_eq!(writers(&vfs, log).unwrap().len(), 4);
        let all: Vec<String> = vfs.read_dir(log).unwrap();
        assert!(all.iter().filter(|n| n.ends_with(".claim")).count() == 1, "released claims are removed");
    }

    #[test]
    fn a_starting_writer_is_not_mistaken_for_one_that_is_gone() {
        let vfs = SimVfs::new(3);
        let log = Path::new("/log");
        vfs.create_dir(log).unwrap();
        let dir = claim_writer(&vfs, log, 0).unwrap();
        assert_eq!(life(&vfs, &dir).unwrap(), Life::Beginning, "it has no lock yet");
        assert!(life(&vfs, &dir).unwrap().may_append());
        let lock = vfs.lock(&dir.path.join(LOCK_NAME), LockMode::Exclusive).unwrap().unwrap();
        assert_eq!(life(&vfs, &dir).unwrap(), Life::Living);
        drop(vfs.create_segment(&dir.segment_path(1), 4096).unwrap());
        assert_eq!(life(&vfs, &dir).unwrap(), Life::Living);
        drop(lock);
        assert_eq!(life(&vfs, &dir).unwrap(), Life::Over);
        for name in vfs.read_dir(&dir.path).unwrap() {
            vfs.remove(&dir.path.join(name)).unwrap();
        }
        vfs.remove_dir(&dir.path).unwrap();
        assert_eq!(life(&vfs, &dir).unwrap(), Life::Over, "its folder is gone");
    }

    #[test]
    fn writers_that_start_at_the_same_time_get_different_ordinals() {
        let vfs = SimVfs::new(2);
        let log = Path::new("/log");
        vfs.create_dir(log).unwrap();
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| (0..10).for_each(|_| drop(claim_writer(&vfs, log, 1).unwrap())));
            }
        });
        let mut found: Vec<u32> = writers(&vfs, log).unwrap().iter().map(|w| w.writer).collect();
        assert_eq!(found.len(), 80);
        found.dedup();
        assert_eq!(found.len(), 80);
    }
}
