//! Whether a filter takes a run. Every filter decides every run; none fails.

use super::field::RunField;
use super::param::param_at;
use super::tree::{FilterNode, RunFilter};
use crate::filter::compare::{Compare, compare_int_float};
use std::borrow::Cow;
use std::cmp::Ordering;
use tidalite_model::{Param, RunInfo};

impl RunFilter {
    /// Whether this filter takes a run.
    ///
    /// ```
    /// use tidalite_model::{RunInfo, RunRecord};
    /// use tidalite_query::RunFilter;
    /// let run: RunInfo = RunRecord::default().info("vit-1", |_| true);
    /// assert!(RunFilter::parse("id like 'vit-*'")?.matches(&run));
    /// assert!(!RunFilter::parse("has params.lr")?.matches(&run));
    /// # Ok::<(), tidalite_model::Error>(())
    /// ```
    pub fn matches(&self, run: &RunInfo) -> bool {
        self.0.matches(run)
    }
}

impl FilterNode {
    fn matches(&self, run: &RunInfo) -> bool {
        match self {
            FilterNode::And(nodes) => nodes.iter().all(|n| n.matches(run)),
            FilterNode::Or(nodes) => nodes.iter().any(|n| n.matches(run)),
            FilterNode::Not(node) => !node.matches(run),
            // An absent field fails every comparison, so `!=` finds runs with another value, and not those without
            // one.
            FilterNode::Is(field, how, value) => {
                field.of(run).is_some_and(|found| compares(*how, &found, value))
            }
            FilterNode::In(field, values) => {
                field.of(run).is_some_and(|found| values.iter().any(|v| compares(Compare::Equal, &found, v)))
            }
            FilterNode::Like(field, pattern) => match field.of(run).as_deref() {
                Some(Param::Text(text)) => pattern.matcher.is_match(text),
                _ => false,
            },
            FilterNode::Has(field) => field.of(run).is_some(),
            FilterNode::Tag(tag) => run.tags.contains(tag),
        }
    }
}

impl RunField {
    /// The value of the field of a run.
    pub(crate) fn of<'a>(&self, run: &'a RunInfo) -> Option<Cow<'a, Param>> {
        let text = |text: &str| Some(Cow::Owned(Param::Text(text.to_string())));
        let time = |us: Option<i64>| us.map(|us| Cow::Owned(Param::Int(us)));
        match self {
            RunField::Id => text(&run.id),
            RunField::Status => text(run.status.as_str()),
            RunField::Started => time(run.started_us),
            RunField::Ended => time(run.ended_us),
            RunField::Name => run.name.as_deref().and_then(text),
            RunField::Notes => run.notes.as_deref().and_then(text),
            RunField::Group => run.group.as_deref().and_then(text),
            RunField::Reason => run.reason.as_deref().and_then(text),
            RunField::Parent => run.parent.as_ref().and_then(|p| text(&p.run)),
            RunField::Param(path) => param_at(&run.params, path).map(Cow::Borrowed),
            RunField::Environment(path) => param_at(&run.environment, path).map(Cow::Borrowed),
            RunField::Label(key) => run.labels.get(key).map(|v| Cow::Owned(Param::Text(v))),
        }
    }
}

fn compares(how: Compare, found: &Param, value: &Param) -> bool {
    match (found, value) {
        // NaN has no order, but a search for NaN finds it.
        (Param::Float(a), Param::Float(b)) if a.is_nan() && b.is_nan() => how == Compare::Equal,
        _ => how.holds(order(found, value)),
    }
}

fn order(a: &Param, b: &Param) -> Option<Ordering> {
    match (a, b) {
        (Param::Int(a), Param::Int(b)) => Some(a.cmp(b)),
        (Param::Float(a), Param::Float(b)) => a.partial_cmp(b),
        (Param::Int(a), Param::Float(b)) => compare_int_float(*a, *b),
        (Param::Float(a), Param::Int(b)) => compare_int_float(*b, *a).map(Ordering::reverse),
        (Param::Text(a), Param::Text(b)) => Some(a.cmp(b)),
        (Param::Bool(a), Param::Bool(b)) => Some(a.cmp(b)),
        (Param::Null, Param::Null) => Some(Ordering::Equal),
        _ => None,
    }
}
