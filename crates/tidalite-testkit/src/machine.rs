//! A simulated disk, a few stores on it, each in the role of a process, and the oracle.
//!
//! The machine does one operation after the other, notes in the oracle what is accepted and what is durable, and compares
//! answers where an operation says so. Each unit has its own time, so that a point found after a crash identifies its unit.

use crate::check;
use crate::difference::{CheckResult, unexpected};
use crate::draw::{count_on, draw_batch};
use crate::fault::MachineFault;
use crate::follower::MachineFollower;
use crate::ops::{METRICS, Op, PLAIN_METRICS, RUNS, labels_of, number_of, time_of, value_bits};
use crate::oracle::{ExpectedPoints, Oracle};
use crate::question::Question;
use crate::units::{UnitContent, WrittenPoint};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidalite::{
    Error, ErrorKind, History, Options, Point, Repeats, RowAt, Run, Seq, SeriesKey, Snapshot, Store, Summary,
    Thin,
};
use tidalite_model::Moment;
use tidalite_vfs::SimVfs;

/// A disk, its stores and their oracle.
#[derive(Debug)]
pub struct StoreMachine {
    pub(crate) disk: SimVfs,
    pub(crate) options: Options,
    /// The folder of the store.
    pub(crate) root: PathBuf,
    /// Added to the numbers of its writers, so that the oracle has another number for each writer of each copy of the store.
    pub(crate) writers_from: u32,
    pub(crate) stores: Vec<Option<MachineStore>>,
    pub(crate) oracle: Oracle,
    pub(crate) units: u64,
    held: Vec<(Snapshot, ExpectedPoints)>,
    follower: MachineFollower,
}

/// One open store.
#[derive(Debug)]
pub(crate) struct MachineStore {
    pub(crate) store: Store,
    pub(crate) writer: Option<u32>,
    pub(crate) runs: BTreeMap<usize, StartedRun>,
    pub(crate) next_step: BTreeMap<usize, i64>,
}

/// A run that a store takes part in.
#[derive(Debug, Clone)]
pub(crate) struct StartedRun {
    pub(crate) handle: Run,
    /// Its start.
    pub(crate) start: Seq,
    /// What had ended or died before it.
    pub(crate) gone: Moment,
    pub(crate) logged: bool,
}

/// The oracle's place of a write.
pub(crate) fn place(writers_from: u32, seq: Seq) -> Seq {
    Seq::new(seq.writer() + writers_from, seq.ordinal())
}

/// The store's path on the simulated disk. The folder above exists from the start.
pub const STORE: &str = "/data/store";

impl StoreMachine {
    /// A machine with the given number of stores on an empty disk. Background work is off, so that equal operations make
    /// equal steps.
    pub fn new(seed: u64, stores: usize, options: Options) -> StoreMachine {
        let disk = SimVfs::new(seed);
        tidalite_vfs::Vfs::create_dir(&disk, Path::new("/data")).expect("the disk is empty");
        tidalite_vfs::Vfs::sync_dir(&disk, Path::new("/")).expect("nothing fails yet");
        StoreMachine::resume(disk, Oracle::new(), stores, options)
    }

    /// A machine on a disk whose store agrees with the oracle.
    pub fn resume(disk: SimVfs, oracle: Oracle, stores: usize, options: Options) -> StoreMachine {
        StoreMachine {
            options: options.background(false).vfs(Arc::new(disk.clone())),
            disk,
            root: STORE.into(),
            writers_from: 0,
            stores: (0..stores).map(|_| None).collect(),
            units: oracle.time_max_us().map_or(0, |t| number_of(t) + 1),
            oracle,
            held: Vec::new(),
            follower: MachineFollower::default(),
        }
    }

    /// The disk.
    pub fn disk(&self) -> &SimVfs {
        &self.disk
    }

    /// What the stores must hold.
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// Does the operations, up to the first that fails.
    ///
    /// # Errors
    /// The index of the operation and the fault.
    pub fn run(&mut self, ops: &[Op]) -> Result<(), (usize, MachineFault)> {
        ops.iter().enumerate().try_for_each(|(i, op)| self.apply(op).map_err(|f| (i, f)))
    }

    /// Does one operation.
    ///
    /// # Errors
    /// What the engine said, or the difference found.
    pub fn apply(&mut self, op: &Op) -> Result<(), MachineFault> {
        let done = self.dispatch(op);
        // Also after a failure: what was durable before it counts.
        for open in self.stores.iter().flatten() {
            if let Ok(Some(seq)) = open.store.watermark().map(|w| w.durable) {
                self.oracle.durable(place(self.writers_from, seq));
            }
        }
        done
    }

