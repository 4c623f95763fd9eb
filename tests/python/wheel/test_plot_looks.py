"""Names, colours and legends of curves: what is named, in which order, and where the legend stands.

Method: as in `test_plot`.
"""
import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tidalite
from matplotlib.colors import LogNorm, Normalize, to_hex, to_rgb
from plotted import RED, curves, faint, fill, inside, legend_names, picture, pieces  # noqa: F401
from tidalite._plot.curves import MARK
from tidalite._plot.looks import FAINT, PALETTE
from tidalite._plot.names import cut_middle, label_pairs, natural_key, short_names


def ramp(store, id, last, metric="loss", params=None, name_steps=20):
    """A line that ends at `last`."""
    with store.run(id, params=params) as run:
        for step in range(name_steps):
            run.log({metric: last + (name_steps - 1 - step) / 100}, step=step)


@pytest.mark.parametrize("count", [2, 4, 5, 12, 13, 40])
def test_at_most_twelve_curves_are_named_and_the_others_are_faint(store, count):
    for i in range(count):
        ramp(store, f"run_{i}", last=float(i))
    ax = store.select("loss").plot()
    named = min(count, 12)
    assert len(curves(ax)) == named and [pieces(line) for line in faint(ax)] == ([[20] * (count - 12)] if count > 12 else [])
    assert len({to_hex(line.get_color()) for line in curves(ax)}) == named
    assert {to_hex(line.get_color()) for line in faint(ax)} <= {FAINT}
    assert all(line.get_zorder() < curves(ax)[0].get_zorder() for line in faint(ax)), "behind the named ones"
    names = [f"run_{i}" for i in range(named)] + ([f"and {count - 12} more"] if count > 12 else [])
    assert legend_names(ax) == names, "the lowest loss first"
    figure = ax.figure
    figure.canvas.draw()
    legend, axes = ax.get_legend().get_window_extent(), ax.get_window_extent()
    if count <= 4:
        assert axes.x0 <= legend.x0 and legend.x1 <= axes.x1
    else:
        assert legend.x0 >= axes.x1 - 1, "outside, where it hides nothing"
    assert inside(ax.get_legend(), figure), "and not cut off"
    assert axes.width > 0.6 * 8 * figure.dpi, "and the axes keep their width"


def test_the_legend_is_ordered_by_the_last_value_the_best_first(store):
    for id, last in [("a", 3.0), ("b", 1.0), ("c", 2.0)]:
        ramp(store, id, last)
        ramp(store, id, last, metric="acc")
    with store.run("c") as run:
        run.log({"loss": math.nan}, step=20)
    assert legend_names(store.select("loss").plot()) == ["b", "c", "a", MARK], "a loss from the lowest, by the last finite value"
    assert legend_names(store.select("acc").plot()) == ["a", "c", "b"], "others from the highest"


def test_a_run_keeps_its_colour_while_the_order_of_the_legend_changes(store):
    for id, last in [("a", 3.0), ("b", 1.0)]:
        ramp(store, id, last)
    before = {line.get_label(): line.get_color() for line in curves(store.select("loss").plot())}
    with store.run("a") as run:
        run.log({"loss": 0.0}, step=99)
    ax = store.select("loss").plot()
    assert legend_names(ax) == ["a", "b"]
    assert {line.get_label(): line.get_color() for line in curves(ax)} == before


def test_names_are_in_natural_order():
    names = ["agent_10", "agent_2", "agent_1", "agent", "agent_x", "7", "lr=0.01", "lr=1e-3", "lr=0.1", "lr=10"]
    assert sorted(names, key=natural_key) == ["7", "agent", "agent_1", "agent_2", "agent_10", "agent_x", "lr=1e-3", "lr=0.01", "lr=0.1", "lr=10"]
    assert natural_key("a1") != natural_key("a01"), "different names have different keys"
    assert natural_key("9" * 5000) > natural_key("8")


def test_curves_panels_and_bars_are_in_natural_order(store):
    for i in (10, 2, 1):
        with store.run(f"agent_{i}") as run:
            for step in range(4):
                run.log({"x": float(i + step % 3), "layer_10": 1.0, "layer_9": 1.0}, step=step)
    ax = store.select("x").plot()
    assert [line.get_label() for line in ax.lines] == ["agent_1", "agent_2", "agent_10"]
    assert [line.get_color() for line in ax.lines] == PALETTE[:3]
    assert [ax.get_title() for ax in store.select("layer_*").plot()] == ["layer_9", "layer_10"]

    def ticks(ax):
        return [text.get_text() for text in ax.get_yticklabels()]

    assert ticks(store.select("x").latest().plot()) == ["agent_1", "agent_2", "agent_10"]
    with store.run("agent_1") as run:
        run.log({"x": 5.0}, step=9)
    table = store.select("x").aggregate("last", by="run")
    assert ticks(table.plot()) == ["agent_1", "agent_2", "agent_10"], "not in the order of text"
    assert ticks(table.sort("last").plot()) == ["agent_2", "agent_1", "agent_10"], "a sorted table keeps its order"


