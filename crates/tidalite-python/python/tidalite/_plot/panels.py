"""Panels: one Axes each, made or given, with titles, a shared x-axis, scales and legends."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import need
from .legends import add_legend
from .looks import Looks
from .names import TITLE_MAX, cut_middle, literal
from .options import Options, invalid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS_MAX = 12
RED = "#e5484d"
# Matplotlib cannot scale an axis to greater magnitudes. They are marked as infinities are.
DRAWN_MAX = 1e300
_PANEL_TITLE_MAX = 44


class Panels:
    """The axes of one call of `plot`, in the order of their titles.

    `options.ax` is one Axes for one panel, or a list of at least as many as there are panels. Without it a figure is made.
    """

    def __init__(self, titles: Sequence[str], options: Options, *, what: str = "metric", share_x: bool = False) -> None:
        pyplot = need("matplotlib.pyplot", "plot()", install="matplotlib")
        shown = list(titles[:PANELS_MAX])
        self.options = options
        self.given = options.ax is not None
        self.share_x = share_x and not self.given and len(shown) > 1
        if self.given:
            axes = list(np.ravel(np.asarray(options.ax, dtype=object)))
            if len(axes) < len(shown):
                raise invalid(
                    f"there are {len(shown)} panels, one per {what}, but {len(axes)} axes in `ax`; "
                    f"give an axes for each panel, leave `ax` out, or select one {what}"
                )
            self.figure = axes[0].figure
        else:
            self.figure, axes = _figure(pyplot, len(shown), self.share_x)
        self.axes: list[Axes] = axes[: len(shown)]
        title, longest = options.title, _PANEL_TITLE_MAX if len(shown) > 1 else TITLE_MAX
        for axes_of_one, name in zip(self.axes, shown, strict=True):
            text = name if len(shown) > 1 or title is None else title
            axes_of_one.set_title(literal(cut_middle(text, longest)), fontsize="medium")
        if title is not None and len(shown) > 1 and not self.given:
            # Of the default size, 12 points, about 9 characters fit in an inch.
            self.figure.suptitle(literal(cut_middle(title, int(9 * self.figure.get_figwidth()))))
        left_out = len(titles) - len(shown)
        if left_out:
            note = f"and {left_out} more {what if left_out == 1 else what + 's'}: select fewer to see them"
            self.axes[-1].annotate(
                note, (1, 0), (0, -34), "axes fraction", "offset points", ha="right", va="top", fontsize="small", color=RED
            )

    @property
    def lowest(self) -> list[Axes]:
        """The axes that have a label of x: if x is shared, the lowest of each column."""
        if not self.share_x:
            return self.axes
        return self.axes[-columns_of(len(self.axes)) :]

    def set_scales(self) -> None:
        """Sets logarithmic scales."""
        for ax in self.axes:
            if self.options.log_x:
                ax.set_xscale("log")
            if self.options.log_y:
                ax.set_yscale("log")

    def finish(self, looks: Looks | None = None) -> Any:
        """Adds the legend. Returns the Axes, or an array of several."""
        if looks is not None and self.options.legend:
            add_legend(self.axes, looks, given=self.given)
        if len(self.axes) == 1:
            return self.axes[0]
        found = np.empty(len(self.axes), dtype=object)
        found[:] = self.axes
        return found


def is_drawable(values: Any) -> Any:
    """Where values have a place on an axis: neither NaN nor infinite, nor too large to be scaled."""
    return np.abs(values) <= DRAWN_MAX


def columns_of(panels: int) -> int:
    """The columns of a grid of panels."""
    return 1 if panels == 1 else 2 if panels <= 4 else 3


def _figure(pyplot: Any, panels: int, share_x: bool) -> tuple[Any, list[Any]]:
    columns = columns_of(panels)
    rows = -(-panels // columns)
    size = (8.0, 4.5) if panels == 1 else (4.6 * columns, 3.0 * rows)
    figure, grid = pyplot.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, sharex=share_x)
    axes = list(grid.ravel())
    for empty in axes[panels:]:
        empty.remove()
    if share_x:
        # A panel above an empty place has no panel below it that shows the numbers of x.
        for ax in axes[panels - columns : panels]:
            ax.xaxis.set_tick_params(labelbottom=True)
    return figure, axes[:panels]
