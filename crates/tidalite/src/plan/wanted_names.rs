//! Which series of a part a selection takes, by their names.
//!
//! A few metrics given by name are looked up among the series of each run, so that a query of one metric does not pass over
//! the others.

use std::ops::Range;
use tidalite_parts::{BySeries, Part, SeriesTable};
use tidalite_query::SeriesFilter;

/// Which series of a table are selected by metric and labels. Each name is matched on its first use.
pub(super) struct WantedNames<'a> {
    wanted: &'a SeriesFilter,
    table: &'a SeriesTable,
    by_series: &'a BySeries,
    /// The places of the selected metrics, ascending, where they are given by name and few.
    named: Option<Vec<u32>>,
    metrics: Vec<Option<bool>>,
    labels: Vec<Option<bool>>,
}

/// To look up a metric among the series of a run costs about as much as to pass over so many series.
const LOOKUP_SERIES: usize = 16;

impl<'a> WantedNames<'a> {
    pub(super) fn new(wanted: &'a SeriesFilter, part: &'a Part) -> Self {
        let (table, by_series) = (part.series(), part.by_series());
        let place = |name: &String| {
            let place = table.metrics().binary_search_by(|metric| (**metric).cmp(name)).ok()?;
            u32::try_from(place).ok()
        };
        let few = |names: &&[String]| names.len() * LOOKUP_SERIES < table.metrics().len();
        let named =
            wanted.metrics.as_exact().filter(few).map(|names| names.iter().filter_map(place).collect());
        WantedNames {
            wanted,
            table,
            by_series,
            named,
            metrics: vec![None; table.metrics().len()],
            labels: vec![None; table.all_labels().len()],
        }
    }

    /// The selected series of a run, by the place of the run in the table; ascending.
    pub(super) fn of_run(&mut self, run: usize) -> Vec<usize> {
        let all = self.by_series.of_run(run);
        match self.named.take() {
            Some(named) => {
                let mut found = Vec::new();
                let mut rest = all;
                for &metric in &named {
                    rest.start = self.first_from(rest.clone(), metric);
                    let end = self.first_from(rest.clone(), metric + 1);
                    found.extend((rest.start..end).filter(|series| self.takes_labels(*series)));
                    rest.start = end;
                }
                self.named = Some(named);
                found
            }
            None => all.filter(|series| self.takes_metric(*series) && self.takes_labels(*series)).collect(),
        }
    }

    /// The first of some series of a run whose metric is at this place or after it.
    fn first_from(&self, series: Range<usize>, metric: u32) -> usize {
        let (mut low, mut high) = (series.start, series.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.name(middle, 1) < metric { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn takes_metric(&mut self, series: usize) -> bool {
        let (wanted, place) = (self.wanted, self.name(series, 1) as usize);
        let metric = &self.table.metrics()[place];
        *self.metrics[place].get_or_insert_with(|| wanted.metrics.is_match(metric))
    }

    fn takes_labels(&mut self, series: usize) -> bool {
        let (wanted, place) = (self.wanted, self.name(series, 2) as usize);
        let labels = &self.table.all_labels()[place];
        *self.labels[place].get_or_insert_with(|| wanted.labels.is_match(labels))
    }

    fn name(&self, series: usize, name: usize) -> u32 {
        self.table.name(self.by_series.series(series)[0] as usize, name)
    }
}
