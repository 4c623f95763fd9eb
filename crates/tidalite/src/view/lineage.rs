//! Forks: which runs read which others' history, and how far.
//!
//! A run that was started with a parent and a step takes over the parent's points up to and including that step, and so,
//! by way of the parent, those of the parent's parent up to the lesser of the two steps, and on. Invariants: nobody takes
//! over anything from itself, each ancestor is met once (a circle of parents ends where it closes), and a parent that
//! is not there has nothing to take over.

use crate::files::run_table::RunTable;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tidalite_model::{Error, Result};
use tidalite_query::NameMatcher;

/// Names of telemetry metrics begin with this. Their steps count samples and say nothing about where the run is.
pub(crate) const TELEMETRY: &str = "system/";

/// What a selection reads of the history that a run took over from the runs that it was forked from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum History {
    /// Nothing: only what was written to the run itself.
    Own,
    /// The ancestors' points up to the step of the fork, those of metrics below `system/` aside: telemetry is that of
    /// another process, and its steps count samples.
    #[default]
    Inherited,
    /// These, telemetry included.
    InheritedWithTelemetry,
}

impl History {
    /// All of them.
    pub const ALL: [History; 3] = [History::Own, History::Inherited, History::InheritedWithTelemetry];
}

impl fmt::Display for History {
    /// `own`, `inherited`, or `all`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Inherited => "inherited",
            Self::InheritedWithTelemetry => "all",
        })
    }
}

impl FromStr for History {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|history| history.to_string() == text).ok_or_else(|| {
            Error::invalid(
                "read history",
                format!("{text:?} is not a history"),
                "use `own`, `inherited` or `all`",
            )
        })
    }
}

/// Somebody who takes over a run's points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descendant {
    pub(crate) run: Arc<str>,
    /// How many forks lie between: 1 for a child, 2 for a child's child.
    pub(crate) generation: u32,
    /// The last step that is taken over.
    pub(crate) until: i64,
}

/// The descendants of each run.
pub(crate) type Descendants = BTreeMap<String, Vec<Descendant>>;

/// The descendants, as far as they are wanted themselves.
pub(crate) fn descendants(runs: &RunTable, wanted: &NameMatcher) -> Descendants {
    let fork = |run: &str| {
        let parent = &runs.get(run)?.parent.as_ref()?.value;
        // Without a step nobody said what was taken over.
        Some((parent.run.clone(), parent.step?))
    };
    let mut descendants = Descendants::new();
    for run in runs.keys().filter(|run| wanted.is_match(run)) {
        let Some((mut parent, mut until)) = fork(run) else { continue };
        let id: Arc<str> = run.as_str().into();
        let mut met = BTreeSet::from([run.clone()]);
        let mut generation = 1;
        while met.insert(parent.clone()) {
            descendants.entry(parent.clone()).or_default().push(Descendant {
                run: id.clone(),
                generation,
                until,
            });
            let Some((next, step)) = fork(&parent) else { break };
            (parent, until, generation) = (next, until.min(step), generation + 1);
        }
    }
    descendants
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::{Latest, Parent, RunRecord, Seq};

    fn forked(of: &str, step: Option<i64>) -> RunRecord {
        let value = Parent { run: of.into(), step };
        RunRecord { parent: Some(Latest { value, seq: Seq::new(1, 0) }), ..RunRecord::default() }
    }

    fn shown(runs: &RunTable, of: &str) -> Vec<(String, u32, i64)> {
        let descendants = descendants(runs, &NameMatcher::all());
        let of = descendants.get(of).cloned().unwrap_or_default();
        of.into_iter().map(|h| (h.run.to_string(), h.generation, h.until)).collect()
    }

    #[test]
    fn history_is_taken_over_through_generations_up_to_the_least_step() {
        let runs = RunTable::from([
            ("a".to_string(), RunRecord::default()),
            ("b".to_string(), forked("a", Some(10))),
            ("c".to_string(), forked("b", Some(20))),
            ("d".to_string(), forked("b", Some(5))),
            ("e".to_string(), forked("a", None)),
            ("f".to_string(), forked("gone", Some(1))),
        ]);
        let descendant = |run: &str, generation, until| (run.to_string(), generation, until);
        assert_eq!(
            shown(&runs, "a"),
            [descendant("b", 1, 10), descendant("c", 2, 10), descendant("d", 2, 5)]
        );
        assert_eq!(shown(&runs, "b"), [descendant("c", 1, 20), descendant("d", 1, 5)]);
        assert_eq!(shown(&runs, "gone"), [descendant("f", 1, 1)]);
    }

    #[test]
    fn a_circle_of_parents_ends_where_it_closes() {
        let runs = RunTable::from([
            ("a".to_string(), forked("b", Some(1))),
            ("b".to_string(), forked("a", Some(2))),
            ("c".to_string(), forked("c", Some(3))),
        ]);
        assert_eq!(shown(&runs, "a"), [("b".to_string(), 1, 2)]);
        assert_eq!(shown(&runs, "b"), [("a".to_string(), 1, 1)]);
        assert_eq!(shown(&runs, "c"), []);
    }
}
