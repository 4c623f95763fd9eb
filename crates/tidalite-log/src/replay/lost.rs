//! What a lost frame could have held: names that it may have used, and what its bytes still say.

use super::finding::{LogFinding, LogFindingKind, LostFrames, known, row_in};
use super::names::{DeclaredNames, Refused};
use super::poll::Poll;
use crate::format::{FRAME_HEAD_BYTES, Tag, frame_bytes, u64_at};
use crate::frame::Frame;
use crate::sink::BatchRef;
use std::path::Path;
use tidalite_model::{Result, Seq};

/// Learns a declaration before reading reaches it. What is wrong with it is reported when reading does.
pub(super) fn learn_early(names: &mut DeclaredNames, frame: &Frame<'_>, poll: &mut Poll<'_>) -> Result<()> {
    if !matches!(frame.tag, Some(Tag::Run | Tag::Series | Tag::Layout)) {
        return Ok(());
    }
    match names.learn(frame, poll.sink) {
        Err(Refused::BySink(e)) => Err(e),
        Ok(()) | Err(Refused::Undeclared | Refused::Malformed) => Ok(()),
    }
}

/// Reports a frame that is valid but unusable.
pub(super) fn refusal(
    path: &Path,
    offset: u64,
    frame: &Frame<'_>,
    refused: &Refused,
    ordinal: u64,
) -> LogFinding {
    let what = match refused {
        Refused::Undeclared => "frames name series or runs whose declarations are damaged, and are skipped",
        _ => "frames are intact but this version cannot read them, and are skipped",
    };
    let what = format!("from frame {ordinal} of the writer on, {what}");
    let mut finding = LogFinding::new(LogFindingKind::Damage, path, offset, frame.bytes, &what);
    finding = finding.losing_frames(Some(1), LostFrames::of(ordinal, Some(1), frame.bytes, None));
    if matches!(frame.tag, Some(Tag::Row | Tag::StampedRow)) && frame.payload.len() >= 8 {
        let step = u64_at(frame.payload, 0).cast_signed();
        finding.steps = Some((step, step));
        finding.rows = Some(1);
    }
    finding
}

/// Adds what the bytes of one damaged frame still say.
pub(super) fn describe(mut finding: LogFinding, bytes: &[u8], names: &DeclaredNames) -> LogFinding {
    if let Some((layout, step)) = row_in(bytes) {
        finding.rows = Some(1);
        finding.steps = Some((step, step));
        let series = names.layout(layout).unwrap_or_default();
        return finding.naming(known(series.iter().copied(), |s| names.series_key(s)));
    }
    let payload = bytes.get(FRAME_HEAD_BYTES..).unwrap_or_default();
    let is_points = bytes.get(FRAME_HEAD_BYTES - 4) == Some(&(Tag::Points as u8));
    // The padding is 0 bytes for an even count and 4 for an odd one.
    let batch = [payload.len(), payload.len().saturating_sub(4)]
        .into_iter()
        .find_map(|n| BatchRef::new(Seq::default(), payload.get(..n)?));
    if let Some(points) =
        batch.filter(|p| is_points && !p.is_empty() && frame_bytes(payload.len()) == bytes.len())
    {
        let steps = (0..points.len()).map(|i| points.step(i));
        finding.steps = steps.clone().min().zip(steps.max());
        let mut series: Vec<_> = (0..points.len()).map(|i| points.series(i)).collect();
        series.sort_unstable();
        series.dedup();
        return finding.naming(known(series.into_iter(), |s| names.series_key(s)));
    }
    finding
}
