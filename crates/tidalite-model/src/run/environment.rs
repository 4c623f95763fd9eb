//! The environment of a run as its record holds it.

use crate::Params;
use std::fmt;
use std::sync::Arc;

/// What a run is run with: code, machine, versions. A record that comes from a file has the text, which is read when the
/// environment is asked for: few answers need it, a store may have many runs, and text takes less memory.
///
/// ```
/// use tidalite_model::{Environment, Params};
/// let params = Params::from([("os".to_string(), "linux".into())]);
/// let read = |text: &str| Params::from([("os".to_string(), text.into())]);
/// assert_eq!(Environment::unread("linux".into(), read), Environment::from(params.clone()));
/// assert_eq!(Environment::from(params.clone()).params(), params);
/// ```
#[derive(Clone)]
pub struct Environment(Held);

#[derive(Clone)]
enum Held {
    Read(Arc<Params>),
    Unread { text: Arc<str>, read: fn(&str) -> Params },
}

impl Environment {
    /// An environment that `read` gives of a text.
    pub fn unread(text: Arc<str>, read: fn(&str) -> Params) -> Environment {
        Environment(Held::Unread { text, read })
    }

    /// The fields.
    pub fn params(&self) -> Params {
        match &self.0 {
            Held::Read(params) => (**params).clone(),
            Held::Unread { text, read } => read(text),
        }
    }

    /// The text of which it is read, if it is.
    pub fn text(&self) -> Option<&str> {
        match &self.0 {
            Held::Read(_) => None,
            Held::Unread { text, .. } => Some(text),
        }
    }
}

impl From<Params> for Environment {
    fn from(params: Params) -> Environment {
        Environment(Held::Read(Arc::new(params)))
    }
}

impl PartialEq for Environment {
    fn eq(&self, other: &Environment) -> bool {
        match (&self.0, &other.0) {
            (Held::Unread { text: a, .. }, Held::Unread { text: b, .. }) if a == b => true,
            _ => self.params() == other.params(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.params().fmt(f)
    }
}
