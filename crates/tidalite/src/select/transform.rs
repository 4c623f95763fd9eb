//! Selections of transformed series.

use super::selection::Selection;
use tidalite_query::Transform;

impl Selection {
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
}
