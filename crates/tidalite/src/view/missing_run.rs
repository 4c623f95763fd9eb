//! The error of a run that does not exist: one text for every call that names a run.

use tidalite_model::Error;
use tidalite_query::similar_names;

/// The error names the ids that are similar to the one that is missing.
pub(crate) fn no_such_run<'a>(doing: &str, id: &str, ids: impl Iterator<Item = &'a str>) -> Error {
    // A generated id is like another one only if that is generated too.
    let ids = ids.filter(|other| is_generated(id) || !is_generated(other));
    let similar: Vec<String> = similar_names(id, ids).iter().map(|id| format!("{id:?}")).collect();
    let similar = match similar.is_empty() {
        true => String::new(),
        false => format!("; similar: {}", similar.join(", ")),
    };
    Error::not_found(doing, format!("there is no run {id:?}{similar}"), "list the runs with `tidalite runs`")
}

/// Whether an id is one that the store gives to a run without a name: `run-` and the 32 digits of a uuid.
fn is_generated(id: &str) -> bool {
    let digits = id.strip_prefix("run-").filter(|digits| digits.len() == 32);
    digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_are_like_no_name() {
        let ids = [
            "run-0198c0de0198c0de0198c0de0198c0de",
            "run-0198c0de0198c0de0198c0de0198c0df",
            "runner-1",
            "north",
        ];
        let said = |id: &str| no_such_run("look up run", id, ids.into_iter()).to_string();
        assert!(!said("n").contains("similar"), "{}", said("n"));
        assert!(said("runner").contains("similar: \"runner-1\";"), "{}", said("runner"));
        assert!(said("run").contains("similar: \"runner-1\";"), "{}", said("run"));
        let near = said("run-0198c0de0198c0de0198c0de0198c0d0");
        assert!(near.contains(ids[0]) && near.contains(ids[1]), "{near}");
    }
}
