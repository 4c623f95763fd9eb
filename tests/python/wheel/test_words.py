"""What messages and texts say: times relative to now, remedies in Python's words, warnings about mixed metrics."""
import time
import warnings

import pytest

import tidalite


def test_times_may_be_relative_to_now(store):
    now_us = int(time.time() * 1e6)
    with store.run("a") as run:
        for hours in (3, 1):
            run.log({"loss": float(hours)}, step=3 - hours, time=now_us - hours * 3_600_000_000)
    assert store.select("loss", time=("-2h", None)).points().to_numpy()["value"].tolist() == [1.0]
    assert store.select("loss", time=("-4h", "-2h")).points().to_numpy()["value"].tolist() == [3.0]
    assert store.select("loss", time=(None, "now")).latest().to_numpy()["value"].tolist() == [1.0]
    assert store.thin(before="-30d").runs == 0
    with pytest.raises(tidalite.Invalid, match="is not a time; write 2026-01-31"):
        store.select("loss", time=("yesterday", None))


def test_a_refused_merge_names_the_arguments(store, tmp_path):
    with tidalite.open(tmp_path / "laptop") as other:
        other.run("a").log({"loss": 1.0})
        store.run("a").log({"loss": 1.0})
        with pytest.raises(tidalite.Invalid) as refused:
            store.merge(tmp_path / "laptop")
    text = str(refused.value)
    assert 'suffix="-b"' in text and 'on_conflict="join"' in text and "--" not in text


def test_mixed_metrics_are_a_warning(store):
    with store.run("a") as run:
        run.log({"loss": 1.0, "lr": 0.1})
    with pytest.warns(UserWarning, match=r'^mean over 2 metrics: loss, lr; add by="metric"$'):
        store.select().aggregate("count", "mean")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.select().aggregate("count")
        store.select().aggregate("mean", by="metric")
        store.select("loss").aggregate("mean")


def test_a_group_that_nothing_has_is_refused(store):
    with store.run("a", params={"lr": 0.1}) as run:
        run.log({"loss": 1.0})
    with pytest.raises(tidalite.NotFound, match='no run has the param "rl"'):
        store.select("loss").aggregate("mean", by="param:rl").to_numpy()
    assert store.select("loss").aggregate("mean", by="params.lr").columns == ["param:lr", "mean"]


def test_types_have_no_article(store):
    with pytest.raises(TypeError, match="is of type int; give text"):
        store.select(12)
