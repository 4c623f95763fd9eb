//! Copies of a store that go on apart and are merged: what a run's start or rewind means does not grow by what a merge brings.
//!
//! A writer without a log counts as gone, whatever it wrote. In another copy it may go on, and a merge brings the rest. These
//! sequences of operations hid points or showed wrong attempts once; `equivalence` draws many more.

use tidalite::{Durability, Options};
use tidalite_testkit::{Op, RUNS, StoreMachine, TwoCopies};

/// What happens, in this order.
enum Event {
    In(usize, Op),
    MergeInto(usize),
}

use Event::{In, MergeInto};

fn options() -> Options {
    Options::new().threads(2).segment_bytes(4096, 8192).tile_rows(64).part_rows(8).memory_bytes(16 << 20)
}

fn run_of(id: &str) -> usize {
    RUNS.iter().position(|run| *run == id).unwrap()
}

fn row_at(store: usize, run: usize, step: i64) -> Op {
    Op::Row { store, run, metrics: (0, 1), labels: 0, step: Some(step), value: 3 }
}

fn row(store: usize, run: usize) -> Op {
    row_at(store, run, 0)
}

/// Copies the store after `first`, and does the rest.
fn play(options: Options, first: &Op, events: &[Event]) {
    let ok = |outcome: Result<(), _>| {
        outcome.unwrap_or_else(|e: tidalite_testkit::MachineFault| panic!("{}", e.text()))
    };
    let mut original = StoreMachine::new(1, 2, options);
    ok(original.apply(first));
    let mut copies = TwoCopies::of(original, 2).unwrap_or_else(|e| panic!("{}", e.text()));
    for event in events {
        ok(match event {
            In(copy, op) => copies.apply(*copy, op),
            MergeInto(copy) => copies.merge_into(*copy),
        });
    }
    ok(copies.finish());
}

#[test]
fn a_rewind_of_a_run_that_began_before_a_merge_leaves_what_the_merge_brought() {
    let run = run_of("run-a");
    let other = Op::Row { store: 1, run, metrics: (2, 4), labels: 1, step: Some(3), value: 11 };
    let events = [
        In(0, row(0, run)),
        In(0, Op::Batch { store: 0, rows: 10, seed: 4_196_468_766_172_808_241 }),
        In(1, other),
        MergeInto(1),
        In(0, row(0, run)),
        In(1, Op::Rewind { store: 1, run, step: 13 }),
        MergeInto(0),
        MergeInto(1),
    ];
    play(options().durability(Durability::Row), &row(0, run), &events);
}

#[test]
fn a_start_in_a_copy_takes_over_from_nobody_who_starts_in_the_original_later() {
    let (run, other) = (run_of("run-a"), run_of("run-b/../🌊"));
    let events = [
        In(1, row(0, run)),
        In(0, row(0, run)),
        MergeInto(0),
        In(1, Op::Reopen { store: 0 }),
        In(1, row(1, other)),
        In(0, row(1, run)),
        MergeInto(0),
        In(1, row(0, run)),
        In(0, row(0, run)),
        MergeInto(0),
        MergeInto(1),
    ];
    play(options(), &Op::Edit { store: 1, run, about: 16_896_930_203_120_772_631 }, &events);
}
