//! Why an operation did not go through.

use crate::difference::unexpected;
use tidalite::Error;

/// Why an operation did not go through.
#[derive(Debug)]
pub enum MachineFault {
    /// The engine said so.
    Engine(Error),
    /// Something is not what the oracle says.
    Wrong(String),
}

impl From<Error> for MachineFault {
    fn from(e: Error) -> Self {
        MachineFault::Engine(e)
    }
}

impl MachineFault {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            MachineFault::Engine(e) => unexpected(e),
            MachineFault::Wrong(what) => what.clone(),
        }
    }
}
