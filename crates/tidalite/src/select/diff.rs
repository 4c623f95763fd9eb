//! Runs side by side: fields, tags, params, environment and last values, and in which of these they differ.

use super::run_totals::RunTotals;
use crate::files::finding::Finding;
use crate::view::snapshot::Snapshot;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::collections::BTreeMap;
use std::mem::discriminant;
use std::sync::Arc;
use tidalite_model::{Error, Param, Params, Result, RunInfo, SummaryFacts};

/// What a fact of a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RunFact {
    /// A field of the run: its name, group, notes, status, reason, parent, labels, duration in seconds, points, last step.
    Field,
    /// A tag, which is true where the run has it.
    Tag,
    /// A param. One within another is named by its path, such as `model.depth`.
    Param,
    /// A field of the environment, named in the same way.
    Environment,
    /// The value at the greatest step of a series, named by metric and labels.
    Last,
}

impl RunFact {
    /// As in the column `kind` of [`RunDiff::batch`].
    pub fn as_str(self) -> &'static str {
        match self {
            RunFact::Field => "field",
            RunFact::Tag => "tag",
            RunFact::Param => "param",
            RunFact::Environment => "environment",
            RunFact::Last => "last",
        }
    }
}

/// A fact of several runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunDiffRow {
    /// What it is about.
    pub fact: RunFact,
    /// Its name.
    pub name: String,
    /// The value of each run, `None` where the run has none.
    pub values: Vec<Option<Param>>,
}

impl RunDiffRow {
    /// Whether all runs have the same value. A number is not the same as a text of it, and NaN is the same as NaN.
    pub fn is_same(&self) -> bool {
        let told = |value: &Option<Param>| value.as_ref().map(|v| (discriminant(v), v.to_string()));
        self.values.windows(2).all(|pair| told(&pair[0]) == told(&pair[1]))
    }
}

/// Runs side by side; made by [`Snapshot::diff`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunDiff {
    /// The ids of the runs, in the order asked for.
    pub runs: Vec<String>,
    /// Everything that any of them has: fields, tags, params, environment, last values, each by name.
    pub rows: Vec<RunDiffRow>,
    /// What could not be read and is missing here: empty unless the snapshot [reports damage](Snapshot::on_damage).
    pub damage: Vec<Finding>,
}

impl RunDiff {
    /// The facts in which the runs differ.
    pub fn differing(&self) -> impl Iterator<Item = &RunDiffRow> {
        self.rows.iter().filter(|row| !row.is_same())
    }

