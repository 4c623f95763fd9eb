"""Smoothed series, rates and derivatives, other x-axes, M4, sketches and rankings: equal to what pandas and NumPy compute from the same points."""
import math
import re

import numpy as np
import pandas as pd
import pytest

import tidalite

T0 = 1_764_063_000_000_000


@pytest.fixture
def data():
    """Two runs: a noisy loss with a NaN and an infinity, a counter that restarts, and tokens that grow with the steps."""
    rng = np.random.default_rng(11)
    frames = []
    for r, run in enumerate(["a", "b"]):
        n = 2000
        steps = np.cumsum(rng.integers(1, 4, n))
        times = T0 + r * 10**9 + np.cumsum(rng.integers(1_000, 90_000, n))
        loss = rng.normal(size=n) + r
        loss[100], loss[200] = math.nan, math.inf
        count = np.cumsum(rng.random(n))
        count[1000:] -= count[1000] - 0.25
        tokens = steps * 512.0 + rng.integers(0, 100, n)
        for metric, values in [("loss", loss), ("count", count), ("tokens", tokens)]:
            frames.append(pd.DataFrame({"run": run, "metric": metric, "step": steps, "time": pd.to_datetime(times, unit="us", utc=True), "value": values}))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def filled(store, data):
    half = len(data) // 2
    store.append(data.iloc[:half])
    store.compact()
    store.append(data.iloc[half:])
    return store


def of(data, metric, run="a"):
    return data[(data["run"] == run) & (data["metric"] == metric)].reset_index(drop=True)


def values(selection):
    return selection.to_numpy()["value"]


def finite(frame):
    return frame[np.isfinite(frame["value"])]


@pytest.mark.parametrize(
    ("word", "mean"),
    [
        ("ema:0.9", lambda f: f["value"].ewm(alpha=0.1, adjust=True).mean()),
        ("ema:0.99", lambda f: f["value"].ewm(alpha=0.01, adjust=True).mean()),
        ("half-life:2s", lambda f: f["value"].ewm(halflife="2s", times=f["time"]).mean()),
        ("half-life:50", lambda f: f["value"].ewm(halflife="50s", times=pd.to_datetime(f["step"], unit="s")).mean()),
        ("mean:25", lambda f: f["value"].rolling(25, min_periods=1).mean()),
    ],
)
def test_smoothing_is_what_pandas_computes(filled, data, word, mean):
    frame = of(data, "loss")
    got = values(filled.select("loss", runs="a").transform(word))
    odd = ~np.isfinite(frame["value"])
    assert np.array_equal(got[odd], frame["value"][odd], equal_nan=True), "what is no number passes through"
    assert got[~odd] == pytest.approx(mean(finite(frame)).to_numpy(), rel=1e-9, abs=1e-9)
    # A range of the curve has the same values.
    part = values(filled.select("loss", runs="a", steps=(1000, 2000)).transform(word))
    inside = (frame["step"] >= 1000) & (frame["step"] < 2000)
    assert part == pytest.approx(got[inside.to_numpy()], nan_ok=True)


def test_smoothing_by_weight_is_what_tensorboard_draws(filled, data):
    last, n, expected = 0.0, 0, []
    for value in of(data, "loss", "b")["value"]:
        if math.isfinite(value):
            last, n = last * 0.9 + 0.1 * value, n + 1
            value = last / (1 - 0.9**n)
        expected.append(value)
    assert values(filled.select("loss", runs="b").transform("ema:0.9")) == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_a_rate_counts_a_restart_from_zero(filled, data):
    frame = of(data, "count")
    grown = frame["value"].diff().where(frame["value"].diff() >= 0, frame["value"])
    seconds = frame["time"].diff().dt.total_seconds()
    got = filled.select("count", runs="a").transform("rate").to_numpy()
    assert got["step"].tolist() == frame["step"][1:].tolist()
    assert got["value"] == pytest.approx((grown / seconds)[1:].to_numpy(), rel=1e-9)
    assert (got["value"] >= 0).all()


@pytest.mark.parametrize("on", ["step", "time"])
def test_a_derivative_is_by_step_or_second(filled, data, on):
    frame = finite(of(data, "loss"))
    distance = frame["step"].diff() if on == "step" else frame["time"].diff().dt.total_seconds()
    got = values(filled.select("loss", runs="a").transform(f"derivative:{on}"))
    assert got[np.isfinite(got)] == pytest.approx((frame["value"].diff() / distance)[1:].to_numpy(), rel=1e-9)


