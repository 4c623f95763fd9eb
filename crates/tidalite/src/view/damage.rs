//! Damage and answers: an answer that could have held something of a damaged place is an error that names the place, or is
//! given without it and says so.
//!
//! A place in a log concerns the runs that could have written there. A part concerns the runs in its ranges in the
//! manifest. Damaged pages are found when they are read. In a store without damage, this costs one look at an empty list.

use super::lineage::Descendants;
use super::losses::{part_error, part_finding};
use super::snapshot::{Snapshot, SnapshotView};
use crate::engine::on_damage::{DamageReport, OnDamage};
use crate::files::finding::Finding;
use crate::files::lost::Lost;
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{Error, Result};
use tidalite_parts::PartMeta;
use tidalite_query::NameMatcher;

/// The runs that an answer is about.
pub(crate) struct AskedRuns<'a> {
    pub(crate) wanted: &'a NameMatcher,
    /// Runs whose points they inherit.
    pub(crate) inherited: &'a Descendants,
}

impl SnapshotView {
    /// Reports the lost places that could have held something of the runs asked for. `is_new` says whether the answer
    /// would need a place.
    ///
    /// # Errors
    /// `Corrupt`, which names the first such place, unless damage is reported.
    pub(crate) fn meet_losses(
        &self,
        root: &Path,
        doing: &str,
        asked: &AskedRuns<'_>,
        is_new: &dyn Fn(&Lost) -> bool,
        report: &DamageReport,
    ) -> Result<()> {
        if self.losses.is_empty() {
            return Ok(());
        }
        let AskedRuns { wanted, inherited } = asked;
        let is_wanted = |run: &str| wanted.is_match(run) || inherited.contains_key(run);
        let ancestors = inherited.keys();
        let exact: Option<Vec<&str>> =
            wanted.as_exact().map(|exact| exact.iter().chain(ancestors).map(String::as_str).collect());
        let deleted = |run: &str| self.runs.get(run).and_then(|record| record.deleted.as_ref());
        for lost in self.losses.iter().filter(|lost| is_new(lost)) {
            if lost.concerns(&is_wanted, exact.as_deref(), &deleted) {
                report.meet(|| lost.finding(root), || lost.error(doing, root))?;
            }
        }
        Ok(())
    }

    /// As [`meet_losses`](Self::meet_losses) for an answer about all runs, which needs every part as well.
    ///
    /// # Errors
    /// `Corrupt`, which names the first place or part, unless damage is reported.
    pub(crate) fn meet_all_damage(&self, root: &Path, doing: &str, report: &DamageReport) -> Result<()> {
        let asked = AskedRuns { wanted: &NameMatcher::all(), inherited: &Descendants::new() };
        self.meet_losses(root, doing, &asked, &|_| true, report)?;
        let met = |(meta, e): &(PartMeta, Error)| report.meet(|| part_finding(meta, e), || part_error(e));
        self.broken.iter().try_for_each(met)
    }
}

impl Snapshot {
    /// The same snapshot, whose answers treat damage as `what` says. The default is [`OnDamage::Error`].
    ///
    /// ```
    /// use tidalite::OnDamage;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// let snapshot = store.snapshot()?.on_damage(OnDamage::Report);
    /// for lost in snapshot.damage() {
    ///     eprintln!("left out: {}", lost.message);
    /// }
    /// assert_eq!(snapshot.metrics()?, ["loss"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on_damage(&self, what: OnDamage) -> Snapshot {
        let view = SnapshotView { on_damage: what, ..self.view.copy() };
        Snapshot { state: self.state.clone(), view: Arc::new(view) }
    }

    /// What this snapshot cannot read, as far as it is known without reading pages: places in logs, parts that cannot be
    /// opened, and rollups. Empty if there is no such damage. [`verify`](crate::Store::verify) reads everything.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// store.flush()?;
    /// assert!(store.snapshot()?.damage().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn damage(&self) -> Vec<Finding> {
        let all = match self.with_all_hidden() {
            Ok(all) => all,
            Err(e) => return vec![Finding::from(&e)],
        };
        let report = DamageReport::new(OnDamage::Report);
        let met = all.view.meet_all_damage(self.state.paths.root(), "read store", &report);
        let mut found = report.found();
        found.extend(met.err().iter().map(Finding::from));
        found.extend(all.view.parts.iter().filter_map(|p| p.rollups_damage()).map(|e| Finding::from(&e)));
        found
    }

    /// The report of an answer about all runs.
    ///
    /// # Errors
    /// `Corrupt`, which names a damaged place, unless this snapshot reports damage.
    pub(crate) fn check_whole(&self, doing: &str) -> Result<DamageReport> {
        let report = DamageReport::new(self.view.on_damage);
        self.view.meet_all_damage(self.state.paths.root(), doing, &report)?;
        Ok(report)
    }

    /// Checks that no facts about these runs could be lost.
    ///
    /// # Errors
    /// `Corrupt`, which names a damaged place, unless this snapshot reports damage.
    pub(crate) fn check_runs(&self, doing: &str, runs: &NameMatcher) -> Result<()> {
        let report = DamageReport::new(self.view.on_damage);
        let asked = AskedRuns { wanted: runs, inherited: &Descendants::new() };
        self.view.meet_losses(self.state.paths.root(), doing, &asked, &|_| true, &report)
    }
}
