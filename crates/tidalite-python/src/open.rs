//! The function `open`.

use crate::arguments::opening::{OpenArguments, read_durability};
use crate::errors::{invalid, raise};
use crate::exit;
use crate::handles::StoreHandle;
use crate::store::Store;
use pyo3::prelude::*;
use std::path::PathBuf;
use tidalite::Durability;

/// Opens the store in the folder `path`; mode 'rw' makes it if it is absent.
///
/// The object means this store from then on. A later `os.chdir` does not affect it, and it follows the folder where that is moved.
/// Once the folder is deleted or replaced, each call raises NotFound, and `Run.log` raises Poisoned at the latest a second later.
///
/// - `mode`: 'rw', or 'r' for reading only. With 'r' the store must exist, and nothing in it changes.
/// - `durability`: when a row survives a power cut: 'process' (within about a second), a number of seconds or a timedelta
///   (within about that time), or 'row' (before `log` returns). At any of them a crash or kill of the process loses nothing.
/// - `memory_bytes`: the memory that flushes, compactions and queries use together; 256 MiB by default.
/// - `threads`: the threads for queries; by default one per core.
/// - `background`: False leaves syncing, flushing and compacting to the caller. Otherwise, whoever has the store open for writing
///   flushes what is due in it, whichever process wrote that; so does closing it.
/// - `flush_bytes`: the size of all logs together at which they are flushed; 32 MiB by default.
/// - `mapped_log`: False writes the log by system calls instead of mapping its files into memory. A disk that fails under a mapped
///   file ends the process with SIGBUS; without mapping, `log` raises Io or Full instead, and takes microseconds more.
///
/// Raises NotFound if a store to read is absent; Invalid if `path` is a file, or a folder that holds something else;
/// Unsupported for a newer format.
///
/// >>> store = tidalite.open(path)
/// >>> tidalite.open(path, "r").runs()
/// []
#[pyfunction]
#[pyo3(
    signature = (path, mode="rw", durability=None, *, memory_bytes=None, threads=None, background=true, flush_bytes=None, mapped_log=true),
    text_signature = "(path, mode='rw', durability='process', *, memory_bytes=None, threads=None, background=True, flush_bytes=None, mapped_log=True)"
)]
#[allow(clippy::too_many_arguments)] // they are keywords
pub fn open(
    py: Python<'_>,
    path: PathBuf,
    mode: &str,
    durability: Option<&Bound<'_, PyAny>>,
    memory_bytes: Option<u64>,
    threads: Option<usize>,
    background: bool,
    flush_bytes: Option<u64>,
    mapped_log: bool,
) -> PyResult<Store> {
    let durability = durability.map_or(Ok(Durability::Process), read_durability)?;
    let read_only = match mode {
        "rw" => false,
        "r" => true,
        other => {
            return Err(invalid(
                "open store",
                format!("mode {other:?} is unknown"),
                "give 'rw', or 'r' for reading only",
            ));
        }
    };
    let arguments =
        OpenArguments { read_only, durability, memory_bytes, threads, background, flush_bytes, mapped_log };
    let store = py.detach(|| arguments.options().open(&path)).map_err(raise)?;
    let handle = StoreHandle::new(store, arguments);
    exit::add_store(&handle);
    Ok(Store::of(handle))
}
