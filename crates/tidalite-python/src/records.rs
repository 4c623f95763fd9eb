//! The engine's reports as the data classes of `tidalite.records`.

use crate::arguments::params::{from_labels, from_params};
use crate::arguments::time::{from_us, once};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyModule, PyTuple};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidalite::{
    CompactStats, Explain, Finding, FlushStats, ImportStats, MergeStats, Participant, Reopened, Report,
    RunInfo, RunTotals, Salvaged, Seq, Snapshot, Stats, ThinStats,
};
use tidalite_trackers::EventFolderStats;

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = once(py, &MODULE, || py.import("tidalite.records").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}

fn build<'py>(class: &Bound<'py, PyAny>, fields: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    class.call((), Some(fields))
}

/// The runs, and what each holds where `totals` were asked for.
pub(crate) fn runs<'py>(
    py: Python<'py>,
    runs: &[RunInfo],
    totals: Option<&BTreeMap<String, RunTotals>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (one, participant) = (class(py, "RunInfo")?, class(py, "Participant")?);
    let list = PyList::empty(py);
    for run in runs {
        let fields = PyDict::new(py);
        let of_run = run.participants.iter().map(|p| participant_info(py, &participant, p));
        fields.set_item("id", &run.id)?;
        fields.set_item("name", &run.name)?;
        fields.set_item("notes", &run.notes)?;
        fields.set_item("group", &run.group)?;
        fields.set_item("reason", &run.reason)?;
        fields.set_item("status", run.status.as_str())?;
        fields.set_item("started", run.started_us.map(|t| from_us(py, t)).transpose()?)?;
        fields.set_item("ended", run.ended_us.map(|t| from_us(py, t)).transpose()?)?;
        fields.set_item("params", from_params(py, &run.params)?)?;
        fields.set_item("environment", from_params(py, &run.environment)?)?;
        fields.set_item("tags", PyTuple::new(py, &run.tags)?)?;
        fields.set_item("labels", from_labels(py, &run.labels)?)?;
        fields.set_item("parent", run.parent.as_ref().map(|p| &p.run))?;
        fields.set_item("parent_step", run.parent.as_ref().and_then(|p| p.step))?;
        fields.set_item("participants", PyTuple::new(py, of_run.collect::<PyResult<Vec<_>>>()?)?)?;
        fields.set_item("rewinds", PyTuple::new(py, &run.rewinds)?)?;
        if let Some(totals) = totals {
            let held = totals.get(&run.id).copied().unwrap_or_default();
            fields.set_item("series", held.series)?;
            fields.set_item("points", held.points)?;
            fields.set_item("last_step", held.last_step)?;
            fields.set_item("last_time", held.last_time_us.map(|t| from_us(py, t)).transpose()?)?;
        }
        list.append(build(&one, &fields)?)?;
    }
    class(py, "Runs")?.call1((list,))
}

fn participant_info<'py>(
    py: Python<'py>,
    class: &Bound<'py, PyAny>,
    of: &Participant,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("labels", from_labels(py, &of.labels)?)?;
    fields.set_item("host", &of.host)?;
    fields.set_item("pid", of.pid)?;
    fields.set_item("started", from_us(py, of.started_us)?)?;
    fields.set_item("ended", of.ended_us.map(|t| from_us(py, t)).transpose()?)?;
    fields.set_item("status", of.status.as_str())?;
    fields.set_item("reason", &of.reason)?;
    fields.set_item("last_step", of.last_step)?;
    fields.set_item("current", of.current)?;
    build(class, &fields)
}

/// Keeps a snapshot, and so its files, from being collected.
#[pyclass(frozen)]
struct Pin {
    _snapshot: Snapshot,
}

pub(crate) fn part_files<'py>(
    py: Python<'py>,
    files: &[PathBuf],
    snapshot: Snapshot,
) -> PyResult<Bound<'py, PyAny>> {
    let paths: Vec<String> = files.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    class(py, "PartFiles")?.call1((paths, Pin { _snapshot: snapshot }))
}

pub(crate) fn stats<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("runs", stats.runs)?;
    fields.set_item("series", stats.series)?;
    fields.set_item("points", stats.points)?;
    fields.set_item("thinned_points", stats.thinned_points)?;
    fields.set_item("log_points", stats.log_points)?;
    fields.set_item("hidden_points", stats.hidden_points)?;
    fields.set_item("parts", stats.parts)?;
    fields.set_item("writers_alive", stats.writers_alive)?;
    fields.set_item("version", stats.version)?;
    fields.set_item("parts_bytes", stats.parts_bytes)?;
    fields.set_item("hidden_bytes", stats.hidden_bytes)?;
    fields.set_item("series_bytes", stats.series_bytes)?;
    fields.set_item("replaced_bytes", stats.replaced_bytes)?;
    fields.set_item("log_bytes", stats.log_bytes)?;
    fields.set_item("other_bytes", stats.other_bytes)?;
    fields.set_item("file_system", &stats.file_system)?;
    fields.set_item("network", stats.network)?;
    fields.set_item("free_bytes", stats.free_bytes)?;
    fields.set_item("damage", findings(py, &stats.damage)?)?;
    build(&class(py, "Stats")?, &fields)
}

