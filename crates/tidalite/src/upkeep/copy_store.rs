//! Copying what a snapshot sees into the folders of a new store.
//!
//! The parts come file by file, each checked against its checksum; the log rows as more parts; the run table; the writer table;
//! and a manifest of one version. The marker is written last, so an interrupted copy is not a store.
//!
//! Where damage is reported, a part that is damaged is written anew from its sound rows.

use super::sound_rows::SoundRows;
use super::tail_source::TailSource;
use super::writers;
use crate::engine::cancel::go_on;
use crate::engine::on_damage::DamageReport;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::engine::tail::TailData;
use crate::files::finding::Finding;
use crate::files::lost::{self, Lost};
use crate::files::manifest::{self, Manifest};
use crate::files::paths::{MARKER, Paths};
use crate::files::run_table;
use crate::files::two_copies;
use crate::files::writer_table::{self, Brought};
use crate::parts::tiles::write_part;
use crate::view::losses::part_finding;
use crate::view::snapshot::Snapshot;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result};
use tidalite_parts::{Part, PartMeta};
use tidalite_vfs::Vfs;

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// A copy to be made.
pub(super) struct StoreCopy<'a> {
    pub(super) state: &'a StoreState,
    /// With all hidden parts opened.
    pub(super) snapshot: &'a Snapshot,
    /// Where the folders of the copy are.
    pub(super) target: &'a Paths,
    pub(super) report: &'a DamageReport,
    /// Whether the copy lists what is lost, so that its answers say so.
    pub(super) lists_losses: bool,
}

/// What a copy holds.
pub(super) struct Copied {
    pub(super) runs: u64,
    /// Points, repeats and hidden ones included.
    pub(super) points: u64,
}

impl StoreCopy<'_> {
    /// Makes the copy. `progress` gets the bytes copied so far and the bytes in total.
    ///
    /// # Errors
    /// `Corrupt` for damage, unless it is reported; `Full`, `Io`.
    pub(super) fn make(&self, progress: &dyn Fn(u64, u64) -> ControlFlow<()>) -> Result<Copied> {
        let (state, target) = (self.state, self.target);
        let (vfs, view) = (&state.vfs, &self.snapshot.view);
        view.meet_all_damage(state.paths.root(), "copy store", self.report)?;
        let mut next = Manifest::first(state.id(), vfs.now_us());
        next.writer_next =
            view.version.manifest.writer_next.max(view.tails.iter().map(|t| t.writer + 1).max().unwrap_or(1));
        next.clock_us = view.clock_us();
        let total: u64 = view.parts.iter().map(|part| part.meta().files_bytes()).sum();
        let done = Cell::new(0);
        let more = |bytes| {
            done.set(done.get() + bytes);
            go_on(progress(done.get().min(total), total))
        };
        for part in &view.parts {
            let before = done.get();
            next.parts.extend(self.part(part, &more)?);
            done.set(before + part.meta().files_bytes());
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
        let writers = match writers::of_snapshot(self.snapshot) {
            Err(e) if self.report.reports() && is_damage(&e) => {
                self.report.meet(|| Finding::from(&e), || e.duplicate())?;
                writers::of_snapshot_alone(self.snapshot)
            }
            other => other?,
        };
        if !writers.is_empty() {
            writer_table::store(&**vfs, target, &mut next, &writers, &Brought::new())?;
        }
        if self.lists_losses {
            for lost in self.losses() {
                lost::add(&mut next.lost, Lost { since: next.version, ..lost });
            }
        }
        manifest::publish(&**vfs, target, &next)?;
        finish(state, target)?;
        let points = next.parts.iter().map(|part| part.rows).sum();
        Ok(Copied { runs: self.snapshot.run_ids().count() as u64, points })
    }

    /// What the copy lists as lost.
    fn losses(&self) -> Vec<Lost> {
        let (view, paths) = (&self.snapshot.view, &self.state.paths);
        let root = paths.root();
        let mut known: Vec<Finding> = view.losses.iter().map(|lost| lost.finding(root)).collect();
        known.extend(view.broken.iter().map(|(meta, e)| part_finding(meta, e)));
        let parts = view.broken.iter().map(|(meta, _)| Lost::part(root, &paths.place(meta).points, meta));
        let found = self.report.found();
        let pages = found.iter().filter(|f| !known.contains(f)).map(|f| Lost::of_finding(root, f));
        view.losses.iter().cloned().chain(parts).chain(pages).map(|lost| lost.of_other(root)).collect()
    }

    /// Copies a part, or the sound rows of a damaged one. `None` if it has none.
    fn part(&self, part: &Arc<Part>, more: &dyn Fn(u64) -> Result<()>) -> Result<Option<PartMeta>> {
        match self.files(part, more) {
            Err(e) if self.report.reports() && is_damage(&e) => {
                for file in self.target.place(part.meta()).files() {
                    let _ = self.state.vfs.remove(file);
                }
                self.sound_rows(part, &e)
            }
            copied => copied.map(|()| Some(part.meta().clone())),
        }
    }

    fn files(&self, part: &Part, more: &dyn Fn(u64) -> Result<()>) -> Result<()> {
        let (vfs, meta) = (&*self.state.vfs, part.meta());
        let (from, to) = (part.paths(), self.target.place(meta));
        copy(vfs, &from.points, &to.points, meta.crc32c, more)?;
        if meta.has_series_table() {
            copy(vfs, &from.series, &to.series, meta.series_crc32c, more)?;
        }
        if let Some(rollups) = &meta.rollups {
            copy(vfs, &from.rollups, &to.rollups, rollups.crc32c, more)?;
        }
        Ok(())
    }

    /// Writes a damaged part anew from its sound rows. A thinned part needs all its files, so a damaged one is left out.
    fn sound_rows(&self, part: &Arc<Part>, error: &Error) -> Result<Option<PartMeta>> {
        let meta = part.meta();
        if meta.is_thinned() {
            self.report.meet(|| part_finding(meta, error), || error.duplicate())?;
            return Ok(None);
        }
        let source = SoundRows::of(part, self.report)?;
        let id = self.state.vfs.uuid();
        let place = if meta.is_hidden() { self.target.hidden_part(id) } else { self.target.part(id) };
        let room = JobRoom::by_hand(self.state)?.half();
        let go = |_| self.state.unless_closed(ControlFlow::Continue(()));
        let written = write_part(self.state, &place, &source, &room, &go)?;
        Ok(written.map(|written| match meta.hidden_as_of() {
            Some(as_of) => written.hidden_at(&as_of),
            None => written,
        }))
    }
}

fn is_damage(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::NotFound)
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
