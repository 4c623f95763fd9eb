"""Axes say what they show: units, names and titles; panels share x; options have one name each.

Method: as in `test_plot`.
"""
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tidalite
from plotted import curves, fill, legend_names, picture  # noqa: F401
from tidalite._plot.units import unit_of


def log_values(store, metric, values, run="a"):
    with store.run(run) as run:
        for step, value in enumerate(values):
            run.log({metric: value}, step=step)


def tick_texts(ax):
    ax.figure.canvas.draw()
    low, high = ax.get_ylim()
    return [text.get_text() for text, at in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True) if low <= at <= high]


@pytest.mark.parametrize(
    ("metric", "largest", "label", "one"),
    [
        ("system/memory/used_bytes", 12e9, "used (GiB)", 2.0**30),
        ("mem_bytes", 100.0, "mem (B)", 1.0),
        ("mem_mib", 3000.0, "mem (GiB)", 1024.0),
        ("net/bytes_per_s", 5e6, "bytes_per_s (MiB/s)", 2.0**20),
        ("rx_bytes_per_second", 5e6, "rx (MiB/s)", 2.0**20),
        ("latency_ms", 40.0, "latency (ms)", 1.0),
        ("latency_ms", 1500.0, "latency (s)", 1000.0),
        ("latency_ms", 0.2, "latency (µs)", 1e-3),
        ("epoch_seconds", 20_000.0, "epoch (h)", 3600.0),
        ("step_time_s", 90.0, "step_time (s)", 1.0),
        ("gpu_util", 85.0, "gpu_util (%)", 1.0),
        ("gpu_util", 0.85, "gpu_util", 1.0),
        ("gpu/util", 85.0, "util (%)", 1.0),
        ("gpu/util", 0.85, "util", 1.0),
        ("system/gpu/power_watts", 700.0, "power (W)", 1.0),
        ("system/gpu/temperature_celsius", 60.0, "temperature (°C)", 1.0),
        ("clock_hz", 2e9, "clock (Hz)", 1.0),
        ("watts", 700.0, "watts", 1.0),
        ("images_per_joule", 3.0, "images_per_joule", 1.0),
        ("disk-percent", 0.85, "disk (%)", 1.0),
        ("train/loss", 2.0, "loss", 1.0),
        ("tokens_per_s", 1e6, "tokens_per_s", 1.0),
        ("s", 1e6, "s", 1.0),
        ("bytes", 1e6, "bytes", 1.0),
        ("mems", 1e6, "mems", 1.0),
        ("latency_ms", 0.0, "latency (ms)", 1.0),
        ("latency_ms", math.nan, "latency (ms)", 1.0),
    ],
)
def test_the_unit_follows_from_the_name_and_the_magnitude(metric, largest, label, one):
    unit = unit_of(metric, largest)
    assert unit.label == label and unit.one == pytest.approx(one)


def test_nothing_is_scaled_on_a_logarithmic_axis():
    assert unit_of("mem_bytes", 12e9, is_log=True)[1:] == ("B", 1.0)
    assert unit_of("latency_ms", 12e9, is_log=True)[1:] == ("ms", 1.0)


def test_ticks_are_round_in_the_unit_and_the_data_stays_as_it_was_logged(store):
    values = [2.0**30 * i for i in range(12)]
    log_values(store, "mem_bytes", values)
    ax = store.select("mem_bytes").plot()
    assert ax.get_ylabel() == "mem (GiB)" and ax.get_title() == "mem_bytes" and ax.get_xlabel() == "step"
    assert curves(ax)[0].get_ydata().tolist() == values
    texts = tick_texts(ax)
    assert texts == ["0", "2", "4", "6", "8", "10"]
    assert store.select("mem_bytes").plot(log_y=True).get_ylabel() == "mem (B)"


def test_a_rate_has_not_the_unit_of_its_metric(store):
    log_values(store, "rx_bytes", [1e9 * i for i in range(10)])
    s = store.select("rx_bytes")
    assert s.plot().get_ylabel() == "rx (GiB)" and s.transform("ema:0.5").plot().get_ylabel() == "rx (GiB)"
    assert s.transform("derivative:step").plot().get_ylabel() == "rx_bytes"


