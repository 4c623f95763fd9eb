//! One poll of a writer's log: its inputs, its counts and findings, and the position where a segment ends.

use super::finding::LogFinding;
use super::resync::{Anchor, durable_position};
use crate::dir::WriterDir;
use crate::sink::LogSink;
use tidalite_model::Result;
use tidalite_vfs::Vfs;

/// Where reading of a segment ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamPosition {
    pub(super) number: u32,
    pub(super) offset: u64,
    /// The same as a position in the writer's stream.
    pub(super) position: u64,
    /// Ordinal of the next frame.
    pub(super) ordinal: u64,
}

/// How far a log has come beyond the position of its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is no segment to read on in.
    Nothing,
    /// The reader's segment is published up to this offset, and takes more frames.
    UpTo(u64),
    /// The reader's segment is closed, or there is a later one. Only a poll tells how far the log has come.
    Further,
}

/// One poll in progress.
pub(super) struct Poll<'a> {
    pub(super) vfs: &'a dyn Vfs,
    pub(super) alive: bool,
    /// A segment, and the offset in it up to which it is read.
    pub(super) until: Option<(u32, u64)>,
    /// Frames from this ordinal on are not delivered.
    pub(super) end_ordinal: u64,
    pub(super) sink: &'a mut dyn LogSink,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) findings: &'a mut Vec<LogFinding>,
    /// How far the stream was durable, once computed.
    durable: Option<u64>,
    /// Index of the finding to which further refused frames are added.
    refused: Option<usize>,
}

impl<'a> Poll<'a> {
    pub(super) fn new(
        vfs: &'a dyn Vfs,
        alive: bool,
        sink: &'a mut dyn LogSink,
        findings: &'a mut Vec<LogFinding>,
    ) -> Self {
        Poll {
            vfs,
            alive,
            until: None,
            end_ordinal: u64::MAX,
            sink,
            frames: 0,
            bytes: 0,
            findings,
            durable: None,
            refused: None,
        }
    }

    /// How far the writer's stream was durable, by the marks from `from` on. Meaningless while the writer lives.
    pub(super) fn durable(&mut self, dir: &WriterDir, number: u32, from: Anchor) -> Result<u64> {
        if let Some(durable) = self.durable {
            return Ok(durable);
        }
        let durable = durable_position(self.vfs, dir, number, from)?;
        self.durable = Some(durable);
        Ok(durable)
    }

    /// Reports a valid frame that was refused. Those of one segment become one finding.
    pub(super) fn refuse(&mut self, finding: LogFinding) {
        let known = self.refused.and_then(|i| self.findings.get_mut(i));
        let Some(known) =
            known.filter(|k| k.path == finding.path && k.rows.is_some() == finding.rows.is_some())
        else {
            self.refused = Some(self.findings.len());
            self.findings.push(finding);
            return;
        };
        let add = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a + b);
        known.bytes += finding.bytes;
        if let (Some(lost), Some(more)) = (&mut known.lost, &finding.lost) {
            lost.end = more.end;
        }
        known.frames = add(known.frames, finding.frames);
        known.rows = add(known.rows, finding.rows);
        known.steps = known.steps.zip(finding.steps).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)));
    }
}
