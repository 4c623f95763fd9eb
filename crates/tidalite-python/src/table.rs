//! `Table`: an answer, computed when it is first needed, and every way out of it.
//!
//! Points are read anew, and batch by batch, for each consumer, since they may be more than fits in memory. Any other
//! answer is computed once and kept.

use crate::errors::{invalid, raise};
use crate::records;
use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchReader, UInt32Array};
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, lexsort_to_indices, nullif, take_record_batch,
};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::error::ArrowError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tidalite::{
    Aggregate, AlignOn, By, Error, ErrorKind, Explain, Fill, Result, Selection as EngineSelection, XAxis,
};

/// Where the rows come from.
pub(crate) enum Query {
    Asked(Box<EngineSelection>, What),
    /// They are there already.
    Rows(SchemaRef, Vec<RecordBatch>),
}

/// What is asked of a selection.
pub(crate) enum What {
    Points,
    Aggregate(Vec<Aggregate>, Vec<By>),
    Chart(usize),
    M4(usize),
    /// The groups in which the first aggregate is least, or greatest.
    Best(usize, bool, Vec<Aggregate>, Vec<By>),
    /// Over another x-axis.
    Over(XAxis, Drawn),
    Band(usize, Vec<By>),
    Align(AlignOn, Fill),
    Latest,
    Lttb(usize),
}

/// What is drawn over another x-axis.
#[derive(Clone)]
pub(crate) enum Drawn {
    Points,
    Chart(usize),
    Band(usize, Vec<By>),
    Lttb(usize),
    M4(usize),
    Align(Fill),
}

/// What is done to the answer.
#[derive(Clone)]
enum Step {
    /// By these columns, each in this order; nulls and NaN come last.
    Sort(Vec<String>, bool),
    Head(usize),
}

/// An answer in columns, computed when it is first needed. It goes to pyarrow, pandas, Polars and NumPy by `to_...`, and to whatever else
/// speaks Arrow as it is: `duckdb.sql("from table")`.
#[pyclass(frozen, module = "tidalite")]
pub struct Table {
    answer: Arc<Answer>,
}

struct Answer {
    query: Arc<Query>,
    steps: Vec<Step>,
    computed: OnceLock<(SchemaRef, Vec<RecordBatch>)>,
    /// What went wrong while a consumer read the stream: the consumer's own exception says it in other words.
    failed: Mutex<Option<Error>>,
}

impl What {
    fn kind(&self) -> &'static str {
        match self {
            What::Points | What::Over(_, Drawn::Points) => "points",
            What::Aggregate(..) | What::Best(..) => "aggregate",
            What::Chart(_) | What::Over(_, Drawn::Chart(_)) => "chart",
            What::Band(..) | What::Over(_, Drawn::Band(..)) => "band",
            What::Align(..) | What::Over(_, Drawn::Align(_)) => "align",
            What::Latest => "latest",
            What::Lttb(_) | What::Over(_, Drawn::Lttb(_)) => "lttb",
            What::M4(_) | What::Over(_, Drawn::M4(_)) => "m4",
        }
    }

    /// The columns, where they do not depend on the points.
    fn schema(&self) -> Result<Option<SchemaRef>> {
        Ok(match self {
            What::Points | What::Latest | What::Lttb(_) | What::M4(_) => Some(tidalite::points_schema()),
            What::Over(x, Drawn::Points | Drawn::Lttb(_) | Drawn::M4(_)) => {
                Some(tidalite::over_points_schema(x))
            }
            What::Over(x, Drawn::Chart(_)) => Some(tidalite::over_chart_schema(x)),
            What::Over(x, Drawn::Band(_, by)) => Some(tidalite::over_band_schema(x, by)?),
            What::Aggregate(aggregates, by) | What::Best(_, _, aggregates, by) => {
                Some(tidalite::aggregate_schema(aggregates, by)?)
            }
            What::Chart(_) => Some(tidalite::chart_schema()),
            What::Band(_, by) => Some(tidalite::band_schema(by)?),
            What::Align(..) | What::Over(_, Drawn::Align(_)) => None,
        })
    }

    /// The rows; no more than `limit` have to be there.
    fn rows(&self, select: &EngineSelection, limit: usize) -> Result<Vec<RecordBatch>> {
        let one = match self {
            What::Points => {
                let (mut batches, mut rows) = (Vec::new(), 0);
                for batch in select.points()? {
                    let batch = batch?;
                    rows += batch.num_rows();
                    batches.push(batch);
                    if rows >= limit {
                        break;
                    }
                }
                return Ok(batches);
            }
            What::Aggregate(aggregates, by) => select.aggregate(aggregates, by)?,
            What::Chart(buckets) => select.chart_batch(*buckets)?,
            What::Band(buckets, by) => select.band(*buckets, by)?,
            What::Align(on, fill) => select.align(*on, *fill)?,
            What::Latest => select.latest()?,
            What::Lttb(points) => select.lttb(*points)?,
            What::M4(columns) => select.m4(*columns)?,
            What::Best(k, false, aggregates, by) => select.least(*k, aggregates, by)?,
            What::Best(k, true, aggregates, by) => select.greatest(*k, aggregates, by)?,
            What::Over(x, drawn) => {
                let over = select.over(x.clone());
                match drawn {
                    Drawn::Points => over.points()?,
                    Drawn::Chart(buckets) => over.chart(*buckets)?,
                    Drawn::Band(buckets, by) => over.band(*buckets, by)?,
                    Drawn::Lttb(points) => over.lttb(*points)?,
                    Drawn::M4(columns) => over.m4(*columns)?,
                    Drawn::Align(fill) => over.align(*fill)?,
                }
            }
        };
        Ok(vec![one])
    }
}

