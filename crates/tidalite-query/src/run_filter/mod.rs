//! Which runs a selection takes, by what is known of them: params, tags, status, times, labels, parent.
//!
//! A filter is built by functions, here, or read from a text by `parse.rs`; `text.rs` writes it as text again, and
//! `eval.rs` asks it of a run. Invariant: both ways of making one end here, and leave no *and* directly within an
//! *and*, no *or* within an *or*, no *not* within a *not*; so a filter and its text stand for each other.

mod eval;
mod parse;
#[cfg(test)]
mod tests;
mod text;

pub use eval::param_named;

use crate::{Compare, NameMatcher};
use std::str::FromStr;
use tidalite_model::{Error, Param, Result, Status};

/// Which runs are meant.
///
/// As text, from what binds most to what binds least:
///
/// | text | takes the runs |
/// |---|---|
/// | `params.lr > 1e-3` | whose field compares so: `=`, `!=`, `<`, `<=`, `>`, `>=` |
/// | `params.optimizer in ("adam", "sgd")` | whose field equals one of these |
/// | `id like "resnet-*"` | whose field is text that matches a pattern, as for names of runs |
/// | `tags has "baseline"` | that carry the tag |
/// | `has params.lr` | that have the field at all |
/// | `( … )`, `not …` | |
/// | `… and …` | |
/// | `… or …` | |
///
/// Fields: `id`, `status` (`"running"`, `"finished"`, `"failed"`, `"lost"`), `started` and `ended` (RFC 3339, a date,
/// or a whole number of µs since 1970 UTC), `parent` (the parent run's id), `params.NAME`, `params.NAME.NAME` for
/// params within params, and `labels.NAME`. A name of other signs than letters, digits, `_`, `-` and `/` stands in
/// quotes: `params."learning rate"`.
///
/// Values: numbers, text in `"` or `'`, `true`, `false`, `null`, `nan`, `inf`, `-inf`. In text `\"`, `\'`, `\\`, `\n`,
/// `\r`, `\t` and `\u{1f30a}` stand for one sign. Whole numbers and others compare exactly; texts by their bytes; `nan`
/// equals `nan` alone, and has no order. Values of unlike kinds are not equal and have no order.
///
/// **What is absent compares to nothing**: where a run lacks the field, each comparison is false, `!=` too. Ask for
/// absence by `not has params.lr`; for absent or different, by `not params.lr = 1`.
///
/// ```
/// use tidalite_query::{Compare, RunField, RunFilter};
/// let read: RunFilter = r#"params.lr > 1e-3 and not tags has "baseline""#.parse()?;
/// let built = RunField::param("lr").is(Compare::Greater, 1e-3)?.and(RunFilter::tag("baseline").negated());
/// assert_eq!(read, built);
/// assert_eq!(built.to_string().parse::<RunFilter>()?, read);
/// # Ok::<(), tidalite_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RunFilter(Node);

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

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// All of these; two or more.
    And(Vec<Node>),
    /// One of these; two or more.
    Or(Vec<Node>),
    Not(Box<Node>),
    Is(RunField, Compare, Param),
    In(RunField, Vec<Param>),
    Like(RunField, Pattern),
    Has(RunField),
    Tag(String),
}

