//! The Python class `Selection`: which points, and the queries of them.

use crate::arguments::groups::groups;
use crate::arguments::params::{text, texts};
use crate::arguments::ranges::{half_open, range, row_number};
use crate::doubts::warn_of_mixture;
use crate::errors::{invalid, raise};
use crate::follow::Follow;
use crate::pickle::Recipe;
use crate::reduce::Reduced;
use crate::select_arguments::SelectArguments;
use crate::table::{AnswerTable, OverXKind, RowSource, TableKind};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyString, PyTuple};
use std::str::FromStr;
use tidalite::{
    Aggregate, AlignOn, By, Compare, Cursor, Fill, PointSort, Selection as EngineSelection, Transform, XAxis,
};

/// A selection of points. Made by `Store.select` or `Snapshot.select`.
///
/// A selection reads nothing itself. Each query of a store's selection sees the store as it is when the query runs, including
/// rows that were logged a moment ago; a snapshot's selection sees the snapshot. Libraries that read Arrow, such as DuckDB, Polars and pandas, take a selection as its points.
///
/// >>> with store.run("a") as run:
/// ...     for step in range(100):
/// ...         run.log({"loss": 1 / (step + 1)}, step=step)
/// >>> selection = store.select("loss", runs="a", steps=(10, 20))
/// >>> selection.aggregate("count", "max").to_numpy()
/// {'count': array([10]), 'max': array([0.09090909])}
#[pyclass(frozen, module = "tidalite")]
pub struct Selection {
    select: EngineSelection,
    /// The arguments, for `repr`.
    shown: String,
    /// How it was made, for pickles; `None` if it cannot be pickled.
    recipe: Option<Recipe>,
}

impl Selection {
    /// `recipe` is how to make it again, if it can be pickled.
    pub(crate) fn new(
        all: EngineSelection,
        arguments: &SelectArguments<'_, '_>,
        recipe: Option<Recipe>,
    ) -> PyResult<Selection> {
        Ok(Selection { select: arguments.select(all)?, shown: arguments.shown(), recipe })
    }

    /// A selection that a method derived from this one; `shown` is added to the repr.
    fn derived(&self, select: EngineSelection, shown: &str, recipe: Option<Recipe>) -> Selection {
        let shown = if self.shown.is_empty() { shown.into() } else { format!("{}, {shown}", self.shown) };
        Selection { select, shown, recipe }
    }

    fn table(&self, kind: TableKind) -> AnswerTable {
        AnswerTable::new(RowSource::Query(Box::new(self.select.clone().reporting_anew()), kind))
    }

    fn all_points(&self) -> AnswerTable {
        self.table(TableKind::Points)
    }

    /// The table of `over` if `x` is not the step, else that of `plain`.
    fn table_over(&self, x: &str, over: OverXKind, plain: TableKind) -> PyResult<AnswerTable> {
        Ok(self.table(match XAxis::from_str(x).map_err(raise)? {
            XAxis::Step => plain,
            x => TableKind::OverX(x, over),
        }))
    }

    fn ranking(
        &self,
        doing: &str,
        k: i64,
        descending: bool,
        aggregates: &Bound<'_, PyTuple>,
        by: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<AnswerTable> {
        let py = aggregates.py();
        let (aggregates, by) = read_aggregates(aggregates, by, vec![By::Run])?;
        warn_of_mixture(py, &self.select, &aggregates, &by)?;
        Ok(self.table(TableKind::Ranking { k: positive(doing, k)?, descending, aggregates, by }))
    }
}

#[pymethods]
impl Selection {
    /// Keeps the series whose aggregate compares with `value` as `sign` says. The aggregate is over all points of the series
    /// at `steps`; other ranges of the selection do not affect it. Signs: '=', '!=', '<', '<=', '>', '>='.
    ///
    /// >>> for top in (3, 30):
    /// ...     with store.run(f"to-{top}") as run:
    /// ...         for step in range(top):
    /// ...             run.log({"loss": step}, step=step)
    /// >>> store.select("loss").having("max", ">", 10).latest().to_numpy()["value"]
    /// array([29.])
    #[pyo3(signature = (aggregate, sign, value, *, steps=None))]
    fn having(
        &self,
        aggregate: &str,
        sign: &str,
        value: f64,
        steps: Option<&Bound<'_, PyAny>>,
        py: Python<'_>,
    ) -> PyResult<Selection> {
        let keywords = PyDict::new(py);
        keywords.set_item("steps", steps)?;
        let given = (aggregate, sign, value).into_pyobject(py)?;
        let recipe = self.recipe.as_ref().map(|r| r.then("having", &given, &keywords)).transpose()?;
        let of = Aggregate::from_str(aggregate).map_err(raise)?;
        let compare = Compare::from_str(sign).map_err(raise)?;
        let steps = steps.map_or(Ok((None, None)), |s| range("steps", s, |v| v.extract::<i64>()))?;
        let select = self.select.clone().having(of, compare, value, half_open(steps));
        Ok(self.derived(select, &format!("having {of} {sign} {value}"), recipe))
    }

