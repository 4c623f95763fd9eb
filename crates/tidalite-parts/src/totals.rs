//! What a part holds in all, gathered row by row of its series table: which series, of how many points, and how far they reach.
//!
//! A row is let go once it was counted: a part may have a million of them. Series are known by the numbers of their names.

use crate::meta::PartMeta;
use crate::names::NumberedNames;
use crate::series::row::SeriesRow;
use std::collections::HashMap;
use tidalite_model::SeriesKey;
use uuid::Uuid;

/// Counts and ranges so far.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Runs, metrics and labels.
    names: [NumberedNames; 3],
    /// Points of each series.
    points: HashMap<[u32; 3], u64>,
    steps: Option<(i64, i64)>,
    times_us: Option<(i64, i64)>,
}

impl Totals {
    /// Takes a row of the series table.
    pub(crate) fn add(&mut self, row: &SeriesRow) {
        self.add_points(&row.key, row.summary.count);
        let s = &row.summary;
        widen(&mut self.steps, s.first.map(|p| p.step).zip(s.last.map(|p| p.step)));
        widen(&mut self.times_us, s.time_min_us.zip(s.time_max_us));
    }

    /// Takes points of a series.
    pub(crate) fn add_points(&mut self, key: &SeriesKey, points: u64) {
        let names = [&*key.run, &*key.metric, key.labels.as_str()];
        let mut numbers = [0; 3];
        for ((number, numbered), name) in numbers.iter_mut().zip(&mut self.names).zip(names) {
            *number = numbered.number_of(name);
        }
        *self.points.entry(numbers).or_default() += points;
    }

    /// How many points a series has; `None` where there is no such series.
    pub(crate) fn points_of(&self, key: &SeriesKey) -> Option<u64> {
        let [runs, metrics, labels] = &self.names;
        let numbers = [runs.find(&key.run)?, metrics.find(&key.metric)?, labels.find(key.labels.as_str())?];
        self.points.get(&numbers).copied()
    }

    /// How many points all series have.
    pub(crate) fn points(&self) -> u64 {
        self.points.values().sum()
    }

    /// How many series there are.
    pub(crate) fn series(&self) -> usize {
        self.points.len()
    }

    /// What a manifest keeps of a part, as far as it follows from this; the rest is zero. Panics where there is no row.
    pub(crate) fn meta(&self, id: Uuid) -> PartMeta {
        let not_empty = "a part has at least one point";
        let runs = self.names[0].texts();
        let ((step_min, step_max), (time_min_us, time_max_us)) =
            (self.steps.expect(not_empty), self.times_us.expect(not_empty));
        PartMeta {
            id,
            rows: 0,
            tiles: 0,
            series: self.points.len() as u64,
            runs: runs.len() as u64,
            bytes: 0,
            crc32c: 0,
            footer_bytes: 0,
            footer_crc32c: 0,
            series_bytes: 0,
            series_crc32c: 0,
            rollups: None,
            thinned: None,
            run_min: runs.iter().min().expect(not_empty).to_string(),
            run_max: runs.iter().max().expect(not_empty).to_string(),
            step_min,
            step_max,
            time_min_us,
            time_max_us,
            seq: Vec::new(),
            seq_base: 0,
            value_bits_sum: 0,
        }
    }
}

fn widen(range: &mut Option<(i64, i64)>, by: Option<(i64, i64)>) {
    let joined = range.iter().chain(&by).copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    *range = joined;
}