def test_colours_are_distinct_and_none_is_the_red_of_the_marks():
    found = [np.array(to_rgb(c)) for c in PALETTE]
    assert min(np.abs(a - b).sum() for a, b in itertools.combinations(found, 2)) > 0.25
    assert min(np.abs(c - np.array(to_rgb(RED))).sum() for c in found) > 0.3
    assert len(PALETTE) == 12


@pytest.mark.parametrize(("style", "face", "edge"), [("default", "white", 0.78), ("dark_background", "black", 0.22)])
def test_colours_stand_out_from_a_light_and_from_a_dark_background(store, style, face, edge):
    for i in range(12):
        ramp(store, f"r{i:02}", float(i), params={"lr": 10.0 ** -(i % 4), "kind": f"k{i}"})

    def lightness(colour):
        return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))

    with plt.style.context(style):
        plots = [store.select("loss").plot(color=color) for color in (None, "params.lr", "params.kind")]
        plots.append(store.select("loss").plot(ax=plt.subplots()[1]))
        lines = [line.get_color() for ax in plots for line in ax.lines]
        lines += list(store.plot_parallel(["lr"], "loss").collections[0].get_colors()[:, :3])
    assert all(ax.get_facecolor()[:3] == to_rgb(face) for ax in plots)
    values = [lightness(colour) for colour in lines]
    assert max(values) < edge if face == "white" else min(values) > edge
    found = [np.array(to_rgb(colour)) for colour in dict.fromkeys(map(to_hex, (line.get_color() for line in plots[0].lines)))]
    assert len(found) == 12 and min(np.abs(a - b).sum() for a, b in itertools.combinations(found, 2)) > 0.25


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ([("a", "")], ["a"]),
        ([("resnet-lr0.1-s0", ""), ("resnet-lr0.2-s0", "")], ["lr0.1", "lr0.2"]),
        ([("run", ""), ("run-2", "")], ["run", "run-2"]),
        ([("a/b", ""), ("a/c/d", "")], ["b", "c/d"]),
        ([("a", "host=x,rank=0"), ("a", "host=x,rank=1")], ["rank=0", "rank=1"]),
        ([("a", "rank=0"), ("b", "rank=0")], ["a", "b"]),
        ([("a", ""), ("b", "rank=0")], ["a", "b"]),
        ([("a", "rank=0"), ("a", "rank=1"), ("b", "rank=0")], ["a rank=0", "a rank=1", "b rank=0"]),
        ([("lr=0.1", ""), ("lr=0.2", "")], ["lr=0.1", "lr=0.2"]),
        ([("a=b=c", ""), ("x", "")], ["a=b=c", "x"]),
        ([("$x$", ""), ("_y", "")], [r"\$x\$", " _y"]),
        ([("a\nb", ""), ("c", "")], ["a b", "c"]),
        ([("2026-01-31", ""), ("2026-02-31", "")], ["2026-01", "2026-02"]),
        ([("agent_2", ""), ("agent_10", "")], ["agent_2", "agent_10"]),
        ([("x/agent-2/final", ""), ("x/agent-10/final", "")], ["agent-2", "agent-10"]),
        ([], []),
    ],
)
def test_short_names_keep_what_differs(keys, names):
    assert short_names(keys) == names


def test_escapes_in_label_text_are_read():
    assert label_pairs("") == {}
    assert label_pairs(r"gpu=0,host=a\,b\=c\\") == {"gpu": "0", "host": "a,b=c\\"}


def test_long_names_are_cut_in_the_middle_and_stay_distinct(store):
    assert cut_middle("abcdefghij", 10) == "abcdefghij" and cut_middle("abcdefghijk", 10) == "abcde…hijk"
    long = "x" * 40
    assert short_names([(f"{long}1",), (f"{long}2",)]) == [f"{'x' * 16}…{'x' * 14}{i}" for i in (1, 2)]
    same_ends = [(f"{long}{i}{long}",) for i in (1, 2)]
    assert short_names(same_ends) == [f"{long}1{long}", f"{long}2{long}"], "too much alike to be cut"
    metric = "metric_" * 30
    for i in range(3):
        ramp(store, f"a{i}{'b' * 300}{i}", float(i), metric=metric)
    ax = store.select(metric).plot()
    assert len(ax.get_title()) == 72 and len(ax.get_ylabel()) == 40
    ax.figure.canvas.draw()
    assert inside(ax.get_legend() or ax.figure.legends[0], ax.figure) and inside(ax.title, ax.figure)


