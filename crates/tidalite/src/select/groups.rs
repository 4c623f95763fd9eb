//! Whether groups are those that were meant: labels and params that something has, and metrics that are not mixed by
//! oversight.

use super::selection::Selection;
use crate::engine::on_damage::OnDamage;
use crate::view::snapshot::Snapshot;
use arrow::array::{Array, RecordBatch};
use std::collections::BTreeSet;
use tidalite_model::{Error, Result, StepRange, SummaryFacts};
use tidalite_query::{Aggregate, By, param_named, similar_names};

/// The most metrics that a remark names.
const NAMED_MAX: usize = 5;

impl Selection {
    /// What aggregates mix, in words, such as `mean over 2 metrics: loss, lr`: values of several metrics in one group, which is
    /// rarely meant. `None` where each group has one metric, and where values make no difference, as for counts, steps and times.
    ///
    /// It is cheap where the selection names one metric, or is all runs: then only names are looked up.
    ///
    /// ```
    /// use tidalite::{Aggregate, By};
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").start()?.log(0, &[("loss", 0.5), ("lr", 0.1)])?;
    /// let mixture = store.select().mixture(&[Aggregate::Mean], &[By::Run])?;
    /// assert_eq!(mixture.as_deref(), Some("mean over 2 metrics: loss, lr"));
    /// assert!(store.select().metric("loss").mixture(&[Aggregate::Mean], &[By::Run])?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`points`](Self::points).
    pub fn mixture(&self, aggregates: &[Aggregate], by: &[By]) -> Result<Option<String>> {
        let Some(mixing) = aggregates.iter().find(|aggregate| uses_values(**aggregate)) else {
            return Ok(None);
        };
        if by.contains(&By::Metric) {
            return Ok(None);
        }
        let fixed = self.fixed()?;
        let snapshot = fixed.snapshot()?;
        let names = fixed.metrics_of(&snapshot)?;
        if names.len() < 2 {
            return Ok(None);
        }
        let mut named = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        if names.len() > NAMED_MAX {
            named.push_str(&format!(" and {} more", names.len() - NAMED_MAX));
        }
        Ok(Some(format!("{mixing} over {} metrics: {named}", names.len())))
    }

    /// The metrics of the selected series.
    fn metrics_of(&self, snapshot: &Snapshot) -> Result<BTreeSet<String>> {
        let wanted = self.metric_matcher(snapshot)?;
        if wanted.as_exact().is_some_and(|names| names.len() < 2) {
            return Ok(BTreeSet::new());
        }
        // What is damaged was met by the answer.
        let there = snapshot.clone().on_damage(OnDamage::Report).metrics()?;
        let names: BTreeSet<String> = there.into_iter().filter(|name| wanted.is_match(name)).collect();
        let all_labels = self.labels.is_empty() && !self.excluded.excludes_labels();
        let all_runs = self.runs.is_empty() && self.run_filter.is_none() && all_labels;
        if names.len() < 2 || all_runs {
            return Ok(names);
        }
        let mut found = BTreeSet::new();
        // Whatever the ranges, so that no point is read for a remark.
        self.whole_at(StepRange::ALL).each_summary(SummaryFacts::default(), true, &mut |series, _| {
            if !found.contains(&*series.metric) {
                found.insert(series.metric.to_string());
            }
        })?;
        Ok(found)
    }

