//! Names of metrics, runs and label values: text, the explicit forms of `Pattern`, and regular expressions as
//! `re.compile` makes them.
//!
//! Anything else is a `TypeError`, so that a wrong type never becomes a selection of nothing.

use super::params::{is_enum, kind, label_text, text};
use crate::errors::invalid;
use crate::reduce::{Reduced, reduced};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMapping, PyString};
use tidalite::Pattern;

/// What a name has to be, said explicitly. Made by `tidalite.exact` and `tidalite.glob`. Plain text is the name where
/// something in the store bears exactly this name, and otherwise a glob.
///
/// >>> with store.run("a") as run:
/// ...     run.log({"layers[0]/norm": 1.0, "layers0/norm": 2.0})
/// >>> [store.select(name).to_numpy()["value"][0] for name in ("layers[0]/norm", tidalite.glob("layers[0]/norm"))]
/// [np.float64(1.0), np.float64(2.0)]
#[pyclass(frozen, eq, hash, name = "Pattern", module = "tidalite")]
#[derive(PartialEq, Eq, Hash)]
pub struct NamePattern {
    pattern: Pattern,
}

#[pymethods]
impl NamePattern {
    fn __repr__(&self) -> String {
        let form = if matches!(self.pattern, Pattern::Glob(_)) { "glob" } else { "exact" };
        format!("tidalite.{form}({:?})", self.pattern.to_string())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let form = if matches!(self.pattern, Pattern::Glob(_)) { "glob" } else { "exact" };
        reduced(py, form, (self.pattern.to_string(),))
    }
}

/// A glob over whole names, also where something bears exactly this text as its name: `*` any text, `?` one character,
/// `[ab]`, `{a,b}`; `\\` makes the next character stand for itself.
///
/// >>> tidalite.glob("train/*")
/// tidalite.glob("train/*")
#[pyfunction]
pub fn glob(pattern: &Bound<'_, PyAny>) -> PyResult<NamePattern> {
    Ok(NamePattern { pattern: Pattern::glob(text("a glob", pattern)?) })
}

/// Exactly this name, whatever characters it contains, also where nothing bears it yet.
///
/// >>> tidalite.exact("layers[0]/norm")
/// tidalite.exact("layers[0]/norm")
#[pyfunction]
pub fn exact(name: &Bound<'_, PyAny>) -> PyResult<NamePattern> {
    Ok(NamePattern { pattern: Pattern::exact(text("a name", name)?) })
}

/// Flags of `re` and the engine's letters for them.
const FLAGS: [(u32, char); 4] = [(2, 'i'), (8, 'm'), (16, 's'), (64, 'x')];
/// The flag that `re` sets on every text pattern; it needs no letter.
const UNICODE: u32 = 32;

/// One metric, or several of which any may match; `what` describes one in errors.
pub(crate) fn names(what: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<Pattern>> {
    one_or_several(what, given, &|given| name(what, given))
}

/// Labels that a series must carry: for each key one value, or several of which any may match.
pub(crate) fn labels(given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Pattern)>> {
    let mapping = given.cast::<PyMapping>().map_err(|_| {
        PyTypeError::new_err(format!(
            "labels is of type {}; give a dict, such as {{\"rank\": 3}}",
            kind(given)
        ))
    })?;
    let mut pairs = Vec::new();
    for item in mapping.items()?.iter() {
        let (key, values) = item.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
        let key = text("a label's key", &key)?;
        let what = format!("label {key:?}");
        let values = one_or_several(&what, &values, &|value| {
            // An enum of texts is logged as an enum.
            match if is_enum(value)? { None } else { name(&what, value)? } {
                None => Ok(label_text(value)?.map(Pattern::exact)),
                named => Ok(named),
            }
        })?;
        pairs.extend(values.into_iter().map(|value| (key.clone(), value)));
    }
    Ok(pairs)
}

/// The pattern of one value, or those of an iterable of values; `read` gives `None` for a value of another type.
pub(crate) fn one_or_several(
    what: &str,
    given: &Bound<'_, PyAny>,
    read: &dyn Fn(&Bound<'_, PyAny>) -> PyResult<Option<Pattern>>,
) -> PyResult<Vec<Pattern>> {
    if let Some(one) = read(given)? {
        return Ok(vec![one]);
    }
    let wrong = |given: &Bound<'_, PyAny>| {
        PyTypeError::new_err(format!(
            "{what} is of type {}; give text, tidalite.exact(…), tidalite.glob(…), a compiled regular expression, or a list \
             of these",
            kind(given)
        ))
    };
    // Iterating these gives keys or numbers, which nobody means.
    let other = given.is_instance_of::<PyMapping>()
        || given.is_instance_of::<PyBytes>()
        || given.is_instance_of::<PyByteArray>();
    let Some(items) = (!other).then(|| given.try_iter().ok()).flatten() else { return Err(wrong(given)) };
    let mut patterns = Vec::new();
    for item in items {
        let item = item?;
        patterns.push(read(&item)?.ok_or_else(|| wrong(&item))?);
    }
    if patterns.is_empty() {
        // An empty list is more often a mistake than a selection of nothing.
        let wrong = format!("the list for {what} is empty");
        return Err(invalid("select", wrong, "name at least one, or leave the argument out to select all"));
    }
    Ok(patterns)
}

fn is_regex(given: &Bound<'_, PyAny>) -> bool {
    given.get_type().fully_qualified_name().is_ok_and(|name| name == "re.Pattern")
}

/// One name or pattern; `None` for a value of another type.
pub(crate) fn name(what: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<Pattern>> {
    if given.is_instance_of::<PyString>() {
        return text(what, given).map(|text| Some(Pattern::from(text)));
    }
    if let Ok(named) = given.cast::<NamePattern>() {
        return Ok(Some(named.get().pattern.clone()));
    }
    if is_regex(given) { regex(given).map(Some) } else { Ok(None) }
}

fn regex(given: &Bound<'_, PyAny>) -> PyResult<Pattern> {
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
    Ok(Pattern::regex(if letters.is_empty() { pattern } else { format!("(?{letters}){pattern}") }))
}
