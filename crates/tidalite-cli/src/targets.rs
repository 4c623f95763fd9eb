//! The runs that a command changes permanently: which they are, what they hold, and whether the user agrees.
//!
//! Invariant: nothing is changed before the runs were listed and the user agreed, at a terminal or by `--yes`.

use crate::args::TargetArgs;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::text::{printable, time_text};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr, stdin};
use tidalite::{ErrorKind, History, Pattern, RunInfo, RunTargets, Snapshot};

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
        for glob in &self.globs {
            if snapshot.runs_matching(Pattern::glob(glob))?.is_empty() {
                let all = snapshot.runs().len();
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
        let select = snapshot.select().history(History::Own).include_rewound(true);
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
        let what = described(runs);
        if self.yes {
            context.note(&format!("{} {what}", verb.now));
            return Ok(());
        }
        if stdin().is_terminal() {
            write!(stderr(), "{} {what}\ngo on? [y/N] ", verb.now)?;
            let mut answer = String::new();
            stdin().read_line(&mut answer)?;
            if matches!(answer.trim(), "y" | "Y" | "yes") {
                return Ok(());
            }
        }
        let was = if runs.len() == 1 { "was" } else { "were" };
        let (first, list) = what.split_once(':').map_or((what.as_str(), ""), |(first, list)| (first, list));
        let end = if list.is_empty() { "" } else { ":" };
        let text = format!("{first} {was} not {}; `--yes` goes on without asking{end}{list}", verb.done);
        Err(CliError::Usage(text))
    }
}

/// What is done to the runs, in words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetVerb {
    pub(crate) now: &'static str,
    pub(crate) done: &'static str,
}

/// One run in a line, or several with their sum first.
pub(crate) fn described(runs: &[TargetRun]) -> String {
    if let [run] = runs {
        return format!(
            "run {} with {} points of {} series",
            printable(&run.info.id),
            run.points,
            run.series
        );
    }
    let sum = |of: fn(&TargetRun) -> u64| runs.iter().map(of).sum::<u64>();
    let mut text =
        format!("{} runs with {} points of {} series:", runs.len(), sum(|r| r.points), sum(|r| r.series));
    for run in runs.iter().take(RUNS_SHOWN) {
        let ended = run.info.ended_us.map_or(String::new(), |t| format!(" {}", time_text(t, true)));
        text.push_str(&format!(
            "\n  {}: {}{ended}, {} points of {} series",
            printable(&run.info.id),
            run.info.status.as_str(),
            run.points,
            run.series
        ));
    }
    if runs.len() > RUNS_SHOWN {
        text.push_str(&format!("\n  and {} more", runs.len() - RUNS_SHOWN));
    }
    text
}
