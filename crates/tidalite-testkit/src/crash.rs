//! The crash driver: cut the power at every step that changes the disk, in many ways, and see what opens afterwards.
//!
//! A [`Scenario`] is run once to learn its changing steps, and then once for each of them with the power going there. From
//! the disk at that moment, each [`Cut`] makes another disk, as it may be after the power is back: unsynced writes and
//! names kept, dropped, torn or zeroed. Each such *state* is checked ([`check_state`]):
//!
//! 1. The store opens, and its report finds no damage.
//! 2. Durable ⊆ recovered ⊆ accepted (and the one call in flight); each unit whole; of each writer a prefix; each
//!    point once; the runs are what those units add up to.
//! 3. A second recovery, after another cut, gives the same.
//! 4. Of one in [`USED_EACH`]: every byte is sound, and the store can be used: rows go in, are flushed and compacted,
//!    and everything is still there.
//!
//! At each step all processes are also killed without a cut: then everything accepted is there. Of some states, and of
//! some kills, the recovery and use in 4 are a scenario themselves, cut at each of their steps.

use crate::check::{self, Checked};
use crate::machine::{Fault, Machine, STORE};
use crate::ops::Op;
use crate::oracle::{Ask, Oracle, Unit, What, Written};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tidalite::{Options, Point, Repeats, RunInfo, SeriesKey};
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Survive, Tear};

/// What is done before and while the power goes.
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
    /// Which fault the disk has, if any: a negative control.
    pub planted: Planted,
}

/// A disk that lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Planted {
    /// It does not.
    #[default]
    Nothing,
    /// Syncs of files do nothing.
    FileSync,
    /// Syncs of folders do nothing.
    FolderSync,
}

/// How the power goes.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// What survives of what was not synced.
    pub survive: Survive,
    /// How it is torn.
    pub tear: Tear,
}

/// What was tried and found.
#[derive(Debug, Default)]
pub struct Tally {
    /// Steps at which the power went.
    pub cuts: usize,
    /// Disks that were checked.
    pub states: usize,
    /// What was wrong, at most [`VIOLATIONS_MAX`].
    pub violations: Vec<String>,
}

/// Use takes ten times as long as opening and reading, and depends less on how the power went.
pub const USED_EACH: usize = 7;
/// Beyond so many violations nothing more is learnt.
pub const VIOLATIONS_MAX: usize = 8;

impl Tally {
    /// Adds another's.
    pub fn add(&mut self, other: Tally) {
        self.cuts += other.cuts;
        self.states += other.states;
        self.violations.extend(other.violations);
    }
}

