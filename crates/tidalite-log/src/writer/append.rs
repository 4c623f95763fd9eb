//! Appending to the log: rows by a fast path, everything else by one slow path.
//!
//! ```text
//! row ─► lock ─► declared, and space? ─yes─► frame into the segment, publish ─► unlock         (fast path)
//!                      └──────no──┐
//! batch, change, part ────────────┴─► missing declarations + frame fit? ─no─► next segment, try again
//!                                                     └─yes─► write all, publish once
//! ```
//!
//! At durability `Row`, each append then waits for a sync, which it shares with all callers that wait at that time.

use super::declare::{NO_SEGMENT, RequiredNames};
use super::options::Durability;
use super::shared::LogShared;
use super::state::{Current, LogState, RowHead, UnitEnd};
use crate::change;
use crate::format::{FRAME_BYTES_MAX, POINT_BYTES, POINTS_AUTOMATIC, POINTS_FIXED_BYTES, Tag};
use crate::frame::Draft;
use crate::sink::{LayoutId, SeriesId};
use std::sync::Arc;
use tidalite_model::{Error, Result, RunChange, Seq, Written};
use uuid::Uuid;

/// The longest change to a run, which holds texts and params, not data. Also bounds what decoding one may allocate.
const CHANGE_BYTES_MAX: usize = 4 << 20;

const SPLIT: &str = "split it into several";

impl LogShared {
    #[inline]
    pub(super) fn append_row(
        self: &Arc<Self>,
        layout: LayoutId,
        head: RowHead,
        values: &[f64],
    ) -> Result<Seq> {
        self.check_fork()?;
        let quick = self.state().append_row(layout, head, values);
        let unit = match quick {
            Some(done) => done?,
            None => self.append_row_slowly(layout, head, values)?,
        };
        self.accept(unit)
    }

    #[cold]
    fn append_row_slowly(
        self: &Arc<Self>,
        layout: LayoutId,
        head: RowHead,
        values: &[f64],
    ) -> Result<UnitEnd> {
        self.state().check_row(layout, values.len())?;
        let mut draft = Draft::new(Tag::Row, 0);
        draft.row(layout.0, head.step, head.time_us, Written::AT_ITS_TIME, values);
        self.append(&mut draft, RequiredNames::Layout(layout), &mut |state, draft| {
            let written = state.written(head);
            draft.row(layout.0, head.step, head.time_us, written, values);
        })
    }

    pub(super) fn append_points(
        self: &Arc<Self>,
        series: &[SeriesId],
        steps: &[i64],
        times_us: &[i64],
        values: &[f64],
        automatic: bool,
    ) -> Result<Seq> {
        self.check_fork()?;
        let n = steps.len();
        if n == 0 || [series.len(), times_us.len(), values.len()].iter().any(|&l| l != n) {
            return Err(Error::invalid(
                "append points",
                format!(
                    "{} series, {n} steps, {} times and {} values were given",
                    series.len(),
                    times_us.len(),
                    values.len()
                ),
                "give as many of each, and at least one",
            ));
        }
        let points_max = (FRAME_BYTES_MAX - POINTS_FIXED_BYTES) / POINT_BYTES;
        if n > points_max {
            return Err(Error::invalid(
                "append points",
                format!("{n} points are more than the maximum of {points_max}"),
                "split the batch, or write it as a part",
            ));
        }
        let mut draft = Draft::new(Tag::Points, 0);
        draft.reserve(POINTS_FIXED_BYTES + n * POINT_BYTES);
        draft.push(&u32::try_from(n).expect("points_max is below 2^32").to_le_bytes());
        draft.push(&if automatic { POINTS_AUTOMATIC } else { 0 }.to_le_bytes());
        draft.push(&[0; 8]);
        steps.iter().chain(times_us).for_each(|x| draft.push(&x.to_le_bytes()));
        values.iter().for_each(|v| draft.push(&v.to_bits().to_le_bytes()));
        series.iter().for_each(|s| draft.push(&s.0.to_le_bytes()));
        draft.finish("the batch", SPLIT)?;
        let unit = self.append_stamped(&mut draft, RequiredNames::Series(series), 8)?;
        self.accept(unit)
    }

    pub(super) fn append_change(self: &Arc<Self>, run: &str, change: &RunChange) -> Result<Seq> {
        self.check_fork()?;
        let run = self.state().names.run(run)?;
        let mut encoded = run.to_le_bytes().to_vec();
        encoded.extend_from_slice(&[0; 8]);
        change::encode(change, &mut encoded)?;
        if encoded.len() > CHANGE_BYTES_MAX {
            return Err(Error::invalid(
                "append run change",
                format!("the change takes {} bytes, more than {CHANGE_BYTES_MAX}", encoded.len()),
                "keep large texts and tables in separate files, and their paths in params",
            ));
        }
        let mut draft = Draft::new(Tag::Change, 0);
        draft.push(&encoded);
        draft.finish("the change", SPLIT)?;
        let unit = self.append_stamped(&mut draft, RequiredNames::Run(run), 4)?;
        self.accept(unit)
    }

    pub(super) fn append_part(self: &Arc<Self>, part: Uuid, meta: &[u8]) -> Result<Seq> {
        self.check_fork()?;
        let mut draft = Draft::new(Tag::Part, 0);
        draft.push(part.as_bytes());
        draft.push(&[0; 8]);
        draft.push(meta);
        draft.finish("the part's metadata", "give less metadata")?;
        let unit = self.append_stamped(&mut draft, RequiredNames::Nothing, 16)?;
        self.accept(unit)
    }

    /// Appends a finished frame whose payload has its clock at `clock_at`.
    fn append_stamped(
        self: &Arc<Self>,
        draft: &mut Draft,
        needs: RequiredNames<'_>,
        clock_at: usize,
    ) -> Result<UnitEnd> {
        let now_us = self.vfs.now_us();
        self.append(draft, needs, &mut |state, draft| draft.set_clock(clock_at, state.tick(now_us)))
    }

    /// Appends a finished frame and the declarations it needs, to the current segment or the next. `stamp` gives the
    /// frame its clock, under the lock, so that clocks ascend with ordinals.
    fn append(
        self: &Arc<Self>,
        draft: &mut Draft,
        needs: RequiredNames<'_>,
        stamp: &mut dyn FnMut(&mut LogState, &mut Draft),
    ) -> Result<UnitEnd> {
        let mut state = self.state();
        let unit = loop {
            self.check_usable(&state)?;
            if let Some(unit) = state.append(draft, needs, stamp)? {
                break unit;
            }
            let room = Current::room_for(&state.names.missing(needs, NO_SEGMENT)?, draft);
            self.start_background()?;
            state = self.next_segment(state, room)?;
        };
        if let Some(c) = state.current.as_mut().filter(|c| !c.spare_asked && c.is_half_full()) {
            c.spare_asked = true;
            c.set_easy_end();
            drop(state);
            self.request_spare();
        }
        Ok(unit)
    }

    /// Turns a unit into its sequence number, after a sync if the durability is `Row`.
    #[inline]
    fn accept(&self, unit: UnitEnd) -> Result<Seq> {
        if matches!(self.options.durability, Durability::Row) {
            self.make_durable(unit.end)?;
        }
        Ok(Seq::new(self.dir.writer, unit.ordinal.expect("something was appended")))
    }
}
