//! Names of metrics and runs: patterns as text, and regular expressions as `re.compile` makes them.

use crate::errors::invalid;
use crate::params::{kind, text};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// What names are meant by.
pub(crate) enum Name {
    /// With `*`, `?`, `[ab]` and `{a,b}`, for the whole name.
    Pattern(String),
    /// A regular expression that may match anywhere.
    Regex(String),
}

/// Flags of `re` and what the engine calls them.
const FLAGS: [(u32, char); 4] = [(2, 'i'), (8, 'm'), (16, 's'), (64, 'x')];
/// Flags that say nothing more: text is Unicode.
const UNICODE: u32 = 32;

/// One name, or several of which any is meant; `what` names one in errors.
pub(crate) fn names(what: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<Name>> {
    if given.is_instance_of::<PyString>() || is_regex(given) {
        return Ok(vec![name(what, given)?]);
    }
    let items = given.try_iter().map_err(|_| {
        PyTypeError::new_err(format!(
            "{what} is a {}; give text, a compiled regular expression, or a list of these",
            kind(given)
        ))
    })?;
    let names: Vec<Name> = items.map(|item| name(what, &item?)).collect::<PyResult<_>>()?;
    if names.is_empty() {
        // A mistake more often than a wish for nothing.
        let wrong = format!("of what is {what} the list is empty");
        return Err(invalid("select", wrong, "name at least one, or leave it out to select all"));
    }
    Ok(names)
}

/// Names where regular expressions are not taken.
pub(crate) fn patterns(doing: &str, names: Vec<Name>) -> PyResult<Vec<String>> {
    let pattern = |name| match name {
        Name::Pattern(pattern) => Ok(pattern),
        Name::Regex(regex) => {
            let wrong = format!("{regex:?} is a regular expression");
            Err(invalid(doing, wrong, "give patterns with * and ?, or a filter in `where`"))
        }
    };
    names.into_iter().map(pattern).collect()
}

fn is_regex(given: &Bound<'_, PyAny>) -> bool {
    given.get_type().fully_qualified_name().is_ok_and(|name| name == "re.Pattern")
}

fn name(what: &str, given: &Bound<'_, PyAny>) -> PyResult<Name> {
    if !is_regex(given) {
        return text(what, given).map(Name::Pattern);
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
    Ok(Name::Regex(if letters.is_empty() { pattern } else { format!("(?{letters}){pattern}") }))
}
