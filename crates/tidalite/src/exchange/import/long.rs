//! Turns rows into points: what long and wide tables share, and the long form, one row per point.

use super::batch::{PointBatch, SeriesCodes};
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault};
use super::map::{ROLES, Role, Shape, TableForm};
use super::options::{Import, TimeUnit};

/// The cells of one row by role. A role without a column is [`TableCell::Null`].
pub(crate) type RoleCells<'c> = [TableCell<'c>; ROLES.len()];

/// Adds the points of one file's rows to a batch.
pub(crate) struct Loader<'a, 'b> {
    pub(super) shape: Shape,
    pub(super) batch: &'a mut PointBatch<'b>,
    unit: Option<TimeUnit>,
    now_us: i64,
}

impl<'a, 'b> Loader<'a, 'b> {
    pub(crate) fn new(import: &Import, shape: Shape, batch: &'a mut PointBatch<'b>, now_us: i64) -> Self {
        if shape.form == TableForm::Wide {
            batch.set_wide();
        }
        Loader { shape, batch, unit: import.time_unit, now_us }
    }

    /// Imports one row of a long table.
    pub(crate) fn long(&mut self, place: FilePlace, cells: &RoleCells<'_>) -> Result<(), ImportFault> {
        self.batch.begin_row(1)?;
        let (run, labels) = self.run_and_labels(place, cells)?;
        let metric = cells[Role::Metric as usize].name().and_then(|m| self.batch.metric(&m));
        let metric = self.of(place, Role::Metric, metric)?;
        let series = SeriesCodes { run, metric, labels };
        let step = match self.shape.source(Role::Step) {
            Some(_) => Some(self.of(place, Role::Step, cells[Role::Step as usize].step())?),
            None => None,
        };
        let time_us = self.time_us(place, cells)?;
        let value = self.of(place, Role::Value, cells[Role::Value as usize].value())?;
        self.batch.push(series, step, time_us, value);
        self.batch.end_row();
        Ok(())
    }

    pub(super) fn run_and_labels(
        &mut self,
        place: FilePlace,
        cells: &RoleCells<'_>,
    ) -> Result<(i32, i32), ImportFault> {
        let run = match &self.shape.run {
            Some(run) => self.batch.run(run),
            None => cells[Role::Run as usize].name().and_then(|r| self.batch.run(&r)),
        };
        let run = self.of(place, Role::Run, run)?;
        let labels = match cells[Role::Labels as usize] {
            TableCell::Null => self.batch.labels(""),
            cell => cell.name().and_then(|l| self.batch.labels(&l)),
        };
        Ok((run, self.of(place, Role::Labels, labels)?))
    }

    pub(super) fn time_us(&self, place: FilePlace, cells: &RoleCells<'_>) -> Result<i64, ImportFault> {
        match self.shape.source(Role::Time) {
            Some(_) => self.of(place, Role::Time, cells[Role::Time as usize].time_us(self.unit)),
            None => Ok(self.now_us),
        }
    }

    /// Adds the place of the cell to a fault.
    pub(super) fn of<T>(
        &self,
        place: FilePlace,
        role: Role,
        result: Result<T, ImportFault>,
    ) -> Result<T, ImportFault> {
        result.map_err(|fault| fault.in_cell(place, self.shape.source(role).unwrap_or(role.name())))
    }
}
