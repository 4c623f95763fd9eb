//! Numbers for the series of several parts, so that a job compares series without holding their names once for each row.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use tidalite_model::Labels;
use tidalite_parts::{SeriesEntry, SeriesTable};

/// A series: the numbers of its run, its metric and its labels. Their order means nothing.
pub(crate) type SeriesNumber = [u32; 3];

/// The names met so far. A name has one number in all parts.
#[derive(Debug, Default)]
pub(crate) struct SeriesNumbers {
    runs: HashMap<Arc<str>, u32>,
    metrics: HashMap<Arc<str>, u32>,
    labels: HashMap<Labels, u32>,
}

/// The numbers of the names of one part.
#[derive(Debug)]
pub(crate) struct NumbersOfPart([Vec<u32>; 3]);

impl SeriesNumbers {
    pub(crate) fn of_part(&mut self, table: &SeriesTable) -> NumbersOfPart {
        NumbersOfPart([
            numbers(&mut self.runs, table.runs()),
            numbers(&mut self.metrics, table.metrics()),
            numbers(&mut self.labels, table.all_labels()),
        ])
    }
}

fn numbers<T: Clone + Eq + Hash>(known: &mut HashMap<T, u32>, names: &[T]) -> Vec<u32> {
    let number = |name: &T| {
        let next = u32::try_from(known.len()).expect("names are counted in u32");
        *known.entry(name.clone()).or_insert(next)
    };
    names.iter().map(number).collect()
}

impl NumbersOfPart {
    /// The series of a row.
    pub(crate) fn of(&self, entry: &SeriesEntry) -> SeriesNumber {
        let NumbersOfPart([runs, metrics, labels]) = self;
        [runs[entry.run()], metrics[entry.metric()], labels[entry.labels()]]
    }
}
