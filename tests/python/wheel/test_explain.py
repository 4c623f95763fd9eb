"""The sources that an answer reports."""
import numpy as np
import pytest

import tidalite

POINTS = 100_000


@pytest.fixture
def long(store):
    steps = np.arange(POINTS)
    for run in ("a", "b"):
        store.append({"run": run, "metric": "loss", "step": steps, "time": 1_780_000_000_000_000 + steps * 1000, "value": np.sin(steps)})
    store.compact()
    return store.select("loss", runs="a")


def test_each_answer_comes_from_the_cheapest_source(long):
    whole = long.aggregate("mean", "max", by="run").explain()
    assert (whole.summary_points, whole.pages_read, whole.rollup_pages_read) == (POINTS, 0, 0)
    chart = long.chart(50).explain()
    assert (chart.bucket_points + chart.summary_points, chart.pages_read, chart.page_points) == (POINTS, 0, 0)
    assert chart.buckets > 0
    points = long.points().explain()
    assert points.page_points == POINTS
    assert 0 < points.pages_read < points.pages
    assert 0 < points.bytes_read < points.bytes


def test_points_of_a_log_are_counted_apart_and_rows_of_a_follower_report_nothing(store):
    with store.run("live") as run:
        run.log({"loss": 1.0}, step=0)
    assert store.select("loss").latest().explain().log_points == 1
    with pytest.raises(tidalite.Invalid, match="nothing was asked"):
        next(iter(store.select("loss").follow(timeout=0))).explain()


def test_it_prints_as_a_table(long):
    text = repr(long.chart(10).explain())
    assert text.splitlines()[0].split() == ["source", "pieces", "points"]
    assert "1 series" in text
