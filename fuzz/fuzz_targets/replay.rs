//! Any bytes as a segment of a dead writer: replay ends without a panic and gives no more values than the bytes can hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use tidalite_log::{LayoutId, Points, Row, SeriesId, Sink, replay, writers};
use tidalite_model::{Result, RunChange, Seq, SeriesKey};
use tidalite_vfs::{SimVfs, Vfs};

#[derive(Default)]
struct ValueCounter(u64);

impl Sink for ValueCounter {
    fn series(&mut self, _: SeriesId, _: &SeriesKey) -> Result<()> {
        Ok(())
    }
    fn layout(&mut self, _: LayoutId, _: &[SeriesId]) -> Result<()> {
        Ok(())
    }
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.0 += row.values.len() as u64;
        Ok(())
    }
    fn points(&mut self, points: Points<'_>) -> Result<()> {
        self.0 += points.len() as u64;
        Ok(())
    }
    fn change(&mut self, _: Seq, _: &str, _: RunChange) -> Result<()> {
        Ok(())
    }
    fn part(&mut self, _: Seq, _: uuid::Uuid, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let vfs = SimVfs::new(1);
    let log = Path::new("/log");
    let dir = log.join("00000001-0123456789abcdef0123456789abcdef");
    vfs.create_dir(log).expect("a new disk");
    vfs.create_dir(&dir).expect("a new disk");
    // The first byte decides where a second segment begins, so that one after a broken one is read too.
    let cut = data.first().map_or(0, |b| usize::from(*b) * data.len() / 256);
    for (number, bytes) in [(1, &data[..cut]), (2, &data[cut..])] {
        let mut file = vfs.create(&dir.join(format!("{number:08}.seg"))).expect("a new file");
        file.write_all(bytes).expect("a simulated disk");
    }
    for writer in writers(&vfs, log).expect("the folder is there") {
        let mut count = ValueCounter::default();
        let _ = replay(&vfs, &writer, 0, false, &mut count);
        assert!(count.0 <= data.len() as u64 / 8, "more values than the bytes hold");
    }
});
