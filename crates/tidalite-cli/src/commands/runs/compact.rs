//! The table of runs for people: what tells the runs apart, as far as it fits the terminal.
//!
//! Params have a column each, and those in which all runs agree are left out. Columns that are too many for the width are left out
//! from the right.

use crate::output::AnswerColumns;
use crate::text::{number, time_span, time_text};
use arrow::array::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use tidalite::{Param, RunInfo, RunTotals};
use unicode_width::UnicodeWidthStr;

/// The most characters of a cell.
const CELL_MAX: usize = 32;

/// The headings that are not names of params.
const FIELDS: [&str; 13] = [
    "run",
    "status",
    "points",
    "last_step",
    "started",
    "name",
    "group",
    "took",
    "tags",
    "labels",
    "reason",
    "commit",
    "notes",
];

/// One column: its heading, and a cell per run, which may be empty.
struct CompactColumn {
    heading: String,
    cells: Vec<Option<String>>,
}

/// The table for so many characters, and the headings of the columns that do not fit.
pub(super) fn compact(
    runs: &[RunInfo],
    held: &BTreeMap<String, RunTotals>,
    width: Option<usize>,
) -> (RecordBatch, Vec<String>) {
    let nothing = RunTotals::default();
    let of = |r: &RunInfo| *held.get(&r.id).unwrap_or(&nothing);
    let mut room = width.unwrap_or(usize::MAX);
    let mut table = AnswerColumns::default();
    let mut left_out = Vec::new();
    for (i, column) in columns(runs, held).into_iter().enumerate() {
        let width = column.width() + if i == 0 { 0 } else { 2 };
        // The id is shown in any case.
        if i > 0 && width > room {
            left_out.push(column.heading);
            continue;
        }
        room = room.saturating_sub(width);
        table = match &column.heading[..] {
            "points" => table.count("points", runs.iter().map(|r| of(r).points)),
            "last_step" => table.int("last_step", runs.iter().map(|r| of(r).last_step)),
            heading => table.text(heading, column.cells),
        };
    }
    (table.finish(), left_out)
}

/// All columns, in the order in which they are kept where there is no room for all.
fn columns(runs: &[RunInfo], held: &BTreeMap<String, RunTotals>) -> Vec<CompactColumn> {
    let nothing = RunTotals::default();
    let of = |r: &RunInfo| *held.get(&r.id).unwrap_or(&nothing);
    let column = |heading: &str, cell: &dyn Fn(&RunInfo) -> Option<String>| CompactColumn {
        heading: heading.to_string(),
        cells: runs.iter().map(cell).map(|cell| cell.map(|text| cut(&text))).collect(),
    };
    let took = |r: &RunInfo| {
        let until = r.ended_us.or(of(r).last_time_us)?;
        r.started_us.map(|from| time_span(until.saturating_sub(from) as f64 / 1e6))
    };
    let always = vec![
        CompactColumn { heading: "run".into(), cells: runs.iter().map(|r| Some(r.id.clone())).collect() },
        column("status", &|r| Some(r.status.as_str().to_string())),
        column("points", &|r| Some(of(r).points.to_string())),
        column("last_step", &|r| of(r).last_step.map(|step| step.to_string())),
        column("started", &|r| {
            r.started_us.map(|us| time_text(us, true).chars().take("2026-11-28 12:00".len()).collect())
        }),
    ];
    let heading =
        |name: &str| if FIELDS.contains(&name) { format!("params.{name}") } else { name.to_string() };
    let params: BTreeSet<&String> = runs.iter().flat_map(|r| r.params.keys()).collect();
    let of_param = |name: &String| column(&heading(name), &|r| r.params.get(name).and_then(param_text));
    let (telling, lacking): (Vec<_>, Vec<_>) =
        params.into_iter().map(of_param).partition(CompactColumn::has_two_values);
    let tags =
        |r: &RunInfo| Some(r.tags.iter().cloned().collect::<Vec<_>>().join(", ")).filter(|t| !t.is_empty());
    let others = [column("name", &|r| r.name.clone())].into_iter().chain(telling);
    let others = others.chain([
        column("group", &|r| r.group.clone()),
        column("took", &took),
        column("reason", &|r| r.reason.clone()),
        column("tags", &tags),
        column("labels", &|r| Some(r.labels.to_string()).filter(|t| !t.is_empty())),
        column("commit", &commit),
        column("notes", &|r| r.notes.clone()),
    ]);
    // Last the params that some runs lack and all others have alike.
    always.into_iter().chain(others.chain(lacking).filter(CompactColumn::tells_apart)).collect()
}

impl CompactColumn {
    /// Whether two runs that have a value have different ones.
    fn has_two_values(&self) -> bool {
        let mut values = self.cells.iter().flatten();
        values.next().is_some_and(|first| values.any(|value| value != first))
    }

    /// Whether runs differ in it; a single run is told by all that it has.
    fn tells_apart(&self) -> bool {
        match &self.cells[..] {
            [] => false,
            [one] => one.is_some(),
            [first, rest @ ..] => rest.iter().any(|cell| cell != first),
        }
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.as_deref().unwrap_or("–").width());
        cells.max().unwrap_or(0).max(self.heading.width())
    }
}

/// The first digits of a commit, which are enough to tell it.
const COMMIT_DIGITS: usize = 8;

/// The beginning of the commit that the run's last start was run with.
fn commit(run: &RunInfo) -> Option<String> {
    let Param::Map(git) = run.environment.get("git")? else { return None };
    let Param::Text(commit) = git.get("commit")? else { return None };
    Some(commit.chars().take(COMMIT_DIGITS).collect())
}

fn param_text(param: &Param) -> Option<String> {
    match param {
        Param::Null => None,
        Param::Text(text) => Some(text.clone()),
        Param::Float(x) => Some(number(*x)),
        other => Some(other.to_string()),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL_MAX {
        return text.to_string();
    }
    text.chars().take(CELL_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite::Store;

    fn headings(batch: &RecordBatch) -> Vec<String> {
        batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    #[test]
    fn what_tells_runs_apart_is_shown_as_far_as_it_fits() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("m")).unwrap();
        for lr in [0.1, 0.012_345_678_9] {
            let run = store
                .run(format!("lr-{lr:.2}"))
                .param("lr", lr)
                .param("seed", 1)
                .param("points", lr)
                .tag("sweep");
            run.start().unwrap().log(0, &[("loss", lr)]).unwrap();
        }
        let (runs, held) = (store.runs().unwrap(), store.select().run_totals().unwrap());
        let (all, left_out) = compact(&runs, &held, None);
        assert!(headings(&all).contains(&"lr".to_string()) && left_out.is_empty());
        assert!(headings(&all).contains(&"params.points".to_string()), "a field has that name");
        assert!(!headings(&all).contains(&"seed".to_string()), "all runs have one seed");
        assert!(!headings(&all).contains(&"tags".to_string()));
        let (narrow, left_out) = compact(&runs, &held, Some(30));
        assert_eq!(headings(&narrow), ["run", "status", "points"]);
        assert!(left_out.contains(&"lr".to_string()), "{left_out:?}");
        // One run is shown with all that it has.
        let (one, _) = compact(&runs[..1], &held, None);
        assert!(headings(&one).contains(&"seed".to_string()) && headings(&one).contains(&"tags".to_string()));
        let (none, left_out) = compact(&[], &held, Some(10));
        assert_eq!((none.num_rows(), left_out.is_empty()), (0, false));
    }
}
