//! After any operations and with any options, a store answers as the oracle does, bit for bit (T7).
//!
//! Method: proptest draws sequences of operations (rows with NaN, −0, ±Inf, repeats, steps out of order, batches, changes
//! of runs, rewinds, deletions, flush, compaction, reopening, kills, two writers, held snapshots, a follower) and shrinks
//! what fails. Each sequence runs with usual options and with drawn ones, which must not change an answer. Questions with
//! filters are compared on the way, everything at the end.

use crate::{factor, note};
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tidalite::{Durability, Options};
use tidalite_testkit::{MachineFault, Mix, Op, Random, StoreMachine, TwoCopies, ops};

/// Cases per test in the short run.
const CASES: u32 = 200;

fn runner(seed: u8) -> TestRunner {
    runner_of(seed, CASES)
}

fn runner_of(seed: u8, cases: u32) -> TestRunner {
    let cases = cases * u32::try_from(factor()).unwrap();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

fn usual() -> Options {
    Options::new().threads(1)
}

/// Small or unusual options.
fn drawn(seed: u64) -> Options {
    let mut r = Random::new(seed);
    let segment = 4096 << r.below(4);
    let durability = match r.below(3) {
        0 => Durability::Row,
        1 => Durability::Process,
        _ => Durability::Interval(Duration::from_millis(r.below(5))),
    };
    usual()
        .threads(1 + usize::try_from(r.below(2)).unwrap())
        .segment_bytes(segment, segment << r.below(3))
        .tile_rows([1, 3, 64, 1000][usize::try_from(r.below(4)).unwrap()])
        .part_rows([8, 100, 1 << 20][usize::try_from(r.below(3)).unwrap()])
        .rollups(u32::try_from(r.below(5)).unwrap(), 2)
        .row_bytes([0, 300, 5000, 16 << 20][usize::try_from(r.below(4)).unwrap()])
        .memory_bytes(16 << 20)
        .durability(durability)
}

fn check(ops: &[Op], options: Options) -> Result<(), TestCaseError> {
    machine(ops, options).map(|_| ())
}

/// A machine after these operations, compared to the end.
fn machine(ops: &[Op], options: Options) -> Result<StoreMachine, TestCaseError> {
    let mut machine = StoreMachine::new(1, 2, options);
    machine
        .run(ops)
        .map_err(|(i, fault)| TestCaseError::fail(format!("operation {i} {:?}: {}", ops[i], fault.text())))?;
    machine.finish().map_err(TestCaseError::fail)?;
    Ok(machine)
}

#[test]
fn every_answer_is_the_oracles_and_options_never_show() {
    let strategy = (ops(60, 2, Mix::everything()), any::<u64>());
    let ran = runner(1).run(&strategy, |(ops, seed)| {
        check(&ops, usual())?;
        check(&ops, drawn(seed))
    });
    if let Err(e) = ran {
        panic!("{e}");
    }
    note(&format!("equivalence: {CASES} sequences under two sets of options each"));
}

#[test]
fn every_answer_is_the_oracles_also_where_flushes_and_kills_are_frequent() {
    let mix = Mix { flushes: 10, compactions: 6, kills: 4, reopens: 4, ..Mix::everything() };
    let strategy = (ops(40, 2, mix), any::<u64>().prop_map(drawn));
    let ran = runner(2).run(&strategy, |(ops, options)| check(&ops, options));
    if let Err(e) = ran {
        panic!("{e}");
    }
    note(&format!("equivalence with frequent flushes: {CASES} sequences"));
}

#[test]
fn every_answer_is_the_oracles_also_where_much_is_taken_back() {
    let mix = Mix { retractions: 12, flushes: 5, compactions: 5, reads: 14, ..Mix::everything() };
    let strategy = (ops(40, 2, mix), any::<u64>().prop_map(drawn));
    let ran = runner(3).run(&strategy, |(ops, options)| check(&ops, options));
    if let Err(e) = ran {
        panic!("{e}");
    }
    note(&format!("equivalence with rewinds and deletions: {CASES} sequences"));
}

#[test]
fn every_answer_is_the_oracles_also_where_runs_are_thinned() {
    let mix = Mix { runs: 12, thinnings: 10, retractions: 4, compactions: 4, reads: 14, ..Mix::everything() };
    let strategy = (ops(60, 2, mix), any::<u64>().prop_map(drawn));
    let thinned = AtomicUsize::new(0);
    let ran = runner(4).run(&strategy, |(ops, options)| {
        let machine = machine(&ops, options)?;
        thinned.fetch_add(usize::from(!machine.oracle().thinned().is_empty()), Ordering::Relaxed);
        Ok(())
    });
    if let Err(e) = ran {
        panic!("{e}");
    }
    let thinned = thinned.into_inner();
    note(&format!("equivalence with thinned runs: {CASES} sequences, of which {thinned} had some"));
    assert!(thinned * 8 > CASES as usize, "{thinned} of {CASES}");
}

#[test]
fn every_answer_is_the_oracles_also_after_copies_of_a_store_are_merged() {
    let mix = Mix { thinnings: 0, kills: 0, runs: 10, retractions: 4, reads: 4, ..Mix::everything() };
    let sides = proptest::collection::vec(0..8usize, 40);
    let strategy = (ops(20, 2, mix), ops(40, 2, mix), sides, any::<u64>().prop_map(drawn));
    let ran = runner_of(5, CASES / 4).run(&strategy, |(before, after, sides, options)| {
        let fault = |e: MachineFault| TestCaseError::fail(e.text());
        let mut first = StoreMachine::new(1, 2, options);
        before.iter().try_for_each(|op| first.apply(op)).map_err(fault)?;
        let mut copies = TwoCopies::of(first, 2).map_err(fault)?;
        for (op, side) in after.iter().zip(&sides) {
            match side {
                6 => copies.merge_into(0).map_err(fault)?,
                7 => copies.merge_into(1).map_err(fault)?,
                side => copies.apply(side % 2, op).map_err(fault)?,
            }
        }
        copies.merge_into(0).map_err(fault)?;
        copies.merge_into(1).map_err(fault)?;
        copies.finish().map_err(fault)
    });
    if let Err(e) = ran {
        panic!("{e}");
    }
    note(&format!("equivalence of merged copies: {} sequences", CASES / 4));
}

#[test]
fn large_batches_and_flushes_in_several_rounds_keep_each_point_once() {
    let mut ops =
        vec![Op::Batch { store: 0, rows: 17_000, seed: 1 }, Op::Batch { store: 1, rows: 16_384, seed: 2 }];
    let row = |i: u64| Op::Row {
        store: usize::try_from(i % 2).unwrap(),
        run: 0,
        metrics: (0, 5),
        labels: 0,
        step: Some((i / 3).cast_signed()),
        value: i,
    };
    ops.extend((0..40_000).map(row));
    ops.push(Op::Flush { store: 1 });
    ops.push(Op::Batch { store: 1, rows: 20_000, seed: 3 });
    ops.push(Op::Follow);
    ops.push(Op::Compact { store: 0 });
    // One round of a flush reads a quarter of the memory.
    check(&ops, usual().memory_bytes(16 << 20).tile_rows(4096)).unwrap();
}
