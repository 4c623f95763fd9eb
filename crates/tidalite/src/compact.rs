//! Compaction: several parts → one, so that a series lies together again and files stay few.
//!
//! Tiles that would come out as they are go over page by page, undecoded but for their values; the others are merged.
//! Every row of the inputs is in the output, repeats and rewound points included, but for those of deleted runs: the count
//! and a checksum over the bits of all values, those left out taken off, must agree before the new version is published. Any
//! error on the way leaves everything as it was. Thinned parts are merged among themselves (`thinned.rs`). Thinning rewrites
//! parts by the same means, without the series that it takes out.

use crate::flush::{publish_version, sync_part_folders};
use crate::hides::{Hidden, Hides};
use crate::manifest;
use crate::run_table;
use crate::scan::{RowRef, meets, read_rows};
use crate::store::Inner;
use crate::thinned::{Account, Room, ThinnedParts};
use crate::tiles::{PointSource, Steps, TileCopy, write_part};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidalite_model::{Error, ErrorKind, Result, SeriesKey};
use tidalite_parts::{ColumnSet, Part, PartMeta, SeriesRow};
use tidalite_query::{Points, Repeats, merge};
use uuid::Uuid;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactStats {
    /// Points that went from logs to parts first.
    pub flushed: u64,
    /// Parts that were merged.
    pub parts_in: u64,
    /// Parts that they became.
    pub parts_out: u64,
    /// Points in them.
    pub points: u64,
    /// Points of deleted runs that were left out.
    pub dropped: u64,
}

/// What is left out, by run.
pub(crate) type Deleted = BTreeMap<String, Hides>;

/// Which parts to merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// All that fit together: by hand.
    All,
    /// Only where enough parts of like size have gathered, so that each point is rewritten a logarithmic number of
    /// times: in the background.
    Tiered,
}

/// A part is not made larger than this. At 3 bytes a point that is a file of 200 MB, which copies in seconds.
pub(crate) const PART_ROWS_MAX: u64 = 64 << 20;
/// So many parts of like size are worth a rewrite.
const TIER_PARTS: usize = 8;

/// Merges what the policy picks until it picks nothing. The caller holds the store's lock.
pub(crate) fn compact_all(
    inner: &Inner,
    policy: Policy,
    pool: &rayon::ThreadPool,
    progress: &dyn Fn(u64, u64),
) -> Result<CompactStats> {
    let mut stats = CompactStats::default();
    loop {
        let version = manifest::latest(&*inner.vfs, &inner.places)?;
        let (readable, unreadable) = open_each(inner, &version.manifest.parts);
        let deleted = deleted(inner, &version.manifest)?;
        let (thinned, whole): (Vec<_>, Vec<_>) = readable.iter().cloned().partition(PartMeta::is_thinned);
        let mut picked = pick(&whole, policy);
        if picked.is_empty() {
            picked = pick(&thinned, policy);
            picked = thinned_that_fit(inner, &thinned, picked);
        }
        if picked.is_empty() {
            picked = stale(inner, &readable, &deleted, policy)?;
        }
        if picked.is_empty() {
            // Whoever asks for a compaction by hand is told of what it could not touch; the background goes on.
            return match unreadable {
                Some(e) if policy == Policy::All => Err(e),
                _ => Ok(stats),
            };
        }
        let inputs: Vec<PartMeta> =
            version.manifest.parts.iter().filter(|p| picked.contains(&p.id)).cloned().collect();
        let (output, dropped) = match inputs[0].is_thinned() {
            true => merge_thinned(inner, &inputs, &deleted, progress)?,
            false => merge_parts(inner, &inputs, &deleted, &Removed::default(), pool, progress)?,
        };
        let mut next = version.manifest.clone();
        let at = next.parts.iter().position(|p| picked.contains(&p.id)).unwrap_or(0);
        next.parts.retain(|p| !picked.contains(&p.id));
        stats.parts_in += inputs.len() as u64;
        stats.parts_out += u64::from(output.is_some());
        stats.points += output.as_ref().map_or(0, |o| o.rows);
        stats.dropped += dropped;
        if let Some(output) = output {
            next.parts.insert(at, output);
        }
        publish_version(inner, next)?;
    }
}

/// The parts that can be opened, and why the first of the others cannot. One that cannot stays as it is, and holds nothing
/// else up.
fn open_each(inner: &Inner, parts: &[PartMeta]) -> (Vec<PartMeta>, Option<Error>) {
    let (mut readable, mut unreadable) = (Vec::new(), None);
    for meta in parts {
        match Part::open(inner.vfs.clone(), &inner.places.part(meta.id), meta) {
            Ok(_) => readable.push(meta.clone()),
            Err(e) => unreadable = unreadable.or(Some(e)),
        }
    }
    (readable, unreadable)
}

