//! The crash driver: cuts the power at every step that changes the disk, in many ways, and checks what opens afterwards.
//!
//! A [`Scenario`] is run once to learn its changing steps, and then once for each of them with the power going there. From
//! the disk at that moment, each [`CutPoint`] makes another disk, as it may be after the power is back: unsynced writes and
//! names kept, dropped, torn or zeroed. Each such *state* is checked ([`check_state`]):
//!
//! 1. The store opens, and its report finds no damage.
//! 2. Durable ⊆ recovered ⊆ accepted (and the one call in flight). Each unit is whole, each writer has a prefix, each point
//!    occurs once, and the runs are those of these units.
//! 3. A second recovery, after another cut, gives the same.
//! 4. For one state in [`USED_EACH`]: every byte is sound, and the store can be used. Rows are logged, flushed and
//!    compacted, and everything is still there.
//!
//! At each step all processes are also killed without a power cut: then everything accepted is there. For some states and
//! some kills, recovery and use are cut again at each of their own steps.

use crate::check;
use crate::difference::CheckResult;
use crate::fault::MachineFault;
use crate::machine::{STORE, StoreMachine};
use crate::ops::Op;
use crate::oracle::Oracle;
use crate::question::Question;
use crate::survivors::survivors;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tidalite::{Options, Point, Repeats, RunInfo, SeriesKey};
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Survive, Tear};

/// The operations before and during a power cut.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// For reports.
    pub name: String,
    /// How many stores write.
    pub stores: usize,
    /// What they do. A kill begins a new phase, on a disk with steps of its own.
    pub ops: Vec<Op>,
    /// How stores are opened.
    pub options: Options,
    /// The disk's fault, if any: a negative control.
    pub planted: Planted,
}

/// A fault of the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Planted {
    /// None.
    #[default]
    Nothing,
    /// Syncs of files do nothing.
    FileSync,
    /// Syncs of folders do nothing.
    FolderSync,
}

/// What a power cut does to the disk.
#[derive(Debug, Clone, Copy)]
pub struct CutPoint {
    /// What survives of what was not synced.
    pub survive: Survive,
    /// How it is torn.
    pub tear: Tear,
}

/// What was tried and found.
#[derive(Debug, Default)]
pub struct CutTally {
    /// Steps at which the power went.
    pub cuts: usize,
    /// Disks that were checked.
    pub states: usize,
    /// What was wrong, at most [`VIOLATIONS_MAX`].
    pub violations: Vec<String>,
}

/// One state in this many is used: use takes ten times as long as reading, and depends less on the kind of cut.
pub const USED_EACH: usize = 7;
/// The driver stops after this many violations.
pub const VIOLATIONS_MAX: usize = 8;

impl CutTally {
    /// Adds another's.
    pub fn add(&mut self, other: CutTally) {
        self.cuts += other.cuts;
        self.states += other.states;
        self.violations.extend(other.violations);
    }
}

/// The twelve ways in which the power goes at each step; the seed decides those that are drawn.
pub fn cuts(seed: u64) -> Vec<CutPoint> {
    let cut = |survive, bytes, zeros| CutPoint { survive, tear: Tear { bytes, zeros } };
    let mut all =
        vec![cut(Survive::None, 4096, false), cut(Survive::None, 4096, true), cut(Survive::All, 4096, false)];
    for (i, bytes) in [1, 512, 4096].into_iter().enumerate() {
        let seed = seed.wrapping_mul(31).wrapping_add(i as u64);
        all.push(cut(Survive::One(seed), bytes, seed.is_multiple_of(2)));
        all.push(cut(Survive::Random(seed), bytes, false));
        all.push(cut(Survive::Random(seed ^ 0x5555), bytes, true));
    }
    all
}

/// What is done with a store after a crash.
fn use_of_it() -> Vec<Op> {
    let row = |step| Op::Row { store: 0, run: 0, metrics: (0, 2), labels: 0, step: Some(step), value: 7 };
    vec![
        Op::Hold { store: 0 },
        row(3),
        Op::Flush { store: 0 },
        row(4),
        Op::Compact { store: 0 },
        row(5),
        Op::Hold { store: 0 },
    ]
}

