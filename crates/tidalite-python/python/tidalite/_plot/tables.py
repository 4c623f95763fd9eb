"""Plots of tables, according to their kind."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _frames
from .aggregates import draw_aggregate
from .aligned import draw_aligned
from .bars import draw_bars
from .curves import Curve, draw, series_slices
from .fields import table_facts
from .gaps import Array, gaps, time_gaps
from .looks import part
from .names import natural_key, natural_keys
from .options import Options, invalid, refuse_unknown, require
from .selections import arranged, bucket_middle, bucket_place, chart_curves

if TYPE_CHECKING:
    from .._tidalite import Table

_OPTIONS = ("x", "y", "fill", "color", "label", "panels", "ax", "legend", "title", "log_x", "log_y")
_BAND = ("step", "x", "width", "runs", "members", "mean", "std", "min", "max", "nonfinite")
_SERIES = ("run", "metric", "labels")


@dataclass(frozen=True)
class _Asked:
    """The options that only some kinds of table take; `None` is not given, except that `panels` is `"metric"` then."""

    x: str | None
    y: list[str] | None
    fill: float | None
    panels: str | None

    def refuse(self, *names: str) -> None:
        """Raises Invalid if one of these options is given."""
        for name in names:
            if getattr(self, name) != ("metric" if name == "panels" else None):
                raise invalid(f"this kind of table does not take `{name}`; leave it out")

    @property
    def in_one(self) -> bool:
        """Whether all is drawn in one panel; tables without a panel for each run take `panels=None` alone."""
        if self.panels == "run":
            raise invalid("`panels` is 'run', which this kind of table does not take; give None for one panel, or leave it out")
        return self.panels is None

    def x_of(self, *names: str) -> str:
        """The column of x: the one that was asked for, or the first of these names."""
        if self.x is not None and self.x not in names:
            raise invalid(f"`x` is {self.x}; give {' or '.join(names)}")
        return self.x or names[0]


def plot_table(
    table: Table,
    *,
    x: str | None = None,
    y: str | list[str] | None = None,
    fill: float | None = None,
    color: str | None = None,
    label: str | Mapping[str, str] | None = None,
    panels: str | None = "metric",
    ax: Any = None,
    legend: bool = True,
    title: str | None = None,
    log_x: bool = False,
    log_y: bool = False,
    **unknown: Any,
) -> Any:
    """Draws a table according to its kind. Returns the Axes, or an array of them for several panels.

    - `points`, `sample`, `lttb`, `m4`: one line per series over `x`: `step`, `time`, or the column `x` if there is one;
    - `chart`: like `Selection.plot`;
    - `latest`: one bar per series;
    - `band`: the mean, an area of one standard deviation around it, and thin lines at the minimum and maximum;
    - `align`: one line per column; if `x` names a column, a scatter plot of the other columns, or of those in `y`, against it;
    - `aggregate`: one panel per aggregate (those in `y`, or all), with lines over a step or time bucket, else bars. Lines break at time
      buckets without points; counts are 0 there. `fill=0` draws that number in place of every gap.

    `panels=None` draws all metrics and aggregates in one Axes, and `panels="run"` points and charts in one for each run. `color`,
    `label`, `ax`, `legend`, `title`, `log_x` and `log_y` are as of `Selection.plot`. A field for colours or labels has to be a column.
    """
    refuse_unknown(unknown, _OPTIONS)
    options = Options(ax, legend, title, log_x, log_y, label, color)
    if fill is not None and (isinstance(fill, bool) or not isinstance(fill, (int, float))):
        raise TypeError(f"`fill` is {fill!r}; give a number, such as 0")
    if panels not in ("metric", "run", None):
        raise invalid(f"`panels` is {panels!r}; give 'metric', 'run' or None")
    drawing = _DRAWINGS.get(table.kind)
    if drawing is None:
        raise invalid(f"a table of kind {table.kind} has no plot; use to_pandas().plot()")
    rows = _frames.to_numpy(table)
    require(next(iter(rows.values()), ()))
    columns = [y] if isinstance(y, str) else y
    for name in [*(columns or []), *([x] if x is not None else [])]:
        if name not in rows:
            raise invalid(f"there is no column {name}; there are {', '.join(rows)}")
    if table.kind == "align":
        rows = {name: _without_gaps_marked(table, name, values) for name, values in rows.items()}
    return drawing(rows, _Asked(x, columns, fill, panels), options)


def _without_gaps_marked(table: Table, name: str, values: Array) -> Array:
    """The column of an aligned table, masked where the series has no value: a gap of the table is not a NaN that was logged."""
    column = table[name]
    if not column.null_count:
        return values
    missing = np.isnan(values)
    if column.null_count < missing.sum():
        missing = np.array([value is None for value in column.to_list()])
    return np.ma.masked_array(values, missing)


def _points(rows: dict[str, Array], asked: _Asked, options: Options) -> Any:
    asked.refuse("y", "fill")
    x = asked.x_of(*(["x"] if "x" in rows else []), "step", "time")
    curves = []
    for s in series_slices([rows[name] for name in _SERIES], len(rows["run"])):
        run, metric, labels = (rows[name][s.start] for name in _SERIES)
        value, finite = rows["value"][s], np.isfinite(rows["value"][s])
        # An infinite value would distort the scale.
        y = np.where(finite, value, np.nan)
        facts = table_facts(rows, options.fields, s.start, _SERIES)
        curve = Curve(metric, (run, labels), rows[x][s], y, ~finite, run=run, metric=metric, facts=facts)
        curves.append(curve.broken(time_gaps(curve.x)) if curve.x.dtype.kind == "M" else curve)
    return draw(arranged(curves, asked.panels), _label(rows, x), options, what=asked.panels or "metric")


def _chart(rows: dict[str, Array], asked: _Asked, options: Options) -> Any:
    asked.refuse("y", "fill")
    x = asked.x_of("x" if "x" in rows else "step")
    # The table has no params: `table_facts` says so.
    table_facts(rows, options.fields, 0, _SERIES)

    def facts(run: str, labels: str) -> dict[str, Any]:
        return table_facts({"run": [run], "labels": [labels]}, options.fields, 0, _SERIES)

    curves = arranged(chart_curves(rows, facts), asked.panels)
    return draw(curves, _label(rows, x), options, what=asked.panels or "metric")


def _latest(rows: dict[str, Array], asked: _Asked, options: Options) -> Any:
    asked.refuse("x", "y", "fill", "panels")
    keys = list(zip(rows["run"], rows["labels"], strict=True))
    bars = [(metric, key, float(value)) for metric, key, value in zip(rows["metric"], keys, rows["value"], strict=True)]
    bars.sort(key=lambda bar: (natural_key(bar[0]), natural_keys(bar[1])))
    return draw_bars(bars, "metric", options)


def _band(rows: dict[str, Array], asked: _Asked, options: Options) -> Any:
    asked.refuse("y", "fill")
    x, in_one = asked.x_of("x" if "x" in rows else "step"), asked.in_one
    by = [name for name in rows if name not in _BAND]
    over_time = rows[x].dtype.kind == "M"
    curves = []
    for s in series_slices([rows[name] for name in by], len(rows[x])):
        metric = rows["metric"][s.start] if "metric" in by else ""
        mean, std = rows["mean"][s], rows["std"][s]
        key = tuple(part(name, rows[name][s.start]) for name in by if name != "metric" or in_one)
        curve = Curve(
            panel="" if in_one else metric,
            key=key or ("mean ± std, min, max",),
            x=bucket_middle(rows, s),
            y=mean,
            bad=rows["nonfinite"][s] > 0,
            low=mean - std,
            high=mean + std,
            outer=(rows["min"][s], rows["max"][s]),
            run=rows["run"][s.start] if "run" in by else "",
            metric=metric,
            facts=table_facts(rows, options.fields, s.start, by),
        )
        curves.append(curve.broken(gaps(bucket_place(rows, s))) if over_time else curve)
    curves.sort(key=lambda curve: (natural_key(curve.panel), natural_keys(curve.key)))
    return draw(curves, _label(rows, x), options, what="metric")


def _align(rows: dict[str, Array], asked: _Asked, options: Options) -> Any:
    asked.refuse("fill", "panels")
    return draw_aligned(rows, asked.x, asked.y, options)


def _aggregate(rows: dict[str, Array], asked: _Asked, options: Options) -> Any:
    asked.refuse("x")
    return draw_aggregate(rows, asked.y, asked.fill, options, in_one=asked.in_one)


def _label(rows: dict[str, Array], x: str) -> str:
    return "time (UTC)" if rows[x].dtype.kind == "M" else x


_DRAWINGS: dict[str, Callable[[dict[str, Array], _Asked, Options], Any]] = {
    "points": _points,
    "lttb": _points,
    "m4": _points,
    "sample": _points,
    "chart": _chart,
    "latest": _latest,
    "band": _band,
    "align": _align,
    "aggregate": _aggregate,
}