    /// Transforms each series, from all its points. Several words, or several calls, apply one after the other. Ranges of steps,
    /// times and values select from the result.
    ///
    /// Words: 'ema:0.9' (debiased exponential moving average by weight, as TensorBoard draws it), 'half-life:100' (the same by
    /// half-life, in steps) or 'half-life:10s' (in time), 'mean:50' (of the last 50 points), 'mean:time' (so far, weighted by time),
    /// 'rate' (growth of a counter per second; a fall means that it restarted at zero), 'derivative:step', 'derivative:time' (per second), 'integral' (by time in
    /// seconds: of a power, the energy so far). NaN and infinities pass through unchanged and do not affect other points.
    ///
    /// >>> with store.run("a") as run:
    /// ...     for step in range(6):
    /// ...         run.log({"x": step % 2}, step=step)
    /// >>> store.select("x").transform("mean:2").to_numpy()["value"]
    /// array([0. , 0.5, 0.5, 0.5, 0.5, 0.5])
    #[pyo3(signature = (*words))]
    fn transform(&self, words: &Bound<'_, PyTuple>) -> PyResult<Selection> {
        let keywords = PyDict::new(words.py());
        let recipe = self.recipe.as_ref().map(|r| r.then("transform", words, &keywords)).transpose()?;
        let words = texts("a transform", words)?;
        if words.is_empty() {
            return Err(invalid("transform", "no word was given", "give at least one, such as 'ema:0.9'"));
        }
        let mut select = self.select.clone();
        for word in &words {
            select = select.transform(Transform::from_str(word).map_err(raise)?);
        }
        Ok(self.derived(select, &format!("transform {}", words.join(", ")), recipe))
    }

    /// The points, in the columns run, metric, labels, step, time, value, ordered by run, metric, labels and step.
    ///
    /// Another `x` adds a last column `x`, which orders the points of a series: 'time', 'elapsed' (seconds since the run's start),
    /// 'metric:<name>' (the last finite value of that metric in the run at the step or before), or 'next:<name>' (the first one at
    /// the step or after: for a metric that is logged at the end of what it counts, such as an epoch). All points are then held
    /// in memory.
    ///
    /// `order` sorts the points of all series together: 'step', 'time' or 'value', or '-time' and so on for the greatest first; NaN
    /// comes last. `offset` leaves out the first points, `limit` bounds their number.
    ///
    /// >>> with store.run("a") as run:
    /// ...     for step in range(100):
    /// ...         run.log({"ms": step % 60}, step=step)
    /// >>> store.select("ms").points(order="-value", limit=3)["step"].to_list()
    /// [59, 58, 57]
    #[pyo3(signature = (x="step", *, order=None, offset=0, limit=None))]
    fn points(&self, x: &str, order: Option<&str>, offset: i64, limit: Option<i64>) -> PyResult<AnswerTable> {
        if order.is_none() && offset == 0 && limit.is_none() {
            return self.table_over(x, OverXKind::Points, TableKind::Points);
        }
        if x != "step" {
            return Err(invalid(
                "points",
                format!("order, offset and limit do not go with x={x:?}"),
                "leave out x, or take the rows of the table with sort(), head() and slices",
            ));
        }
        let sort = order.map(PointSort::from_str).transpose().map_err(raise)?;
        let offset = row_number("points", "offset", offset)?;
        let limit = limit.map(|limit| row_number("points", "limit", limit)).transpose()?;
        Ok(self.table(TableKind::PointPage { sort, offset, limit }))
    }

