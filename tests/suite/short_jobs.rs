//! Thousands of short jobs leave few files and small ones: what a job costs does not grow with those before it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidalite::{Exist, Options, Status, Vfs};
use tidalite_vfs::SimVfs;

const JOBS: usize = 600;

fn options(vfs: &Arc<dyn Vfs>) -> Options {
    // Closing flushes what is due, and nothing waits for other programs that read the files.
    Options::new().vfs(vfs.clone()).grace(Duration::ZERO).segment_bytes(4096, 4096)
}

/// Files and bytes below a folder.
fn held(vfs: &dyn Vfs, folder: &Path) -> (usize, u64) {
    let mut all = (0, 0);
    for name in vfs.read_dir(folder).unwrap() {
        let path = folder.join(name);
        let stat = vfs.stat(&path).unwrap().unwrap();
        let (files, bytes) = if stat.is_dir { held(vfs, &path) } else { (1, stat.bytes) };
        all = (all.0 + files, all.1 + bytes);
    }
    all
}

#[test]
fn short_jobs_leave_few_files_and_a_small_manifest() {
    let vfs: Arc<dyn Vfs> = Arc::new(SimVfs::new(1));
    let path = Path::new("/s");
    let open = || options(&vfs).open(path).unwrap();
    for job in 0..JOBS {
        let store = open();
        let run = store.run(format!("job-{job}")).param("lr", job as f64).start().unwrap();
        for step in 0..50 {
            run.log(step, &[("loss", job as f64)]).unwrap();
        }
        if job % 7 != 0 {
            run.finish().unwrap();
        }
        store.close().unwrap();
        let (files, _) = held(&*vfs, path);
        assert!(files <= 64, "{files} files after {job} jobs");
    }
    let (_, manifest_bytes) = held(&*vfs, &path.join("manifest"));
    assert!(manifest_bytes < 60_000, "{manifest_bytes} bytes");
    let store = open();
    let runs = store.runs().unwrap();
    assert_eq!(runs.len(), JOBS);
    for run in &runs {
        let job: usize = run.id[4..].parse().unwrap();
        let ended = if job.is_multiple_of(7) { Status::Lost } else { Status::Finished };
        assert_eq!((run.status, run.params["lr"].as_f64()), (ended, Some(job as f64)));
        assert_eq!(run.participants[0].last_step, Some(49), "{job}");
    }
    let sums = store.select().summaries().unwrap();
    assert!(sums.len() == JOBS && sums.iter().all(|(_, s)| s.count == 50));
    assert!(store.run("job-3").exist(Exist::New).start().is_err());
    assert!(store.run("job-1000").exist(Exist::Must).start().is_err());
    store.run("job-4").exist(Exist::Must).start().unwrap().finish().unwrap();
    assert_eq!(store.runs().unwrap().len(), JOBS);
}
