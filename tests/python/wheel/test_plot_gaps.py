"""Lines break where nothing was logged, and at NaN; smoothed lines stand before raw ones; areas end at a positive floor.

Method: as in `test_plot`.
"""
import math

import numpy as np
import pytest
import tidalite
from plotted import curves, fill, legend_names, marks, picture, pieces, raw  # noqa: F401
from tidalite._plot.gaps import common_width, filled, gaps

START = 1_780_000_000


def log_at(store, id, seconds, metric="load", value=1.0):
    """Logs at these seconds after the start."""
    seconds = np.asarray(seconds)
    times = ((START + seconds) * 1e6).astype("int64")
    store.append({"run": id, "metric": metric, "step": np.arange(len(seconds)), "time": times, "value": np.full(len(seconds), value)})


@pytest.mark.parametrize("x", ["time", "elapsed"])
def test_a_line_over_time_breaks_where_nothing_was_logged(store, x):
    log_at(store, "a", [*range(0, 1000), *range(1500, 2000)])
    (line,) = curves(store.select("load").plot(x=x, buckets=100))
    assert len(pieces(line)) == 2 and sum(pieces(line)) + 1 == len(line.get_ydata())
    at = np.asarray(line.get_xdata())
    assert (at[1:] > at[:-1]).all(), "x ascends, gaps included"


def test_a_chart_and_a_band_over_time_break_too(store):
    for run in "ab":
        log_at(store, run, [*range(0, 1000), *range(1500, 2000)])
    s = store.select("load")
    assert [len(pieces(line)) for line in curves(s.chart(100, x="time").plot())] == [2, 2]
    assert [len(pieces(line)) for line in curves(s.band(100, x="time").plot())] == [2]


@pytest.mark.parametrize("table", [lambda s: s.points(), lambda s: s.lttb(200), lambda s: s.m4(100)])
def test_points_over_time_break_too(store, table):
    log_at(store, "a", [*range(0, 1000), *range(1500, 2000)])
    (line,) = curves(table(store.select("load")).plot(x="time"))
    at, y = np.asarray(line.get_xdata()), line.get_ydata()
    assert len(pieces(line)) == 2 and np.isnan(y).sum() == 1 and (at[1:] > at[:-1]).all()
    (line,) = curves(table(store.select("load")).plot())
    assert len(pieces(line)) == 1, "steps have no gaps"


def test_points_that_share_their_times_do_not_break(store):
    log_at(store, "a", np.repeat(np.arange(100) * 10, 20))
    (line,) = curves(store.select("load").points().plot(x="time"))
    assert pieces(line) == [2000], "batches of 20 points are logged every 10 s"


@pytest.mark.parametrize("every", [1, 7, 36, 100])
def test_a_line_that_is_logged_evenly_does_not_break(store, every):
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, 300) * every
    log_at(store, "a", np.arange(300) * every + jitter + every)
    log_at(store, "dense", np.arange(0, 300 * every))
    for line in curves(store.select("load").plot(x="time", buckets=1000)):
        assert len(pieces(line)) == 1


def test_a_line_that_is_logged_at_random_times_breaks_only_where_it_stops(store):
    random = np.random.default_rng(0)
    log_at(store, "a", np.cumsum(np.concatenate([random.exponential(10, 1000), [2000], random.exponential(10, 1000)])))
    (line,) = curves(store.select("load").plot(x="time", buckets=10_000))
    assert len(pieces(line)) <= 4 and np.diff(np.asarray(line.get_xdata())[~np.isnan(line.get_ydata())]).max() > np.timedelta64(1900, "s")


def test_steps_that_are_far_apart_are_no_gap(store):
    with store.run("a") as run:
        for step in (1, 2, 5, 10, 1000, 100_000):
            run.log({"loss": 1 / step}, step=step)
    (line,) = curves(store.select("loss").plot())
    assert len(pieces(line)) == 1


def test_nan_breaks_the_line_on_every_axis(store):
    fill(store, "a", 100, spoil=range(40, 50))
    s = store.select("loss")
    for ax in (s.plot(), s.points().plot(), s.chart(100).plot(), s.align().plot()):
        (line,) = curves(ax)
        assert len(pieces(line)) == 2 and len(marks(ax)) == 1


