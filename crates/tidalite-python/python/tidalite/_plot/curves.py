"""Curves: a line through the means, an area for the range of each bucket, and red ticks for NaN and infinities."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import need
from .names import colours, line_styles, short_names
from .panels import RED, Panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = np.ndarray[Any, Any]
MARK = "NaN or ±Inf"


@dataclass
class Curve:
    """One series in one panel. `y` is NaN where a bucket has no finite value; `bad` marks the buckets with NaN or infinities.

    `low` and `high` bound the area; `outer` is a second, wider range, drawn as thin lines.
    """

    panel: str
    key: tuple[str, ...]
    x: Array
    y: Array
    bad: Array
    low: Array | None = None
    high: Array | None = None
    outer: tuple[Array, Array] | None = None


def draw(curves: Sequence[Curve], xlabel: str, ax: Any, title: str | None, *, legend: bool, logx: bool, logy: bool, what: str) -> Any:
    """Draws all curves, with one panel per `panel` and one colour per `key`."""
    panels = list(dict.fromkeys(curve.panel for curve in curves))
    keys = list(dict.fromkeys(curve.key for curve in curves))
    looks = dict(zip(keys, zip(short_names(keys), colours(len(keys)), line_styles(len(keys)), strict=True), strict=True))
    figure = Panels(panels, ax, title, legend=legend, what=what)
    shown: list[str] = []
    for name, axes in zip(panels, figure.axes, strict=False):
        own = [curve for curve in curves if curve.panel == name]
        for curve in own:
            _draw_one(axes, curve, *looks[curve.key])
            shown.append(looks[curve.key][0])
        bad = np.concatenate([curve.x[curve.bad] for curve in own])
        if len(bad):
            _mark(axes, np.unique(bad))
        axes.set_xlabel(xlabel)
        if own[0].x.dtype.kind == "M":
            _short_dates(axes)
        axes.margins(x=0.02)
    return figure.finish(shown, logx=logx, logy=logy)


def series_slices(columns: Sequence[Array], rows: int) -> Iterator[slice]:
    """The groups of consecutive rows with equal values in these columns. The rows have to be ordered by them."""
    change = np.zeros(max(rows - 1, 0), dtype=bool)
    for column in columns:
        change |= column[1:] != column[:-1]
    bounds = [0, *(np.flatnonzero(change) + 1).tolist(), rows] if rows else []
    yield from (slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False))


def _draw_one(ax: Axes, curve: Curve, name: str, colour: str, style: str) -> None:
    (line,) = ax.plot(curve.x, curve.y, color=colour, linestyle=style, linewidth=1.3, label=name, zorder=3)
    isolated = _isolated(curve.y)
    if len(isolated):
        # A value between gaps has no line, so it is drawn as a dot.
        line.set(marker="o", markersize=3.5, markevery=isolated.tolist())
    # If each bucket holds one point, the range is the line itself.
    if curve.low is not None and curve.high is not None and not _same(curve.low, curve.high):
        ax.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0, zorder=2)
    for edge in curve.outer or ():
        ax.plot(curve.x, edge, color=colour, linewidth=0.6, alpha=0.6, zorder=2)


def _short_dates(ax: Axes) -> None:
    dates = need("matplotlib.dates", "plot()")
    locator = dates.AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))


def _mark(ax: Axes, x: Array) -> None:
    ax.plot(
        x,
        np.full(len(x), 0.015),
        "|",
        color=RED,
        markersize=9,
        label=MARK,
        transform=ax.get_xaxis_transform(),
        zorder=4,
    )


def _isolated(y: Array) -> Array:
    finite = np.isfinite(y)
    before = np.concatenate([[False], finite[:-1]])
    after = np.concatenate([finite[1:], [False]])
    return np.flatnonzero(finite & ~before & ~after)


def _same(low: Array, high: Array) -> bool:
    return bool(np.array_equal(low, high, equal_nan=True))
