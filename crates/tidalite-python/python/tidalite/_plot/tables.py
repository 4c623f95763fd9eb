"""Plots of tables, according to their kind."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _frames
from .bars import draw_bars
from .curves import Array, Curve, draw, series_slices
from .names import colours, literal, short_names
from .panels import Panels
from .selections import bucket_middle, chart_curves, require

if TYPE_CHECKING:
    from .._tidalite import Table

_BUCKETS = ("step_bucket", "time_bucket")
_BAND = ("step", "x", "width", "runs", "mean", "std", "min", "max", "nonfinite")


def plot_table(
    table: Table,
    *,
    x: str | None = None,
    y: str | list[str] | None = None,
    ax: Any = None,
    legend: bool = True,
    title: str | None = None,
    logx: bool = False,
    logy: bool = False,
) -> Any:
    """Draws a table according to its kind. Returns the Axes, or an array of them for several panels.

    - `points`, `lttb`, `m4`: one line per series over `x`, which is `step`, `time`, or the column `x` if there is one;
    - `chart`: like `Selection.plot`;
    - `latest`: one bar per series;
    - `band`: the mean, an area of one standard deviation around it, and thin lines at the minimum and maximum;
    - `align`: one line per column; if `x` names a column, a scatter plot of the other columns, or of those in `y`, against it;
    - `aggregate`: one panel per aggregate (those in `y`, or all), with lines over a step or time bucket, else bars.
    """
    drawing = _DRAWINGS.get(table.kind)
    if drawing is None:
        raise _invalid(f"a table of kind {table.kind} has no plot; use to_pandas().plot()")
    rows = _frames.to_numpy(table)
    require(next(iter(rows.values()), ()))
    options = {"ax": ax, "title": title, "legend": legend, "logx": logx, "logy": logy}
    columns = [y] if isinstance(y, str) else y
    for name in [*(columns or []), *([x] if x is not None else [])]:
        if name not in rows:
            raise _invalid(f"there is no column {name}; there are {', '.join(rows)}")
    return drawing(rows, x, columns, options)


def _points(rows: dict[str, Array], x: str | None, y: list[str] | None, options: dict[str, Any]) -> Any:
    _unused(y=y)
    x = _one_of(x, *(["x"] if "x" in rows else []), "step", "time")
    curves = []
    for s in series_slices([rows["run"], rows["metric"], rows["labels"]], len(rows["run"])):
        value, finite = rows["value"][s], np.isfinite(rows["value"][s])
        key = (rows["run"][s.start], rows["labels"][s.start])
        # An infinite value would distort the scale.
        curves.append(Curve(rows["metric"][s.start], key, rows[x][s], np.where(finite, value, np.nan), ~finite))
    return draw(curves, _label(rows, x), what="metric", **options)


def _chart(rows: dict[str, Array], x: str | None, y: list[str] | None, options: dict[str, Any]) -> Any:
    _unused(y=y)
    x = _one_of(x, "x" if "x" in rows else "step")
    return draw(chart_curves(rows), _label(rows, x), what="metric", **options)


def _latest(rows: dict[str, Array], x: str | None, y: list[str] | None, options: dict[str, Any]) -> Any:
    _unused(x=x, y=y)
    keys = list(zip(rows["run"], rows["labels"], strict=True))
    bars = [(metric, key, float(value)) for metric, key, value in zip(rows["metric"], keys, rows["value"], strict=True)]
    return draw_bars(bars, "metric", **options)


def _band(rows: dict[str, Array], x: str | None, y: list[str] | None, options: dict[str, Any]) -> Any:
    _unused(y=y)
    x = _one_of(x, "x" if "x" in rows else "step")
    by = [name for name in rows if name not in _BAND]
    curves = []
    for s in series_slices([rows[name] for name in by], len(rows[x])):
        panel = rows["metric"][s.start] if "metric" in by else ""
        mean, std = rows["mean"][s], rows["std"][s]
        curves.append(
            Curve(
                panel=panel,
                key=tuple(_part(name, rows[name][s.start]) for name in by if name != "metric") or ("mean ± std",),
                x=bucket_middle(rows, s),
                y=mean,
                bad=rows["nonfinite"][s] > 0,
                low=mean - std,
                high=mean + std,
                outer=(rows["min"][s], rows["max"][s]),
            )
        )
    return draw(curves, _label(rows, x), what="metric", **options)


def _align(rows: dict[str, Array], x: str | None, y: list[str] | None, options: dict[str, Any]) -> Any:
    first = next(iter(rows))
    over = x or first
    columns = y or [name for name in rows if name not in (first, over)]
    if not columns:
        raise _invalid(f"there is no column other than {over}; align at least two series, or leave `x` out")
    names = dict(zip(columns, short_names([(name,) for name in columns]), strict=True))
    if over == first:
        curves = []
        for name in columns:
            finite = np.isfinite(rows[name])
            # A series without a value at a step is a gap of the table, not a logged NaN, and gets no red tick.
            curves.append(Curve("", (name,), rows[first][finite], rows[name][finite], np.zeros(finite.sum(), dtype=bool)))
        drawn = draw(curves, "time (UTC)" if first == "time" else first, what="table", **options)
        if len(columns) == 1:
            drawn.set_ylabel(literal(columns[0]))
        return drawn
    logx, logy, title = (options[name] for name in ("logx", "logy", "title"))
    panels = Panels([""], options["ax"], title, legend=options["legend"])
    axes = panels.axes[0]
    for name, colour in zip(columns, colours(len(columns)), strict=True):
        axes.scatter(rows[over], rows[name], s=9, alpha=0.6, linewidths=0, color=colour, label=names[name])
    axes.set_xlabel(literal(over))
    if len(columns) == 1:
        axes.set_ylabel(literal(columns[0]))
    return panels.finish(names.values() if len(columns) > 1 else columns and [names[columns[0]]], logx=logx, logy=logy)


def _aggregate(rows: dict[str, Array], x: str | None, y: list[str] | None, options: dict[str, Any]) -> Any:
    _unused(x=x)
    bucket = next((name for name in rows if name in _BUCKETS), None)
    # Text columns, params and the bucket are the group of a row; the other columns are its aggregates.
    by = [n for n, column in rows.items() if (column.dtype == object or n.startswith("param:")) and n != bucket]
    numbers = y or [n for n, c in rows.items() if n not in by and n != bucket and c.dtype.kind in "iuf"]
    if not numbers:
        raise _invalid("none of the aggregates is a number; add one such as mean")
    for name in numbers:
        if rows[name].dtype.kind not in "iuf":
            raise _invalid(f"{name} is not a column of numbers; give any of {', '.join(n for n in rows if rows[n].dtype.kind in 'iuf')}")
    parts = [[_part(name, value) for value in rows[name]] for name in by]
    keys: list[tuple[str, ...]] = list(zip(*parts, strict=True)) if by else [()] * len(rows[numbers[0]])
    # One panel per metric, since scales differ; but bars of metrics without another group share one panel.
    split = "metric" in by and (bucket is not None or len(by) > 1)
    place = by.index("metric") if split else -1

    def panel(name: str, key: tuple[str, ...]) -> str:
        return key[place] if split and len(numbers) == 1 else f"{name} of {key[place]}" if split else name

    def rest(key: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(part for i, part in enumerate(key) if i != place) or ("all",)

    if bucket is None:
        bars = [
            (panel(name, key), rest(key), float(value))
            for name in numbers
            for key, value in zip(keys, rows[name], strict=True)
        ]
        return draw_bars(bars, "panel", **options)
    curves = []
    for name in numbers:
        for key, at in _groups(keys).items():
            order = at[np.argsort(rows[bucket][at], kind="stable")]
            value = rows[name][order].astype(float)
            # A group has at least one point. Without an aggregate, none of its points is finite.
            finite = np.isfinite(value)
            curves.append(Curve(panel(name, key), rest(key), rows[bucket][order], np.where(finite, value, np.nan), ~finite))
    return draw(curves, "step" if bucket == "step_bucket" else "time (UTC)", what="panel", **options)


def _part(column: str, value: object) -> str:
    """The part of a column in the name of a group. A label or param includes its key, since its value alone says little."""
    kind, _, key = column.partition(":")
    if kind == "param" and (value is None or value != value):
        return f"no {key}"
    text = "" if value is None else f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
    return f"{key}={text}" if text and kind in ("label", "param") else text


def _groups(keys: list[tuple[str, ...]]) -> dict[tuple[str, ...], Array]:
    """Row indexes by key. In a sorted table the rows of a group need not be consecutive."""
    places: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(keys):
        places.setdefault(key, []).append(row)
    return {key: np.array(at) for key, at in places.items()}


def _label(rows: dict[str, Array], x: str) -> str:
    return "time (UTC)" if rows[x].dtype.kind == "M" else x


def _one_of(x: str | None, *names: str) -> str:
    if x is not None and x not in names:
        raise _invalid(f"`x` is {x}; give {' or '.join(names)}")
    return x or names[0]


def _unused(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise _invalid(f"this kind of table does not take `{name}`; leave it out")


def _invalid(message: str) -> Exception:
    from .._tidalite import Invalid

    return Invalid(f"cannot plot: {message}")


_DRAWINGS: dict[str, Callable[[dict[str, Array], str | None, list[str] | None, dict[str, Any]], Any]] = {
    "points": _points,
    "lttb": _points,
    "m4": _points,
    "chart": _chart,
    "latest": _latest,
    "band": _band,
    "align": _align,
    "aggregate": _aggregate,
}
