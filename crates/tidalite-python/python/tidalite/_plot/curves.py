"""Curves: a line through the means, an area for the range of each bucket, and red ticks for NaN and infinities."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import need
from .._text import count
from .gaps import Array, insert_between, insert_middles
from .looks import FAINT, NAMED_MAX, Look, make_looks
from .names import cut_middle, literal
from .options import Options
from .panels import DRAWN_MAX, RED, Panels, is_drawable
from .units import apply_unit, plain_log_numbers, short_numbers, unit_of, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARK = "NaN or ±Inf"
# Panels share x if none covers less than this part of the whole.
_SHARED_FROM = 0.1
_LARGE = 1e5
# In days, as matplotlib counts time.
_MINUTE = 1 / 1440
# How many faint curves are one line.
_JOINED = 50


@dataclass
class Curve:
    """One series in one panel. `y` is NaN where a bucket has no finite value; `bad` marks the buckets with NaN or infinities.

    `low` and `high` bound the area; `outer` is a second, wider range, drawn as thin lines; `raw` are x and y of the line that was
    smoothed, drawn faintly. `metric` gives the unit and may be empty. `facts` are the values of fields that colours and names need.
    """

    panel: str
    key: tuple[str, ...]
    x: Array
    y: Array
    bad: Array
    low: Array | None = None
    high: Array | None = None
    outer: tuple[Array, Array] | None = None
    raw: tuple[Array, Array] | None = None
    run: str = ""
    metric: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def broken(self, at: Array) -> Curve:
        """The curve with a gap before each of these buckets."""
        if not len(at):
            return self

        def with_gaps(values: Array | None) -> Array | None:
            return None if values is None else insert_between(values, at, np.nan)

        outer = None if self.outer is None else (insert_between(self.outer[0], at, np.nan), insert_between(self.outer[1], at, np.nan))
        return replace(
            self,
            x=insert_middles(self.x, at),
            y=insert_between(self.y, at, np.nan),
            bad=np.insert(self.bad, at, False),
            low=with_gaps(self.low),
            high=with_gaps(self.high),
            outer=outer,
        )


    def drawable(self) -> Curve:
        """The curve without values that are too large for an axis, which are marked, and with its areas cut there."""
        too_large = np.isfinite(self.y) & ~is_drawable(self.y)
        low, high = (None if edge is None else np.clip(edge, -DRAWN_MAX, DRAWN_MAX) for edge in (self.low, self.high))
        outer = self.outer and (np.clip(self.outer[0], -DRAWN_MAX, DRAWN_MAX), np.clip(self.outer[1], -DRAWN_MAX, DRAWN_MAX))
        raw = self.raw and (self.raw[0], np.where(is_drawable(self.raw[1]), self.raw[1], np.nan))
        y = np.where(too_large, np.nan, self.y)
        return replace(self, y=y, bad=self.bad | too_large, low=low, high=high, outer=outer, raw=raw)


def draw(curves: Sequence[Curve], xlabel: str, options: Options, *, what: str, ylabel: str | None = None, units: bool = False) -> Any:
    """Draws all curves, with one panel per `panel` and one look per `key`. With `units`, the unit in a metric's name is shown fittingly."""
    curves = [curve.drawable() for curve in curves]
    panels = list(dict.fromkeys(curve.panel for curve in curves))
    # Before the figure is made, so that refused options leave none.
    looks = make_looks(curves, options, _colours_in(options.ax))
    figure = Panels(panels, options, what=what, share_x=_have_one_range(curves, panels))
    figure.set_scales()
    # Many raw lines on top of each other would be as dark as the smoothed ones.
    raw_alpha = 0.25 if len(looks.by_key) <= NAMED_MAX else 0.1
    for name, axes in zip(panels, figure.axes, strict=False):
        own = [curve for curve in curves if curve.panel == name]
        floor = _floor(own) if axes.get_yscale() == "log" else None
        behind: dict[str, list[Curve]] = {}
        for curve in own:
            look = looks.by_key[curve.key]
            if look.faint:
                behind.setdefault(look.name if look.listed else "_others", []).append(curve)
            else:
                _draw_one(axes, curve, look, floor, raw_alpha)
        for label, faint in behind.items():
            _draw_faint(axes, faint, label)
        bad = np.concatenate([curve.x[curve.bad] for curve in own])
        if len(bad):
            _mark(axes, np.unique(bad))
        if axes.get_yscale() == "log":
            _note_hidden(axes, own)
        axes.margins(x=0.02)
        _name_axes(axes, own, xlabel if axes in figure.lowest else "", ylabel, units=units, panels=len(figure.axes))
    return figure.finish(looks)


