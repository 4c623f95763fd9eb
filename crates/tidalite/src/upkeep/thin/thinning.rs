//! Thinning runs: makes the outlines of their series, writes them to thinned parts, and publishes the version.

use super::options::{Thin, ThinStats};
use super::outline::{Outlined, Outliner, ThinOutcome};
use crate::engine::cancel::go_on;
use crate::engine::room::JobRoom;
use crate::engine::state::StoreState;
use crate::files::manifest::Manifest;
use crate::parts::scan::RowRef;
use crate::parts::thinned::{Account, Thinned, ThinnedParts};
use crate::upkeep::hiding::VersionHiding;
use crate::upkeep::merge::{MergeJob, Removed};
use crate::upkeep::publish::{publish_version, sync_part_folders};
use crate::view::snapshot::Snapshot;
use crate::view::tombstones::Tombstones;
use rayon::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey};
use tidalite_parts::{Part, PartMeta};

/// Thins runs. The caller must hold the store's lock, and the snapshot must be of the newest version.
pub(super) fn thin(
    state: &StoreState,
    snapshot: &Snapshot,
    what: &Thin,
    progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
) -> Result<ThinStats> {
    let mut made = ThinnedParts::new(state);
    let last = Cell::new((0, 0));
    let noted = |done, total| {
        last.set((done, total));
        progress(done, total)
    };
    let mut done = Thinning::of(state, snapshot, what)?.outline(Some(&mut made), &noted)?;
    if done.stats.series > 0 {
        let write =
            ThinnedVersion::write(state, snapshot, &done, made, &|_, _| progress(last.get().0, last.get().1));
        let version = write?;
        if what.must_shrink && version.bytes >= version.bytes_before {
            version.remove(state)?;
            done.stats = done.stats.without_gain();
        } else {
            sync_part_folders(state)?;
            publish_version(state, version.manifest)?;
        }
    }
    Ok(done.stats)
}

/// The series to thin.
pub(super) struct Thinning<'a> {
    state: &'a StoreState,
    snapshot: &'a Snapshot,
    outliner: Outliner<'a>,
    series: Vec<(SeriesKey, Vec<RowRef>)>,
    tombstones: HashMap<&'a str, Arc<Tombstones>>,
    runs_running: u64,
}

/// The series that were thinned.
#[derive(Default)]
pub(super) struct Thinnings {
    pub(super) stats: ThinStats,
    /// What is removed from each part, by the part's index in the snapshot.
    removed: BTreeMap<u32, Removed>,
    /// Series of thinned parts that are replaced, by the part's index in the snapshot.
    replaced: BTreeMap<u32, HashSet<SeriesKey>>,
    /// The total account of the new outlines.
    account: Account,
}

impl<'a> Thinning<'a> {
    pub(super) fn of(state: &'a StoreState, snapshot: &'a Snapshot, what: &Thin) -> Result<Thinning<'a>> {
        let view = &snapshot.view;
        let (runs, runs_running) = what.chosen(snapshot)?;
        for (meta, error) in &view.broken {
            let held = meta.run_min.clone()..=meta.run_max.clone();
            if runs.range(held).next().is_some() {
                return Err(error.duplicate());
            }
        }
        let live: HashSet<_> = view.version.manifest.parts.iter().map(|m| m.id).collect();
        let mut found: BTreeMap<SeriesKey, Vec<RowRef>> = BTreeMap::new();
        for (p, part) in view.parts.iter().enumerate().filter(|(_, part)| live.contains(&part.meta().id)) {
            let table = part.series();
            for (r, row) in table.entries().enumerate() {
                if runs.contains(&**table.run(&row)) {
                    found.entry(table.key(&row)).or_default().push(RowRef::new(p, r));
                }
            }
        }
        let tombstones = view.runs.iter().filter(|(id, _)| runs.contains(id.as_str()));
        let tombstones = tombstones
            .filter_map(|(id, record)| Some((id.as_str(), Tombstones::of(record, false)?)))
            .collect();
        let outliner = Outliner {
            parts: &view.parts,
            buckets: what.buckets,
            bucket_points: what.bucket_points,
            // Each thread reads one series, and the other half of the memory is for what is written.
            memory_bytes: state.options.memory_bytes / 2 / state.options.threads.max(1) as u64,
        };
        Ok(Thinning {
            state,
            snapshot,
            outliner,
            series: found.into_iter().collect(),
            tombstones,
            runs_running,
        })
    }

    /// Makes the outlines, and writes them to `made` if it is given.
    pub(super) fn outline(
        &self,
        mut made: Option<&mut ThinnedParts<'_>>,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<Thinnings> {
        let mut done = Thinnings::default();
        done.stats.runs_running = self.runs_running;
        let pool = self.state.pool.get()?;
        let parts = &self.snapshot.view.parts;
        let rows = |rows: &[RowRef]| rows.iter().map(|r| u64::from(r.of(parts).rows)).sum::<u64>();
        let total = self.series.iter().map(|(_, r)| rows(r)).sum();
        let mut looked_at = 0;
        let mut runs: BTreeSet<Arc<str>> = BTreeSet::new();
        for window in self.series.chunks(pool.current_num_threads().max(1)) {
            let outline = |(key, rows): &(SeriesKey, Vec<RowRef>)| {
                let of_run = self.tombstones.get(&*key.run);
                let tombstones = of_run.and_then(|t| t.of_series(&key.metric, &key.labels));
                self.outliner.outline(key, rows, tombstones.as_deref())
            };
            let outcomes: Vec<ThinOutcome> =
                pool.install(|| window.par_iter().map(outline).collect::<Result<_>>())?;
            for (outcome, (_, of)) in outcomes.into_iter().zip(window) {
                looked_at += rows(of);
                match outcome {
                    ThinOutcome::Nothing => {}
                    ThinOutcome::NoGain => done.stats.series_small += 1,
                    ThinOutcome::Mixed => done.stats.series_mixed += 1,
                    ThinOutcome::Thinned(outlined) => {
                        runs.insert(outlined.series.key.run.clone());
                        let series = done.note(*outlined);
                        if let Some(made) = &mut made {
                            made.push(series)?;
                        }
                    }
                }
            }
            go_on(progress(looked_at, total))?;
        }
        done.stats.runs = runs.len() as u64;
        Ok(done)
    }
}

