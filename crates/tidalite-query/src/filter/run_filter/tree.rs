//! A filter as a tree of tests, and how trees combine.

use super::field::RunField;
use crate::filter::compare::Compare;
use crate::filter::series_filter::NameMatcher;
use tidalite_model::Param;

/// Which runs a query takes.
///
/// As text, from the highest precedence to the lowest:
///
/// | text | takes the runs |
/// |---|---|
/// | `params.lr > 1e-3` | for whose field the comparison is true: `=` or `==`, `!=`, `<`, `<=`, `>`, `>=` |
/// | `params.optimizer in ("adam", "sgd")` | whose field equals one of the values |
/// | `id like "resnet-*"` | whose field is text that matches the pattern; see [`NameMatcher`] |
/// | `tags has "baseline"` | that carry the tag |
/// | `has params.lr` | that have the field |
/// | `( … )`, `not …` | |
/// | `… and …` | |
/// | `… or …` | |
///
/// Fields: `id`, `status` (`"running"`, `"finished"`, `"failed"`, `"lost"`), `started` and `ended` (RFC 3339, a date,
/// or an integer of µs since 1970 UTC), `parent` (the parent run's id), `params.NAME`, `params.NAME.NAME` for params
/// within params, `environment.NAME` likewise, and `labels.NAME`. A name with other characters than letters, digits, `_`, `-` and `/` is quoted:
/// `params."learning rate"`.
///
/// Values: numbers, text in `"` or `'`, `true`, `false`, `null`, `nan`, `inf`, `-inf`. In text `\"`, `\'`, `\\`,
/// `\n`, `\r`, `\t` and `\u{1f30a}` stand for one character. Integers and floats compare exactly, texts by their
/// bytes. `nan` equals only `nan` and has no order. Values of different kinds are not equal and have no order.
///
/// **An absent field fails every comparison**, `!=` too. For absent, write `not has params.lr`; for absent or different,
/// `not params.lr = 1`.
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
pub struct RunFilter(pub(super) FilterNode);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum FilterNode {
    /// All of two or more.
    And(Vec<FilterNode>),
    /// Any of two or more.
    Or(Vec<FilterNode>),
    Not(Box<FilterNode>),
    Is(RunField, Compare, Param),
    In(RunField, Vec<Param>),
    Like(RunField, FilterPattern),
    Has(RunField),
    Tag(String),
}

/// A pattern and its compiled form; equal where the texts are.
#[derive(Debug, Clone)]
pub(super) struct FilterPattern {
    pub(super) text: String,
    pub(super) matcher: NameMatcher,
}

impl PartialEq for FilterPattern {
    fn eq(&self, other: &FilterPattern) -> bool {
        self.text == other.text
    }
}

impl RunFilter {
    /// Runs that carry a tag.
    ///
    /// ```
    /// use tidalite_query::RunFilter;
    /// let filter = RunFilter::tag("baseline").or(RunFilter::tag("best")).negated();
    /// assert_eq!(filter.to_string(), r#"not (tags has "baseline" or tags has "best")"#);
    /// ```
    pub fn tag(tag: impl Into<String>) -> RunFilter {
        RunFilter(FilterNode::Tag(tag.into()))
    }

    /// Runs that both filters take.
    #[must_use]
    pub fn and(self, other: RunFilter) -> RunFilter {
        RunFilter(FilterNode::all(vec![self.0, other.0]))
    }

    /// Runs that either filter takes.
    #[must_use]
    pub fn or(self, other: RunFilter) -> RunFilter {
        RunFilter(FilterNode::any(vec![self.0, other.0]))
    }

    /// Runs that this filter does not take.
    #[must_use]
    pub fn negated(self) -> RunFilter {
        RunFilter(self.0.negated())
    }
}

impl FilterNode {
    /// The conjunction of one or more.
    pub(super) fn all(nodes: Vec<FilterNode>) -> FilterNode {
        let flat =
            nodes.into_iter().flat_map(|n| if let FilterNode::And(inner) = n { inner } else { vec![n] });
        let mut flat: Vec<FilterNode> = flat.collect();
        if flat.len() == 1 { flat.remove(0) } else { FilterNode::And(flat) }
    }

    /// The disjunction of one or more.
    pub(super) fn any(nodes: Vec<FilterNode>) -> FilterNode {
        let flat =
            nodes.into_iter().flat_map(|n| if let FilterNode::Or(inner) = n { inner } else { vec![n] });
        let mut flat: Vec<FilterNode> = flat.collect();
        if flat.len() == 1 { flat.remove(0) } else { FilterNode::Or(flat) }
    }

    pub(super) fn negated(self) -> FilterNode {
        match self {
            FilterNode::Not(inner) => *inner,
            other => FilterNode::Not(Box::new(other)),
        }
    }
}
