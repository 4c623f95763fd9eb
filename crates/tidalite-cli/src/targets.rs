//! The runs that a command changes permanently: which they are, what they hold, and whether the user agrees.
//!
//! Invariant: nothing is changed before the runs were listed and the user agreed, at a terminal or by `--yes`.

use crate::args::TargetArgs;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::text::{counted, printable, time_text};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr, stdin};
use tidalite::{ErrorKind, History, OnDamage, Pattern, RunInfo, RunTargets, Snapshot};

/// The most runs that are listed.
const RUNS_SHOWN: usize = 40;

/// A run, and what it holds.
pub(crate) struct TargetRun {
    pub(crate) info: RunInfo,
    pub(crate) series: u64,
    /// Stored points, rewound ones and repeats included.
    pub(crate) points: u64,
}

impl TargetArgs {
    /// The choice of these arguments.
    pub(crate) fn targets(&self) -> RunTargets {
        let ids = self.ids.iter().chain(&self.run);
        let mut what = ids.fold(RunTargets::new(), RunTargets::run);
        for glob in &self.globs {
            what = what.matching(Pattern::glob(glob));
        }
        for filter in &self.filters {
            what = what.where_runs(filter.clone());
        }
        match self.before {
            Some(time_us) => what.ended_before_us(time_us),
            None => what,
        }
    }

    /// The chosen runs and what they hold.
    ///
    /// # Errors
    /// `Nothing` if a given id is of no run, or a glob matches none.
    pub(crate) fn chosen(&self, snapshot: &Snapshot) -> CliResult<Vec<TargetRun>> {
        let known = snapshot.on_damage(OnDamage::Report);
        for glob in &self.globs {
            if known.runs_matching(Pattern::glob(glob))?.is_empty() {
                let all = known.runs()?.len();
                let text = format!("nothing matches: none of the {all} runs matches {}", printable(glob));
                return Err(CliError::Nothing(text));
            }
        }
        let runs = match snapshot.targets(&self.targets()) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(CliError::Nothing(e.to_string())),
            runs => runs?,
        };
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let select = known.select().history(History::Own).include_rewound(true);
        let select = runs.iter().fold(select, |select, run| select.run(&run.id));
        let mut held: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (key, summary) in select.summaries()? {
            let (series, points) = held.entry(key.run.to_string()).or_default();
            (*series, *points) = (*series + 1, *points + summary.count);
        }
        let target = |info: RunInfo| {
            let (series, points) = held.get(&info.id).copied().unwrap_or_default();
            TargetRun { info, series, points }
        };
        Ok(runs.into_iter().map(target).collect())
    }

    /// Lists the runs and asks whether to go on, unless `--yes` says so.
    ///
    /// # Errors
    /// `Usage` if the user does not agree; without a terminal nobody is asked.
    pub(crate) fn confirm(&self, context: &Context, verb: TargetVerb, runs: &[TargetRun]) -> CliResult {
        let (what, list) = (described(runs), listed(runs));
        if self.yes {
            context.note(&format!("{} {what}{list}", verb.now));
            return Ok(());
        }
        if stdin().is_terminal() {
            write!(stderr(), "{} {what}{list}\ngo on? [y/N] ", verb.now)?;
            let mut answer = String::new();
            stdin().read_line(&mut answer)?;
            if matches!(answer.trim(), "y" | "Y" | "yes") {
                return Ok(());
            }
        }
        let was = if runs.len() == 1 { "was" } else { "were" };
        let text = format!("{what} {was} not {}; `--yes` goes on without asking{list}", verb.done);
        Err(CliError::Usage(text))
    }
}

/// What is done to the runs, in words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetVerb {
    pub(crate) now: &'static str,
    pub(crate) done: &'static str,
}

/// The one run, or the number of runs, and what they hold.
pub(crate) fn described(runs: &[TargetRun]) -> String {
    let sum = |of: fn(&TargetRun) -> u64| runs.iter().map(of).sum::<u64>();
    let which = match runs {
        [run] => format!("run {}", printable(&run.info.id)),
        _ => counted(runs.len(), "run"),
    };
    format!("{which} with {} of {} series", counted(sum(|r| r.points), "point"), sum(|r| r.series))
}

/// Several runs, a line each; nothing for a single one.
fn listed(runs: &[TargetRun]) -> String {
    if runs.len() == 1 {
        return String::new();
    }
    let line = |run: &TargetRun| {
        let ended = run.info.ended_us.map_or(String::new(), |t| format!(" {}", time_text(t, true)));
        let (id, status) = (printable(&run.info.id), run.info.status.as_str());
        format!("\n  {id}: {status}{ended}, {} of {} series", counted(run.points, "point"), run.series)
    };
    let mut text: String = runs.iter().take(RUNS_SHOWN).map(line).collect();
    if runs.len() > RUNS_SHOWN {
        text.push_str(&format!("\n  and {} more", runs.len() - RUNS_SHOWN));
    }
    text
}