def test_long_names_stand_below_the_axes(store):
    for i in range(8):
        ramp(store, f"{chr(97 + i)}{'-long' * 4}-{'word' * 4}{i * 7}-{chr(104 - i)}", float(i))
    ax = store.select("loss").plot(label={run: run + "!" for run in store.runs().ids})
    figure = ax.figure
    figure.canvas.draw()
    (legend,) = figure.legends
    assert max(len(text.get_text()) for text in legend.get_texts()) > 40
    box, axes = legend.get_window_extent(), ax.get_tightbbox()
    assert box.y1 <= axes.y0 + 1 and inside(legend, figure)
    assert ax.get_window_extent().height > 3 * figure.dpi


def test_a_number_colours_by_a_scale_with_a_colour_bar(store):
    for i in range(5):
        ramp(store, f"r{i}", float(i), params={"lr": 10.0**-i, "layers": i, "none": "x"} if i else {"layers": 0})
    ax = store.select("loss").plot(color="params.lr")
    main, bar = ax.figure.axes
    assert main is ax and bar.get_ylabel() == "lr" and bar.get_yscale() == "log"
    colour = {line.get_label().strip("_"): line.get_color() for line in ax.lines}
    norm = LogNorm(1e-4, 1e-1)
    mappable = bar._colorbar.mappable
    assert isinstance(mappable.norm, LogNorm) and (mappable.norm.vmin, mappable.norm.vmax) == (1e-4, 1e-1)
    for i in range(1, 5):
        np.testing.assert_allclose(colour[f"r{i}"], mappable.cmap(norm(10.0**-i)))
    assert legend_names(ax) == ["no lr"] and to_hex(colour["no lr"]) == FAINT
    ax = store.select("loss").plot(color="param:layers")
    assert type(ax.figure.axes[1]._colorbar.mappable.norm) is Normalize, "0 to 4 spans no orders of magnitude"
    assert len(store.select("loss").plot(color="params.layers", legend=False).figure.axes) == 1
    assert len(store.select("loss", runs="r2").plot(color="params.lr").figure.axes) == 2, "one value has a colour as well"


def test_texts_and_booleans_colour_by_category(store):
    for i in range(6):
        ramp(store, f"r{i}", float(i), params={"opt": ["sgd", "adam", "lion"][i % 3], "deep": i > 2})
    ax = store.select("loss").plot(color="params.opt")
    assert len(ax.lines) == 6 and len(ax.figure.axes) == 1
    assert legend_names(ax) == ["opt=adam", "opt=lion", "opt=sgd"]
    colours = {}
    for line in ax.lines:
        colours.setdefault(line.get_label(), set()).add(line.get_color())
    assert colours == {"opt=adam": {PALETTE[0]}, "opt=lion": {PALETTE[1]}, "opt=sgd": {PALETTE[2]}}
    assert legend_names(store.select("loss").plot(color="params.deep")) == ["deep=False", "deep=True"]
    band = store.select("loss").band(10, by=["metric", "param:opt"]).plot(color="params.opt")
    assert legend_names(band) == ["opt=adam", "opt=lion", "opt=sgd"]


def test_labels_and_runs_colour_too(store):
    for run in "ab":
        for rank in range(2):
            fill(store, run, 10, labels={"rank": rank}, shift=rank)
    ax = store.select("loss").plot(color="labels.rank")
    assert legend_names(ax) == ["rank=0", "rank=1"] and len(ax.lines) == 4
    assert legend_names(store.select("loss").plot(color="run")) == ["a", "b"]
    assert legend_names(store.select("loss").points().plot(color="label:rank")) == ["rank=0", "rank=1"]


def test_more_categories_than_colours_are_counted(store):
    for i in range(15):
        ramp(store, f"r{i}", float(i), params={"tag": f"t{i}"})
    names = legend_names(store.select("loss").plot(color="params.tag"))
    assert names == [f"tag=t{i}" for i in range(12)] + ["and 3 more"]


def test_a_colour_and_a_label_are_of_all_curves(store):
    fill(store, "a")
    fill(store, "b", shift=1)
    figure, ax = plt.subplots()
    store.select("loss", runs="a").plot(ax=ax, label="baseline", color="black")
    assert legend_names(ax) == ["baseline"], "a name that was given is shown, though there is no other"
    store.select("loss", runs="b").plot(ax=ax, label="new")
    assert legend_names(ax) == ["new", "baseline"], "the lines drawn before stay in the legend"
    assert [to_hex(line.get_color()) for line in curves(ax)] == ["#000000", PALETTE[0]]
    store.select("loss", runs="b").plot(ax=ax, label="again")
    assert curves(ax)[-1].get_color() == PALETTE[1], "a colour that a line has already is not used again"
    ax = store.select("loss").plot(label={"a": "first"})
    assert legend_names(ax) == ["first", "b"]
    assert legend_names(store.select("loss").plot(label="net")) == ["net a", "net b"]