def test_a_column_of_an_aligned_table_bridges_its_gaps_but_not_a_nan(store):
    with store.run("a") as run:
        for step in range(10):
            run.log({"dense": 1.0, **({"sparse": math.nan if step == 4 else 1.0} if step % 2 == 0 else {})}, step=step)
    ax = store.select(runs="a").align().plot()
    dense, sparse = curves(ax)
    assert pieces(dense) == [10] and pieces(sparse) == [2, 2]
    assert sparse.get_xdata().tolist() == [0, 2, 4, 6, 8]


def test_buckets_without_points_are_gaps_and_counts_are_zero_there(store):
    log_at(store, "a", [0, 1, 60, 61, 240, 300])
    table = store.select("load").aggregate("count", "mean", by=["run", tidalite.time_bucket("60s")])
    count, mean = table.plot()
    (line,) = curves(count)
    assert line.get_ydata().tolist() == [2, 2, 0, 0, 1, 1]
    minutes = (np.asarray(line.get_xdata()) - line.get_xdata()[0]) / np.timedelta64(60, "s")
    assert minutes.tolist() == [0, 1, 2, 3, 4, 5]
    (line,) = curves(mean)
    assert pieces(line) == [2, 2] and marks(mean) == [], "a gap is not a NaN that was logged"
    (line,) = curves(table.plot(y="mean", fill=0))
    assert line.get_ydata().tolist() == [1, 1, 0, 0, 1, 1]
    with pytest.raises(TypeError, match="`fill` is 'zero'; give a number"):
        table.plot(fill="zero")
    with pytest.raises(tidalite.Invalid, match="no buckets to fill"):
        store.select("load").aggregate("count", by="run").plot(fill=0)


def test_a_group_without_points_at_the_ends_counts_zero_there(store):
    log_at(store, "a", [0, 60, 120, 180])
    log_at(store, "b", [60])
    table = store.select("load").aggregate("count", by=["run", tidalite.time_bucket("60s")])
    lines = {line.get_label(): line.get_ydata().tolist() for line in curves(table.plot())}
    assert lines == {"a": [1, 1, 1, 1], "b": [0, 1, 0, 0]}


def test_long_gaps_are_filled_by_their_ends():
    place, y = filled(np.array([0, 10**12]), np.array([1.0, 1.0]), 10**12, 0.0)
    assert place.tolist() == [0, 1, 10**12 - 1, 10**12] and y.tolist() == [1, 0, 0, 1]
    assert common_width(np.array([7])) == 1 and common_width(np.array([0, 60, 180])) == 60
    assert gaps(np.array([5])).tolist() == [] and gaps(np.array([0, 1, 2, 9])).tolist() == [3]


def test_a_smoothed_line_is_the_engines_over_the_faint_raw_one(store):
    for run in "ab":
        fill(store, run, 200, shift=ord(run))
    s = store.select("loss")
    ax = s.plot(smooth=0.9)
    assert len(curves(ax)) == len(raw(ax)) == 2 and legend_names(ax) == ["a", "b"]
    assert len(ax.collections) == 0, "the raw line shows the spread"
    for line, behind, run in zip(curves(ax), raw(ax), "ab", strict=True):
        of_run = store.select("loss", runs=run)
        np.testing.assert_array_equal(behind.get_ydata(), of_run.to_numpy()["value"])
        np.testing.assert_array_equal(line.get_ydata(), of_run.transform("ema:0.9").to_numpy()["value"])
        # Debiased: the weights of the first point sum to one.
        assert line.get_ydata()[0] == behind.get_ydata()[0]
        assert line.get_color() == behind.get_color()
        assert behind.get_alpha() < 0.5 and line.get_alpha() is None and behind.get_zorder() < line.get_zorder()
    np.testing.assert_array_equal(
        curves(s.plot(smooth="half-life:20"))[0].get_ydata(), store.select("loss", runs="a").transform("half-life:20").to_numpy()["value"]
    )
    assert raw(s.plot(smooth=0)) == [] and raw(s.plot(smooth=None)) == []
    assert len(raw(s.plot(smooth=0.5, x="elapsed"))) == 2 and len(raw(s.plot(smooth=0.5, panels=None))) == 2


