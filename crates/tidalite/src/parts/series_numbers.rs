//! Numbers for the names of several parts, so that a job sorts and compares series without holding their names for each row.

use super::scan::RowRef;
use std::sync::Arc;
use tidalite_parts::Part;

/// A series: the numbers of its run, its metric and its labels. They ascend with its key.
pub(crate) type SeriesNumber = [u32; 3];

/// The numbers of the names of some parts. A name has one number in all of them.
#[derive(Debug)]
pub(crate) struct SeriesNumbers<'a> {
    parts: &'a [Arc<Part>],
    /// Of each part, the numbers of its runs, of its metrics, of its labels.
    of_parts: Vec<[Vec<u32>; 3]>,
    /// How many runs, metrics and labels there are.
    counts: [usize; 3],
}

impl<'a> SeriesNumbers<'a> {
    pub(crate) fn of(parts: &'a [Arc<Part>]) -> Self {
        let (runs, run_count) = numbers(parts, |part| part.series().runs());
        let (metrics, metric_count) = numbers(parts, |part| part.series().metrics());
        let (labels, label_count) = numbers(parts, |part| part.series().all_labels());
        let of_parts = runs.into_iter().zip(metrics).zip(labels).map(|((r, m), l)| [r, m, l]).collect();
        SeriesNumbers { parts, of_parts, counts: [run_count, metric_count, label_count] }
    }

    /// The series of a row.
    pub(crate) fn series(&self, row: RowRef) -> SeriesNumber {
        [0, 1, 2].map(|name| self.name(row, name))
    }

    /// Sorts rows by series. The rows of a series keep their order. Takes as much memory again as the rows.
    pub(crate) fn sort(&self, mut rows: Vec<RowRef>) -> Vec<RowRef> {
        let mut sorted = rows.clone();
        // The least significant name first: each pass keeps the order of the one before.
        for name in [2, 1, 0] {
            let mut starts = vec![0; self.counts[name] + 1];
            rows.iter().for_each(|row| starts[self.name(*row, name) as usize + 1] += 1);
            let mut before = 0;
            for start in &mut starts {
                before += *start;
                *start = before;
            }
            for row in &rows {
                let at = &mut starts[self.name(*row, name) as usize];
                sorted[*at] = *row;
                *at += 1;
            }
            std::mem::swap(&mut rows, &mut sorted);
        }
        rows
    }

    fn name(&self, row: RowRef, name: usize) -> u32 {
        let part = row.part as usize;
        self.of_parts[part][name][self.parts[part].series().name(row.row as usize, name) as usize]
    }
}

/// The numbers of one kind of names in each part, and how many there are.
fn numbers<T: Ord>(parts: &[Arc<Part>], names: impl Fn(&Part) -> &[T]) -> (Vec<Vec<u32>>, usize) {
    let mut all: Vec<&T> = parts.iter().flat_map(|part| names(part)).collect();
    all.sort_unstable();
    all.dedup();
    let number = |name: &T| all.binary_search(&name).expect("names of all parts were collected");
    let numbers = |part: &Arc<Part>| {
        let counted = |n: usize| u32::try_from(n).expect("names are counted in u32");
        names(part).iter().map(|name| counted(number(name))).collect()
    };
    (parts.iter().map(numbers).collect(), all.len())
}
