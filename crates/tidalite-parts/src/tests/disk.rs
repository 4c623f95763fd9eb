//! Disk failures while a part is written.
//!
//! Method: a simulated disk fails each call of the writer once. Another test cuts the power after the last call.

use super::sample::{SampleSeries, tracker};
use super::{chunks, paths_at};
use crate::{ColumnSet, Part, PartMeta, PartOptions, PartPaths, PartWriter, encode_tile};
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{ErrorKind, Result};
use tidalite_vfs::{FailKind, SimFailure, SimVfs, Survive, Vfs};

fn disk() -> (SimVfs, PartPaths) {
    let vfs = SimVfs::new(1);
    let folder = Path::new("/parts");
    vfs.create_dir(folder).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    (vfs, paths_at(folder))
}

fn write(vfs: &SimVfs, paths: &PartPaths, series: &[SampleSeries]) -> Result<PartMeta> {
    let mut writer = PartWriter::create(Arc::new(vfs.clone()), paths)?;
    for _ in 0..3 {
        writer.push(encode_tile(&chunks(series), &PartOptions::default())?)?;
    }
    writer.finish(true)
}

#[test]
fn a_failed_call_is_reported_with_its_cause_and_leaves_no_file() {
    // Random bits, so that the file is large enough for several writes.
    let series: Vec<SampleSeries> = tracker("r", 50, 0..6000).into_iter().skip(2).step_by(5).collect();
    let (vfs, paths) = disk();
    let before = vfs.steps();
    write(&vfs, &paths, &series).unwrap();
    let steps = vfs.steps() - before;
    assert!(steps > 6, "the writing takes {steps} calls");
    for at in 0..steps {
        for (kind, expected) in [(FailKind::Eio, ErrorKind::Io), (FailKind::Enospc, ErrorKind::Full)] {
            let (vfs, paths) = disk();
            vfs.set_failure(SimFailure { at_step: vfs.steps() + at, kind, persist: false });
            match write(&vfs, &paths, &series) {
                Err(e) => {
                    assert_eq!(e.kind(), expected, "step {at}: {e}");
                    assert_eq!(vfs.read_dir(Path::new("/parts")).unwrap().len(), 0, "step {at}");
                }
                // A sync does not fail on a full disk.
                Ok(_) => assert_eq!(kind, FailKind::Enospc, "step {at}"),
            }
        }
    }
}

#[test]
fn a_part_finished_with_sync_survives_a_power_cut() {
    let series = tracker("r", 10, 0..500);
    let (vfs, paths) = disk();
    let meta = write(&vfs, &paths, &series).unwrap();
    vfs.sync_dir(Path::new("/parts")).unwrap();
    let part = Part::open(Arc::new(vfs.crash(Survive::None)), &paths, &meta).unwrap();
    assert!(part.series_damage().is_none());
    part.verify(&mut |f| panic!("{f:?}")).unwrap();
    assert_eq!(part.read(2, &[0..500], ColumnSet::VALUE).unwrap().values, series[0].values);
}
