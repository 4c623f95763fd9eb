//! Long work that reports progress to a Python function.
//!
//! The work runs in a thread of its own, and the caller's thread calls the function. So no lock of the engine is held while
//! Python code runs: the function may log, and so may the finalizer of any object that is collected meanwhile.

use crate::errors::raise;
use pyo3::prelude::*;
use std::sync::mpsc::{Sender, channel};

/// Where work reports progress.
pub(crate) struct ProgressCallback {
    /// `None` if nobody wants to know.
    to: Option<Sender<ProgressReport>>,
}

enum ProgressReport {
    Done(u64),
    DoneOf(u64, u64),
}

impl ProgressCallback {
    pub(crate) fn one(&self, done: u64) {
        self.send(ProgressReport::Done(done));
    }

    pub(crate) fn two(&self, done: u64, all: u64) {
        self.send(ProgressReport::DoneOf(done, all));
    }

    fn send(&self, report: ProgressReport) {
        if let Some(to) = &self.to {
            // Nobody receives after the function raised.
            let _ = to.send(report);
        }
    }
}

/// Does work without the interpreter lock, and calls `function` with its progress. An exception that the function raises
/// reaches the caller once the work is done: work cannot stop half-way.
pub(crate) fn with_progress<T: Send>(
    py: Python<'_>,
    function: Option<Py<PyAny>>,
    work: impl FnOnce(&ProgressCallback) -> tidalite::Result<T> + Send,
) -> PyResult<T> {
    let Some(function) = function else {
        return py.detach(|| work(&ProgressCallback { to: None })).map_err(raise);
    };
    let (to, reports) = channel();
    let (done, called) = py.detach(|| {
        std::thread::scope(|scope| {
            let working = scope.spawn(move || work(&ProgressCallback { to: Some(to) }));
            let called = reports.iter().try_for_each(|report| {
                Python::attach(|py| match report {
                    ProgressReport::Done(done) => function.call1(py, (done,)),
                    ProgressReport::DoneOf(done, all) => function.call1(py, (done, all)),
                })
                .map(drop)
            });
            drop(reports);
            (working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), called)
        })
    });
    let done = done.map_err(raise)?;
    called.map(|()| done)
}
