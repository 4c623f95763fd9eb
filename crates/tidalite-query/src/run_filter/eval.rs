//! Whether a filter takes a run. Total: there is no run and no filter for which it fails.

use super::{Node, RunField, RunFilter};
use crate::{Compare, whole_to_real};
use std::borrow::Cow;
use std::cmp::Ordering;
use tidalite_model::{Param, Params, RunInfo};

impl RunFilter {
    /// Whether this filter takes a run.
    pub fn matches(&self, run: &RunInfo) -> bool {
        self.0.matches(run)
    }
}

impl Node {
    fn matches(&self, run: &RunInfo) -> bool {
        match self {
            Node::And(nodes) => nodes.iter().all(|n| n.matches(run)),
            Node::Or(nodes) => nodes.iter().any(|n| n.matches(run)),
            Node::Not(node) => !node.matches(run),
            // What is absent compares to nothing, so that `!=` finds runs that chose otherwise, and not those that
            // never chose.
            Node::Is(field, how, value) => field.of(run).is_some_and(|found| compares(*how, &found, value)),
            Node::In(field, values) => {
                field.of(run).is_some_and(|found| values.iter().any(|v| compares(Compare::Equal, &found, v)))
            }
            Node::Like(field, pattern) => match field.of(run).as_deref() {
                Some(Param::Text(text)) => pattern.matcher.is_match(text),
                _ => false,
            },
            Node::Has(field) => field.of(run).is_some(),
            Node::Tag(tag) => run.tags.contains(tag),
        }
    }
}

impl RunField {
    /// What a run has there.
    fn of<'a>(&self, run: &'a RunInfo) -> Option<Cow<'a, Param>> {
        let text = |text: &str| Some(Cow::Owned(Param::Text(text.to_string())));
        let time = |us: Option<i64>| us.map(|us| Cow::Owned(Param::Int(us)));
        match self {
            RunField::Id => text(&run.id),
            RunField::Status => text(run.status.as_str()),
            RunField::Started => time(run.started_us),
            RunField::Ended => time(run.ended_us),
            RunField::Parent => run.parent.as_ref().and_then(|p| text(&p.run)),
            RunField::Param(path) => param_at(&run.params, path).map(Cow::Borrowed),
            RunField::Label(key) => run.labels.get(key).map(|v| Cow::Owned(Param::Text(v))),
        }
    }
}

/// The param at the end of a path of names.
fn param_at<'a>(params: &'a Params, path: &[String]) -> Option<&'a Param> {
    let (first, rest) = path.split_first()?;
    let mut found = params.get(first)?;
    for name in rest {
        let Param::Map(map) = found else { return None };
        found = map.get(name)?;
    }
    Some(found)
}

/// The param that a name stands for: the one of exactly that name; else, where it has dots, the one at the end of the
/// path of names between them.
///
/// ```
/// use std::collections::BTreeMap;
/// use tidalite_model::{Param, Params};
/// let model = Param::Map(BTreeMap::from([("depth".to_string(), Param::Int(8))]));
/// let params = Params::from([("model".to_string(), model), ("a.b".to_string(), Param::Int(1))]);
/// assert_eq!(tidalite_query::param_named(&params, "model.depth"), Some(&Param::Int(8)));
/// assert_eq!(tidalite_query::param_named(&params, "a.b"), Some(&Param::Int(1)));
/// ```
pub fn param_named<'a>(params: &'a Params, name: &str) -> Option<&'a Param> {
    params.get(name).or_else(|| {
        let path: Vec<String> = name.split('.').map(str::to_string).collect();
        param_at(params, &path)
    })
}

fn compares(how: Compare, found: &Param, value: &Param) -> bool {
    match (found, value) {
        // NaN has no order and is, for whoever looks for it, NaN.
        (Param::Float(a), Param::Float(b)) if a.is_nan() && b.is_nan() => how == Compare::Equal,
        _ => how.holds(order(found, value)),
    }
}

fn order(a: &Param, b: &Param) -> Option<Ordering> {
    match (a, b) {
        (Param::Int(a), Param::Int(b)) => Some(a.cmp(b)),
        (Param::Float(a), Param::Float(b)) => a.partial_cmp(b),
        (Param::Int(a), Param::Float(b)) => whole_to_real(*a, *b),
        (Param::Float(a), Param::Int(b)) => whole_to_real(*b, *a).map(Ordering::reverse),
        (Param::Text(a), Param::Text(b)) => Some(a.cmp(b)),
        (Param::Bool(a), Param::Bool(b)) => Some(a.cmp(b)),
        (Param::Null, Param::Null) => Some(Ordering::Equal),
        _ => None,
    }
}