/// All points that a store holds, and its runs.
type StoreContent = (Vec<(SeriesKey, Point)>, Vec<RunInfo>);

/// Opens the store and gives its points and runs. No damage may be reported.
fn read(disk: &SimVfs, options: &Options, read_only: bool) -> CheckResult<StoreContent> {
    let options = options.clone().background(false).read_only(read_only).vfs(Arc::new(disk.clone()));
    let store = options.open(STORE).map_err(|e| format!("the store does not open: {e}"))?;
    let snapshot = store.snapshot().map_err(|e| format!("the store does not read: {e}"))?;
    let select = check::select(snapshot.select(), &Question::all(Repeats::All));
    let points = check::points(&select).map_err(|e| format!("the store does not read: {e}"))?;
    check::sound(&snapshot.recovery())?;
    Ok((points, snapshot.runs().map_err(|e| e.to_string())?))
}

/// Checks one state by reading it. Gives what survived.
///
/// # Errors
/// What breaks a promise, in words.
pub fn check_read(disk: &SimVfs, oracle: &Oracle, options: &Options) -> CheckResult<Oracle> {
    let (points, runs) = read(disk, options, false)?;
    let left = survivors(oracle, &points, &runs)?;
    let expected = left.answer(&Question::all(Repeats::All));
    check::same(&expected, &points)?;
    // Anything that opening wrote may be lost again. A read-only reader must find the same.
    let (second, runs) = read(&disk.crash(Survive::None), options, left.points() > 0)?;
    check::same(&expected, &second).map_err(|e| format!("a second recovery differs: {e}"))?;
    check::same_runs(&left.runs(|_| false), &runs).map_err(|e| format!("a second recovery differs: {e}"))?;
    Ok(left)
}

/// Checks one state by reading it, and then by using it.
///
/// # Errors
/// What breaks a promise, in words.
pub fn check_state(disk: &SimVfs, oracle: &Oracle, options: &Options) -> CheckResult<Oracle> {
    let left = check_read(disk, oracle, options)?;
    let mut machine = StoreMachine::resume(disk.crash(Survive::None), left.clone(), 1, options.clone());
    let used = machine.run(&use_of_it()).map_err(|(i, f)| format!("at operation {i}: {}", f.text()));
    used.and_then(|()| machine.finish())
        .map_err(|e| format!("after recovery the store cannot be used: {e}"))?;
    Ok(left)
}

/// Checks a disk on which every process was killed without a power cut: everything accepted is there. Gives what
/// survived, with the durable prefixes as before.
///
/// # Errors
/// What breaks a promise, in words.
pub fn check_killed(disk: &SimVfs, oracle: &Oracle, options: &Options) -> CheckResult<Oracle> {
    let mut all = oracle.clone();
    all.durable_all();
    let (points, runs) = read(disk, options, false)?;
    let left = survivors(&all, &points, &runs)?;
    check::same(&left.answer(&Question::all(Repeats::All)), &points)?;
    Ok(left.durable_as(oracle))
}

impl Scenario {
    fn machine(&self) -> StoreMachine {
        let machine = StoreMachine::new(1, self.stores, self.options.clone());
        machine.disk().ignore_sync(self.planted == Planted::FileSync);
        machine.disk().ignore_sync_dir(self.planted == Planted::FolderSync);
        machine
    }

    /// Cuts the power at every `stride`-th changing step of each phase, on `threads` threads. Every `nested`-th state has
    /// its recovery cut too (0: none).
    pub fn cut_everywhere(&self, threads: usize, stride: usize, nested: usize) -> CutTally {
        let phases: Vec<&[Op]> = self.ops.split(|op| *op == Op::Kill).collect();
        let mut jobs = Vec::new();
        let mut machine = self.machine();
        for (p, phase) in phases.iter().enumerate() {
            if p > 0 {
                machine.run(&[Op::Kill]).expect("a kill does not fail");
            }
            let before = machine.disk().change_steps().len();
            if let Err((i, fault)) = machine.run(phase) {
                let violation =
                    format!("{}: without any cut, operation {i} {:?}: {}", self.name, phase[i], fault.text());
                return CutTally { violations: vec![violation], ..CutTally::default() };
            }
            let steps = machine.disk().change_steps();
            jobs.extend(steps[before..].iter().step_by(stride).map(|&step| (p, step)));
        }
        drop(machine);
        let start = |(p, step): (usize, u64)| {
            let mut machine = self.machine();
            for phase in &phases[..p] {
                machine.run(phase).expect("it went through without a cut");
                machine.run(&[Op::Kill]).expect("a kill does not fail");
            }
            machine.disk().set_failure(SimFailure { at_step: step, kind: FailKind::Crash, persist: true });
            let ended = machine.run(phases[p]);
            (machine, ended, format!("{}, phase {p}, step {step}", self.name))
        };
        cut_all(&jobs, threads, nested, &self.options, &start)
    }
}