def test_axes_are_named_by_what_they_show(store):
    with store.run("a") as run:
        for step in range(200):
            run.log({"train/loss": 1.0, "tokens": 10_000.0 * step}, step=step, time=step * 3_600_000_000)
    s = store.select("train/loss")
    assert [s.plot(x=x).get_xlabel() for x in ("step", "time", "elapsed")] == ["step", "time (UTC)", "elapsed (d)"]
    ax = s.plot(x="metric:tokens")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("tokens", "loss", "train/loss")
    ax.figure.canvas.draw()
    assert "1M" in [text.get_text() for text in ax.get_xticklabels()]
    short = store.select("train/loss", time=(0, 40 * 3_600_000_000))
    assert short.plot(x="elapsed").get_xlabel() == "elapsed (h)"
    assert s.plot(title="Mine").get_title() == "Mine"
    assert s.aggregate("mean", by=["run", tidalite.step_bucket(10)]).plot().get_ylabel() == "mean"


def test_numbers_of_a_short_logarithmic_axis_are_plain(store):
    log_values(store, "loss", [0.4 + i / 10 for i in range(20)])
    ax = store.select("loss").plot(log_y=True)
    ax.figure.canvas.draw()
    texts = [text.get_text() for text in ax.get_yticklabels() + ax.get_yticklabels(minor=True)]
    assert "1" in texts and "2" in texts and not any("mathdefault" in text for text in texts)
    log_values(store, "error", [10.0**-i for i in range(3)])
    ax = store.select("error").plot(log_y=True)
    ax.figure.canvas.draw()
    assert {"1", "0.1", "0.01"} <= {text.get_text() for text in ax.get_yticklabels()}
    assert not any(text.get_text() for text in ax.get_yticklabels(minor=True)), "over decades only powers of ten have a text"


def test_a_single_moment_is_shown_with_its_minute(store):
    with store.run("a") as run:
        run.log({"loss": 1.0, "acc": 0.5}, step=0, time=1_780_000_000_000_000)
    s = store.select()
    buckets = s.aggregate("mean", by=["metric", tidalite.time_bucket("1h")])
    for ax in [*s.plot(x="time"), *s.points().plot(x="time"), *buckets.plot()]:
        ax.figure.canvas.draw()
        first, last = ax.get_xlim()
        assert (last - first) * 24 * 60 == pytest.approx(2) and first < ax.lines[0].get_xdata(orig=False)[0] < last
        assert "2026-May-28" in ax.xaxis.get_offset_text().get_text()


def test_ticks_of_steps_are_whole_numbers(store):
    log_values(store, "loss", [3.0, 2.0, 1.0])
    log_values(store, "acc", [0.5])
    for ax in [*store.select().plot(), store.select("loss").points().plot(), store.select("loss").band(9).plot()]:
        low, high = ax.get_xlim()
        ticks = [at for at in ax.get_xticks() if low <= at <= high]
        assert ticks and all(at == int(at) for at in ticks)
    assert any(at != int(at) for at in store.select("loss").plot(x="metric:acc").get_xticks()), "another x has any numbers"


def test_large_numbers_are_short_and_ticks_that_are_close_stay_distinct(store):
    def texts(axis):
        axis.figure.canvas.draw()
        low, high = sorted(axis.get_view_interval())
        return [t.get_text() for t, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True) if low <= at <= high]

    log_values(store, "tokens", [2e7 * i for i in range(11)])
    ax = store.select("tokens").plot()
    assert texts(ax.yaxis) == ["0", "25M", "50M", "75M", "100M", "125M", "150M", "175M", "200M"]
    assert ax.yaxis.get_offset_text().get_text() == ""
    # A run that was resumed: six digits would show each of its steps as 10M.
    store.append({"run": "b", "metric": "loss", "step": 10_000_000 + np.arange(50), "value": np.arange(50) / 50})
    assert texts(store.select("loss").plot().xaxis)[:2] == ["10,000,000", "10,000,010"]


