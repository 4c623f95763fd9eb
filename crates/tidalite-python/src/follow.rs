//! The Python class `Follow`: points as they are logged.

use crate::errors::{invalid, raise};
use crate::table::{AnswerTable, RowSource};
use arrow::array::RecordBatch;
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Hands out the points of a selection as they are logged, each once. Made by `Selection.follow`.
///
/// >>> follow = store.select("loss", runs="live").follow()
/// >>> run = store.run("live")
/// >>> run.log({"loss": 0.5})
/// >>> len(follow.poll()), len(follow.poll())
/// (1, 0)
#[pyclass(frozen, module = "tidalite")]
pub struct Follow {
    follow: Mutex<tidalite::Follow>,
    timeout: Option<Duration>,
}

/// The interval at which a wait checks for Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(100);

impl Follow {
    pub(crate) fn new(follow: tidalite::Follow, timeout: Option<f64>) -> PyResult<Follow> {
        Ok(Follow { follow: Mutex::new(follow), timeout: timeout.map(seconds).transpose()? })
    }

    fn waited(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Vec<RecordBatch>> {
        let start = Instant::now();
        loop {
            let left =
                timeout.map_or(SIGNAL_INTERVAL, |t| t.saturating_sub(start.elapsed()).min(SIGNAL_INTERVAL));
            let found = py
                .detach(|| self.follow.lock().unwrap_or_else(PoisonError::into_inner).wait(left))
                .map_err(raise)?;
            if !found.is_empty() || timeout.is_some_and(|t| start.elapsed() >= t) {
                return Ok(found);
            }
            py.check_signals()?;
        }
    }
}

fn seconds(timeout: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(timeout)
        .map_err(|_| invalid("follow", format!("the timeout is {timeout} seconds"), "give 0 or more"))
}

fn table(batches: Vec<RecordBatch>) -> AnswerTable {
    AnswerTable::new(RowSource::Batches(tidalite::points_schema(), batches))
}

#[pymethods]
impl Follow {
    /// How far this follower has read, as text for the `cursor` of a later `Selection.follow`.
    #[getter]
    fn cursor(&self, py: Python<'_>) -> String {
        py.detach(|| self.follow.lock().unwrap_or_else(PoisonError::into_inner).cursor().to_string())
    }

    /// Returns the new points at once; an empty table if there are none.
    fn poll(&self, py: Python<'_>) -> PyResult<AnswerTable> {
        let found = py.detach(|| self.follow.lock().unwrap_or_else(PoisonError::into_inner).poll());
        Ok(table(found.map_err(raise)?))
    }

    /// Returns the new points as soon as there are any; an empty table after `timeout` seconds. Without a timeout it waits until
    /// there are some. Ctrl-C interrupts it.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<AnswerTable> {
        Ok(table(self.waited(py, timeout.map(seconds).transpose()?)?))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<AnswerTable> {
        let found = self.waited(py, self.timeout)?;
        if found.is_empty() { Err(PyStopIteration::new_err(())) } else { Ok(table(found)) }
    }
}