/// The twelve ways in which the power goes at each step; the seed decides those that are drawn.
pub fn cuts(seed: u64) -> Vec<Cut> {
    let cut = |survive, bytes, zeros| Cut { survive, tear: Tear { bytes, zeros } };
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

/// What is found after a crash, matched with what was written: what is left, as an oracle of its own.
///
/// # Errors
/// What breaks a promise, in words.
pub fn survivors(oracle: &Oracle, found: &[(SeriesKey, Point)], runs: &[RunInfo]) -> Checked<Oracle> {
    let mut by_time: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for (key, p) in found {
        by_time.entry(p.time_us).or_default().push(check::bits(key, p));
    }
    let deletions = oracle.deletions();
    let mut is_there = |unit: &Unit| -> Checked<Option<bool>> {
        let What::Points(points) = &unit.what else { return Ok(None) };
        // What some deletion may have taken is no sign of what is lost; whether it did is seen in the end.
        let doomed = |w: &&Written| {
            deletions.iter().any(|(run, before)| **run == *w.key.run && before.covers(unit.seq))
        };
        let certain = points.iter().filter(|w| !doomed(w)).count();
        let Some(mut there) = by_time.remove(&points[0].point.time_us) else {
            return Ok((certain > 0).then_some(false));
        };
        let mut expected: Vec<_> = points
            .iter()
            // Short where anything is doomed, since only drawn sequences delete.
            .filter(|w| !doomed(w) || there.contains(&check::bits(&w.key, &w.point)))
            .map(|w| check::bits(&w.key, &w.point))
            .collect();
        there.sort();
        expected.sort();
        if there == expected {
            Ok(Some(true))
        } else {
            Err(format!("a unit of {} points has {}: {unit:?}", expected.len(), there.len()))
        }
    };
    let mut ranges: Vec<(u32, usize, usize)> = Vec::new();
    for (&writer, history) in oracle.writers() {
        let there = history.units.iter().map(&mut is_there).collect::<Checked<Vec<_>>>()?;
        let least = there.iter().rposition(|t| *t == Some(true)).map_or(0, |i| i + 1);
        let most = there.iter().position(|t| *t == Some(false)).unwrap_or(there.len());
        if least > most {
            return Err(format!("of writer {writer} unit {most} is lost and unit {} is there", least - 1));
        }
        if history.durable > most {
            return Err(format!(
                "of writer {writer} {} units are durable, and unit {most} is lost",
                history.durable
            ));
        }
        ranges.push((writer, least.max(history.durable), most));
    }
    let (mut certain, mut open) = (BTreeSet::new(), Vec::new());
    for (place, unit) in oracle.maybe().iter().enumerate() {
        match is_there(unit)? {
            Some(true) => {
                certain.insert(place);
                // What came before it is there too.
                let before = |h: &crate::oracle::Ledger| h.units.partition_point(|u| u.seq < unit.seq);
                let needed = oracle.writers().get(&unit.seq.writer()).map_or(0, before);
                if let Some(range) = ranges.iter_mut().find(|r| r.0 == unit.seq.writer()) {
                    if needed > range.2 {
                        return Err(format!(
                            "unit {} is lost, and one in flight behind it is there",
                            range.2
                        ));
                    }
                    range.1 = range.1.max(needed);
                }
            }
            Some(false) => {}
            None => open.push(place),
        }
    }
    if let Some((time, points)) = by_time.first_key_value() {
        return Err(format!("{} points of time {time} were never written", points.len()));
    }
    // Changes to runs are told by what they add up to: some prefix within the bounds must give just these runs. The
    // shortest is taken, so that nothing counts as there that nobody can see.
    let mut expected = String::new();
    for open in subsets(&open) {
        let all_before = |kept: &BTreeMap<u32, usize>| {
            open.iter().map(|&place| &oracle.maybe()[place]).all(|unit| {
                let writer = unit.seq.writer();
                let needed = oracle
                    .writers()
                    .get(&writer)
                    .map_or(0, |h| h.units.partition_point(|u| u.seq < unit.seq));
                kept.get(&writer).copied().unwrap_or(0) >= needed
            })
        };
        for kept in combinations(&ranges).into_iter().filter(all_before) {
            let in_flight = certain.union(&open).copied().collect();
            let left = oracle.cut_to(&kept, &in_flight);
            let same = check::same_runs(&left.runs(|_| false), runs)
                .and_then(|()| check::same(&left.answer(&Ask::all(Repeats::All)), found));
            match same {
                Ok(()) => return Ok(left),
                Err(e) => expected = e,
            }
        }
    }
    Err(format!("the runs are those of no prefix; with the longest: {expected}"))
}

/// Every choice among these places, the empty one first.
fn subsets(places: &[usize]) -> Vec<BTreeSet<usize>> {
    let mut all = vec![BTreeSet::new()];
    for &place in places.iter().take(4) {
        let with: Vec<BTreeSet<usize>> =
            all.iter().map(|s| s.iter().copied().chain([place]).collect()).collect();
        all.extend(with);
    }
    all
}

/// Every choice of a length from each range, the shortest first.
fn combinations(ranges: &[(u32, usize, usize)]) -> Vec<BTreeMap<u32, usize>> {
    let mut all = vec![BTreeMap::new()];
    for &(writer, least, most) in ranges {
        let longer = |kept: &BTreeMap<u32, usize>| {
            let kept = kept.clone();
            (least..=most).map(move |n| kept.iter().map(|(w, n)| (*w, *n)).chain([(writer, n)]).collect())
        };
        all = all.iter().flat_map(longer).take(4096).collect();
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
type Held = (Vec<(SeriesKey, Point)>, Vec<RunInfo>);

/// What somebody finds who opens the store: its points and runs, and no damage.
fn read(disk: &SimVfs, options: &Options, read_only: bool) -> Checked<Held> {
    let options = options.clone().background(false).read_only(read_only).vfs(Arc::new(disk.clone()));
    let store = options.open(STORE).map_err(|e| format!("the store does not open: {e}"))?;
    let snapshot = store.snapshot().map_err(|e| format!("the store does not read: {e}"))?;
    let select = check::select(snapshot.select(), &Ask::all(Repeats::All));
    let points = check::points(&select).map_err(|e| format!("the store does not read: {e}"))?;
    check::sound(&snapshot.recovery())?;
    Ok((points, snapshot.runs()))
}

/// Checks one state by reading it. Gives what is left.
///
/// # Errors
/// What breaks a promise, in words.
pub fn check_read(disk: &SimVfs, oracle: &Oracle, options: &Options) -> Checked<Oracle> {
    let (points, runs) = read(disk, options, false)?;
    let left = survivors(oracle, &points, &runs)?;
    let expected = left.answer(&Ask::all(Repeats::All));
    check::same(&expected, &points)?;
    // What opening wrote, if anything, may be lost again. One who only reads must find the same.
    let (second, runs) = read(&disk.crash(Survive::None), options, left.points() > 0)?;
    check::same(&expected, &second).map_err(|e| format!("a second recovery differs: {e}"))?;
    check::same_runs(&left.runs(|_| false), &runs).map_err(|e| format!("a second recovery differs: {e}"))?;
    Ok(left)
}

/// Checks one state by reading it, and then by using it.
///
/// # Errors
/// What breaks a promise, in words.
pub fn check_state(disk: &SimVfs, oracle: &Oracle, options: &Options) -> Checked<Oracle> {
    let left = check_read(disk, oracle, options)?;
    let mut machine = Machine::resume(disk.crash(Survive::None), left.clone(), 1, options.clone());
    let used = machine.run(&use_of_it()).map_err(|(i, f)| format!("at operation {i}: {}", f.text()));
    used.and_then(|()| machine.finish())
        .map_err(|e| format!("after recovery the store is of no use: {e}"))?;
    Ok(left)
}

/// Checks a disk on which every process was killed and no power cut: everything accepted is there. Gives what is left,
/// of which is durable what was before.
///
/// # Errors
/// What breaks a promise, in words.
pub fn check_killed(disk: &SimVfs, oracle: &Oracle, options: &Options) -> Checked<Oracle> {
    let mut all = oracle.clone();
    all.durable_all();
    let (points, runs) = read(disk, options, false)?;
    let left = survivors(&all, &points, &runs)?;
    check::same(&left.answer(&Ask::all(Repeats::All)), &points)?;
    Ok(left.durable_as(oracle))
}

impl Scenario {
    fn machine(&self) -> Machine {
        let machine = Machine::new(1, self.stores, self.options.clone());
        machine.disk().ignore_sync(self.planted == Planted::FileSync);
        machine.disk().ignore_sync_dir(self.planted == Planted::FolderSync);
        machine
    }

    /// Cuts the power at each changing step of each phase, with `threads` at work; every `nested`-th state has its
    /// recovery cut too (0: none). Only every `stride`-th step is taken.
    pub fn cut_everywhere(&self, threads: usize, stride: usize, nested: usize) -> Tally {
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
                return Tally { violations: vec![violation], ..Tally::default() };
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

/// A machine whose power went, how its operations ended, and where that was.
type Downed = (Machine, Result<(), (usize, Fault)>, String);

/// Makes and checks the states of all jobs.
fn cut_all<J: Copy + Sync>(
    jobs: &[J],
    threads: usize,
    nested: usize,
    options: &Options,
    start: &(dyn Fn(J) -> Downed + Sync),
) -> Tally {
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Tally::default());
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= jobs.len() || lock(&total).violations.len() >= VIOLATIONS_MAX {
                return;
            }
            let (machine, ended, place) = start(jobs[at]);
            let mut tally = Tally { cuts: 1, ..Tally::default() };
            if let Err((i, Fault::Wrong(what))) = &ended {
                tally.violations.push(format!("{place}: operation {i}: {what}"));
            }
            // Before the power goes, all processes may: then nothing accepted is lost, and it is still not durable.
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

/// A panic is a violation like any other, and must not hide where it was.
fn unwinding(check: impl FnOnce() -> Checked<Oracle>) -> Checked<Oracle> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|e| {
        let what = e.downcast_ref::<String>().map(String::as_str).or(e.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", what.unwrap_or("of no text")))
    })
}

/// Cuts recovery, and the first use after it, at each changing step. `disk` gives the disk from which each begins.
fn cut_recovery(disk: &(dyn Fn() -> SimVfs + Sync), left: &Oracle, options: &Options, place: &str) -> Tally {
    let machine = || Machine::resume(disk(), left.clone(), 1, options.clone());
    let ops = use_of_it();
    let mut whole = machine();
    if let Err((i, fault)) = whole.run(&ops) {
        return Tally {
            violations: vec![format!("{place}, recovery, operation {i}: {}", fault.text())],
            ..Tally::default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Written;
    use tidalite::{Labels, Seq};

    fn row(time_us: i64, metrics: &[&str]) -> What {
        let written = |m: &&str| Written {
            key: SeriesKey::new("r", *m, Labels::none()),
            point: Point { step: 1, time_us, value: f64::NAN },
        };
        What::Points(metrics.iter().map(written).collect())
    }

    fn found(oracle: &Oracle, times: &[i64]) -> Vec<(SeriesKey, Point)> {
        let all = oracle.answer(&Ask::all(Repeats::All));
        all.into_iter()
            .flat_map(|(k, ps)| ps.into_iter().map(move |p| (k.clone(), p)))
            .filter(|(_, p)| times.contains(&p.time_us))
            .collect()
    }

    #[test]
    fn every_broken_promise_is_told() {
        let mut oracle = Oracle::new();
        for i in 0..3 {
            oracle.accept(Seq::new(1, i), row(i.cast_signed(), &["a", "b"]));
        }
        oracle.durable(Seq::new(1, 0));
        let runs = oracle.cut_to(&BTreeMap::from([(1, 1)]), &BTreeSet::new()).runs(|_| false);
        let check =
            |points: &[(SeriesKey, Point)]| survivors(&oracle, points, &runs).map(|left| left.points());
        assert_eq!(check(&found(&oracle, &[0, 1])), Ok(4));
        assert!(check(&[]).unwrap_err().contains("durable"));
        assert!(check(&found(&oracle, &[0, 2])).unwrap_err().contains("is lost and"));
        let mut torn = found(&oracle, &[0, 1]);
        torn.pop();
        assert!(check(&torn).unwrap_err().contains("has 1"));
        let mut twice = found(&oracle, &[0]);
        twice.extend(twice.clone());
        assert!(check(&twice).unwrap_err().contains("has 4"));
        let mut strange = found(&oracle, &[0]);
        strange.push((strange[0].0.clone(), Point { time_us: 99, ..strange[0].1 }));
        assert!(check(&strange).unwrap_err().contains("never written"));
        assert!(survivors(&oracle, &found(&oracle, &[0]), &[]).unwrap_err().contains("runs"));
    }
}
