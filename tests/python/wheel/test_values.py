"""Values of answers without any other library: rows, columns, buffers, JSON, CSV and Arrow IPC.

Method: edge-case values are logged, and each way to read them gives every bit; a process without pyarrow, NumPy and pandas reads
them as well.
"""
import array
import csv
import io
import json
import math
import gc
import struct
import sys
import threading
from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pytest

import tidalite

# A NaN with a payload, infinities, negative zero, the smallest positive and the largest finite value.
VALUES = [struct.unpack("d", struct.pack("Q", b))[0] for b in (0x7FF8000000000123, 0x7FF0000000000000, 0xFFF0000000000000, 1 << 63, 1, 0x7FEFFFFFFFFFFFFF)]
STEPS = [-(2**63), -1, 0, 1, 2, 2**63 - 1]
TIMES = [0, 1, 1_780_000_000_000_001, 253_402_300_799_999_999, -62_135_596_800_000_000, 5]


def plain(rows):
    """Rows in a form in which NaN equals itself and a time does not depend on who implements its zone."""
    return [{name: v.isoformat() if isinstance(v, datetime) else repr(v) for name, v in row.items()} for row in rows]


def bits(values):
    return [struct.pack("d", v) for v in values]


@pytest.fixture
def points(store):
    run = store.run("ärün/🌊", labels={"host": "x,y"})
    for step, time, value in zip(STEPS, TIMES, VALUES):
        run.log({"loss": value}, step=step, time=time)
    return store.select(runs=tidalite.exact("ärün/🌊")).points()


@pytest.fixture
def gaps(store):
    """An answer with missing values: a metric that has only NaN has neither a mean nor a step of its least value."""
    with store.run("a") as run:
        run.log({"x": math.nan, "y": 1.5}, step=7)
    return store.select(runs="a").aggregate("mean", "argmin", "time_last", "count", by="metric")


@pytest.fixture
def long(store):
    with store.run("a") as run:
        for step in range(10_000):
            run.log({"x": step / 2}, step=step)
    return store.select("x").points()


def test_rows_are_dicts_with_every_bit(points):
    rows = points.to_dicts()
    assert bits(row["value"] for row in rows) == bits(VALUES)
    assert [row["step"] for row in rows] == STEPS
    assert {(row["run"], row["metric"], row["labels"]) for row in rows} == {("ärün/🌊", "loss", "host=x\\,y")}
    assert rows[2]["time"] == datetime(2026, 5, 28, 20, 26, 40, 1, tzinfo=timezone.utc)
    assert rows[4]["time"] == datetime(1, 1, 1, tzinfo=timezone.utc)
    assert repr(list(points)) == repr(rows)


def test_a_dict_has_the_columns_as_lists(points, gaps):
    columns = points.to_dict()
    assert list(columns) == points.columns == ["run", "metric", "labels", "step", "time", "value"]
    assert columns["step"] == STEPS and bits(columns["value"]) == bits(VALUES)
    whole = gaps.to_dict()
    assert whole["metric"] == ["x", "y"] and whole["mean"] == [None, 1.5] and whole["argmin"] == [None, 7]


def test_types_are_told(points, gaps):
    text = {"run": "text", "metric": "text", "labels": "text"}
    assert points.types == {**text, "step": "int64", "time": "time", "value": "float64"}
    assert {name: gaps[name].type for name in gaps.columns} == gaps.types


def test_rows_are_found_by_index_and_slice(long):
    # The first ones are read without the others.
    assert [row["step"] for row in long[2:5]] == [2, 3, 4]
    assert long[0]["step"] == 0 and long[9_999]["step"] == 9_999
    assert long[-1]["step"] == 9_999 and [row["step"] for row in long[-2:]] == [9_998, 9_999]
    steps = list(range(10_000))
    for picked in (slice(None), slice(5, 5), slice(9_998, 20_000), slice(None, None, -1), slice(1, 9, 3), slice(-3, None), slice(7, 3), slice(20_000, None)):
        assert long[picked]["step"].to_list() == steps[picked], picked
    assert len(long[10:20]) == 10 and long[10:20].columns == long.columns and long[10:20].kind == "points"
    for index in (10_000, -10_001):
        with pytest.raises(IndexError, match="there are 10000 rows"):
            long[index]


def test_a_loop_goes_over_all_rows_as_they_are_read(long):
    assert [row["step"] for row in long] == list(range(10_000))
    rows = iter(long)
    assert next(rows)["step"] == 0 and next(rows)["step"] == 1


def test_points_are_read_anew_until_a_column_is_kept(store, long):
    run = store.run("b")
    run.log({"x": 1.0})
    assert len(long) == 10_001 and len(long.to_dicts()) == 10_001
    assert len(long["value"]) == 10_001
    run.log({"x": 2.0})
    assert len(long) == len(long["step"]) == len(long.to_dicts()) == 10_001
    assert len(store.select("x").points()) == 10_002


