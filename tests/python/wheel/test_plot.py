"""Plots have one curve per series, one panel per metric, and distinct colours and names.

Method: matplotlib draws without a screen and saves as PNG; the tests check its artists: lines, areas, marks, scales, and the boxes
of legends.
"""
import math
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tidalite
from matplotlib.colors import to_hex
from plotted import RED, curves, fill, legend_names, marks, picture  # noqa: F401
from tidalite._plot.curves import MARK


def test_one_metric_is_one_axes_with_one_curve_per_run(store):
    fill(store, "resnet-a-v1", 50)
    fill(store, "resnet-b-v1", 80, shift=1)
    ax = store.select("loss").plot()
    assert isinstance(ax, plt.Axes) and ax.get_title() == "loss" and ax.get_xlabel() == "step"
    assert [len(line.get_xdata()) for line in curves(ax)] == [50, 80]
    assert legend_names(ax) == ["a", "b"], "the legend shows what differs"
    assert len({to_hex(line.get_color()) for line in curves(ax)}) == 2
    # A bucket of one step equals its point.
    arrays = store.select("loss", runs="resnet-a-v1").to_numpy()
    np.testing.assert_array_equal(curves(ax)[0].get_ydata(), arrays["value"])
    np.testing.assert_array_equal(curves(ax)[0].get_xdata(), arrays["step"])
    assert len(ax.collections) == 0


def test_buckets_have_an_area_from_minimum_to_maximum(store):
    fill(store, "a", 1000)
    ax = store.select("loss").plot(buckets=50)
    (line,), (area,) = curves(ax), ax.collections
    rows = store.select("loss").chart(50).to_numpy()
    assert 25 <= len(line.get_xdata()) <= 50
    np.testing.assert_array_equal(line.get_ydata(), rows["mean"])
    np.testing.assert_array_equal(line.get_xdata(), rows["step"] + (rows["width"] - 1) / 2)
    heights = area.get_paths()[0].vertices[:, 1]
    assert heights.min() == rows["min"].min() and heights.max() == rows["max"].max()
    assert ax.get_legend() is None, "one curve needs no legend"


def test_nan_is_a_red_tick_and_a_gap(store):
    fill(store, "a", 100, spoil=range(40, 50))
    ax = store.select("loss").plot()
    (mark,) = marks(ax)
    assert to_hex(mark.get_color()) == RED and mark.get_xdata().tolist() == list(range(40, 50))
    assert np.isnan(curves(ax)[0].get_ydata()).sum() == 10
    assert all(0 <= y <= 0.1 for y in mark.get_ydata()), "at the bottom, whatever the scale"
    assert MARK in legend_names(ax)


def test_a_value_between_gaps_is_a_dot(store):
    fill(store, "a", 9, spoil=[3, 5])
    (line,) = curves(store.select("loss").plot())
    assert line.get_marker() == "o" and line.get_markevery() == [4]
    with store.run("b") as run:
        run.log({"once": 1.0}, step=7)
    (line,) = curves(store.select("once").plot())
    assert line.get_marker() == "o" and line.get_markevery() == [0]


def test_each_metric_has_one_axes_and_a_run_has_one_colour_in_all(store):
    for id in ["a", "b"]:
        fill(store, id, metrics=("loss", "acc", "lr"))
    axes = store.select().plot(title="Three metrics")
    assert [ax.get_title() for ax in axes] == ["acc", "loss", "lr"]
    colour = [[to_hex(line.get_color()) for line in curves(ax)] for ax in axes]
    assert colour[0] == colour[1] == colour[2] and len(set(colour[0])) == 2
    figure = axes[0].figure
    assert figure.get_suptitle() == "Three metrics"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"], "one legend for all"
    assert all(ax.get_legend() is None for ax in axes)


def test_twelve_of_many_metrics_are_drawn_and_the_others_counted(store):
    fill(store, "a", 5, metrics=[f"m{i:02}" for i in range(15)])
    axes = store.select().plot()
    assert len(axes) == 12 and len(axes[0].figure.axes) == 12
    texts = [t.get_text() for ax in axes for t in ax.texts]
    assert texts == ["and 3 more metrics: select fewer to see them"]


