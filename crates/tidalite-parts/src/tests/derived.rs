//! Parts without a file of their series table: the table that is derived equals the one that is not written.

use super::sample::{SampleRandom, SampleSeries, tracker};
use super::{WrittenPart, rows_of, same_rows};
use crate::{ColumnSet, PartOptions};
use tidalite_model::{ErrorKind, Seq, Written};

/// Series of one to nine points, some with repeats, automatic steps and odd values.
fn short_series(count: usize) -> Vec<SampleSeries> {
    let mut random = SampleRandom(11);
    let mut all = Vec::new();
    for m in 0..count {
        let mut series = SampleSeries::new(&format!("run-{}", m / 700), &format!("m/{m:05}"), "");
        let mut step = random.below(100).cast_signed();
        for i in 0..1 + random.below(9) {
            let value = [f64::NAN, -0.0, f64::INFINITY, 0.1, 1e300][random.below(5) as usize];
            series.push(step, Seq::new(2, i), 5 * i.cast_signed() - 7, value);
            if m % 5 == 0 {
                series.written[i as usize] = Written::at(i.cast_signed(), true).as_i64();
            }
            step += random.below(3).cast_signed();
        }
        all.push(series);
    }
    all
}

#[test]
fn a_derived_table_is_the_one_that_is_not_written() {
    for tiles in [vec![short_series(1)], vec![short_series(5_000), tracker("t", 700, 0..3)]] {
        let with = PartOptions { table_series_points: 0, ..PartOptions::default() };
        let written = WrittenPart::with(tiles.clone(), &with);
        let without = WrittenPart::new(tiles);
        assert!(written.meta.has_series_table() && written.paths.series.exists());
        assert!(!without.meta.has_series_table() && !without.paths.series.exists());
        let (stored, derived) = (written.open().unwrap(), without.open().unwrap());
        assert!(derived.series_damage().is_none());
        assert!(derived.series().entries().eq(stored.series().entries()));
        assert!(same_rows(&rows_of(&derived).unwrap(), &rows_of(&stored).unwrap()));
        derived.verify(&mut |f| panic!("an intact part has a finding: {f:?}")).unwrap();
    }
}

#[test]
fn series_of_many_points_have_a_table() {
    let many = WrittenPart::new(vec![tracker("t", 10, 0..16)]);
    assert!(many.meta.has_series_table());
    let few = WrittenPart::new(vec![tracker("t", 10, 0..15)]);
    assert!(!few.meta.has_series_table());
}

#[test]
fn a_damaged_page_of_steps_costs_its_own_series_only() {
    let part = WrittenPart::new(vec![short_series(5_000)]);
    let sound = rows_of(&part.open().unwrap()).unwrap();
    let steps = part.open().unwrap().tiles[0].chunks[3].pages.clone();
    assert!(steps.len() > 1);
    super::damage::flip(&part.paths.points, usize::try_from(steps[0].offset).unwrap() + 30, 3);
    let open = part.open().unwrap();
    let (mut damaged, mut fine) = (0, 0);
    for (at, (entry, row)) in open.series().entries().zip(&sound).enumerate() {
        if row.row_start < steps[0].rows {
            assert!(entry.has_unknown_steps(), "{}", row.key.metric);
            assert_eq!(open.series().row(at).unwrap_err().kind(), ErrorKind::Corrupt);
            damaged += 1;
        } else {
            assert_eq!(Some(entry.steps()), row.summary.steps());
            let rows = row.row_start..row.row_start + row.rows;
            open.read(0, std::slice::from_ref(&rows), ColumnSet::ALL).unwrap();
            fine += 1;
        }
    }
    assert!(damaged > 100 && fine > 100, "{damaged} and {fine}");
    let mut findings = Vec::new();
    open.verify(&mut |f| findings.push(f)).unwrap();
    assert!(
        findings.iter().any(|f| f.column == Some("step") && f.rows == Some(0..steps[0].rows)),
        "{findings:?}"
    );
}