def test_a_column_is_a_sequence(long):
    column = long["value"]
    assert (column.name, column.type, len(column), column.null_count) == ("value", "float64", 10_000, 0)
    assert column[0] == 0.0 and column[-1] == 4999.5 and column[:3].to_list() == [0.0, 0.5, 1.0]
    assert column[::-4000].to_list() == [4999.5, 2999.5, 999.5]
    assert list(column) == column.to_list() == [step / 2 for step in range(10_000)]
    assert repr(column) == "<tidalite.Column \"value\" of 10000 × float64: [0.0, 0.5, 1.0, 1.5, 2.0, …, 4997.5, 4998.0, 4998.5, 4999.0, 4999.5]>"
    with pytest.raises(IndexError, match="there is no row 10000: there are 10000 rows"):
        column[10_000]
    with pytest.raises(TypeError, match="an int or a slice"):
        column["value"]


def test_a_buffer_shares_the_memory(store, long):
    store.flush()
    column = store.select("x").aggregate("count", "mean", by=tidalite.step_bucket(10))["mean"]
    view = memoryview(column)
    assert (view.format, view.itemsize, view.shape, view.strides, view.readonly) == ("d", 8, (1000,), (8,), True)
    assert view[3] == column[3] and view.tolist() == column.to_list()
    one, other = np.asarray(column), np.asarray(column)
    assert np.shares_memory(one, other) and one.dtype == "float64" and not one.flags.writeable
    # A slice shares it as well, and a view keeps the values after the column has gone.
    assert np.shares_memory(one, np.asarray(column[10:20]))
    expected = column.to_list()
    del column, other
    assert one.tolist() == expected
    assert array.array("d", view) == array.array("d", expected)
    assert struct.unpack("1000d", bytes(view)) == tuple(expected)


def test_buffers_have_steps_and_times_as_integers(points):
    assert memoryview(points["step"]).tolist() == STEPS
    times = memoryview(points["time"])
    assert times.itemsize == 8 and times.tolist() == TIMES
    assert np.asarray(points["value"]).tobytes() == b"".join(bits(VALUES))


def test_an_empty_column_has_a_buffer(store):
    column = store.select("none").points()["value"]
    assert len(column) == 0 and memoryview(column).tolist() == [] and column.to_list() == []
    assert np.asarray(column).shape == (0,)


def test_what_has_no_buffer_says_why(points, gaps):
    for table, name, why in [(points, "run", "is text"), (gaps, "metric", "is text"), (gaps, "mean", "has a missing value")]:
        with pytest.raises(BufferError, match=f'column "{name}" {why}.*to_list'):
            memoryview(table[name])
    # `readinto` asks for a buffer that it may write to.
    with pytest.raises(TypeError, match="read-write"):
        io.BytesIO(b"12345678").readinto(points["value"])


def test_booleans_come_from_params(store):
    for name, params in [("a", {"ok": True}), ("b", {"ok": False}), ("c", {})]:
        store.run(name, params=params).log({"x": 1.0})
    table = store.select("x").aggregate("count", by="param:ok")
    column = table["param:ok"] if "param:ok" in table.columns else table[table.columns[0]]
    assert column.type == "bool" and sorted(map(str, column)) == ["False", "None", "True"]
    with pytest.raises(BufferError, match="booleans"):
        memoryview(column)
    assert '"ok' in table.to_json() or "true" in table.to_json()


def test_a_wrong_key_names_what_there_is(points):
    with pytest.raises(KeyError, match="there is no column \\\\?\"valeu\\\\?\"; name any of run, metric, labels, step, time, value"):
        points["valeu"]
    with pytest.raises(TypeError, match="an int or a slice"):
        points[1.5]


def test_json_is_a_list_of_objects_or_lines(points, gaps):
    rows = json.loads(points.to_json())
    assert [row["value"] for row in rows] == ["NaN", "Infinity", "-Infinity", -0.0, 5e-324, 1.7976931348623157e308]
    assert [row["step"] for row in rows] == STEPS
    assert rows[2]["time"] == "2026-05-28T20:26:40.000001Z"
    assert [json.loads(line) for line in points.to_json(lines=True).splitlines()] == rows
    assert json.loads(gaps.to_json())[0]["mean"] is None
    assert gaps[:0].to_json() == "[]\n" and gaps[:0].to_json(lines=True) == ""


def test_csv_has_a_header_and_empty_cells(points, gaps):
    rows = list(csv.DictReader(io.StringIO(points.to_csv())))
    assert [row["value"] for row in rows] == ["NaN", "inf", "-inf", "-0.0", "5e-324", "1.7976931348623157e308"]
    assert rows[0]["labels"] == "host=x\\,y"
    assert list(csv.DictReader(io.StringIO(gaps.to_csv())))[0]["mean"] == ""
    assert gaps[:0].to_csv() == "metric,mean,argmin,time_last,count\n"


def test_ipc_reads_back(points, gaps, tmp_path):
    for table in (points, gaps):
        same = pa.ipc.open_stream(table.to_ipc()).read_all()
        assert same.column_names == table.columns and plain(same.to_pylist()) == plain(table.to_dicts())
        table.to_ipc(tmp_path / "table.arrow")
        assert pa.ipc.open_file(tmp_path / "table.arrow").read_all().num_rows == len(table)