def test_bars_and_dots_have_plain_logarithmic_numbers_too(store):
    for i, value in enumerate([-5.0, 0.0, 1.4, 8.2, math.nan]):
        with store.run(f"r{i}", params={"batch": 8 * 4**i}) as run:
            run.log({"reward": value, "cost": 2.0 + i}, step=0)

    def plain(axis):
        axis.figure.canvas.draw()
        texts = [text.get_text() for text in axis.get_majorticklabels() + axis.get_minorticklabels()]
        return any(texts) and not any("mathdefault" in text for text in texts)

    ax = store.select("reward").latest().plot(log_x=True)
    assert plain(ax.xaxis) and [text.get_text() for text in ax.texts] == ["-5", "0", "1.4", "8.2", "NaN"]
    left, right = ax.get_window_extent().x0, ax.get_window_extent().x1
    assert all(left < text.get_window_extent().x0 < right for text in ax.texts), "a value without a bar has its number"
    ax = store.plot_scatter("batch", "cost", log_y=True)
    assert plain(ax.xaxis) and plain(ax.yaxis)
    store.select("reward", runs="r0").latest().plot(log_x=True)


@pytest.mark.parametrize(
    ("values", "note"), [([1.0, 0.0, 2.0], "1 value of 0 or less is"), ([0.0, -3.0], "2 values of 0 or less are")]
)
def test_a_logarithmic_axis_counts_the_values_that_it_cannot_show(store, values, note):
    """Also if it can show none. The tests of plots take matplotlib's warning as an error."""
    log_values(store, "gap", values)
    ax = store.select("gap").plot(log_y=True)
    assert [text.get_text() for text in ax.texts] == [f"{note} below a logarithmic axis"]
    assert not store.select("gap").plot().texts


def test_panels_share_x_unless_one_would_be_squeezed(store):
    fill(store, "a", 100, metrics=("x", "y", "z"))
    axes = store.select().plot()
    axes[0].set_xlim(10, 20)
    assert all(ax.get_xlim() == (10, 20) for ax in axes)
    assert [ax.get_xlabel() for ax in axes] == ["", "step", "step"], "the lowest of each column"
    axes[0].figure.canvas.draw()
    assert [any(t.get_visible() for t in ax.get_xticklabels()) for ax in axes] == [False, True, True]
    log_values(store, "epochs", [1.0, 2.0, 3.0])
    axes = store.select().plot()
    axes[0].set_xlim(10, 20)
    assert axes[1].get_xlim() != (10, 20) and all(ax.get_xlabel() == "step" for ax in axes)


def test_panels_are_per_metric_per_run_or_one(store):
    for run in ("b", "a"):
        fill(store, run, 10, metrics=("x", "y"))
    s = store.select()
    assert [ax.get_title() for ax in s.plot(panels="metric")] == ["x", "y"]
    axes = s.plot(panels="run")
    assert [ax.get_title() for ax in axes] == ["a", "b"]
    assert [[line.get_label() for line in curves(ax)] for ax in axes] == [["x", "y"], ["x", "y"]]
    ax = s.plot(panels=None)
    assert sorted(legend_names(ax)) == ["x a", "x b", "y a", "y b"]
    assert sorted(legend_names(store.select("x").plot(panels=None))) == ["a", "b"]
    assert len(s.points().plot(panels="run")) == len(s.chart(5).plot(panels="run")) == 2
    with pytest.raises(tidalite.Invalid, match="`panels` is 'group'; give 'metric', 'run' or None"):
        s.plot(panels="group")
    with pytest.raises(tidalite.Invalid, match="2 panels, one per run, but 1 axes"):
        s.plot(panels="run", ax=plt.subplots()[1])


