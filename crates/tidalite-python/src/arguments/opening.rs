//! The arguments of `tidalite.open`, and they as plain values for pickles.

use crate::arguments::time::duration;
use crate::errors::invalid;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use tidalite::{Durability, Options};

/// The arguments of `tidalite.open`, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenArguments {
    pub(crate) read_only: bool,
    pub(crate) durability: Durability,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) threads: Option<usize>,
    pub(crate) background: bool,
    pub(crate) flush_bytes: Option<u64>,
    pub(crate) mapped_log: bool,
}

/// They as plain values: read-only, durability, memory, threads, background, size of a flush, whether logs are mapped.
type PickledArguments<'py> = (bool, Bound<'py, PyAny>, Option<u64>, Option<usize>, bool, Option<u64>, bool);

impl OpenArguments {
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new()
            .read_only(self.read_only)
            .durability(self.durability)
            .background(self.background)
            .mapped_log(self.mapped_log);
        if let Some(bytes) = self.memory_bytes {
            options = options.memory_bytes(bytes);
        }
        if let Some(threads) = self.threads {
            options = options.threads(threads);
        }
        if let Some(bytes) = self.flush_bytes {
            options = options.flush_bytes(bytes);
        }
        options
    }

    /// Whether logging a row waits for the disk.
    pub(crate) fn waits(&self) -> bool {
        self.durability == Durability::Row
    }

    pub(crate) fn pickled<'py>(&self, py: Python<'py>) -> PyResult<PickledArguments<'py>> {
        let durability = match self.durability {
            Durability::Interval(every) => every.as_secs_f64().into_bound_py_any(py)?,
            Durability::Row => "row".into_bound_py_any(py)?,
            _ => "process".into_bound_py_any(py)?,
        };
        let OpenArguments { read_only, memory_bytes, threads, background, flush_bytes, mapped_log, .. } =
            *self;
        Ok((read_only, durability, memory_bytes, threads, background, flush_bytes, mapped_log))
    }

    pub(crate) fn unpickled(given: &Bound<'_, PyTuple>) -> PyResult<OpenArguments> {
        let (read_only, durability, memory_bytes, threads, background, flush_bytes, mapped_log): PickledArguments<'_> =
            given.extract()?;
        let durability = read_durability(&durability)?;
        Ok(OpenArguments {
            read_only,
            durability,
            memory_bytes,
            threads,
            background,
            flush_bytes,
            mapped_log,
        })
    }
}

pub(crate) fn read_durability(value: &Bound<'_, PyAny>) -> PyResult<Durability> {
    let Ok(word) = value.cast::<PyString>() else {
        return Ok(Durability::Interval(duration("durability", value)?));
    };
    match word.to_str()? {
        "process" => Ok(Durability::Process),
        "row" => Ok(Durability::Row),
        other => Err(invalid(
            "open store",
            format!("durability {other:?} is unknown"),
            "give 'process', 'row', or a number of seconds between syncs",
        )),
    }
}
