//! What a view of the store has lost: places in logs, places that the manifest lists, and versions that cannot be read.

use crate::engine::log_tail::TailView;
use crate::files::finding::{Finding, FindingKind};
use crate::files::lost::Lost;
use crate::files::manifest::Version;
use crate::files::paths::{Paths, parse_id, version_name};
use std::collections::BTreeSet;
use std::path::Path;
use tidalite_log::WriterDir;
use tidalite_model::{Error, ErrorAdvice, ErrorKind, Seq};
use tidalite_parts::PartMeta;
use tidalite_vfs::Vfs;
use uuid::Uuid;

/// What an error about damage advises.
const REMEDY: &str = "run `tidalite verify` for the exact extent, ask with `on_damage` \"report\" for the \
    answer without it, or copy what is sound to a new store with `tidalite salvage`";

impl Lost {
    pub(crate) fn error(&self, doing: &str, root: &Path) -> Error {
        let error = Error::new(ErrorKind::Corrupt, doing, self.in_words(), REMEDY).at(&root.join(&self.file));
        let error = error.advising(ErrorAdvice::ReportDamage);
        if self.bytes > 0 { error.at_offset(self.offset) } else { error }
    }

    pub(crate) fn finding(&self, root: &Path) -> Finding {
        let path = root.join(&self.file);
        let mut finding = Finding::new(FindingKind::Damage, path, self.in_words());
        (finding.offset, finding.bytes) = (self.offset, self.bytes);
        finding.frames = self.frames.and_then(|(_, first, end)| Some(end?.saturating_sub(first)));
        finding.run = self.run().map(str::to_string);
        (finding.series, finding.steps, finding.rows) = (self.keys(), self.steps, self.rows);
        finding
    }
}

/// What a part that cannot be opened takes from answers.
pub(crate) fn part_finding(meta: &PartMeta, error: &Error) -> Finding {
    let mut finding = Finding::from(error);
    finding.run = (meta.run_min == meta.run_max).then(|| meta.run_min.clone());
    finding.steps = Some((meta.step_min, meta.step_max));
    finding.rows = Some(meta.thinned.unwrap_or(meta.rows));
    finding
}

/// The error about a part that cannot be opened, with the advice for answers.
pub(crate) fn part_error(error: &Error) -> Error {
    let advised = Error::new(error.kind(), error.doing(), error.wrong(), REMEDY);
    let advised = error.path().map_or(advised.duplicate(), |path| advised.duplicate().at(path));
    error.offset().map_or(advised.duplicate(), |offset| advised.duplicate().at_offset(offset))
}

/// What the logs and the manifest of a view have lost.
pub(super) fn losses(
    vfs: &dyn Vfs,
    paths: &Paths,
    version: &Version,
    dirs: &[WriterDir],
    tails: &[TailView],
) -> Vec<Lost> {
    let mut all: Vec<Lost> = version.manifest.lost.clone();
    all.extend(
        version
            .unreadable
            .iter()
            .map(|number| Lost::file(paths.root(), &paths.manifest().join(version_name(*number)))),
    );
    for (dir, view) in dirs.iter().zip(tails) {
        let tail = view.read();
        let ordinal = |seq: i64| Seq::from_i64(seq).map_or(0, Seq::ordinal);
        let (from, to) = (ordinal(view.seqs.0), ordinal(view.seqs.1));
        for finding in &tail.findings {
            let Some(frames) = &finding.lost else { continue };
            // Only places within the view. If the end of a log cannot be read, the place begins after the view's last
            // frame.
            if frames.end.is_some_and(|end| end <= from) || frames.first > to {
                continue;
            }
            let staged: BTreeSet<_> = tail.data.staged.iter().map(|(_, id, _)| *id).collect();
            let known =
                |id: &Uuid| staged.contains(id) || version.manifest.parts.iter().any(|meta| meta.id == *id);
            let lost = Lost::of_log(paths.root(), dir, finding, || has_other_parts(vfs, dir, known));
            let Some(lost) = lost else { continue };
            if !all.iter().any(|known| lost.is_within(known)) {
                all.push(lost);
            }
        }
    }
    all
}

/// Whether a writer's folder holds a staged part that nothing refers to. A lost frame may have referred to it.
pub(crate) fn has_other_parts(vfs: &dyn Vfs, dir: &WriterDir, known: impl Fn(&Uuid) -> bool) -> bool {
    let names = vfs.read_dir(&dir.path).unwrap_or_default();
    let mut parts = names.iter().filter(|name| name.ends_with(".parquet")).filter_map(|name| parse_id(name));
    parts.any(|id| !known(&id))
}
