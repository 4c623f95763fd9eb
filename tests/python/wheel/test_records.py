"""What a store reports about itself: runs, findings, counts and files.

Method: some records are made by hand, to set every field; others come from a store.
"""
import gc
import json
import math
import os
from datetime import datetime, timedelta, timezone

import polars
import pyarrow
import pytest
import tidalite
from tidalite import Finding, Participant, PartFiles, Report, RunInfo, Runs

START = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=timezone.utc)

ONE = Participant({"host": "h"}, "node", 7, START, None, "lost", None, None, True)


def info(id, **fields):
    given = dict(status="finished", started=START, ended=START + timedelta(seconds=90), params={}, environment={}, tags=(), labels={})
    return RunInfo(id=id, **{**given, "parent": None, "parent_step": None, "participants": (ONE,), **fields})


@pytest.fixture
def runs():
    return Runs(
        [
            info("a", params={"lr": 0.1, "layers": [64, 10], "seed": 2**53 + 1, "deep": True, "name": "x", "odd": 1}),
            info("b", params={"lr": 1, "layers": [], "name": "ünï", "odd": "text"}, tags=("base", "old"), labels={"host": "h"}),
            info("c", status="lost", started=None, ended=None, params={"lr": math.nan}, parent="a", parent_step=7, participants=(ONE,) * 3, name="third", reason="boom"),
        ]
    )


def test_runs_are_indexed_by_position_slice_and_id(runs):
    assert runs.ids == ["a", "b", "c"]
    assert runs[0].id == runs["a"].id == runs[-3].id == "a"
    assert isinstance(runs[1:], Runs) and runs[1:].ids == ["b", "c"]
    assert "b" in runs and "z" not in runs and runs[1] in runs


def test_an_unknown_id_is_refused_with_similar_ids():
    with pytest.raises(KeyError, match="no run resnet-41; similar ids: resnet-42"):
        Runs([info("resnet-42")])["resnet-41"]
    with pytest.raises(KeyError, match=".ids lists all"):
        Runs()["a"]


def test_pandas_has_one_column_per_param_without_losing_digits(runs):
    frame = runs.to_pandas()
    assert frame["id"].tolist() == ["a", "b", "c"]
    assert frame["params.seed"].dtype == "Int64" and frame["params.seed"][0] == 2**53 + 1 and frame["params.seed"].isna()[1]
    assert frame["params.lr"].dtype == "float64" and frame["params.lr"].tolist()[:2] == [0.1, 1.0]
    assert frame["params.layers"].tolist()[:2] == [[64, 10], []]
    assert frame["params.deep"].dtype == "boolean"
    assert frame["labels.host"].tolist()[1] == "h" and frame["labels.host"].isna().tolist() == [True, False, True]
    assert str(frame["started"].dtype) == "datetime64[us, UTC]" and frame["started"][0] == START and frame["ended"].isna()[2]
    assert frame["parent_step"].dtype == "Int64" and frame["parent_step"][2] == 7
    assert frame["participants"].tolist() == [1, 1, 3]
    assert frame["name"].isna().tolist() == [True, True, False] and frame["reason"].tolist()[2] == "boom"
    assert frame["duration"][0] == timedelta(seconds=90) and frame["duration"].isna()[2]
    assert frame["tags"].tolist() == [[], ["base", "old"], []]


def test_arrow_and_polars_give_params_of_several_types_as_json_text(runs):
    table = runs.to_arrow()
    assert table.schema.field("params.lr").type == pyarrow.float64()
    assert table.schema.field("started").type == pyarrow.timestamp("us", "UTC")
    assert [json.loads(text) for text in table["params.layers"].to_pylist()[:2]] == [[64, 10], []]
    assert table["params.odd"].to_pylist() == ["1", '"text"', None]
    # NaN is a value of a param, not a gap.
    assert table["params.lr"].null_count == 0 and math.isnan(table["params.lr"].to_pylist()[2])
    assert table["tags"].to_pylist() == [[], ["base", "old"], []]
    frame = runs.to_polars()
    assert frame.columns == table.column_names
    assert frame["params.seed"].to_list() == [2**53 + 1, None, None] and frame["params.name"].to_list() == ["x", "ünï", None]
    assert frame["duration"].to_list() == table["duration"].to_pylist() == [timedelta(seconds=90)] * 2 + [None]
    assert frame["started"].dtype == polars.Datetime("us", "UTC") and frame["started"][0] == START


@pytest.mark.parametrize("convert", ["to_pandas", "to_arrow", "to_polars"])
def test_no_runs_make_a_table_without_rows(convert):
    table = getattr(Runs(), convert)()
    assert table.shape[0] == 0 and "id" in getattr(table, "column_names", getattr(table, "columns", ()))


