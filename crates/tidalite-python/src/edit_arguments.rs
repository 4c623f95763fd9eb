//! The fields of `Store.edit`: one that is not given keeps its value, one that is given as
//! `None` is cleared.

use crate::arguments::params;
use crate::arguments::time::to_us;
use crate::errors::invalid;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tidalite::{RunEditor, Status};

const FIELDS: &str =
    "params, remove_params, add_tags, remove_tags, name, notes, group, status, started, ended";

/// The editor with these fields.
pub(crate) fn edited(mut editor: RunEditor, fields: &Bound<'_, PyDict>) -> PyResult<RunEditor> {
    for (field, given) in fields.iter() {
        let field = field.cast::<PyString>()?.to_string();
        editor = match field.as_str() {
            "params" if given.is_none() => editor,
            "params" => {
                let (params, removed) = params::edited_params(&given)?;
                removed.into_iter().fold(editor.params(params), RunEditor::remove_param)
            }
            "remove_params" => {
                each("a param's name", &given)?.into_iter().fold(editor, RunEditor::remove_param)
            }
            "add_tags" => each("a tag", &given)?.into_iter().fold(editor, RunEditor::tag),
            "remove_tags" => each("a tag", &given)?.into_iter().fold(editor, RunEditor::remove_tag),
            "name" => editor.name(text("the name", &given)?.as_deref()),
            "notes" => editor.notes(text("notes", &given)?.as_deref()),
            "group" => editor.group(text("the group", &given)?.as_deref()),
            "status" => editor.status(text("the status", &given)?.map(|word| status(&word)).transpose()?),
            "started" => editor.started_us(time(&given)?),
            "ended" => editor.ended_us(time(&given)?),
            other => {
                return Err(PyTypeError::new_err(format!(
                    "edit: there is no argument {other}; give {FIELDS}"
                )));
            }
        };
    }
    Ok(editor)
}

fn each(what: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if given.is_none() { Ok(Vec::new()) } else { params::texts(what, given) }
}

fn text(what: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if given.is_none() { Ok(None) } else { params::text(what, given).map(Some) }
}

fn time(given: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if given.is_none() { Ok(None) } else { to_us(given).map(Some) }
}

fn status(word: &str) -> PyResult<Status> {
    Status::parse(word).ok_or_else(|| {
        let words: Vec<&str> = Status::ALL.iter().map(|s| s.as_str()).collect();
        invalid("edit run", format!("{word:?} is not a status"), &format!("give one of {}", words.join(", ")))
    })
}
