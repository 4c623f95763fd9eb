//! What is durable survives a power cut, and what a power cut leaves is a prefix of each writer, whole (T1).
//!
//! Method: sequences of operations run on a simulated disk, and the power is cut at each step that changes it. Unsynced
//! writes are kept, lost, torn or zeroed, in twelve ways per step. Each resulting disk is opened, compared with the
//! oracle, compared again after a second cut, and used; see `tidalite_testkit::Scenario`. Negative controls: on a disk
//! that ignores syncs the same harness must find violations.

use crate::{factor, note, threads};
use tidalite::{Durability, Options};
use tidalite_testkit::{CutTally, Mix, Op, Planted, Scenario, draw_ops};

/// The short run must check at least this many states.
const STATES_MIN: usize = 20_000;
/// One state in this many has its recovery cut too. A prime, so that each way of cutting is met.
const NESTED_EACH: usize = 1801;

fn tiny() -> Options {
    Options::new().background(false).threads(1).segment_bytes(4096, 8192).tile_rows(200).rollups(2, 4)
}

fn scenario(name: impl Into<String>, stores: usize, ops: Vec<Op>, options: Options) -> Scenario {
    Scenario { name: name.into(), stores, ops, options, planted: Planted::Nothing }
}

fn rows(store: usize, run: usize, steps: std::ops::Range<i64>) -> impl Iterator<Item = Op> {
    steps.map(move |step| Op::Row {
        store,
        run,
        metrics: (0, 4),
        labels: 0,
        step: Some(step),
        value: step.cast_unsigned(),
    })
}

/// Everything that a store does, once: two writers, rotation, a batch, a flush of both logs, a compaction, a run that ends, a
/// store closed and opened again.
fn whole_life() -> Vec<Op> {
    let mut ops: Vec<Op> = vec![Op::Start { store: 0, run: 0, about: 5 }];
    ops.extend(rows(0, 0, 0..30));
    ops.extend([Op::Sync { store: 0 }, Op::Change { store: 0, run: 0, about: 4 }]);
    ops.extend(rows(1, 0, 20..50));
    ops.extend([Op::Batch { store: 1, rows: 80, seed: 3 }, Op::Flush { store: 0 }]);
    ops.extend(rows(0, 1, 0..40));
    ops.extend([Op::End { store: 0, run: 0, failed: false }, Op::Flush { store: 1 }]);
    ops.extend(rows(1, 0, 10..15));
    ops.extend([Op::Compact { store: 1 }, Op::Reopen { store: 0 }]);
    ops.extend(rows(0, 1, 38..42));
    ops.extend([Op::Sync { store: 0 }, Op::Compact { store: 0 }]);
    ops.extend(rows(0, 2, 0..3));
    ops
}

/// Writers are killed with unsynced logs, others flush these logs, and then the power is cut.
fn killed_and_flushed_by_others() -> Vec<Op> {
    let mut ops: Vec<Op> = rows(0, 0, 0..40).chain(rows(1, 1, 0..25)).collect();
    ops.extend([Op::Sync { store: 1 }]);
    ops.extend(rows(1, 1, 25..35));
    ops.push(Op::Kill);
    ops.extend(rows(0, 0, 40..44));
    ops.extend([Op::Flush { store: 0 }, Op::Batch { store: 1, rows: 20, seed: 8 }]);
    ops.push(Op::Kill);
    ops.extend([Op::Compact { store: 1 }]);
    ops.extend(rows(0, 1, 0..20));
    ops
}

/// Points are replaced and rewound, and compactions move them to hidden parts and back.
fn hidden_and_shown_again() -> Vec<Op> {
    let mut ops: Vec<Op> = rows(0, 0, 0..12).chain(rows(1, 0, 6..14)).collect();
    ops.extend([Op::Compact { store: 0 }, Op::Rewind { store: 1, run: 0, step: 8 }]);
    ops.extend(rows(1, 0, 9..11));
    ops.extend([Op::Flush { store: 1 }, Op::Rewind { store: 0, run: 0, step: 4 }]);
    ops.extend([Op::Compact { store: 1 }, Op::Delete { store: 0, run: 1 }]);
    ops.extend(rows(0, 0, 2..6));
    ops.extend([Op::Compact { store: 0 }, Op::Delete { store: 1, run: 0 }, Op::Compact { store: 1 }]);
    ops
}

fn assert_holds(tally: &CutTally) {
    assert!(
        tally.violations.is_empty(),
        "{} violations, such as:\n{}",
        tally.violations.len(),
        tally.violations.join("\n")
    );
}

#[test]
fn a_power_cut_at_any_step_loses_nothing_durable_and_leaves_whole_prefixes() {
    // Every seventh step, in a long run every step: neighbours leave similar disks.
    let stride = if factor() > 1 { 1 } else { 7 };
    let mut total = CutTally::default();
    let by_row = tiny().durability(Durability::Row);
    for s in [
        scenario("whole life", 2, whole_life(), tiny()),
        scenario(
            "whole life, each row synced",
            2,
            whole_life().into_iter().step_by(2).collect(),
            by_row.clone(),
        ),
        scenario("killed and flushed by others", 2, killed_and_flushed_by_others(), tiny()),
        scenario("hidden and shown again", 2, hidden_and_shown_again(), tiny()),
    ] {
        total.add(s.cut_everywhere(threads(), stride, NESTED_EACH));
    }
    let mut seed = 0;
    while seed < 4 * factor() as u64 || total.states < STATES_MIN * factor() {
        let mut ops = draw_ops(seed, 30, 2, Mix::writing());
        if seed % 3 == 2 {
            ops.insert(15, Op::Kill);
        }
        let options = if seed % 4 == 3 { by_row.clone() } else { tiny() };
        total.add(scenario(format!("seed {seed}"), 2, ops, options).cut_everywhere(
            threads(),
            stride,
            NESTED_EACH,
        ));
        assert_holds(&total);
        seed += 1;
    }
    assert_holds(&total);
    note(&format!("power cuts: {} states of {} cuts checked", total.states, total.cuts));
    assert!(total.states >= STATES_MIN, "only {} states were checked", total.states);
}

#[test]
fn a_batch_that_becomes_a_part_of_its_own_is_there_whole_or_not_at_all() {
    let mut ops: Vec<Op> = rows(0, 0, 0..3).collect();
    ops.extend([Op::Batch { store: 0, rows: 16_400, seed: 1 }]);
    ops.extend(rows(0, 0, 3..5));
    ops.push(Op::Flush { store: 0 });
    let tally = scenario("large batch", 1, ops, tiny().tile_rows(8192)).cut_everywhere(threads(), 5, 0);
    assert_holds(&tally);
    note(&format!("power cuts around a staged part: {} states", tally.states));
    assert!(tally.states > 50);
}

#[test]
fn a_disk_that_ignores_syncs_of_files_is_caught() {
    let planted = Planted::FileSync;
    let tally =
        Scenario { planted, ..scenario("no sync", 2, whole_life(), tiny()) }.cut_everywhere(threads(), 3, 0);
    assert!(!tally.violations.is_empty(), "{} states and nothing was noticed", tally.states);
}

#[test]
fn a_disk_that_ignores_syncs_of_folders_is_caught() {
    let planted = Planted::FolderSync;
    let tally = Scenario { planted, ..scenario("no folder sync", 2, whole_life(), tiny()) }.cut_everywhere(
        threads(),
        3,
        0,
    );
    assert!(!tally.violations.is_empty(), "{} states and nothing was noticed", tally.states);
}
