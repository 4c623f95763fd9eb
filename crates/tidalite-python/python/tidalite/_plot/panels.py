"""Axes and legends: one Axes per panel, made or given, and legends that do not cover the curves."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import need
from .names import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS_MAX = 12
LEGEND_MAX = 20
_LEGEND_INSIDE_MAX = 6
RED = "#e5484d"


class Panels:
    """The axes of one call of `plot`, in the order of their titles.

    `ax` is one Axes for one panel, or a list of at least as many as there are panels. Without it a figure is made.
    """

    def __init__(self, titles: Sequence[str], ax: Any, title: str | None, *, legend: bool, what: str = "metric") -> None:
        from .._tidalite import Invalid

        pyplot = need("matplotlib.pyplot", "plot()", install="matplotlib")
        shown = list(titles[:PANELS_MAX])
        self.given = ax is not None
        self.legend = legend
        if self.given:
            axes = list(np.ravel(np.asarray(ax, dtype=object)))
            if len(axes) < len(shown):
                raise Invalid(
                    f"cannot plot: there are {len(shown)} panels, one per {what}, but {len(axes)} axes in `ax`; "
                    f"give an axes for each panel, leave `ax` out, or select one {what}"
                )
            self.figure = axes[0].figure
        else:
            self.figure, axes = _figure(pyplot, len(shown))
        self.axes: list[Axes] = axes[: len(shown)]
        for axes_of_one, name in zip(self.axes, shown, strict=True):
            axes_of_one.set_title(literal(name if len(shown) > 1 or title is None else title), fontsize="medium")
        if title is not None and len(shown) > 1 and not self.given:
            self.figure.suptitle(literal(title))
        left_out = len(titles) - len(shown)
        if left_out:
            note = f"and {left_out} more {what if left_out == 1 else what + 's'}: select fewer to see them"
            self.axes[-1].annotate(
                note, (1, 0), (0, -34), "axes fraction", "offset points", ha="right", va="top", fontsize="small", color=RED
            )

    def finish(self, names: Iterable[str], *, logx: bool, logy: bool) -> Any:
        """Sets scales and legends. Returns the Axes, or an array of several. `names` are the names of all curves drawn."""
        for ax in self.axes:
            if logx:
                ax.set_xscale("log")
            if logy:
                ax.set_yscale("log")
        names = list(dict.fromkeys(names))
        if self.legend:
            self._add_legend(names)
        if len(self.axes) == 1:
            return self.axes[0]
        found = np.empty(len(self.axes), dtype=object)
        found[:] = self.axes
        return found

    def _add_legend(self, names: list[str]) -> None:
        style: dict[str, Any] = {"fontsize": "small", "frameon": False}
        if self.given or len(self.axes) == 1:
            for ax in self.axes:
                handles, labels = _entries([ax], names)
                if len(names) < 2 and labels == names:
                    continue
                inside = self.given or len(labels) <= _LEGEND_INSIDE_MAX
                place: dict[str, Any] = {"loc": "best"} if inside else {"loc": "upper left", "bbox_to_anchor": (1, 1)}
                if labels:
                    ax.legend(handles, labels, **place, **style)
            return
        handles, labels = _entries(self.axes, names)
        if labels and not (len(names) < 2 and labels == names):
            self.figure.legend(handles, labels, loc="outside right upper", **style)


def _figure(pyplot: Any, panels: int) -> tuple[Any, list[Any]]:
    columns = 1 if panels == 1 else 2 if panels <= 4 else 3
    rows = -(-panels // columns)
    size = (8.0, 4.5) if panels == 1 else (4.6 * columns + 1.5, 3.2 * rows)
    figure, grid = pyplot.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    axes = list(grid.ravel())
    for empty in axes[panels:]:
        empty.remove()
    return figure, axes[:panels]


def _entries(axes: Sequence[Any], names: list[str]) -> tuple[list[Any], list[str]]:
    """Handles and labels: each name once, in the order of `names`, then other labels, such as that of the red ticks."""
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    labels = [name for name in names if name in handles]
    others = [name for name in handles if name not in names]
    cut = labels[:LEGEND_MAX]
    found = [(handles[name], name) for name in cut]
    if len(labels) > len(cut):
        from matplotlib.lines import Line2D

        found.append((Line2D([], [], linestyle="none"), f"and {len(labels) - len(cut)} more"))
    found += [(handles[name], name) for name in others]
    return [handle for handle, _ in found], [name for _, name in found]