/// A machine after its power cut, how its operations ended, and the place in words.
type Downed = (StoreMachine, Result<(), (usize, MachineFault)>, String);

/// Makes and checks the states of all jobs.
fn cut_all<J: Copy + Sync>(
    jobs: &[J],
    threads: usize,
    nested: usize,
    options: &Options,
    start: &(dyn Fn(J) -> Downed + Sync),
) -> CutTally {
    let next = AtomicUsize::new(0);
    let total = Mutex::new(CutTally::default());
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= jobs.len() || lock(&total).violations.len() >= VIOLATIONS_MAX {
                return;
            }
            let (machine, ended, place) = start(jobs[at]);
            let mut tally = CutTally { cuts: 1, ..CutTally::default() };
            if let Err((i, MachineFault::Wrong(what))) = &ended {
                tally.violations.push(format!("{place}: operation {i}: {what}"));
            }
            // A kill of all processes before the cut loses nothing accepted, and makes nothing durable.
            tally.states += 1;
            let killed = machine.disk().kill();
            match unwinding(|| check_killed(&killed.kill(), machine.oracle(), options)) {
                Ok(left) if nested > 0 && at.is_multiple_of(nested / 12 + 1) => {
                    tally.add(cut_recovery(&|| killed.kill(), &left, options, &format!("{place}, killed")));
                }
                Ok(_) => {}
                Err(what) => tally.violations.push(format!("{place}, killed: {what}")),
            }
            for (c, cut) in cuts(at as u64).into_iter().enumerate() {
                let disk = machine.disk().crash_torn(cut.survive, cut.tear);
                let kept = disk.crash(Survive::None);
                tally.states += 1;
                let check = if (at * 12 + c).is_multiple_of(USED_EACH) { check_state } else { check_read };
                match unwinding(|| check(&disk, machine.oracle(), options)) {
                    Ok(left) if nested > 0 && (at * 12 + c).is_multiple_of(nested) => {
                        let again = || kept.crash(Survive::None);
                        tally.add(cut_recovery(&again, &left, options, &format!("{place}, {cut:?}")));
                    }
                    Ok(_) => {}
                    Err(what) => tally.violations.push(format!("{place}, {cut:?}: {what}")),
                }
            }
            lock(&total).add(tally);
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Turns a panic into a violation, so that its place is reported.
fn unwinding(check: impl FnOnce() -> CheckResult<Oracle>) -> CheckResult<Oracle> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|e| {
        let what = e.downcast_ref::<String>().map(String::as_str).or(e.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", what.unwrap_or("without a text")))
    })
}

/// Cuts recovery, and the first use after it, at each changing step. `disk` gives the disk at the start.
fn cut_recovery(
    disk: &(dyn Fn() -> SimVfs + Sync),
    left: &Oracle,
    options: &Options,
    place: &str,
) -> CutTally {
    let machine = || StoreMachine::resume(disk(), left.clone(), 1, options.clone());
    let ops = use_of_it();
    let mut whole = machine();
    if let Err((i, fault)) = whole.run(&ops) {
        return CutTally {
            violations: vec![format!("{place}, recovery, operation {i}: {}", fault.text())],
            ..CutTally::default()
        };
    }
    let steps = whole.disk().change_steps();
    drop(whole);
    let start = |step: u64| {
        let mut machine = machine();
        machine.disk().set_failure(SimFailure { at_step: step, kind: FailKind::Crash, persist: true });
        let ended = machine.run(&ops);
        (machine, ended, format!("{place}, recovery, step {step}"))
    };
    cut_all(&steps, 1, 0, options, &start)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
