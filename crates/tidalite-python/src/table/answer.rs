//! `TableAnswer`: where a table's rows come from, and what `sort` and `head` do to them.
//!
//! Points without a `sort` or `head` are streamed anew to each consumer, since they may not fit in memory, until a column
//! or a row from the end is asked for. Any other answer is computed once and kept.

use super::kind::TableKind;
use super::rows::BatchReader;
use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, lexsort_to_indices, nullif, take_record_batch,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};
use arrow::error::ArrowError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tidalite::{Aggregate, By, Error, ErrorKind, Explain, Finding, Result, Selection, TwoLevels};

/// Where the rows come from.
pub(crate) enum RowSource {
    /// A query of a selection, not run yet.
    Query(Box<Selection>, TableKind),
    /// Rows that were read before: by a follower, or of another table.
    Read(ReadRows),
}

/// Rows that were read before.
pub(crate) struct ReadRows {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    /// What was left out of them.
    pub(crate) damage: Vec<Finding>,
    /// The value of `Table.kind`.
    pub(crate) kind: &'static str,
    /// The number of rows of all pages, where these are one page.
    pub(crate) total: Option<usize>,
}

/// One step from the source's rows to the table's.
#[derive(Clone)]
pub(super) enum TableStep {
    /// By these columns, ascending or descending; nulls and NaN come last.
    Sort {
        columns: Vec<String>,
        descending: bool,
    },
    Head(usize),
}

pub(super) struct TableAnswer {
    source: Arc<RowSource>,
    steps: Vec<TableStep>,
    computed: OnceLock<(SchemaRef, Vec<RecordBatch>)>,
    /// The error that ended a stream. The consumer's own exception words it differently.
    stream_error: Mutex<Option<Error>>,
    /// Whether a warning about this answer was given.
    warned: AtomicBool,
}

impl RowSource {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            RowSource::Query(_, kind) => kind.name(),
            RowSource::Read(read) => read.kind,
        }
    }

    /// Why the query selects no point; `None` where it selects some, and for rows that were read before.
    fn why(&self) -> Result<Option<String>> {
        match self {
            RowSource::Query(select, _) => select.why_nothing(),
            RowSource::Read(_) => Ok(None),
        }
    }

    /// The number of rows of all pages, where the rows are one page.
    pub(super) fn total(&self) -> Option<usize> {
        match self {
            RowSource::Query(..) => None,
            RowSource::Read(read) => read.total,
        }
    }

    fn schema(&self) -> Result<Option<SchemaRef>> {
        match self {
            RowSource::Query(_, kind) => kind.schema(),
            RowSource::Read(read) => Ok(Some(read.schema.clone())),
        }
    }

    fn rows(&self, limit: usize) -> Result<Vec<RecordBatch>> {
        match self {
            RowSource::Query(select, kind) => kind.rows(select, limit),
            RowSource::Read(read) => Ok(read.batches.clone()),
        }
    }

    fn explain(&self) -> Result<Explain> {
        match self {
            RowSource::Query(select, TableKind::Points) => {
                // Batch by batch, since the points may not fit in memory.
                let drain = |select: &Selection| select.points()?.try_for_each(|batch| batch.map(|_| ()));
                select.explain(drain).map(|((), explain)| explain)
            }
            RowSource::Query(select, kind) => {
                select.explain(|s| kind.rows(s, usize::MAX)).map(|(_, explain)| explain)
            }
            RowSource::Read(_) => Err(Error::invalid(
                "explain",
                "these rows come from a follower or are a slice of a table, not the answer of a query",
                "call explain() on a table that a selection gave",
            )),
        }
    }
}

impl TableAnswer {
    pub(super) fn new(source: RowSource) -> TableAnswer {
        TableAnswer::with_steps(Arc::new(source), Vec::new())
    }

    fn with_steps(source: Arc<RowSource>, steps: Vec<TableStep>) -> TableAnswer {
        let (computed, stream_error, warned) = (OnceLock::new(), Mutex::new(None), AtomicBool::new(false));
        TableAnswer { source, steps, computed, stream_error, warned }
    }

    /// The query of aggregates of these aggregates.
    ///
    /// # Errors
    /// `Invalid` unless these are the aggregates of a selection, as they were computed, and where the groups do not follow.
    pub(super) fn aggregated(&self, then: Vec<Aggregate>, then_by: Vec<By>) -> Result<RowSource> {
        let RowSource::Query(select, TableKind::Aggregate(aggregates, by)) = &*self.source else {
            return Err(not_aggregates());
        };
        if !self.steps.is_empty() {
            return Err(not_aggregates());
        }
        TwoLevels::new(aggregates, by, &then, &then_by)?;
        let (aggregates, by) = (aggregates.clone(), by.clone());
        Ok(RowSource::Query(select.clone(), TableKind::Twice { aggregates, by, then, then_by }))
    }

    /// This answer with one more step.
    pub(super) fn with_step(&self, step: TableStep) -> TableAnswer {
        let steps = self.steps.iter().cloned().chain([step]).collect();
        TableAnswer::with_steps(self.source.clone(), steps)
    }

