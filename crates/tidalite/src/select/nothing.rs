//! Why a selection has no points: the first part of it that matches nothing by itself, and similar names that exist.

use super::selection::Selection;
use std::collections::BTreeSet;
use std::fmt::Display;
use tidalite_model::{Result, Summary, SummaryFacts};
use tidalite_query::{Pattern, TimeText, similar_names};

/// The most names in a message.
const NAMES_SHOWN: usize = 5;

impl Selection {
    /// Why no point is selected, in a sentence; `None` where some are. It reads what [`summaries`](Self::summaries) reads, several
    /// times, so it is for answers that turned out empty.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// assert_eq!(store.select().metric("loss").why_nothing()?, None);
    /// let why = store.select().metric("los").why_nothing()?.unwrap();
    /// assert_eq!(why, "no metric matches los; similar: loss");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn why_nothing(&self) -> Result<Option<String>> {
        let fixed = self.fixed()?;
        if fixed.has_points()? {
            return Ok(None);
        }
        let snapshot = fixed.snapshot()?;
        let all = || snapshot.select().reporting_to(&self.damage).history(self.rules.history);
        let (mut runs, mut metrics) = (BTreeSet::new(), BTreeSet::new());
        all().each_summary(SummaryFacts::default(), true, &mut |key, _| {
            runs.insert(key.run);
            metrics.insert(key.metric);
        })?;
        if runs.is_empty() {
            return Ok(Some("the store holds no points yet".into()));
        }
        let [runs, metrics] =
            [&runs, &metrics].map(|names| names.iter().map(|name| &**name).collect::<Vec<_>>());
        for run in &self.runs {
            if !all().runs(run.clone()).has_points()? {
                return Ok(Some(missing("run", "runs", run, &runs)));
            }
        }
        for metric in &self.metrics {
            if !all().metrics(metric.clone()).has_points()? {
                return Ok(Some(missing("metric", "metrics", metric, &metrics)));
            }
        }
        if let Some(filter) = &self.run_filter
            && snapshot.where_runs(filter)?.is_empty()
        {
            return Ok(Some(format!("no run matches the filter {}", shown(filter))));
        }
        self.why_series_lack(all())
    }

    /// The reason where each name exists by itself.
    fn why_series_lack(&self, all: Selection) -> Result<Option<String>> {
        let mut unlabelled = all;
        unlabelled.runs.clone_from(&self.runs);
        unlabelled.metrics.clone_from(&self.metrics);
        unlabelled.run_filter.clone_from(&self.run_filter);
        let mut labels = BTreeSet::new();
        unlabelled.each_summary(SummaryFacts::default(), true, &mut |key, _| {
            labels.insert(key.labels.as_str().to_string());
        })?;
        if labels.is_empty() {
            return Ok(Some("the runs and the metrics exist, but no run has these metrics".into()));
        }
        let mut named = unlabelled;
        named.labels.clone_from(&self.labels);
        if !self.excluded.is_empty() && named.has_points()? {
            named.excluded.clone_from(&self.excluded);
            if !named.has_points()? {
                return Ok(Some(format!(
                    "no series is left beside what is excluded: {}",
                    shown(&self.excluded)
                )));
            }
        }
        let (mut total, mut series) = (Summary::default(), 0);
        let facts = SummaryFacts { ends: true, extremes: true, times: true, ..SummaryFacts::default() };
        named.each_summary(facts, false, &mut |_, summary| {
            total.merge(&summary);
            series += 1;
        })?;
        if series == 0 {
            let asked: Vec<String> =
                self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let there: Vec<&str> = labels.iter().map(|l| if l.is_empty() { "none" } else { l }).collect();
            let asked = shown(&asked.join(","));
            let there = listed(&there);
            return Ok(Some(format!("no series has the labels {asked}; labels that exist: {there}")));
        }
        Ok(Some(ranges(&total)))
    }

    /// Whether any point is selected.
    fn has_points(&self) -> Result<bool> {
        let mut found = false;
        self.each_summary(SummaryFacts::default(), true, &mut |_, _| found = true)?;
        Ok(found)
    }
}

/// The ranges that the selected series cover.
fn ranges(total: &Summary) -> String {
    let text = |time_us: i64| {
        let mut text = Vec::new();
        TimeText::default().write(time_us, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let steps = total.steps().map_or(String::new(), |e| format!("steps {} to {}", e.first, e.last));
    let times = total.times_us();
    let times = times.map_or(String::new(), |e| format!(", times {} to {}", text(e.first), text(e.last)));
    let values = total.min.zip(total.max);
    let values = values.map_or(String::new(), |(a, b)| format!(", values {} to {}", a.value, b.value));
    format!("the series have {steps}{times}{values}")
}

fn missing(one: &str, many: &str, pattern: &Pattern, names: &[&str]) -> String {
    let near = similar_names(&pattern.to_string(), names.iter().copied());
    let there = if near.is_empty() {
        format!("{many} that exist: {}", listed(names))
    } else {
        format!("similar: {}", listed(&near))
    };
    format!("no {one} matches {}; {there}", shown(pattern))
}

/// The first names, and the number of the others.
fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMES_SHOWN).map(shown).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_SHOWN {
        text.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN));
    }
    text
}

/// Text without control characters, so that a name cannot change how a terminal shows the message.
fn shown(text: &(impl Display + ?Sized)) -> String {
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.to_string().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compare, Labels, RowAt, Store};
    use tidalite_query::Aggregate;

    #[test]
    fn the_first_part_that_matches_nothing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("m")).unwrap();
        let why = |select: Selection| select.why_nothing().unwrap();
        assert_eq!(why(store.select().metric("x")).unwrap(), "the store holds no points yet");
        for (id, metric) in [("lr-1", "train/loss"), ("lr-2", "acc\u{1b}")] {
            let run = store.run(id).param("lr", 1).start().unwrap();
            let at = RowAt::step(3).time_us(0).labels(Labels::new([("gpu", "0")]).unwrap());
            run.log_at(&at, &[(metric, 0.5)]).unwrap();
        }
        assert_eq!(why(store.select()), None);
        let cases: [(Selection, &str); 8] = [
            (store.select().metrics("los"), "no metric matches los; similar: train/loss"),
            (
                store.select().metrics("zzz"),
                "no metric matches zzz; metrics that exist: acc\\u{1b}, train/loss",
            ),
            (store.select().runs("lr-3*"), "no run matches lr-3*; similar: lr-1, lr-2"),
            (
                store.select().where_runs("params.lr > 4".parse().unwrap()),
                "no run matches the filter params.lr > 4",
            ),
            (
                store.select().run("lr-2").metric("train/loss"),
                "the runs and the metrics exist, but no run has these metrics",
            ),
            (store.select().label("gpu", "7"), "no series has the labels gpu=7; labels that exist: gpu=0"),
            (
                store.select().run("lr-1").steps(9..),
                "the series have steps 3 to 3, times 1970-01-01T00:00:00.000000Z to 1970-01-01T00:00:00.000000Z, values 0.5 to 0.5",
            ),
            (
                store.select().run("lr-1").having(Aggregate::Count, Compare::Greater, 5.0, ..),
                "the series have steps 3 to 3, times 1970-01-01T00:00:00.000000Z to 1970-01-01T00:00:00.000000Z, values 0.5 to 0.5",
            ),
        ];
        for (select, expected) in cases {
            assert_eq!(why(select).unwrap(), expected);
        }
    }
}
