//! Turns the selection flags into a selection, and explains why a selection matches nothing.
//!
//! The explanation names the first part of the selection that matches nothing by itself, and similar names that exist.

use crate::args::SelectionArgs;
use crate::error::{CliError, CliResult};
use crate::text::{number, printable, time_text};
use std::collections::BTreeSet;
use std::ops::Bound;
use tidalite::{Bounds, Labels, Selection, SeriesKey, Snapshot, Summary, XAxis};

/// The most names in a message.
const NAMES_SHOWN: usize = 5;

impl SelectionArgs {
    /// The selection of these flags in a snapshot.
    pub(crate) fn over(&self, snapshot: &Snapshot) -> Selection {
        self.narrow(snapshot.select())
    }

    /// Narrows a selection by these flags.
    pub(crate) fn narrow(&self, select: Selection) -> Selection {
        let mut select = self
            .by_name(select)
            .repeats(self.repeats)
            .history(self.history)
            .include_rewound(self.include_rewound);
        if let Some(steps) = self.steps {
            select = select.steps(bounds(steps));
        }
        if let Some(times) = self.time {
            select = select.times_us(bounds(times));
        }
        if let Some(values) = self.values {
            select = select.values(values.lo, values.hi);
        }
        self.transform.iter().fold(select, |select, transform| select.transform(*transform))
    }

    /// Narrows by runs, metrics and labels, but not by ranges.
    fn by_name(&self, mut select: Selection) -> Selection {
        for glob in &self.runs {
            select = select.runs(glob);
        }
        for regex in &self.runs_regex {
            select = select.runs_regex(regex);
        }
        for filter in &self.filters {
            select = select.where_runs(filter.clone());
        }
        for glob in &self.metrics {
            select = select.metrics(glob);
        }
        for regex in &self.metrics_regex {
            select = select.metrics_regex(regex);
        }
        for (key, value) in &self.labels {
            select = select.label(key, value);
        }
        select
    }

    /// Explains why this selection has no points on an x-axis; the metric of the axis may have no values.
    ///
    /// # Errors
    /// Those of [`nothing`](Self::nothing).
    pub(crate) fn nothing_over(&self, x: &XAxis, snapshot: &Snapshot) -> CliResult<CliError> {
        if let XAxis::Metric(name) = x
            && !self.over(snapshot).summaries()?.is_empty()
        {
            let name = printable(name);
            let text = format!(
                "nothing matches: no selected run has a finite value of {name} at or before its points"
            );
            return Ok(CliError::Nothing(text));
        }
        self.nothing(snapshot)
    }

    /// Explains why this selection has no points in the snapshot.
    ///
    /// # Errors
    /// Errors of reading the store. The explanation itself is the `Ok` value, a `CliError::Nothing`.
    pub(crate) fn nothing(&self, snapshot: &Snapshot) -> CliResult<CliError> {
        let all = snapshot.select().summaries()?;
        let say = |text: String| Ok(CliError::Nothing(format!("nothing matches: {text}")));
        if all.is_empty() {
            return say("the store holds no points yet".into());
        }
        let names = |of: fn(&SeriesKey) -> &str| all.iter().map(|(k, _)| of(k)).collect::<BTreeSet<_>>();
        for glob in &self.runs {
            if snapshot.select().runs(glob).summaries()?.is_empty() {
                return say(missing("run", "runs", glob, &names(|k| &k.run)));
            }
        }
        for glob in &self.metrics {
            if snapshot.select().metrics(glob).summaries()?.is_empty() {
                return say(missing("metric", "metrics", glob, &names(|k| &k.metric)));
            }
        }
        for regex in &self.runs_regex {
            if snapshot.select().runs_regex(regex).summaries()?.is_empty() {
                return say(missing("run", "runs", regex, &names(|k| &k.run)));
            }
        }
        for regex in &self.metrics_regex {
            if snapshot.select().metrics_regex(regex).summaries()?.is_empty() {
                return say(missing("metric", "metrics", regex, &names(|k| &k.metric)));
            }
        }
        for filter in &self.filters {
            if snapshot.where_runs(filter).is_empty() {
                return say(format!("no run matches the filter {}", printable(&filter.to_string())));
            }
        }
        let no_labels = SelectionArgs { labels: Vec::new(), ..self.clone() };
        let unlabelled = no_labels.by_name(snapshot.select()).summaries()?;
        if unlabelled.is_empty() {
            return say("the runs and the metrics exist, but no run has these metrics".into());
        }
        let named = self.by_name(snapshot.select()).summaries()?;
        if named.is_empty() {
            let there: BTreeSet<&str> = unlabelled.iter().map(|(k, _)| k.labels.as_str()).collect();
            let asked = self.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",");
            let there: Vec<&str> = there.into_iter().map(|l| if l.is_empty() { "none" } else { l }).collect();
            return say(format!(
                "no series has the labels {}; labels that exist: {}",
                printable(&asked),
                listed(&there)
            ));
        }
        say(ranges(&named))
    }
}

