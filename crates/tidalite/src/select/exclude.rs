//! Selections that leave out metrics and labels.

use super::planning::match_any;
use super::selection::Selection;
use crate::view::snapshot::Snapshot;
use std::collections::BTreeMap;
use tidalite_model::Result;
use tidalite_query::{LabelMatcher, NameMatcher, Pattern};

impl Selection {
    /// Leaves out metrics by their name, which is taken as [`metrics`](Self::metrics) takes it; given several times, all of them.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// let run = store.run("a").start()?;
    /// run.log(0, &[("loss", 1.0), ("grad/w1", 0.1), ("grad/w2", 0.2)])?;
    /// let select = store.select().exclude_metrics("grad/*");
    /// assert_eq!(&*select.summaries()?[0].0.metric, "loss");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exclude_metrics(mut self, pattern: impl Into<Pattern>) -> Self {
        self.excluded.metrics.push(pattern.into());
        self
    }

    /// Leaves out series with this label; the value is taken as [`label`](Self::label) takes it. Given several times, a series
    /// is left out that has any of the labels. A series without the key stays.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for rank in ["0", "1", "2"] {
    ///     store.run("a").label("rank", rank).start()?.log(0, &[("loss", 1.0)])?;
    /// }
    /// store.run("b").start()?.log(0, &[("loss", 1.0)])?;
    /// assert_eq!(store.select().exclude_label("rank", "0").summaries()?.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exclude_label(mut self, key: impl Into<String>, value: impl Into<Pattern>) -> Self {
        self.excluded.labels.push((key.into(), value.into()));
        self
    }

    /// Which metrics are selected in a snapshot.
    pub(super) fn metric_matcher(&self, snapshot: &Snapshot) -> Result<NameMatcher> {
        let named = match_any(&self.metrics, |name| snapshot.has_metric(name))?;
        if self.excluded.metrics.is_empty() {
            return Ok(named);
        }
        let excluded = NameMatcher::resolve(&self.excluded.metrics, |name| snapshot.has_metric(name))?;
        Ok(named.excluding(excluded))
    }

    /// Which labels are selected in a snapshot.
    pub(super) fn label_matcher(&self, snapshot: &Snapshot) -> Result<LabelMatcher> {
        let labels = LabelMatcher::new(by_key(&self.labels, snapshot)?);
        Ok(labels.excluding(by_key(&self.excluded.labels, snapshot)?))
    }
}

/// The values by key, in the order of the keys. Those of one key are alternatives.
fn by_key<'a>(pairs: &'a [(String, Pattern)], snapshot: &Snapshot) -> Result<Vec<(&'a str, NameMatcher)>> {
    let mut by_key: BTreeMap<&str, Vec<Pattern>> = BTreeMap::new();
    for (key, value) in pairs {
        by_key.entry(key).or_default().push(value.clone());
    }
    let resolved = |(key, values): (&'a str, Vec<Pattern>)| {
        Ok((key, NameMatcher::resolve(&values, |value| snapshot.has_label(key, value))?))
    };
    by_key.into_iter().map(resolved).collect()
}
