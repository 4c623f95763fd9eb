//! How far a log has come beyond its reader, without reading its frames: one word of the segment, or one look-up.
//!
//! A snapshot looks at many logs again and again until none has grown in between, so a look must cost little. It never
//! misses a row that was published before it: a writer closes a segment with a SEAL before it begins the next one. Only
//! after a failed write is there no SEAL; then a look may miss the next segment until the next poll.

use super::poll::Progress;
use super::segment_reader::{SegmentReader, committed, committed_once, header_of};
use super::tail::{ReplayPosition, TailReader};
use crate::dir::{is_sealed_at, read_start};
use tidalite_model::{ErrorKind, Result};
use tidalite_vfs::Vfs;

impl TailReader {
    /// How far the log had come at the last poll.
    pub fn progress(&self) -> Progress {
        match &self.place {
            ReplayPosition::In(reading) => Progress::UpTo(reading.limit()),
            _ => Progress::Nothing,
        }
    }

    /// Bytes of the segments that are still to be read from their start, about: space allocated in advance counts where a
    /// writer was killed.
    ///
    /// # Errors
    /// Disk errors.
    pub fn bytes_ahead(&self, vfs: &dyn Vfs) -> Result<u64> {
        let numbers = self.dir.segment_numbers(vfs)?;
        let read = match &self.place {
            ReplayPosition::Start => {
                let begun = |&&n: &&u32| {
                    header_of(vfs, &self.dir, n)
                        .is_ok_and(|h| h.is_some_and(|h| h.base_ordinal <= self.from_ordinal))
                };
                numbers.iter().rev().find(begun).map_or(0, |n| n - 1)
            }
            ReplayPosition::In(reading) => reading.number,
            ReplayPosition::Between(end) | ReplayPosition::Over(end) => end.number,
        };
        let mut bytes = 0;
        for number in numbers.into_iter().filter(|&n| n > read) {
            let file = match vfs.open(&self.dir.segment_path(number)) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                other => other?,
            };
            let (_, committed) = read_start(&*file)?;
            bytes += if committed > 0 { committed.min(file.len()?) } else { file.len()? };
        }
        Ok(bytes)
    }

    /// How far the log has come now. `last` is what the previous look, or [`progress`](Self::progress), returned.
    ///
    /// # Errors
    /// Disk errors. `NotFound` if the writer's folder is gone.
    pub fn look(&self, vfs: &dyn Vfs, last: Progress) -> Result<Progress> {
        let next = match &self.place {
            ReplayPosition::In(reading) => return look_into(reading, last),
            ReplayPosition::Over(_) => return Ok(Progress::Nothing),
            ReplayPosition::Between(end) => Some(end.number + 1),
            ReplayPosition::Start => self.dir.segment_numbers(vfs)?.first().copied(),
        };
        let Some(next) = next else { return Ok(Progress::Nothing) };
        let file = match vfs.open(&self.dir.segment_path(next)) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Progress::Nothing),
            other => other?,
        };
        // A segment is made ahead of need, and is empty until its first frame.
        let (_, committed) = read_start(&*file)?;
        Ok(if committed == 0 { Progress::Nothing } else { Progress::Further })
    }
}

fn look_into(reading: &SegmentReader, last: Progress) -> Result<Progress> {
    let file = reading.file();
    // If the two reads below were torn, this one would still differ, since lengths only grow.
    if last == Progress::UpTo(committed_once(file)?) {
        return Ok(last);
    }
    let bytes = committed(file)?;
    let closed = is_sealed_at(file, &reading.header, bytes)?;
    Ok(if closed { Progress::Further } else { Progress::UpTo(bytes) })
}