fn bounds(span: Bounds<i64>) -> (Bound<i64>, Bound<i64>) {
    (span.lo.map_or(Bound::Unbounded, Bound::Included), span.hi.map_or(Bound::Unbounded, Bound::Excluded))
}

/// The ranges that the selected series cover.
fn ranges(series: &[(SeriesKey, Summary)]) -> String {
    let mut total = Summary::default();
    series.iter().for_each(|(_, s)| total.merge(s));
    let steps =
        total.first.zip(total.last).map_or(String::new(), |(a, b)| format!("steps {} to {}", a.step, b.step));
    let text = |t: i64| time_text(t, false);
    let times = total.time_min_us.zip(total.time_max_us);
    let times = times.map_or(String::new(), |(a, b)| format!(", times {} to {}", text(a), text(b)));
    let values = total.min.zip(total.max);
    let values =
        values.map_or(String::new(), |(a, b)| format!(", values {} to {}", number(a.value), number(b.value)));
    format!("the series have {steps}{times}{values}")
}

fn missing(one: &str, many: &str, glob: &str, names: &BTreeSet<&str>) -> String {
    let near = nearest(glob, names);
    let there = if near.is_empty() {
        let some: Vec<&str> = names.iter().copied().collect();
        format!("{many} that exist: {}", listed(&some))
    } else {
        format!("similar: {}", listed(&near))
    };
    format!("no {one} matches {}; {there}", printable(glob))
}

/// The first names, and the number of the others.
fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMES_SHOWN).map(|n| printable(n)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_SHOWN {
        text.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN));
    }
    text
}

/// The names most similar to a pattern, best first: those that contain its text or differ in few letters.
fn nearest<'a>(glob: &str, names: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let wanted: String =
        glob.chars().filter(|c| !"*?[]{}\\".contains(*c)).flat_map(char::to_lowercase).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut ranked: Vec<(usize, &str)> = Vec::new();
    for name in names {
        let lower = name.to_lowercase();
        let last = lower.rsplit('/').next().unwrap_or(&lower);
        let differ = distance(&wanted, &lower).min(distance(&wanted, last));
        let within = lower.contains(&wanted) || (lower.len() > 2 && wanted.contains(&lower));
        if within || differ <= (wanted.chars().count() / 3).max(1) {
            ranked.push((if within { 0 } else { differ }, name));
        }
    }
    ranked.sort();
    ranked.into_iter().take(NAMES_SHOWN).map(|(_, name)| name).collect()
}

/// The edit distance: letters to insert, delete or replace (V. Levenshtein, 1965).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The shortest names that distinguish the series: by run, metric, labels, or several of them.
pub(crate) fn short_names(keys: &[&SeriesKey]) -> Vec<String> {
    let differs = |of: fn(&SeriesKey) -> &str| keys.windows(2).any(|w| of(w[0]) != of(w[1]));
    let runs = differs(|k| &k.run);
    let metrics = differs(|k| &k.metric);
    let labels = differs(|k| k.labels.as_str());
    let name = |key: &&SeriesKey| {
        let mut words: Vec<&str> = Vec::new();
        if runs || !(metrics || labels) {
            words.push(&key.run);
        }
        if metrics {
            words.push(&key.metric);
        }
        if labels && key.labels != Labels::none() {
            words.push(key.labels.as_str());
        }
        words.join(" ")
    };
    keys.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_similar_names() {
        let names = BTreeSet::from(["train/loss", "val/loss", "lr", "accuracy", "grad_norm"]);
        assert_eq!(nearest("los", &names), ["train/loss", "val/loss"]);
        assert_eq!(nearest("acuracy", &names), ["accuracy"]);
        assert_eq!(nearest("Grad*", &names), ["grad_norm"]);
        assert_eq!(nearest("*", &names), Vec::<&str>::new());
        assert!(
            missing("metric", "metrics", "qqq", &names)
                .contains("metrics that exist: accuracy, grad_norm, lr")
        );
    }

    #[test]
    fn the_edit_distance_counts_letters() {
        assert_eq!([distance("", "abc"), distance("kitten", "sitting"), distance("a", "a")], [3, 3, 0]);
    }

    #[test]
    fn series_are_named_by_what_distinguishes_them() {
        let key = |run: &str, metric: &str, labels: &str| {
            SeriesKey::new(run, metric, Labels::parse(labels).unwrap())
        };
        let (a, b, c) = (key("a", "loss", ""), key("b", "loss", ""), key("a", "acc", "rank=1"));
        assert_eq!(short_names(&[&a]), ["a"]);
        assert_eq!(short_names(&[&a, &b]), ["a", "b"]);
        assert_eq!(short_names(&[&a, &c]), ["loss", "acc rank=1"]);
        assert_eq!(short_names(&[&a, &b, &c]), ["a loss", "b loss", "a acc rank=1"]);
    }
}
