//! `Selection`: which points, and what may be asked of them.

use crate::buckets::groups;
use crate::errors::{invalid, raise};
use crate::follow::Follow;
use crate::names::{Name, names};
use crate::params::{label_pairs, text, texts};
use crate::run::Run;
use crate::spans::{half_open, span};
use crate::table::{Drawn, Query, Table, What};
use crate::time::to_us;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyString, PyTuple};
use std::str::FromStr;
use tidalite::{
    Aggregate, AlignOn, By, Compare, Cursor, Fill, History, Repeats, RunFilter, Selection as EngineSelection,
    Store, Transform, XAxis,
};

/// A selection of points; made by `Store.select`. Nothing is read before an answer is asked for, and each answer sees the store as it is
/// then: what was logged a moment ago is in it.
///
/// To Arrow, and so to DuckDB, Polars and pandas, a selection is its points.
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
    /// What was asked, for people.
    text: String,
}

/// The arguments of `Store.select`.
pub(crate) struct Asked<'a, 'py> {
    pub(crate) metrics: Option<&'a Bound<'py, PyAny>>,
    pub(crate) runs: Option<&'a Bound<'py, PyAny>>,
    pub(crate) labels: Option<&'a Bound<'py, PyAny>>,
    pub(crate) steps: Option<&'a Bound<'py, PyAny>>,
    pub(crate) time: Option<&'a Bound<'py, PyAny>>,
    pub(crate) values: Option<&'a Bound<'py, PyAny>>,
    pub(crate) filters: Option<&'a Bound<'py, PyAny>>,
    pub(crate) repeats: &'a str,
    pub(crate) history: &'a str,
    pub(crate) hidden: bool,
}

impl Selection {
    pub(crate) fn new(store: &Store, asked: Asked<'_, '_>) -> PyResult<Selection> {
        let mut select = store
            .select()
            .repeats(read_repeats(asked.repeats)?)
            .history(read_history(asked.history)?)
            .hidden(asked.hidden);
        if let Some(metrics) = asked.metrics {
            for name in names("a metric", metrics)? {
                select = match name {
                    Name::Pattern(pattern) => select.metrics(pattern),
                    Name::Regex(regex) => select.metrics_regex(regex),
                };
            }
        }
        if let Some(runs) = asked.runs {
            select = match runs.cast::<Run>() {
                Ok(run) => select.run(run.get().handle.run.id()),
                Err(_) => names("a run", runs)?.into_iter().fold(select, |select, name| match name {
                    Name::Pattern(pattern) => select.runs(pattern),
                    Name::Regex(regex) => select.runs_regex(regex),
                }),
            };
        }
        for filter in asked.filters.map_or(Ok(Vec::new()), run_filters)? {
            select = select.runs_where(filter);
        }
        for (key, value) in asked.labels.map_or(Ok(Vec::new()), label_pairs)? {
            select = select.label(key, value);
        }
        if let Some(steps) = asked.steps {
            select = select.steps(half_open(span("steps", steps, |v| v.extract::<i64>())?));
        }
        if let Some(time) = asked.time {
            select = select.times_us(half_open(span("time", time, to_us)?));
        }
        if let Some(values) = asked.values {
            let (lo, hi) = span("values", values, |v| v.extract::<f64>())?;
            select = select.values(lo, hi);
        }
        let parts = [
            ("", asked.metrics),
            ("runs=", asked.runs),
            ("labels=", asked.labels),
            ("steps=", asked.steps),
            ("time=", asked.time),
            ("values=", asked.values),
            ("where=", asked.filters),
        ];
        let shown =
            parts.iter().filter_map(|(name, given)| Some(format!("{name}{}", given.as_ref()?.repr().ok()?)));
        let mut shown: Vec<String> = shown.collect();
        if asked.repeats != "last" {
            shown.push(format!("repeats={:?}", asked.repeats));
        }
        if asked.history != "inherited" {
            shown.push(format!("history={:?}", asked.history));
        }
        if asked.hidden {
            shown.push("hidden=True".into());
        }
        Ok(Selection { select, text: shown.join(", ") })
    }

    /// What a method narrowed or changed, and how that is shown.
    fn with(&self, select: EngineSelection, shown: &str) -> Selection {
        let text = if self.text.is_empty() { shown.into() } else { format!("{}, {shown}", self.text) };
        Selection { select, text }
    }

    fn table(&self, what: What) -> Table {
        Table::new(Query::Asked(Box::new(self.select.clone()), what))
    }

    fn all_points(&self) -> Table {
        self.table(What::Points)
    }

    /// What is drawn over another axis than the step.
    fn over(&self, x: &str, drawn: Drawn) -> PyResult<Option<Table>> {
        Ok(other_axis(x)?.map(|x| self.table(What::Over(x, drawn))))
    }