impl Thinnings {
    fn note(&mut self, outlined: Outlined) -> Thinned {
        let Outlined { series, read, replaced, dropped } = outlined;
        let account = series.account();
        self.account.add(account);
        self.stats.series += 1;
        self.stats.points += account.points;
        self.stats.kept += account.rows;
        self.stats.dropped += dropped;
        for one in read {
            let removed = self.removed.entry(one.part).or_default();
            removed.series.insert(series.key.clone());
            removed.points += one.points;
            removed.bits = removed.bits.wrapping_add(one.bits);
        }
        for row in replaced {
            self.replaced.entry(row.part).or_default().insert(series.key.clone());
        }
        series
    }
}

/// The version in which outlines replace their series. Its parts are written.
struct ThinnedVersion {
    manifest: Manifest,
    /// The parts that were written.
    made: Vec<PartMeta>,
    /// The bytes of their files.
    bytes: u64,
    /// The bytes of the files that they replace.
    bytes_before: u64,
}

impl ThinnedVersion {
    fn write(
        state: &StoreState,
        snapshot: &Snapshot,
        done: &Thinnings,
        mut made: ThinnedParts<'_>,
        progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
    ) -> Result<ThinnedVersion> {
        let parts = &snapshot.view.parts;
        let mut next = snapshot.view.version.manifest.clone();
        let mut expected = done.account;
        for (&place, series) in &done.replaced {
            let part = &parts[place as usize];
            let out = made.carry(part, &|row| series.contains(&row.key))?;
            expected.add(Account::of(std::slice::from_ref(part.meta())));
            expected.take_off(out);
            next.parts.retain(|p| p.id != part.meta().id);
        }
        let thinned = made.finish()?;
        if Account::of(&thinned) != expected {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "thin",
                "the points written do not match the outlines",
                "nothing was changed; run `tidalite verify`",
            ));
        }
        let hiding = VersionHiding::of(state, &next)?;
        for (&place, removed) in &done.removed {
            carry_others(state, &parts[place as usize], removed, &hiding, &mut next.parts, progress)?;
        }
        next.parts.extend(thinned);
        let before = &snapshot.view.version.manifest.parts;
        let is_in = |parts: &[PartMeta], part: &PartMeta| parts.iter().any(|p| p.id == part.id);
        let made: Vec<PartMeta> = next.parts.iter().filter(|p| !is_in(before, p)).cloned().collect();
        let bytes = made.iter().map(PartMeta::files_bytes).sum();
        let bytes_before = before.iter().filter(|p| !is_in(&next.parts, p)).map(PartMeta::files_bytes).sum();
        Ok(ThinnedVersion { manifest: next, made, bytes, bytes_before })
    }

    /// Removes the files that were written.
    fn remove(self, state: &StoreState) -> Result<()> {
        for place in self.made.iter().map(|meta| state.paths.place(meta)) {
            for path in place.files() {
                if state.vfs.stat(path)?.is_some() {
                    state.vfs.remove(path)?;
                }
            }
        }
        Ok(())
    }
}

/// Replaces a part by one without the thinned series.
fn carry_others(
    state: &StoreState,
    part: &Arc<Part>,
    removed: &Removed,
    hiding: &VersionHiding,
    parts: &mut Vec<PartMeta>,
    progress: &dyn Fn(u64, u64) -> ControlFlow<()>,
) -> Result<()> {
    let Some(at) = parts.iter().position(|p| p.id == part.meta().id) else { return Ok(()) };
    let (input, room) = (std::slice::from_ref(part), &JobRoom::by_hand(state)?);
    let merged = MergeJob { state, parts: input, sorting: None, hiding, removed, room, progress };
    let merged = merged.run()?;
    parts.splice(at..=at, merged.visible.into_iter().chain(merged.hidden));
    Ok(())
}
