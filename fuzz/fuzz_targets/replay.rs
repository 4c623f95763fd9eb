//! Any bytes as a segment of a dead writer: replay ends without a panic and gives no more values than the bytes can hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use tidalite_log::{BatchRef, LogSink, Row, replay, writers};
use tidalite_model::Result;
use tidalite_vfs::{SimVfs, Vfs};

#[derive(Default)]
struct ValueCount(u64);

impl LogSink for ValueCount {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.0 += row.values.len() as u64;
        Ok(())
    }
    fn points(&mut self, points: BatchRef<'_>) -> Result<()> {
        self.0 += points.len() as u64;
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
        let mut count = ValueCount::default();
        let _ = replay(&vfs, &writer, 0, false, &mut count);
        assert!(count.0 <= data.len() as u64 / 8, "more values than the bytes hold");
    }
});
