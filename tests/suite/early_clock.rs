//! A clock that shows a time before 1970: nothing panics, and times are what the clock said.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidalite::{Aggregate, By, Options, RowAt, Status, Store, Thin};
use tidalite_testkit::points_of;
use tidalite_vfs::{SimVfs, Vfs};

/// 1969-12-01T00:00:00Z.
const START_US: i64 = -31 * 86_400_000_000;

fn opened(disk: &SimVfs) -> Store {
    let options = Options::new().background(false).grace(Duration::from_secs(60));
    options.vfs(Arc::new(disk.clone())).open("/s").unwrap()
}

#[test]
fn a_store_works_with_a_clock_before_1970() {
    let disk = SimVfs::new(3);
    disk.advance(START_US - disk.now_us());
    let store = opened(&disk);
    let run = store.run("r").start().unwrap();
    let generated = store.new_run().start().unwrap();
    assert!(generated.id().starts_with("run-"));
    for step in 0..40_000_i64 {
        disk.advance(1000);
        run.log(step, &[("x", step as f64)]).unwrap();
    }
    run.log_at(&RowAt::step(40_000).time_us(i64::from(i32::MIN) * 1_000_000), &[("x", 0.0)]).unwrap();
    generated.finish().unwrap();
    run.finish().unwrap();
    store.sync().unwrap();
    store.flush().unwrap();
    store.compact().unwrap();
    drop(store);

    let store = opened(&disk);
    let info = store.snapshot().unwrap().run("r").unwrap();
    let (started, ended) = (info.started_us.unwrap(), info.ended_us.unwrap());
    assert!(
        info.status == Status::Finished && START_US < started && started < ended && ended < 0,
        "{info:?}"
    );
    let found: Vec<_> = store.select().run("r").points().unwrap().map(Result::unwrap).collect();
    let times: Vec<i64> = found.iter().flat_map(points_of).map(|(_, p)| p.time_us).collect();
    assert!(times.len() == 40_001 && times.iter().all(|t| *t < 0) && times[..40_000].is_sorted());
    // Buckets of time begin at or before their points, also below zero.
    let table = store.select().run("r").steps(..40_000);
    let table = table.aggregate(&[Aggregate::Count], &[By::TimeBucket(7_000_000)]).unwrap();
    assert!((6..=7).contains(&table.num_rows()), "{}", table.num_rows());
    let within = store.select().run("r").times_us(started..START_US + 20_000_000);
    let within: usize = within.points().unwrap().map(|b| b.unwrap().num_rows()).sum();
    assert!((19_000..=20_000).contains(&within), "{within}");
    assert_eq!(store.where_runs(&"started < '1970-01-01'".parse().unwrap()).unwrap().len(), 2);

    store.thin(&Thin::new().run("r").buckets(10).bucket_points(1)).unwrap();
    assert!(store.verify().unwrap().is_sound() && store.recovery().unwrap().is_sound());
    store.backup("/copy").unwrap();
    assert!(disk.stat(Path::new("/copy/TIDALITE")).unwrap().is_some());
    // Files are collected once the grace time has passed, counted across 1970.
    let parts = || disk.read_dir(Path::new("/s/parts")).unwrap().len();
    disk.advance(-START_US);
    assert!(disk.now_us() > 0);
    store.run("later").start().unwrap().log(0, &[("x", 1.0)]).unwrap();
    store.compact().unwrap();
    disk.advance(61_000_000);
    store.compact().unwrap();
    assert!(parts() <= 2, "{}", parts());
}