def test_transforms_follow_each_other_and_every_answer_is_of_the_last(filled, data):
    selection = filled.select("count").transform("rate", "mean:10")
    assert np.array_equal(values(selection), values(filled.select("count").transform("rate").transform("mean:10")))
    whole = selection.to_pandas()
    got = selection.aggregate("count", "max", "p90", by="run").to_pandas()
    assert got["max"].tolist() == whole.groupby("run", observed=True)["value"].max().tolist()
    assert got["count"].tolist() == [1999, 1999]
    assert selection.latest().to_numpy()["value"].tolist() == whole.groupby("run", observed=True)["value"].last().tolist()
    assert selection.chart(64).to_numpy()["max"].max() == whole["value"].max()
    assert set(selection.lttb(50).to_numpy()["value"]) <= set(whole["value"])
    assert "transform rate, mean:10" in repr(selection)


@pytest.mark.parametrize("words", [[], ["ema"], ["ema:1"], ["mean:0"], ["half-life:2y"], ["smooth"], ["rate", ""]])
def test_a_wrong_transform_is_refused_with_those_there_are(filled, words):
    with pytest.raises(tidalite.Invalid) as refused:
        filled.select("loss").transform(*words)
    assert len(str(refused.value)) > 30
    with pytest.raises(tidalite.Invalid, match="transform"):
        filled.select("loss").transform("rate").follow()


def test_points_over_another_metric_stand_at_its_values(filled, data):
    loss, tokens = of(data, "loss", "b"), of(data, "tokens", "b")
    got = filled.select("loss", runs="b").points(x="metric:tokens").to_pandas()
    expected = pd.merge_asof(loss, tokens[["step", "value"]], on="step", suffixes=("", "_x")).sort_values(["value_x", "step"])
    assert got["x"].tolist() == expected["value_x"].tolist()
    assert got["step"].tolist() == expected["step"].tolist()
    chart = filled.select("loss").chart(50, x="metric:tokens").to_pandas()
    assert chart["count"].sum() == 4000 and chart["width"].nunique() == 1
    assert math.log2(chart["width"][0]).is_integer() and (chart["x"] % chart["width"] == 0).all()
    wide = filled.select("loss").align(on="metric:tokens").to_pandas()
    assert wide.columns.tolist() == ["x", "a", "b"] and wide["x"].is_monotonic_increasing


def test_elapsed_time_begins_with_the_run(store):
    before = tidalite.open(store.path, "r")
    run = store.run("a")
    started = before.runs()["a"].started
    us = int(started.timestamp() * 1e6)
    for step in range(10):
        run.log({"x": step}, step=step, time=us + step * 250_000)
    got = store.select("x").points(x="elapsed").to_numpy()["x"]
    assert got == pytest.approx([step * 0.25 for step in range(10)], abs=2e-6)
    over_time = store.select("x").points(x="time").to_arrow()
    assert over_time["x"].equals(over_time["time"])
    assert store.select("x").chart(4, x="time").to_arrow()["x"].type == over_time["time"].type


@pytest.mark.parametrize("x", ["step", "time", "elapsed", "metric:tokens"])
def test_the_columns_over_an_axis_are_known_without_reading(filled, x):
    import pyarrow as pa

    selection = filled.select("loss")
    for table in [selection.points(x=x), selection.chart(20, x=x), selection.lttb(20, x=x), selection.m4(20, x), selection.align(on=x)]:
        assert pa.schema(table) == pa.table(table).schema
    with pytest.raises(tidalite.Invalid, match="metric:NAME"):
        selection.chart(10, x="epoch")


def test_m4_keeps_the_four_points_of_each_column(filled, data):
    frame = finite(of(data, "loss"))
    first, last = data[data["metric"] == "loss"]["step"].agg(["min", "max"])
    column = (frame["step"] - first) * 40 // (last - first + 1)
    groups = frame.groupby(column)
    expected = set(groups["step"].first()) | set(groups["step"].last())
    expected |= set(frame.loc[groups["value"].idxmin(), "step"]) | set(frame.loc[groups["value"].idxmax(), "step"])
    got = filled.select("loss").m4(40).to_pandas()
    assert got[got["run"] == "a"]["step"].tolist() == sorted(expected)
    assert filled.select("loss").m4(40).kind == "m4"


