//! How a command ends other than well, and the exit code that says so.
//!
//! The codes are a promise to scripts; `--help` and `docs/command.md` list them.

use std::io;
use tidalite::Error;

/// What every command returns.
pub(crate) type CliResult<T = ()> = Result<T, CliError>;

/// Why a command ended.
#[derive(Debug)]
pub(crate) enum CliError {
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

impl CliError {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            CliError::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => 0,
            CliError::Engine(_) | CliError::Other(_) | CliError::Output(_) => 1,
            CliError::Usage(_) => 2,
            CliError::Nothing(_) => 3,
            CliError::Damage => 4,
        }
    }

    /// What to say on standard error; None where all is said.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            CliError::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => None,
            CliError::Output(e) => Some(format!("write answer: {e}")),
            CliError::Engine(e) => Some(e.to_string()),
            CliError::Other(text) | CliError::Usage(text) | CliError::Nothing(text) => Some(text.clone()),
            CliError::Damage => None,
        }
    }
}

impl From<Error> for CliError {
    fn from(e: Error) -> Self {
        CliError::Engine(e)
    }
}

impl From<io::Error> for CliError {
    fn from(e: io::Error) -> Self {
        CliError::Output(e)
    }
}