/// A pattern and what it takes; equal where the texts are.
#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    matcher: NameMatcher,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
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

    /// Runs whose field compares so with a value.
    ///
    /// # Errors
    /// `Invalid` for a value that the field never has: a status that there is none of, an order of statuses, a time
    /// that is neither text of one nor a whole number, a list or a map; a path of no names.
    pub fn is(self, compare: Compare, value: impl Into<Param>) -> Result<RunFilter> {
        let value = self.checked(compare.is_order(), value.into()).map_err(wrong)?;
        Ok(RunFilter(Node::Is(self, compare, value)))
    }

    /// Runs whose field equals one of these values; none where there are none.
    ///
    /// # Errors
    /// As [`is`](Self::is).
    pub fn any_of<V: Into<Param>>(self, values: impl IntoIterator<Item = V>) -> Result<RunFilter> {
        let checked = values.into_iter().map(|v| self.checked(false, v.into()));
        let values = checked.collect::<Result<_, _>>().map_err(wrong)?;
        Ok(RunFilter(Node::In(self, values)))
    }

    /// Runs whose field is text that matches a pattern; see [`NameMatcher`].
    ///
    /// # Errors
    /// `Invalid` for a wrong pattern, and for a field that is a time.
    pub fn like(self, pattern: impl Into<String>) -> Result<RunFilter> {
        self.check_like().map_err(wrong)?;
        let text = pattern.into();
        let matcher = NameMatcher::new(&[&text])?;
        Ok(RunFilter(Node::Like(self, Pattern { text, matcher })))
    }

    /// Runs that have the field.
    pub fn exists(self) -> RunFilter {
        RunFilter(Node::Has(self))
    }

    /// The value as it is kept, or what is wrong with it.
    fn checked(&self, order: bool, value: Param) -> Result<Param, String> {
        if matches!(value, Param::List(_) | Param::Map(_)) {
            return Err("a list or a map cannot be compared with".into());
        }
        match (self, value) {
            (RunField::Param(path), _) if path.is_empty() => Err("a param has a name".into()),
            (RunField::Param(_), value) => Ok(value),
            (RunField::Status, _) if order => Err("a status has no order; use = or !=".into()),
            (RunField::Status, Param::Text(word)) if Status::parse(&word).is_some() => Ok(Param::Text(word)),
            (RunField::Status, value) => {
                let words = "\"running\", \"finished\", \"failed\" or \"lost\"";
                Err(format!("{} is no status, which is {words}", text::shown(&value)))
            }
            (RunField::Started | RunField::Ended, Param::Int(us)) => Ok(Param::Int(us)),
            (RunField::Started | RunField::Ended, value) => {
                let time = if let Param::Text(text) = &value { crate::parse_time(text) } else { None };
                let wrong = "is no time, which is a text such as \"2026-11-01\" or \"2026-11-01T12:00:00Z\", or a \
                             whole number of µs since 1970 UTC";
                time.map(Param::Int).ok_or_else(|| format!("{} {wrong}", text::shown(&value)))
            }
            (_, Param::Text(text)) => Ok(Param::Text(text)),
            (field, value) => {
                Err(format!("`{}` is text, and {} is none", text::field(field), text::shown(&value)))
            }
        }
    }

    fn check_like(&self) -> Result<(), String> {
        match self {
            RunField::Started | RunField::Ended => Err("a time is no text to match a pattern with".into()),
            _ => Ok(()),
        }
    }
}

impl RunFilter {
    /// Reads a filter from its text.
    ///
    /// # Errors
    /// `Invalid`; the message says at which column, counted from 1, what stands there, and what was expected.
    ///
    /// ```
    /// let wrong = tidalite_query::RunFilter::parse("params.lr > ").unwrap_err().to_string();
    /// assert!(wrong.contains("column 13"), "{wrong}");
    /// ```
    pub fn parse(text: &str) -> Result<RunFilter> {
        parse::parse(text)
    }

    /// Runs that carry a tag.
    pub fn tag(tag: impl Into<String>) -> RunFilter {
        RunFilter(Node::Tag(tag.into()))
    }

    /// Runs that both filters take.
    #[must_use]
    pub fn and(self, other: RunFilter) -> RunFilter {
        RunFilter(Node::all(vec![self.0, other.0]))
    }

    /// Runs that either filter takes.
    #[must_use]
    pub fn or(self, other: RunFilter) -> RunFilter {
        RunFilter(Node::any(vec![self.0, other.0]))
    }

    /// Runs that this filter does not take.
    #[must_use]
    pub fn negated(self) -> RunFilter {
        RunFilter(self.0.negated())
    }
}

impl Node {
    /// All of one or more.
    fn all(nodes: Vec<Node>) -> Node {
        let flat = nodes.into_iter().flat_map(|n| if let Node::And(inner) = n { inner } else { vec![n] });
        let mut flat: Vec<Node> = flat.collect();
        if flat.len() == 1 { flat.remove(0) } else { Node::And(flat) }
    }

    /// One of one or more.
    fn any(nodes: Vec<Node>) -> Node {
        let flat = nodes.into_iter().flat_map(|n| if let Node::Or(inner) = n { inner } else { vec![n] });
        let mut flat: Vec<Node> = flat.collect();
        if flat.len() == 1 { flat.remove(0) } else { Node::Or(flat) }
    }

    fn negated(self) -> Node {
        match self {
            Node::Not(inner) => *inner,
            other => Node::Not(Box::new(other)),
        }
    }
}

impl FromStr for RunFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        RunFilter::parse(text)
    }
}

fn wrong(what: String) -> Error {
    Error::invalid("filter runs", what, "see the fields and values of filters in the documentation")
}
