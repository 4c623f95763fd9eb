"""The files are the truth: SQL over the Parquet files gives what a selection gives.

Method: a store with repeats, rewinds, deletions, labels, automatic steps, NaN, forks and two writers is compared with DuckDB and
pyarrow over `parts/*.parquet` after a compaction, and over `parquet_files()` at any time, before and after further rewinds.
"""
import math
import os
import struct

import duckdb
import numpy as np
import pyarrow.dataset as ds
import pytest

import tidalite

SQL = "select run, metric, labels, step, epoch_us(time), value from read_parquet($1)"


def plain(rows):
    """Rows in order, each value by its bits."""
    return sorted((*row[:5], struct.pack("<d", row[5])) for row in rows)


def with_duckdb(files):
    return plain(duckdb.connect().execute(SQL, [files]).fetchall()) if files else []


def with_pyarrow(files):
    table = ds.dataset(files, format="parquet").to_table() if files else None
    if table is None:
        return []
    times = table["time"].cast("int64").to_pylist()
    texts = [table[name].cast("string").to_pylist() for name in ("run", "metric", "labels")]
    return plain(zip(*texts, table["step"].to_pylist(), times, table["value"].to_pylist()))


def selected(store, **rules):
    columns = store.select(history="own", **rules).to_numpy()
    labels = [str(text) for text in columns["labels"]]
    times = columns["time"].astype("datetime64[us]").astype("int64").tolist()
    return plain(zip(columns["run"].tolist(), columns["metric"].tolist(), labels, columns["step"].tolist(), times, columns["value"].tolist()))


def in_parts(store):
    folder = os.path.join(store.path, "parts")
    return [os.path.join(folder, name) for name in os.listdir(folder)]


RULES = [dict(repeats="all"), dict(repeats="first"), dict(include_rewound=True), dict(include_rewound=True, repeats="all")]


def check_truth(store):
    """Both readers agree with the selection, by `parquet_files()` and, after a compaction, by the folder."""
    by_rule = [selected(store, **rules) for rules in RULES]
    expected = selected(store)
    files = store.parquet_files()
    assert with_duckdb(files) == with_pyarrow(files) == expected == selected(store)
    del files
    store.compact()
    parts = in_parts(store)
    assert with_duckdb(parts) == with_pyarrow(parts) == expected == selected(store)
    assert [selected(store, **rules) for rules in RULES] == by_rule, "nothing is lost"
    return expected


def test_sql_over_the_files_gives_what_a_selection_gives(tmp_path):
    store = tidalite.open(tmp_path / "s", background=False)
    other = tidalite.open(tmp_path / "s", background=False)
    run = store.run("train", labels={"rank": 0})
    second = other.run("train", labels={"rank": 1})
    for step in range(60):
        run.log({"loss": float("nan") if step % 7 == 0 else 1 / (step + 1), "acc": step / 100}, step=step)
        second.log({"loss": -float(step)}, step=step % 40)
        run.log({"requests": 1.0})
        second.log({"requests": 2.0})
    assert len(check_truth(store)) < 60 * 5
    # Before and after a flush of the rewind, and with what is written after it.
    run.rewind(30)
    rewound = check_truth(store)
    assert max(row[3] for row in rewound if row[1] == "acc") == 30
    for step in range(25, 35):
        run.log({"loss": math.inf, "acc": 0.0}, step=step)
    store.flush()
    second.rewind(10)
    check_truth(store)
    second.log({"loss": 5.0}, step=3)
    second.log({"loss": 6.0}, step=3)
    check_truth(store)


def test_a_fork_has_its_own_points_in_the_files_and_its_parents_by_a_join(tmp_path):
    store = tidalite.open(tmp_path / "s", background=False)
    with store.run("parent") as run:
        for step in range(20):
            run.log({"loss": 1.0}, step=step)
    with store.run("child", parent=("parent", 9)) as run:
        for step in range(8, 15):
            run.log({"loss": 2.0}, step=step)
    check_truth(store)
    files = store.parquet_files()
    # What README says about forks: own points, and those of the parent up to the step of the fork where there are none.
    child = """
        select step, value from read_parquet($1) where run = 'child'
        union all
        select step, value from read_parquet($1) p where run = 'parent' and step <= 9
            and not exists (from read_parquet($1) c where c.run = 'child' and c.metric = p.metric and c.labels = p.labels and c.step = p.step)
        order by 1
    """
    found = duckdb.connect().execute(child, [files]).fetchall()
    columns = store.select(runs="child").to_numpy()
    assert found == list(zip(columns["step"].tolist(), columns["value"].tolist())) and len(found) == 15


def test_deleted_points_are_in_no_file(tmp_path):
    store = tidalite.open(tmp_path / "s", background=False)
    for id in ("kept", "gone"):
        with store.run(id) as run:
            for step in [*range(10), *range(10)]:
                run.log({"x": step}, step=step)
    store.compact()
    assert store.stats().hidden_points == 20
    store.delete_run("gone")
    check_truth(store)
    assert store.stats().hidden_points == 10
    hidden = os.path.join(store.path, "hidden")
    (file,) = os.listdir(hidden)
    assert duckdb.sql(f"select distinct run from '{hidden}/{file}'").fetchall() == [("kept",)]
    assert store.verify().sound and store.bytes_by_run().keys() == {"kept"}
    store.backup(tmp_path / "copy")
    copy = tidalite.open(tmp_path / "copy")
    assert selected(copy, repeats="all") == selected(store, repeats="all")
    assert with_duckdb(in_parts(copy)) == selected(copy)


def test_a_store_that_is_only_read_says_what_to_do(tmp_path):
    store = tidalite.open(tmp_path / "s", background=False)
    store.append({"run": "a", "metric": "x", "step": np.arange(10) // 2, "value": np.arange(10.0)})
    reader = tidalite.open(tmp_path / "s", mode="r")
    with pytest.raises(tidalite.Invalid, match="not flushed.*compact"):
        reader.parquet_files()
    files = store.parquet_files()
    assert with_duckdb(reader.parquet_files()) == with_duckdb(files) == selected(reader)
    assert len(selected(reader)) == 5


def test_listing_the_files_leaves_no_replaced_ones_beside_them(store):
    run = store.run("r")
    for value in (1.0, 2.0):
        for step in range(100):
            run.log({"x": value}, step=step)
        store.flush()
    files = store.parquet_files()
    assert sorted(files) == sorted(str(path) for path in (store.path / "parts").iterdir())
