//! Selections of transformed series: what is read, what is made of it, and what of that is the answer.
//!
//! A transform sees a series from its first point on, so that a curve does not change with what of it is looked at. The
//! ranges of a selection are therefore laid over what the transforms give. What lies behind the end of the selected
//! steps has no effect and is not read. Invariant: no summary stands for the points of a transformed series.
//!
//! A series that is longer than a batch is read in pieces, as ever; but a piece depends on those before it. So the
//! pieces are gone through once, in order, and each keeps the state in which it begins; from then on they are independent,
//! and everything that works on pieces works on these. `plan.rs` calls this for each series that it has merged.

use crate::plan::{POINT_BYTES, Plan, Planned};
use crate::select::Select;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite_model::{Bounds, Error, ErrorKind, Result, SeriesKey};
use tidalite_parts::ColumnSet;
use tidalite_query::{PointFilter, Points, Transform, Transforming};

/// What is made of each series.
#[derive(Debug, Clone)]
pub(crate) struct Shaping {
    transforms: Vec<Transform>,
    /// Which of the points that are made are the answer.
    answer: PointFilter,
}

impl Select {
    /// Makes of each series another one, point by point, before anything is asked of it: smoothed, a rate, a derivative;
    /// given several times, each of what the one before it gives. All answers are of what is made, from the real points
    /// rather than from fewer of them: `chart` draws a smoothed line, `aggregate` finds the greatest rate.
    ///
    /// A transform sees all points of a series, with this selection's rules for repeats, history and what is hidden. Ranges of
    /// steps, times and values select from what it gives. See [`Transform`] for what there is.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..100 { run.log(step, &[("loss", (step % 2) as f64)])?; }
    /// let smooth = store.select().metric("loss").transform("mean:10".parse()?).steps(50..);
    /// let values = smooth.summaries()?[0].1;
    /// assert_eq!((values.count, values.mean(), values.std()), (50, Some(0.5), Some(0.0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transform(mut self, transform: Transform) -> Self {
        self.transforms.push(transform);
        self
    }

    /// The plan for answers that take long series in pieces.
    pub(crate) fn pieces(&self) -> Result<Plan> {
        self.plan()?.split_long_series().begun()
    }

    /// The plan for answers that take each series whole. Where something is made of them it is made in pieces, since what
    /// is read may be far more than what is answered.
    pub(crate) fn wholes(&self) -> Result<Plan> {
        if self.has_transforms() { self.pieces() } else { self.plan() }
    }
}

impl Shaping {
    /// `None` where series are answered as they are.
    pub(crate) fn of(transforms: &[Transform], answer: PointFilter) -> Option<Shaping> {
        (!transforms.is_empty()).then(|| Shaping { transforms: transforms.to_vec(), answer })
    }

    /// What has to be read.
    pub(crate) fn reads(&self) -> PointFilter {
        PointFilter { steps: Bounds { lo: None, hi: self.answer.steps.hi }, ..PointFilter::default() }
    }

    /// What of the points has to be read for this, besides what is asked of them.
    pub(crate) fn columns(&self, asked: ColumnSet) -> ColumnSet {
        let times = self.transforms.iter().any(Transform::needs_times) || !self.answer.times_us.is_all();
        ColumnSet { step: true, time: asked.time || times, value: true, ..asked }
    }

    /// Makes of a series, or of a piece of one, what is answered.
    pub(crate) fn apply(&self, planned: &Planned, points: &mut Points) {
        let mut state = planned.begun.clone().unwrap_or_else(|| self.begin());
        state.apply(points);
        self.answer.apply(points);
    }

    fn begin(&self) -> Transforming {
        Transforming::new(&self.transforms)
    }
}