    fn dispatch(&mut self, op: &Op) -> Result<(), MachineFault> {
        match op {
            Op::Start { store, run, about } => self.start(*store, *run, *about),
            Op::Row { store, run, metrics, labels, step, value } => {
                self.row(*store, *run, *metrics, *labels, *step, *value)
            }
            Op::Batch { store, rows, seed } => self.batch(*store, *rows, *seed),
            Op::Change { store, run, about } => self.change(*store, *run, *about),
            Op::End { store, run, failed } => self.end(*store, *run, *failed),
            Op::Rewind { store, run, step } => self.rewind(*store, *run, *step, &[]),
            Op::RewindMetrics { store, run, step, metrics } => {
                self.rewind(*store, *run, *step, &PLAIN_METRICS[*metrics..*metrics + 2])
            }
            Op::Edit { store, run, about } => self.edit(*store, *run, *about),
            Op::Delete { store, run } => self.delete(*store, *run),
            Op::Sync { store } => Ok(self.open(*store)?.store.sync()?),
            Op::Flush { store } => {
                self.open(*store)?.store.flush()?;
                self.oracle.durable_all();
                Ok(())
            }
            Op::Compact { store } => {
                self.open(*store)?.store.compact()?;
                self.oracle.durable_all();
                Ok(())
            }
            Op::Thin { store, run, buckets } => self.thin(*store, *run, *buckets),
            Op::Reopen { store } => self.close(*store),
            Op::Kill => {
                self.kill();
                Ok(())
            }
            Op::Ask { store, ask } => {
                let select = self.open(*store)?.store.select();
                check::ask(select, &self.oracle, ask).map_err(MachineFault::Wrong)
            }
            Op::Hold { store } => {
                let snapshot = self.open(*store)?.store.snapshot()?;
                self.held.push((snapshot, self.oracle.answer(&Question::all(Repeats::All))));
                self.recheck().map_err(MachineFault::Wrong)
            }
            Op::Follow => self.poll(),
        }
    }

    /// The store with this index, opened if it is closed.
    ///
    /// # Errors
    /// Those of opening.
    pub fn store(&mut self, at: usize) -> Result<&Store, Error> {
        Ok(&self.open(at)?.store)
    }

    /// Compares everything: all points under all rules through every store, runs, held snapshots and the follower. No
    /// damage may be found.
    ///
    /// # Errors
    /// The difference.
    pub fn finish(&mut self) -> CheckResult {
        self.poll().map_err(|f| f.text())?;
        self.follower.check(&self.oracle)?;
        self.recheck()?;
        for at in 0..self.stores.len() {
            let store = self.store(at).map_err(|e| unexpected(&e))?.clone();
            check::everything(&store, &self.oracle, &|w| self.is_alive(w))
                .map_err(|e| format!("store {at}: {e}"))?;
            check::sound(&store.recovery().map_err(|e| unexpected(&e))?)?;
            check::sound(&store.verify().map_err(|e| unexpected(&e))?)?;
        }
        Ok(())
    }

    /// Whether a writer belongs to an open store.
    pub fn is_alive(&self, writer: u32) -> bool {
        self.stores.iter().flatten().any(|o| o.writer == Some(writer))
    }

    pub(crate) fn open(&mut self, at: usize) -> Result<&mut MachineStore, Error> {
        if self.stores[at].is_none() {
            let store = self.options.clone().open(&self.root)?;
            self.stores[at] =
                Some(MachineStore { store, writer: None, runs: BTreeMap::new(), next_step: BTreeMap::new() });
        }
        Ok(self.stores[at].as_mut().expect("opened above"))
    }

    pub(crate) fn close(&mut self, at: usize) -> Result<(), MachineFault> {
        if at == 0 {
            self.follower.park();
        }
        let Some(open) = self.stores[at].take() else { return Ok(()) };
        open.store.close()?;
        // Runs that are dropped after their store was closed do not end.
        drop(open.runs);
        // Closing seals the log, which makes it durable.
        if let Some(last) = open.writer.and_then(|w| self.oracle.writers().get(&w)?.units.last()) {
            let seq = last.seq;
            self.oracle.durable(seq);
        }
        Ok(())
    }

    fn kill(&mut self) {
        self.follower.park();
        self.held.clear();
        let after = self.disk.kill();
        // Dropping the stores writes to the old disk.
        self.stores.iter_mut().for_each(|s| *s = None);
        self.options = self.options.clone().vfs(Arc::new(after.clone()));
        self.disk = after;
    }

    fn poll(&mut self) -> Result<(), MachineFault> {
        let store = self.open(0)?.store.clone();
        Ok(self.follower.poll(&store)?)
    }

    fn recheck(&self) -> CheckResult {
        let each = |(i, (snapshot, expected)): (usize, &(Snapshot, ExpectedPoints))| {
            check::snapshot(snapshot, expected).map_err(|e| format!("snapshot {i}, held: {e}"))
        };
        self.held.iter().enumerate().try_for_each(each)
    }

    fn next_time(&mut self) -> i64 {
        self.units += 1;
        time_of(self.units)
    }

