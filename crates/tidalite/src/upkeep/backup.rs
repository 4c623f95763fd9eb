//! Backup: a consistent copy of a store, made while others write.
//!
//! It copies a snapshot: the parts file by file, each checked against its checksum; the log rows as more parts; the
//! run table; the writer table; and a manifest of one version. The marker is written last, so an interrupted backup is not a store.

use super::tail_source::TailSource;
use super::writers;
use crate::engine::cancel::go_on;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::store::Store;
use crate::engine::tail::TailData;
use crate::files::manifest::{self, Manifest};
use crate::files::marker::create_folders;
use crate::files::paths::{MARKER, Paths};
use crate::files::run_table;
use crate::files::two_copies;
use crate::files::writer_table::{self, Brought};
use crate::parts::tiles::write_part;
use crate::view::snapshot::Snapshot;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use tidalite_model::{Error, Result};
use tidalite_parts::PartMeta;
use tidalite_vfs::Vfs;

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

impl Store {
    /// Copies the store as it stands to the folder `to`, which must be absent or empty. Others may go on writing, here
    /// and to the store; what they write meanwhile is not in the copy.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// let copy = dir.path().join("copy");
    /// store.backup(&copy)?;
    /// let copy = tidalite::Store::open(copy)?;
    /// assert_eq!(copy.select().points()?.collect()?.num_rows(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` where `to` holds something; `Corrupt` where a part is damaged, since a backup must not keep damage;
    /// `Full`, `Io`. An unfinished copy stays behind, and is no store.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<()> {
        self.backup_with(to, &|_, _| ControlFlow::Continue(()))
    }

    /// As [`backup`](Self::backup); calls `progress` with the bytes copied so far and the bytes in total. It ends the
    /// backup by `Break`; then, as after any error, what was copied is removed.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::ops::ControlFlow;
    /// # let dir = tempfile::tempdir()?;
    /// # let store = tidalite::Store::open(dir.path().join("metrics"))?;
    /// # let run = store.run("a").start()?;
    /// # for step in 0..10 { run.log(step, &[("loss", 1.0)])?; }
    /// # store.flush()?;
    /// let copied = Cell::new((0, 0));
    /// store.backup_with(dir.path().join("copy"), &|done, total| {
    ///     copied.set((done, total));
    ///     ControlFlow::Continue(())
    /// })?;
    /// let (done, total) = copied.get();
    /// assert!(done > 0 && done == total);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`backup`](Self::backup).
    pub fn backup_with(
        &self,
        to: impl AsRef<Path>,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let state = self.inner()?;
        let target = Paths::new(&state.vfs.absolute(to.as_ref())?);
        prepare(&*state.vfs, &target)?;
        let progress = |done, total| state.unless_closed(progress(done, total));
        let copied = copy_all(state, &self.snapshot()?.with_all_hidden()?, &target, &progress);
        if copied.is_err() {
            empty(&*state.vfs, &target);
        }
        copied
    }
}