impl Plan {
    /// Gives each piece of a long series the state in which it begins, and leaves out pieces that answer nothing.
    pub(crate) fn begun(mut self) -> Result<Plan> {
        // Without it, points are read as they are.
        let Some(shaping) = self.shaping.take() else { return Ok(self) };
        let mut pieces: Vec<Range<usize>> = Vec::new();
        for (i, planned) in self.series.iter().enumerate() {
            match pieces.last_mut() {
                Some(series) if self.series[series.start].key == planned.key => series.end = i + 1,
                _ => pieces.push(i..i + 1),
            }
        }
        pieces.retain(|series| series.len() > 1);
        let states: Vec<Vec<Transforming>> = self.snapshot.inner.pool()?.install(|| {
            pieces.par_iter().map(|series| self.states(&shaping, series.clone())).collect::<Result<_>>()
        })?;
        let bytes: usize = states.iter().flatten().map(Transforming::bytes).sum();
        if bytes as u64 > self.snapshot.inner.options.memory_bytes {
            return Err(Error::new(
                ErrorKind::Full,
                "transform series",
                format!("the windows of {} long series take {} MiB", pieces.len(), bytes >> 20),
                "select fewer series at a time, give a shorter window, or allow more memory",
            ));
        }
        for (series, states) in pieces.into_iter().zip(states) {
            for (planned, state) in self.series[series].iter_mut().zip(states) {
                planned.begun = Some(state);
            }
        }
        let answer = shaping.answer.steps;
        self.series.retain(|p| p.steps.hi.is_none_or(|end| answer.lo.is_none_or(|lo| lo < end)));
        self.shaping = Some(shaping);
        Ok(self)
    }

    /// Works on each series as a whole, in the store's threads; what is found is in the order of series.
    ///
    /// # Errors
    /// `Full` where a series needs more than the memory option; where `keeps` says that the work keeps the points, where
    /// all of them do.
    pub(crate) fn each_whole<T: Send>(
        &self,
        columns: ColumnSet,
        keeps: bool,
        work: impl Fn(&SeriesKey, Points) -> T + Sync,
    ) -> Result<Vec<T>> {
        if self.shaping.is_none() {
            if keeps {
                self.check_total(u64::MAX)?
            } else {
                self.check_memory()?
            }
            return self.each(columns, work);
        }
        let batches = self.batches();
        // Batches that a series reaches over are worked on by one thread.
        let joined =
            |a: &Range<usize>, b: &Range<usize>| self.series[a.end - 1].key == self.series[b.start].key;
        let groups: Vec<&[Range<usize>]> = batches.chunk_by(joined).collect();
        let kept = AtomicU64::new(0);
        let found: Vec<Vec<T>> = self.snapshot.inner.pool()?.install(|| {
            let of_group = |group: &&[Range<usize>]| {
                let mut found = Vec::new();
                let mut open: Option<(&SeriesKey, Points)> = None;
                for batch in *group {
                    let series = &self.series[batch.clone()];
                    for (planned, points) in series.iter().zip(self.load(batch.clone(), columns)?) {
                        let new = points.len() as u64;
                        let before = if keeps { kept.fetch_add(new, Ordering::Relaxed) } else { 0 };
                        match &mut open {
                            Some((key, whole)) if **key == planned.key => whole.extend(&points),
                            _ => {
                                let done = open.replace((&planned.key, points));
                                found.extend(done.filter(|d| !d.1.is_empty()).map(|(k, p)| work(k, p)));
                            }
                        }
                        let held = open.as_ref().map_or(0, |o| o.1.len() as u64).max(before + new);
                        self.check_held(held, &planned.key)?;
                    }
                }
                found.extend(open.filter(|d| !d.1.is_empty()).map(|(key, points)| work(key, points)));
                Ok(found)
            };
            groups.par_iter().map(of_group).collect::<Result<_>>()
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Refuses to hold more points at once than the memory option allows.
    fn check_held(&self, points: u64, key: &SeriesKey) -> Result<()> {
        let needed = points.saturating_mul(POINT_BYTES);
        if needed <= self.snapshot.inner.options.memory_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Full,
            "transform series",
            format!(
                "{points} points, up to series {:?} of run {:?}, are to be held at once, which take {} MiB",
                key.metric,
                key.run,
                needed >> 20
            ),
            "select a range of steps or fewer series, or allow more memory",
        ))
    }

    /// The states in which the pieces of one series begin.
    fn states(&self, shaping: &Shaping, pieces: Range<usize>) -> Result<Vec<Transforming>> {
        let columns = shaping.columns(ColumnSet { step: true, seq: false, time: false, value: true });
        let mut state = shaping.begin();
        let mut states = vec![state.clone()];
        // Nothing begins behind the last one.
        for piece in pieces.start..pieces.end - 1 {
            for mut points in self.load(piece..piece + 1, columns)? {
                state.apply(&mut points);
            }
            states.push(state.clone());
        }
        Ok(states)
    }
}
