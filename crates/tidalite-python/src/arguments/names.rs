//! Names of metrics and runs: glob patterns as text, and regular expressions as `re.compile` makes them.

use super::params::{kind, text};
use crate::errors::invalid;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A pattern of names.
pub(crate) enum NamePattern {
    /// With `*`, `?`, `[ab]` and `{a,b}`; it matches whole names.
    Glob(String),
    /// A regular expression; it may match anywhere in a name.
    Regex(String),
}

/// Flags of `re` and the engine's letters for them.
const FLAGS: [(u32, char); 4] = [(2, 'i'), (8, 'm'), (16, 's'), (64, 'x')];
/// The flag that `re` sets on every text pattern; it needs no letter.
const UNICODE: u32 = 32;

/// One pattern, or several of which any may match; `what` describes one in errors.
pub(crate) fn names(what: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<NamePattern>> {
    if given.is_instance_of::<PyString>() || is_regex(given) {
        return Ok(vec![name(what, given)?]);
    }
    let items = given.try_iter().map_err(|_| {
        PyTypeError::new_err(format!(
            "{what} is a {}; give text, a compiled regular expression, or a list of these",
            kind(given)
        ))
    })?;
    let names: Vec<NamePattern> = items.map(|item| name(what, &item?)).collect::<PyResult<_>>()?;
    if names.is_empty() {
        // An empty list is more often a mistake than a selection of nothing.
        let wrong = format!("the list of patterns for {what} is empty");
        return Err(invalid("select", wrong, "name at least one, or leave the argument out to select all"));
    }
    Ok(names)
}

/// The glob patterns; a regular expression is refused.
pub(crate) fn globs(doing: &str, names: Vec<NamePattern>) -> PyResult<Vec<String>> {
    let glob = |name| match name {
        NamePattern::Glob(glob) => Ok(glob),
        NamePattern::Regex(regex) => {
            let wrong = format!("{regex:?} is a regular expression");
            Err(invalid(doing, wrong, "give patterns with * and ?, or a filter in `where`"))
        }
    };
    names.into_iter().map(glob).collect()
}

fn is_regex(given: &Bound<'_, PyAny>) -> bool {
    given.get_type().fully_qualified_name().is_ok_and(|name| name == "re.Pattern")
}

fn name(what: &str, given: &Bound<'_, PyAny>) -> PyResult<NamePattern> {
    if !is_regex(given) {
        return text(what, given).map(NamePattern::Glob);
    }
    let pattern = text("the text of a regular expression", &given.getattr("pattern")?)?;
    let flags: u32 = given.getattr("flags")?.extract()?;
    let known = FLAGS.iter().fold(UNICODE, |all, (flag, _)| all | flag);
    if flags & !known != 0 {
        return Err(invalid(
            "select",
            format!(
                "the regular expression {pattern:?} has flags other than IGNORECASE, MULTILINE, DOTALL and VERBOSE"
            ),
            "compile it without them",
        ));
    }
    let letters: String =
        FLAGS.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, letter)| letter).collect();
    Ok(NamePattern::Regex(if letters.is_empty() { pattern } else { format!("(?{letters}){pattern}") }))
}