def test_a_param_names_curves(store):
    for i in range(3):
        ramp(store, f"r{i}", float(i), params={"lr": [0.1, 0.1, 0.2][i]})
    assert legend_names(store.select("loss").plot(label="params.lr")) == ["lr=0.1 (r0)", "lr=0.1 (r1)", "lr=0.2"]


def test_colours_and_labels_that_cannot_be_are_refused(store):
    ramp(store, "a", 1.0, params={"lr": 1})
    s = store.select("loss")
    with pytest.raises(tidalite.Invalid, match="`color` is 'lr', which is neither a colour nor a field; .* params.NAME"):
        s.plot(color="lr")
    with pytest.raises(tidalite.Invalid, match="`color` is by nope, which no run that is drawn has"):
        s.plot(color="params.nope")
    with pytest.raises(tidalite.Invalid, match="names the run 'z', which is not drawn; the runs are a"):
        s.plot(label={"z": "x"})
    with pytest.raises(tidalite.Invalid, match='by param:lr, which is not in this table; group by it, as in by=."run", "param:lr"'):
        s.chart(10).plot(color="params.lr")
    with pytest.raises(tidalite.Invalid, match="bars have their names beside them"):
        s.latest().plot(label="x")
    with pytest.raises(TypeError, match="`color` is 3; give a colour"):
        s.plot(color=3)
    assert plt.get_fignums() == [], "a refused plot leaves no figure"


def test_given_axes_share_one_legend_that_is_readable(store):
    for i in range(8):
        fill(store, f"r{i}", 20, metrics=("x", "y"), shift=i)
    figure, axes = plt.subplots(1, 2)
    store.select().plot(ax=axes)
    assert axes[0].get_legend() is None and len(legend_names(axes[1])) == 8
    assert axes[1].get_legend().get_frame().get_alpha() > 0.8, "curves behind it do not cross out its names"
    figure, axes = plt.subplots(1, 2, layout="constrained", figsize=(9, 4))
    store.select().plot(ax=axes)
    figure.canvas.draw()
    assert axes[1].get_legend().get_window_extent().x0 >= axes[1].get_window_extent().x1 - 1, "beside the axes, if the layout makes room"
    assert inside(axes[1].get_legend(), figure)


def test_long_texts_of_panels_and_dots_lie_within_the_figure(store):
    long = "a_name_of_many_words_" * 5
    for i in range(6):
        ramp(store, f"r{i}", float(i), metric=f"{long}x", params={"kind": f"{'v' * 50}{i}"})
        ramp(store, f"r{i}", float(i), metric=f"{long}y")
    axes = store.select().plot(title=long * 3)
    dots = store.plot_scatter("kind", f"{long}x")
    for ax in (*axes, dots):
        ax.figure.canvas.draw()
        assert all(inside(text, ax.figure) for text in (ax.title, ax.yaxis.label, *ax.figure.texts))
    assert axes[0].figure.get_suptitle().startswith("a_name") and "…" in axes[0].figure.get_suptitle()
    assert dots.get_window_extent().height > 0.5 * dots.figure.bbox.height, "the dots keep their place"


def test_long_names_of_bars_leave_room_for_the_bars(store):
    for i in range(50):
        fill(store, f"{'a' * 45}{i:02}{'b' * 45}", 3, metrics=("mem",), shift=1e10)
    ax = store.select("mem").latest().plot()
    ax.figure.canvas.draw()
    assert ax.get_window_extent().width > 0.4 * 8 * ax.figure.dpi
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert ax.xaxis.get_offset_text().get_text() == "" and "1e10" in ticks, "no text where the note stands"
    assert all(inside(text, ax.figure) for text in ax.texts)


def test_bars_have_room_for_their_names_in_every_panel(store):
    for i in range(30):
        fill(store, f"r{i}", 3)
    table = store.select("loss").aggregate("min", "max", by="run")
    for axes in (table.plot(), [table.plot(y="min")]):
        axes[0].figure.canvas.draw()
        for ax in axes:
            boxes = [text.get_window_extent() for text in ax.get_yticklabels()]
            assert all(below.y1 <= above.y0 + 1 for above, below in zip(boxes, boxes[1:]))
