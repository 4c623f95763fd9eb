//! Handles on metrics of a run, which log without a look-up by name.

use super::run::{LocalRun, Run};
use std::sync::Arc;
use tidalite_log::LayoutId;
use tidalite_model::{Result, Seq};

impl Run {
    /// A handle on one metric: the fastest way to log it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let loss = run.metric("loss")?;
    /// for step in 0..10 { loss.log(step, 1.0 / (step + 1) as f64)?; }
    /// assert_eq!(store.select().metric("loss").points()?.collect()?.num_rows(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` if the name is wrong.
    pub fn metric(&self, name: &str) -> Result<Metric> {
        Ok(Metric { columns: self.columns(&[name])? })
    }

    /// A handle on several metrics that are always logged together, in this order.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// let columns = run.columns(&["loss", "acc"])?;
    /// for step in 0..10 { columns.log(step, &[0.5, 0.9])?; }
    /// assert_eq!(store.select().metric("acc").summaries()?[0].1.mean(), Some(0.9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` if a name is wrong or given twice, or there are no names.
    pub fn columns(&self, names: &[&str]) -> Result<MetricSet> {
        let values: Vec<(&str, f64)> = names.iter().map(|n| (*n, 0.0)).collect();
        let local = self.local()?;
        let layout = local.layout(self, None, &values)?;
        let names = names.iter().map(|n| n.to_string()).collect();
        Ok(MetricSet { run: self.clone(), process: local.log.writer(), layout, names })
    }
}

/// A handle on one metric of a run.
#[derive(Debug, Clone)]
pub struct Metric {
    columns: MetricSet,
}

impl Metric {
    /// Logs one value at the current time.
    ///
    /// # Errors
    /// As [`Run::log`].
    #[inline]
    pub fn log(&self, step: impl Into<Option<i64>>, value: f64) -> Result<Seq> {
        self.columns.log_at(step.into(), None, &[value])
    }

    /// Logs one value at a given time, in µs since 1970 UTC.
    ///
    /// # Errors
    /// As [`Run::log_at`].
    #[inline]
    pub fn log_at(&self, step: impl Into<Option<i64>>, time_us: i64, value: f64) -> Result<Seq> {
        self.columns.log_at(step.into(), Some(time_us), &[value])
    }
}

/// A handle on several metrics of a run that are logged together.
#[derive(Debug, Clone)]
pub struct MetricSet {
    run: Run,
    process: u32,
    layout: LayoutId,
    names: Arc<[String]>,
}

impl MetricSet {
    /// Logs a row at the current time: one value per metric, in the handle's order.
    ///
    /// # Errors
    /// As [`Run::log`]; `Invalid` if the number of values differs from the number of metrics.
    #[inline]
    pub fn log(&self, step: impl Into<Option<i64>>, values: &[f64]) -> Result<Seq> {
        self.log_at(step.into(), None, values)
    }

    /// Logs a row at a time in µs since 1970 UTC, or at the current time.
    ///
    /// # Errors
    /// As [`log`](Self::log).
    #[inline]
    pub fn log_at(&self, step: Option<i64>, time_us: Option<i64>, values: &[f64]) -> Result<Seq> {
        let local = self.run.local()?;
        let layout =
            if local.log.writer() == self.process { self.layout } else { self.layout_in_child(local)? };
        local.append(&self.run.shared.id, layout, step, time_us, values)
    }

    #[cold]
    fn layout_in_child(&self, local: &LocalRun) -> Result<LayoutId> {
        let values: Vec<(&str, f64)> = self.names.iter().map(|n| (n.as_str(), 0.0)).collect();
        local.layout(&self.run, None, &values)
    }
}
