"""Bulk append from every source of columns. A batch is appended whole or not at all; errors name the wrong column."""
import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tidalite

N = 5000
STEPS = np.arange(N)
VALUES = np.sin(STEPS / 100)
TIMES = np.datetime64("2026-01-01T00:00:00", "us") + STEPS.astype("timedelta64[ms]")


def columns():
    return {"run": ["r"] * N, "metric": ["m"] * N, "step": STEPS, "time": TIMES, "value": VALUES}


def arrow():
    return pa.table({**columns(), "time": pa.array(TIMES, pa.timestamp("us", "UTC"))})


def from_duckdb():
    points = arrow()  # noqa: F841 - DuckDB finds it by its name
    return duckdb.sql("select * from points")


SOURCES = {
    "pyarrow table": arrow,
    "pyarrow batch": lambda: arrow().to_batches()[0],
    "pyarrow reader": lambda: pa.RecordBatchReader.from_batches(arrow().schema, arrow().to_batches(max_chunksize=100)),
    "pyarrow, times in ns": lambda: arrow().set_column(3, "time", arrow()["time"].cast(pa.timestamp("ns", "UTC"))),
    "polars": lambda: pl.from_arrow(arrow()),
    "pandas": lambda: pd.DataFrame({**columns(), "time": pd.to_datetime(TIMES, utc=True)}),
    "pandas, categories": lambda: pd.DataFrame({**columns(), "time": pd.to_datetime(TIMES, utc=True)}).astype({"run": "category", "metric": "category"}),
    "duckdb": from_duckdb,
    "numpy": columns,
    "numpy, one text for all": lambda: {**columns(), "run": "r", "metric": "m"},
    "numpy, text arrays": lambda: {**columns(), "run": np.array(["r"] * N), "metric": np.array(["m"] * N, object)},
    "numpy, other types": lambda: {**columns(), "step": STEPS.astype("int32"), "value": VALUES},
    "numpy, strided": lambda: {**columns(), "step": np.repeat(STEPS, 2)[::2], "value": np.repeat(VALUES, 2)[::2]},
    "lists": lambda: {**columns(), "step": STEPS.tolist(), "value": VALUES.tolist(), "time": [t for t in TIMES.astype(dt.datetime)]},
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_of_columns_gives_the_same_points(store, source):
    assert store.append(SOURCES[source]()) == N
    got = store.select("m", runs="r").to_numpy()
    assert (got["step"] == STEPS).all() and (got["value"] == VALUES).all() and (got["time"] == TIMES).all()


def test_numbers_of_every_type_are_values(store):
    for i, kind in enumerate(["float32", "float16", "int8", "uint64", "bool", "int64"]):
        values = np.array([0, 1, 1], kind)
        assert store.append({"run": "r", "metric": kind, "step": [0, 1, 2], "value": values}) == 3
        assert store.select(kind).to_numpy()["value"].tolist() == [0.0, 1.0, 1.0], i


def test_nan_from_pandas_is_nan_not_missing(store):
    frame = pd.DataFrame({"run": "r", "metric": "m", "step": [0, 1, 2], "value": [1.0, float("nan"), 3.0]})
    assert store.append(frame) == 3
    assert np.isnan(store.select("m").to_numpy()["value"]).tolist() == [False, True, False]


def test_labels_are_given_as_text(store):
    store.append({"run": "r", "metric": "m", "labels": ["rank=0", "rank=1"], "step": [0, 0], "value": [1.0, 2.0]})
    assert store.select("m", labels={"rank": 1}).to_numpy()["value"].tolist() == [2.0]


def test_the_default_time_is_now(store):
    before = np.datetime64(dt.datetime.now(dt.timezone.utc).replace(tzinfo=None), "us") - np.timedelta64(1, "s")
    store.append({"run": "r", "metric": "m", "step": [0], "value": [1.0]})
    assert store.select("m").to_numpy()["time"][0] >= before


def test_without_steps_rows_count_on_in_order_of_time_and_replace_nothing(store):
    for _ in range(2):
        assert store.append({"run": "r", "metric": "m", "time": [30, 10, 20], "value": [3.0, 1.0, 2.0]}) == 3
    got = store.select("m").to_numpy()
    assert got["step"].tolist() == [0, 1, 2, 3, 4, 5] and got["value"].tolist() == [1, 2, 3] * 2
    with store.run("r") as run:
        run.log({"m": 9.0})
    assert store.select("m").to_numpy()["step"].tolist()[-1] == 6


WRONG = {
    "no value": ({"run": "r", "metric": "m", "step": [1]}, "value"),
    "unknown column": ({**columns(), "vlaue": VALUES}, "vlaue"),
    "steps that are floats": ({**columns(), "step": STEPS * 1.0}, "step"),
    "values that are text": ({**columns(), "value": ["x"] * N}, "value"),
    "values that are objects": ({**columns(), "value": np.array([None] * N, object)}, "value"),
    "columns of two lengths": ({**columns(), "value": VALUES[:-1]}, "equal length"),
    "two dimensions": ({**columns(), "value": VALUES.reshape(-1, 1)}, "dimension"),
    "a step beyond 64 bits": ({**columns(), "step": np.full(N, 2**64 - 1, "uint64")}, "64 bits"),
    "NaT": ({**columns(), "time": np.full(N, np.datetime64("NaT", "us"))}, "NaT"),
    "a run that is not text": ({**columns(), "run": [3] * N}, "run"),
    "an empty name": ({**columns(), "metric": [""] * N}, "row 0"),
    "a null": (lambda: arrow().set_column(4, "value", pa.array([None] + VALUES[1:].tolist())), "null in row 0"),
    "a time out of range": ({**columns(), "time": np.full(N, 10**18)}, "row 0"),
    "no columns at all": ({}, "no column"),
    "no table": (3.0, "Arrow"),
    "a list": ([1, 2], "Arrow"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_error_names_the_wrong_column_and_nothing_is_appended(store, wrong):
    data, word = WRONG[wrong]
    with pytest.raises((tidalite.Invalid, TypeError), match=word):
        store.append(data() if callable(data) else data)
    assert store.metrics() == []


def test_an_error_late_in_a_stream_reports_the_rows_in_the_store(store):
    def batches():
        yield from arrow().to_batches()
        for _ in range(210):
            yield arrow().to_batches()[0].set_column(1, "metric", pa.array(["other"] * N))
        raise RuntimeError("the source broke")

    reader = pa.RecordBatchReader.from_batches(arrow().schema, batches())
    with pytest.raises(tidalite.Invalid, match=r"(?s)the source broke.*; the \d+ rows of the stream before"):
        store.append(reader)
    held = len(store.select().points())
    assert held > 0 and len(store.select("m").points()) == N


def test_a_large_batch_is_complete_and_survives_a_close(path):
    n = 300_000
    with tidalite.open(path) as store:
        assert store.append({"run": "r", "metric": "m", "step": np.arange(n), "value": np.arange(n) * 0.5}) == n
    with tidalite.open(path, "r") as store:
        got = store.select("m").aggregate("count", "sum", "last").to_numpy()
        assert (got["count"][0], got["sum"][0], got["last"][0]) == (n, n * (n - 1) / 4, (n - 1) * 0.5)
