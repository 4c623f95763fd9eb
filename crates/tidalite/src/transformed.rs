//! Selections of transformed series: what is read, what is made of it, and what of that is the answer.
//!
//! A transform sees a series from its first point on, so that a curve does not change with what of it is looked at. The
//! ranges of a selection are therefore laid over what the transforms give. What lies behind the end of the selected
//! steps has no effect and is not read. Invariant: no summary stands for the points of a transformed series.
//!
//! A series that is longer than a batch is read in pieces, as ever; but a piece depends on those before it. So the
//! pieces are gone through once, in order, and each keeps the state in which it begins; from then on they are independent,
//! and everything that works on pieces works on these. `plan.rs` calls this for each series that it has merged.

use crate::plan::{Plan, Planned};
use crate::select::Select;
use rayon::prelude::*;
use std::ops::Range;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_parts::Columns;
use tidalite_query::{Bounds, PointFilter, Points, Transform, Transforming};

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
    pub(crate) fn columns(&self, asked: Columns) -> Columns {
        let times = self.transforms.iter().any(Transform::needs_times) || !self.answer.times_us.is_all();
        Columns { step: true, time: asked.time || times, value: true, ..asked }
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

    /// The states in which the pieces of one series begin.
    fn states(&self, shaping: &Shaping, pieces: Range<usize>) -> Result<Vec<Transforming>> {
        let columns = shaping.columns(Columns { step: true, seq: false, time: false, value: true });
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
