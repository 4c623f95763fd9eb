//! Plans of transformed series, in pieces where a series is longer than a batch.
//!
//! A piece depends on the pieces before it. So the pieces of a series are read once, in order, and each keeps the
//! state in which it starts; from then on they are independent. Invariant: no summary stands for points of a
//! transformed series.

use super::query_plan::Plan;
use super::shaping::Shaping;
use crate::engine::room::too_large;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use tidalite_model::{Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{Points, TransformChain};

impl Plan {
    /// Gives each piece of a long series the state in which it starts, and leaves out pieces before the selected
    /// steps.
    pub(crate) fn with_start_states(mut self) -> Result<Plan> {
        // Taken out, so that points are read untransformed.
        let Some(shaping) = self.shaping.take() else { return Ok(self) };
        let mut pieces: Vec<Range<usize>> = Vec::new();
        for (i, planned) in self.series.iter().enumerate() {
            match pieces.last_mut() {
                Some(series) if self.series[series.start].key == planned.key => series.end = i + 1,
                _ => pieces.push(i..i + 1),
            }
        }
        pieces.retain(|series| series.len() > 1);
        let states: Vec<Vec<TransformChain>> = self.snapshot.state.pool.get()?.install(|| {
            pieces.par_iter().map(|series| self.states(&shaping, series.clone())).collect::<Result<_>>()
        })?;
        let bytes: usize = states.iter().flatten().map(TransformChain::bytes).sum();
        let options = &self.snapshot.state.options;
        if bytes as u64 > options.memory_bytes {
            let what = format!("the windows of {} long series take {} MiB", pieces.len(), bytes >> 20);
            return Err(too_large(
                options,
                "transform series",
                what,
                "select fewer series at a time, or give a shorter window",
            ));
        }
        for (series, states) in pieces.into_iter().zip(states) {
            for (planned, state) in self.series[series].iter_mut().zip(states) {
                planned.start_state = Some(state);
            }
        }
        let answer = shaping.answer.steps;
        self.series.retain(|p| p.steps.hi.is_none_or(|end| answer.lo.is_none_or(|lo| lo < end)));
        self.shaping = Some(shaping);
        Ok(self)
    }

    /// Calls `work` with each whole series, in the store's threads. Results are in the order of series. `bytes` says what a
    /// result takes.
    ///
    /// # Errors
    /// `Full` where one series, or what is kept of all together, exceeds the memory option.
    pub(crate) fn each_whole<T: Send>(
        &self,
        columns: ColumnSet,
        bytes: impl Fn(&T) -> u64 + Sync,
        work: impl Fn(&SeriesKey, Points) -> T + Sync,
    ) -> Result<Vec<T>> {
        if self.shaping.is_none() {
            self.check_memory(columns)?;
            return self.each_kept(columns, bytes, work);
        }
        let batches = self.batches();
        // Batches that share a series go to one thread.
        let joined =
            |a: &Range<usize>, b: &Range<usize>| self.series[a.end - 1].key == self.series[b.start].key;
        let groups: Vec<&[Range<usize>]> = batches.chunk_by(joined).collect();
        let kept = AtomicU64::new(0);
        let finish = |found: &mut Vec<T>, open: Option<(&SeriesKey, Points)>| -> Result<()> {
            if let Some((key, points)) = open.filter(|(_, points)| !points.is_empty()) {
                let result = work(key, points);
                self.keep(&kept, bytes(&result))?;
                found.push(result);
            }
            Ok(())
        };
        let found: Vec<Vec<T>> = self.snapshot.state.pool.get()?.install(|| {
            let of_group = |group: &&[Range<usize>]| {
                let mut found = Vec::new();
                let mut open: Option<(&SeriesKey, Points)> = None;
                for batch in *group {
                    let series = &self.series[batch.clone()];
                    for (planned, points) in series.iter().zip(self.load(batch.clone(), columns)?) {
                        match &mut open {
                            Some((key, whole)) if **key == planned.key => whole.extend(&points),
                            _ => finish(&mut found, open.replace((&planned.key, points)))?,
                        }
                        let held = open.as_ref().map_or(0, |(_, points)| points.len() as u64);
                        self.check_room(&planned.key, held, columns)?;
                    }
                }
                finish(&mut found, open)?;
                Ok(found)
            };
            groups.par_iter().map(of_group).collect::<Result<_>>()
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The states in which the pieces of one series start.
    fn states(&self, shaping: &Shaping, pieces: Range<usize>) -> Result<Vec<TransformChain>> {
        let columns = shaping.columns(ColumnSet { step: true, ..ColumnSet::VALUE });
        let mut state = shaping.begin();
        let mut states = vec![state.clone()];
        // No piece starts after the last one.
        for piece in pieces.start..pieces.end - 1 {
            for mut points in self.load(piece..piece + 1, columns)? {
                state.apply(&mut points);
            }
            // These points are read and counted once more for the answer.
            state.take_counter_changes();
            states.push(state.clone());
        }
        Ok(states)
    }
}
