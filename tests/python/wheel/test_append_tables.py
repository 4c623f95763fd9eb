"""Bulk append of tables with columns of labels and metrics, of missing values, of times of every kind, and of numbers that do not fit."""
import datetime as dt
import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tidalite

STEPS = [0, 0, 1, 1]
HOSTS = ["a", "b", "a", "b"]
GPUS = [0, 1, 0, 1]
LOSS = [0.5, 0.6, 0.4, 0.3]
ACC = [1, 2, 3, 4]


def columns():
    return {"step": STEPS, "host": HOSTS, "gpu": GPUS, "loss": LOSS, "acc": ACC, "note": ["x"] * 4}


WIDE = {
    "dict of lists": columns,
    "dict of arrays": lambda: {name: np.array(column) for name, column in columns().items()},
    "dict of series": lambda: {name: pd.Series(column) for name, column in columns().items()},
    "dict of Arrow arrays": lambda: {name: pa.array(column) for name, column in columns().items()},
    "dict of Polars series": lambda: {name: pl.Series(column) for name, column in columns().items()},
    "pandas": lambda: pd.DataFrame(columns()),
    "polars": lambda: pl.DataFrame(columns()),
    "pyarrow": lambda: pa.table(columns()),
}


def values(store, metric, **labels):
    return store.select(metric, labels=labels or None).to_numpy()["value"].tolist()


@pytest.mark.parametrize("source", WIDE)
def test_a_wide_table_has_columns_of_labels_and_metrics(store, source):
    assert store.append(WIDE[source](), run="r", labels=["host", "gpu"], metrics=["loss", "acc"]) == 8
    assert store.metrics() == ["acc", "loss"]
    assert values(store, "loss", host="a", gpu=0) == [0.5, 0.4]
    assert values(store, "acc", host="b", gpu=1) == [2.0, 4.0]


def test_all_other_columns_are_metrics_if_none_are_named(store):
    frame = pd.DataFrame(columns()).drop(columns="note")
    assert store.append(frame, run="r", labels=["host", "gpu"]) == 8
    with pytest.raises(tidalite.Invalid, match='"note"'):
        store.append(pa.table(columns()), run="s", labels=["host", "gpu"])
    with pytest.raises(tidalite.Invalid, match="there is no column"):
        store.append(frame, run="s", labels=["hsot"])
    with pytest.raises(TypeError, match="labls"):
        store.append(frame, run="s", labls=["host"])
    assert store.runs().ids == ["r"]


MISSING = {
    "masked array": lambda: {"value": np.ma.masked_array([1, 99, 3], [False, True, False])},
    "masked floats": lambda: {"value": np.ma.masked_array([1.0, 99.0, 3.0], [False, True, False])},
    "pandas Int64": lambda: {"value": pd.array([1, None, 3], "Int64")},
    "pandas Float64": lambda: {"value": pd.Series([1.0, None, 3.0], dtype="Float64")},
    "pandas boolean": lambda: {"value": pd.Series([True, None, True], dtype="boolean")},
    "Arrow ints": lambda: {"value": pa.array([1, None, 3])},
    "Arrow floats": lambda: {"value": pa.chunked_array([[1.0], [None, 3.0]])},
    "Polars": lambda: {"value": pl.Series([1.0, None, 3.0])},
}


@pytest.mark.parametrize("source", MISSING)
def test_a_missing_value_is_refused_or_skipped_and_never_a_number(store, source):
    points = {"run": "r", "metric": "m", "step": [0, 1, 2], **MISSING[source]()}
    with pytest.raises(tidalite.Invalid, match="row 1"):
        store.append(points)
    assert store.metrics() == []
    assert store.append(points, missing="skip") == 2
    assert store.select("m").to_numpy()["step"].tolist() == [0, 2]
    wide = {"step": [0, 1, 2], "x": points["value"]}
    assert store.append(wide, run="w", metrics=["x"]) == 2
    with pytest.raises(tidalite.Invalid, match="no value"):
        store.append(wide, run="v", metrics=["x"], missing="refuse")