    /// The points as rows, as they were logged: one per step of a run and its labels, one column per metric, which is null where a
    /// row has no value. Columns: run, labels, step, time (the latest of the row), and the metrics by name.
    ///
    /// >>> with store.run("a") as run:
    /// ...     run.log({"loss": 1.0}, step=0)
    /// ...     run.log({"loss": 0.5, "acc": 0.75}, step=1)
    /// >>> rows = store.select(runs="a").rows()
    /// >>> rows.columns, rows["acc"].to_list()
    /// (['run', 'labels', 'step', 'time', 'acc', 'loss'], [None, 0.75])
    fn rows(&self) -> AnswerTable {
        self.table(TableKind::Rows)
    }

    /// Aggregates: one row per group, ordered by group; one row in all without `by`.
    ///
    /// Aggregates are count, finite, nan, inf, sum, mean, std, var, min, max, first, last, argmin, argmax, argnan (the step of the
    /// first NaN), step_first and step_last (the least and the greatest step), time_first and time_last (the times of the points
    /// there), time_min and time_max (the least and the greatest time), median, exact percentiles such as p95 or p99.9, and p95~
    /// from a sketch, which is within 1 % and needs little memory. All but the counts, steps, times, first and last are over finite
    /// values; std and var divide by n.
    /// `by` is one or several of 'run', 'metric', 'labels', 'label:<key>', 'param:<name>', 'step:<width>', 'time:<width>' (such as
    /// 'time:10s'), step_bucket(n), time_bucket('1s').
    ///
    /// >>> selection = store.select("x", runs="sim")
    /// >>> selection.aggregate("count", "p95", by=["run", tidalite.step_bucket(500)]).columns
    /// ['run', 'step_bucket', 'count', 'p95']
    #[pyo3(signature = (*aggregates, by=None), text_signature = "($self, *aggregates, by=())")]
    fn aggregate(
        &self,
        aggregates: &Bound<'_, PyTuple>,
        by: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<AnswerTable> {
        let py = aggregates.py();
        let (aggregates, by) = read_aggregates(aggregates, by, Vec::new())?;
        warn_of_mixture(py, &self.select, &aggregates, &by)?;
        Ok(self.table(TableKind::Aggregate(aggregates, by)))
    }

    /// The `k` groups with the lowest first aggregate, lowest first. Groups are runs by default. Groups whose first aggregate is
    /// null or NaN are left out.
    ///
    /// >>> for lr in (0.3, 0.1, 0.2):
    /// ...     store.run(f"lr-{lr}").log({"val/loss": lr})
    /// >>> store.select("val/loss").bottom(2, "min", "argmin").to_numpy()["run"]
    /// array(['lr-0.1', 'lr-0.2'], dtype=object)
    #[pyo3(signature = (k, *aggregates, by=None), text_signature = "($self, k, *aggregates, by='run')")]
    fn bottom(
        &self,
        k: i64,
        aggregates: &Bound<'_, PyTuple>,
        by: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<AnswerTable> {
        self.ranking("bottom", k, false, aggregates, by)
    }

    /// The `k` groups with the highest first aggregate, highest first; otherwise like `bottom`.
    #[pyo3(signature = (k, *aggregates, by=None), text_signature = "($self, k, *aggregates, by='run')")]
    fn top(
        &self,
        k: i64,
        aggregates: &Bound<'_, PyTuple>,
        by: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<AnswerTable> {
        self.ranking("top", k, true, aggregates, by)
    }

    /// Each series in at most `buckets` buckets of steps, whose width is a power of two. Columns: run, metric, labels, step (the
    /// bucket's first), width, count, nonfinite, min, max, mean, first, last.
    ///
    /// With another `x` (see `points`), buckets are ranges of `x`, all series have the same width, and a column `x` replaces step.
    #[pyo3(signature = (buckets=1000, x="step"))]
    fn chart(&self, buckets: i64, x: &str) -> PyResult<AnswerTable> {
        let buckets = positive("chart", buckets)?;
        self.table_over(x, OverXKind::Chart(buckets), TableKind::Chart(buckets))
    }

    /// Mean, population std, min and max over runs, in at most `buckets` buckets of steps. Each run counts once per bucket, with
    /// the mean of its finite points there. Columns: those of `by`, step, width, runs, mean, std, min, max, nonfinite.
    ///
    /// With another `x` (see `points`), buckets are ranges of `x`, and a column `x` replaces step.
    ///
    /// `over` names what counts once instead of a run: the ranks of a run with 'label:rank', each series with ['run', 'labels']. The
    /// column members, their number, then replaces runs.
    #[pyo3(signature = (buckets=1000, by=None, x="step", over=None), text_signature = "($self, buckets=1000, by='metric', x='step', over='run')")]
    fn band(
        &self,
        buckets: i64,
        by: Option<&Bound<'_, PyAny>>,
        x: &str,
        over: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<AnswerTable> {
        let by = by.map_or(Ok(vec![By::Metric]), groups)?;
        let over = over.map_or(Ok(vec![By::Run]), groups)?;
        tidalite::band_schema(&by, &over).map_err(raise)?;
        let buckets = positive("band", buckets)?;
        let plain = TableKind::Band(buckets, by.clone(), over.clone());
        self.table_over(x, OverXKind::Band(buckets, by, over), plain)
    }

    /// Series side by side: the column step or time (or x, on 'elapsed', 'metric:<name>' or 'next:<name>'), then one column per series, which is
    /// null where the series has no point and `fill` gives no value.
    ///
    /// `fill` is 'none', 'previous' (the last value at or before), or 'linear' (between the neighbours). The default is 'none' on
    /// steps, else 'previous', since series rarely share times. 'linear' is not possible on a metric.
    ///
    /// >>> run = store.run("a")
    /// >>> run.log({"loss": 0.5, "acc": 0.9})
    /// >>> store.select(["loss", "acc"], runs="a").align().to_numpy()
    /// {'step': array([0]), 'acc': array([0.9]), 'loss': array([0.5])}
    #[pyo3(signature = (on="step", fill=None))]
    fn align(&self, on: &str, fill: Option<&str>) -> PyResult<AnswerTable> {
        let x = XAxis::from_str(on).map_err(raise)?;
        let fill = match fill {
            Some(word) => Fill::from_str(word).map_err(raise)?,
            None if x == XAxis::Step => Fill::None,
            None => Fill::Previous,
        };
        Ok(self.table(match x {
            XAxis::Step => TableKind::Align(AlignOn::Step, fill),
            XAxis::Time => TableKind::Align(AlignOn::Time, fill),
            x => TableKind::OverX(x, OverXKind::Align(fill)),
        }))
    }

    /// The last point of each series, by step.
    fn latest(&self) -> AnswerTable {
        self.table(TableKind::Latest)
    }

    /// What the points of each series come to: one row per series. Columns: run, metric, labels, count, finite, nan, pos_inf, neg_inf,
    /// sum, mean, std, min, argmin, max, argmax, first, first_step, last, last_step, time_min, time_max. Most of it is stored; points are
    /// read only where ranges, rewinds or repeats require it.
    ///
    /// >>> with store.run("a") as run:
    /// ...     for step, loss in enumerate([4.0, 2.0, float("nan")]):
    /// ...         run.log({"loss": loss}, step=step)
    /// >>> row = store.select("loss").summaries()[0]
    /// >>> row["count"], row["nan"], row["mean"], row["last_step"]
    /// (3, 1, 3.0, 2)
    fn summaries(&self) -> AnswerTable {
        self.table(TableKind::Summaries)
    }

    /// At most `points` points of each series that preserve its shape, by Largest-Triangle-Three-Buckets (S. Steinarsson, 2013).
    /// Only finite values take part. For another `x` see `points`.
    #[pyo3(signature = (points, x="step"))]
    fn lttb(&self, points: i64, x: &str) -> PyResult<AnswerTable> {
        let points = positive("lttb", points)?;
        self.table_over(x, OverXKind::Lttb(points), TableKind::Lttb(points))
    }

    /// The first, last, lowest and highest point of each series in each of `columns` columns of pixels. In a picture of that width
    /// they draw the same line as all points (M4; U. Jugel and others, 2014). Only finite values take part. For another `x` see
    /// `points`.
    #[pyo3(signature = (columns, x="step"))]
    fn m4(&self, columns: i64, x: &str) -> PyResult<AnswerTable> {
        let columns = positive("m4", columns)?;
        self.table_over(x, OverXKind::M4(columns), TableKind::M4(columns))
    }

    /// About `points` points of each series, evenly by their number: the first, the last, and those between at equal distances; and
    /// besides these every NaN and infinity.
    ///
    /// >>> with store.run("a") as run:
    /// ...     for step in range(100):
    /// ...         run.log({"loss": 1 / (step + 1)}, step=step)
    /// >>> store.select("loss").sample(4)["step"].to_list()
    /// [0, 33, 66, 99]
    fn sample(&self, points: i64) -> PyResult<AnswerTable> {
        Ok(self.table(TableKind::Sample(positive("sample", points)?)))
    }

    /// Hands out points as they are logged, each once: by `poll()`, `wait(timeout)`, or iteration.
    ///
    /// It begins with all points there are; with `new=True`, with those logged from now on; with `cursor`, the text of an earlier
    /// follower's cursor, where that one ended. Iteration ends after `timeout` seconds without a new point; without a timeout it
    /// never ends. A selection with `transform` or `having` cannot be followed.
    #[pyo3(signature = (*, new=false, cursor=None, timeout=None))]
    fn follow(
        &self,
        py: Python<'_>,
        new: bool,
        cursor: Option<&str>,
        timeout: Option<f64>,
    ) -> PyResult<Follow> {
        let select = self.select.clone().reporting_anew();
        let follow = match cursor {
            Some(_) if new => {
                return Err(invalid("follow", "both new and a cursor were given", "give one of them"));
            }
            Some(text) => {
                let cursor = Cursor::from_str(text).map_err(raise)?;
                py.detach(|| select.follow_from(cursor))
            }
            None if new => py.detach(|| select.follow_new()),
            None => py.detach(|| select.follow()),
        };
        Follow::new(follow.map_err(raise)?, timeout)
    }

    /// Converts the points to a `pyarrow.Table`.
    fn to_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.all_points().to_arrow(py)
    }

    /// Converts the points to a pandas DataFrame. The columns run, metric and labels are categoricals.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.all_points().to_pandas(py)
    }

    /// Converts the points to a Polars DataFrame.
    fn to_polars<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.all_points().to_polars(py)
    }

    /// Converts the points to a dict from column name to NumPy array.
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.all_points().to_numpy(py)
    }

