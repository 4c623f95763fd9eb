//! Compaction: several parts → one, so that a series lies together again and files stay few.
//!
//! Every row of the inputs is in the output, repeats included: the count and a checksum over the bits of all
//! values must agree before the new version is published. Any error on the way leaves everything as it was.

use crate::flush::publish_version;
use crate::manifest;
use crate::scan::{RowRef, meets, read_rows};
use crate::store::Inner;
use crate::tiles::{PointSource, Steps, write_part};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use tidalite_model::{Error, ErrorKind, Result, SeriesKey};
use tidalite_parts::{Columns, Part, PartMeta};
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
}

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
const PART_ROWS_MAX: u64 = 64 << 20;
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
        let picked = pick(&readable, policy);
        if picked.is_empty() {
            // Whoever asks for a compaction by hand is told of what it could not touch; the background goes on.
            return match unreadable {
                Some(e) if policy == Policy::All => Err(e),
                _ => Ok(stats),
            };
        }
        let inputs: Vec<PartMeta> =
            version.manifest.parts.iter().filter(|p| picked.contains(&p.id)).cloned().collect();
        let output = merge_parts(inner, &inputs, pool, progress)?;
        let mut next = version.manifest.clone();
        let at = next.parts.iter().position(|p| picked.contains(&p.id)).unwrap_or(0);
        next.parts.retain(|p| !picked.contains(&p.id));
        stats.parts_in += inputs.len() as u64;
        stats.parts_out += 1;
        stats.points += output.rows;
        next.parts.insert(at, output);
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

fn merge_parts(
    inner: &Inner,
    inputs: &[PartMeta],
    pool: &rayon::ThreadPool,
    progress: &dyn Fn(u64, u64),
) -> Result<PartMeta> {
    let vfs = &inner.vfs;
    let parts: Vec<Arc<Part>> = inputs
        .iter()
        .map(|m| Part::open(vfs.clone(), &inner.places.part(m.id), m).map(Arc::new))
        .collect::<Result<_>>()?;
    let source = PartsSource::new(&parts);
    let total: u64 = inputs.iter().map(|m| m.rows).sum();
    let done = std::cell::Cell::new(0);
    let place = inner.places.part(vfs.uuid());
    let written = write_part(vfs, &place, &source, inner.options.tile_rows, pool, &|rows| {
        done.set(done.get() + rows);
        progress(done.get(), total);
    })?;
    let sum_in = inputs.iter().fold(0u64, |s, m| s.wrapping_add(m.value_bits_sum));
    match written {
        Some(meta) if meta.rows == total && meta.value_bits_sum == sum_in => {
            vfs.sync_dir(&inner.places.parts())?;
            vfs.sync_dir(&inner.places.series())?;
            Ok(meta)
        }
        other => {
            for path in [&place.points, &place.series] {
                vfs.remove(path)?;
            }
            Err(Error::new(
                ErrorKind::Corrupt,
                "compact",
                format!(
                    "{total} points went in, {} came out, or their checksums differ",
                    other.map_or(0, |m| m.rows)
                ),
                "nothing was changed; run `tidalite verify`",
            ))
        }
    }
}

/// Several parts as one source of points.
pub(crate) struct PartsSource<'a> {
    parts: &'a [Arc<Part>],
    series: Vec<(SeriesKey, u64)>,
    rows: Vec<Vec<RowRef>>,
}

impl<'a> PartsSource<'a> {
    pub(crate) fn new(parts: &'a [Arc<Part>]) -> Self {
        let mut found: BTreeMap<&'a SeriesKey, (u64, Vec<RowRef>)> = BTreeMap::new();
        for (p, part) in parts.iter().enumerate() {
            for (r, row) in part.series().rows.iter().enumerate() {
                let entry = found.entry(&row.key).or_default();
                entry.0 += u64::from(row.rows);
                let at = |n: usize| u32::try_from(n).expect("parts and their series are counted in u32");
                entry.1.push(RowRef { part: at(p), row: at(r) });
            }
        }
        let (series, rows) = found.into_iter().map(|(k, (n, r))| ((k.clone(), n), r)).unzip();
        PartsSource { parts, series, rows }
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
            let (Some(first), Some(last)) = (row.summary.first, row.summary.last) else { continue };
            let count = (row.rows as usize).div_ceil(nth).max(1) as i128;
            let width = i128::from(last.step) - i128::from(first.step);
            for i in 0..count {
                let step = i128::from(first.step) + width * i / count;
                steps.push(i64::try_from(step).expect("between two steps"));
            }
        }
        Ok(steps)
    }

    fn gather(&self, series: Range<usize>, steps: Steps) -> Result<Vec<Points>> {
        let lists: Vec<Vec<RowRef>> = self.rows[series]
            .iter()
            .map(|rows| rows.iter().copied().filter(|r| meets(r.of(self.parts), steps)).collect())
            .collect();
        let read = read_rows(self.parts, &lists, Columns::ALL)?;
        let cut = |mut chunks: Vec<Points>| {
            for points in &mut chunks {
                keep_steps(points, steps);
            }
            merge(chunks, Repeats::All)
        };
        Ok(read.into_iter().map(cut).collect())
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
