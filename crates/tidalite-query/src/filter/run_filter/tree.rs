//! A filter as a tree of tests, and how trees combine.

use super::field::RunField;
use crate::filter::compare::Compare;
use crate::filter::series_filter::NameMatcher;
use tidalite_model::Param;

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
pub struct RunFilter(pub(super) FilterNode);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum FilterNode {
    /// All of these; two or more.
    And(Vec<FilterNode>),
    /// One of these; two or more.
    Or(Vec<FilterNode>),
    Not(Box<FilterNode>),
    Is(RunField, Compare, Param),
    In(RunField, Vec<Param>),
    Like(RunField, FilterPattern),
    Has(RunField),
    Tag(String),
}

/// A pattern and what it takes; equal where the texts are.
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
    /// All of one or more.
    pub(super) fn all(nodes: Vec<FilterNode>) -> FilterNode {
        let flat =
            nodes.into_iter().flat_map(|n| if let FilterNode::And(inner) = n { inner } else { vec![n] });
        let mut flat: Vec<FilterNode> = flat.collect();
        if flat.len() == 1 { flat.remove(0) } else { FilterNode::And(flat) }
    }

    /// One of one or more.
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