/// What was deleted, as far as the run table of a version knows.
pub(crate) fn deleted(inner: &Inner, manifest: &manifest::Manifest) -> Result<Deleted> {
    let (runs, _) = run_table::load(&*inner.vfs, &inner.places, manifest.runs.as_ref())?;
    Ok(runs.into_iter().filter_map(|(id, r)| Some((id, Hides::deleted(r.deleted.as_ref()?)))).collect())
}

/// A part that holds deleted points and is worth writing anew for that alone: by hand any, in the background one of which at
/// least a quarter is deleted. What its series table cannot tell does not count, so that no part is written anew in vain.
fn stale(inner: &Inner, parts: &[PartMeta], deleted: &Deleted, policy: Policy) -> Result<BTreeSet<Uuid>> {
    if deleted.is_empty() {
        return Ok(BTreeSet::new());
    }
    for meta in parts {
        let part = Part::open(inner.vfs.clone(), &inner.places.part(meta.id), meta)?;
        let table = part.series();
        let mut details = table.reader();
        let mut rows = 0;
        for (r, row) in table.entries().iter().enumerate() {
            let Some(hides) = deleted.get(&**table.run(row)) else { continue };
            let (least, greatest) = details.of(r)?.seqs();
            if hides.hides(0, least) || hides.hides(0, greatest) {
                rows += u64::from(row.rows);
            }
        }
        if rows > 0 && (policy == Policy::All || rows >= meta.rows / 4) {
            return Ok(BTreeSet::from([meta.id]));
        }
    }
    Ok(BTreeSet::new())
}

/// The parts to merge next; empty where there is nothing to do.
fn pick(parts: &[PartMeta], policy: Policy) -> BTreeSet<Uuid> {
    let mut small: Vec<&PartMeta> = parts.iter().filter(|p| p.rows < PART_ROWS_MAX / 2).collect();
    small.sort_by_key(|p| p.rows);
    let mut picked: Vec<&PartMeta> = match policy {
        Policy::All => small,
        // Like size: within a factor of four.
        Policy::Tiered => small
            .chunk_by(|a, b| a.rows.max(1).ilog2() / 2 == b.rows.max(1).ilog2() / 2)
            .find(|tier| tier.len() >= TIER_PARTS)
            .map_or(Vec::new(), <[_]>::to_vec),
    };
    let mut rows = 0;
    let fits = picked.iter().take_while(|p| {
        rows += p.rows;
        rows <= PART_ROWS_MAX
    });
    let count = fits.count();
    picked.truncate(count);
    if picked.len() < 2 { BTreeSet::new() } else { picked.into_iter().map(|p| p.id).collect() }
}

/// Of thinned parts so many as can be one, all of whose buckets are in memory while it is made.
fn thinned_that_fit(inner: &Inner, parts: &[PartMeta], picked: BTreeSet<Uuid>) -> BTreeSet<Uuid> {
    let buckets = |p: &PartMeta| p.rollups.map_or(0, |r| r.rows);
    let mut small: Vec<&PartMeta> = parts.iter().filter(|p| picked.contains(&p.id)).collect();
    small.sort_by_key(|p| buckets(p));
    let mut room = Room::default();
    let fits = small.into_iter().take_while(|p| {
        room.take(buckets(p), p.tiles, p.rows);
        room.is_within(inner)
    });
    let fits: BTreeSet<Uuid> = fits.map(|p| p.id).collect();
    if fits.len() < 2 { BTreeSet::new() } else { fits }
}

/// The part that thinned ones become, and how many of their points were left out.
fn merge_thinned(
    inner: &Inner,
    inputs: &[PartMeta],
    deleted: &Deleted,
    progress: &dyn Fn(u64, u64),
) -> Result<(Option<PartMeta>, u64)> {
    let total: u64 = inputs.iter().map(|m| m.rows).sum();
    let mut parts = ThinnedParts::new(inner);
    let (mut done, mut out) = (0, Account::default());
    for meta in inputs {
        let part = Arc::new(Part::open(inner.vfs.clone(), &inner.places.part(meta.id), meta)?);
        let gone = |row: &SeriesRow| {
            let ends = row.summary.first.zip(row.summary.last).map_or((0, 0), |(a, b)| (a.step, b.step));
            let verdict = |hides: &Hides| hides.verdict(ends, (row.seq_min, row.seq_max));
            deleted.get(&*row.key.run).is_some_and(|hides| verdict(hides) == Hidden::All)
        };
        out.add(parts.carry(&part, &gone)?);
        done += meta.rows;
        progress(done, total);
    }
    let made = parts.finish()?;
    let mut expected = Account::of(inputs);
    expected.take_off(out);
    if Account::of(&made) != expected || made.len() > 1 {
        return Err(differs(total, out.rows, made.iter().map(|m| m.rows).sum()));
    }
    sync_part_folders(inner)?;
    Ok((made.into_iter().next(), out.rows))
}

