//! Two pages that changed places: each is whole, and neither is where its checksum says.

use std::fs;
use tidalite::{ErrorKind, Options};
use tidalite_testkit::{PagedFile, Random};

const ROWS: i64 = 3 * 8192;

#[test]
fn two_pages_that_changed_places_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Options::new().background(false).open(&path).unwrap();
    let run = store.run("a").start().unwrap();
    // Values that cannot be compressed, so that their pages have one length.
    let mut random = Random::new(1);
    for step in 0..ROWS {
        run.log(step, &[("loss", f64::from_bits(random.next_u64()))]).unwrap();
    }
    run.finish().unwrap();
    store.flush().unwrap();
    let part = store.snapshot().unwrap().parquet_files().unwrap().pop().unwrap();
    store.close().unwrap();
    let mut bytes = fs::read(&part).unwrap();
    let places = PagedFile::parse(&bytes).unwrap().places().to_vec();
    let pair = places.windows(2).find(|pair| pair[0].len() == pair[1].len() && pair[0].len() > 50_000);
    let [first, second] = pair.expect("two pages of one length") else { unreachable!() };
    let (a, b) = (bytes[first.clone()].to_vec(), bytes[second.clone()].to_vec());
    assert!(a != b);
    bytes[first.clone()].copy_from_slice(&b);
    bytes[second.clone()].copy_from_slice(&a);
    fs::write(&part, bytes).unwrap();
    let reader = Options::new().read_only(true).open(&path).unwrap();
    let e = reader.select().points().unwrap().collect().unwrap_err();
    assert!(e.kind() == ErrorKind::Corrupt && e.path() == Some(&part), "{e}");
    assert!(!reader.verify().unwrap().is_sound());
}
