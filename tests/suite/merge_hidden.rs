//! Merging stores of which either was compacted, so that rewound and replaced points lie in hidden parts: the answers are
//! those of stores that were never compacted.

use crate::merge::{log, open};
use std::path::Path;
use tidalite::{Repeats, Store};
use tidalite_testkit::points;

/// Run, step and value of all points; of all that are not rewound; and of the visible ones.
type Answers = [Vec<(String, i64, f64)>; 3];

fn answers(store: &Store) -> Answers {
    let select = || store.select();
    let asked =
        [select().include_rewound(true).repeats(Repeats::All), select().repeats(Repeats::All), select()];
    asked.map(|select| {
        let found = points(&select).unwrap();
        found.into_iter().map(|(key, p)| (key.run.to_string(), p.step, p.value)).collect()
    })
}

/// Writes to a store and to a copy of it, and merges them into each other. Bit `n` of `compacted` compacts a store at
/// the `n`th occasion.
fn merged(folder: &Path, compacted: u32) -> (Answers, Answers) {
    let compact = |n: u32, store: &Store| {
        if compacted & (1 << n) != 0 {
            store.compact().unwrap();
        }
    };
    let (path, copy) = (folder.join("a"), folder.join("b"));
    let a = open(&path);
    for value in [1.0, 2.0] {
        let run = a.run("r").start().unwrap();
        log(&run, 0..20, value);
        run.finish().unwrap();
    }
    compact(0, &a);
    a.backup(&copy).unwrap();
    let b = open(&copy);
    // In the copy, the run goes on from a checkpoint, and repeats what it had done.
    let run = b.run("r").start().unwrap();
    run.rewind(9).unwrap();
    log(&run, 10..15, 3.0);
    run.finish().unwrap();
    compact(1, &b);
    // In the original, steps are written again meanwhile.
    let run = a.run("r").start().unwrap();
    log(&run, 5..12, 4.0);
    run.finish().unwrap();
    compact(2, &a);
    a.merge(&copy).unwrap();
    compact(3, &a);
    b.merge(&path).unwrap();
    compact(4, &b);
    let run = a.run("r").start().unwrap();
    run.rewind(17).unwrap();
    log(&run, 18..19, 5.0);
    run.finish().unwrap();
    compact(5, &a);
    b.merge(&path).unwrap();
    (answers(&a), answers(&b))
}

#[test]
fn hidden_points_are_merged_and_what_a_merge_shows_again_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (expected, other) = merged(&dir.path().join("never"), 0);
    assert_eq!(expected, other, "both stores hold the same");
    let [all, kept, visible] = &expected;
    // 40 in the beginning, 5, 7 and 1 later; the visible ones are one of each step up to 15 or so.
    assert_eq!(all.len(), 53);
    assert!(kept.len() < all.len() && visible.len() < kept.len());
    for compacted in 1..64 {
        let (a, b) = merged(&dir.path().join(compacted.to_string()), compacted);
        assert_eq!(a, expected, "compacted at {compacted:b}");
        assert_eq!(b, expected, "compacted at {compacted:b}");
    }
}
