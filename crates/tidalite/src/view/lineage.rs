//! Forks: which runs inherit the points of which ancestors, and up to which step.
//!
//! A run with a parent and a step inherits the parent's points up to and including that step. It inherits those of each
//! further ancestor up to the least step of the forks in between. A run with a parent and no step inherits nothing.
//! Invariants: no run inherits from itself; each ancestor counts once, so a circle of parents ends where it closes; a
//! chain ends at a parent that has no record.

use crate::files::current_runs::CurrentRuns;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tidalite_model::{Error, Result};
use tidalite_query::NameMatcher;

/// Which inherited points a selection reads: those of the ancestors that a run was forked from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum History {
    /// None: only the run's own points.
    Own,
    /// The ancestors' points up to the step of the fork, except metrics below `system/`: that telemetry is of another
    /// process, and its steps count samples.
    #[default]
    Inherited,
    /// The ancestors' points up to the step of the fork, telemetry included.
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

/// A run that inherits the points of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descendant {
    pub(crate) run: Arc<str>,
    /// Number of forks in between: 1 for a child, 2 for a grandchild.
    pub(crate) generation: u32,
    /// The last step that is inherited.
    pub(crate) until: i64,
}

/// The descendants of each run.
pub(crate) type Descendants = BTreeMap<String, Vec<Descendant>>;

/// The descendants of each run, restricted to those that `wanted` matches.
pub(crate) fn descendants(runs: &CurrentRuns, wanted: &NameMatcher) -> Descendants {
    let fork = |run: &str| {
        let parent = runs.get(run)?.parent()?;
        // Without a step the run inherits nothing.
        Some((parent.run.clone(), parent.step?))
    };
    let mut descendants = Descendants::new();
    for run in runs.forked().into_keys().filter(|run| wanted.is_match(run)) {
        let Some((mut parent, mut until)) = fork(run) else { continue };
        let id: Arc<str> = run.into();
        let mut met = BTreeSet::from([run.to_string()]);
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
    use crate::files::run_table::RunTable;
    use tidalite_model::{Latest, Parent, RunRecord, WriteOrder};

    fn forked(of: &str, step: Option<i64>) -> Arc<RunRecord> {
        let value = Some(Parent { run: of.into(), step });
        let parent = Some(Box::new(Latest { value, order: WriteOrder::default() }));
        Arc::new(RunRecord { parent, ..RunRecord::default() })
    }

    fn shown(runs: &CurrentRuns, of: &str) -> Vec<(String, u32, i64)> {
        let descendants = descendants(runs, &NameMatcher::all());
        let of = descendants.get(of).cloned().unwrap_or_default();
        of.into_iter().map(|h| (h.run.to_string(), h.generation, h.until)).collect()
    }

    #[test]
    fn history_is_inherited_through_generations_up_to_the_least_step() {
        let runs = CurrentRuns::from(RunTable::from([
            ("a".to_string(), Arc::default()),
            ("b".to_string(), forked("a", Some(10))),
            ("c".to_string(), forked("b", Some(20))),
            ("d".to_string(), forked("b", Some(5))),
            ("e".to_string(), forked("a", None)),
            ("f".to_string(), forked("gone", Some(1))),
        ]));
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
        let runs = CurrentRuns::from(RunTable::from([
            ("a".to_string(), forked("b", Some(1))),
            ("b".to_string(), forked("a", Some(2))),
            ("c".to_string(), forked("c", Some(3))),
        ]));
        assert_eq!(shown(&runs, "a"), [("b".to_string(), 1, 2)]);
        assert_eq!(shown(&runs, "b"), [("a".to_string(), 1, 1)]);
        assert_eq!(shown(&runs, "c"), []);
    }
}
