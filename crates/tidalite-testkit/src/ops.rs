//! Operations on a store as plain data, so that they can be drawn, repeated and shrunk.
//!
//! Names, steps and values come from small pools, so that they collide: a step is written again, by another process or out
//! of order; two processes log to one run; a name holds the signs of patterns. [`draw_ops`] draws from a seed, for crash
//! tests; [`ops`] draws by proptest, which shrinks failures.

use crate::question::{NameTest, Question};
use crate::random::Random;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use std::fmt;
use tidalite::{History, Labels, Repeats};

/// Run ids. One is also a glob over all of them.
pub const RUNS: [&str; 4] = ["run-a", "run-b/../🌊", "*", "run-"];
/// Metric names. One matches another as a glob, and not itself.
pub const METRICS: [&str; 6] = ["loss", "acc", "grad/norm\0", "x[0]{,}", "los", "x0"];
/// Those that are no glob, so that a rewind of them means exactly them.
pub const PLAIN_METRICS: [&str; 3] = ["loss", "acc", "x0"];
/// Labels by their canonical text.
pub const LABELS: [&str; 5] = ["", "rank=0", "rank=1", "host=a\\,b,rank=0", "rank=[01]"];

/// One operation. `store` is the index of the machine's store that does it. Each store has its own log writer.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// Starts a run, again where it is started already. `about` determines params, tags and parent.
    Start {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
        /// Decides the rest.
        about: u64,
    },
    /// Logs a row, and starts the run where it is not started yet.
    Row {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
        /// First index and count of [`METRICS`].
        metrics: (usize, usize),
        /// Which of [`LABELS`] on top of the run's own.
        labels: usize,
        /// The step; the next one where absent.
        step: Option<i64>,
        /// The first value's bits; the others follow from it.
        value: u64,
    },
    /// Appends a batch, whose contents follow from the seed.
    Batch {
        /// Which store.
        store: usize,
        /// How many rows.
        rows: usize,
        /// Decides them.
        seed: u64,
    },
    /// Sets params and tags of a run.
    Change {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
        /// Decides them.
        about: u64,
    },
    /// Ends the part of this store in a run.
    End {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
        /// As failed.
        failed: bool,
    },
    /// Rewinds a run, and starts it where it is not started yet.
    Rewind {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
        /// The last step that stays.
        step: i64,
    },
    /// Rewinds two metrics of a run, and starts it where it is not started yet.
    RewindMetrics {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
        /// The last step that stays.
        step: i64,
        /// The first of two of [`PLAIN_METRICS`].
        metrics: usize,
    },
    /// Edits a run without taking part in it, if it exists.
    Edit {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
        /// Decides the edit.
        about: u64,
    },
    /// Deletes a run, if it exists.
    Delete {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
    },
    /// Syncs.
    Sync {
        /// Which store.
        store: usize,
    },
    /// Flushes.
    Flush {
        /// Which store.
        store: usize,
    },
    /// Compacts.
    Compact {
        /// Which store.
        store: usize,
    },
    /// Ends a run everywhere and thins it, if it exists.
    Thin {
        /// Which store.
        store: usize,
        /// Which of [`RUNS`].
        run: usize,
        /// The number of buckets.
        buckets: usize,
    },
    /// Closes a store; the next operation opens it again.
    Reopen {
        /// Which store.
        store: usize,
    },
    /// Kills the processes of all stores: no store is closed, and written data stays unsynced.
    Kill,
    /// Compares an answer with the oracle's.
    Ask {
        /// Which store.
        store: usize,
        /// The question.
        ask: Question,
    },
    /// Takes a snapshot and keeps it. All kept snapshots are compared again.
    Hold {
        /// Which store.
        store: usize,
    },
    /// Polls the machine's follower.
    Follow,
}

/// Short, for failure reports.
impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Start { store, run, about } => write!(f, "start({store}, {:?}, {about})", RUNS[*run]),
            Op::Row { store, run, metrics: (first, count), labels, step, value } => {
                write!(f, "row({store}, {:?}, {first}+{count}, {labels}, {step:?}, {value:#x})", RUNS[*run])
            }
            Op::Batch { store, rows, seed } => write!(f, "batch({store}, {rows}, {seed})"),
            Op::Change { store, run, about } => write!(f, "change({store}, {:?}, {about})", RUNS[*run]),
            Op::End { store, run, failed } => write!(f, "end({store}, {:?}, {failed})", RUNS[*run]),
            Op::Rewind { store, run, step } => write!(f, "rewind({store}, {:?}, {step})", RUNS[*run]),
            Op::RewindMetrics { store, run, step, metrics } => {
                write!(f, "rewind({store}, {:?}, {step}, {metrics})", RUNS[*run])
            }
            Op::Edit { store, run, about } => write!(f, "edit({store}, {:?}, {about})", RUNS[*run]),
            Op::Delete { store, run } => write!(f, "delete({store}, {:?})", RUNS[*run]),
            Op::Sync { store } => write!(f, "sync({store})"),
            Op::Flush { store } => write!(f, "flush({store})"),
            Op::Compact { store } => write!(f, "compact({store})"),
            Op::Thin { store, run, buckets } => write!(f, "thin({store}, {:?}, {buckets})", RUNS[*run]),
            Op::Reopen { store } => write!(f, "reopen({store})"),
            Op::Kill => f.write_str("kill"),
            Op::Ask { store, ask } => write!(f, "ask({store}, {ask:?})"),
            Op::Hold { store } => write!(f, "hold({store})"),
            Op::Follow => f.write_str("follow"),
        }
    }
}

