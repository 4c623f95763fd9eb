//! Which run of this store each run of the other store becomes.
//!
//! Two runs are the same if both stores have seen a write that belongs to both: then one store was copied from the other,
//! or an earlier merge brought the run. The id alone says nothing. Runs that only bulk data or edits made have no start,
//! so their points and fields are compared too.

use super::numbers::Numbers;
use super::options::OnConflict;
use crate::files::current_runs::CurrentRuns;
use crate::files::run_table::RunTable;
use std::collections::{BTreeMap, BTreeSet};
use tidalite_model::{Error, ErrorAdvice, Result, RunRecord, Seq, check_name};

/// Who knows the points of a run: whether one of them was written by a frame that both stores have seen.
pub(super) trait CommonPoints {
    fn there(&self, run: &str) -> Result<bool>;
    fn here(&self, run: &str) -> Result<bool>;
}

/// The id here of each run of the other store.
pub(super) type Targets = BTreeMap<String, String>;

/// How many runs an error names.
const NAMED_MAX: usize = 5;

/// # Errors
/// `Invalid` for runs of one id that are not the same, where they are refused, and for an id that is taken or too long
/// with the suffix; those of reading series tables.
pub(super) fn targets(
    there: &CurrentRuns,
    here: &RunTable,
    numbers: &Numbers,
    points: &dyn CommonPoints,
    on_conflict: &OnConflict,
) -> Result<Targets> {
    let starts: BTreeMap<Seq, &str> = here
        .iter()
        .flat_map(|(id, r)| r.participants.keys().map(move |order| (order.seq, id.as_str())))
        .collect();
    let finder = Finder { here, numbers, points, starts };
    let (mut found, mut refused) = (Targets::new(), Vec::new());
    for (id, record) in there.iter() {
        let target = match (finder.find(id, record)?, on_conflict) {
            (Some(same), _) => same,
            (None, OnConflict::Join) => id.clone(),
            (None, OnConflict::Refuse) => {
                refused.push(id.as_str());
                continue;
            }
            (None, OnConflict::Suffix(suffix)) => finder.renamed((id, record), suffix, there)?,
        };
        found.insert(id.clone(), target);
    }
    if refused.is_empty() { Ok(found) } else { Err(conflict(&refused)) }
}

struct Finder<'a> {
    here: &'a RunTable,
    numbers: &'a Numbers,
    points: &'a dyn CommonPoints,
    /// The runs of this store by the starts of their participants.
    starts: BTreeMap<Seq, &'a str>,
}

impl Finder<'_> {
    /// The run here that is this run of the other store; its own id if there is none of this id. `None` if another run
    /// has the id.
    fn find(&self, id: &str, record: &RunRecord) -> Result<Option<String>> {
        let starts = record.participants.keys().map(|order| self.numbers.seq(order.seq));
        if let Some(same) = starts.filter_map(|seq| self.starts.get(&seq)).next() {
            return Ok(Some((*same).to_string()));
        }
        let Some(held) = self.here.get(id) else { return Ok(Some(id.to_string())) };
        Ok(self.is_same(id, record, id, held)?.then(|| id.to_string()))
    }

    fn is_same(&self, id: &str, there: &RunRecord, id_here: &str, here: &RunRecord) -> Result<bool> {
        let seqs: BTreeSet<Seq> = there.seqs().map(|seq| self.numbers.seq(seq)).collect();
        // A deletion here of what the other store wrote, and a deletion there alone, are about the same run.
        if here.seqs().any(|seq| seqs.contains(&seq))
            || seqs.iter().any(|seq| here.deletes(*seq))
            || there.is_only_deleted()
            || here.is_only_deleted()
        {
            return Ok(true);
        }
        Ok(self.points.here(id_here)? && self.points.there(id)?)
    }

    fn renamed(&self, (id, record): (&str, &RunRecord), suffix: &str, there: &CurrentRuns) -> Result<String> {
        let renamed = format!("{id}{suffix}");
        check_name("run id", &renamed)?;
        let taken = |whose: &str| {
            let what = format!("run {id:?} would become {renamed:?}, which is a different run of {whose}");
            Err(Error::invalid("merge stores", what, "give another suffix"))
        };
        if there.contains_key(&renamed) {
            return taken("the other store");
        }
        match self.here.get(&renamed) {
            Some(held) if !self.is_same(id, record, &renamed, held)? => taken("this store"),
            _ => Ok(renamed),
        }
    }
}

fn conflict(ids: &[&str]) -> Error {
    let named: Vec<String> = ids.iter().take(NAMED_MAX).map(|id| format!("{id:?}")).collect();
    let more = match ids.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let runs = if ids.len() == 1 { "run" } else { "runs" };
    Error::invalid(
        "merge stores",
        format!("both stores have {runs} {}{more}, which they began independently", named.join(", ")),
        "rename those of the other store, or make each pair one run",
    )
    .advising(ErrorAdvice::RenameOrJoin)
}
