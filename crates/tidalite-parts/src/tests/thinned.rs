//! Thinned parts: outlines, and summaries of all points. Damage is found, and no summary silently covers the outline only.

use super::sample::{SampleRandom, SampleSeries, tracker};
use super::{paths_in, rows_of, same_summaries, vfs};
use crate::rollup::bucket::{bucket_of, buckets};
use crate::{
    Part, PartMeta, PartOptions, PartPaths, PartWriter, SeriesRow, ThinnedChunk, encode_thinned_tile,
    encode_tile,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs;
use tempfile::TempDir;
use tidalite_model::{ErrorKind, Result, Summary};

/// The outline of a series, and the buckets of all its points.
struct SampleOutline {
    left: SampleSeries,
    shift: u32,
    buckets: Vec<Summary>,
}

impl SampleOutline {
    fn new(series: &SampleSeries, shift: u32) -> SampleOutline {
        let buckets = buckets(&series.chunk(), shift);
        let mut left = SampleSeries { key: series.key.clone(), ..SampleSeries::new("", "", "") };
        let mut kinds = [false; 3];
        let mut bucket = None;
        for (i, &step) in series.steps.iter().enumerate() {
            if bucket != Some(bucket_of(step, shift)) {
                (bucket, kinds) = (Some(bucket_of(step, shift)), [false; 3]);
            }
            let of = buckets
                .iter()
                .find(|b| b.first.is_some_and(|p| bucket == Some(bucket_of(p.step, shift))))
                .unwrap();
            let value = series.values[i];
            let kind = [value.is_nan(), value == f64::INFINITY, value == f64::NEG_INFINITY]
                .iter()
                .position(|&is| is);
            let first = kind.is_some_and(|kind| !std::mem::replace(&mut kinds[kind], true));
            let ends = [of.first.unwrap().step, of.last.unwrap().step];
            let extremes = [of.min, of.max].iter().any(|e| e.is_some_and(|e| e.step == step));
            if first || ends.contains(&step) || extremes {
                left.steps.push(step);
                left.seqs.push(series.seqs[i]);
                left.written.push(series.written[i]);
                left.times_us.push(series.times_us[i]);
                left.values.push(value);
            }
        }
        SampleOutline { left, shift, buckets }
    }

    fn chunk(&self) -> ThinnedChunk<'_> {
        ThinnedChunk { points: self.left.chunk(), shift: self.shift, buckets: &self.buckets }
    }
}

struct WrittenThinned {
    paths: PartPaths,
    meta: PartMeta,
    thin: Vec<Vec<SampleOutline>>,
    _folder: TempDir,
}

impl WrittenThinned {
    fn new(tiles: &[Vec<SampleSeries>]) -> WrittenThinned {
        let thin: Vec<Vec<SampleOutline>> = tiles
            .iter()
            .map(|t| {
                t.iter()
                    .zip([4, 5, 6].iter().cycle())
                    .map(|(s, &shift)| SampleOutline::new(s, shift))
                    .collect()
            })
            .collect();
        let folder = TempDir::new().unwrap();
        let paths = paths_in(&folder);
        let mut writer = PartWriter::create(vfs(), &paths).unwrap();
        for tile in &thin {
            let chunks: Vec<ThinnedChunk<'_>> = tile.iter().map(SampleOutline::chunk).collect();
            writer.push(encode_thinned_tile(&chunks, &PartOptions::default()).unwrap()).unwrap();
        }
        let meta = writer.finish(false).unwrap();
        WrittenThinned { paths, meta, thin, _folder: folder }
    }

    fn open(&self) -> Result<Part> {
        Part::open(vfs(), &self.paths, &self.meta)
    }
}

fn sample() -> WrittenThinned {
    WrittenThinned::new(&[tracker("r", 5, -300..1000), tracker("s", 2, 0..2500)])
}

fn findings(part: &Part) -> usize {
    let mut found = 0;
    part.verify(&mut |_| found += 1).unwrap();
    found
}