fn differs(total: u64, left_out: u64, came_out: u64) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "compact",
        format!(
            "{total} points went in, {left_out} were left out and {came_out} came out, or their checksums differ"
        ),
        "nothing was changed; run `tidalite verify`",
    )
}

/// What thinning takes out of parts: whole series, and what their points in these come to.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    pub(crate) series: HashSet<SeriesKey>,
    pub(crate) points: u64,
    /// The wrapping sum of their values' bits.
    pub(crate) bits: u64,
}

/// The part that the inputs become, `None` where nothing is left of them, and how many points of deleted runs were left out.
pub(crate) fn merge_parts(
    inner: &Inner,
    inputs: &[PartMeta],
    deleted: &Deleted,
    removed: &Removed,
    pool: &rayon::ThreadPool,
    progress: &dyn Fn(u64, u64),
) -> Result<(Option<PartMeta>, u64)> {
    let vfs = &inner.vfs;
    let parts: Vec<Arc<Part>> = inputs
        .iter()
        .map(|m| Part::open(vfs.clone(), &inner.places.part(m.id), m).map(Arc::new))
        .collect::<Result<_>>()?;
    let copies = unchanged(&parts, deleted, &removed.series, inner.options.tile_rows);
    let source = PartsSource::new(&parts, deleted, &removed.series, copies);
    let total: u64 = inputs.iter().map(|m| m.rows).sum();
    let done = std::cell::Cell::new(0);
    let place = inner.places.part(vfs.uuid());
    let written = write_part(inner, &place, &source, pool, &|rows| {
        done.set(done.get() + rows);
        progress(done.get(), total);
    })?;
    let (dropped, bits_dropped) = source.dropped();
    let (out, bits_out) = (dropped + removed.points, bits_dropped.wrapping_add(removed.bits));
    let sum_in = inputs.iter().fold(0u64, |s, m| s.wrapping_add(m.value_bits_sum));
    match written {
        Some(meta) if meta.rows + out == total && meta.value_bits_sum.wrapping_add(bits_out) == sum_in => {
            sync_part_folders(inner)?;
            Ok((Some(meta), dropped))
        }
        None if out == total && bits_out == sum_in => Ok((None, dropped)),
        other => {
            for path in place.files().into_iter().filter(|_| other.is_some()) {
                if vfs.stat(path)?.is_some() {
                    vfs.remove(path)?;
                }
            }
            Err(differs(total, out, other.map_or(0, |m| m.rows)))
        }
    }
}

/// A tile with at least this share of the usual rows is large enough to stay.
const TILE_SHARE: usize = 8;

/// Tiles that may stay as they are, as (part, tile): large enough, without a point of a deleted run or of a series that is
/// left out, and of series that have nothing elsewhere within the steps that they have there.
fn unchanged(
    parts: &[Arc<Part>],
    deleted: &Deleted,
    without: &HashSet<SeriesKey>,
    tile_rows: usize,
) -> BTreeSet<(usize, u32)> {
    let mut tiles: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    // (series, first step, last step, part and tile)
    let mut rows: Vec<(SeriesKey, i64, i64, (usize, u32))> = Vec::new();
    let mut touched: BTreeSet<(usize, u32)> = BTreeSet::new();
    for (p, part) in parts.iter().enumerate() {
        let table = part.series();
        for row in table.entries() {
            let (key, at) = (table.key(row), (p, row.tile));
            *tiles.entry(at).or_default() += row.rows as usize;
            if deleted.contains_key(&*key.run) || without.contains(&key) {
                touched.insert(at);
            }
            rows.push((key, row.first_step, row.last_step, at));
        }
    }
    rows.sort();
    for of_series in rows.chunk_by(|a, b| a.0 == b.0) {
        // The row that reaches farthest so far.
        let mut farthest = &of_series[0];
        for row in &of_series[1..] {
            if row.1 <= farthest.2 {
                touched.extend([row.3, farthest.3]);
            }
            if row.2 >= farthest.2 {
                farthest = row;
            }
        }
    }
    let large = |rows: usize| rows >= (tile_rows / TILE_SHARE).max(1);
    tiles.into_iter().filter(|(at, rows)| large(*rows) && !touched.contains(at)).map(|(at, _)| at).collect()
}