def test_a_log_axis_is_logarithmic_and_a_linear_one_is_not(store):
    fill(store, "a", 200, shift=0.5)
    assert store.select("loss").plot().get_yscale() == "linear"
    ax = store.select("loss").plot(log_y=True, buckets=20)
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear"
    low, high = ax.get_ylim()
    assert 0.1 < low < 0.6 and 1 < high < 3, "the values fill the scale"
    assert store.select("loss").plot(log_x=True).get_xscale() == "log"


def test_names_that_look_like_formulas_are_shown_as_text(store):
    for id in ["$\\frac{$", "_hidden", "a$b$c"]:
        with store.run(id) as run:
            for step in range(5):
                run.log({"cost in $ ($^)": step, "_under": 1.0}, step=step)
    axes = store.select().plot()
    texts = [t.get_text() for t in axes[0].figure.legends[0].get_texts()]
    assert len(texts) == 3 and any("_hidden" in t for t in texts)
    store.select().latest().plot()
    store.select("cost*").align().plot()


def test_x_may_be_time_or_elapsed_time(store):
    for id, start in [("a", 1_780_000_000), ("b", 1_780_050_000)]:
        with store.run(id) as run:
            for step in range(100):
                run.log({"loss": math.exp(-step / 30)}, step=step, time=(start + 36 * step) * 1_000_000)
    ax = store.select("loss").plot(x="time", buckets=500)
    assert ax.get_xlabel() == "time (UTC)"
    first, last = curves(ax)[0].get_xdata()[[0, -1]]
    assert abs((first - np.datetime64("2026-05-28T20:26:40")) / np.timedelta64(1, "s")) < 60
    assert abs((last - first) / np.timedelta64(1, "s") - 99 * 36) < 120
    ax = store.select("loss").plot(x="elapsed", buckets=1000)
    assert ax.get_xlabel() == "elapsed (min)"
    for line in curves(ax):
        assert len(line.get_xdata()) == 100
        assert abs(line.get_xdata()[0]) < 0.1 and abs(line.get_xdata()[-1] - 99 * 36 / 60) < 0.1


@pytest.mark.parametrize("x", ["time", "elapsed"])
def test_metrics_of_different_times_are_drawn_over_one_time_without_a_warning(store, x):
    """The tests of plots take warnings as errors."""
    for run, start in [("a", 0), ("b", 5)]:
        with store.run(run) as r:
            for second in range(50):
                r.log({"loss" if second < 30 else "acc": 1.0}, step=second, time=(1_780_000_000 + start + second) * 1_000_000)
    acc, loss = store.select().plot(x=x, buckets=1000)
    begins = [[line.get_xdata()[0] for line in curves(ax)] for ax in (acc, loss)]
    after = (np.array(begins) - begins[1][0]) / (np.timedelta64(1, "s") if x == "time" else 1)
    np.testing.assert_allclose(after, [[30, 35], [0, 5]] if x == "time" else [[30, 30], [0, 0]], atol=0.2)


def test_given_axes_are_drawn_into(store):
    fill(store, "a", metrics=("x", "y"))
    figure, axes = plt.subplots(1, 2)
    assert store.select("x").plot(ax=axes[1]) is axes[1]
    assert len(plt.get_fignums()) == 1
    drawn = store.select().plot(ax=axes)
    assert list(drawn) == list(axes)
    with pytest.raises(tidalite.Invalid, match="2 panels, one per metric, but 1 axes in `ax`"):
        store.select().plot(ax=axes[0])


def test_legend_false_draws_no_legend(store):
    fill(store, "a", spoil=[3])
    fill(store, "b")
    assert store.select("loss").plot(legend=False).get_legend() is None


