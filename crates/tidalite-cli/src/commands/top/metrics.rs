//! Which metrics the columns show: those asked for, or one named like loss and those that most runs have.

use super::layout::METRICS_MAX;
use super::source::TopSource;
use crate::error::CliResult;
use crate::text::printable;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tidalite::{History, Pattern, similar_names};

/// The runs that are looked at, the first in the order.
const RUNS_SEEN: usize = 16;
/// Telemetry has a line of its own.
pub(super) const TELEMETRY: &str = "system/";

/// The metrics of the columns.
#[derive(Debug, Clone, Default)]
pub(super) struct TopMetrics {
    pub(super) names: Vec<String>,
    pub(super) remarks: Vec<String>,
    /// Whether later points would not change them.
    settled: bool,
}

impl TopMetrics {
    /// Chooses metrics, unless that was done. `runs` are ids in their order.
    pub(super) fn choose<'a>(
        &mut self,
        source: &TopSource,
        runs: impl Iterator<Item = &'a str>,
        asked: &[String],
    ) -> CliResult {
        if self.settled {
            return Ok(());
        }
        let runs: Vec<&str> = runs.take(RUNS_SEEN).collect();
        if asked.is_empty() {
            self.names = if runs.is_empty() { Vec::new() } else { used(source, &runs)? };
            self.settled = self.names.len() == METRICS_MAX;
        } else {
            (self.names, self.remarks) = matching(source, &runs, asked)?;
            self.settled = self.remarks.is_empty();
        }
        Ok(())
    }
}

/// The metrics that these runs have, by what most people look at first.
fn used(source: &TopSource, runs: &[&str]) -> CliResult<Vec<String>> {
    let select = of_runs(source, runs).history(History::Own);
    let mut found: BTreeMap<String, (BTreeSet<String>, u64)> = BTreeMap::new();
    for (key, summary) in select.summaries()? {
        if !key.metric.starts_with(TELEMETRY) {
            let (runs, points) = found.entry(key.metric.to_string()).or_default();
            runs.insert(key.run.to_string());
            *points += summary.count;
        }
    }
    let uses = found.into_iter().map(|(name, (runs, points))| (name, runs.len(), points)).collect();
    Ok(ranked(uses))
}

/// Puts metrics, with the number of their runs and points, in order.
fn ranked(mut uses: Vec<(String, usize, u64)>) -> Vec<String> {
    uses.sort_by_cached_key(|(name, runs, points)| {
        (Reverse(*runs), likeness(name), Reverse(*points), name.len(), name.clone())
    });
    // One loss first, also if it is not the most common metric; the others by use.
    let best = uses.iter().enumerate().filter(|(_, used)| likeness(&used.0) < 2);
    if let Some(at) = best.min_by_key(|(at, used)| (likeness(&used.0), *at)).map(|(at, _)| at) {
        let loss = uses.remove(at);
        uses.insert(0, loss);
    }
    uses.into_iter().take(METRICS_MAX).map(|(name, ..)| name).collect()
}

/// 0 for a loss, 1 for a name that has the word in it, 2 for any other.
fn likeness(name: &str) -> u8 {
    let name = name.to_lowercase();
    match name.rsplit('/').next() {
        Some("loss") => 0,
        _ if name.contains("loss") => 1,
        _ => 2,
    }
}

/// The metrics that match texts, in the order of the texts, and what does not match.
fn matching(source: &TopSource, runs: &[&str], asked: &[String]) -> CliResult<(Vec<String>, Vec<String>)> {
    let names = source.snapshot.metrics()?;
    let (mut found, mut remarks) = (Vec::new(), Vec::new());
    let take = |name: String, found: &mut Vec<String>| {
        if !found.contains(&name) {
            found.push(name);
        }
    };
    for text in asked {
        if names.binary_search(text).is_ok() {
            take(text.clone(), &mut found);
            continue;
        }
        let is_glob = text.contains(['*', '?', '[', '{', '\\']);
        let mut matches = BTreeSet::new();
        if is_glob && !runs.is_empty() {
            matches = metrics_of(of_runs(source, runs).metrics(text.as_str()))?;
        }
        if is_glob && matches.is_empty() {
            matches = metrics_of(source.select.clone().metrics(text.as_str()))?;
        }
        if matches.is_empty() {
            let similar = similar_names(text, names.iter().map(String::as_str));
            let similar: Vec<String> = similar.into_iter().map(printable).collect();
            let hint = match similar.is_empty() {
                true => String::new(),
                false => format!("; similar: {}", similar.join(", ")),
            };
            remarks.push(format!("no metric matches {}{hint}", printable(text)));
        }
        matches.into_iter().for_each(|name| take(name, &mut found));
    }
    if found.len() > METRICS_MAX {
        remarks.push(format!("{METRICS_MAX} of {} metrics are shown", found.len()));
        found.truncate(METRICS_MAX);
    }
    Ok((found, remarks))
}

fn metrics_of(select: tidalite::Selection) -> CliResult<BTreeSet<String>> {
    Ok(select.summaries()?.into_iter().map(|(key, _)| key.metric.to_string()).collect())
}

/// A selection of exactly these runs; not for none, which would be all.
pub(super) fn of_runs(source: &TopSource, runs: &[&str]) -> tidalite::Selection {
    runs.iter().fold(source.select.clone(), |select, run| select.runs(Pattern::exact(*run)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_comes_first_and_then_what_most_runs_have() {
        let uses = [
            ("lr", 3, 9),
            ("acc", 3, 9),
            ("grad/norm", 9, 9),
            ("train/loss", 2, 9),
            ("z", 1, 1),
            ("loss_ema", 9, 9),
        ];
        let uses = uses.map(|(name, runs, points)| (name.to_string(), runs, points)).to_vec();
        assert_eq!(ranked(uses), ["train/loss", "loss_ema", "grad/norm", "lr"]);
        assert!(ranked(Vec::new()).is_empty());
    }
}
