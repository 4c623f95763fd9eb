"""Thinning: which runs, how far, and what it reports."""
import re

import numpy as np
import pytest

import tidalite
from tidalite.records import ThinStats


@pytest.fixture
def old(store):
    steps = np.arange(40_000)
    for id in ("old-1", "old-2", "new"):
        with store.run(id):
            pass
        store.append({"run": id, "metric": "loss", "step": steps, "time": 1_780_000_000_000_000 + steps * 1000, "value": np.sin(steps / 99)})
    return store


def test_charts_and_totals_stay_and_points_are_deleted(old):
    selection = old.select("loss", runs="old-1")
    before = selection.chart(200).to_numpy(), selection.aggregate("count", "mean", "min", "last").to_numpy()
    told = []
    done = old.thin(tidalite.glob("old-*"), buckets=200, progress=lambda done, all: told.append((done, all)))
    assert isinstance(done, ThinStats)
    assert (done.runs, done.series, done.points, done.runs_running) == (2, 2, 80_000, 0)
    assert told[-1] == (80_000, 80_000)
    after = selection.chart(200).to_numpy(), selection.aggregate("count", "mean", "min", "last").to_numpy()
    for a, b in zip(before, after):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-12) if a[name].dtype.kind == "f" else np.testing.assert_array_equal(a[name], b[name])
    points = selection.points().to_numpy()
    assert 2 * len(points["step"]) == done.kept < 1600
    np.testing.assert_array_equal(points["value"], np.sin(points["step"] / 99))
    assert selection.aggregate("mean").explain().series_thinned == 1
    assert len(old.select("loss", runs="new").points()) == 40_000
    assert old.verify().sound


def test_runs_must_be_selected_and_have_ended(old):
    with pytest.raises(tidalite.Invalid, match="no runs were chosen"):
        old.thin()
    with pytest.raises(tidalite.NotFound):
        old.thin("nowhere")
    with pytest.raises(tidalite.Invalid, match="buckets"):
        old.thin("old-1", buckets=0)
    with pytest.raises(tidalite.NotFound, match='there is no run "old-\\*"; similar: "old-1", "old-2"'):
        old.thin("old-*")
    with old.run("live") as run:
        with pytest.raises(tidalite.Busy, match="live"):
            old.thin(run)
        assert old.thin(re.compile("^li"), buckets=100).runs_running == 1
    assert old.thin(where="ended < '1999-01-01'").series == 0
    assert old.thin(where=["started > '1999-01-01'", "id = 'new'"], buckets=300).runs == 1
    assert old.thin(["old-1", "old-2"], before="1999-01-01").runs == 0
    planned = old.thin(["old-1", "old-2"], buckets=300, dry_run=True)
    assert (planned.runs, planned.points) == (2, 80_000)
    assert len(old.select(runs="old-1").points()) == 40_000, "a dry run changes nothing"
    assert old.thin(old.runs("id like 'old-*'"), before="2999-01-01", buckets=300).runs == 2