    /// Draws the series of each metric with matplotlib: the mean with its min–max envelope, NaN and infinities marked.
    /// `tidalite._plot.plot_selection` documents the options.
    #[pyo3(signature = (**options))]
    fn plot<'py>(
        slf: &Bound<'py, Self>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tidalite._plot")?.getattr("plot_selection")?.call((slf,), options)
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tidalite._html")?.call_method1("selection_html", (slf,))
    }

    /// The points as an Arrow C stream, read as the consumer takes them.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.all_points().__arrow_c_stream__(py, requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        self.all_points().__arrow_c_schema__(py)
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        let _ = memo;
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let recipe = self.recipe.as_ref().ok_or_else(|| {
            PyTypeError::new_err(
                "this selection cannot be pickled: it is of a snapshot, which no other process has, or an argument of it cannot \
                 be copied; pickle a selection of the store, made with lists",
            )
        })?;
        recipe.reduced(py)
    }

    fn __repr__(&self) -> String {
        format!("<tidalite.Selection {}>", if self.shown.is_empty() { "of all points" } else { &self.shown })
    }
}

/// Reads aggregates and groups; `by_default` applies without `by`. An invalid combination is refused here, rather than when
/// the table is first used.
fn read_aggregates(
    aggregates: &Bound<'_, PyTuple>,
    by: Option<&Bound<'_, PyAny>>,
    by_default: Vec<By>,
) -> PyResult<(Vec<Aggregate>, Vec<By>)> {
    let words = texts("an aggregate", aggregates)?;
    let aggregates = Aggregate::parse_list(&words).map_err(raise)?;
    let by = by.map_or(Ok(by_default), groups)?;
    tidalite::aggregate_schema(&aggregates, &by).map_err(raise)?;
    Ok((aggregates, by))
}

fn positive(doing: &str, number: i64) -> PyResult<usize> {
    usize::try_from(number)
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| invalid(doing, format!("the number given is {number}"), "give at least 1"))
}

/// The text that stands for exactly this name within a glob, whatever characters it contains. For a whole name, see `exact`.
///
/// >>> tidalite.escape("layers[0]")
/// 'layers\\[0\\]'
#[pyfunction]
pub fn escape(name: &Bound<'_, PyAny>) -> PyResult<String> {
    if !name.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("escape: give a name, as text"));
    }
    Ok(tidalite::escape(&text("a name", name)?))
}
