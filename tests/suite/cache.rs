//! Decoded pages that a long-lived reader keeps: they avoid reading, never change an answer, and are evicted with their part.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tempfile::tempdir;
use tidalite::{Aggregate, By, Options, Selection, Store};
use tidalite_testkit::Random;

const STEPS: i64 = 20_000;

/// Makes parts with several tiles, whose pages begin at the same rows.
fn writer() -> Options {
    Options::new().background(false).tile_rows(6_000)
}

fn fill(store: &Store, run: &str, rng: &mut Random) {
    let run = store.run(run).start().unwrap();
    let columns = run.columns(&["loss", "acc"]).unwrap();
    for step in 0..STEPS {
        columns.log_at(Some(step), Some(step * 1000), &[rng.unit(), rng.unit()]).unwrap();
    }
    store.flush().unwrap();
}

/// All values as text, since the encoding of names is not part of the answer.
fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default();
    let column = |c: &ArrayRef| {
        let text = ArrayFormatter::try_new(c, &options).unwrap();
        (0..c.len()).map(|row| text.value(row).to_string() + ",").collect()
    };
    batch.columns().iter().map(column).collect()
}

fn points(select: &Selection) -> Vec<String> {
    texts(&select.points().unwrap().collect().unwrap())
}

#[test]
fn a_repeated_question_reads_no_page_and_has_the_same_answer() {
    let dir = tempdir().unwrap();
    let store = writer().open(dir.path().join("s")).unwrap();
    fill(&store, "a", &mut Random::new(1));
    let reader = Options::new().read_only(true).open(dir.path().join("s")).unwrap();
    let ask = || {
        let select = reader.select().run("a").metric("loss").steps(100..9_000);
        select.explain(|s| Ok(points(s))).unwrap()
    };
    let (first, how) = ask();
    assert!(how.pages_read > 0 && how.pages_cached == 0, "{how}");
    // Pages are kept at the second reading.
    ask();
    let (again, how) = ask();
    assert!(how.pages_read == 0 && how.pages_cached > 0, "{how}");
    assert_eq!(again, first);
    // Another range of the same pages.
    let other = |store: &Store| {
        let select = store.select().run("a").metric("loss").steps(3_000..8_000);
        select.explain(|s| Ok(points(s))).unwrap()
    };
    let fresh = Options::new().read_only(true).open(dir.path().join("s")).unwrap();
    let (kept, how) = other(&reader);
    assert_eq!((how.pages_read, kept), (0, other(&fresh).0));
}

#[test]
fn a_reader_with_cached_pages_answers_as_a_new_one_after_writes_merges_rewinds_and_deletions() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("s");
    // So little memory that pages evict each other.
    let store = writer().memory_bytes(16 << 20).open(&path).unwrap();
    let reader = Options::new().read_only(true).memory_bytes(16 << 20).open(&path).unwrap();
    let mut rng = Random::new(2);
    for round in 0..24 {
        let run = format!("run-{}", rng.below(5));
        match rng.below(6) {
            0 if round > 4 => drop(store.delete_run(&run)),
            1 if round > 2 => drop(store.compact().unwrap()),
            2 => {
                let open = store.run(run).start().unwrap();
                open.log(STEPS, &[("loss", 0.5)]).unwrap();
                open.rewind(rng.below(STEPS as u64) as i64).unwrap();
            }
            _ => fill(&store, &run, &mut rng),
        }
        for _ in 0..4 {
            let lo = rng.below(STEPS as u64) as i64;
            let ask = |store: &Store| {
                let select = store.select().metric("loss").steps(lo..lo + 5_000);
                let wanted = [Aggregate::Count, Aggregate::Min, Aggregate::Last];
                let sums = select.aggregate(&wanted, &[By::Run, By::StepBucket(700)]).unwrap();
                (points(&select), texts(&sums))
            };
            let fresh = Options::new().read_only(true).open(&path).unwrap();
            assert!(ask(&reader) == ask(&fresh), "round {round}, from step {lo}");
        }
    }
}

/// The open files of this process below a folder, also deleted ones.
#[cfg(target_os = "linux")]
fn open_below(folder: &std::path::Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    links.filter(|l| std::fs::read_link(l.path()).is_ok_and(|to| to.starts_with(folder))).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_lets_go_of_parts_that_were_replaced() {
    let dir = tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("s");
    let store = writer().open(&path).unwrap();
    let run = store.run("a").start().unwrap();
    let reader = Options::new().read_only(true).open(&path).unwrap();
    let parts = path.join("parts");
    for step in 0..20 {
        run.log(step, &[("loss", 0.5)]).unwrap();
        store.flush().unwrap();
        store.compact().unwrap();
        assert_eq!(reader.select().points().unwrap().collect().unwrap().num_rows() as i64, step + 1);
    }
    assert!(open_below(&parts) <= 2, "a part for each of the writer and the reader: {}", open_below(&parts));
    // A snapshot keeps what it needs, and lets go with its last holder.
    let snapshot = reader.snapshot().unwrap();
    let before = points(&snapshot.select());
    run.log(20, &[("loss", 0.5)]).unwrap();
    store.compact().unwrap();
    assert_ne!(points(&reader.select()), before);
    assert_eq!(points(&snapshot.select()), before);
    drop(snapshot);
    points(&reader.select());
    assert!(open_below(&parts) <= 2, "{}", open_below(&parts));
}
