//! How a command ends other than well, and the exit code that says so.
//!
//! The codes are a promise to scripts; `--help` and `docs/command.md` list them.

use std::io;
use tidalite::Error;

/// What every command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The store or the engine said so. Exit code 1.
    Engine(Error),
    /// Something around the store failed. Exit code 1.
    Other(String),
    /// Flags that do not go together. Exit code 2, as for those that clap refuses.
    Usage(String),
    /// Nothing in the store matches. Exit code 3; the text says what there is.
    Nothing(String),
    /// Damage was found, and said. Exit code 4.
    Damage,
    /// The answer could not be written. Exit code 1, but 0 where the reader of a pipe went away: it has what it wanted.
    Output(io::Error),
}

impl Failure {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => 0,
            Failure::Engine(_) | Failure::Other(_) | Failure::Output(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Nothing(_) => 3,
            Failure::Damage => 4,
        }
    }

    /// What to say on standard error; None where all is said.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Failure::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => None,
            Failure::Output(e) => Some(format!("write answer: {e}")),
            Failure::Engine(e) => Some(e.to_string()),
            Failure::Other(text) | Failure::Usage(text) | Failure::Nothing(text) => Some(text.clone()),
            Failure::Damage => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Engine(e)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Failure::Output(e)
    }
}
