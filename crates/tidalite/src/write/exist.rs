//! Whether a run that is started must be new, or must exist.

use crate::engine::state::StoreState;
use crate::view::records::RunRecords;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tidalite_model::{Error, Result};

/// Whether a run that is started must be new, or must exist.
///
/// ```
/// use tidalite::Exist;
/// assert_eq!("new".parse::<Exist>()?, Exist::New);
/// assert_eq!(Exist::default().to_string(), "any");
/// # Ok::<(), tidalite::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Exist {
    /// It is joined if it exists, and begun otherwise.
    #[default]
    Any,
    /// It must not exist.
    New,
    /// It must exist.
    Must,
}

impl Exist {
    /// All of them.
    pub const ALL: [Exist; 3] = [Exist::Any, Exist::New, Exist::Must];

    /// # Errors
    /// `Invalid` if the run exists and must not; `NotFound` if it does not exist and must.
    pub(super) fn check(self, state: &Arc<StoreState>, records: &RunRecords, id: &str) -> Result<()> {
        match self {
            Exist::New if records.has(state, id)? => Err(taken(id)),
            Exist::Must => records.must_have(state, id, "start run"),
            _ => Ok(()),
        }
    }
}

/// The error of a run that exists and must not.
pub(super) fn taken(id: &str) -> Error {
    Error::invalid(
        "start run",
        format!("there is already a run {id:?}"),
        "give another id, or start it with `exist` \"any\" to go on with it",
    )
}

impl fmt::Display for Exist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exist::Any => "any",
            Exist::New => "new",
            Exist::Must => "must",
        })
    }
}

impl FromStr for Exist {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|exist| exist.to_string() == word).ok_or_else(|| {
            Error::invalid(
                "read `exist`",
                format!("{word:?} does not say whether the run must exist"),
                "use `any`, `new` or `must`",
            )
        })
    }
}
