//! Each rollup is the summary of its points. Damage to rollups is found, and changes no number.

use super::sample::{SampleRandom, SampleSeries, tracker};
use super::{chunks, paths_in, same_summaries, vfs};
use crate::{Part, PartMeta, PartOptions, PartPaths, PartWriter, encode_tile, rollup_shift};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;
use tidalite_model::{ErrorKind, Point, Seq, SeriesKey, Summary, SummaryFacts};

fn options() -> PartOptions {
    PartOptions { rollup_points: 8, rollup_series_points: 64, ..PartOptions::default() }
}

struct WrittenRollups {
    folder: TempDir,
    paths: PartPaths,
    meta: PartMeta,
    points: BTreeMap<SeriesKey, Vec<Point>>,
}

impl WrittenRollups {
    fn new(tiles: &[Vec<SampleSeries>]) -> WrittenRollups {
        let mut points: BTreeMap<SeriesKey, Vec<Point>> = BTreeMap::new();
        for series in tiles.iter().flatten() {
            let of = points.entry(series.key.clone()).or_default();
            for (i, &step) in series.steps.iter().enumerate() {
                of.push(Point { step, time_us: series.times_us[i], value: series.values[i] });
            }
        }
        let shift = |key: &SeriesKey| {
            let of = &points[key];
            rollup_shift(of.len() as u64, of[0].step, of[of.len() - 1].step, &options())
        };
        let folder = TempDir::new().unwrap();
        let paths = paths_in(&folder);
        let mut writer = PartWriter::create(vfs(), &paths).unwrap();
        for series in tiles {
            let chunks = chunks(series);
            let mut tile = encode_tile(&chunks, &options()).unwrap();
            tile.roll_up(&chunks, &chunks.iter().map(|c| shift(c.key)).collect::<Vec<_>>());
            writer.push(tile).unwrap();
        }
        let meta = writer.finish(false).unwrap();
        WrittenRollups { folder, paths, meta, points }
    }

    fn open(&self) -> Part {
        Part::open(vfs(), &self.paths, &self.meta).unwrap()
    }

    /// Compares each bucket with the summary of its points.
    fn check(&self) {
        let open = self.open();
        let rollups = open.rollups().unwrap();
        for (key, points) in &self.points {
            let Some(rolled) = rollups.of(key) else {
                assert!(points.len() < 64 || points.windows(2).any(|w| w[0].step == w[1].step), "{key:?}");
                continue;
            };
            assert_eq!(rolled.points, points.len() as u64);
            for tier in &rolled.tiers {
                let (found, fetched) = rollups.read(tier, SummaryFacts::ALL).unwrap();
                assert!(fetched.pages > 0);
                let mut expected: BTreeMap<i64, Summary> = BTreeMap::new();
                for &p in points {
                    let bucket = p.step >> tier.width.trailing_zeros();
                    expected.entry(bucket).or_default().push(p);
                }
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected.values()) {
                    assert!(found.same_bits(expected), "{found:?} {expected:?}");
                }
                let (few, _) = rollups.read(tier, SummaryFacts::default()).unwrap();
                assert_eq!(few[0].count, found[0].count);
                assert!(few[0].min.is_none() && few[0].sum.is_zero() && few[0].squares.is_zero());
            }
        }
        open.verify(&mut |f| panic!("an intact part has a finding: {f:?}")).unwrap();
    }
}

fn tracker_part() -> WrittenRollups {
    WrittenRollups::new(&[tracker("r", 5, -300..1000), tracker("r", 5, 1000..1010), tracker("s", 2, 0..30)])
}

#[test]
fn each_bucket_is_the_summary_of_its_points() {
    let part = tracker_part();
    part.check();
    let open = part.open();
    let shares: f64 = open.bytes_of_rollups().iter().map(|(_, bytes)| bytes).sum();
    let meta = open.meta().rollups.unwrap();
    assert!((shares - (meta.bytes - meta.footer_bytes) as f64).abs() < 1.0, "{shares} {meta:?}");
    let rolled = open.rollups().unwrap().of(&open.series().row(0).unwrap().key).unwrap();
    assert_eq!((rolled.rows.len(), rolled.points), (2, 1310), "over both tiles");
    assert!(
        open.rollups().unwrap().of(&open.series().row(open.series().tile(2).start).unwrap().key).is_none(),
        "30 points have none"
    );
}

