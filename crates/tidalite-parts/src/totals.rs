//! Totals of a part, from the rows of its series table: its series, their points, and the ranges of steps and times.
//!
//! Rows are not kept, since a part may have a million of them. A series is identified by the numbers of its names.

use crate::meta::PartMeta;
use crate::names::NumberedNames;
use crate::series::row::SeriesRow;
use std::collections::HashMap;
use tidalite_model::{Extent, SeriesKey};
use uuid::Uuid;

/// Counts and ranges so far.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Runs, metrics and labels.
    names: [NumberedNames; 3],
    /// Points of each series.
    points: HashMap<[u32; 3], u64>,
    steps: Option<Extent>,
    times_us: Option<Extent>,
}

impl Totals {
    /// Adds a row of the series table.
    pub(crate) fn add(&mut self, row: &SeriesRow) {
        self.add_points(&row.key, row.summary.count);
        let join = |all: Option<Extent>, of_row| all.into_iter().chain(of_row).reduce(Extent::join);
        self.steps = join(self.steps, row.summary.steps());
        self.times_us = join(self.times_us, row.summary.times_us());
    }

    /// Adds points of a series.
    pub(crate) fn add_points(&mut self, key: &SeriesKey, points: u64) {
        let names = [&*key.run, &*key.metric, key.labels.as_str()];
        let mut numbers = [0; 3];
        for ((number, numbered), name) in numbers.iter_mut().zip(&mut self.names).zip(names) {
            *number = numbered.number_of(name);
        }
        *self.points.entry(numbers).or_default() += points;
    }

    /// The number of points of a series; `None` where there is no such series.
    pub(crate) fn points_of(&self, key: &SeriesKey) -> Option<u64> {
        let [runs, metrics, labels] = &self.names;
        let numbers = [runs.find(&key.run)?, metrics.find(&key.metric)?, labels.find(key.labels.as_str())?];
        self.points.get(&numbers).copied()
    }

    /// The number of points of all series.
    pub(crate) fn points(&self) -> u64 {
        self.points.values().sum()
    }

    /// The number of series.
    pub(crate) fn series(&self) -> usize {
        self.points.len()
    }

    /// The manifest's entry as far as it follows from the totals; the other fields are 0. Panics where there is no row.
    pub(crate) fn meta(&self, id: Uuid) -> PartMeta {
        let not_empty = "a part has at least one point";
        let runs = self.names[0].texts();
        let (steps, times_us) = (self.steps.expect(not_empty), self.times_us.expect(not_empty));
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
            hidden: None,
            run_min: runs.iter().min().expect(not_empty).to_string(),
            run_max: runs.iter().max().expect(not_empty).to_string(),
            step_min: steps.first,
            step_max: steps.last,
            time_min_us: times_us.first,
            time_max_us: times_us.last,
            seq: Vec::new(),
            seq_gone: Vec::new(),
            seq_base: 0,
            clock: None,
            value_bits_sum: 0,
        }
    }
}
