//! Two copies of one store on one disk, each with a machine, and what a merge of one into the other must give.
//!
//! A machine's writers have numbers of their own in the oracles. So a merge of oracles is the union of their units, and
//! what a moment means does not depend on the copy.

use crate::fault::MachineFault;
use crate::machine::StoreMachine;
use crate::ops::Op;
use std::path::Path;
use tidalite::{Merge, OnConflict};

/// Two copies of one store.
#[derive(Debug)]
pub struct TwoCopies {
    machines: [StoreMachine; 2],
}

/// The folder of the second copy.
const COPY: &str = "/data/copy";
/// Added to the numbers of the second copy's writers.
const WRITERS_FROM: u32 = 100_000;
/// Added to the numbers of the second copy's units, which give points their times.
const UNITS_FROM: u64 = 1_000_000;

impl TwoCopies {
    /// Copies the machine's store. Its processes go on; those of the copy are new.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn of(mut first: StoreMachine, stores: usize) -> Result<TwoCopies, MachineFault> {
        first.store(0)?.backup(COPY)?;
        let mut oracle = first.oracle.clone();
        oracle.durable_all();
        let mut second = StoreMachine::resume(first.disk.clone(), oracle, stores, first.options.clone());
        second.root = Path::new(COPY).into();
        second.writers_from = WRITERS_FROM;
        second.units = first.units + UNITS_FROM;
        Ok(TwoCopies { machines: [first, second] })
    }

    /// Does one operation on a copy.
    ///
    /// # Errors
    /// As [`StoreMachine::apply`].
    pub fn apply(&mut self, copy: usize, op: &Op) -> Result<(), MachineFault> {
        let [first, second] = &mut self.machines;
        first.oracle.not_before(&second.oracle);
        second.oracle.not_before(&first.oracle);
        self.machines[copy].apply(op)
    }

    /// Merges the other copy into this one, twice, and compares everything. Runs of one id become one.
    ///
    /// # Errors
    /// Those of the engine, or the difference.
    pub fn merge_into(&mut self, copy: usize) -> Result<(), MachineFault> {
        let [first, second] = &mut self.machines;
        let (into, from) = if copy == 0 { (first, second) } else { (second, first) };
        let store = into.store(0)?.clone();
        let how = Merge::new().on_conflict(OnConflict::Join);
        store.merge_with(&from.root, &how, &|_, _| std::ops::ControlFlow::Continue(()))?;
        into.oracle.merge(&from.oracle);
        into.finish().map_err(MachineFault::Wrong)?;
        let again = store.merge_with(&from.root, &how, &|_, _| std::ops::ControlFlow::Continue(()))?;
        let changed = (again.points, again.runs_new, again.runs_changed);
        if changed != (0, 0, 0) {
            return Err(MachineFault::Wrong(format!("a second merge changed something: {changed:?}")));
        }
        Ok(())
    }

    /// Compares everything in both copies.
    ///
    /// # Errors
    /// The difference.
    pub fn finish(&mut self) -> Result<(), MachineFault> {
        self.machines.iter_mut().try_for_each(|m| m.finish()).map_err(MachineFault::Wrong)
    }
}