impl Query {
    fn kind(&self) -> &'static str {
        match self {
            Query::Asked(_, what) => what.kind(),
            Query::Rows(..) => "points",
        }
    }

    fn schema(&self) -> Result<Option<SchemaRef>> {
        match self {
            Query::Asked(_, what) => what.schema(),
            Query::Rows(schema, _) => Ok(Some(schema.clone())),
        }
    }

    fn rows(&self, limit: usize) -> Result<Vec<RecordBatch>> {
        match self {
            Query::Asked(select, what) => what.rows(select, limit),
            Query::Rows(_, batches) => Ok(batches.clone()),
        }
    }

    /// Reads all rows, and says what they were made from.
    fn explain(&self) -> Result<Explain> {
        match self {
            Query::Asked(select, What::Points) => {
                // Batch by batch, since they may be more than fits in memory.
                let drain =
                    |select: &EngineSelection| select.points()?.try_for_each(|batch| batch.map(|_| ()));
                select.explain(drain).map(|((), explain)| explain)
            }
            Query::Asked(select, what) => {
                select.explain(|s| what.rows(s, usize::MAX)).map(|(_, explain)| explain)
            }
            Query::Rows(..) => Err(Error::invalid(
                "explain",
                "these rows were handed out as they came in, and nothing was asked for them",
                "explain an answer of a selection",
            )),
        }
    }
}

impl Answer {
    /// Whether rows come as they are read.
    fn streams(&self) -> bool {
        matches!(*self.query, Query::Asked(_, What::Points)) && self.steps.is_empty()
    }

    fn computed(&self) -> Result<&(SchemaRef, Vec<RecordBatch>)> {
        if let Some(computed) = self.computed.get() {
            return Ok(computed);
        }
        let limit = match self.steps.first() {
            Some(Step::Head(n)) => *n,
            _ => usize::MAX,
        };
        let mut batches = self.query.rows(limit)?;
        let schema = match self.query.schema()? {
            Some(schema) => schema,
            None => batches[0].schema(),
        };
        for step in &self.steps {
            batches = step.apply(&schema, batches)?;
        }
        // Where two threads compute at once, the first answer counts for both.
        Ok(self.computed.get_or_init(|| (schema, batches)))
    }

    fn schema(&self) -> Result<SchemaRef> {
        match self.query.schema()? {
            Some(schema) => Ok(schema),
            None => Ok(self.computed()?.0.clone()),
        }
    }
}

