"""Runs as tables: one row per run, one typed column per field, label and param."""
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .._optional import need

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from .run_info import RunInfo


class _Column(NamedTuple):
    name: str
    kind: str
    """`text`, `texts`, `int`, `ints`, `float`, `bool`, `time`, `duration`, or `mixed` for anything else."""
    values: list[Any]


def to_pandas(runs: Sequence[RunInfo]) -> pandas.DataFrame:
    """Whole numbers and booleans with gaps use pandas' nullable types, so that no digit is lost."""
    pd = need("pandas", "to_pandas()")
    plain = {"int": "int64", "bool": "bool"}
    gaps = {"int": "Int64", "bool": "boolean"}
    text = "str" if int(pd.__version__.partition(".")[0]) >= 3 else object
    fixed = {"text": text, "texts": object, "ints": object, "float": "float64", "time": "datetime64[us, UTC]", "mixed": object}
    fixed["duration"] = "timedelta64[us]"

    def series(column: _Column) -> Any:
        dtype = fixed.get(column.kind) or (gaps if None in column.values else plain)[column.kind]
        return pd.Series(column.values, dtype=dtype)

    frame: pandas.DataFrame = pd.DataFrame({column.name: series(column) for column in _columns(runs)})
    return frame


def to_arrow(runs: Sequence[RunInfo]) -> pyarrow.Table:
    """A param with values of several types, or of lists or dicts, is JSON text."""
    pa = need("pyarrow", "to_arrow()")
    types = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "int": pa.int64(),
        "ints": pa.list_(pa.int64()),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", "UTC"),
        "duration": pa.duration("us"),
        "mixed": pa.string(),
    }
    # NaN is a value of a param, not a gap.
    table: pyarrow.Table = pa.table({c.name: pa.array(_plain(c), types[c.kind], from_pandas=False) for c in _columns(runs)})
    return table


def to_polars(runs: Sequence[RunInfo]) -> polars.DataFrame:
    """The same columns as `to_arrow`."""
    pl = need("polars", "to_polars()")
    types = {
        "text": pl.String,
        "texts": pl.List(pl.String),
        "int": pl.Int64,
        "ints": pl.List(pl.Int64),
        "float": pl.Float64,
        "bool": pl.Boolean,
        "time": pl.Datetime("us", "UTC"),
        "duration": pl.Duration("us"),
        "mixed": pl.String,
    }
    frame: polars.DataFrame = pl.DataFrame([pl.Series(c.name, _plain(c), types[c.kind]) for c in _columns(runs)])
    return frame


def _columns(runs: Sequence[RunInfo]) -> list[_Column]:
    def field(name: str, kind: str, get: Callable[[RunInfo], Any]) -> _Column:
        return _Column(name, kind, [get(run) for run in runs])

    labels = sorted({key for run in runs for key in run.labels})
    params = sorted({key for run in runs for key in run.params})
    totals = [
        field("series", "int", lambda run: run.series),
        field("points", "int", lambda run: run.points),
        field("last_step", "int", lambda run: run.last_step),
        field("last_time", "time", lambda run: run.last_time),
    ]
    return [
        field("id", "text", lambda run: run.id),
        field("name", "text", lambda run: run.name),
        field("group", "text", lambda run: run.group),
        field("status", "text", lambda run: run.status),
        field("reason", "text", lambda run: run.reason),
        field("started", "time", lambda run: run.started),
        field("ended", "time", lambda run: run.ended),
        field("duration", "duration", lambda run: run.duration),
        field("participants", "int", lambda run: len(run.participants)),
        *(totals if any(run.points is not None for run in runs) else []),
        field("parent", "text", lambda run: run.parent),
        field("parent_step", "int", lambda run: run.parent_step),
        field("rewinds", "ints", lambda run: list(run.rewinds)),
        field("tags", "texts", lambda run: list(run.tags)),
        field("notes", "text", lambda run: run.notes),
        *(_Column(f"labels.{key}", "text", [run.labels.get(key) for run in runs]) for key in labels),
        *(_param(f"params.{key}", [run.params.get(key) for run in runs]) for key in params),
    ]


def _param(name: str, values: list[Any]) -> _Column:
    types = {type(value) for value in values if value is not None}
    if types == {int, float}:
        return _Column(name, "float", [None if value is None else float(value) for value in values])
    kinds = {bool: "bool", int: "int", float: "float", str: "text"}
    return _Column(name, kinds.get(types.pop(), "mixed") if len(types) == 1 else "mixed", values)


def _plain(column: _Column) -> list[Any]:
    if column.kind != "mixed":
        return column.values
    return [None if value is None else json.dumps(value, ensure_ascii=False) for value in column.values]