pub(crate) fn report<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("findings", findings(py, &report.findings)?)?;
    fields.set_item("parts", report.parts)?;
    fields.set_item("logs", report.logs)?;
    fields.set_item("points", report.points)?;
    fields.set_item("log_points", report.log_points)?;
    fields.set_item("bytes", report.bytes)?;
    let one = class(py, "Unread")?;
    let unread = report.unread.iter().map(|file| {
        let fields = PyDict::new(py);
        fields.set_item("path", file.path.to_string_lossy())?;
        fields.set_item("bytes", file.bytes)?;
        fields.set_item("why", file.why)?;
        build(&one, &fields)
    });
    fields.set_item("unread", PyTuple::new(py, unread.collect::<PyResult<Vec<_>>>()?)?)?;
    build(&class(py, "Report")?, &fields)
}

pub(crate) fn reopened<'py>(
    py: Python<'py>,
    store: Bound<'py, PyAny>,
    reopened: &Reopened,
) -> PyResult<Bound<'py, PyAny>> {
    let written = |last: Option<Seq>| last.map_or(0, |seq| seq.ordinal() + 1);
    let fields = PyDict::new(py);
    fields.set_item("store", store)?;
    fields.set_item("writes_lost", written(reopened.accepted).saturating_sub(written(reopened.kept)))?;
    build(&class(py, "Reopened")?, &fields)
}

pub(crate) fn imported_events<'py>(py: Python<'py>, stats: &EventFolderStats) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("files", stats.files)?;
    fields.set_item("runs", stats.runs)?;
    fields.set_item("points", stats.points)?;
    fields.set_item("restarts", stats.restarts)?;
    fields.set_item("left_out", stats.left_out.clone())?;
    build(&class(py, "Imported")?, &fields)
}

pub(crate) fn imported_table<'py>(py: Python<'py>, stats: &ImportStats) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("files", 1)?;
    fields.set_item("runs", stats.runs)?;
    fields.set_item("points", stats.points)?;
    let left_out = PyDict::new(py);
    if stats.empty > 0 {
        left_out.set_item("empty cells", stats.empty)?;
    }
    fields.set_item("left_out", left_out)?;
    fields.set_item("remarks", PyTuple::new(py, &stats.remarks)?)?;
    build(&class(py, "Imported")?, &fields)
}

pub(crate) fn salvaged<'py>(py: Python<'py>, salvaged: &Salvaged) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("runs", salvaged.runs)?;
    fields.set_item("points", salvaged.points)?;
    fields.set_item("missing", findings(py, &salvaged.missing)?)?;
    build(&class(py, "Salvaged")?, &fields)
}

pub(crate) fn findings<'py>(py: Python<'py>, found: &[Finding]) -> PyResult<Bound<'py, PyAny>> {
    let one = class(py, "Finding")?;
    let all: Vec<Bound<'py, PyAny>> = found.iter().map(|f| finding(py, &one, f)).collect::<PyResult<_>>()?;
    Ok(PyTuple::new(py, all)?.into_any())
}

fn finding<'py>(py: Python<'py>, class: &Bound<'py, PyAny>, found: &Finding) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("kind", found.kind.as_str())?;
    fields.set_item("path", found.path.to_string_lossy())?;
    fields.set_item("offset", found.offset)?;
    fields.set_item("bytes", found.bytes)?;
    fields.set_item("frames", found.frames)?;
    fields.set_item("run", &found.run)?;
    let series =
        found.series.iter().map(|k| (k.run.to_string(), k.metric.to_string(), k.labels.as_str().to_owned()));
    fields.set_item("series", PyTuple::new(py, series.collect::<Vec<_>>())?)?;
    fields.set_item("steps", found.steps)?;
    fields.set_item("rows", found.rows)?;
    fields.set_item("message", &found.message)?;
    build(class, &fields)
}

pub(crate) fn flush_stats<'py>(py: Python<'py>, stats: &FlushStats) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("points", stats.points)?;
    fields.set_item("parts", stats.parts)?;
    build(&class(py, "FlushStats")?, &fields)
}

pub(crate) fn compact_stats<'py>(py: Python<'py>, stats: &CompactStats) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("flushed", stats.flushed)?;
    fields.set_item("parts_in", stats.parts_in)?;
    fields.set_item("parts_out", stats.parts_out)?;
    fields.set_item("points", stats.points)?;
    fields.set_item("hidden", stats.hidden)?;
    fields.set_item("dropped", stats.dropped)?;
    build(&class(py, "CompactStats")?, &fields)
}

pub(crate) fn thin_stats<'py>(py: Python<'py>, stats: &ThinStats) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("flushed", stats.flushed)?;
    fields.set_item("runs", stats.runs)?;
    fields.set_item("runs_running", stats.runs_running)?;
    fields.set_item("series", stats.series)?;
    fields.set_item("series_small", stats.series_small)?;
    fields.set_item("series_mixed", stats.series_mixed)?;
    fields.set_item("points", stats.points)?;
    fields.set_item("kept", stats.kept)?;
    fields.set_item("dropped", stats.dropped)?;
    build(&class(py, "ThinStats")?, &fields)
}

pub(crate) fn merge_stats<'py>(py: Python<'py>, stats: &MergeStats) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("runs_new", stats.runs_new)?;
    fields.set_item("runs_changed", stats.runs_changed)?;
    fields.set_item("points", stats.points)?;
    fields.set_item("renamed", stats.renamed.clone())?;
    fields.set_item("damage", findings(py, &stats.damage)?)?;
    build(&class(py, "MergeStats")?, &fields)
}

pub(crate) fn explain<'py>(py: Python<'py>, explain: &Explain) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    for (name, count) in explain.counts() {
        fields.set_item(name, count)?;
    }
    fields.set_item("text", explain.to_string())?;
    build(&class(py, "Explain")?, &fields)
}