    fn best(
        &self,
        doing: &str,
        k: i64,
        greatest: bool,
        aggregates: &Bound<'_, PyTuple>,
        by: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        let (aggregates, by) = plan(aggregates, by, vec![By::Run])?;
        Ok(self.table(What::Best(count(doing, k)?, greatest, aggregates, by)))
    }
}

/// Over another x-axis, where one is given that is none already.
fn other_axis(x: &str) -> PyResult<Option<XAxis>> {
    let x = XAxis::from_str(x).map_err(raise)?;
    Ok((x != XAxis::Step).then_some(x))
}

fn read_repeats(word: &str) -> PyResult<Repeats> {
    match word {
        "last" => Ok(Repeats::Last),
        "first" => Ok(Repeats::First),
        "all" => Ok(Repeats::All),
        other => {
            Err(invalid("select", format!("repeats={other:?} is unknown"), "give 'last', 'first' or 'all'"))
        }
    }
}

fn read_history(word: &str) -> PyResult<History> {
    match word {
        "own" => Ok(History::Own),
        "inherited" => Ok(History::Inherited),
        "all" => Ok(History::InheritedWithTelemetry),
        other => Err(invalid(
            "select",
            format!("history={other:?} is unknown"),
            "give 'own', 'inherited' or 'all'",
        )),
    }
}

/// One filter of runs as text, or several that all must take a run.
pub(crate) fn run_filters(given: &Bound<'_, PyAny>) -> PyResult<Vec<RunFilter>> {
    texts("a filter of runs", given)?.iter().map(|text| RunFilter::parse(text).map_err(raise)).collect()
}

/// A sign that compares.
fn read_compare(sign: &str) -> PyResult<Compare> {
    let signs = [
        Compare::Equal,
        Compare::NotEqual,
        Compare::Less,
        Compare::LessOrEqual,
        Compare::Greater,
        Compare::GreaterOrEqual,
    ];
    let sign = if sign == "==" { "=" } else { sign };
    signs.into_iter().find(|c| c.as_str() == sign).ok_or_else(|| {
        invalid("select", format!("{sign:?} compares nothing"), "give '=', '!=', '<', '<=', '>' or '>='")
    })
}

