//! Cold frames: frames of a log whose rows are not in memory. What is known of them, and how their rows are read again.
//!
//! Rows stay in memory up to a share of the memory option. Of older ones only their number and the extents of their steps
//! are kept, layout by layout. A query reads the frames again and keeps the points that it needs, so that what it holds
//! does not grow with the log.
//!
//! Invariant: reading again finds as many points as before; otherwise it is an error. Frames before a view are flushed, and
//! their segments may be gone: they are not read again, and those that are must be there without a gap.

use super::tail_names::TailNames;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tidalite_log::{BatchRef, LogSink, Row, WriterDir};
use tidalite_model::{Error, Extent, Result, Seq};
use tidalite_vfs::Vfs;

/// The files of one writer's log.
#[derive(Debug, Clone)]
pub(super) struct LogFiles {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) dir: WriterDir,
    /// Whether the writer may have appended when the frames were read.
    pub(super) may_grow: bool,
}

/// Rows of one layout, or batch points of one series, in cold frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColdRows {
    pub(super) rows: u64,
    pub(super) steps: Extent,
    /// The first and the last seq.
    seqs: Extent,
    /// Whether each step is greater than the one before.
    pub(super) ascending: bool,
    /// Whether all steps are automatic.
    pub(super) automatic: bool,
}

impl ColdRows {
    /// One row.
    pub(super) fn one(step: i64, seq: i64, automatic: bool) -> ColdRows {
        let (steps, seqs) = (Extent::new(step, step), Extent::new(seq, seq));
        ColdRows { rows: 1, steps, seqs, ascending: true, automatic }
    }

    /// Adds rows that were written later.
    fn append(&mut self, later: ColdRows) {
        self.rows += later.rows;
        self.ascending &= later.ascending && self.steps.last < later.steps.first;
        self.automatic &= later.automatic;
        self.steps = self.steps.join(later.steps);
        self.seqs = self.seqs.join(later.seqs);
    }
}

/// What is known of cold frames.
#[derive(Debug, Clone, Default)]
pub(super) struct ColdContents {
    /// By the index of the block of their layout.
    blocks: Vec<Option<ColdRows>>,
    /// Batch points by the index of their series.
    loose: HashMap<usize, ColdRows>,
    points: u64,
    /// The bytes that the rows would take in memory.
    bytes: usize,
}

impl ColdContents {
    pub(super) fn add_row(&mut self, block: usize, row: ColdRows, width: usize, bytes: usize) {
        if self.blocks.len() <= block {
            self.blocks.resize(block + 1, None);
        }
        match &mut self.blocks[block] {
            Some(rows) => rows.append(row),
            none => *none = Some(row),
        }
        self.points += width as u64;
        self.bytes += bytes;
    }

    pub(super) fn add_point(&mut self, series: usize, point: ColdRows, bytes: usize) {
        self.loose.entry(series).and_modify(|rows| rows.append(point)).or_insert(point);
        self.points += 1;
        self.bytes += bytes;
    }

    fn append(&mut self, later: ColdContents) {
        for (block, rows) in later.blocks.into_iter().enumerate() {
            let Some(rows) = rows else { continue };
            self.add_row(block, rows, 0, 0);
        }
        for (series, rows) in later.loose {
            self.add_point(series, rows, 0);
            self.points -= 1;
        }
        self.points += later.points;
        self.bytes += later.bytes;
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn block(&self, block: usize) -> Option<ColdRows> {
        self.blocks.get(block).copied().flatten()
    }

    fn loose(&self, series: usize) -> Option<ColdRows> {
        self.loose.get(&series).copied()
    }

    /// About how much memory this takes.
    fn own_bytes(&self) -> usize {
        (self.blocks.len() + 2 * self.loose.len()) * size_of::<Option<ColdRows>>()
    }
}

/// A range of frames, and what it holds.
type KnownRange = ((i64, i64), Arc<ColdContents>);

/// Consecutive cold frames of one log.
#[derive(Debug)]
pub(crate) struct ColdFrames {
    /// The frames [lo, hi), as sequence numbers.
    pub(super) seqs: (i64, i64),
    log: LogFiles,
    contents: ColdContents,
    /// What some of the frames hold, as found last, for views that end within these frames.
    within: Mutex<Option<KnownRange>>,
}

impl ColdFrames {
    pub(super) fn new(seqs: (i64, i64), log: LogFiles, contents: ColdContents) -> ColdFrames {
        ColdFrames { seqs, log, contents, within: Mutex::default() }
    }

    /// These frames and the ones after them as one entry; `None` if they hold more than `bytes_max`.
    pub(super) fn joined(
        &self,
        log: &LogFiles,
        seqs: (i64, i64),
        later: &ColdContents,
        bytes_max: usize,
    ) -> Option<ColdFrames> {
        let same = self.log.may_grow == log.may_grow && self.seqs.1 == seqs.0;
        if !same || self.contents.bytes + later.bytes > bytes_max {
            return None;
        }
        let mut contents = self.contents.clone();
        contents.append(later.clone());
        Some(ColdFrames::new((self.seqs.0, seqs.1), log.clone(), contents))
    }

    pub(super) fn meets(&self, seqs: (i64, i64)) -> bool {
        self.seqs.0 < seqs.1 && seqs.0 < self.seqs.1
    }

