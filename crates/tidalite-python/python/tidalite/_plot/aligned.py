"""Plots of aligned tables: one line per column, or a scatter of columns against another."""
from __future__ import annotations

from typing import Any

import numpy as np

from .curves import Curve, draw
from .gaps import Array
from .looks import NAMED_MAX, Look, Looks, palette
from .names import cut_middle, literal, natural_key, short_names
from .options import Options, invalid
from .panels import Panels, is_drawable


def draw_aligned(rows: dict[str, Array], x: str | None, y: list[str] | None, options: Options) -> Any:
    """Draws the columns. A column is masked where its series has no value; a NaN in it was logged, and breaks the line."""
    if options.fields:
        raise invalid("an aligned table has no runs to take colours or labels from; give a colour or a name, or plot the selection")
    first = next(iter(rows))
    over = x or first
    columns = y or sorted((name for name in rows if name not in (first, over)), key=natural_key)
    if not columns:
        raise invalid(f"there is no column other than {over}; align at least two series, or leave `x` out")
    ylabel = columns[0] if len(columns) == 1 else None
    if over == first:
        return draw([_line(name, rows[first], rows[name]) for name in columns], _label(first), options, what="table", ylabel=ylabel)
    return _scatter(rows, over, columns, options)


def _line(name: str, at: Array, column: Array) -> Curve:
    present = ~np.ma.getmaskarray(column)
    values = np.ma.getdata(column)[present].astype(float)
    finite = np.isfinite(values)
    return Curve("", (name,), at[present], np.where(finite, values, np.nan), ~finite)


def _scatter(rows: dict[str, Array], over: str, columns: list[str], options: Options) -> Any:
    names = short_names([(name,) for name in columns])
    if len(columns) == 1 and isinstance(options.label, str):
        names = [literal(cut_middle(options.label, 64))]
    free = palette(options.ax)
    colours = [options.color or free[i % len(free)] for i in range(len(columns))]
    panels = Panels([""], options)
    axes = panels.axes[0]
    panels.set_scales()
    for name, label, colour in zip(columns, names, colours, strict=True):
        is_shown = is_drawable(rows[over]) & is_drawable(rows[name])
        axes.scatter(rows[over][is_shown], rows[name][is_shown], s=9, alpha=0.6, linewidths=0, color=colour, label=label)
    axes.set_xlabel(literal(cut_middle(over, 64)))
    if len(columns) == 1:
        axes.set_ylabel(literal(cut_middle(columns[0], 40)))
    looks: dict[tuple[str, ...], Look] = {(column,): Look(name, colour) for column, name, colour in zip(columns, names, colours, strict=True)}
    return panels.finish(Looks(looks, names[:NAMED_MAX], max(0, len(names) - NAMED_MAX), chosen=options.label is not None))


def _label(first: str) -> str:
    return "time (UTC)" if first == "time" else first