    /// One row per fact, of all or of those that differ: `kind`, `name`, and a column of text for each run by its id, with null
    /// where it has no such fact.
    pub fn batch(&self, only_differing: bool) -> RecordBatch {
        let rows: Vec<&RunDiffRow> =
            self.rows.iter().filter(|row| !only_differing || !row.is_same()).collect();
        let kinds = StringArray::from_iter_values(rows.iter().map(|row| row.fact.as_str()));
        let names = StringArray::from_iter_values(rows.iter().map(|row| &row.name));
        let mut fields =
            vec![Field::new("kind", DataType::Utf8, false), Field::new("name", DataType::Utf8, false)];
        let mut columns: Vec<ArrayRef> = vec![Arc::new(kinds), Arc::new(names)];
        for (at, run) in self.runs.iter().enumerate() {
            fields.push(Field::new(run, DataType::Utf8, true));
            let text = rows.iter().map(|row| row.values[at].as_ref().map(Param::to_string));
            columns.push(Arc::new(text.collect::<StringArray>()));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns are built by the schema")
    }
}

impl Snapshot {
    /// Two or more runs side by side: their fields, tags, params, environment, and the last value of each series.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// for (id, lr, loss) in [("a", 0.1, 3.0), ("b", 0.2, 3.0)] {
    ///     store.run(id).param("lr", lr).param("seed", 1).start()?.log(0, &[("loss", loss)])?;
    /// }
    /// let diff = store.snapshot()?.diff(&["a", "b"])?;
    /// let lr = diff.differing().find(|row| row.name == "lr").unwrap();
    /// assert_eq!(lr.values, [Some(0.1.into()), Some(0.2.into())]);
    /// assert!(diff.differing().all(|row| row.name != "seed" && row.name != "loss"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound` for a run that does not exist; `Invalid` for fewer than two runs, and for one that is given twice; otherwise as
    /// [`Selection::points`](crate::Selection::points).
    pub fn diff<S: AsRef<str>>(&self, runs: &[S]) -> Result<RunDiff> {
        let ids: Vec<String> = runs.iter().map(|run| run.as_ref().to_string()).collect();
        let infos: Vec<RunInfo> = ids.iter().map(|id| self.run(id)).collect::<Result<_>>()?;
        let wrong = |what: String, remedy| Error::invalid("compare runs", what, remedy);
        if ids.len() < 2 {
            return Err(wrong(format!("{} of at least two runs was given", ids.len()), "name another run"));
        }
        if let Some((_, id)) = ids.iter().enumerate().find(|(at, id)| ids[..*at].contains(id)) {
            return Err(wrong(format!("run {id:?} was given twice"), "name each run once"));
        }
        let select = ids.iter().cloned().fold(self.select(), |select, id| select.run(id));
        let totals = select.run_totals()?;
        let mut facts = Facts { runs: ids.len(), found: BTreeMap::new() };
        for (at, info) in infos.iter().enumerate() {
            facts.add_info(at, info, totals.get(&info.id).copied().unwrap_or_default());
        }
        let ends = SummaryFacts { ends: true, ..SummaryFacts::default() };
        select.each_summary(ends, true, &mut |key, summary| {
            let at = ids.iter().position(|id| **id == *key.run);
            if let Some((at, last)) = at.zip(summary.last) {
                let name = match key.labels.is_empty() {
                    true => key.metric.to_string(),
                    false => format!("{} {{{}}}", key.metric, key.labels.as_str()),
                };
                facts.add(at, RunFact::Last, name, Param::Float(last.value));
            }
        })?;
        Ok(RunDiff { runs: ids, rows: facts.rows(), damage: select.damage() })
    }
}

/// The facts of some runs, by kind and name.
struct Facts {
    runs: usize,
    found: BTreeMap<(RunFact, String), Vec<Option<Param>>>,
}

impl Facts {
    fn add(&mut self, at: usize, fact: RunFact, name: impl Into<String>, value: Param) {
        let of_runs = || vec![None; self.runs];
        self.found.entry((fact, name.into())).or_insert_with(of_runs)[at] = Some(value);
    }

    fn add_info(&mut self, at: usize, info: &RunInfo, totals: RunTotals) {
        let parent = info.parent.as_ref().map(|p| match p.step {
            Some(step) => format!("{} up to step {step}", p.run),
            None => p.run.clone(),
        });
        let seconds = info.ended_us.zip(info.started_us).map(|(end, start)| (end - start) as f64 / 1e6);
        let texts = [
            ("name", info.name.clone()),
            ("group", info.group.clone()),
            ("notes", info.notes.clone()),
            ("status", Some(info.status.as_str().to_string())),
            ("reason", info.reason.clone()),
            ("parent", parent),
            ("labels", Some(info.labels.as_str().to_string()).filter(|labels| !labels.is_empty())),
        ];
        let texts = texts.into_iter().map(|(name, text)| (name, text.map(Param::Text)));
        let points = i64::try_from(totals.points).unwrap_or(i64::MAX);
        let numbers = [
            ("seconds", seconds.map(Param::Float)),
            ("points", Some(Param::Int(points))),
            ("last_step", totals.last_step.map(Param::Int)),
        ];
        for (name, value) in texts.chain(numbers) {
            if let Some(value) = value {
                self.add(at, RunFact::Field, name, value);
            }
        }
        for tag in &info.tags {
            self.add(at, RunFact::Tag, tag, Param::Bool(true));
        }
        self.add_params(at, RunFact::Param, "", &info.params);
        self.add_params(at, RunFact::Environment, "", &info.environment);
    }

