//! What a filter may ask of a run.

/// Something known of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunField {
    /// Its id.
    Id,
    /// How it stands; text.
    Status,
    /// When it started, µs since 1970 UTC; absent for a run known by its points alone.
    Started,
    /// When it ended, µs since 1970 UTC; absent while it has not.
    Ended,
    /// The id of the run that it was forked from.
    Parent,
    /// A param by its name, and the names within it.
    Param(Vec<String>),
    /// A label that all who take part share.
    Label(String),
}

impl RunField {
    /// A param by its name, whatever signs are in it.
    pub fn param(name: impl Into<String>) -> RunField {
        RunField::Param(vec![name.into()])
    }

    /// A param within params, from the outermost name to the innermost; `["model", "depth"]` is
    /// `params.model.depth`.
    pub fn nested<S: Into<String>>(names: impl IntoIterator<Item = S>) -> RunField {
        RunField::Param(names.into_iter().map(Into::into).collect())
    }
}
