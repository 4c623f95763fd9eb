//! The wide form, one column per metric: a row gives one point for each metric cell that is not empty.

use super::batch::SeriesCodes;
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault};
use super::long::{Loader, RoleCells};
use super::map::Role;

/// The second remedy for a metric column without numbers.
const NO_METRIC: &str = "ignore this column, or map metric and value if each row is one point";

impl Loader<'_, '_> {
    /// Imports one row of a wide table: the cells with roles, and each metric's name and cell.
    pub(crate) fn wide<'c, I>(
        &mut self,
        place: FilePlace,
        cells: &RoleCells<'_>,
        metrics: I,
    ) -> Result<(), ImportFault>
    where
        I: ExactSizeIterator<Item = (&'c str, TableCell<'c>)>,
    {
        self.batch.begin_row(metrics.len())?;
        let (run, labels) = self.run_and_labels(place, cells)?;
        let step = match self.shape.source(Role::Step) {
            Some(_) => Some(self.of(place, Role::Step, cells[Role::Step as usize].step())?),
            None => None,
        };
        let time_us = self.time_us(place, cells)?;
        for (name, cell) in metrics {
            if cell.is_empty() {
                self.batch.push_empty();
                continue;
            }
            let value = cell.value().map_err(|fault| fault.in_cell(place, name).or(NO_METRIC))?;
            let metric = self.batch.metric(name).map_err(|fault| fault.in_cell(place, name))?;
            self.batch.push(SeriesCodes { run, metric, labels }, step, time_us, value);
        }
        self.batch.end_row();
        Ok(())
    }
}