def test_a_band_has_a_mean_an_area_of_one_deviation_and_thin_edges(store):
    for i in range(4):
        fill(store, f"r{i}", 400, shift=i)
    table = store.select("loss").band(50)
    ax = table.plot()
    rows = table.to_numpy()
    (line,), (area,) = curves(ax), ax.collections
    np.testing.assert_array_equal(line.get_ydata(), rows["mean"])
    heights = area.get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([heights.min(), heights.max()], [(rows["mean"] - rows["std"]).min(), (rows["mean"] + rows["std"]).max()])
    edges = [other for other in ax.lines if other is not line]
    assert [e.get_linewidth() < line.get_linewidth() for e in edges] == [True, True]
    np.testing.assert_array_equal([e.get_ydata() for e in edges], [rows["min"], rows["max"]])
    fill(store, "r0", 1, spoil=[0], metrics=("bad",))
    assert legend_names(store.select().band(50, by=[]).plot())[0] == "mean ± std, min, max", "what the thin lines are"


def test_a_band_by_a_label_has_one_curve_per_value(store):
    for i in range(4):
        fill(store, f"r{i}", 50, labels={"opt": "sgd" if i % 2 else "adam"})
    ax = store.select("loss").band(20, by=["metric", "label:opt"]).plot()
    assert legend_names(ax) == ["opt=adam", "opt=sgd"] and len(curves(ax)) == 2


def test_aligned_columns_are_lines_or_a_scatter(store):
    fill(store, "a", 30, metrics=("x", "y", "z"))
    table = store.select(runs="a").align()
    ax = table.plot()
    assert len(curves(ax)) == 3 and len(legend_names(ax)) == 3 and ax.get_xlabel() == "step"
    x, y = table.columns[1:3]
    ax = table.plot(x=x, y=y)
    (dots,) = ax.collections
    arrays = table.to_numpy()
    np.testing.assert_array_equal(dots.get_offsets(), np.stack([arrays[x], arrays[y]], 1))
    assert (ax.get_xlabel(), ax.get_ylabel()) == (x, y)


