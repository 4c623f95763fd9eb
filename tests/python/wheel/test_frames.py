"""Answers as Arrow, pandas, Polars and NumPy: every value bit for bit, text as categories, times in UTC.

Method: edge-case values are appended, and the values that each library returns are compared bit for bit. A missing library is
simulated by a blocked import.
"""
import subprocess
import sys
import time
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import tidalite
from tidalite import _frames

# A NaN with a payload, infinities, negative zero, the smallest positive and the largest finite value.
VALUES = np.array([0x7FF8000000000123, 0x7FF0000000000000, 0xFFF0000000000000, 0x8000000000000000, 1, 0x7FEFFFFFFFFFFFFF], "u8").view("f8")
STEPS = np.array([-(2**63), -1, 0, 1, 2, 2**63 - 1])
TIMES = np.array([0, 1, 1_780_000_000_000_001, 253_402_300_799_999_999, -62_135_596_800_000_000, 5])


@pytest.fixture
def points(store):
    for run, labels in [("a", ""), ("ärün/🌊", "host=x\\,y,rank=1")]:
        data = {"run": run, "metric": "loss", "labels": labels, "step": STEPS, "time": TIMES, "value": VALUES}
        assert store.append(data) == 6
    return store.select()


def bits(values):
    return np.ascontiguousarray(values, "f8").view("u8").tolist()


def test_numpy_gives_every_bit(points):
    arrays = points.to_numpy()
    assert list(arrays) == ["run", "metric", "labels", "step", "time", "value"]
    assert bits(arrays["value"]) == bits(VALUES) * 2
    assert arrays["step"].tolist() == STEPS.tolist() * 2
    assert arrays["time"].dtype == "datetime64[us]" and arrays["time"].astype("int64").tolist() == TIMES.tolist() * 2
    assert arrays["run"].dtype == object and arrays["run"].tolist() == ["a"] * 6 + ["ärün/🌊"] * 6
    assert arrays["labels"].tolist()[-1] == "host=x\\,y,rank=1"


def test_pandas_gives_every_bit_categories_and_times_in_utc(points):
    frame = points.to_pandas()
    assert bits(frame["value"]) == bits(VALUES) * 2
    assert frame["step"].tolist() == STEPS.tolist() * 2
    assert all(isinstance(frame[name].dtype, pd.CategoricalDtype) for name in ("run", "metric", "labels"))
    assert frame["run"].tolist() == ["a"] * 6 + ["ärün/🌊"] * 6
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"
    assert frame["time"].astype("int64").tolist() == TIMES.tolist() * 2


def test_a_pandas_frame_may_be_changed(points):
    frame = points.to_pandas()
    frame.loc[0, "value"] = 5.0
    frame["step"] += 1
    assert frame["value"][0] == 5.0 and frame["step"][1] == 0
    assert bits(points.to_numpy()["value"])[0] == bits(VALUES)[0]


