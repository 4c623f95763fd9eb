//! The wide form, one column per metric: a row gives one point for each metric cell that is not absent.

use super::batch::SeriesCodes;
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault};
use super::long::{Loader, RowCells};

/// The cell of a metric column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MetricCell<'c> {
    /// The number of the column in the file.
    pub(crate) column: usize,
    pub(crate) name: &'c str,
    pub(crate) cell: TableCell<'c>,
}

impl Loader<'_, '_> {
    /// Imports one row of a wide table: the cells with roles, and those of metrics.
    pub(crate) fn wide<'c, I>(&mut self, row: RowCells<'_, '_>, metrics: I) -> Result<(), ImportFault>
    where
        I: ExactSizeIterator<Item = MetricCell<'c>>,
    {
        if self.columns.is_stopping() {
            for metric in metrics {
                self.number(row.place, metric)?;
            }
            return self.columns.looked();
        }
        self.batch.begin_row(metrics.len())?;
        let (run, labels) = self.run_and_labels(row)?;
        let step = self.step(row)?;
        self.wide_row(run, labels, step);
        let time_us = self.time_us(row)?;
        for metric in metrics {
            let Some(value) = self.number(row.place, metric)? else { continue };
            let name = metric.name;
            let metric = self.batch.metric(name).map_err(|fault| fault.in_cell(row.place, name))?;
            self.batch.push(SeriesCodes { run, metric, labels }, step, time_us, value);
        }
        if self.columns.is_stopping() {
            return self.columns.looked();
        }
        self.batch.end_row();
        Ok(())
    }

    /// The value of a cell, if there is one. Counts an absent one.
    fn number(&mut self, place: FilePlace, metric: MetricCell<'_>) -> Result<Option<f64>, ImportFault> {
        if self.absent.check(metric.cell).map_err(|fault| fault.in_cell(place, metric.name))? {
            self.batch.push_empty();
            return Ok(None);
        }
        self.columns.value(metric.column, metric.name, metric.cell, place, self.decimal_comma)
    }
}