@pytest.mark.parametrize("kind", ["Int64", "Float64", "boolean", "double[pyarrow]"])
def test_missing_values_of_nullable_frames_are_missing(store, kind):
    frame = pd.DataFrame({"run": "r", "metric": "m", "step": [0, 1], "value": pd.array([1, None], kind)})
    with pytest.raises(tidalite.Invalid, match="row 1"):
        store.append(frame)
    assert store.append(frame, missing="skip") == 1


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_nan_of_a_float_frame_is_nan(store, kind):
    frame = pd.DataFrame({"run": "r", "metric": "m", "step": [0, 1], "value": np.array([1, np.nan], kind)})
    assert store.append(frame) == 2
    got = values(store, "m")
    assert got[0] == 1.0 and math.isnan(got[1])
    assert store.append(frame.rename(columns={"value": "x"})[["step", "x"]], run="w", metrics=["x"], nan_is_missing=True) == 1


AT = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc)
TIMES = {
    "zone-aware series": lambda: pd.Series(pd.to_datetime([AT, AT]).tz_convert("Europe/Berlin")),
    "zone-aware index": lambda: pd.to_datetime([AT, AT]).tz_convert("Asia/Tokyo"),
    "list of pandas timestamps": lambda: [pd.Timestamp(AT).tz_convert("Asia/Tokyo")] * 2,
    "list of datetimes": lambda: [AT, AT],
    "numpy seconds": lambda: np.array(["2026-01-01T12:00:00"] * 2, "datetime64[s]"),
    "numpy hours": lambda: np.array(["2026-01-01T12"] * 2, "datetime64[h]"),
    "numpy picoseconds": lambda: np.array(["1970-01-01T00:00:00"] * 2, "datetime64[ps]"),
    "arrow": lambda: pa.array([AT, AT], pa.timestamp("ns", "UTC")),
    "polars": lambda: pl.Series([AT, AT]),
}


@pytest.mark.parametrize("source", TIMES)
def test_times_of_every_kind_are_instants(store, source):
    store.append({"run": "r", "metric": "m", "step": [0, 1], "time": TIMES[source](), "value": [1.0, 2.0]})
    wanted = np.datetime64("1970-01-01" if "pico" in source else "2026-01-01T12:00:00", "us")
    assert (store.select("m").to_numpy()["time"] == wanted).all()


def test_nanoseconds_before_1970_are_rounded_down(store):
    times = np.array([-1, -1000, -1001], "datetime64[ns]")
    arrow = pa.array(times)
    frame = pd.DataFrame({"run": "r", "metric": "frame", "step": [0, 1, 2], "time": times, "value": [1.0] * 3})
    store.append(frame)
    for metric, column in [("numpy", times), ("arrow", arrow)]:
        store.append({"run": "r", "metric": metric, "step": [0, 1, 2], "time": column, "value": [1.0] * 3})
    for metric in ["frame", "numpy", "arrow"]:
        got = store.select(metric).to_numpy()["time"].astype("int64").tolist()
        assert got == [-1, -1, -2], metric


@pytest.mark.parametrize("time", [
    np.array(["NaT"], "datetime64[ns]"), pd.Series([pd.NaT]), [pd.NaT], pa.array([None], pa.timestamp("us")),
    np.array([2**62], "datetime64[s]"), np.array([10**15], "datetime64[D]"), np.array([10**6], "datetime64[Y]"),
    [np.datetime64(2**62, "s")], [np.datetime64("NaT")],
], ids=str)
def test_nat_and_times_that_do_not_fit_are_refused(store, time):
    with pytest.raises(tidalite.Invalid, match="NaT|null|no time|years 1 to 9999"):
        store.append({"run": "r", "metric": "m", "step": [0], "time": time, "value": [1.0]})
    assert store.metrics() == []