/// A value's bits: special values, small integers, or any.
pub fn value_bits(seed: u64) -> u64 {
    const SPECIAL: [u64; 12] = [
        0x7ff8_0000_0000_0000, // NaN
        0xfff8_0000_0000_1234, // NaN, negative, with a payload
        0x7ff0_0000_0000_0001, // signalling NaN
        0x7ff0_0000_0000_0000, // +Inf
        0xfff0_0000_0000_0000, // −Inf
        0x8000_0000_0000_0000, // −0
        0x0000_0000_0000_0000, // 0
        0x0000_0000_0000_0001, // the least subnormal
        0x7fef_ffff_ffff_ffff, // the greatest
        0xffef_ffff_ffff_ffff, // the least
        0x3ff0_0000_0000_0000, // 1
        0xbff0_0000_0000_0000, // −1
    ];
    let mut random = Random::new(seed);
    match random.below(4) {
        0 => SPECIAL[at(&mut random, SPECIAL.len())],
        1 => (random.below(10) as f64).to_bits(),
        _ => random.normal().to_bits(),
    }
}

/// A step: mostly one of a few, in any order; now and then at the ends of the range.
pub fn step_of(seed: u64) -> i64 {
    let mut random = Random::new(seed);
    match random.below(40) {
        0 => i64::MAX,
        1 => i64::MIN,
        2 => i64::from(random.next_u64() as u32) << 20,
        n if n < 10 => -3 + random.below(6) as i64,
        _ => random.below(30) as i64,
    }
}

fn at(random: &mut Random, len: usize) -> usize {
    // The remainder is below a usize.
    random.below(len as u64) as usize
}

/// The relative weight of each kind of operation.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Rows.
    pub rows: u64,
    /// Batches.
    pub batches: u64,
    /// Starts, changes and ends of runs.
    pub runs: u64,
    /// Rewinds and deletions of runs.
    pub retractions: u64,
    /// Syncs.
    pub syncs: u64,
    /// Flushes.
    pub flushes: u64,
    /// Compactions.
    pub compactions: u64,
    /// Thinnings.
    pub thinnings: u64,
    /// Closing and opening again.
    pub reopens: u64,
    /// Kills of all stores.
    pub kills: u64,
    /// Questions, held snapshots and polls.
    pub reads: u64,
}

impl Mix {
    /// Writing only, for crash tests, which read after the crash.
    pub fn writing() -> Self {
        Mix {
            rows: 12,
            batches: 2,
            runs: 2,
            retractions: 1,
            syncs: 2,
            flushes: 2,
            compactions: 1,
            // A thinning that is cut is neither of the oracle's states. `tests/suite/thin.rs` cuts thinnings.
            thinnings: 0,
            reopens: 1,
            kills: 0,
            reads: 0,
        }
    }

    /// All of it.
    pub fn everything() -> Self {
        Mix {
            rows: 20,
            batches: 4,
            runs: 4,
            retractions: 2,
            syncs: 1,
            flushes: 3,
            compactions: 2,
            thinnings: 2,
            reopens: 2,
            kills: 1,
            reads: 10,
        }
    }

    fn sum(&self) -> u64 {
        self.rows
            + self.batches
            + self.runs
            + self.retractions
            + self.syncs
            + self.flushes
            + self.compactions
            + self.thinnings
            + self.reopens
            + self.kills
            + self.reads
    }
}

/// Operations that follow from the seed.
pub fn draw_ops(seed: u64, count: usize, stores: usize, mix: Mix) -> Vec<Op> {
    let mut random = Random::new(seed);
    (0..count).map(|_| draw_op(random.next_u64(), stores, mix)).collect()
}

/// Sequences of up to `max` operations, for proptest, which shrinks a failed case to few operations.
pub fn ops(max: usize, stores: usize, mix: Mix) -> impl Strategy<Value = Vec<Op>> {
    let drawn = any::<u64>().prop_map(move |seed| draw_op(seed, stores, mix));
    let steps = prop_oneof![4 => (0i64..20).prop_map(Some), 1 => Just(None)];
    // Rows are drawn separately, since a number shrinks and a seed does not.
    let row = (0..stores, 0..2usize, 0..LABELS.len(), steps, any::<u64>()).prop_map(
        |(store, run, labels, step, seed)| Op::Row {
            store,
            run,
            metrics: (0, 1),
            labels,
            step,
            value: value_bits(seed),
        },
    );
    proptest::collection::vec(prop_oneof![1 => row, 4 => drawn], 1..max)
}