#[test]
fn a_long_series_has_wider_tiers_too() {
    let part = WrittenRollups::new(&[tracker("r", 1, 0..20_000)]);
    part.check();
    let open = part.open();
    let rolled = open.rollups().unwrap().of(&open.series().row(0).unwrap().key).unwrap();
    let widths: Vec<u64> = rolled.tiers.iter().map(|t| t.width).collect();
    assert_eq!(widths, [8, 128]);
    assert_eq!(rolled.tiers[1].buckets(), 157);
}

#[test]
fn series_with_repeats_and_short_series_have_no_rollups() {
    let mut twice = tracker("r", 2, 0..200);
    let (step, time, value) = (199, twice[0].times_us[199], 0.5);
    twice[0].push(step, Seq::new(3, 500), time, value);
    let part = WrittenRollups::new(&[twice]);
    part.check();
    assert!(part.open().rollups().unwrap().of(&part.open().series().row(0).unwrap().key).is_none());
    // A step that occurs in two tiles is a repeat too.
    let part = WrittenRollups::new(&[tracker("r", 1, 0..200), tracker("r", 1, 199..300)]);
    assert!(part.meta.rollups.is_none() && !part.paths.rollups.exists());
    let short = WrittenRollups::new(&[tracker("r", 9, 0..20)]);
    assert!(short.meta.rollups.is_none() && short.open().rollups().is_none());
}

#[test]
fn the_parquet_crate_reads_the_same_numbers() {
    let part = tracker_part();
    let file = SerializedFileReader::new(fs::File::open(&part.paths.rollups).unwrap()).unwrap();
    let mut counted: BTreeMap<(String, String), i64> = BTreeMap::new();
    for row in file.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let (start, width) = (row.get_long(4).unwrap(), row.get_long(3).unwrap());
        assert!(start <= row.get_long(10).unwrap() && row.get_long(11).unwrap() < start + width);
        let name = (row.get_string(0).unwrap().clone(), row.get_string(1).unwrap().clone());
        *counted.entry(name).or_default() += row.get_long(5).unwrap();
    }
    assert_eq!(counted.len(), 5);
    assert!(counted.values().all(|&n| n == 1310), "{counted:?}");
}

#[test]
fn a_flipped_bit_in_the_rollups_is_found_and_gives_no_wrong_number() {
    let part = tracker_part();
    let bytes = fs::read(&part.paths.rollups).unwrap();
    let mut random = SampleRandom(8);
    let good: Vec<Vec<Summary>> = all(&part.open()).unwrap();
    for byte in (0..bytes.len()).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[byte] ^= 1 << random.below(8);
        fs::write(&part.paths.rollups, &damaged).unwrap();
        let open = part.open();
        if open.rollups().is_some() {
            match all(&open) {
                Ok(found) => {
                    let same = found.iter().zip(&good).all(|(found, good)| same_summaries(found, good));
                    assert!(found.len() == good.len() && same, "byte {byte}");
                }
                Err(e) => assert_eq!(e.kind(), ErrorKind::Corrupt, "byte {byte}"),
            }
        }
        // Verification is slow, since it reads all points each time.
        if byte % 39 == 0 {
            let mut found = Vec::new();
            open.verify(&mut |f| found.push(f)).unwrap();
            assert_eq!((found.len(), &found[0].path), (1, &part.paths.rollups), "byte {byte}");
        }
    }
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&part.paths.rollups, &bytes[..length]).unwrap();
        assert!(part.open().rollups().is_none());
    }
    fs::remove_file(&part.paths.rollups).unwrap();
    assert!(part.open().rollups().is_none());
    let mut found = Vec::new();
    part.open().verify(&mut |f| found.push(f)).unwrap();
    assert_eq!((found.len(), &found[0].path), (1, &part.paths.rollups));
    assert!(part.folder.path().exists());
}

/// The buckets of every tier.
fn all(part: &Part) -> tidalite_model::Result<Vec<Vec<Summary>>> {
    let Some(rollups) = part.rollups() else { return Ok(Vec::new()) };
    let mut keys: Vec<&SeriesKey> = rollups.series().keys().collect();
    keys.sort();
    let tiers = keys.iter().flat_map(|k| &rollups.series()[*k].tiers);
    tiers.map(|t| Ok(rollups.read(t, SummaryFacts::ALL)?.0)).collect()
}

#[test]
fn rollups_of_another_part_are_detected() {
    let (mut part, other) = (tracker_part(), WrittenRollups::new(&[tracker("r", 5, -301..1000)]));
    fs::copy(&other.paths.rollups, &part.paths.rollups).unwrap();
    part.meta.rollups = other.meta.rollups;
    let mut found = Vec::new();
    part.open().verify(&mut |f| found.push(f)).unwrap();
    assert_eq!((found.len(), &found[0].path), (1, &part.paths.rollups));
}