def series_slices(columns: Sequence[Array], rows: int) -> Iterator[slice]:
    """The groups of consecutive rows with equal values in these columns. The rows have to be ordered by them."""
    change = np.zeros(max(rows - 1, 0), dtype=bool)
    for column in columns:
        change |= column[1:] != column[:-1]
    bounds = [0, *(np.flatnonzero(change) + 1).tolist(), rows] if rows else []
    yield from (slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False))


def _have_one_range(curves: Sequence[Curve], panels: Sequence[str]) -> bool:
    """Whether panels may share x without a curve being squeezed: metrics may count different steps."""
    ends: dict[str, tuple[Any, Any]] = {}
    for curve in curves:
        low, high = curve.x.min(), curve.x.max()
        known = ends.get(curve.panel, (low, high))
        ends[curve.panel] = (min(low, known[0]), max(high, known[1]))
    # As floats, since the difference of extreme whole numbers overflows.
    lows, highs = (np.array([end[i] for end in ends.values()]).astype("datetime64[us]" if _are_times(curves) else float).astype(float) for i in (0, 1))
    whole = highs.max() - lows.min()
    return len(panels) > 1 and bool(((highs - lows) >= _SHARED_FROM * whole).all())


def _are_times(curves: Sequence[Curve]) -> bool:
    return bool(curves[0].x.dtype.kind == "M")


def _draw_one(ax: Axes, curve: Curve, look: Look, floor: float | None, raw_alpha: float) -> None:
    name = look.name if look.listed else f"_{look.name.strip()}"
    (line,) = ax.plot(curve.x, curve.y, color=look.colour, linewidth=1.3, label=name, zorder=3)
    _dot_isolated(line, curve.y)
    if curve.raw is not None:
        line.set_linewidth(1.6)
        ax.plot(*curve.raw, color=look.colour, linewidth=0.8, alpha=raw_alpha, label=f"_raw {name}", zorder=2)
    # If each bucket holds one point, the range is the line itself.
    if curve.low is not None and curve.high is not None and not _same(curve.low, curve.high):
        low, high = (_above(edge, floor) for edge in (curve.low, curve.high))
        ax.fill_between(curve.x, low, high, color=look.colour, alpha=0.2, linewidth=0, zorder=2)
    for edge in curve.outer or ():
        ax.plot(curve.x, _above(edge, floor), color=look.colour, linewidth=0.6, alpha=0.6, zorder=2)


def _draw_faint(ax: Axes, curves: Sequence[Curve], label: str) -> None:
    """A few lines for all, with gaps between curves: thousands of lines take seconds to add, and one long line takes seconds to draw.

    A smoothed curve is drawn without its raw one.
    """
    for i in range(0, len(curves), _JOINED):
        some = curves[i : i + _JOINED]
        x = np.concatenate([np.append(curve.x, curve.x[-1:]) for curve in some])
        y = np.concatenate([np.append(curve.y, np.nan) for curve in some])
        (line,) = ax.plot(x, y, color=FAINT, linewidth=0.8, alpha=0.45, label=label, zorder=1.5)
        _dot_isolated(line, y)


def _dot_isolated(line: Any, y: Array) -> None:
    """A value between gaps has no line, so it is drawn as a dot."""
    isolated = _isolated(y)
    if len(isolated):
        line.set(marker="o", markersize=3.5, markevery=isolated.tolist())


