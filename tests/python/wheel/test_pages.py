"""Sorted pages, rows, exclusions, and the warning of a rate: equal to what pandas computes from all points."""
import math
import warnings

import numpy as np
import pandas as pd
import pytest

import tidalite


@pytest.fixture
def filled(store):
    rng = np.random.default_rng(7)
    for name in ("a", "b"):
        with store.run(name) as run:
            for step in range(50):
                time = 1_764_063_000_000_000 + int(rng.integers(0, 30)) * 1_000_000
                for rank in (0, 1):
                    value = math.nan if step == 9 else float(rng.integers(0, 20))
                    run.log({"loss": value, "lr": 0.1}, step=step, time=time, labels={"rank": rank})
                if step % 10 == 0:
                    run.log({"epoch": step // 10}, step=step, time=time)
        if name == "a":
            store.flush()
    return store


def plain(frame):
    """With names as texts: a page need not have each of them."""
    return frame.astype({"run": str, "metric": str, "labels": str})


@pytest.mark.parametrize("column", ["step", "time", "value"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("offset", "limit"), [(0, 10), (40, 25), (0, None), (95, 50), (10_000, 3)])
def test_a_page_is_a_slice_of_the_sorted_points(filled, column, descending, offset, limit):
    selection = filled.select(["loss", "epoch"])
    frame = selection.to_pandas()
    expected = frame.sort_values(column, ascending=not descending, kind="stable", na_position="last")
    expected = expected.iloc[offset : None if limit is None else offset + limit].reset_index(drop=True)
    order = ("-" if descending else "") + column
    found = selection.points(order=order, offset=offset, limit=limit)
    assert found.kind == "points" and len(found) == len(expected)
    if len(expected) > 0:
        pd.testing.assert_frame_equal(plain(found.to_pandas()), plain(expected))


def test_a_page_without_an_order_is_a_slice_of_the_points(filled):
    steps = filled.select("loss").points()["step"].to_list()
    assert filled.select("loss").points(offset=30, limit=40)["step"].to_list() == steps[30:70]
    assert filled.select("loss").points(limit=0)["step"].to_list() == []


def test_wrong_pages_are_refused(filled):
    selection = filled.select("loss")
    with pytest.raises(tidalite.Invalid, match="offset is -1"):
        selection.points(offset=-1)
    with pytest.raises(tidalite.Invalid, match="step, time, value"):
        selection.points(order="loss")
    with pytest.raises(tidalite.Invalid, match='do not go with x="elapsed"'):
        selection.points("elapsed", limit=3)


def test_rows_are_the_points_as_columns(filled):
    points = plain(filled.select().to_pandas())
    expected = points.pivot(index=["run", "labels", "step"], columns="metric", values="value")
    rows = filled.select().rows()
    assert rows.kind == "rows"
    assert rows.columns == ["run", "labels", "step", "time", "epoch", "loss", "lr"]
    found = rows.to_pandas().astype({"run": str, "labels": str}).set_index(["run", "labels", "step"])
    latest = points.groupby(["run", "labels", "step"])["time"].max()
    pd.testing.assert_series_equal(found["time"], latest, check_names=False, check_dtype=False)
    pd.testing.assert_frame_equal(found[["epoch", "loss", "lr"]], expected, check_names=False)
    assert rows.to_dicts()[0]["epoch"] == 0.0 and rows.to_dicts()[0]["loss"] is None


def test_rows_can_be_logged_again(filled, tmp_path):
    rows = filled.select(exclude_metrics="lr").rows().to_dicts()
    with tidalite.open(tmp_path / "copy") as copy:
        for row in rows:
            labels = dict(pair.split("=") for pair in row["labels"].split(",") if pair)
            values = {name: row[name] for name in ("epoch", "loss") if row[name] is not None}
            copy.run(row["run"]).log(values, step=row["step"], time=row["time"], labels=labels)
        # As text, since NaN equals nothing.
        assert str(copy.select().rows().to_dicts()) == str(rows)


def test_exclusions(filled):
    def series(**given):
        return {(row["metric"], row["labels"]) for row in filled.select(runs="a", **given).latest()}

    assert series(exclude_metrics="l*") == {("epoch", "")}
    assert series(exclude_metrics=["epoch", tidalite.exact("lr")]) == {("loss", "rank=0"), ("loss", "rank=1")}
    assert series(exclude_labels={"rank": 0}) == {("epoch", ""), ("loss", "rank=1"), ("lr", "rank=1")}
    assert series(exclude_labels={"rank": [0, 1]}) == {("epoch", "")}
    selection = filled.select("loss", exclude_labels={"rank": "*"})
    assert "exclude_labels={'rank': '*'}" in repr(selection)
    assert selection.points().why == "no series is left beside what is excluded: label rank=*"
    snapshot = filled.snapshot()
    assert len(snapshot.select("loss", exclude_labels={"rank": 1}).latest()) == 2
    with pytest.raises(TypeError, match="labels"):
        filled.select(exclude_labels="rank")


def test_a_follower_leaves_out_what_is_excluded(store):
    run = store.run("a")
    follower = store.select(exclude_metrics="system/*").follow()
    run.log({"loss": 1.0, "system/cpu": 2.0}, step=0)
    assert [row["metric"] for row in follower.poll()] == ["loss"]


def test_a_rate_of_a_gauge_is_a_warning_at_the_callers_line_and_that_of_a_counter_is_none(store):
    with store.run("a") as run:
        for step in range(100):
            time = step * 1_000_000
            run.log({"watts": step % 3, "requests": step % 50}, step=step, time=time)
    answers = [
        lambda s: s.to_numpy(),
        lambda s: s.points().to_dicts(),
        lambda s: s.chart(10)["mean"],
        lambda s: s.aggregate("max")[0],
        lambda s: s.points().to_csv(),
        lambda s: s.points()[3:5],
    ]
    for answer in answers:
        with pytest.warns(UserWarning, match="rate takes each fall") as found:
            answer(store.select("watts").transform("rate"))
        assert found[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer(store.select("requests").transform("rate"))
            answer(store.select("watts").transform("derivative:time"))