    pub(super) fn kind(&self) -> &'static str {
        self.source.kind()
    }

    pub(super) fn total(&self) -> Option<usize> {
        self.source.total()
    }

    pub(super) fn why(&self) -> Result<Option<String>> {
        self.source.why()
    }

    /// The selection whose points are streamed, if this answer streams.
    fn streamed(&self) -> Option<&Selection> {
        match &*self.source {
            RowSource::Query(select, TableKind::Points)
                if self.steps.is_empty() && self.computed.get().is_none() =>
            {
                Some(select)
            }
            _ => None,
        }
    }

    /// Whether each consumer gets the rows as they are read.
    pub(super) fn streams(&self) -> bool {
        self.streamed().is_some()
    }

    /// The rows, computed on the first call and kept. From then on nothing streams.
    pub(super) fn computed(&self) -> Result<&(SchemaRef, Vec<RecordBatch>)> {
        if let Some(computed) = self.computed.get() {
            return Ok(computed);
        }
        let limit = match self.steps.first() {
            Some(TableStep::Head(rows)) => *rows,
            _ => usize::MAX,
        };
        let mut batches = self.source.rows(limit)?;
        let schema = match self.source.schema()? {
            Some(schema) => schema,
            None => batches[0].schema(),
        };
        for step in &self.steps {
            batches = step.apply(&schema, batches)?;
        }
        // If two threads compute at once, both return the first result.
        Ok(self.computed.get_or_init(|| (schema, batches)))
    }

    pub(super) fn schema(&self) -> Result<SchemaRef> {
        match self.source.schema()? {
            Some(schema) => Ok(schema),
            None => Ok(self.computed()?.0.clone()),
        }
    }

    /// The first rows, at least `rows` or all, with the columns. Of streamed points no more are read.
    pub(super) fn first(&self, rows: usize) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        match self.streamed() {
            Some(_) => Ok((self.schema()?, self.source.rows(rows)?)),
            None => self.computed().cloned(),
        }
    }

    pub(super) fn batches(&self) -> Result<BatchReader> {
        match self.streamed() {
            Some(select) => Ok(Box::new(select.points()?)),
            None => Ok(Box::new(self.computed()?.1.clone().into_iter().map(Ok))),
        }
    }

    /// The number of rows. Streamed points are counted by an aggregate, which reads far less than the points.
    pub(super) fn row_count(&self) -> Result<usize> {
        match self.streamed() {
            Some(select) => {
                let count = select.aggregate(&[Aggregate::Count], &[])?;
                let count = count["count"].as_primitive::<Int64Type>().value(0);
                Ok(usize::try_from(count).unwrap_or(0))
            }
            None => Ok(self.computed()?.1.iter().map(RecordBatch::num_rows).sum()),
        }
    }

    /// What the rows lack because it could not be read. Streamed points are read for it.
    pub(super) fn damage(&self) -> Result<Vec<Finding>> {
        let select = match &*self.source {
            RowSource::Read(read) => return Ok(read.damage.clone()),
            RowSource::Query(select, _) if !select.reports_damage() => return Ok(Vec::new()),
            RowSource::Query(select, _) => select,
        };
        match self.streamed() {
            Some(select) => select.points()?.try_for_each(|batch| batch.map(drop))?,
            None => self.computed().map(|_| ())?,
        }
        Ok(select.damage())
    }

    /// The selection, once something is doubtful about its answer, and only the first time.
    pub(super) fn selection_to_warn_of(&self) -> Option<&Selection> {
        let RowSource::Query(select, _) = &*self.source else { return None };
        select.rate_warning()?;
        (!self.warned.swap(true, Ordering::Relaxed)).then_some(select)
    }

    /// What is known by now to be missing from what was read.
    pub(super) fn known_damage(&self) -> Vec<Finding> {
        match &*self.source {
            RowSource::Read(read) => read.damage.clone(),
            RowSource::Query(select, _) if select.reports_damage() => select.damage(),
            RowSource::Query(..) => Vec::new(),
        }
    }

    /// Runs the query without the steps and reports what it read.
    pub(super) fn explain(&self) -> Result<Explain> {
        self.source.explain()
    }

    pub(super) fn set_stream_error(&self, error: Error) {
        *self.stream_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn take_stream_error(&self) -> Option<Error> {
        self.stream_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl TableStep {
    fn apply(&self, schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        match self {
            TableStep::Head(rows) => Ok(head(batches, *rows)),
            TableStep::Sort { columns, descending } => {
                sorted(schema, &batches, columns, *descending).map(|b| vec![b])
            }
        }
    }
}

pub(super) fn head(batches: Vec<RecordBatch>, rows: usize) -> Vec<RecordBatch> {
    let mut left = rows;
    let mut kept = Vec::new();
    for batch in batches {
        let rows = batch.num_rows().min(left);
        left -= rows;
        if rows > 0 {
            kept.push(batch.slice(0, rows));
        }
    }
    kept
}

fn sorted(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    columns: &[String],
    descending: bool,
) -> Result<RecordBatch> {
    let failed = |e: ArrowError| {
        Error::new(ErrorKind::Full, "sort", e.to_string(), "select less, or sort in another program")
    };
    let all = concat_batches(schema, batches).map_err(failed)?;
    let key = |name: &String| {
        let column = all.column_by_name(name).expect("`Table.sort` checks the columns");
        let values = nan_as_null(column).map_err(failed)?;
        Ok(SortColumn { values, options: Some(SortOptions { descending, nulls_first: false }) })
    };
    let keys: Vec<SortColumn> = columns.iter().map(key).collect::<Result<_>>()?;
    let order: UInt32Array = lexsort_to_indices(&keys, None).map_err(failed)?;
    take_record_batch(&all, &order).map_err(failed)
}

/// The column with null for NaN, so that both sort last.
fn nan_as_null(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if column.data_type() != &DataType::Float64 {
        return Ok(column.clone());
    }
    let nan: BooleanArray =
        column.as_primitive::<Float64Type>().iter().map(|v| Some(v.is_some_and(f64::is_nan))).collect();
    nullif(column, &nan)
}

fn not_aggregates() -> Error {
    Error::invalid(
        "aggregate again",
        "this table is not the answer of aggregate()",
        "call then() on what selection.aggregate(...) returns, before sort() and head()",
    )
}
