//! Selections of transformed series.

use super::selection::Selection;
use tidalite_query::Transform;

impl Selection {
    /// Transforms each series point by point before anything is computed from it: smoothed, a rate, a derivative.
    /// Given several times, each transform applies to the result of the one before. All answers are computed from all
    /// points rather than from a downsampled series: `chart` draws a smoothed line, `aggregate` finds the greatest
    /// rate.
    ///
    /// A transform sees all points of a series, under this selection's rules for repeats, history and hidden points.
    /// Ranges of steps, times and values select from its results. See [`Transform`] for the available ones.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// for step in 0..100 { run.log(step, &[("loss", (step % 2) as f64)])?; }
    /// let smooth = store.select().metric("loss").transform("mean:10".parse()?).steps(50..);
    /// let values = &smooth.summaries()?[0].1;
    /// assert_eq!((values.count, values.mean(), values.std()), (50, Some(0.5), Some(0.0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transform(mut self, transform: Transform) -> Self {
        self.transforms.push(transform);
        self
    }
}