@pytest.mark.parametrize(
    ("smooth", "error", "match"),
    [
        (1.0, tidalite.Invalid, "`smooth` is 1.0; give a number from 0 to below 1"),
        (-0.1, tidalite.Invalid, "from 0 to below 1"),
        (math.nan, tidalite.Invalid, "from 0 to below 1"),
        ("rate", tidalite.Invalid, "`smooth` is 'rate'; give a number such as 0.9, or 'half-life:100'"),
        ("ema:two", tidalite.Invalid, "ema"),
        (True, TypeError, "`smooth` is True"),
        ([0.9], TypeError, "`smooth` is"),
    ],
)
def test_smoothing_that_cannot_be_is_refused(store, smooth, error, match):
    fill(store, "a")
    with pytest.raises(error, match=match):
        store.select("loss").plot(smooth=smooth)


def test_an_area_on_a_logarithmic_axis_ends_at_a_positive_floor(store):
    for run, value in [("a", 0.01), ("b", 10.0)]:
        fill(store, run, 50)
        with store.run(run) as r:
            for step in range(50):
                r.log({"regret": value}, step=step)
    table = store.select("regret").band(10)
    rows = table.to_numpy()
    assert (rows["mean"] - rows["std"] < 0.011).all() and (rows["std"] > 1).all()
    store.select("regret")
    ax = table.plot(log_y=True)
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() > 0 and heights.max() > 9
    low, high = ax.get_ylim()
    assert 1e-4 < low < 0.01 and high < 100, "the floor does not stretch the axis"


def test_an_area_that_reaches_below_zero_is_clipped_only_on_a_logarithmic_axis(store):
    for i in range(10):
        with store.run(f"r{i}") as run:
            for step in range(20):
                run.log({"regret": 1.0 if i == 0 else 1e-3}, step=step)
    table = store.select("regret").band(20)
    rows = table.to_numpy()
    lowest = (rows["mean"] - rows["std"]).min()
    assert lowest < 0
    heights = {log: table.plot(log_y=log).collections[0].get_paths()[0].vertices[:, 1].min() for log in (False, True)}
    assert heights[False] == pytest.approx(lowest) and heights[True] == pytest.approx(1e-3 / 1.5)


@pytest.mark.parametrize(("width", "zone", "buckets"), [("1d", "Europe/Berlin", 120), ("1w", "America/New_York", 18), ("6h", "Europe/Berlin", 480), ("1mo", "UTC", 5), ("1mo", "Europe/Berlin", 5)])
def test_buckets_of_a_calendar_that_follow_each_other_have_no_gap_between_them(store, width, zone, buckets):
    """Across a change of the clocks, and over months of different lengths."""
    start = np.datetime64("2026-02-01T05:00:00", "us")
    times = start + np.arange(120 * 24) * np.timedelta64(1, "h")
    times = times[(times.astype("M8[D]") < np.datetime64("2026-05-10")) | (width != "1d")]
    store.append({"run": "a", "metric": "calls", "step": range(len(times)), "time": times, "value": np.ones(len(times))})
    table = store.select("calls").aggregate("count", "mean", by=tidalite.time_bucket(width, tz=zone))
    counts, means = table.plot()
    (line,), (mean,) = curves(counts), curves(means)
    starts = table.to_numpy()["time_bucket"]
    assert len(starts) >= buckets - 22
    assert len(line.get_xdata()) == len(mean.get_xdata()) == len(starts)
    assert min(line.get_ydata()) > 0 and np.isfinite(mean.get_ydata()).all()


def test_a_month_without_points_is_a_gap(store):
    for month in ("2026-01", "2026-02", "2026-04", "2026-05"):
        store.append({"run": "a", "metric": "calls", "step": [int(month[-2:])], "time": np.array([f"{month}-15"], "M8[us]"), "value": [1.0]})
    count, mean = store.select("calls").aggregate("count", "mean", by=tidalite.time_bucket("1mo")).plot()
    assert curves(count)[0].get_ydata().tolist() == [1, 1, 0, 1, 1]
    assert np.isnan(curves(mean)[0].get_ydata()).tolist() == [False, False, True, False, False]
