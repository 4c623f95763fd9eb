"""Params of runs against a metric: parallel coordinates, scatter plots, and importance.

Method: plots as in `test_plot`. The rank correlation is compared with its textbook sum, mutual information with tables whose value
is known.
"""
import math
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tidalite
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from plotted import RED, legend_names, picture  # noqa: F401
from tidalite._importance import mutual_information, rank_correlation
from tidalite._plot.curves import MARK
from tidalite._plot.scales import ParamScale


def finished(store, id, params, *losses):
    with store.run(id, params=params) as run:
        for step, loss in enumerate(losses):
            run.log({"loss": loss}, step=step)


@pytest.fixture
def sweep(store):
    finished(store, "a", {"lr": 0.001, "opt": "adam", "net": {"layers": 2}}, 3.0, 1.0)
    finished(store, "b", {"lr": 0.1, "opt": "sgd", "net": {"layers": 4}}, 3.0, 2.0)
    finished(store, "c", {"lr": 1.0, "opt": "adam"}, 1.5, 4.0)
    return store


def lines(ax, label="_runs"):
    (found,) = [c for c in ax.collections if isinstance(c, LineCollection) and c.get_label() == label]
    return [path.vertices[:, 1].tolist() for path in found.get_paths()], found


def test_parallel_coordinates_have_one_line_per_run_through_its_params(sweep):
    ax = sweep.plot_parallel(["lr", "params.opt", "net.layers"], "loss")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["lr", "opt", "net.layers", "loss (last)"]
    places, found = lines(ax)
    # From the worst loss to the best, so that the best is on top. lr is logarithmic: 0.1 is two thirds of the way from 0.001 to 1.
    expected = [[1, 0, math.nan, 1], [2 / 3, 1, 1, 1 / 3], [0, 0, 0, 0]]
    np.testing.assert_allclose(places, expected)
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "loss (last)"
    np.testing.assert_allclose(found.get_colors()[:, :3], bar._colorbar.mappable.to_rgba([4.0, 2.0, 1.0])[:, :3])
    texts = [t.get_text() for t in ax.texts]
    assert texts[:8] == ["0.001", "0.1", "1", "adam", "sgd", "2", "4", "1"], "the values themselves, since they are few"


def test_a_line_has_a_gap_at_a_param_that_its_run_lacks(sweep):
    ax = sweep.plot_parallel(["net.layers", "lr", "opt"], "loss")
    assert [[math.isnan(y) for y in line] for line in lines(ax)[0]] == [[True, False, False, False], [False] * 4, [False] * 4]
    ax = sweep.plot_parallel(["lr", "net.layers", "opt"], "loss")
    dots = [c for c in ax.collections if not isinstance(c, LineCollection)]
    assert [c.get_offsets().tolist() for c in dots] == [[[0.0, 1.0]]], "a value between gaps has no line, and is a dot"


def test_a_run_without_a_finite_value_is_red_and_ends_before_the_metric(sweep):
    finished(sweep, "d", {"lr": 0.01, "opt": "sgd"}, 1.0, math.nan)
    ax = sweep.plot_parallel(["lr", "opt"], "loss")
    places, found = lines(ax, MARK)
    np.testing.assert_allclose(places[0][:2], [1 / 3, 1])
    assert to_hex(found.get_colors()[0][:3]) == RED and legend_names(ax) == [MARK]
    assert len(lines(ax)[0]) == 3
    assert lines(sweep.plot_parallel(["lr", "opt"], "loss", value="min"))[0] != [], "its least value is finite"
    ax = sweep.plot_parallel("lr", "loss", runs="d", ax=plt.subplots()[1])
    assert len(ax.figure.axes) == 1, "nothing to colour"


def test_a_scatter_plot_has_one_dot_per_run_with_the_param(sweep):
    ax = sweep.plot_scatter("lr", "loss")
    (dots,) = ax.collections
    assert sorted(dots.get_offsets().tolist()) == [[0.001, 1.0], [0.1, 2.0], [1.0, 4.0]]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(), ax.get_xscale()) == ("lr", "loss (last)", "loss", "log")
    assert sweep.plot_scatter("lr", "loss", log_x=False, log_y=True).get_xscale() == "linear"
    assert sorted(sweep.plot_scatter("lr", "loss", value="min").collections[0].get_offsets()[:, 1]) == [1.0, 1.5, 2.0]
    ax = sweep.plot_scatter("net.layers", "loss")
    assert len(ax.collections[0].get_offsets()) == 2 and [t.get_text() for t in ax.texts] == ["1 run without net.layers"]
    assert ax.get_xscale() == "linear"


