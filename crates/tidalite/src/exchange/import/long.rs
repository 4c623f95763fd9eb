//! Turns rows into points: what long and wide tables share, and the long form, one row per point.

use super::absent::AbsentValues;
use super::batch::{PointBatch, SeriesCodes};
use super::cell::TableCell;
use super::fault::{FilePlace, ImportFault, quoted};
use super::map::{ROLES, Role, Shape, TableForm};
use super::metric_columns::MetricColumns;
use super::options::Import;
use super::plain_time::PlainTimes;
use super::recognise::ResolvedColumns;
use std::fmt::Write;

/// The cells of one row by role. A role without a column is [`TableCell::Null`].
pub(crate) type RoleCells<'c> = [TableCell<'c>; ROLES.len()];

/// The cells of one row, without those of metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowCells<'r, 'c> {
    pub(crate) place: FilePlace,
    pub(crate) roles: &'r RoleCells<'c>,
    /// Of each column of labels: its key and cell.
    pub(crate) labels: &'r [(&'c str, TableCell<'c>)],
}

/// Adds the points of one file's rows to a batch.
pub(crate) struct Loader<'a, 'b> {
    pub(super) shape: Shape,
    pub(super) batch: &'a mut PointBatch<'b>,
    pub(super) absent: AbsentValues,
    /// Whether a comma in text may be the decimal point.
    pub(super) decimal_comma: bool,
    pub(super) columns: MetricColumns,
    times: PlainTimes,
    now_us: i64,
    /// The labels of a row, kept for its memory.
    label_text: String,
    repeats: RepeatedRows,
}

/// How many rows have the series and the step of the row before them: mostly a column that tells them apart was not read.
#[derive(Debug, Default)]
struct RepeatedRows {
    /// The run, labels and step of the latest row, and its metric in a long table.
    latest: Option<(i32, i32, Option<i32>, i64)>,
    count: u64,
}

impl RepeatedRows {
    /// Notes a row; `is_first` if it is the first of its batch, whose codes say nothing of those before.
    fn push(&mut self, is_first: bool, run: i32, labels: i32, metric: Option<i32>, step: Option<i64>) {
        let row = step.map(|step| (run, labels, metric, step));
        self.count += u64::from(!is_first && row.is_some() && row == self.latest);
        self.latest = row;
    }

    fn remark(&self) -> Option<String> {
        (self.count > 0).then(|| {
            let rows = if self.count == 1 { "1 row has".to_owned() } else { format!("{} rows have", self.count) };
            format!(
                "{rows} the step of the row before: of one step only the last counts, unless a column that tells the rows apart \
                 is read as labels"
            )
        })
    }
}

impl<'a, 'b> Loader<'a, 'b> {
    pub(crate) fn new(
        import: &Import,
        resolved: ResolvedColumns,
        batch: &'a mut PointBatch<'b>,
        now_us: i64,
    ) -> Self {
        let shape = resolved.shape;
        if shape.form == TableForm::Wide {
            batch.set_wide();
        }
        resolved.remarks.into_iter().for_each(|remark| batch.remark(remark));
        let columns = MetricColumns::new(import.skip_text, batch.is_live());
        let (absent, times) = (AbsentValues::new(import), PlainTimes::new(import.time_unit));
        let label_text = String::new();
        let repeats = RepeatedRows::default();
        Loader { shape, batch, absent, decimal_comma: false, columns, times, now_us, label_text, repeats }
    }

    /// Imports one row of a long table.
    pub(crate) fn long(&mut self, row: RowCells<'_, '_>) -> Result<(), ImportFault> {
        let (place, cells) = (row.place, row.roles);
        self.batch.begin_row(1)?;
        let (run, labels) = self.run_and_labels(row)?;
        let metric = match &self.shape.metric {
            Some(metric) => self.batch.metric(metric),
            None => cells[Role::Metric as usize].name().and_then(|m| self.batch.metric(&m)),
        };
        let metric = self.of(place, Role::Metric, metric)?;
        let series = SeriesCodes { run, metric, labels };
        let step = self.step(row)?;
        self.repeats.push(self.batch.is_empty(), run, labels, Some(metric), step);
        let time_us = self.time_us(row)?;
        let cell = cells[Role::Value as usize];
        if self.of(place, Role::Value, self.absent.check(cell))? {
            self.batch.push_empty();
        } else {
            let value = self.of(place, Role::Value, cell.value(self.decimal_comma))?;
            self.batch.push(series, step, time_us, value);
        }
        self.batch.end_row();
        Ok(())
    }

    /// Notes the row of a wide table.
    pub(super) fn wide_row(&mut self, run: i32, labels: i32, step: Option<i64>) {
        self.repeats.push(self.batch.is_empty(), run, labels, None, step);
    }

    pub(super) fn step(&self, row: RowCells<'_, '_>) -> Result<Option<i64>, ImportFault> {
        match self.shape.source(Role::Step) {
            Some(_) => self.of(row.place, Role::Step, row.roles[Role::Step as usize].step()).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn run_and_labels(&mut self, row: RowCells<'_, '_>) -> Result<(i32, i32), ImportFault> {
        let (place, cells) = (row.place, row.roles);
        let run = match &self.shape.run {
            Some(run) => self.batch.run(run),
            None => cells[Role::Run as usize].name().and_then(|r| self.batch.run(&r)),
        };
        let run = self.of(place, Role::Run, run)?;
        let text = match cells[Role::Labels as usize] {
            TableCell::Null => Ok("".into()),
            cell => cell.name(),
        };
        let text = self.of(place, Role::Labels, text)?;
        if row.labels.is_empty() {
            let labels = self.batch.labels(&text);
            return Ok((run, self.of(place, Role::Labels, labels)?));
        }
        self.label_text.clear();
        self.label_text.push_str(&text);
        for (key, cell) in row.labels.iter().filter(|(_, cell)| !self.absent.has_label(*cell)) {
            let value = cell.label().map_err(|fault| fault.in_cell(place, key))?;
            let comma = if self.label_text.is_empty() { "" } else { "," };
            let _ = write!(self.label_text, "{comma}{}={}", escaped(key), escaped(&value));
        }
        let labels = self.batch.labels(&self.label_text).map_err(|fault| fault.in_row(place))?;
        Ok((run, labels))
    }

    pub(super) fn time_us(&mut self, row: RowCells<'_, '_>) -> Result<i64, ImportFault> {
        let Some(source) = self.shape.source(Role::Time) else { return Ok(self.now_us) };
        let inferred = self.times.inferred();
        let time = self.times.time_us(row.roles[Role::Time as usize]);
        if let (None, Some(unit)) = (inferred, self.times.inferred()) {
            self.batch.remark(format!("took the numbers of column {} as {}", quoted(source), unit.words()));
        }
        self.of(row.place, Role::Time, time)
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

    /// Ends the file: adds what it told of its columns, or refuses those that hold no numbers.
    pub(super) fn finish(self) -> Result<(), ImportFault> {
        let Loader { batch, columns, repeats, .. } = self;
        repeats.remark().into_iter().for_each(|remark| batch.remark(remark));
        columns.finish(batch)
    }
}

/// A key or value as the text of labels has it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