def test_polars_gives_every_bit_without_pyarrow(points, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame = points.to_polars()
    assert bits(frame["value"].to_numpy()) == bits(VALUES) * 2
    assert frame["step"].to_list() == STEPS.tolist() * 2
    assert frame["run"].cast(pl.String).to_list() == ["a"] * 6 + ["ärün/🌊"] * 6
    assert frame["time"].dtype == pl.Datetime("us", "UTC") and frame["time"].cast(pl.Int64).to_list() == TIMES.tolist() * 2


def test_arrow_gives_every_bit_and_dictionaries(points):
    table = points.to_arrow()
    assert bits(table["value"].to_numpy()) == bits(VALUES) * 2
    assert pa.types.is_dictionary(table.schema.field("run").type)
    assert table.schema.field("time").type == pa.timestamp("us", "UTC")
    assert table["time"].cast(pa.int64()).to_pylist() == TIMES.tolist() * 2


def test_numpy_and_pandas_have_nan_for_a_group_without_a_number(store):
    with store.run("a") as run:
        run.log({"x": float("nan"), "y": 1.5}, step=0)
    table = store.select().aggregate("mean", "argmin", "count", by="metric")
    arrays = table.to_numpy()
    assert arrays["metric"].tolist() == ["x", "y"]
    assert np.isnan(arrays["mean"][0]) and arrays["mean"][1] == 1.5
    assert np.isnan(arrays["argmin"][0]) and arrays["argmin"][1] == 0
    assert arrays["count"].dtype == "int64" and arrays["count"].tolist() == [1, 1]
    assert np.isnan(table.to_pandas()["mean"][0])


def test_numpy_texts_come_from_several_dictionaries_and_with_gaps(store):
    for name in ("b", "a"):
        store.append({"run": name, "metric": "x", "step": np.arange(200_000), "value": np.zeros(200_000)})
    batches = pa.RecordBatchReader.from_stream(store.select("x"))
    assert len({tuple(batch["run"].dictionary.to_pylist()) for batch in batches}) > 1
    assert store.select("x").to_numpy()["run"].tolist() == ["a"] * 200_000 + ["b"] * 200_000
    for name, params in [("a", {"note": "hot"}), ("b", {})]:
        store.run(name, params=params)
    found = store.select("x").aggregate("count", by="param:note").to_numpy()
    assert sorted(map(str, next(iter(found.values())))) == ["None", "hot"]


def test_an_empty_selection_has_all_columns_in_every_library(store):
    nothing = store.select("none")
    columns = ["run", "metric", "labels", "step", "time", "value"]
    assert list(nothing.to_pandas().columns) == columns and len(nothing.to_pandas()) == 0
    assert nothing.to_polars().columns == columns and nothing.to_polars().height == 0
    assert nothing.to_arrow().column_names == columns and list(nothing.to_numpy()) == columns


@pytest.mark.parametrize(("method", "library"), [("to_pandas", "pandas"), ("to_pandas", "pyarrow"), ("to_arrow", "pyarrow"), ("to_polars", "polars")])
def test_the_error_for_a_missing_library_says_how_to_install_it(points, monkeypatch, method, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{method}\(\) needs {library}, which is not installed: pip install {library}") as e:
        getattr(points, method)()
    assert e.value.name == library


def test_no_library_is_imported_before_it_is_needed():
    libraries = "numpy pandas polars pyarrow matplotlib"
    code = f"import sys, tidalite; print([m for m in '{libraries}'.split() if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_to_arrow_does_not_import_pandas(store, path, script):
    with store.run("a") as run:
        run.log({"x": 1.0})
    done = script(
        """
        import sys, tidalite
        print(tidalite.open(sys.argv[1], "r").select().to_arrow().num_rows, "pandas" in sys.modules)
        """,
        path,
    )
    assert done.stdout.split() == ["1", "False"]


def test_the_time_of_a_point_is_a_datetime_in_utc(store):
    at = datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=timezone.utc)
    with store.run("a") as run:
        run.log({"x": 1.0}, step=0, time=at)
    assert store.select().to_pandas()["time"][0] == at
    assert store.select().to_polars()["time"][0] == at
    assert store.select().to_arrow()["time"][0].as_py() == at


def test_ten_million_points_become_a_frame_in_time():
    rows, series = 10_000_000, 100
    codes = pa.array(np.repeat(np.arange(series, dtype="i4"), rows // series))
    names = pa.array([f"run-{i}" for i in range(series)])
    one = pa.array(np.zeros(rows, "i4"))
    table = pa.table(
        {
            "run": pa.DictionaryArray.from_arrays(codes, names),
            "metric": pa.DictionaryArray.from_arrays(one, pa.array(["loss"])),
            "labels": pa.DictionaryArray.from_arrays(one, pa.array([""])),
            "step": np.arange(rows),
            "time": pa.array(np.arange(rows)).cast(pa.timestamp("us", "UTC")),
            "value": np.random.default_rng(0).random(rows),
        }
    )
    # In batches, like an answer.
    batches = table.to_batches(max_chunksize=65_536)
    best = min(_seconds(pa.Table.from_batches(batches)) for _ in range(3))
    # The target is half a second on an idle machine; a busy one gets four times that.
    assert best < 2.0, f"{best:.2f} s"


def _seconds(table):
    begun = time.perf_counter()
    frame = _frames.to_pandas(table)
    taken = time.perf_counter() - begun
    assert len(frame) == 10_000_000
    return taken
