//! What was written to a disk, in order, and the states in which a power cut may leave it.
//!
//! What was written before a flush is there. Of what was written since, any of it may be there, and one write may be torn between
//! two sectors.

use tidalite_testkit::Random;

/// The unit that a disk writes whole. A file system does not survive less: the superblock of ext4 is 1,024 bytes.
const SECTOR_BYTES: usize = 4096;

/// One request to the disk.
#[derive(Debug, Clone)]
pub(super) enum DiskRequest {
    Write { offset: usize, bytes: Vec<u8> },
    Flush,
}

/// A disk and what was asked of it since.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape {
    /// The content before the first request.
    pub(super) base: Vec<u8>,
    pub(super) requests: Vec<DiskRequest>,
}

/// What survives of the writes since the last flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Survivors {
    All,
    None,
    /// Each by chance, and one of them torn.
    Some,
}

impl Survivors {
    pub(super) const ALL: [Survivors; 3] = [Survivors::All, Survivors::None, Survivors::Some];
}

/// The states of a disk, for cuts that do not go back.
pub(super) struct Cuts<'a> {
    tape: &'a Tape,
    /// Whether the disk keeps its promise to have written what came before a flush.
    flushes: bool,
    /// The content up to `done`, which is the last flush before the cut.
    stable: Vec<u8>,
    done: usize,
}

impl<'a> Cuts<'a> {
    pub(super) fn new(tape: &'a Tape, flushes: bool) -> Cuts<'a> {
        Cuts { tape, flushes, stable: tape.base.clone(), done: 0 }
    }

    /// The content after the power was cut before the request at `cut`, which is not less than any cut before.
    pub(super) fn state(&mut self, cut: usize, survivors: Survivors, random: &mut Random) -> Vec<u8> {
        let is_flush = |request: &DiskRequest| self.flushes && matches!(request, DiskRequest::Flush);
        let flushed = self.tape.requests[..cut].iter().rposition(is_flush).map_or(0, |at| at + 1);
        if flushed > self.done {
            for request in &self.tape.requests[self.done..flushed] {
                apply(request, &mut self.stable, None);
            }
            self.done = flushed;
        }
        let mut content = self.stable.clone();
        let since = &self.tape.requests[self.done..cut];
        let torn = random.below(since.len().max(1) as u64) as usize;
        for (i, request) in since.iter().enumerate() {
            match survivors {
                Survivors::All => apply(request, &mut content, None),
                Survivors::None => {}
                Survivors::Some if i == torn => apply(request, &mut content, Some(random)),
                Survivors::Some if random.below(2) == 0 => apply(request, &mut content, None),
                Survivors::Some => {}
            }
        }
        content
    }
}

/// Writes what a request says; a torn one up to the end of a sector, or nothing of it.
fn apply(request: &DiskRequest, content: &mut [u8], torn: Option<&mut Random>) {
    let DiskRequest::Write { offset, bytes } = request else { return };
    let kept = torn.map_or(bytes.len(), |random| {
        let first = offset / SECTOR_BYTES;
        let sectors = (offset + bytes.len()).div_ceil(SECTOR_BYTES) - first;
        let end = (first + random.below(sectors as u64) as usize) * SECTOR_BYTES;
        end.saturating_sub(*offset)
    });
    content[*offset..offset + kept].copy_from_slice(&bytes[..kept]);
}

#[test]
fn what_was_flushed_survives_and_the_rest_by_chance() {
    let write = |at: usize, byte: u8| DiskRequest::Write {
        offset: at * SECTOR_BYTES,
        bytes: vec![byte; SECTOR_BYTES],
    };
    let requests = vec![write(0, 1), DiskRequest::Flush, write(1, 2), write(2, 3)];
    let tape = Tape { base: vec![0; 4 * SECTOR_BYTES], requests };
    let sectors = |content: &[u8]| [content[0], content[SECTOR_BYTES], content[2 * SECTOR_BYTES]];
    let mut random = Random::new(1);
    let mut cuts = Cuts::new(&tape, true);
    assert_eq!(sectors(&cuts.state(0, Survivors::All, &mut random)), [0, 0, 0]);
    assert_eq!(sectors(&cuts.state(4, Survivors::None, &mut random)), [1, 0, 0]);
    assert_eq!(sectors(&cuts.state(4, Survivors::All, &mut random)), [1, 2, 3]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..99 {
        seen.insert(sectors(&cuts.state(4, Survivors::Some, &mut random)));
    }
    // A write of one sector is torn before it.
    assert_eq!(seen, [[1, 0, 0], [1, 0, 3], [1, 2, 0]].into());
    // A write of two sectors and a half may end at the first or the second.
    let wide = DiskRequest::Write { offset: 100, bytes: vec![9; 2 * SECTOR_BYTES + 10] };
    let torn: std::collections::BTreeSet<usize> = (0..99)
        .map(|_| {
            let mut content = vec![0; 4 * SECTOR_BYTES];
            apply(&wide, &mut content, Some(&mut random));
            content.iter().filter(|byte| **byte == 9).count()
        })
        .collect();
    assert_eq!(torn, [0, SECTOR_BYTES - 100, 2 * SECTOR_BYTES - 100].into());
    let mut lying = Cuts::new(&tape, false);
    assert_eq!(
        sectors(&lying.state(4, Survivors::None, &mut random)),
        [0, 0, 0],
        "a disk that ignores flushes"
    );
}
