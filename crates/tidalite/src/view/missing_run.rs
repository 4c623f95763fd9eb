//! The error of a run that does not exist: one text for every call that names a run.

use tidalite_model::Error;
use tidalite_query::similar_names;

/// The error names the ids that are similar to the one that is missing.
pub(crate) fn no_such_run<'a>(doing: &str, id: &str, ids: impl Iterator<Item = &'a str>) -> Error {
    let similar: Vec<String> = similar_names(id, ids).iter().map(|id| format!("{id:?}")).collect();
    let similar = match similar.is_empty() {
        true => String::new(),
        false => format!("; similar: {}", similar.join(", ")),
    };
    Error::not_found(doing, format!("there is no run {id:?}{similar}"), "list the runs with `tidalite runs`")
}
