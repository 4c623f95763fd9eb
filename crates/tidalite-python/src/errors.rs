//! The Python exceptions: one class per kind of error, with the engine's message.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use tidalite::{Error as EngineError, ErrorAdvice, ErrorKind};

create_exception!(
    tidalite,
    Error,
    PyException,
    "The base class of all errors of a store. Each subclass calls for a different reaction."
);
create_exception!(
    tidalite,
    Busy,
    Error,
    "A needed resource is held by another process or thread; try again later."
);
create_exception!(tidalite, NotFound, Error, "The named store, run, file or other thing does not exist.");
create_exception!(tidalite, Invalid, Error, "The input is wrong; nothing was changed.");
create_exception!(tidalite, Corrupt, Error, "Bytes on disk are not what was written.");
create_exception!(
    tidalite,
    Unsupported,
    Error,
    "This version does not support the format version, file system or operation."
);
create_exception!(
    tidalite,
    Full,
    Error,
    "The disk, a quota, a memory budget or the limit of open files is exhausted; make room and try again."
);
create_exception!(tidalite, Io, Error, "An operation of the operating system failed.");
create_exception!(tidalite, Poisoned, Error, "An earlier failure made this handle unusable; open a new one.");
create_exception!(
    tidalite,
    Cancelled,
    Error,
    "The store was closed while it worked. What was done up to then holds."
);

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
    module.add("Poisoned", py.get_type::<Poisoned>())?;
    module.add("Cancelled", py.get_type::<Cancelled>())
}

/// The exception of an error.
pub(crate) fn raise(error: EngineError) -> PyErr {
    let arguments = match error.advice() {
        Some(ErrorAdvice::RenameOrJoin) => " (suffix=\"-b\", or on_conflict=\"join\")",
        Some(ErrorAdvice::ReportDamage) => " (on_damage=\"report\")",
        // The name of the argument is that of the option.
        _ => "",
    };
    raise_with(&error, format!("{error}{arguments}"))
}

/// The exception of an error, with an extended message.
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
        ErrorKind::Cancelled => Cancelled::new_err(message),
        _ => Error::new_err(message),
    }
}

/// `Invalid` for a wrong argument: what was being done, what is wrong, what to do.
pub(crate) fn invalid(doing: &str, wrong: impl Into<String>, remedy: &str) -> PyErr {
    raise(EngineError::invalid(doing, wrong, remedy))
}
