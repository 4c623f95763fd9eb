//! Long work that reports progress to a Python function, and ends early if that raises or the user interrupts it.
//!
//! The work runs in a thread of its own, and the caller's thread calls the function. So no lock of the engine is held while
//! Python code runs: the function may log, and so may the finalizer of any object that is collected meanwhile.

use crate::errors::raise;
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tidalite::ErrorKind;

/// How often the caller's thread looks for signals, such as Ctrl-C.
const SIGNALS: Duration = Duration::from_millis(50);

/// Where work reports progress.
pub(crate) struct ProgressCallback<'a> {
    to: Sender<ProgressReport>,
    /// Whether somebody wants to know.
    wanted: bool,
    ended: &'a AtomicBool,
}

enum ProgressReport {
    Done(u64),
    DoneOf(u64, u64),
}

impl ProgressCallback<'_> {
    pub(crate) fn one(&self, done: u64) -> ControlFlow<()> {
        self.send(ProgressReport::Done(done))
    }

    pub(crate) fn two(&self, done: u64, all: u64) -> ControlFlow<()> {
        self.send(ProgressReport::DoneOf(done, all))
    }

    fn send(&self, report: ProgressReport) -> ControlFlow<()> {
        if self.wanted {
            // Nobody receives after the function raised.
            let _ = self.to.send(report);
        }
        if self.ended.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Does work without the interpreter lock, and calls `function` with its progress. An exception that the function raises, or
/// that a signal raises meanwhile, ends the work and reaches the caller once it has ended.
pub(crate) fn with_progress<T: Send>(
    py: Python<'_>,
    function: Option<Py<PyAny>>,
    work: impl FnOnce(&ProgressCallback<'_>) -> tidalite::Result<T> + Send,
) -> PyResult<T> {
    let (to, reports) = channel();
    let ended = AtomicBool::new(false);
    let callback = ProgressCallback { to, wanted: function.is_some(), ended: &ended };
    let (done, called) = py.detach(|| {
        std::thread::scope(|scope| {
            let working = scope.spawn(move || work(&callback));
            let called = call_each(function.as_ref(), &reports);
            if called.is_err() {
                ended.store(true, Ordering::Relaxed);
            }
            drop(reports);
            (working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), called)
        })
    });
    match (done, called) {
        (Err(e), Err(raised)) if e.kind() == ErrorKind::Cancelled => Err(raised),
        (Err(e), _) => Err(raise(e)),
        (Ok(done), called) => called.map(|()| done),
    }
}

/// Calls the function with each report until the work is done.
fn call_each(function: Option<&Py<PyAny>>, reports: &Receiver<ProgressReport>) -> PyResult<()> {
    loop {
        let report = match reports.recv_timeout(SIGNALS) {
            Ok(report) => Some(report),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        Python::attach(|py| {
            py.check_signals()?;
            let Some((function, report)) = function.zip(report) else { return Ok(()) };
            match report {
                ProgressReport::Done(done) => function.call1(py, (done,)),
                ProgressReport::DoneOf(done, all) => function.call1(py, (done, all)),
            }
            .map(drop)
        })?;
    }
}
