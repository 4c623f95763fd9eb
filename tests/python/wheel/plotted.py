"""What the tests of plots share: figures that are saved, stores to draw, and the artists of an Axes."""
import math
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from tidalite._plot.curves import MARK

matplotlib.use("Agg")
RED = "#e5484d"


@pytest.fixture(autouse=True)
def picture(tmp_path):
    """Saves the figures of the test, so that an artist that cannot be drawn fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        for number in plt.get_fignums():
            figure = plt.figure(number)
            figure.savefig(tmp_path / f"{number}.png", dpi=60)
            assert (tmp_path / f"{number}.png").stat().st_size > 2000
    plt.close("all")


def fill(store, id, count=100, metrics=("loss",), shift=0.0, spoil=(), labels=None, params=None):
    """Logs a falling curve; at the steps `spoil` it is NaN."""
    with store.run(id, labels=labels, params=params) as run:
        for step in range(count):
            value = math.nan if step in spoil else math.exp(-step / 30) + shift + 0.1 * math.sin(step)
            run.log({m: value + i for i, m in enumerate(metrics)}, step=step)


def curves(ax):
    """The named lines, without the marks."""
    return [line for line in ax.lines if not line.get_label().startswith("_") and line.get_label() != MARK]


def pieces(line):
    """The number of finite values in each unbroken piece of a line."""
    finite = np.isfinite(line.get_ydata())
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]]).astype(int)))
    return (bounds[1::2] - bounds[::2]).tolist()


def faint(ax):
    """The line of all curves that the legend does not name, which are its pieces; none if all are named."""
    return [line for line in ax.lines if line.get_label() == "_others"]


def raw(ax):
    """The raw lines behind smoothed ones."""
    return [line for line in ax.lines if line.get_label().startswith("_raw")]


def marks(ax):
    """The red ticks."""
    return [line for line in ax.lines if line.get_label() == MARK]


def legend_names(ax):
    """The names in the legend of the Axes, or of its figure."""
    legend = ax.get_legend() or next(iter(ax.figure.legends), None)
    return [text.get_text() for text in legend.get_texts()] if legend else []


def inside(artist, figure):
    """Whether an artist lies within its figure."""
    box = artist.get_window_extent()
    whole = figure.bbox
    return box.x0 >= whole.x0 - 1 and box.x1 <= whole.x1 + 1 and box.y0 >= whole.y0 - 1 and box.y1 <= whole.y1 + 1