def test_aggregates_over_buckets_are_lines_and_others_bars(store):
    for i in range(3):
        fill(store, f"r{i}", 100, shift=i)
    s = store.select("loss")
    axes = s.aggregate("mean", "max", by=["run", tidalite.step_bucket(10)]).plot()
    assert [ax.get_title() for ax in axes] == ["mean", "max"]
    assert all(len(curves(ax)) == 3 and len(curves(ax)[0].get_xdata()) == 10 for ax in axes)
    ax = s.aggregate("mean", by=["run", tidalite.time_bucket("1s")]).plot()
    assert ax.get_xlabel() == "time (UTC)" and len(curves(ax)) == 3
    table = s.aggregate("mean", by="run")
    ax = table.plot()
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], table.to_numpy()["mean"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["r0", "r1", "r2"]
    best = s.aggregate("min", by="run").sort("min", descending=True).plot()
    assert [t.get_text() for t in best.get_yticklabels()] == ["r2", "r1", "r0"], "bars stand in the order of the rows"


def test_params_are_groups_of_plots_whatever_their_type(store):
    for lr in (10, 2, 0.5, None):
        with store.run(f"r{lr}", params={} if lr is None else {"lr": lr, "warm": lr > 1}) as run:
            for step in range(20):
                run.log({"loss": float(step)}, step=step)
    s = store.select("loss")
    names = ["no lr", "lr=0.5", "lr=2", "lr=10"]
    ax = s.aggregate("min", by="param:lr").plot()
    assert [t.get_text() for t in ax.get_yticklabels()] == names, "in the order of numbers"
    ax = s.aggregate("min", by="param:warm").plot()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["no warm", "warm=False", "warm=True"]
    ax = s.aggregate("mean", by=["param:lr", tidalite.step_bucket(5)]).plot()
    assert sorted(c.get_label() for c in curves(ax)) == sorted(names)
    assert all(len(c.get_xdata()) == 4 for c in curves(ax))
    assert {c.get_label() for c in curves(s.band(5, by="param:lr").plot())} >= set(names)


def test_bars_show_nan_and_count_the_groups_left_out(store):
    with store.run("a") as run:
        run.log({"x": math.nan, "y": 2.0}, step=0)
    axes = store.select().latest().plot()
    assert [ax.get_title() for ax in axes] == ["x", "y"]
    (text,) = axes[0].texts
    assert text.get_text() == "NaN" and to_hex(text.get_color()) == RED
    for i in range(45):
        with store.run(f"r{i:02}") as run:
            run.log({"z": float(i)}, step=0)
    ax = store.select("z").aggregate("max", by="run").plot()
    assert len(ax.patches) == 40 and any("and 5 more" in t.get_text() for t in ax.texts)


def test_points_charts_and_lttb_are_curves(store):
    fill(store, "a", 200, spoil=[7])
    s = store.select("loss")
    for table in (s.points(), s.chart(1000), s.lttb(50), s.sample(50)):
        ax = table.plot()
        assert len(curves(ax)) == 1 and ax.get_title() == "loss"
    assert len(marks(s.points().plot())) == 1
    assert s.points().plot(x="time").get_xlabel() == "time (UTC)"


def test_an_empty_answer_is_refused_with_a_remedy(store):
    for thing in (store.select("none"), store.select("none").points(), store.select("none").chart()):
        with pytest.raises(tidalite.NotFound, match="nothing to plot"):
            thing.plot()
    with pytest.raises(tidalite.NotFound, match="nothing to plot"):
        store.select("none").plot(x="time")


def test_invalid_options_are_refused_by_name(store):
    fill(store, "a")
    s = store.select()
    with pytest.raises(tidalite.Invalid, match="`x` is 'epoch'; give step, time, elapsed, metric:<name> or next:<name>"):
        s.plot(x="epoch")
    with pytest.raises(tidalite.Invalid, match="there is no column nope; there are run"):
        s.points().plot(x="nope")
    with pytest.raises(tidalite.Invalid, match="does not take `y`"):
        s.points().plot(y="value")
    with pytest.raises(tidalite.Invalid, match="none of the aggregates is a number"):
        s.aggregate("time_first", by="run").plot()
    with pytest.raises(TypeError, match="color"):
        s.plot(hue="run")


def test_extremes_are_drawn(store):
    with store.run("a") as run:
        for step, value in [(-(2**63), -1e300), (0, 0.0), (2**63 - 1, 1e300)]:
            run.log({"x": value, "same": 5.0}, step=step)
        run.log({"inf": math.inf}, step=0)
    axes = store.select().plot()
    assert len(axes) == 3
    axes = store.select().plot(log_y=True)
    assert all(ax.get_yscale() == "log" for ax in axes)


def test_a_value_that_no_axis_can_show_is_marked_as_an_infinity_is(store):
    top = 1.7976931348623157e308
    with store.run("a", params={"lr": 1}) as run:
        for step, value in enumerate([1.0, top, 2.0, -top, 3.0, top]):
            run.log({"x": value}, step=step)
    s = store.select("x")
    for ax in (s.plot(), s.plot(log_y=True), s.points().plot(), s.align().plot()):
        assert [mark.get_xdata().tolist() for mark in marks(ax)] == [[1, 3, 5]]
        assert np.nanmax(curves(ax)[0].get_ydata()) < 10
    s.plot(buckets=2, smooth=0.5)
    s.band(3).plot(log_y=True)
    (bar,) = s.latest().plot().texts
    assert bar.get_text() == "1.7977e308" and to_hex(bar.get_color()) == RED
    assert len(marks(store.plot_scatter("lr", "x"))) == 1
    store.plot_parallel(["lr"], "x")
    with store.run("b") as run:
        for step in range(3):
            run.log({"x": 1.0, "y": top if step else 1.0}, step=step)
    table = store.select(runs="b").align()
    assert table.plot(x="x", y="y").collections[0].get_offsets().tolist() == [[1.0, 1.0]]


def test_without_matplotlib_the_error_says_how_to_install_it(store, monkeypatch):
    fill(store, "a")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"plot\(\) needs matplotlib, which is not installed: pip install matplotlib"):
        store.select().plot()


def test_a_plot_needs_matplotlib_alone(path, script):
    script(
        """
        import sys
        for name in ("pyarrow", "pandas"):
            sys.modules[name] = None
        import matplotlib
        matplotlib.use("agg")
        import tidalite
        with tidalite.open(sys.argv[1]) as store:
            with store.run("a") as run:
                for step in range(100):
                    run.log({"loss": 1 / (step + 1)}, step=step)
            store.select("loss").plot()
            store.select("loss").chart(10).plot()
            store.select("loss").band(10).plot()
        """,
        path,
    )