impl Step {
    fn apply(&self, schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        match self {
            Step::Head(n) => {
                let mut left = *n;
                let mut kept = Vec::new();
                for batch in batches {
                    let rows = batch.num_rows().min(left);
                    left -= rows;
                    if rows > 0 {
                        kept.push(batch.slice(0, rows));
                    }
                }
                Ok(kept)
            }
            Step::Sort(columns, descending) => {
                sorted(schema, &batches, columns, *descending).map(|b| vec![b])
            }
        }
    }
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
        let column = all.column_by_name(name).expect("columns are checked when the order is asked for");
        let values = not_nan(column).map_err(failed)?;
        Ok(SortColumn { values, options: Some(SortOptions { descending, nulls_first: false }) })
    };
    let keys: Vec<SortColumn> = columns.iter().map(key).collect::<Result<_>>()?;
    let order: UInt32Array = lexsort_to_indices(&keys, None).map_err(failed)?;
    take_record_batch(&all, &order).map_err(failed)
}

/// NaN as null, so that both come last.
fn not_nan(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if column.data_type() != &DataType::Float64 {
        return Ok(column.clone());
    }
    let nan: BooleanArray =
        column.as_primitive::<Float64Type>().iter().map(|v| Some(v.is_some_and(f64::is_nan))).collect();
    nullif(column, &nan)
}

impl Table {
    pub(crate) fn new(query: Query) -> Table {
        Table::of(Arc::new(query), Vec::new())
    }

    fn of(query: Arc<Query>, steps: Vec<Step>) -> Table {
        Table {
            answer: Arc::new(Answer { query, steps, computed: OnceLock::new(), failed: Mutex::new(None) }),
        }
    }

    fn with(&self, step: Step) -> Table {
        let steps = self.answer.steps.iter().cloned().chain([step]).collect();
        Table::of(self.answer.query.clone(), steps)
    }

    fn schema(&self, py: Python<'_>) -> PyResult<SchemaRef> {
        py.detach(|| self.answer.schema()).map_err(raise)
    }

    /// A function of `tidalite._frames`, applied to this.
    fn frame<'py>(&self, py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyAny>> {
        if !self.answer.streams() {
            // Computed here, without the interpreter lock: whoever reads the stream may hold it.
            py.detach(|| self.answer.computed().map(|_| ())).map_err(raise)?;
        }
        let same = Table { answer: self.answer.clone() };
        py.import("tidalite._frames")?.call_method1(function, (same,)).map_err(|e| {
            let failed = self.answer.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
            failed.map_or(e, raise)
        })
    }
}