    /// Notes the result of an appending call in the oracle.
    pub(crate) fn settle(
        &mut self,
        at: usize,
        done: Result<Option<Seq>, Error>,
        content: UnitContent,
    ) -> Result<(), MachineFault> {
        let open = self.stores[at].as_mut().expect("the caller opened it");
        let accepted = open.store.watermark().ok().and_then(|w| w.accepted);
        let accepted = accepted.map(|seq| place(self.writers_from, seq));
        let done = done.map(|given| given.map(|seq| place(self.writers_from, seq)));
        if let Some(seq) = accepted {
            open.writer = Some(seq.writer());
        }
        match done {
            Ok(given) => {
                let seq = accepted
                    .ok_or_else(|| MachineFault::Wrong("a call succeeded and nothing is accepted".into()))?;
                if given.is_some_and(|g| g != seq) {
                    return Err(MachineFault::Wrong(format!(
                        "the last accepted is {seq:?}, and {given:?} was given out"
                    )));
                }
                self.oracle.accept(seq, content);
                Ok(())
            }
            Err(e) => {
                // After wrong input or on a full disk, nothing was appended.
                if !matches!(e.kind(), ErrorKind::Invalid | ErrorKind::Full) {
                    let writer = open.writer;
                    self.oracle.in_flight(writer, content);
                }
                Err(e.into())
            }
        }
    }

    fn row(
        &mut self,
        at: usize,
        run: usize,
        (first, count): (usize, usize),
        labels: usize,
        step: Option<i64>,
        value: u64,
    ) -> Result<(), MachineFault> {
        let handle = self.started(at, run)?.handle;
        if let Some(started) = self.open(at)?.runs.get_mut(&run) {
            started.logged = true;
        }
        let time_us = self.next_time();
        let known = self.open(at)?.next_step.get(&run).copied();
        // Looked up only where the step is not given.
        let counted =
            || known.unwrap_or_else(|| self.oracle.step_max(RUNS[run]).map_or(0, |s| s.saturating_add(1)));
        let expected = step.unwrap_or_else(counted);
        let bits = |i: usize| if i == 0 { value } else { value_bits(value.wrapping_add(i as u64)) };
        let values: Vec<(&str, f64)> = METRICS[first..first + count]
            .iter()
            .enumerate()
            .map(|(i, m)| (*m, f64::from_bits(bits(i))))
            .collect();
        let over = labels_of(labels);
        let row = RowAt::step(step).time_us(time_us).labels((labels > 0).then(|| over.clone()));
        let done = handle.log_at(&row, &values);
        let all = handle.labels().merged(&over).expect("few labels");
        let written = |&(metric, value): &(&str, f64)| WrittenPoint {
            key: SeriesKey::new(RUNS[run], metric, all.clone()),
            point: Point { step: expected, time_us, value },
            automatic: step.is_none(),
        };
        self.open(at)?.next_step.insert(run, expected.saturating_add(1));
        self.settle(at, done.map(Some), UnitContent::Points(values.iter().map(written).collect()))
    }

    fn batch(&mut self, at: usize, rows: usize, seed: u64) -> Result<(), MachineFault> {
        let time_us = self.next_time();
        let (batch, mut written) = draw_batch(seed, rows, time_us);
        if written[0].automatic {
            self.follow_on(at, &mut written)?;
        }
        let done = self.open(at)?.store.append(&batch);
        self.settle(at, done, UnitContent::Points(written))
    }

    /// Lets the automatic steps of a batch follow those of its runs.
    fn follow_on(&mut self, at: usize, written: &mut [WrittenPoint]) -> Result<(), MachineFault> {
        for (number, run) in RUNS.iter().enumerate() {
            let known = self.open(at)?.next_step.get(&number).copied();
            let first = known.unwrap_or_else(|| self.oracle.step_max(run).map_or(0, |s| s.saturating_add(1)));
            let next = count_on(written, run, first);
            if let Some(next) = next {
                self.open(at)?.next_step.insert(number, next);
            }
        }
        Ok(())
    }

    /// Ends a run and thins it. Its sums stay, and the remaining points are an outline.
    fn thin(&mut self, at: usize, run: usize, buckets: usize) -> Result<(), MachineFault> {
        for store in 0..self.stores.len() {
            if self.stores[store].is_some() {
                self.end(store, run, false)?;
            }
        }
        let store = self.open(at)?.store.clone();
        let own = store.select().run(RUNS[run]).history(History::Own);
        let sums = || -> Result<Vec<String>, Error> {
            let exact = |(k, s): &(SeriesKey, Summary)| {
                let counts = (s.count, s.finite, s.nan, s.pos_inf, s.neg_inf);
                let ends = (s.first, s.last, s.time_min_us, s.time_max_us);
                format!("{k:?} {counts:?} {:?} {:?} {ends:?}", s.min, s.max)
            };
            Ok(own.summaries()?.iter().map(exact).collect())
        };
        let before = sums()?;
        let done = store.thin(&Thin::new().run(RUNS[run]).buckets(buckets).bucket_points(1));
        match done {
            // There is no such run, or it is still written to. The store was flushed all the same.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Busy) => {}
            Err(e) => return Err(e.into()),
            Ok(_) => {
                let after = sums()?;
                if before != after {
                    return Err(MachineFault::Wrong(format!(
                        "sums were {before:?}, and thinned are {after:?}"
                    )));
                }
                let left = check::points(&own.clone().include_rewound(true).repeats(Repeats::All))?;
                self.oracle.thin(RUNS[run], &left).map_err(MachineFault::Wrong)?;
            }
        }
        self.oracle.durable_all();
        Ok(())
    }
}
