//! The fields of a run that a filter tests.

/// A field of a run that a filter tests.
///
/// ```
/// use tidalite_query::RunField;
/// let filter = RunField::nested(["model", "depth"]).any_of([8i64, 16])?.and(RunField::Id.like("vit-*")?);
/// assert_eq!(filter.to_string(), r#"params.model.depth in (8, 16) and id like "vit-*""#);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunField {
    /// The id.
    Id,
    /// The status; text.
    Status,
    /// The start, µs since 1970 UTC; absent for a run known by its points alone.
    Started,
    /// The end, µs since 1970 UTC; absent before it.
    Ended,
    /// The name that is shown.
    Name,
    /// The notes.
    Notes,
    /// The group.
    Group,
    /// Why it failed.
    Reason,
    /// The id of the run that it was forked from.
    Parent,
    /// A param by its name, then the names of params within it.
    Param(Vec<String>),
    /// A field of what the run is run with, such as `["git", "commit"]`.
    Environment(Vec<String>),
    /// A label that all participants share.
    Label(String),
}

impl RunField {
    /// A param by its exact name, dots included.
    pub fn param(name: impl Into<String>) -> RunField {
        RunField::Param(vec![name.into()])
    }

    /// A param within params, from the outermost name to the innermost; `["model", "depth"]` is
    /// `params.model.depth`.
    pub fn nested<S: Into<String>>(names: impl IntoIterator<Item = S>) -> RunField {
        RunField::Param(names.into_iter().map(Into::into).collect())
    }
}
