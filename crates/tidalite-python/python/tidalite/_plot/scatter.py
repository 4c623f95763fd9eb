"""A scatter plot of a param against a metric: one dot per run."""
from __future__ import annotations

from typing import Any

import numpy as np

from .._sweep import Sweep, plain_name
from .._text import count
from .curves import MARK, Curve
from .looks import field_name, is_missing, make_looks
from .names import TITLE_MAX, cut_middle, literal
from .options import Options, require
from .panels import RED, Panels, is_drawable
from .scales import ParamScale
from .units import plain_log_numbers

# Dots of a category are spread sideways, so that equal values do not hide each other. The golden ratio spreads any number evenly.
_SPREAD, _RATIO = 0.3, 0.6180339887498949


def draw_scatter(found: Sweep, param: str, options: Options, *, log_x: bool | None) -> Any:
    """Draws the runs that have the param. A note counts the others; red ticks mark runs whose value is not finite."""
    name = plain_name(param)
    column = found.column(name)
    scale = ParamScale(column)
    has_param = np.array([not is_missing(value) for value in column])
    values = np.array(found.values)
    require(np.flatnonzero(has_param))
    x = scale.numbers(column)
    if not scale.is_number:
        x = x + _SPREAD * ((np.arange(len(x)) * _RATIO) % 1 - 0.5)
    finite = is_drawable(values)
    # A curve of one point per run: colours and the legend are as of curves.
    curves = [
        Curve("", (run,), x[i : i + 1], values[i : i + 1], ~finite[i : i + 1], run=run, metric=found.metric, facts=_facts(found, i, options))
        for i, run in enumerate(found.runs)
        if has_param[i]
    ]
    panels = Panels([found.metric], options)
    ax = panels.axes[0]
    looks = None
    drawn = np.flatnonzero(has_param & finite)
    if options.color_field is None:
        ax.scatter(x[drawn], values[drawn], s=22, alpha=0.75, linewidths=0, color=options.color or "#1f77b4", label=_label(options))
    else:
        looks = make_looks(curves, options, [])
        by_name: dict[str, list[int]] = {}
        for i in drawn:
            look = looks.by_key[(found.runs[i],)]
            by_name.setdefault(look.name if look.listed else "_runs", []).append(int(i))
        for shown, at in by_name.items():
            colours = [looks.by_key[(found.runs[i],)].colour for i in at]
            ax.scatter(x[at], values[at], s=22, alpha=0.75, linewidths=0, color=colours, label=shown)
    _name_axes(panels, name, found, scale, log_x)
    bad = x[has_param & ~finite]
    if len(bad):
        low = np.full(len(bad), 0.015)
        ax.plot(bad, low, "|", color=RED, markersize=9, label=MARK, transform=ax.get_xaxis_transform(), zorder=4)
    _note_absent(panels, int((~has_param).sum()), name)
    if looks is None and options.legend and (len(bad) or options.label is not None):
        ax.legend(loc="best", fontsize="small", frameon=False)
    return panels.finish(looks)


def _facts(found: Sweep, i: int, options: Options) -> dict[str, Any]:
    params = {field: found.params[i].get(field_name(field)) for field in options.fields if field.startswith("param:")}
    return {"run": found.runs[i], **params}


def _label(options: Options) -> str:
    return literal(cut_middle(options.label, 64)) if isinstance(options.label, str) else "_runs"


def _name_axes(panels: Panels, name: str, found: Sweep, scale: ParamScale, log_x: bool | None) -> None:
    ax = panels.axes[0]
    panels.set_scales()
    if scale.is_number:
        if log_x if log_x is not None else scale.is_log:
            ax.set_xscale("log")
    else:
        shown, names = scale.names()
        longest = max(map(len, names))
        # Names that do not fit beside each other are turned.
        turned = longest * len(names) > TITLE_MAX
        ax.set_xticks(scale.numbers(shown), names, rotation=30 if turned else 0, ha="right" if turned else "center")
        ax.set_xlim(-0.5, len(scale.categories) - 0.5)
    for axis, kind in ((ax.xaxis, ax.get_xscale()), (ax.yaxis, ax.get_yscale())):
        if kind == "log":
            plain_log_numbers(axis)
    ax.set_xlabel(literal(cut_middle(name, 64)))
    ax.set_ylabel(literal(cut_middle(found.label, 40)))


def _note_absent(panels: Panels, absent: int, name: str) -> None:
    if absent:
        note = literal(f"{count(absent, 'run')} without {cut_middle(name, 24)}")
        panels.axes[0].annotate(note, (1, 0), (-4, 5), "axes fraction", "offset points", ha="right", va="bottom", fontsize="small", color="#7f7f7f")