/// Several parts as one source of points.
pub(crate) struct PartsSource<'a> {
    parts: &'a [Arc<Part>],
    series: Vec<(SeriesKey, u64)>,
    rows: Vec<Vec<RowRef>>,
    copies: Vec<TileCopy>,
    deleted: &'a Deleted,
    dropped: AtomicU64,
    /// The wrapping sum of their values' bits.
    bits_dropped: AtomicU64,
}

impl<'a> PartsSource<'a> {
    fn new(
        parts: &'a [Arc<Part>],
        deleted: &'a Deleted,
        without: &HashSet<SeriesKey>,
        copied: BTreeSet<(usize, u32)>,
    ) -> Self {
        let mut found: BTreeMap<SeriesKey, (u64, Vec<RowRef>)> = BTreeMap::new();
        for (p, part) in parts.iter().enumerate() {
            let table = part.series();
            for (r, row) in table.entries().iter().enumerate() {
                let key = table.key(row);
                if copied.contains(&(p, row.tile)) || without.contains(&key) {
                    continue;
                }
                let entry = found.entry(key).or_default();
                entry.0 += u64::from(row.rows);
                let at = |n: usize| u32::try_from(n).expect("parts and their series are counted in u32");
                entry.1.push(RowRef { part: at(p), row: at(r) });
            }
        }
        let (series, rows) = found.into_iter().map(|(k, (n, r))| ((k, n), r)).unzip();
        let copies = copied.into_iter().map(|(p, tile)| TileCopy { part: parts[p].clone(), tile }).collect();
        PartsSource { parts, series, rows, copies, deleted, dropped: 0.into(), bits_dropped: 0.into() }
    }

    /// How many points were left out, and the wrapping sum of their values' bits. Each point is gathered once.
    fn dropped(&self) -> (u64, u64) {
        (self.dropped.load(Ordering::Relaxed), self.bits_dropped.load(Ordering::Relaxed))
    }

    fn leave_out(&self, hides: &Hides, points: &mut Points) {
        let bits = |points: &Points| points.values.iter().fold(0u64, |sum, v| sum.wrapping_add(v.to_bits()));
        let (before, bits_before) = (points.len(), bits(points));
        hides.apply(points);
        self.dropped.fetch_add((before - points.len()) as u64, Ordering::Relaxed);
        self.bits_dropped.fetch_add(bits_before.wrapping_sub(bits(points)), Ordering::Relaxed);
    }
}

impl PointSource for PartsSource<'_> {
    fn series(&self) -> &[(SeriesKey, u64)] {
        &self.series
    }

    /// Steps as if each row of a series table had its steps evenly spread: exact enough to cut by.
    fn sample_steps(&self, series: usize, nth: usize) -> Result<Vec<i64>> {
        let mut steps = Vec::new();
        for r in &self.rows[series] {
            let row = r.of(self.parts);
            let count = (row.rows as usize).div_ceil(nth).max(1) as i128;
            let width = i128::from(row.last_step) - i128::from(row.first_step);
            for i in 0..count {
                let step = i128::from(row.first_step) + width * i / count;
                steps.push(i64::try_from(step).expect("between two steps"));
            }
        }
        Ok(steps)
    }

    fn copies(&self) -> &[TileCopy] {
        &self.copies
    }

    fn gather(&self, series: Range<usize>, steps: Steps) -> Result<Vec<Points>> {
        let lists: Vec<Vec<RowRef>> = self.rows[series.clone()]
            .iter()
            .map(|rows| rows.iter().copied().filter(|r| meets(r.of(self.parts), steps)).collect())
            .collect();
        let read = read_rows(self.parts, &lists, ColumnSet::ALL)?;
        let cut = |(mut chunks, (key, _)): (Vec<Points>, &(SeriesKey, u64))| {
            let hides = self.deleted.get(&*key.run);
            for points in &mut chunks {
                keep_steps(points, steps);
                if let Some(hides) = hides {
                    self.leave_out(hides, points);
                }
            }
            merge(chunks, Repeats::All)
        };
        Ok(read.into_iter().zip(&self.series[series]).map(cut).collect())
    }
}

/// Cuts points that ascend by step to a half-open range.
fn keep_steps(points: &mut Points, (lo, hi): Steps) {
    let start = lo.map_or(0, |lo| points.steps.partition_point(|&s| s < lo));
    let end = hi.map_or(points.len(), |hi| points.steps.partition_point(|&s| s < hi)).max(start);
    if start == 0 && end == points.len() {
        return;
    }
    for column in [&mut points.steps, &mut points.seqs, &mut points.times_us] {
        column.truncate(end);
        column.drain(..start);
    }
    points.values.truncate(end);
    points.values.drain(..start);
}