def test_a_store_fills_every_field_of_its_runs(store):
    before = datetime.now(timezone.utc)
    with store.run("parent", params={"lr": 0.1, "nested": {"a": [1, None]}}, tags=["x"], labels={"rank": 3}) as parent:
        parent.log({"loss": 1.0}, step=5)
    with pytest.raises(ZeroDivisionError):
        with store.run("child", parent=(parent, 5)):
            1 / 0
    runs = store.runs()
    assert isinstance(runs, Runs) and runs.ids == ["child", "parent"]
    one = runs["parent"]
    assert isinstance(one, RunInfo)
    assert one.params == {"lr": 0.1, "nested": {"a": [1, None]}} and one.tags == ("x",) and one.labels == {"rank": "3"}
    assert one.status == "finished" and one.duration == one.ended - one.started
    [process] = one.participants
    assert (process.labels, process.pid, process.last_step, process.current) == ({"rank": "3"}, os.getpid(), 5, True)
    assert (process.started, process.ended, process.status, process.reason) == (one.started, one.ended, "finished", None)
    assert before - timedelta(seconds=1) <= one.started <= one.ended <= datetime.now(timezone.utc) + timedelta(seconds=1)
    assert one.started.utcoffset() == timedelta(0)
    assert runs["child"].reason == runs["child"].participants[0].reason == "ZeroDivisionError: division by zero"
    assert runs["child"].status == "failed" and (runs["child"].parent, runs["child"].parent_step) == ("parent", 5)


def test_a_report_is_sound_with_torn_tails_but_not_with_damage():
    torn = Finding(kind="torn tail", path="log/1/1.seg", offset=99, bytes=0, message="the end was cut off")
    damage = Finding(kind="damage", path="parts/1.parquet", offset=7, bytes=12, message="page of `value` at byte 7 is damaged")
    assert Report().sound and Report(findings=(torn,)).sound
    report = Report(findings=(torn, damage), parts=1, logs=2, points=1_234_567)
    assert not report.sound
    text = str(report)
    assert text.splitlines()[0] == "damaged: 1,234,567 points, 1 part, 2 logs, 1 torn tail, 1 finding of damage"
    assert "page of `value` at byte 7" in text and "cut off" in text


def test_verify_of_a_store_is_a_report_that_names_a_damaged_file(store, tmp_path):
    with store.run("a") as run:
        for step in range(5000):
            run.log({"loss": 1 / (step + 1)}, step=step)
    store.flush()
    assert store.verify().sound and store.verify().points == 5000
    (file,) = store.parquet_files()
    data = bytearray(open(file, "rb").read())
    data[len(data) // 3] ^= 16
    # Written next to the old file and renamed over it, so that the open file does not change.
    with open(tmp_path / "damaged", "wb") as out:
        out.write(data)
    os.replace(tmp_path / "damaged", file)
    report = store.verify()
    assert isinstance(report, Report) and not report.sound
    assert any(os.path.basename(file) in f.path and f.kind == "damage" for f in report.findings)
    assert all(isinstance(key, tuple) and len(key) == 3 for f in report.findings for key in f.series)


def test_stats_flush_and_compact_count_their_work(store):
    for id in "ab":
        with store.run(id) as run:
            for step in range(100):
                run.log({"loss": 1.0, "acc": 0.5}, step=step)
        flushed = store.flush()
        assert (flushed.points, flushed.parts) == (200, 1)
    compacted = store.compact()
    assert (compacted.flushed, compacted.parts_in, compacted.parts_out, compacted.points) == (0, 2, 1, 400)
    stats = store.stats()
    assert (stats.runs, stats.series, stats.points, stats.log_points, stats.parts) == (2, 4, 400, 0, 1)
    live = stats.parts_bytes + stats.hidden_bytes + stats.series_bytes
    assert stats.bytes == live + stats.replaced_bytes + stats.log_bytes + stats.other_bytes > 0


def test_part_files_and_their_slices_keep_the_files():
    class Pin:
        dropped = 0

        def __del__(self):
            Pin.dropped += 1

    files = PartFiles(["a", "b"], Pin())
    assert files == ["a", "b"] and isinstance(files, list)
    part = files[:1]
    assert part == ["a"] and files[1] == "b"
    del files
    gc.collect()
    assert Pin.dropped == 0
    del part
    gc.collect()
    assert Pin.dropped == 1


def test_files_of_a_store_are_kept_while_their_list_exists(store):
    for id in "ab":
        with store.run(id) as run:
            run.log({"loss": 1.0})
        store.flush()
    files = store.parquet_files()
    assert isinstance(files, PartFiles) and len(files) == 2, "nothing has to be merged"
    store.compact()
    assert all(os.path.exists(file) for file in files)
    assert len(store.parquet_files()) == 1


def test_times_before_1970_are_kept(store):
    import numpy as np

    times = ["1969-07-20T20:17:40.5+00:00", datetime(1900, 1, 1), np.datetime64("1969-12-31T23:59:59.999999"), -1]
    run = store.run("a")
    for step, time in enumerate(times):
        run.log({"x": 1.0}, step=step, time=time)
    store.append({"run": "a", "metric": "x", "step": np.arange(4, 5), "value": np.ones(1), "time": np.array([-(10**15)])})
    for _ in range(2):
        found = store.select("x").to_numpy()["time"].astype("datetime64[us]").astype(int).tolist()
        assert found == [-14_182_939_500_000, -2_208_988_800_000_000, -1, -1, -(10**15)]
        before = store.select("x", time=(None, datetime(1969, 12, 1)))
        assert before.to_numpy()["step"].tolist() == [0, 1, 4]
        assert store.select("x").aggregate("count", by=tidalite.time_bucket("1d")).to_numpy()["count"].sum() == 5
        store.flush()
