//! Backup: a consistent copy of a store, made while others write.

use super::copy_store::StoreCopy;
use super::copy_target::CopyTarget;
use crate::engine::on_damage::{DamageReport, OnDamage};
use crate::engine::store::Store;
use crate::files::finding::Finding;
use std::ops::ControlFlow;
use std::path::Path;
use tidalite_model::Result;

impl Store {
    /// Copies the store as it stands to the folder `to`, which must be absent or empty. Others may go on writing to the
    /// store; what they write meanwhile is not in the copy.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// let copy = dir.path().join("copy");
    /// store.backup(&copy)?;
    /// let copy = tidalite::Store::open(copy)?;
    /// assert_eq!(copy.select().points()?.collect()?.num_rows(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` where `to` holds something; `Corrupt` where something is damaged ([`backup_with`](Self::backup_with) can
    /// leave it out); `Busy` while another process copies to the same folder; `Full`, `Io`. An unfinished copy is
    /// removed. A copy that was killed is no store; the next copy to that folder removes it.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<()> {
        self.backup_with(to, OnDamage::Error, &|_, _| ControlFlow::Continue(())).map(|_| ())
    }

    /// As [`backup`](Self::backup). With [`OnDamage::Report`] it leaves out what cannot be read, page by page, and
    /// returns what that was. The copy lists it too, so that the copy's answers say what they lack. Calls `progress` with
    /// the bytes copied so far and the bytes in total. If that returns `Break`, the backup ends, and what was copied is
    /// removed, as after any error.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// use tidalite::OnDamage;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// # store.flush()?;
    /// let copied = Cell::new((0, 0));
    /// let left_out = store.backup_with(dir.path().join("copy"), OnDamage::Report, &|done, total| {
    ///     copied.set((done, total));
    ///     ControlFlow::Continue(())
    /// })?;
    /// let (done, total) = copied.get();
    /// assert!(left_out.is_empty() && done > 0 && done == total);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`backup`](Self::backup).
    pub fn backup_with(
        &self,
        to: impl AsRef<Path>,
        on_damage: OnDamage,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<Vec<Finding>> {
        let state = self.state()?;
        let target = CopyTarget::prepare(state, to.as_ref(), "back up")?;
        let progress = |done, total| state.unless_closed(progress(done, total));
        let report = DamageReport::new(on_damage);
        let copied = self.snapshot()?.with_all_hidden().and_then(|snapshot| {
            let copy = StoreCopy {
                state,
                snapshot: &snapshot,
                target: &target.paths,
                report: &report,
                lists_losses: true,
            };
            copy.make(&progress)
        });
        match copied {
            Ok(_) => target.finish(),
            Err(e) => {
                target.give_up();
                return Err(e);
            }
        }
        Ok(report.found())
    }
}