def test_a_sketch_is_within_a_hundredth_of_the_exact_percentile(filled, data):
    exact, about = ["p1", "p50", "p99.9"], ["p1~", "p50~", "p99.9~"]
    for metric in ["loss", "count", "tokens"]:
        row = filled.select(metric).aggregate(*exact, *about).to_pandas().iloc[0]
        for e, a in zip(exact, about):
            assert row[a] == pytest.approx(row[e], rel=0.0101)


def test_the_best_runs_come_first(store):
    rng = np.random.default_rng(5)
    best = {}
    for i in range(12):
        losses = rng.normal(size=50)
        store.append({"run": f"r{i:02}", "metric": "loss", "step": np.arange(50), "value": losses})
        best[f"r{i:02}"] = losses[10:].min()
    store.append({"run": "nan", "metric": "loss", "step": np.arange(20), "value": np.full(20, np.nan)})
    window = store.select("loss", steps=(10, None))
    order = sorted(best, key=best.get)
    table = window.least(5, "min", "argmin").to_numpy()
    assert table["run"].tolist() == order[:5] and table["min"].tolist() == [best[r] for r in order[:5]]
    assert window.least(100, "min").to_numpy()["run"].tolist() == order
    assert window.greatest(3, "min").to_numpy()["run"].tolist() == order[::-1][:3]
    assert window.least(5, "argnan").to_numpy()["run"].tolist() == ["nan"]
    assert len(window.greatest(4, "max", by=["run", tidalite.step_bucket(16)])) == 4
    with pytest.raises(tidalite.Invalid):
        window.least(0, "min")
    with pytest.raises(tidalite.Invalid):
        window.least(3)


def test_names_are_chosen_by_regular_expressions(filled):
    names = lambda what: sorted(set(what.to_numpy()["metric"]))
    assert names(filled.select(re.compile("^l|ns$"))) == ["loss", "tokens"]
    assert names(filled.select(re.compile("^LOSS", re.IGNORECASE))) == ["loss"]
    assert names(filled.select(["count", re.compile("oss")])) == ["count", "loss"]
    assert sorted(set(filled.select(runs=re.compile("[b-z]")).to_numpy()["run"])) == ["b"]
    for wrong in [re.compile("(?=l)"), re.compile(b"l"), re.compile("l", re.ASCII), [re.compile("l"), 3]]:
        with pytest.raises((tidalite.Invalid, TypeError)):
            len(filled.select(wrong).points())


def test_pictures_are_drawn_over_every_axis(filled):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    for x, label in [("step", "step"), ("time", "time (UTC)"), ("metric:tokens", "tokens")]:
        assert filled.select("loss").transform("mean:9").plot(x=x).get_xlabel() == label
    assert filled.select("loss").chart(50, x="elapsed").plot().get_xlabel() == "x"
    assert filled.select("loss").chart(50, x="time").plot().get_xlabel() == "time (UTC)"
    assert filled.select("loss").m4(50).plot().get_xlabel() == "step"
    assert filled.select("loss").points(x="metric:tokens").plot().get_xlabel() == "x"
    assert filled.select("loss").align(on="metric:tokens").plot().get_xlabel() == "x"


def test_a_band_over_elapsed_time_puts_runs_together_that_began_apart(store):
    start = 1_780_000_000_000_000
    for i in range(3):
        run = store.run(f"r{i}")
        for step in range(64):
            run.log({"loss": float(step + i)}, step=step, time=start + i * 10**9 + step * 1_000_000)
    points = store.select("loss").points(x="elapsed").to_pandas()
    band = store.select("loss").band(16, x="elapsed")
    rows = band.to_pandas()
    assert band.columns == ["metric", "x", "width", "runs", "mean", "std", "min", "max", "nonfinite"]
    width = rows["width"][0]
    points["bucket"] = (points["x"] // width) * width
    means = points.groupby(["bucket", "run"])["value"].mean().groupby("bucket")
    np.testing.assert_allclose(rows["x"], means.mean().index)
    np.testing.assert_allclose(rows["mean"], means.mean())
    np.testing.assert_allclose(rows["std"], means.std(ddof=0))
    assert rows["runs"].tolist() == means.count().tolist()
    assert band.plot().get_xlabel() == "x"
    with pytest.raises(tidalite.Invalid, match="use any of step, time, elapsed"):
        store.select("loss").band(x="epoch")