BIG = 2**53 + 1
UNFIT = {
    "int64": lambda: np.array([BIG]),
    "uint64": lambda: np.array([2**64 - 1], "uint64"),
    "list": lambda: [BIG],
    "pandas": lambda: pd.Series([BIG]),
    "arrow": lambda: pa.array([BIG]),
    "complex": lambda: np.array([1 + 2j]),
}


@pytest.mark.parametrize("source", UNFIT)
def test_numbers_that_do_not_fit_are_refused_everywhere(store, source):
    with pytest.raises((tidalite.Invalid, TypeError), match="value"):
        store.append({"run": "r", "metric": "m", "step": [0], "value": UNFIT[source]()})
    with pytest.raises((tidalite.Invalid, TypeError), match="x"):
        store.append({"step": [0], "x": UNFIT[source]()}, run="r", metrics=["x"])
    assert store.metrics() == []


@pytest.mark.skipif(np.finfo(np.longdouble).max <= np.finfo(float).max, reason="longdouble is a float64 here")
def test_a_longdouble_beyond_the_range_is_refused(store):
    for value in [np.array([np.longdouble("1e400")]), np.array([np.inf, np.longdouble("-1e400")])]:
        with pytest.raises(tidalite.Invalid, match="range"):
            store.append({"run": "r", "metric": "m", "step": list(range(len(value))), "value": value})
    assert store.append({"run": "r", "metric": "m", "step": [0, 1], "value": np.array([0.5, np.inf], np.longdouble)}) == 2
    with store.run("l") as run, pytest.raises(TypeError, match="range"):
        run.log({"x": np.longdouble("1e400")})


def test_log_refuses_numbers_that_do_not_fit(store):
    with store.run("r") as run:
        for value in [BIG, np.int64(BIG), np.uint64(2**64 - 1), 1 + 2j, np.complex128(1)]:
            with pytest.raises(TypeError, match="'x'|\"x\""):
                run.log({"x": value})
        run.log({"x": 2**53, "y": np.int64(2**60), "z": 2.0**80})
    assert values(store, "y") == [2.0**60]


def test_a_column_that_is_taken_as_the_step_is_named_in_a_warning(store):
    frame = pd.DataFrame({"epoch": [1, 2], "loss": [0.5, 0.25]})
    with pytest.warns(UserWarning, match='took column "epoch" as step'):
        assert store.append(frame, run="a") == 2
    assert store.select("loss").to_numpy()["step"].tolist() == [1, 2]


def test_nan_of_a_float_frame_is_said_to_be_a_value(store):
    frame = pd.DataFrame({"step": [1, 2], "loss": [0.5, math.nan]})
    with pytest.warns(UserWarning, match="1 NaN were stored as values; give nan_is_missing=True"):
        assert store.append(frame, run="a") == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.append(frame, run="b", nan_is_missing=True) == 1


@pytest.mark.parametrize(("name", "numbers"), [("timestamp", [1_748_464_000, 1_748_464_001]), ("_timestamp", [1_748_464_000_000, 1_748_464_001_000])])
def test_numbers_in_a_column_of_times_of_another_program_have_its_unit(store, name, numbers):
    with pytest.warns(UserWarning, match=f'took column "{name}" as time'):
        store.append({name: np.array(numbers), "loss": [1.0, 2.0]}, run="r")
    times = store.select("loss").to_numpy()["time"]
    assert times.tolist() == [np.datetime64(1_748_464_000 + i, "s").astype("M8[us]").tolist() for i in range(2)]


def test_a_header_of_several_words_is_recognised(store):
    with pytest.warns(UserWarning, match='took column "Global Step" as step'):
        store.append({"Global Step": [7, 9], "loss": [1.0, 2.0]}, run="r")
    assert store.select("loss").to_numpy()["step"].tolist() == [7, 9]
