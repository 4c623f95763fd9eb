//! The errors of a command and their exit codes.
//!
//! Scripts rely on the codes. `--help` and `docs/command.md` list them.

use std::io;
use tidalite::{Error, ErrorAdvice, ErrorKind, Finding};

/// The most damaged places that a message lists.
const PLACES_SHOWN: usize = 32;

/// The exit code of a process that Ctrl-C ended, as shells count it.
const INTERRUPTED: u8 = 130;

/// The result of a command.
pub(crate) type CliResult<T = ()> = Result<T, CliError>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CliError {
    /// An error of the engine. Exit code 1, but 130 if Ctrl-C ended the work.
    Engine(Error),
    /// An error outside the engine. Exit code 1.
    Other(String),
    /// Wrong usage that clap does not detect. Exit code 2, like the errors of clap.
    Usage(String),
    /// Nothing in the store matches. Exit code 3; the text names what exists.
    Nothing(String),
    /// `verify` found damage, or `salvage` found something missing, and has listed it. Exit code 4.
    Damage,
    /// The answer was printed, and lacks what these places held, which cannot be read. Exit code 4.
    Incomplete(Vec<Finding>),
    /// Ctrl-C ended an answer that would go on. Exit code 130.
    Interrupted,
    /// The answer could not be written. Exit code 1, but 0 for a closed pipe: the reader has all that it needs.
    Output(io::Error),
}

impl CliError {
    /// The exit code of wrong usage, that of clap's errors.
    pub(crate) const USAGE: u8 = 2;

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            CliError::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => 0,
            CliError::Engine(e) if e.kind() == ErrorKind::Cancelled => INTERRUPTED,
            CliError::Engine(_) | CliError::Other(_) | CliError::Output(_) => 1,
            CliError::Usage(_) => CliError::USAGE,
            CliError::Nothing(_) => 3,
            CliError::Damage | CliError::Incomplete(_) => 4,
            CliError::Interrupted => INTERRUPTED,
        }
    }

    /// The message for standard error; None if there is nothing left to report.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            CliError::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => None,
            CliError::Output(e) => Some(format!("write answer: {e}")),
            CliError::Engine(e) => Some(format!("{e}{}", flags(e.advice()))),
            CliError::Other(text) | CliError::Usage(text) | CliError::Nothing(text) => Some(text.clone()),
            CliError::Damage | CliError::Interrupted => None,
            CliError::Incomplete(places) => {
                let mut text = "the answer is incomplete: these places could not be read:".to_owned();
                places.iter().take(PLACES_SHOWN).for_each(|place| text.push_str(&format!("\n  {place}")));
                if places.len() > PLACES_SHOWN {
                    text.push_str(&format!("\n  and {} more", places.len() - PLACES_SHOWN));
                }
                Some(text)
            }
        }
    }
}

/// The flags for what an error advises.
fn flags(advice: Option<ErrorAdvice>) -> &'static str {
    match advice {
        Some(ErrorAdvice::RenameOrJoin) => " (--rename SUFFIX, or --join)",
        Some(ErrorAdvice::ReportDamage) => " (--on-damage report)",
        Some(ErrorAdvice::AllowMemory) => " (--memory SIZE)",
        _ => "",
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