def test_a_table_is_drawn_in_one_panel(store):
    for run in ("b", "a"):
        fill(store, run, 100, metrics=("x", "y"))
    s = store.select()
    ax = store.select("x").aggregate("p50", "p95", by="step:10").plot(panels=None)
    assert legend_names(ax) == ["p95", "p50"] and ax.get_title() == ax.get_ylabel() == ""
    ax = store.select("x").aggregate("mean", by=["run", "step:10"]).plot(panels=None)
    assert sorted(legend_names(ax)) == ["a", "b"] and ax.get_title() == ax.get_ylabel() == "mean"
    assert sorted(legend_names(s.aggregate("mean", by=["metric", "step:10"]).plot(panels=None))) == ["x", "y"]
    assert len(s.aggregate("mean", by=["metric", "step:10"]).plot()) == 2
    ax = store.select("x").aggregate("min", "max", by="run").plot(panels=None)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["min a", "min b", "max a", "max b"]
    assert sorted(legend_names(s.band(9).plot(panels=None))) == ["x", "y"]
    for table in (s.points(), s.chart(9)):
        assert sorted(legend_names(table.plot(panels=None))) == ["x a", "x b", "y a", "y b"]
    for table in (s.band(9), store.select("x").aggregate("mean", by=["run", "step:10"])):
        with pytest.raises(tidalite.Invalid, match="`panels` is 'run', which this kind of table does not take; give None"):
            table.plot(panels="run")
    with pytest.raises(tidalite.Invalid, match="does not take `panels`"):
        s.latest().plot(panels=None)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"logy": True}, "this plot has no option `logy`; give `log_y=True`"),
        ({"xscale": "log"}, "no option `xscale`; give `log_x=True`"),
        ({"colour": "x"}, "no option `colour`; give `color`"),
        ({"smoothing": 0.5}, "no option `smoothing`; give `smooth`"),
        ({"bins": 5}, "no option `bins`; give `buckets`"),
        ({"axes": None}, "no option `axes`; give `ax`"),
        ({"run": "a"}, r"no option `run`; choose what is drawn before: store.select\(metrics, runs=…"),
        ({"figsize": (1, 2)}, r"no option `figsize`; .* plt.subplots\(figsize="),
        ({"ylim": (0, 1)}, r"no option `ylim`; set it on the Axes that the plot returns: ax.set_ylim"),
        ({"savefig": "a.png"}, r"no option `savefig`; save the figure of the Axes that the plot returns: ax.figure.savefig"),
        ({"linewidth": 3}, "no option `linewidth`; change the lines of the Axes"),
        ({"legnd": True}, "no option `legnd`; did you mean `legend`. it has x, buckets, smooth"),
        ({"zzz": 1}, "no option `zzz`; it has x, buckets, smooth"),
        ({"log_y": "yes"}, "`log_y` is 'yes'; give True or False"),
        ({"title": 3}, "`title` is 3; give text"),
        ({"label": 3}, "`label` is 3; give text"),
    ],
)
def test_the_words_of_other_libraries_are_refused_with_the_right_one(store, given, match):
    fill(store, "a", 5)
    with pytest.raises(TypeError, match=match):
        store.select("loss").plot(**given)


def test_a_table_names_the_option_too(store):
    fill(store, "a", 5)
    table = store.select("loss").chart(5)
    with pytest.raises(TypeError, match="no option `logx`; give `log_x=True`"):
        table.plot(logx=True)
    with pytest.raises(TypeError, match=r'no option `smooth`; smooth before: selection.transform\("ema:0.9"\)'):
        table.plot(smooth=0.9)
    with pytest.raises(TypeError, match=r"no option `bins`; give the number of buckets to the call that makes the table"):
        table.plot(bins=5)


def test_both_axes_are_logarithmic_everywhere(store):
    for run in "ab":
        fill(store, run, 50, shift=0.5)
    s = store.select("loss")
    drawn = [s.plot, s.points().plot, s.chart(9).plot, s.band(9).plot, s.align().plot, s.aggregate("mean", by=tidalite.step_bucket(5)).plot]
    for plot in drawn:
        ax = plot(log_x=True, log_y=True)
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    table = s.align()
    ax = table.plot(x=table.columns[1], y=table.columns[2], log_x=True, log_y=True)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert s.latest().plot(log_y=True).get_xscale() == "log", "the values of bars run along x"
    np.testing.assert_array_equal(curves(s.plot(ax=plt.subplots()[1]))[0].get_xdata(), np.arange(50))
