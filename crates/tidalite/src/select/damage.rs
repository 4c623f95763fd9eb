//! What a selection does about damage: it finds the damaged places that could have held rows of its answers, and reports
//! those that the answers leave out.

use super::planning::match_any;
use super::selection::Selection;
use crate::engine::on_damage::{DamageReport, OnDamage};
use crate::files::finding::Finding;
use crate::files::lost::Lost;
use crate::plan::shaping::MetRates;
use crate::view::damage::AskedRuns;
use crate::view::lineage::{Descendants, History, descendants};
use crate::view::snapshot::Snapshot;
use tidalite_model::Result;

impl Selection {
    /// Says what becomes of an answer that could have held rows of a damaged place. By default it is an error. It can be
    /// given without these rows; then [`damage`](Self::damage) lists what it lacks.
    ///
    /// ```
    /// use tidalite::OnDamage;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// let select = store.select().metric("loss").on_damage(OnDamage::Report);
    /// let points = select.points()?.collect()?;
    /// assert!(points.num_rows() == 1 && select.damage().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_damage(mut self, what: OnDamage) -> Self {
        self.damage = DamageReport::new(what);
        self
    }

    /// The damage that the answers of this selection and its clones have left out so far, if damage is
    /// [reported](Self::on_damage). For an answer in batches, the list is complete once the last batch was taken.
    ///
    /// ```
    /// use tidalite::OnDamage;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// let select = store.select().on_damage(OnDamage::Report);
    /// let summaries = select.summaries()?;
    /// for lost in select.damage() {
    ///     eprintln!("the summaries lack {}", lost.message);
    /// }
    /// # assert_eq!(summaries.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn damage(&self) -> Vec<Finding> {
        self.damage.found()
    }

    /// The same selection with a new, empty [report](Self::damage), and without a [warning](Self::rate_warning).
    ///
    /// ```
    /// use tidalite::OnDamage;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # store.run("a").start()?.log(0, &[("loss", 1.0)])?;
    /// let all = store.select().on_damage(OnDamage::Report);
    /// let one = all.clone().reporting_anew();
    /// one.summaries()?;
    /// assert!(all.damage().is_empty() && one.damage().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reporting_anew(mut self) -> Self {
        self.damage = self.damage.anew();
        self.rates = MetRates::default();
        self
    }

    /// Whether damage is reported. If not, it is an error.
    ///
    /// ```
    /// use tidalite::OnDamage;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// assert!(!store.select().reports_damage());
    /// assert!(store.snapshot()?.on_damage(OnDamage::Report).select().reports_damage());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reports_damage(&self) -> bool {
        self.damage.reports()
    }

    /// The same selection, which treats damage as this report does and adds to it what its answers leave out.
    pub(super) fn reporting_to(mut self, report: &DamageReport) -> Selection {
        self.damage = report.clone();
        self
    }

    /// Reports what is lost of the selected runs, and of runs whose points they inherit. Facts about runs may be lost
    /// too, so a run filter rules out no run here.
    ///
    /// # Errors
    /// `Corrupt`, which names the first such place, unless damage is reported.
    pub(super) fn meet_losses(&self, snapshot: &Snapshot, doing: &str) -> Result<()> {
        self.meet_new_losses(snapshot, doing, &|_| true)
    }

    /// As [`meet_losses`](Self::meet_losses), for those places that are new.
    ///
    /// # Errors
    /// As [`meet_losses`](Self::meet_losses).
    pub(super) fn meet_new_losses(
        &self,
        snapshot: &Snapshot,
        doing: &str,
        is_new: &dyn Fn(&Lost) -> bool,
    ) -> Result<()> {
        if snapshot.view.losses.is_empty() {
            return Ok(());
        }
        let named = match_any(&self.runs, |id| Ok(snapshot.has_run(id)))?;
        let inherited = match self.rules.history {
            History::Own => Descendants::new(),
            _ => descendants(&snapshot.view.runs, &named),
        };
        let asked = AskedRuns { wanted: &named, inherited: &inherited };
        snapshot.view.meet_losses(snapshot.state.paths.root(), doing, &asked, is_new, &self.damage)
    }
}