#[pymethods]
impl Table {
    /// The names of the columns.
    #[getter]
    fn columns(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.schema(py)?.fields().iter().map(|f| f.name().clone()).collect())
    }

    /// What was asked: 'points', 'aggregate', 'chart', 'band', 'align', 'latest', 'lttb' or 'm4'.
    #[getter]
    fn kind(&self) -> &'static str {
        self.answer.query.kind()
    }

    /// The rows ordered by these columns, ascending or descending; nulls and NaN come last either way.
    ///
    /// >>> best = store.select("loss").aggregate("min", by="run").sort("min").head(10)
    #[pyo3(signature = (*columns, descending=false))]
    fn sort(&self, py: Python<'_>, columns: &Bound<'_, PyTuple>, descending: bool) -> PyResult<Table> {
        let columns = crate::params::texts("a column", columns)?;
        let known = self.columns(py)?;
        if columns.is_empty() {
            return Err(invalid("sort", "no column was named", &format!("name any of {}", known.join(", "))));
        }
        if let Some(unknown) = columns.iter().find(|c| !known.contains(c)) {
            return Err(invalid(
                "sort",
                format!("there is no column {unknown:?}"),
                &format!("name any of {}", known.join(", ")),
            ));
        }
        Ok(self.with(Step::Sort(columns, descending)))
    }

    /// The first `rows` rows.
    #[pyo3(signature = (rows=5))]
    fn head(&self, rows: i64) -> PyResult<Table> {
        let rows = usize::try_from(rows)
            .map_err(|_| invalid("head", format!("{rows} rows were asked for"), "ask for 0 or more"))?;
        Ok(self.with(Step::Head(rows)))
    }

    /// What the answer was made from: which source stood for how many points (series tables, rollups, pages, logs), and how many parts,
    /// tiles, pages and bytes were read and skipped. The answer is made for it, whether it was before or not; `sort` and `head` are
    /// not part of it.
    ///
    /// >>> how = store.select("loss").aggregate("mean", by="run").explain()
    /// >>> how.pages_read
    /// 0
    fn explain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let query = self.answer.query.clone();
        let explain = py.detach(|| query.explain()).map_err(raise)?;
        records::explain(py, &explain)
    }

    /// As a `pyarrow.Table`.
    pub(crate) fn to_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py, "to_arrow")
    }

    /// As a pandas DataFrame; run, metric and labels of points are categories.
    pub(crate) fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py, "to_pandas")
    }

    /// As a Polars DataFrame.
    pub(crate) fn to_polars<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py, "to_polars")
    }

    /// As a dict from column to NumPy array.
    pub(crate) fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.frame(py, "to_numpy")
    }

    /// Draws the answer with matplotlib, as its kind asks for; see `tidalite._plot.plot_table` for the options.
    #[pyo3(signature = (**options))]
    fn plot<'py>(
        slf: &Bound<'py, Self>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tidalite._plot")?.getattr("plot_table")?.call((slf,), options)
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tidalite._html")?.call_method1("table_html", (slf,))
    }

    /// As an Arrow C stream; may be called again.
    #[pyo3(signature = (requested_schema=None))]
    pub(crate) fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let reader = Reader { schema: self.schema(py)?, answer: self.answer.clone(), rows: None };
        let field = arrow::datatypes::Field::new_struct("", reader.schema.fields().clone(), false);
        let arrays = reader.map(|batch| Ok(Arc::new(arrow::array::StructArray::from(batch?)) as ArrayRef));
        let arrays = Box::new(ArrayIterator::new(arrays, field.into()));
        Ok(to_stream_pycapsule(py, arrays, requested_schema)?)
    }

    pub(crate) fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema(py)?.as_ref())?)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let rows = py.detach(|| match &*self.answer.query {
            Query::Asked(select, What::Points) if self.answer.streams() => {
                let count = select.aggregate(&[Aggregate::Count], &[])?;
                Ok(usize::try_from(count["count"].as_primitive::<arrow::datatypes::Int64Type>().value(0))
                    .unwrap_or(0))
            }
            _ => Ok(self.answer.computed()?.1.iter().map(RecordBatch::num_rows).sum()),
        });
        rows.map_err(raise)
    }

    fn __bool__(&self) -> bool {
        // As an object, not as a number of rows, which may cost a query.
        true
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<tidalite.Table of {}: {}>", self.kind(), self.columns(py)?.join(", ")))
    }
}

/// The batches of an answer. Nothing is read before the first is asked for; that happens on whatever thread the consumer has,
/// and needs no interpreter.
struct Reader {
    schema: SchemaRef,
    answer: Arc<Answer>,
    rows: Option<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>>,
}

impl Reader {
    fn begin(&self) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        match &*self.answer.query {
            Query::Asked(select, What::Points) if self.answer.streams() => Ok(Box::new(select.points()?)),
            _ => Ok(Box::new(self.answer.computed()?.1.clone().into_iter().map(Ok))),
        }
    }
}

impl Iterator for Reader {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let answer = self.answer.clone();
        let external = |e: Error| {
            *answer.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(e.duplicate());
            ArrowError::ExternalError(Box::new(e))
        };
        if self.rows.is_none() {
            match self.begin() {
                Ok(rows) => self.rows = Some(rows),
                Err(e) => {
                    self.rows = Some(Box::new(std::iter::empty()));
                    return Some(Err(external(e)));
                }
            }
        }
        self.rows.as_mut().and_then(Iterator::next).map(|batch| batch.map_err(external))
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
