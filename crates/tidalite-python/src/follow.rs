//! The Python class `Follow`: points as they are logged.

use crate::errors::{invalid, raise};
use crate::records;
use crate::table::{AnswerTable, ReadRows, RowSource};
use arrow::array::RecordBatch;
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// Hands out the points of a selection as they are logged, each once. Made by `Selection.follow`.
///
/// >>> follow = store.select("loss", runs="live").follow()
/// >>> run = store.run("live")
/// >>> run.log({"loss": 0.5})
/// >>> len(follow.poll()), len(follow.poll())
/// (1, 0)
///
/// An event loop goes on while `async for` waits:
///
/// >>> async def watch():
/// ...     async for table in store.select("loss").follow():
/// ...         print(len(table))
#[pyclass(frozen, module = "tidalite")]
pub struct Follow {
    follow: Mutex<tidalite::Follow>,
    /// How much of the report earlier tables have.
    told: Mutex<usize>,
    timeout: Option<Duration>,
    bell: OnceLock<Arc<BellSocket>>,
}

/// The interval at which a wait checks for Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(250);

/// A pair of sockets: one can be read from once the bell was rung at the other.
struct BellSocket {
    heard: UnixStream,
    rung: UnixStream,
}

impl BellSocket {
    fn new() -> std::io::Result<BellSocket> {
        let (heard, rung) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        Ok(BellSocket { heard, rung })
    }

    /// Forgets earlier rings.
    fn hush(&self) {
        let mut bytes = [0; 64];
        while (&self.heard).read(&mut bytes).is_ok_and(|read| read == bytes.len()) {}
    }
}

impl Wake for BellSocket {
    fn wake(self: Arc<Self>) {
        // If the socket is full, it has been rung.
        let _ = (&self.rung).write(&[1]);
    }
}

impl Follow {
    pub(crate) fn new(follow: tidalite::Follow, timeout: Option<f64>) -> PyResult<Follow> {
        let timeout = timeout.map(seconds).transpose()?;
        Ok(Follow { follow: Mutex::new(follow), told: Mutex::new(0), timeout, bell: OnceLock::new() })
    }

    fn bell(&self) -> PyResult<&Arc<BellSocket>> {
        if self.bell.get().is_none() {
            let _ = self.bell.set(Arc::new(BellSocket::new()?));
        }
        Ok(self.bell.get().expect("set above"))
    }

    /// New points, with what was left out since the table before.
    fn table(&self, batches: Vec<RecordBatch>) -> AnswerTable {
        let damage = self.follow.lock().unwrap_or_else(PoisonError::into_inner).damage();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let new = damage[*told..].to_vec();
        *told = damage.len();
        AnswerTable::new(RowSource::Read(ReadRows {
            schema: tidalite::points_schema(),
            batches,
            damage: new,
            kind: "points",
            total: None,
        }))
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

#[pymethods]
impl Follow {
    /// How far this follower has read, as text for the `cursor` of a later `Selection.follow`.
    #[getter]
    fn cursor(&self, py: Python<'_>) -> String {
        py.detach(|| self.follow.lock().unwrap_or_else(PoisonError::into_inner).cursor().to_string())
    }

    /// What could not be read so far, as a tuple of `Finding`, if the selection reports damage. Each table has what is new of it.
    #[getter]
    fn damage<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let found = py.detach(|| self.follow.lock().unwrap_or_else(PoisonError::into_inner).damage());
        records::findings(py, &found)
    }

    /// Returns the new points at once; an empty table if there are none.
    fn poll(&self, py: Python<'_>) -> PyResult<AnswerTable> {
        let found = py.detach(|| self.follow.lock().unwrap_or_else(PoisonError::into_inner).poll());
        Ok(self.table(found.map_err(raise)?))
    }

    /// Returns the new points as soon as there are any; an empty table after `timeout` seconds. Without a timeout it waits until
    /// there are some. Ctrl-C interrupts it.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<AnswerTable> {
        Ok(self.table(self.waited(py, timeout.map(seconds).transpose()?)?))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<AnswerTable> {
        let found = self.waited(py, self.timeout)?;
        if found.is_empty() { Err(PyStopIteration::new_err(())) } else { Ok(self.table(found)) }
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        slf.py().import("tidalite._following")?.call_method1("next_table", (slf,))
    }

    /// The timeout of its iteration in seconds.
    #[getter]
    fn _timeout(&self) -> Option<f64> {
        self.timeout.map(|t| t.as_secs_f64())
    }

    /// The descriptor of a socket that can be read from once the store has changed.
    fn _bell(&self) -> PyResult<i32> {
        Ok(self.bell()?.heard.as_raw_fd())
    }

    /// Forgets earlier changes, and rings the bell once the store has changed since the last poll.
    fn _ring_on_change(&self, py: Python<'_>) -> PyResult<()> {
        let bell = self.bell()?.clone();
        py.detach(|| {
            bell.hush();
            self.follow.lock().unwrap_or_else(PoisonError::into_inner).wake_on_change(&Waker::from(bell))
        })
        .map_err(raise)
    }
}