    /// Refuses groups by a label or a param that nothing in the store has: it is mistyped.
    pub(super) fn check_groups(&self, by: &[By], table: &RecordBatch) -> Result<()> {
        if table.num_rows() == 0 {
            return Ok(());
        }
        for by in by {
            let is_absent = || table.column_by_name(&by.column()).is_some_and(|c| c.null_count() == c.len());
            match by {
                By::Label(key) if is_absent() => self.check_label(key)?,
                By::Param(name) if is_absent() => self.check_param(name)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_label(&self, key: &str) -> Result<()> {
        let mut keys: BTreeSet<String> = BTreeSet::new();
        // Of all series: a label is not mistyped because the selected ones lack it.
        let all = self.snapshot()?.select().reporting_to(&self.damage);
        all.each_summary(SummaryFacts::default(), true, &mut |series, _| {
            keys.extend(series.labels.iter().map(|(key, _)| key));
        })?;
        if keys.contains(key) {
            return Ok(());
        }
        Err(nothing_has("series", "label", "labels", key, keys.iter().map(String::as_str)))
    }

    fn check_param(&self, name: &str) -> Result<()> {
        // Of all runs, as for labels.
        let snapshot = self.snapshot()?;
        if snapshot.each_run().any(|run| param_named(&run.params, name).is_some()) {
            return Ok(());
        }
        let names: BTreeSet<String> = snapshot.each_run().flat_map(|run| run.params.into_keys()).collect();
        Err(nothing_has("run", "param", "params", name, names.iter().map(String::as_str)))
    }
}

fn nothing_has<'a>(
    what: &str,
    one: &str,
    many: &str,
    name: &str,
    there: impl Iterator<Item = &'a str> + Clone,
) -> Error {
    let near = similar_names(name, there.clone());
    let (near, word) = match near.is_empty() {
        true => (there.take(NAMED_MAX).collect(), many.to_string()),
        false => (near, "similar".to_string()),
    };
    let near: Vec<String> = near.iter().map(|name| format!("{name:?}")).collect();
    let remedy = match near.is_empty() {
        true => format!("group by something else; they have no {many}"),
        false => format!("{word}: {}", near.join(", ")),
    };
    Error::not_found("aggregate", format!("no {what} has the {one} {name:?}"), remedy)
}

/// Whether an aggregate depends on finite values, so that metrics of other units make it meaningless.
fn uses_values(aggregate: Aggregate) -> bool {
    !matches!(
        aggregate,
        Aggregate::Count
            | Aggregate::Finite
            | Aggregate::Nan
            | Aggregate::Inf
            | Aggregate::ArgNan
            | Aggregate::StepFirst
            | Aggregate::StepLast
            | Aggregate::TimeFirst
            | Aggregate::TimeLast
            | Aggregate::TimeMin
            | Aggregate::TimeMax
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use tidalite_model::{ErrorKind, Labels};

    /// A store with a run of two ranks and params, and one without either.
    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("s")).unwrap();
        let run = store.run("a").param("lr", 0.1).param("none", crate::Param::Null).start().unwrap();
        for rank in ["0", "1"] {
            let at = crate::RowAt::step(0).labels(Labels::parse(&format!("rank={rank}")).unwrap());
            run.log_at(&at, &[("loss", 1.0), ("acc", 0.5)]).unwrap();
        }
        store.run("b").start().unwrap().log(9, &[("loss", 1.0)]).unwrap();
        (dir, store)
    }

    #[test]
    fn a_group_that_nothing_has_is_refused_with_near_names() {
        let (_dir, store) = store();
        let by = |select: Selection, by: &str| select.aggregate(&[Aggregate::Count], &[by.parse().unwrap()]);
        for flushed in [false, true] {
            for (word, near) in
                [("label:rnk", "similar: \"rank\""), ("param:xyz", "params: \"lr\", \"none\"")]
            {
                let error = by(store.select(), word).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound, "flushed: {flushed}");
                assert!(error.to_string().contains(near), "{error}");
            }
            for word in ["label:rank", "param:lr", "param:none"] {
                assert!(by(store.select(), word).unwrap().num_rows() > 0, "{word}");
            }
            store.flush().unwrap();
        }
        // A name that others have is not mistyped.
        assert_eq!(by(store.select().run("b"), "label:rank").unwrap().num_rows(), 1);
        assert_eq!(by(store.select().run("b"), "param:lr").unwrap().num_rows(), 1);
        assert_eq!(by(store.select().steps(5..), "label:rank").unwrap().num_rows(), 1);
        // Where nothing is selected, the answer is empty.
        assert_eq!(by(store.select().run("c"), "label:xyz").unwrap().num_rows(), 0);
        let twice = store.select().aggregate_twice(
            &[Aggregate::Last],
            &[By::Run],
            &[Aggregate::Mean],
            &[By::Param("lrr".into())],
        );
        assert!(twice.unwrap_err().to_string().contains("similar: \"lr\""));
    }

    #[test]
    fn metrics_are_mixed_only_where_a_group_has_several() {
        let (_dir, store) = store();
        let mixed = |select: Selection, aggregate: &str, by: &[By]| {
            select.mixture(&[Aggregate::Count, aggregate.parse().unwrap()], by).unwrap()
        };
        let all = || store.select();
        assert_eq!(mixed(all(), "mean", &[]).as_deref(), Some("mean over 2 metrics: acc, loss"));
        assert_eq!(
            mixed(all().metrics("*"), "p50~", &[By::Run]).as_deref(),
            Some("p50~ over 2 metrics: acc, loss")
        );
        assert!(mixed(all().run("a").metric("loss").metric("acc"), "max", &[]).is_some());
        for word in ["argmin", "first", "last", "std"] {
            assert!(mixed(all(), word, &[]).is_some(), "{word}");
        }
        for (select, aggregate, by) in [
            (all(), "mean", &[By::Metric][..]),
            (all(), "nan", &[]),
            (all(), "argnan", &[]),
            (all(), "step_last", &[]),
            (all(), "time_max", &[]),
            (all().metrics("loss"), "mean", &[]),
            (all().metrics("l*"), "mean", &[]),
            (all().run("b"), "mean", &[]),
            (all().run("b").metric("loss").metric("acc"), "mean", &[]),
            (all().metric("nothing"), "mean", &[]),
        ] {
            assert_eq!(mixed(select, aggregate, by), None);
        }
    }
}