def test_files_have_what_is_returned_and_are_imported(store, long, tmp_path):
    for method, name in [("to_csv", "p.csv"), ("to_json", "p.jsonl")]:
        options = {"lines": True} if method == "to_json" else {}
        file = tmp_path / name
        file.write_text("older")
        assert getattr(long, method)(file, **options) is None
        assert file.read_text() == getattr(long, method)(**options)
    assert sorted(p.name for p in tmp_path.glob(".*")) == []


def test_a_file_that_cannot_be_written_is_left_alone(points, tmp_path):
    with pytest.raises(tidalite.Invalid, match="folder"):
        points.to_csv(tmp_path)
    with pytest.raises(tidalite.Error, match="absent"):
        points.to_csv(tmp_path / "absent" / "p.csv")
    assert not (tmp_path / "absent").exists()


def test_damage_leaves_no_file_and_shows_in_a_repr(store, path, tmp_path, long):
    store.flush()
    part = next((path / "parts").glob("*.parquet"))
    data = bytearray(part.read_bytes())
    for at in range(8, len(data) // 2):
        data[at] ^= 0x55
    part.write_bytes(data)
    with tidalite.open(path, "r") as fresh:
        table = fresh.select("x").points()
        with pytest.raises(tidalite.Corrupt):
            table.to_csv(tmp_path / "p.csv")
        with pytest.raises(tidalite.Corrupt):
            table["value"]
        with pytest.raises(tidalite.Corrupt):
            list(table)
        assert "cannot be read" in repr(table) and part.name in repr(table)
        left = fresh.select("x", on_damage="report").points()[:5]
        assert left.damage
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics"]


def test_a_repr_shows_the_first_rows(long, gaps):
    lines = repr(long[:3]).splitlines()
    assert lines[0] == "<tidalite.Table of points: 3 rows>" and len(lines) == 6
    assert lines[1].split() == ["run", "metric", "labels", "step", "time", "value"]
    assert lines[-1].startswith("a") and lines[-1].endswith("1") and len({len(line) for line in lines[3:]}) == 1
    assert repr(long).splitlines()[-1] == "… and 9990 more" and len(repr(long).splitlines()) == 14
    assert repr(gaps).splitlines()[-2:] and "1.5" in repr(gaps)


def test_numpy_arrays_may_be_changed_and_have_nan_for_gaps(points, gaps):
    arrays = points.to_numpy()
    arrays["value"][0] = 1.0
    assert math.isnan(points["value"][0])
    assert points["time"].to_numpy().dtype == "datetime64[us]"
    assert points["run"].to_numpy().dtype == object
    argmin = gaps["argmin"].to_numpy()
    assert argmin.dtype == "float64" and math.isnan(argmin[0]) and argmin[1] == 7
    assert gaps["time_last"].to_numpy().dtype == "datetime64[us]"


def test_no_other_library_is_imported(path, script):
    done = script(
        """
        import sys
        for name in ("numpy", "pandas", "pyarrow", "polars"):
            sys.modules[name] = None
        import tidalite
        with tidalite.open(sys.argv[1]) as store, store.run("a") as run:
            for step in range(100):
                run.log({"loss": step / 4}, step=step)
            table = store.select("loss").points()
            assert sum(table["value"]) == sum(row["value"] for row in table) == 1237.5
            assert len(memoryview(table["value"])) == len(table.to_dict()["run"]) == 100
            assert table.to_csv().count("\\n") == 101 and table.to_ipc() and table.to_json()
            assert "100 rows" in repr(table) and "<table" in table._repr_html_() and "<svg" in store.select()._repr_html_()
            assert store.select().latest()[0]["value"] == 24.75
        """,
        path,
    )
    assert done.stderr == ""


def test_numpy_needs_no_other_library(path, script):
    script(
        """
        import sys
        sys.modules["pyarrow"] = None
        import tidalite
        with tidalite.open(sys.argv[1]) as store:
            store.run("a").log({"loss": 1.0})
            assert store.select("loss").to_numpy()["value"].tolist() == [1.0]
        assert "pandas" not in sys.modules
        """,
        path,
    )


def test_threads_that_share_an_iteration_see_no_row_twice(long):
    rows = iter(long)
    seen, errors = [], []

    def read():
        try:
            for row in rows:
                seen.append(row["step"])
        except RuntimeError as e:
            errors.append(e)

    threads = [threading.Thread(target=read) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    # A thread that comes while another reads is refused. No row comes twice.
    assert len(seen) == len(set(seen)) and (errors or len(seen) == 10_000)


def test_a_released_view_releases_its_column(long):
    view = memoryview(long["value"])
    before = sys.getrefcount(view.obj)
    for _ in range(100):
        memoryview(view.obj).release()
    gc.collect()
    after = sys.getrefcount(view.obj)
    assert after == before
