//! Replay's guarantees: everything comes back bit for bit, during and after writing. Damage is told apart from a torn
//! tail and costs only its frame. No file content can make replay panic or allocate without bound.

mod any_bytes;
mod damage;
mod failing;
mod forged;
mod meanwhile;
mod reading;

use crate::testing::{LogTestRandom, Witness, make_log_dir, only_writer};
use crate::{LogOptions, WriterDir};
use std::path::Path;
use std::sync::Arc;
use tidalite_vfs::{SimVfs, Vfs};

fn disk(seed: u64) -> (SimVfs, Arc<dyn Vfs>) {
    let sim = SimVfs::new(seed);
    make_log_dir(&sim);
    let vfs: Arc<dyn Vfs> = Arc::new(sim.clone());
    (sim, vfs)
}

fn content(vfs: &dyn Vfs, path: &Path) -> Vec<u8> {
    let file = vfs.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

fn put(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) {
    vfs.remove(path).unwrap();
    vfs.create(path).unwrap().write_all(bytes).unwrap();
}

/// Writes a log by a script. Returns it and what was accepted, with the writer closed or killed.
fn script(seed: u64, steps: usize, options: LogOptions, close: bool) -> (SimVfs, WriterDir, Witness) {
    let (sim, vfs) = disk(seed);
    let mut witness = Witness::new(&vfs, options).unwrap();
    let mut random = LogTestRandom(seed);
    (0..steps).for_each(|_| witness.step(&mut random).unwrap());
    let dir = only_writer(&sim);
    if close {
        witness.log.close().unwrap();
        return (sim, dir, witness);
    }
    (sim.kill(), dir, witness)
}
