//! Arguments that mean runs: ids, `Run` and `RunInfo` objects, patterns, filters.

use crate::arguments::names::{name, one_or_several};
use crate::arguments::params::{label_pairs, text, texts};
use crate::arguments::time::to_us;
use crate::errors::raise;
use crate::run::Run;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};
use tidalite::{Error, OnConflict, Pattern, RunBuilder, RunFilter, RunTargets};

/// One run, or several of which any may match. A `Run` or `RunInfo` stands for its id.
pub(crate) fn runs(given: &Bound<'_, PyAny>) -> PyResult<Vec<Pattern>> {
    const WHAT: &str = "a run";
    one_or_several(WHAT, given, &|given| {
        if let Ok(run) = given.cast::<Run>() {
            return Ok(Some(Pattern::exact(run.get().id())));
        }
        if given.is_instance(&given.py().import("tidalite.records")?.getattr("RunInfo")?)? {
            return Ok(Some(Pattern::exact(text(WHAT, &given.getattr("id")?)?)));
        }
        name(WHAT, given)
    })
}

/// The runs that a thinning or deletion is applied to.
pub(crate) fn read_targets(
    runs: Option<&Bound<'_, PyAny>>,
    filters: Option<&Bound<'_, PyAny>>,
    before: Option<&Bound<'_, PyAny>>,
) -> PyResult<RunTargets> {
    let mut what = RunTargets::new();
    for run in runs.map_or(Ok(Vec::new()), self::runs)? {
        // Here a text is the id of one run, and never a glob: the change cannot be undone.
        what = match run {
            Pattern::Text(id) | Pattern::Exact(id) => what.run(id),
            pattern => what.matching(pattern),
        };
    }
    for filter in filters.map_or(Ok(Vec::new()), run_filters)? {
        what = what.where_runs(filter);
    }
    match before {
        Some(time) => Ok(what.ended_before_us(to_us(time)?)),
        None => Ok(what),
    }
}

/// What becomes of runs that two stores to be merged both have by the same id.
pub(crate) fn read_conflict(word: &str, suffix: Option<String>) -> PyResult<OnConflict> {
    let refused = |wrong: String| {
        let remedy = "give on_conflict=\"refuse\", on_conflict=\"join\" or a suffix";
        Err(raise(Error::invalid("merge stores", wrong, remedy)))
    };
    match (word, suffix) {
        ("refuse", None) => Ok(OnConflict::Refuse),
        ("refuse", Some(suffix)) => Ok(OnConflict::Suffix(suffix)),
        ("join", None) => Ok(OnConflict::Join),
        ("join", Some(_)) => refused("runs of one id can be joined or get a suffix, not both".into()),
        (other, _) => refused(format!("on_conflict is {other:?}")),
    }
}

/// What a run is given at its start, besides its name, notes, group and time.
pub(crate) fn configured(
    mut builder: RunBuilder,
    params: Option<&Bound<'_, PyAny>>,
    tags: Option<&Bound<'_, PyAny>>,
    labels: Option<&Bound<'_, PyAny>>,
    parent: Option<&Bound<'_, PyAny>>,
) -> PyResult<RunBuilder> {
    if let Some(given) = params {
        builder = builder.params(crate::arguments::params::params(given)?);
    }
    for tag in tags.map_or(Ok(Vec::new()), |t| texts("a tag", t))? {
        builder = builder.tag(tag);
    }
    for (key, value) in labels.map_or(Ok(Vec::new()), label_pairs)? {
        builder = builder.label(key, value);
    }
    match parent {
        Some(parent) => {
            let (run, step) = read_parent(parent)?;
            Ok(builder.parent(run, step))
        }
        None => Ok(builder),
    }
}

/// The texts that describe a run at its start.
pub(crate) fn described(
    mut builder: RunBuilder,
    name: Option<&Bound<'_, PyAny>>,
    notes: Option<&Bound<'_, PyAny>>,
    group: Option<&Bound<'_, PyAny>>,
    started: Option<&Bound<'_, PyAny>>,
) -> PyResult<RunBuilder> {
    if let Some(name) = name {
        builder = builder.name(text("the name", name)?);
    }
    if let Some(notes) = notes {
        builder = builder.notes(text("notes", notes)?);
    }
    if let Some(group) = group {
        builder = builder.group(text("the group", group)?);
    }
    match started {
        Some(time) => Ok(builder.started_us(to_us(time)?)),
        None => Ok(builder),
    }
}

/// The id of a run that is given as a `Run` or by its id.
pub(crate) fn run_id(what: &str, run: &Bound<'_, PyAny>) -> PyResult<String> {
    match run.cast::<Run>() {
        Ok(run) => Ok(run.get().id().to_owned()),
        Err(_) => text(what, run),
    }
}

/// The parent of a run, and the last step to take over from it.
pub(crate) fn read_parent(parent: &Bound<'_, PyAny>) -> PyResult<(String, Option<i64>)> {
    let id = |run: &Bound<'_, PyAny>| run_id("the parent's id", run);
    let Ok(pair) = parent.cast::<PyTuple>() else { return Ok((id(parent)?, None)) };
    if pair.len() != 2 || !pair.get_item(1)?.is_instance_of::<PyInt>() {
        return Err(PyTypeError::new_err("parent: give a run or its id, or a pair of that and a step"));
    }
    Ok((id(&pair.get_item(0)?)?, Some(pair.get_item(1)?.extract()?)))
}

/// One filter of runs as text, or several that must all match.
pub(crate) fn run_filters(given: &Bound<'_, PyAny>) -> PyResult<Vec<RunFilter>> {
    texts("a filter of runs", given)?.iter().map(|text| RunFilter::parse(text).map_err(raise)).collect()
}
