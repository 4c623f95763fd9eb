//! What fuzz targets over forged files share: a small store with files of every kind, and everything that may be done with it.
//! Inputs become the content of one file, and the checksums are made to match, so that they do not end every input.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tidalite::{Aggregate, By, Options, Repeats, Store, Thin};
use tidalite_testkit::{PagedFile, StoreFiles, name_again};
use tidalite_vfs::{SimVfs, Vfs};

const STORE: &str = "/s";

fn open(disk: &SimVfs) -> tidalite::Result<Store> {
    let options = Options::new().background(false).threads(1).memory_bytes(16 << 20).grace(Duration::ZERO);
    options.tile_rows(64).rollups(8, 16).table_series_points(0).vfs(Arc::new(disk.clone())).open(STORE)
}

/// A store with a part, a hidden part, rollups, tables of runs and writers, and a log.
pub fn base() -> &'static StoreFiles {
    static FILES: OnceLock<StoreFiles> = OnceLock::new();
    FILES.get_or_init(|| make().expect("a simulated disk"))
}

fn make() -> tidalite::Result<StoreFiles> {
    let disk = SimVfs::new(1);
    let gone = open(&disk)?;
    gone.run("gone").tag("x").start()?.finish()?;
    gone.flush()?;
    gone.close()?;
    let store = open(&disk)?;
    let run = store.run("r").param("lr", 0.1).label("rank", "0").start()?;
    for step in 0..100 {
        run.log(step, &[("a", step as f64), ("b", if step == 7 { f64::NAN } else { 0.5 })])?;
    }
    run.log(10, &[("a", 7.0)])?;
    run.rewind(90)?;
    store.flush()?;
    store.compact()?;
    run.log(91, &[("a", 1.0)])?;
    store.close()?;
    let mut files = StoreFiles::new();
    gather(&disk, Path::new(STORE), &mut files)?;
    files.retain(|path, _| !path.ends_with("reserve"));
    Ok(files)
}

fn gather(disk: &SimVfs, folder: &Path, files: &mut StoreFiles) -> tidalite::Result<()> {
    for name in disk.read_dir(folder)? {
        let path = folder.join(name);
        if disk.stat(&path)?.is_some_and(|stat| stat.is_dir) {
            gather(disk, &path, files)?;
            continue;
        }
        let file = disk.open(&path)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).expect("a small file")];
        file.read_exact_at(0, &mut bytes)?;
        files.insert(path.strip_prefix(STORE).expect("below the store").to_path_buf(), bytes);
    }
    Ok(())
}

/// The files of the store in these folders.
pub fn files_in(folders: &[&str]) -> Vec<&'static PathBuf> {
    let is_in = |path: &&PathBuf| folders.iter().any(|folder| path.starts_with(folder));
    base().keys().filter(is_in).collect()
}

/// Puts other bytes into a file, makes every manifest say so, and does everything with the store: it answers or gives an error.
pub fn try_file(path: &Path, bytes: Vec<u8>, footer: Option<usize>) {
    let mut files = base().clone();
    files.insert(path.to_path_buf(), bytes);
    name_again(&mut files, path, footer);
    let disk = SimVfs::new(1);
    for (name, bytes) in &files {
        let path = Path::new(STORE).join(name);
        let mut folders: Vec<&Path> = path.ancestors().skip(1).filter(|f| f.parent().is_some()).collect();
        folders.reverse();
        for folder in folders {
            disk.create_dir(folder).expect("a new disk");
        }
        disk.create(&path).and_then(|mut file| file.write_all(bytes)).expect("a new disk");
    }
    let Ok(store) = open(&disk) else { return };
    let _ = (store.verify(), store.recovery(), store.runs(), store.stats());
    let _ = store.snapshot().and_then(|snapshot| snapshot.metrics());
    let all = || store.select().repeats(Repeats::All);
    let _ = all().points().and_then(|points| points.collect());
    let _ = all().summaries();
    let _ = all().aggregate(&[Aggregate::Mean, Aggregate::Last], &[By::Metric, By::StepBucket(64)]);
    let _ = (store.select().chart(10), store.select().steps(5..40).latest());
    let _ = store.select().follow().and_then(|mut follower| follower.poll());
    let _ = (store.flush(), store.compact(), store.thin(&Thin::new().run("r").buckets(8).bucket_points(3)));
    let _ = all().points().and_then(|points| points.collect());
}

/// Takes the input as the body of a page, which its first two bytes choose.
pub fn try_page(folders: &[&str], data: &[u8]) {
    let [which, page, body @ ..] = data else { return };
    let files = files_in(folders);
    let path = files[usize::from(*which) % files.len()];
    let mut file = PagedFile::parse(&base()[path]).expect("a sound file");
    let page = usize::from(*page) % file.pages.len();
    file.pages[page].body = body.to_vec();
    let (bytes, footer) = file.to_bytes().expect("as many pages as before");
    try_file(path, bytes, Some(footer));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The generator of `fuzz/seeds`: for each target the content of the files of the store, as its inputs.
    #[test]
    #[ignore = "writes fuzz/seeds, which change with the format only"]
    fn makes_the_seeds() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        let put = |target: &str, name: String, bytes: Vec<u8>| {
            std::fs::create_dir_all(seeds.join(target)).expect("a folder");
            std::fs::write(seeds.join(target).join(name), bytes).expect("space on the disk");
        };
        for (which, path) in (0..).zip(sealed_files()) {
            let (kind, text) = tidalite_testkit::sealed_text(&base()[path]).expect("a sound file");
            put("sealed", format!("{kind}-{which}"), [&[which], &text[..]].concat());
        }
        for (target, folders) in [("points", &["parts", "hidden"][..]), ("rollups", &["rollups"])] {
            for (which, path) in (0..).zip(files_in(folders)) {
                let file = PagedFile::parse(&base()[path]).expect("a sound file");
                for (page, of) in (0u8..24).zip(&file.pages) {
                    put(target, format!("{which}-{page}"), [&[which, page], &of.body[..]].concat());
                }
            }
        }
        for (which, path) in (0..).zip(files_in(&["series"])) {
            put("series", format!("{which}"), [&[which], &base()[path][..]].concat());
        }
    }
}

/// The two-copies files.
pub fn sealed_files() -> Vec<&'static PathBuf> {
    files_in(&["TIDALITE", "manifest", "runs", "writers"])
}