/// A row of a thinned part, with the width and the buckets of its series.
type KnownSeries = (SeriesRow, u32, Vec<Summary>);

fn known(part: &Part) -> Result<Vec<KnownSeries>> {
    let known = |row| part.thinned(&row).map(|(shift, buckets)| (row, shift, buckets));
    rows_of(part)?.into_iter().map(known).collect()
}

fn same_known(a: &[KnownSeries], b: &[KnownSeries]) -> bool {
    let same = |(a, b): (&KnownSeries, &KnownSeries)| {
        a.0.same_bits(&b.0) && a.1 == b.1 && same_summaries(&a.2, &b.2)
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

#[test]
fn the_series_table_and_the_buckets_cover_all_points() {
    let part = sample();
    let open = part.open().unwrap();
    assert_eq!((part.meta.thinned, findings(&open)), (Some(5 * 1300 + 2 * 2500), 0));
    assert!(part.meta.rows < 3000, "{}", part.meta.rows);
    let all = part.thin.iter().flatten();
    for (row, thin) in rows_of(&open).unwrap().iter().zip(all) {
        let (shift, buckets) = open.thinned(row).unwrap();
        assert!(shift == thin.shift && same_summaries(&buckets, &thin.buckets));
        assert_eq!(
            (row.rows as usize, row.summary.count),
            (thin.left.steps.len(), if &*row.key.run == "r" { 1300 } else { 2500 })
        );
        assert_eq!(
            (row.seq_min, row.seq_max),
            (*thin.left.seqs.last().unwrap(), *thin.left.seqs.last().unwrap())
        );
    }
    let file = SerializedFileReader::new(fs::File::open(&part.paths.points).unwrap()).unwrap();
    assert_eq!(file.get_row_iter(None).unwrap().count() as u64, part.meta.rows);
}

#[test]
fn a_tile_is_copied_with_its_buckets() {
    let part = sample();
    let source = part.open().unwrap();
    let folder = TempDir::new().unwrap();
    let paths = paths_in(&folder);
    let mut writer = PartWriter::create(vfs(), &paths).unwrap();
    let copier = source.copier().unwrap();
    (0..part.meta.tiles).for_each(|tile| writer.push(copier.tile(tile, &|_| None).unwrap()).unwrap());
    let copied = writer.finish(false).unwrap();
    assert_eq!(PartMeta { ..copied.clone() }, PartMeta { id: copied.id, ..part.meta.clone() });
    let open = Part::open(vfs(), &paths, &copied).unwrap();
    assert!(same_known(&known(&open).unwrap(), &known(&source).unwrap()));
    assert_eq!(findings(&open), 0);
}

#[test]
fn points_that_are_not_an_outline_are_refused() {
    let series = tracker("r", 1, 0..200).remove(0);
    let options = PartOptions::default();
    let refused = |thin: &[SampleOutline]| {
        let chunks: Vec<ThinnedChunk<'_>> = thin.iter().map(SampleOutline::chunk).collect();
        encode_thinned_tile(&chunks, &options).err().map(|e| e.kind()) == Some(ErrorKind::Invalid)
    };
    assert!(!refused(&[SampleOutline::new(&series, 4)]));
    for lost in 0..SampleOutline::new(&series, 4).left.steps.len() {
        let mut thin = SampleOutline::new(&series, 4);
        let left = &mut thin.left;
        left.steps.remove(lost);
        left.seqs.remove(lost);
        left.written.remove(lost);
        left.times_us.remove(lost);
        left.values.remove(lost);
        assert!(refused(&[thin]), "without point {lost}");
    }
    let wrong = |change: fn(&mut SampleOutline)| {
        let mut thin = SampleOutline::new(&series, 4);
        change(&mut thin);
        refused(&[thin])
    };
    assert!(wrong(|t| t.buckets.reverse()) && wrong(|t| t.shift = 0) && wrong(|t| t.shift = 63));
    assert!(wrong(|t| t.buckets[3].count = 1) && wrong(|t| t.buckets.truncate(3)));
    assert!(
        refused(&[SampleOutline::new(&series, 4), SampleOutline::new(&tracker("s", 1, 0..9)[0], 2)]),
        "two runs"
    );
    assert!(wrong(|t| t.left.written[1] = 1), "one of the steps is automatic");
    assert!(!wrong(|t| t.left.written.fill(1)), "all of them are");
    // A part with other tiles, or with the same series twice, is refused.
    let tile = || encode_thinned_tile(&[SampleOutline::new(&series, 4).chunk()], &options).unwrap();
    let whole = encode_tile(&[series.chunk()], &options).unwrap();
    let folder = TempDir::new().unwrap();
    let mut writer = PartWriter::create(vfs(), &paths_in(&folder)).unwrap();
    writer.push(tile()).unwrap();
    assert_eq!(writer.push(whole).unwrap_err().kind(), ErrorKind::Invalid);
    writer.push(tile()).unwrap();
    assert_eq!(writer.finish(false).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_damaged_series_table_is_rebuilt_from_the_buckets() {
    let part = sample();
    let expected = known(&part.open().unwrap()).unwrap();
    let bytes = fs::read(&part.paths.series).unwrap();
    for at in (0..bytes.len()).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 16;
        fs::write(&part.paths.series, &damaged).unwrap();
        let open = part.open().unwrap();
        assert!(open.series_damage().is_some() && same_known(&known(&open).unwrap(), &expected), "byte {at}");
    }
    fs::remove_file(&part.paths.series).unwrap();
    let open = part.open().unwrap();
    assert!(same_known(&known(&open).unwrap(), &expected));
    assert_eq!(findings(&open), 1);
    // Without the rollups as well, most points are lost.
    fs::rename(&part.paths.rollups, part.paths.rollups.with_extension("gone")).unwrap();
    assert_eq!(part.open().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_flipped_bit_in_the_rollups_is_reported_where_they_are_needed() {
    let part = sample();
    let expected = known(&part.open().unwrap()).unwrap();
    let bytes = fs::read(&part.paths.rollups).unwrap();
    let mut random = SampleRandom(8);
    let mut reported = 0;
    for byte in (0..bytes.len()).step_by(11) {
        let mut damaged = bytes.clone();
        damaged[byte] ^= 1 << random.below(8);
        fs::write(&part.paths.rollups, &damaged).unwrap();
        let open = part.open().unwrap();
        match known(&open) {
            Ok(found) => assert!(same_known(&found, &expected), "byte {byte}"),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Corrupt, "byte {byte}");
                reported += 1;
            }
        }
        if byte % 55 == 0 {
            let mut paths = Vec::new();
            open.verify(&mut |f| paths.push(f.path)).unwrap();
            assert_eq!(
                paths,
                std::slice::from_ref(&part.paths.rollups),
                "byte {byte}: once, and in its own file"
            );
        }
    }
    assert!(reported > 100, "{reported}");
    fs::remove_file(&part.paths.rollups).unwrap();
    let open = part.open().unwrap();
    assert_eq!(known(&open).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(findings(&open) > 0);
}

/// Files of different parts are detected even where all checksums match.
#[test]
fn files_that_contradict_each_other_are_detected() {
    let (mut part, other) =
        (sample(), WrittenThinned::new(&[tracker("r", 5, -301..1000), tracker("s", 2, 0..2500)]));
    fs::copy(&other.paths.rollups, &part.paths.rollups).unwrap();
    part.meta.rollups = other.meta.rollups;
    let open = part.open().unwrap();
    assert_eq!(known(&open).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(findings(&open) > 0);
    // Only in a thinned part may a summary count more points than its row has.
    let mut part = sample();
    part.meta.thinned = None;
    let whole = part.open().unwrap();
    assert_eq!(whole.series().row(0).unwrap_err().kind(), ErrorKind::Corrupt);
}
