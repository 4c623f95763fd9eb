//! Frames that are missing in logs although nothing that can be read there shows it: segments were removed.
//!
//! A process knows what it has logged itself, so its own snapshots notice. Of other logs, a staged part tells that there was a
//! segment. Nothing else does: a writer that has just begun has a folder without a segment too.

use crate::engine::log_tail::TailView;
use crate::engine::state::StoreState;
use crate::files::lost::Lost;
use crate::files::manifest::Manifest;
use crate::files::writer_table;
use std::path::PathBuf;
use tidalite_model::Result;

/// What this process has logged.
pub(super) struct OwnLog {
    writer: u32,
    folder: PathBuf,
    /// Every frame below this one was accepted.
    accepted: u64,
}

impl OwnLog {
    /// Call it before the logs are read.
    pub(super) fn of(state: &StoreState) -> Option<OwnLog> {
        let log = state.log()?;
        let accepted = log.watermark().accepted?.ordinal() + 1;
        Some(OwnLog { writer: log.writer(), folder: log.dir().to_path_buf(), accepted })
    }

    /// What is lost if the folder is gone.
    ///
    /// # Errors
    /// Those of reading the writer table.
    fn folder_gone(
        &self,
        state: &StoreState,
        manifest: &Manifest,
        tails: &[TailView],
    ) -> Result<Option<Lost>> {
        if tails.iter().any(|tail| tail.writer == self.writer) {
            return Ok(None);
        }
        // A flush that missed the folder has moved the writer to the table.
        let in_table = match manifest.lists(self.writer) {
            true => None,
            false => {
                writer_table::load(&*state.vfs, &state.paths, manifest)?.writers.get(&self.writer).copied()
            }
        };
        let flushed = in_table.map_or(manifest.flushed(self.writer), |known| known.end);
        let frames = flushed..self.accepted;
        let root = state.paths.root();
        Ok((!frames.is_empty()).then(|| Lost::log(root, &self.folder, self.writer, frames)))
    }
}

/// Notes in the tails of a version what their logs lack. Returns what is lost with the folder of this process's own log.
///
/// # Errors
/// Those of listing folders of writers, and of reading the writer table.
pub(super) fn note_missing(
    state: &StoreState,
    manifest: &Manifest,
    own: Option<&OwnLog>,
    tails: &[TailView],
) -> Result<Option<Lost>> {
    for view in tails {
        let accepted = own.filter(|own| own.writer == view.writer).map(|own| own.accepted);
        view.note_missing(&*state.vfs, accepted, manifest.lists(view.writer))?;
    }
    own.map_or(Ok(None), |own| own.folder_gone(state, manifest, tails))
}