    /// Adds params, those within others by their paths.
    fn add_params(&mut self, at: usize, fact: RunFact, within: &str, params: &Params) {
        for (name, value) in params {
            let path = format!("{within}{name}");
            match value {
                Param::Map(map) if !map.is_empty() => {
                    self.add_params(at, fact, &format!("{path}."), map);
                }
                _ => self.add(at, fact, path, value.clone()),
            }
        }
    }

    fn rows(self) -> Vec<RunDiffRow> {
        let row = |((fact, name), values)| RunDiffRow { fact, name, values };
        self.found.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use arrow::array::{Array, AsArray};
    use tidalite_model::{ErrorKind, Labels};

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("s")).unwrap();
        let nested = |depth: i64| Param::Map([("depth".to_string(), Param::Int(depth))].into());
        let a = store.run("a").param("net", nested(3)).param("seed", 1).param("nan", f64::NAN).tag("best");
        let a = a.environment([("os".to_string(), "linux".into())].into()).start().unwrap();
        let rank = crate::RowAt::step(4).labels(Labels::parse("rank=0").unwrap());
        a.log_at(&rank, &[("loss", 0.5)]).unwrap();
        a.log(7, &[("acc", f64::NAN)]).unwrap();
        a.finish().unwrap();
        let b = store.run("b").param("net", nested(4)).param("seed", "1").param("nan", f64::NAN).start();
        let b = b.unwrap();
        b.log(7, &[("acc", f64::NAN)]).unwrap();
        b.fail().unwrap();
        (dir, store)
    }

    #[test]
    fn runs_differ_in_what_one_lacks_or_has_otherwise() {
        let (_dir, store) = store();
        for flushed in [false, true] {
            let diff = store.snapshot().unwrap().diff(&["b", "a"]).unwrap();
            let found = |fact, name: &str| {
                let row = diff.rows.iter().find(|row| row.fact == fact && row.name == name).unwrap();
                (row.values.clone(), row.is_same())
            };
            let texts = |b: &str, a: &str| vec![Some(Param::from(b)), Some(Param::from(a))];
            assert_eq!(found(RunFact::Field, "status"), (texts("failed", "finished"), false), "{flushed}");
            assert_eq!(found(RunFact::Param, "net.depth").0, [Some(4i64.into()), Some(3i64.into())]);
            assert_eq!(found(RunFact::Param, "seed"), (vec![Some("1".into()), Some(1i64.into())], false));
            assert!(
                found(RunFact::Param, "nan").1 && found(RunFact::Last, "acc").1,
                "NaN is the same as NaN"
            );
            assert_eq!(found(RunFact::Tag, "best").0, [None, Some(true.into())]);
            assert_eq!(found(RunFact::Environment, "os").0, [None, Some("linux".into())]);
            assert_eq!(found(RunFact::Last, "loss {rank=0}").0, [None, Some(0.5.into())]);
            assert_eq!(found(RunFact::Field, "points").0, [Some(1i64.into()), Some(2i64.into())]);
            assert!(found(RunFact::Field, "last_step").1);

            let (all, some) = (diff.batch(false), diff.batch(true));
            assert_eq!((all.num_rows(), some.num_rows()), (diff.rows.len(), diff.differing().count()));
            assert_eq!(all.schema().field(2).name(), "b");
            let tag = (0..some.num_rows()).find(|&row| some["kind"].as_string::<i32>().value(row) == "tag");
            assert!(
                some["b"].is_null(tag.unwrap()) && some["a"].as_string::<i32>().value(tag.unwrap()) == "true"
            );
            store.flush().unwrap();
        }
    }

    #[test]
    fn fewer_than_two_runs_and_absent_ones_are_refused() {
        let (_dir, store) = store();
        let snapshot = store.snapshot().unwrap();
        let kind = |runs: &[&str]| snapshot.diff(runs).unwrap_err().kind();
        assert_eq!([kind(&[]), kind(&["a"]), kind(&["a", "b", "a"])], [ErrorKind::Invalid; 3]);
        assert_eq!(kind(&["a", "c"]), ErrorKind::NotFound);
    }
}
