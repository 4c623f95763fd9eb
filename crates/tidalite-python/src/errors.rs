//! The exceptions: one class a kind of error, with the engine's own message.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use tidalite::{Error as EngineError, ErrorKind};

create_exception!(
    tidalite,
    Error,
    PyException,
    "Whatever goes wrong in a store. Its subclasses say what can be done."
);
create_exception!(tidalite, Busy, Error, "Somebody else holds what is needed; try again later.");
create_exception!(
    tidalite,
    NotFound,
    Error,
    "A store, run, file or other thing that was named does not exist."
);
create_exception!(tidalite, Invalid, Error, "The input is wrong; nothing was changed.");
create_exception!(tidalite, Corrupt, Error, "Bytes on the disk are not what was written.");
create_exception!(
    tidalite,
    Unsupported,
    Error,
    "The format version, file system or operation is not one this version can serve."
);
create_exception!(
    tidalite,
    Full,
    Error,
    "The disk, a quota or a memory budget is exhausted; make room and try again."
);
create_exception!(tidalite, Io, Error, "The operating system refused or failed an operation.");
create_exception!(tidalite, Poisoned, Error, "An earlier failure made this handle unusable; open a new one.");

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("Error", py.get_type::<Error>())?;
    module.add("Busy", py.get_type::<Busy>())?;
    module.add("NotFound", py.get_type::<NotFound>())?;
    module.add("Invalid", py.get_type::<Invalid>())?;
    module.add("Corrupt", py.get_type::<Corrupt>())?;
    module.add("Unsupported", py.get_type::<Unsupported>())?;
    module.add("Full", py.get_type::<Full>())?;
    module.add("Io", py.get_type::<Io>())?;
    module.add("Poisoned", py.get_type::<Poisoned>())
}

/// The exception of an error.
pub(crate) fn raise(error: EngineError) -> PyErr {
    raise_with(&error, error.to_string())
}

/// The exception of an error, with a message that says more.
pub(crate) fn raise_with(error: &EngineError, message: String) -> PyErr {
    match error.kind() {
        ErrorKind::Busy => Busy::new_err(message),
        ErrorKind::NotFound => NotFound::new_err(message),
        ErrorKind::Invalid => Invalid::new_err(message),
        ErrorKind::Corrupt => Corrupt::new_err(message),
        ErrorKind::Unsupported => Unsupported::new_err(message),
        ErrorKind::Full => Full::new_err(message),
        ErrorKind::Io => Io::new_err(message),
        ErrorKind::Poisoned => Poisoned::new_err(message),
        _ => Error::new_err(message),
    }
}

/// An exception for a wrong argument: what we were doing, what was wrong, what to do.
pub(crate) fn invalid(doing: &str, wrong: impl Into<String>, remedy: &str) -> PyErr {
    raise(EngineError::invalid(doing, wrong, remedy))
}
