"""What a store and a selection list: one run, totals of runs, labels, summaries of series."""
import math
from datetime import datetime, timezone

import pytest

import tidalite


@pytest.fixture
def filled(store):
    for rank in range(2):
        with store.run("a", params={"lr": 0.1}, labels={"rank": rank}) as run:
            for step in range(10):
                run.log({"loss": 1 / (step + 1)}, step=step, time=1_000_000 * step)
    with store.run("b") as run:
        for step, value in enumerate([4.0, 2.0, math.nan, math.inf]):
            run.log({"loss": value}, step=step, time=step)
    store.run("empty").finish()
    return store


def test_one_run_is_looked_up_by_id_or_handle(filled):
    info = filled.run_info("a")
    assert info == filled.runs()["a"] and (info.points, info.last_step) == (None, None)
    run = filled.run("c")
    assert filled.run_info(run).status == "running" and filled.snapshot().run_info("c").id == "c"
    with pytest.raises(tidalite.NotFound, match="empty"):
        filled.run_info("empt")


@pytest.mark.parametrize("flushed", [False, True])
def test_totals_come_when_asked_for(filled, flushed):
    if flushed:
        filled.flush()
    totals = {run.id: (run.series, run.points, run.last_step, run.last_time) for run in filled.runs(totals=True)}
    assert totals == {
        "a": (2, 20, 9, datetime(1970, 1, 1, 0, 0, 9, tzinfo=timezone.utc)),
        "b": (1, 4, 3, datetime(1970, 1, 1, 0, 0, 0, 3, tzinfo=timezone.utc)),
        "empty": (0, 0, None, None),
    }
    assert [filled.run_info(id, totals=True).points for id in totals] == [20, 4, 0]
    assert filled.runs("id = 'a'", totals=True)[0].points == 20
    assert all(run.points is None for run in filled.runs())


def test_a_fork_counts_its_own_points(filled):
    filled.run("fork", parent=("a", 5), labels={"rank": 0}).log({"loss": 1.0}, step=6)
    assert filled.run_info("fork", totals=True).points == 1
    assert filled.labels()["rank"] == {"0": 2, "1": 1}


def test_frames_have_totals_where_there_are_some(filled):
    assert "points" not in filled.runs().to_pandas().columns
    for frame in (filled.runs(totals=True).to_pandas(), filled.runs(totals=True).to_polars().to_pandas()):
        assert frame["points"].tolist() == [20, 4, 0]
        assert frame["last_step"].tolist()[:2] == [9, 3]
    assert filled.runs(totals=True).to_arrow()["series"].to_pylist() == [2, 1, 0]


def test_labels_have_values_and_series(filled):
    filled.run("b").log({"gpu/power": 1.0}, labels={"gpu": "x=y,z"})
    assert filled.labels() == {"gpu": {"x=y,z": 1}, "rank": {"0": 1, "1": 1}}
    assert filled.labels("loss") == filled.snapshot().labels(["loss"]) == {"rank": {"0": 1, "1": 1}}
    assert filled.labels(tidalite.glob("gpu/*")) == {"gpu": {"x=y,z": 1}}
    assert filled.labels("none") == {}


def test_summaries_are_a_table_with_one_row_per_series(filled):
    table = filled.select("loss").summaries()
    assert table.kind == "summaries" and len(table) == 3
    assert [(row["run"], row["labels"], row["count"]) for row in table] == [("a", "rank=0", 10), ("a", "rank=1", 10), ("b", "", 4)]
    row = table[2]
    assert (row["finite"], row["nan"], row["pos_inf"], row["neg_inf"]) == (2, 1, 1, 0)
    assert (row["sum"], row["mean"], row["std"]) == (6.0, 3.0, 1.0)
    assert (row["min"], row["argmin"], row["max"], row["argmax"]) == (2.0, 1, 4.0, 0)
    assert (row["first"], row["first_step"], row["last"], row["last_step"]) == (4.0, 0, math.inf, 3)
    assert row["time_max"] == datetime(1970, 1, 1, 0, 0, 0, 3, tzinfo=timezone.utc)
    assert filled.select("none").summaries().to_dicts() == []
    assert filled.select("none").summaries().columns == table.columns
    assert table.to_pandas()["mean"].tolist()[2] == 3.0
    with pytest.raises(tidalite.Invalid, match="summaries"):
        table.plot()


def test_summaries_of_flushed_points_read_no_page(store):
    with store.run("long") as run:
        for step in range(20_000):
            run.log({"loss": step / 2}, step=step)
    store.flush()
    how = store.select("loss").summaries().explain()
    assert how.pages_read == 0 and how.summary_points == 20_000


def test_a_dry_run_of_thin_changes_nothing(store):
    with store.run("old") as run:
        for step in range(20_000):
            run.log({"loss": 1 / (step + 1)}, step=step)
    store.flush()
    would = store.thin("old", buckets=100, dry_run=True)
    assert would.points == 20_000 and would.kept < 400
    assert store.stats().thinned_points == 0 and len(store.select("loss").points()) == 20_000
    assert store.thin("old", buckets=100).kept == would.kept