def test_categories_are_at_even_places_and_spread(sweep):
    ax = sweep.plot_scatter("opt", "loss")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["adam", "sgd"]
    at = {round(y): x for x, y in ax.collections[0].get_offsets()}
    assert abs(at[1]) <= 0.15 and abs(at[4]) <= 0.15 and abs(at[2] - 1) <= 0.15 and at[1] != at[4]


def test_a_scatter_plot_is_coloured_by_another_param(sweep):
    ax = sweep.plot_scatter("lr", "loss", color="params.opt")
    assert legend_names(ax) == ["opt=adam", "opt=sgd"] and sorted(len(c.get_offsets()) for c in ax.collections) == [1, 2]
    ax = sweep.plot_scatter("opt", "loss", color="params.lr")
    assert ax.figure.axes[1].get_ylabel() == "lr"
    assert to_hex(sweep.plot_scatter("lr", "loss", color="black").collections[0].get_facecolor()[0][:3]) == "#000000"
    finished(sweep, "d", {"lr": 0.01}, math.inf)
    ax = sweep.plot_scatter("lr", "loss", label="runs")
    assert legend_names(ax) == ["runs", MARK] and ax.lines[0].get_xdata().tolist() == [0.01]


def test_scales_cover_every_kind_of_value():
    top = 1.7976931348623157e308
    for values in ([-top, top], [1, 1], [1e-300, 1e300], [True, False], ["a", 1, None], [None, math.nan, 2.0], [2**63, -(2**63)]):
        scale = ParamScale(values)
        places = scale.places(values)
        finite = places[~np.isnan(places)]
        assert len(finite) >= 1 and (finite >= 0).all() and (finite <= 1).all(), values
        assert all(0 <= place <= 1 and text for place, text in scale.ticks()), values
    many = ParamScale([f"v{i}" for i in range(100)])
    assert len(many.ticks()) <= 30 and many.categories[:3] == ["v0", "v1", "v2"]
    assert [text for _, text in ParamScale([16, 32, 64, 128]).ticks()] == ["16", "32", "64", "128"]


def test_what_cannot_be_drawn_is_refused_with_a_remedy(sweep):
    with pytest.raises(tidalite.NotFound, match="no run that is selected has the metric 'los'; similar: loss"):
        sweep.plot_scatter("lr", "los")
    with pytest.raises(tidalite.NotFound, match="has the metric 'loss'"):
        sweep.importance("loss", runs="zzz*")
    with pytest.raises(tidalite.Invalid, match="no run with loss has the param 'lrr'; similar: lr"):
        sweep.plot_parallel(["lrr"], "loss")
    with pytest.raises(tidalite.Invalid, match="has the param 'zzz'; there are lr, net.layers, opt"):
        sweep.plot_scatter("zzz", "loss")
    with pytest.raises(tidalite.Invalid, match="`value` is 'best'; give last, min, max"):
        sweep.plot_scatter("lr", "loss", value="best")
    with pytest.raises(tidalite.Invalid, match="there are no params to draw"):
        sweep.plot_parallel([], "loss")
    with pytest.raises(tidalite.Invalid, match="whose points may have several labels"):
        sweep.plot_scatter("lr", "loss", color="labels.rank")
    with pytest.raises(TypeError, match="no option `run`; give `runs`"):
        sweep.plot_scatter("lr", "loss", run="a")
    with pytest.raises(TypeError, match="no option `logy`; give `log_y=True`"):
        sweep.plot_scatter("lr", "loss", logy=True)
    with pytest.raises(TypeError, match="`metric` is 3"):
        sweep.importance(3)
    assert plt.get_fignums() == []


def test_the_metric_of_a_sweep_is_one_exact_name(store):
    with store.run("a", params={"lr": 1}) as run:
        run.log({"loss": 1.0, "l*": 5.0}, step=0)
    assert store.plot_scatter("lr", "l*").collections[0].get_offsets()[0].tolist() == [1, 5.0]
    with pytest.raises(tidalite.NotFound):
        store.plot_scatter("lr", "lo*")


