//! What a name has to be: a name, a glob, a regular expression, or a text that the store decides about.
//!
//! Invariant: each form but the text means the same over every store. What a text means follows from it and from the
//! names that exist, and from nothing else.

use super::glob::Glob;

/// Which names are meant.
///
/// A text, as `From` makes it, is the name itself where something bears exactly this name, and a glob otherwise. So
/// `layers[0]/norm` selects that metric once it exists, and never `layers0/norm` beside it.
///
/// ```
/// use tidalite_query::Pattern;
/// assert_eq!(Pattern::from("val/*"), Pattern::Text("val/*".to_string()));
/// assert_eq!(Pattern::glob("val/*").to_string(), "val/*");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The name where it exists, otherwise a glob.
    Text(String),
    /// This name. No character has a special meaning.
    Exact(String),
    /// A glob over the whole name: `*` stands for any characters (`/` too), `?` for one character, `[a-c]` and
    /// `[!a-c]` for one of a class or one outside it, `{a,b}` for one of several patterns; `\` makes the next
    /// character stand for itself.
    Glob(String),
    /// A [regular expression](https://docs.rs/regex/latest/regex/#syntax) that matches anywhere in the name; `^` and
    /// `$` anchor it.
    Regex(String),
}

impl Pattern {
    /// This name, whatever characters it holds.
    pub fn exact(name: impl Into<String>) -> Self {
        Pattern::Exact(name.into())
    }

    /// A glob, also where something bears exactly this text as its name.
    pub fn glob(glob: impl Into<String>) -> Self {
        Pattern::Glob(glob.into())
    }

    /// A regular expression.
    pub fn regex(regex: impl Into<String>) -> Self {
        Pattern::Regex(regex.into())
    }

    /// Whether it is a text that only a name can be, since it is malformed as a glob.
    pub fn is_text_but_no_glob(&self) -> bool {
        matches!(self, Pattern::Text(text) if Glob::parse(text).is_err())
    }
}

impl<T: Into<String>> From<T> for Pattern {
    fn from(text: T) -> Self {
        Pattern::Text(text.into())
    }
}

impl std::fmt::Display for Pattern {
    /// The text of the name, glob or expression.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Pattern::Text(text) | Pattern::Exact(text) | Pattern::Glob(text) | Pattern::Regex(text)) = self;
        f.write_str(text)
    }
}