#[pymethods]
impl Selection {
    /// Of these series, those of which an aggregate over all their points at `steps` compares so with `value`: the signs are
    /// '=', '!=', '<', '<=', '>', '>='. What else is selected of steps, times and values has no bearing on it.
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
    ) -> PyResult<Selection> {
        let of = Aggregate::from_str(aggregate).map_err(raise)?;
        let range = steps.map_or(Ok((None, None)), |s| span("steps", s, |v| v.extract::<i64>()))?;
        let select = self.select.clone().having(of, read_compare(sign)?, value, half_open(range));
        Ok(self.with(select, &format!("having {of} {sign} {value}")))
    }

    /// Makes of each series another one before anything is asked, from all its points; given several words, or called
    /// again, each of what the one before gives. Ranges of steps, times and values select from the result.
    ///
    /// Words: 'ema:0.9' (debiased exponential moving average, as TensorBoard's, by weight), 'half-life:100' (steps) or
    /// 'half-life:10s' (the same by half-life), 'mean:50' (of the last so many points), 'rate' (growth of a counter a second; a fall
    /// means that it began again at zero), 'derivative:step', 'derivative:time' (a second). NaN and infinities pass through, and have
    /// no part in what others become.
    ///
    /// >>> with store.run("a") as run:
    /// ...     for step in range(6):
    /// ...         run.log({"x": step % 2}, step=step)
    /// >>> store.select("x").transform("mean:2").to_numpy()["value"]
    /// array([0. , 0.5, 0.5, 0.5, 0.5, 0.5])
    #[pyo3(signature = (*words))]
    fn transform(&self, words: &Bound<'_, PyTuple>) -> PyResult<Selection> {
        let words = texts("a transform", words)?;
        if words.is_empty() {
            return Err(invalid("transform", "no word was given", "give at least one, such as 'ema:0.9'"));
        }
        let mut select = self.select.clone();
        for word in &words {
            select = select.transform(Transform::from_str(word).map_err(raise)?);
        }
        Ok(self.with(select, &format!("transform {}", words.join(", "))))
    }

    /// The points, ordered by run, metric, labels and step, in the columns run, metric, labels, step, time, value.
    ///
    /// With another `x` a last column `x` orders them: 'time', 'elapsed' (seconds since the run's start), or 'metric:<name>' (that
    /// metric's last finite value in the run at the step or before); they are all in memory then.
    #[pyo3(signature = (x="step"))]
    fn points(&self, x: &str) -> PyResult<Table> {
        Ok(self.over(x, Drawn::Points)?.unwrap_or_else(|| self.all_points()))
    }

    /// One row a group, ordered by the groups; without `by`, a single row.
    ///
    /// Aggregates: count, finite, nan, inf, sum, mean, std, var, min, max, first, last, argmin, argmax, argnan (the step of the first NaN),
    /// time_first, time_last, median, exact percentiles such as p95 or p99.9, and p95~ from a sketch, which knows values to 1 % in
    /// little memory. All but the counts, first, last and argnan are over finite values; std and var divide by n.
    /// `by` is one or several of 'run', 'metric', 'labels', 'label:<key>', 'param:<name>', step_bucket(n), time_bucket('1s').
    ///
    /// >>> selection = store.select("x", runs="sim")
    /// >>> selection.aggregate("count", "p95", by=["run", tidalite.step_bucket(500)]).columns
    /// ['run', 'step_bucket', 'count', 'p95']
    #[pyo3(signature = (*aggregates, by=None), text_signature = "($self, *aggregates, by=())")]
    fn aggregate(&self, aggregates: &Bound<'_, PyTuple>, by: Option<&Bound<'_, PyAny>>) -> PyResult<Table> {
        let (aggregates, by) = plan(aggregates, by, Vec::new())?;
        Ok(self.table(What::Aggregate(aggregates, by)))
    }

    /// The `k` groups in which the first aggregate is least, least first: by default runs. Groups in which it is null or NaN are left
    /// out.
    ///
    /// >>> for lr in (0.3, 0.1, 0.2):
    /// ...     store.run(f"lr-{lr}").log({"val/loss": lr})
    /// >>> store.select("val/loss").least(2, "min", "argmin").to_numpy()["run"]
    /// array(['lr-0.1', 'lr-0.2'], dtype=object)
    #[pyo3(signature = (k, *aggregates, by=None), text_signature = "($self, k, *aggregates, by='run')")]
    fn least(
        &self,
        k: i64,
        aggregates: &Bound<'_, PyTuple>,
        by: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        self.best("least", k, false, aggregates, by)
    }

    /// The `k` groups in which the first aggregate is greatest, greatest first; else as `least`.
    #[pyo3(signature = (k, *aggregates, by=None), text_signature = "($self, k, *aggregates, by='run')")]
    fn greatest(
        &self,
        k: i64,
        aggregates: &Bound<'_, PyTuple>,
        by: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        self.best("greatest", k, true, aggregates, by)
    }

    /// Each series in at most `buckets` buckets of steps, whose width is a power of two: columns run, metric, labels, step (the
    /// bucket's first), width, count, nonfinite, min, max, mean, first, last.
    ///
    /// With another `x`, as for `points`, buckets are of that, all series' of one width, and the column is `x` in place of step.
    #[pyo3(signature = (buckets=1000, x="step"))]
    fn chart(&self, buckets: i64, x: &str) -> PyResult<Table> {
        let buckets = count("chart", buckets)?;
        let plain = || self.table(What::Chart(buckets));
        Ok(self.over(x, Drawn::Chart(buckets))?.unwrap_or_else(plain))
    }

    /// Mean, population std, min and max over runs, in at most `buckets` buckets of steps: each run counts once a bucket, by the
    /// mean of its finite points there. Columns: those of `by`, step, width, runs, mean, std, min, max, nonfinite.
    ///
    /// With another `x`, as for `points`, buckets are of that, and the column is `x` in place of step.
    #[pyo3(signature = (buckets=1000, by=None, x="step"), text_signature = "($self, buckets=1000, by='metric', x='step')")]
    fn band(&self, buckets: i64, by: Option<&Bound<'_, PyAny>>, x: &str) -> PyResult<Table> {
        let by = by.map_or(Ok(vec![tidalite::By::Metric]), groups)?;
        tidalite::band_schema(&by).map_err(raise)?;
        let buckets = count("band", buckets)?;
        Ok(self.table(match other_axis(x)? {
            Some(x) => What::Over(x, Drawn::Band(buckets, by)),
            None => What::Band(buckets, by),
        }))
    }

    /// Series side by side: the column step or time (or x, on 'elapsed' or 'metric:<name>'), then one column a series, null where it has
    /// no point and `fill` gives none.
    ///
    /// `fill` is 'none', 'previous' (the last value at or before), or 'linear' (on the line between the neighbours); on time it is 'previous'
    /// by default, since series seldom share their times. On another metric it is not 'linear'.
    ///
    /// >>> run = store.run("a")
    /// >>> run.log({"loss": 0.5, "acc": 0.9})
    /// >>> store.select(["loss", "acc"], runs="a").align().to_numpy()
    /// {'step': array([0]), 'acc': array([0.9]), 'loss': array([0.5])}
    #[pyo3(signature = (on="step", fill=None))]
    fn align(&self, on: &str, fill: Option<&str>) -> PyResult<Table> {
        let x = XAxis::from_str(on).map_err(raise)?;
        let fill = match fill {
            Some(word) => Fill::from_str(word).map_err(raise)?,
            None if x == XAxis::Step => Fill::None,
            None => Fill::Previous,
        };
        let on = match x {
            XAxis::Step => AlignOn::Step,
            XAxis::Time => AlignOn::Time,
            _ => {
                return Ok(self.table(What::Over(x, Drawn::Align(fill))));
            }
        };
        Ok(self.table(What::Align(on, fill)))
    }

    /// The last point of each series, by step.
    fn latest(&self) -> Table {
        self.table(What::Latest)
    }

    /// At most `points` points of each series, those that keep its looks: largest triangle, three buckets (S. Steinarsson, 2013). Only finite
    /// values are drawn. Another `x` is as for `points`.
    #[pyo3(signature = (points, x="step"))]
    fn lttb(&self, points: i64, x: &str) -> PyResult<Table> {
        let points = count("lttb", points)?;
        let plain = || self.table(What::Lttb(points));
        Ok(self.over(x, Drawn::Lttb(points))?.unwrap_or_else(plain))
    }

    /// The points that draw each series' line as all of them would in a picture of so many columns of pixels: of each column the
    /// first, the last, and those of the least and the greatest value (M4; U. Jugel and others, 2014). Only finite values are drawn.
    /// Another `x` is as for `points`.
    #[pyo3(signature = (columns, x="step"))]
    fn m4(&self, columns: i64, x: &str) -> PyResult<Table> {
        let columns = count("m4", columns)?;
        let plain = || self.table(What::M4(columns));
        Ok(self.over(x, Drawn::M4(columns))?.unwrap_or_else(plain))
    }

    /// Hands out points as they are logged, each once: `poll()`, `wait(timeout)`, or as an iterator.
    ///
    /// They are those that were written: a selection that transforms series, or chooses them by `having`, cannot be followed.
    /// It begins with all there is; with `new=True`, with what comes from now on; with `cursor`, the text of an earlier follower's, where that one
    /// stood. As an iterator it ends once nothing came for `timeout` seconds; without a timeout, never.
    #[pyo3(signature = (*, new=false, cursor=None, timeout=None))]
    fn follow(
        &self,
        py: Python<'_>,
        new: bool,
        cursor: Option<&str>,
        timeout: Option<f64>,
    ) -> PyResult<Follow> {
        let follow = match cursor {
            Some(_) if new => {
                return Err(invalid("follow", "both new and a cursor were given", "give one of them"));
            }
            Some(text) => {
                let cursor = Cursor::from_str(text).map_err(raise)?;
                py.detach(|| self.select.follow_from(cursor))
            }
            None if new => py.detach(|| self.select.follow_new()),
            None => py.detach(|| self.select.follow()),
        };
        Follow::new(follow.map_err(raise)?, timeout)
    }

    /// The points as a `pyarrow.Table`.
    fn to_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.all_points().to_arrow(py)
    }

    /// The points as a pandas DataFrame; run, metric and labels are categories.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.all_points().to_pandas(py)
    }

    /// The points as a Polars DataFrame.
    fn to_polars<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.all_points().to_polars(py)
    }

    /// The points as a dict from column to NumPy array.
    fn to_numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.all_points().to_numpy(py)
    }

    /// Draws each metric's series with matplotlib: the mean with its min–max envelope, NaN and infinities marked. See
    /// `tidalite._plot.plot_selection` for the options.
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

    fn __repr__(&self) -> String {
        format!("<tidalite.Selection {}>", if self.text.is_empty() { "of all points" } else { &self.text })
    }
}

/// Aggregates and what they are by; a plan that makes no sense is refused here rather than where the answer is fetched.
fn plan(
    aggregates: &Bound<'_, PyTuple>,
    by: Option<&Bound<'_, PyAny>>,
    otherwise: Vec<By>,
) -> PyResult<(Vec<Aggregate>, Vec<By>)> {
    let words = texts("an aggregate", aggregates)?;
    let aggregates = Aggregate::parse_list(&words).map_err(raise)?;
    let by = by.map_or(Ok(otherwise), groups)?;
    tidalite::aggregate_schema(&aggregates, &by).map_err(raise)?;
    Ok((aggregates, by))
}

fn count(doing: &str, given: i64) -> PyResult<usize> {
    usize::try_from(given)
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| invalid(doing, format!("{given} were asked for"), "ask for at least one"))
}

/// The pattern that matches a name alone, whatever signs are in it.
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
