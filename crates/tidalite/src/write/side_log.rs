//! The side log of a run: appends rows under the run's id and labels from another thread. Telemetry uses it.
//!
//! Invariants: it changes neither the run's step counter nor its known layouts. It does not keep the run open: the run
//! ends when its last handle is dropped.

use super::layout::new_layout;
use super::run::Run;
use crate::engine::tail_names::TELEMETRY;
use crate::view::snapshot::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidalite_log::{LayoutId, Log, RowHead};
use tidalite_model::{Error, Labels, Result};
use tidalite_vfs::Vfs;

/// What logging to a run needs, without a handle on the run.
#[derive(Debug)]
pub(crate) struct SideLog {
    run: Arc<str>,
    labels: Labels,
    log: Arc<Log>,
    vfs: Arc<dyn Vfs>,
    ended: Arc<AtomicBool>,
    /// Whether the run's participant logged anything.
    logged: Arc<AtomicBool>,
    /// The last logged metrics and their layout, by labels.
    layouts: HashMap<Labels, (Vec<String>, LayoutId)>,
}

impl Run {
    /// A side log of the run, in this process.
    pub(crate) fn side_log(&self) -> Result<SideLog> {
        let (local, shared) = (self.local()?, &self.shared);
        Ok(SideLog::new(
            shared.id.clone(),
            shared.labels.clone(),
            local.log.clone(),
            local.state.vfs.clone(),
            shared.ended.clone(),
            local.logged.clone(),
        ))
    }

    /// Whether this process watches the run.
    pub(crate) fn watched(&self) -> Result<Arc<AtomicBool>> {
        Ok(self.local()?.counter.watched.clone())
    }

    /// The step after the last sample of the run's telemetry.
    pub(crate) fn next_sample(&self) -> Result<i64> {
        let telemetry = |metric: &str| metric.starts_with(TELEMETRY);
        let last = Snapshot::take(&self.local()?.state)?.step_max(self.id(), telemetry)?;
        Ok(last.map_or(0, |s| s.saturating_add(1)))
    }
}

impl SideLog {
    fn new(
        run: Arc<str>,
        labels: Labels,
        log: Arc<Log>,
        vfs: Arc<dyn Vfs>,
        ended: Arc<AtomicBool>,
        logged: Arc<AtomicBool>,
    ) -> Self {
        SideLog { run, labels, log, vfs, ended, logged, layouts: HashMap::new() }
    }

    /// The current time in µs since 1970 UTC.
    pub(crate) fn now_us(&self) -> i64 {
        self.vfs.now_us()
    }

    /// Logs a row with these labels on top of the run's own. Its step counts as automatic.
    ///
    /// # Errors
    /// `Invalid` if the run has ended; otherwise as [`Run::log_at`](crate::Run::log_at).
    pub(crate) fn log(
        &mut self,
        step: i64,
        time_us: i64,
        labels: &Labels,
        values: &[(&str, f64)],
    ) -> Result<()> {
        if self.ended.load(Ordering::Acquire) {
            return Err(Error::invalid(
                "log to run",
                format!("run {:?} has ended", self.run),
                "start it again to log more",
            ));
        }
        let layout = self.layout(labels, values)?;
        self.logged.store(true, Ordering::Relaxed);
        let row: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        let head = RowHead { step, automatic: true, time_us, now_us: self.now_us() };
        self.log.append_row_at(layout, head, &row).map(|_| ())
    }

    fn layout(&mut self, labels: &Labels, values: &[(&str, f64)]) -> Result<LayoutId> {
        if let Some((names, layout)) = self.layouts.get(labels)
            && names.iter().map(String::as_str).eq(values.iter().map(|(name, _)| *name))
        {
            return Ok(*layout);
        }
        let layout = new_layout(&self.log, &self.run, &self.labels, Some(labels), values)?;
        let names = values.iter().map(|(name, _)| name.to_string()).collect();
        self.layouts.insert(labels.clone(), (names, layout));
        Ok(layout)
    }
}