/// Copies what a snapshot sees into the folders of a new store.
fn copy_all(
    state: &StoreState,
    snapshot: &Snapshot,
    target: &Paths,
    progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
) -> Result<()> {
    let (vfs, view) = (&state.vfs, &snapshot.view);
    if let Some((_, error)) = view.broken.first() {
        return Err(error.duplicate());
    }
    let mut next = Manifest::first(state.id(), vfs.now_us());
    next.writer_next =
        view.version.manifest.writer_next.max(view.tails.iter().map(|t| t.writer + 1).max().unwrap_or(1));
    next.clock_us = view.clock_us();
    let metas: Vec<&PartMeta> = view.parts.iter().map(|p| p.meta()).collect();
    let total: u64 = metas.iter().map(|m| m.files_bytes()).sum();
    let done = Cell::new(0);
    let more = |bytes| {
        done.set(done.get() + bytes);
        go_on(progress(done.get().min(total), total))
    };
    for (part, meta) in view.parts.iter().zip(metas) {
        let (from, to) = (part.paths(), target.place(meta));
        copy(&**vfs, &from.points, &to.points, meta.crc32c, &more)?;
        copy(&**vfs, &from.series, &to.series, meta.series_crc32c, &more)?;
        if let Some(rollups) = &meta.rollups {
            copy(&**vfs, &from.rollups, &to.rollups, rollups.crc32c, &more)?;
        }
        next.parts.push(meta.clone());
    }
    let tails: Vec<_> = view.tails.iter().map(|t| (t.read(), t.seqs)).collect();
    let source = TailSource::of(tails.iter().map(|(tail, seqs)| (&tail.data, *seqs)));
    let room = JobRoom::by_hand(state)?.half();
    let write = |source: &TailSource<'_>| {
        let place = target.part(vfs.uuid());
        write_part(state, &place, source, &room, &|_| progress(done.get(), total))
    };
    next.parts.extend(write(&source)?);
    for (tail, seqs) in &tails {
        for frames in tail.data.cold_frames(*seqs) {
            let thawed = TailData::thawed(frames, seqs.0)?;
            next.parts.extend(write(&TailSource::of(std::iter::once((&thawed, *seqs))))?);
        }
    }
    for folder in target.folders() {
        vfs.sync_dir(&folder)?;
    }
    if !view.runs.is_empty() {
        run_table::store(&**vfs, target, &mut next, view.runs_with_last_steps())?;
    }
    let writers = writers::of_snapshot(snapshot)?;
    if !writers.is_empty() {
        writer_table::store(&**vfs, target, &mut next, &writers, &Brought::new())?;
    }
    manifest::publish(&**vfs, target, &next)?;
    finish(state, target)
}

/// Removes what an unfinished backup has made: the files, and the folders below the backup's. What cannot be removed
/// does no harm, since a folder without a marker is no store.
fn empty(vfs: &dyn Vfs, target: &Paths) {
    for folder in target.folders() {
        for name in vfs.read_dir(&folder).unwrap_or_default() {
            let _ = vfs.remove(&folder.join(name));
        }
        let _ = vfs.remove_dir(&folder);
    }
}

fn prepare(vfs: &dyn Vfs, target: &Paths) -> Result<()> {
    let root = target.root();
    let refuse = |what: &str| {
        Err(Error::invalid("back up", what, "give a folder that is empty or does not exist").at(root))
    };
    match vfs.stat(root)? {
        Some(s) if !s.is_dir => return refuse("it is a file"),
        Some(_) if !vfs.read_dir(root)?.is_empty() => return refuse("the folder is not empty"),
        Some(_) => {}
        None => create_folders(vfs, root)?,
    }
    for folder in target.folders() {
        vfs.create_dir(&folder)?;
    }
    vfs.sync_dir(root)
}

fn finish(state: &StoreState, target: &Paths) -> Result<()> {
    let tmp = format!("tmp-{}", state.vfs.uuid().simple());
    let text = two_copies::seal("store", &state.id().to_string());
    tidalite_vfs::publish(&*state.vfs, target.root(), &tmp, MARKER, &text)?;
    Ok(())
}

fn copy(vfs: &dyn Vfs, from: &Path, to: &Path, crc: u32, more: &dyn Fn(u64) -> Result<()>) -> Result<()> {
    let source = vfs.open(from)?;
    let mut target = vfs.create(to)?;
    let bytes = source.len()?;
    let mut buffer = vec![0; COPY_BYTES];
    let (mut at, mut found) = (0, 0);
    while at < bytes {
        let n = source.read_at(at, &mut buffer)?;
        if n == 0 {
            return Err(Error::corrupt("back up", from, at, "the file is cut short"));
        }
        found = crc32c::crc32c_append(found, &buffer[..n]);
        target.write_all(&buffer[..n])?;
        at += n as u64;
        more(n as u64)?;
    }
    if found != crc {
        return Err(Error::corrupt("back up", from, 0, "its checksum does not match: it is damaged"));
    }
    target.sync()
}