fn draw_op(seed: u64, stores: usize, mix: Mix) -> Op {
    let mut random = Random::new(seed);
    let store = at(&mut random, stores);
    let run = at(&mut random, RUNS.len());
    let mut left = random.below(mix.sum());
    let mut is = |share: u64| {
        let hit = left < share;
        left = left.wrapping_sub(share);
        hit
    };
    if is(mix.rows) {
        let first = at(&mut random, METRICS.len());
        let count = 1 + at(&mut random, METRICS.len() - first);
        let step = (random.below(6) > 0).then(|| step_of(random.next_u64()));
        let labels = at(&mut random, LABELS.len());
        Op::Row { store, run, metrics: (first, count), labels, step, value: value_bits(random.next_u64()) }
    } else if is(mix.batches) {
        Op::Batch { store, rows: 1 + at(&mut random, 60), seed: random.next_u64() }
    } else if is(mix.runs) {
        match random.below(6) {
            0 => Op::Start { store, run, about: random.next_u64() },
            1 => Op::End { store, run, failed: random.below(2) == 0 },
            2 | 3 => Op::Edit { store, run, about: random.next_u64() },
            _ => Op::Change { store, run, about: random.next_u64() },
        }
    } else if is(mix.retractions) {
        match random.below(4) {
            0 => Op::Delete { store, run },
            1 => Op::RewindMetrics {
                store,
                run,
                step: step_of(random.next_u64()),
                metrics: at(&mut random, PLAIN_METRICS.len() - 1),
            },
            _ => Op::Rewind { store, run, step: step_of(random.next_u64()) },
        }
    } else if is(mix.syncs) {
        Op::Sync { store }
    } else if is(mix.flushes) {
        Op::Flush { store }
    } else if is(mix.compactions) {
        Op::Compact { store }
    } else if is(mix.thinnings) {
        Op::Thin { store, run, buckets: 1 + at(&mut random, 8) }
    } else if is(mix.reopens) {
        Op::Reopen { store }
    } else if is(mix.kills) {
        Op::Kill
    } else {
        match random.below(6) {
            0 => Op::Hold { store },
            1 => Op::Follow,
            _ => Op::Ask { store, ask: draw_ask(&mut random) },
        }
    }
}

fn draw_ask(random: &mut Random) -> Question {
    let mut ask = Question::all([Repeats::Last, Repeats::First, Repeats::All][at(random, 3)]);
    let name = |random: &mut Random, names: &[&str], prefix: &str| match random.below(5) {
        0 => vec![],
        1 => vec![NameTest::Text(names[at(random, names.len())].into())],
        2 => vec![NameTest::Glob(names[at(random, names.len())].into()), NameTest::Text(names[0].into())],
        3 => vec![NameTest::Exact(names[at(random, names.len())].into()), NameTest::Exact(names[0].into())],
        _ => vec![NameTest::Prefix(prefix.into())],
    };
    ask.history = [History::Own, History::Inherited, History::InheritedWithTelemetry][at(random, 3)];
    ask.hidden = random.below(3) == 0;
    ask.runs = name(random, &RUNS, "run-");
    ask.metrics = name(random, &METRICS, "lo");
    if random.below(4) == 0 {
        let value = |random: &mut Random| NameTest::Text(["0", "1", "[01]", "*"][at(random, 4)].into());
        ask.labels = (0..1 + random.below(2)).map(|_| ("rank".into(), value(random))).collect();
    }
    let (lo, width) = (-2 + random.below(20) as i64, random.below(12) as i64);
    match random.below(6) {
        0 => ask.steps = (Some(lo), Some(lo + width)),
        1 => ask.steps = (Some(lo), None),
        2 => ask.steps = (None, Some(lo)),
        _ => {}
    }
    if random.below(6) == 0 {
        ask.values = (Some(-0.5), Some(random.below(4) as f64));
    }
    if random.below(6) == 0 {
        let lo = time_of(random.below(200));
        ask.times_us = (Some(lo), Some(lo + 40 * TIME_STRIDE_US));
    }
    ask
}

/// Between the times of two units.
const TIME_STRIDE_US: i64 = 1_000_003;
const TIME_FIRST_US: i64 = 1_700_000_000_000_000;

/// The time of a machine's unit `number`, which identifies its points.
pub fn time_of(number: u64) -> i64 {
    TIME_FIRST_US + i64::try_from(number).expect("no test writes that many units") * TIME_STRIDE_US
}

/// The number of the unit that carries a time.
pub fn number_of(time_us: i64) -> u64 {
    u64::try_from((time_us - TIME_FIRST_US) / TIME_STRIDE_US).expect("a machine's time")
}

/// The labels at an index of [`LABELS`].
pub fn labels_of(index: usize) -> Labels {
    Labels::parse(LABELS[index]).expect("the pool holds labels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_draw_equal_operations_of_every_kind() {
        let drawn = draw_ops(3, 2000, 2, Mix::everything());
        assert_eq!(drawn, draw_ops(3, 2000, 2, Mix::everything()));
        let kinds: std::collections::BTreeSet<String> =
            drawn.iter().map(|op| format!("{op:?}").chars().take_while(|c| *c != '(').collect()).collect();
        assert_eq!(kinds.len(), 17, "{kinds:?}");
    }
}
