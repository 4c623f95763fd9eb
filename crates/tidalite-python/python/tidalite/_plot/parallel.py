"""Parallel coordinates: one line per run through its params to its value of a metric, which decides the colour."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import need
from .._sweep import Sweep, plain_name
from .curves import MARK
from .looks import FAINT, ColourScale, is_dark, is_lower_better
from .names import cut_middle, literal
from .options import Options, invalid, require
from .panels import RED, Panels, is_drawable
from .scales import ParamScale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXES_MAX = 16
_INCHES = 1.7


def draw_parallel(found: Sweep, params: Sequence[str], options: Options) -> Any:
    """Draws the runs. A line has a gap at a param that its run lacks; a run whose value is not finite is red and ends before the metric."""
    names = list(dict.fromkeys(plain_name(param) for param in params))
    if not names:
        raise invalid("there are no params to draw; give the names of one or more")
    if len(names) > _AXES_MAX:
        raise invalid(f"{len(names)} params are too many to tell apart; give at most {_AXES_MAX}")
    values = np.array(found.values)
    finite = is_drawable(values)
    require(values)
    columns = [found.column(name) for name in names] + [[float(v) if ok else None for v, ok in zip(values, finite, strict=True)]]
    scales = [ParamScale(column) for column in columns]
    places = np.stack([scale.places(column) for scale, column in zip(scales, columns, strict=True)], axis=1)
    panels = Panels([""], options)
    ax = panels.axes[0]
    if not panels.given:
        panels.figure.set_size_inches(max(8.0, _INCHES * len(columns) + 1.5), 4.5)
    colours = None
    if finite.any():
        colours = ColourScale.of(literal(cut_middle(found.label, 40)), values[finite].tolist(), is_dark=is_dark(options.ax))
    # The best runs stand before the others.
    order = np.argsort(np.where(finite, values, np.nan) * (-1 if is_lower_better(found.metric) else 1), kind="stable")
    good, bad = order[finite[order]], order[~finite[order]]
    if colours is not None:
        _draw_lines(ax, places[good], colours.colour(values[good]), "runs")
    if len(bad):
        _draw_lines(ax, places[bad], RED, MARK)
    _draw_axes(ax, [*names, found.label], scales)
    if options.legend:
        if colours is not None:
            bar = panels.figure.colorbar(colours.mappable, ax=ax, label=colours.name, pad=0.08)
            bar.outline.set_visible(False)
        if len(bad):
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize="small", frameon=False)
    return panels.finish()


def _draw_lines(ax: Axes, places: Any, colours: Any, label: str) -> None:
    collections = need("matplotlib.collections", "plot_parallel()")
    at = np.arange(places.shape[1], dtype=float)
    segments = np.stack([np.broadcast_to(at, places.shape), places], axis=2)
    # Many lines on top of each other are thinner and let others show through.
    alpha = float(np.clip(40 / max(len(places), 1), 0.15, 0.85))
    shown = label if label == MARK else f"_{label}"
    ax.add_collection(collections.LineCollection(segments, colors=colours, linewidths=1.3, alpha=alpha, label=shown, zorder=2))
    # A value between two gaps has no line.
    alone = np.isnan(np.pad(places, ((0, 0), (1, 1)), constant_values=np.nan))
    dots = ~alone[:, 1:-1] & alone[:, :-2] & alone[:, 2:]
    if dots.any():
        line, axis = np.nonzero(dots)
        ax.scatter(axis, places[line, axis], s=10, color=colours if isinstance(colours, str) else colours[line], zorder=3)


def _draw_axes(ax: Axes, names: Sequence[str], scales: Sequence[ParamScale]) -> None:
    ax.set_xticks(range(len(names)), [literal(cut_middle(name, 24)) for name in names])
    ax.set_yticks([])
    ax.set_xlim(-0.45, len(names) - 0.75)
    ax.set_ylim(-0.04, 1.04)
    ax.tick_params(axis="x", length=0, top=False, labeltop=True, labelbottom=False)
    for side in ("left", "right", "top", "bottom"):
        ax.spines[side].set_visible(False)
    box = {"facecolor": ax.get_facecolor(), "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    for i, scale in enumerate(scales):
        ax.axvline(i, color=FAINT, linewidth=1.0, zorder=1)
        for place, text in scale.ticks():
            ax.plot([i - 0.02, i], [place, place], color=FAINT, linewidth=1.0, zorder=1)
            ax.annotate(
                text, (i, place), (-5, 0), textcoords="offset points", ha="right", va="center", fontsize="small", bbox=box, zorder=4
            )
