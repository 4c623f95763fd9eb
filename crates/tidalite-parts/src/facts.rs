//! The row of the series table that follows from a series' points: summary, write orders, repeats.
//!
//! Encoding, rebuilding a damaged series table and verifying share this code, so they cannot disagree.

use crate::chunk::SeriesChunk;
use crate::series::row::SeriesRow;
use std::collections::BTreeMap;
use tidalite_model::{Error, Result, Seq, Summary, Written};

/// The least and greatest frame ordinal of each writer.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeqRanges(BTreeMap<u32, (u64, u64)>);

impl SeqRanges {
    /// Adds a range of one writer.
    pub(crate) fn add(&mut self, min: Seq, max: Seq) {
        let range = self.0.entry(min.writer()).or_insert((min.ordinal(), max.ordinal()));
        range.0 = range.0.min(min.ordinal());
        range.1 = range.1.max(max.ordinal());
    }

    /// Adds the ranges of `other`.
    pub(crate) fn merge(&mut self, other: &SeqRanges) {
        for (&writer, &(min, max)) in &other.0 {
            self.add(Seq::new(writer, min), Seq::new(writer, max));
        }
    }

    /// The ranges in the manifest's form.
    pub(crate) fn into_vec(self) -> Vec<(u32, u64, u64)> {
        self.0.into_iter().map(|(writer, (min, max))| (writer, min, max)).collect()
    }
}

/// Checks a chunk and summarizes it. The caller sets `tile` and `row_start` of the row, which are 0.
///
/// # Errors
/// `Invalid` where the arrays differ in length, are empty, do not ascend by (step, clock, seq), or hold a negative seq.
pub(crate) fn facts(chunk: &SeriesChunk<'_>, ranges: &mut SeqRanges) -> Result<SeriesRow> {
    let n = chunk.steps.len();
    let rows = u32::try_from(n).unwrap_or(u32::MAX);
    let others = [chunk.seqs.len(), chunk.written.len(), chunk.times_us.len(), chunk.values.len()];
    if n == 0 || rows == u32::MAX || others != [n; 4] {
        return Err(refused(chunk, "has no points, too many, or arrays of different lengths"));
    }
    let repeats = check_order(chunk)?;
    let (seq_min, seq_max) = note_seqs(chunk, ranges)?;
    let is_automatic = |written: &&i64| Written::from_i64(**written).is_automatic();
    let automatic = u32::try_from(chunk.written.iter().filter(is_automatic).count()).unwrap_or(u32::MAX);
    let mut summary = Summary::default();
    summary.push_all(chunk.steps, chunk.times_us, chunk.values);
    let key = chunk.key.clone();
    Ok(SeriesRow { key, tile: 0, row_start: 0, rows, seq_min, seq_max, automatic, repeats, summary })
}

/// Checks that (step, clock, seq) ascend. Returns whether a step occurs twice.
fn check_order(chunk: &SeriesChunk<'_>) -> Result<bool> {
    let order = |i: usize| {
        let clock_us = Written::from_i64(chunk.written[i]).clock_us(chunk.times_us[i]);
        (clock_us, chunk.seqs[i])
    };
    let mut repeats = false;
    for (i, step) in chunk.steps.windows(2).enumerate() {
        if step[1] <= step[0] {
            if step[1] < step[0] || order(i + 1) < order(i) {
                return Err(refused(chunk, "is not ascending by (step, clock, seq)"));
            }
            repeats = true;
        }
    }
    Ok(repeats)
}

/// Adds the write orders to `ranges`. Returns the least and the greatest.
fn note_seqs(chunk: &SeriesChunk<'_>, ranges: &mut SeqRanges) -> Result<(i64, i64)> {
    let (min, max) = chunk.seqs.iter().fold((i64::MAX, i64::MIN), |(a, b), &s| (a.min(s), b.max(s)));
    let seq = |raw| Seq::from_i64(raw).ok_or_else(|| refused(chunk, "has a negative write order"));
    let (low, high) = (seq(min)?, seq(max)?);
    if low.writer() == high.writer() {
        ranges.add(low, high);
    } else {
        for &raw in chunk.seqs {
            let one = seq(raw)?;
            ranges.add(one, one);
        }
    }
    Ok((min, max))
}

fn refused(chunk: &SeriesChunk<'_>, wrong: &str) -> Error {
    let head: String = chunk.key.metric.chars().take(64).collect();
    Error::invalid(
        "encode tile",
        format!("a chunk of metric {head} {wrong}"),
        "give each series once, with at least one point, sorted by step, then clock, then seq",
    )
}