def _floor(curves: Sequence[Curve]) -> float:
    """Where areas end on a logarithmic axis, which has no place for zero: just below the least positive value that is drawn."""
    lines = [line for curve in curves for line in (curve.y, curve.high, *(curve.outer or ())) if line is not None]
    values = np.concatenate(lines)
    positive = values[np.isfinite(values) & (values > 0)]
    return float(positive.min()) / 1.5 if len(positive) else 1.0


def _note_hidden(ax: Axes, curves: Sequence[Curve]) -> None:
    """Counts the values that a logarithmic axis has no place for."""
    hidden = sum(int((curve.y <= 0).sum()) for curve in curves)
    if not hidden:
        return
    if not np.isfinite(ax.dataLim.minposy):
        # With no value to scale it by, matplotlib would warn.
        ax.set_autoscaley_on(False)
        ax.set_ylim(1, 10)
    note = f"{count(hidden, 'value')} of 0 or less {'is' if hidden == 1 else 'are'} below a logarithmic axis"
    box = {"facecolor": ax.get_facecolor(), "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    style: dict[str, Any] = {"fontsize": "small", "color": "#7f7f7f", "bbox": box, "zorder": 4}
    ax.annotate(note, (1, 0), (-4, 12), "axes fraction", "offset points", ha="right", va="bottom", **style)


def _above(edge: Array, floor: float | None) -> Array:
    return edge if floor is None else np.where(edge < floor, floor, edge)


def _name_axes(ax: Axes, curves: Sequence[Curve], xlabel: str, ylabel: str | None, *, units: bool, panels: int) -> None:
    if xlabel:
        ax.set_xlabel(literal(cut_middle(xlabel, 64)))
    if _are_times(curves):
        _short_dates(ax, ticks=5 if panels > 1 else 8)
    elif ax.get_xscale() == "linear":
        if xlabel == "step":
            whole_numbers(ax.xaxis)
        if max(np.abs(curve.x.astype(float)).max() for curve in curves) >= _LARGE:
            short_numbers(ax.xaxis)
    for axis, scale in ((ax.xaxis, ax.get_xscale()), (ax.yaxis, ax.get_yscale())):
        if scale == "log":
            plain_log_numbers(axis)
    metrics = {curve.metric for curve in curves}
    longest = 24 if panels > 1 else 40
    if ylabel is not None:
        ax.set_ylabel(literal(cut_middle(ylabel, longest)))
    elif len(metrics) == 1 and "" not in metrics:
        (metric,) = metrics
        finite = [np.abs(curve.y[np.isfinite(curve.y)]) for curve in curves]
        largest = max((float(values.max()) for values in finite if len(values)), default=0.0)
        is_log = ax.get_yscale() != "linear"
        unit = unit_of(metric, largest if units else 0.0, is_log=is_log)
        ax.set_ylabel(literal(cut_middle(unit.label if units else metric.rpartition("/")[2] or metric, longest)))
        if units and not is_log:
            apply_unit(ax.yaxis, unit)
        if not is_log and unit.one == 1.0 and largest >= _LARGE:
            short_numbers(ax.yaxis)


def _short_dates(ax: Axes, *, ticks: int) -> None:
    dates = need("matplotlib.dates", "plot()")
    # Labels such as `May-29` overlap if a narrow panel has more of them.
    locator = dates.AutoDateLocator(minticks=3, maxticks=ticks)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    first, last = ax.dataLim.intervalx
    if first == last:
        # Around a single moment, matplotlib shows four years.
        ax.set_xlim(first - _MINUTE, last + _MINUTE)


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


def _colours_in(ax: Any) -> list[str]:
    """The colours of the lines that the caller's axes have already."""
    from matplotlib.colors import to_hex

    axes = [] if ax is None else list(np.ravel(np.asarray(ax, dtype=object)))
    return [to_hex(line.get_color()) for one in axes for line in one.lines]


def _isolated(y: Array) -> Array:
    finite = np.isfinite(y)
    before = np.concatenate([[False], finite[:-1]])
    after = np.concatenate([finite[1:], [False]])
    return np.flatnonzero(finite & ~before & ~after)


def _same(low: Array, high: Array) -> bool:
    return bool(np.array_equal(low, high, equal_nan=True))