def test_the_rank_correlation_is_that_of_the_ranks():
    x, y = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([2.0, 1.0, 4.0, 3.0, 9.0])
    # Without ties it is 1 - 6 Σd² / (n (n² - 1)).
    assert rank_correlation(x, y) == pytest.approx(1 - 6 * 4 / (5 * 24))
    assert rank_correlation(x, np.exp(x)) == 1.0 and rank_correlation(x, -(x**3)) == -1.0
    # Ties share the mean of their ranks: 1.5, 1.5, 3, 4.
    assert rank_correlation(np.array([1.0, 1.0, 2.0, 9.0]), np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert rank_correlation(x, np.ones(5)) is None


def test_mutual_information_is_that_of_known_tables():
    random = np.random.default_rng(0)
    x = np.tile([0, 1], 500)
    assert mutual_information(x, x.astype(float), x_has_order=False) == pytest.approx(1.0, abs=0.01), "one bit"
    assert mutual_information(x, random.normal(size=1000), x_has_order=False) < 0.02
    assert mutual_information(np.zeros(10), random.normal(size=10), x_has_order=True) == 0.0
    four = np.repeat([0, 1, 2, 3], 250)
    assert mutual_information(four, four % 2 + 0.0, x_has_order=False) == pytest.approx(1.0, abs=0.01)
    # A valley has no rank correlation, but the param tells much of the metric.
    at = random.uniform(-1, 1, 1000)
    assert abs(rank_correlation(at, at**2)) < 0.1 and mutual_information(at, at**2, x_has_order=True) > 1.0


def test_importance_ranks_the_param_that_matters_first(store):
    random = np.random.default_rng(0)
    for i in range(120):
        lr, opt = float(10 ** random.uniform(-4, -1)), ["adam", "sgd"][i % 2]
        finished(store, f"r{i}", {"lr": lr, "opt": opt, "seed": int(random.integers(1000)), "same": 1}, 9.0, lr**0.5 + (0.1 if opt == "sgd" else 0))
    found = store.importance("loss")
    assert isinstance(found, tidalite.Importance) and isinstance(found[0], tidalite.ParamImportance)
    assert [row.param for row in found[:2]] == ["lr", "opt"] and {row.param for row in found[2:]} == {"seed", "same"}
    by_param = {row.param: row for row in found}
    assert by_param["lr"].runs == 120 and by_param["lr"].rank_correlation > 0.8
    assert by_param["opt"].rank_correlation is None and by_param["opt"].mutual_information > 0.1
    assert abs(by_param["seed"].rank_correlation) < 0.25 and by_param["seed"].mutual_information < 0.2
    assert by_param["same"].rank_correlation is None and by_param["same"].mutual_information == 0.0
    assert [row.param for row in store.importance("loss", ["params.opt"])] == ["opt"]
    assert store.importance("loss", value="max")[0].mutual_information == 0.0, "the greatest loss is the same in all"
    assert store.importance("loss", where="params.opt = 'sgd'")[0].runs == 60
    html = found._repr_html_()
    assert "<td>lr</td>" in html and "not causes" in html and "params and loss (last)" in html


def test_runs_that_say_nothing_are_left_out_of_importance(store):
    finished(store, "a", {"lr": 1.0, "big": (2**62), "odd": "x", "one": 1}, 1.0)
    finished(store, "b", {"lr": math.nan, "big": (2**62) + 1, "odd": 1}, 2.0)
    finished(store, "c", {"lr": 2.0, "big": (2**62) + 2, "odd": [1]}, math.nan)
    finished(store, "d", {"lr": 3.0}, 3.0)
    rows = {row.param: row for row in store.importance("loss")}
    assert rows["lr"].runs == 2 and rows["odd"].runs == 2 and rows["odd"].rank_correlation is None
    assert "one" not in rows, "a single run is no comparison"
    assert store.importance("loss", runs="a") == [] and "no param" in store.importance("loss", runs="a")._repr_html_()


def test_without_numpy_or_matplotlib_the_error_says_how_to_install_it(sweep, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"plot\(\) needs matplotlib, which is not installed: pip install matplotlib"):
        sweep.plot_scatter("lr", "loss")
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ImportError, match=r"importance\(\) needs numpy, which is not installed: pip install numpy"):
        sweep.importance("loss")