    pub(super) fn own_bytes(&self) -> usize {
        size_of::<ColdFrames>() + self.contents.own_bytes()
    }

    /// The rows of a layout in frames [lo, hi).
    ///
    /// # Errors
    /// Those of reading the log, where the frames hold rows both within and outside that range.
    pub(super) fn block(
        &self,
        block: usize,
        seqs: (i64, i64),
        names: &TailNames,
    ) -> Result<Option<ColdRows>> {
        self.of_range(seqs, names, |contents| contents.block(block))
    }

    fn of_range(
        &self,
        seqs: (i64, i64),
        names: &TailNames,
        of: impl Fn(&ColdContents) -> Option<ColdRows>,
    ) -> Result<Option<ColdRows>> {
        let Some(rows) = of(&self.contents) else { return Ok(None) };
        if rows.seqs.last < seqs.0 || rows.seqs.first >= seqs.1 {
            return Ok(None);
        }
        if rows.seqs.first >= seqs.0 && rows.seqs.last < seqs.1 {
            return Ok(Some(rows));
        }
        let mut held = self.within.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, contents)) = held.as_ref().filter(|(range, _)| *range == seqs) {
            return Ok(of(contents));
        }
        let mut found = Summing { names, seqs, contents: ColdContents::default(), points: 0 };
        read(&self.log, self.seqs, seqs.0, self.contents.points, &mut found, |f| f.points)?;
        let contents = Arc::new(found.contents);
        *held = Some((seqs, contents.clone()));
        Ok(of(&contents))
    }

    /// The number of points.
    pub(crate) fn points(&self) -> u64 {
        self.contents.points
    }

    /// The bytes that the rows would take in memory.
    pub(super) fn row_bytes(&self) -> usize {
        self.contents.bytes
    }

    /// Whether the writer might have appended when the frames were read, and when those of `other` were.
    pub(super) fn is_read_alike(&self, other: &ColdFrames) -> bool {
        self.log.may_grow == other.log.may_grow
    }

    /// What is known of a series in frames [lo, hi): by layout, then batch points.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub(super) fn series(&self, series: usize, seqs: (i64, i64), names: &TailNames) -> Result<Vec<ColdRows>> {
        let mut found = Vec::new();
        for (block, _) in names.columns(series) {
            found.extend(self.block(block, seqs, names)?);
        }
        found.extend(self.of_range(seqs, names, |contents| contents.loose(series))?);
        Ok(found)
    }

    /// Passes these frames and the ones up to `last`, which follow, to a sink again, but for those before `from`. `points` says
    /// how many points the sink got, and `expected` how many all of them hold.
    ///
    /// # Errors
    /// `Corrupt` where there are not as many points as before; `NotFound` where the frames are gone; `Io`.
    pub(super) fn read_to<S: LogSink>(
        &self,
        last: &ColdFrames,
        from: i64,
        expected: u64,
        sink: &mut S,
        points: impl Fn(&S) -> u64,
    ) -> Result<()> {
        read(&self.log, (self.seqs.0, last.seqs.1), from, expected, sink, points)
    }
}

/// Reads cold frames again, but for those before `from`. `points` says how many points the sink got, and `expected` how many
/// all of them hold.
fn read<S: LogSink>(
    log: &LogFiles,
    seqs: (i64, i64),
    from: i64,
    expected: u64,
    sink: &mut S,
    points: impl Fn(&S) -> u64,
) -> Result<()> {
    let ordinal = |seq: i64| Seq::from_i64(seq).map_or(0, Seq::ordinal);
    let ordinals = ordinal(seqs.0.max(from))..ordinal(seqs.1);
    let replayed = tidalite_log::replay_range(&*log.vfs, &log.dir, ordinals.clone(), log.may_grow, sink)?;
    let found = points(sink);
    let sound = match from <= seqs.0 {
        true => found == expected,
        // How many of the points are from `from` on was never counted.
        false => found <= expected && replayed.findings.is_empty() && replayed.next_ordinal >= ordinals.end,
    };
    if sound {
        return Ok(());
    }
    let what = format!(
        "frames {} to {} held {expected} points when they were first read, and hold {found} now",
        ordinals.start, ordinals.end
    );
    Err(Error::corrupt("read log again", &log.dir.path, 0, &what))
}

/// Counts the rows in a range of frames.
struct Summing<'a> {
    names: &'a TailNames,
    seqs: (i64, i64),
    contents: ColdContents,
    /// All points, also of frames after the range.
    points: u64,
}

impl LogSink for Summing<'_> {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let width = row.values.len();
        self.points += width as u64;
        let seq = row.seq.as_i64();
        if let Some(block) = self.names.block_of(row.layout)
            && (self.seqs.0..self.seqs.1).contains(&seq)
        {
            self.contents.add_row(block, ColdRows::one(row.step, seq, row.written.is_automatic()), width, 0);
        }
        Ok(())
    }

    fn points(&mut self, p: BatchRef<'_>) -> Result<()> {
        self.points += p.len() as u64;
        let seq = p.seq().as_i64();
        if !(self.seqs.0..self.seqs.1).contains(&seq) {
            return Ok(());
        }
        for i in 0..p.len() {
            if let Some(series) = self.names.index_of(p.series(i)) {
                let point = ColdRows::one(p.step(i), seq, p.written(i).is_automatic());
                self.contents.add_point(series, point, 0);
            }
        }
        Ok(())
    }
}
