"""Legends and colour bars that do not cover the curves: inside if they are small, else to the right or below."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .looks import FAINT, Looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INSIDE_MAX = 4
_INSIDE_NAME_MAX = 24
_RIGHT_NAME_MAX = 40
_STYLE: dict[str, Any] = {"fontsize": "small", "frameon": False}
# The width of a character of small text, and of a handle with its space; the height of a line. In inches.
CHARACTER, _HANDLE, _LINE = 0.078, 0.55, 0.19


def add_legend(axes: Sequence[Axes], looks: Looks, *, given: bool) -> None:
    """Adds what names the curves. `given` is whether the axes are the caller's, whose figure keeps its size."""
    figure: Any = axes[0].figure
    if looks.scale is not None:
        bar = figure.colorbar(looks.scale.mappable, ax=list(axes), label=looks.scale.name)
        bar.outline.set_visible(False)
    handles, labels = _entries(axes, looks)
    if labels and (looks.chosen or labels != list(looks.names) or len(labels) > 1):
        _place(list(axes), handles, labels, given=given)


def _place(axes: list[Axes], handles: list[Any], labels: list[str], *, given: bool) -> None:
    figure: Any = axes[-1].figure
    longest = max(map(len, labels))
    is_small = len(labels) <= _INSIDE_MAX and longest <= _INSIDE_NAME_MAX
    if given:
        # One legend for all, in the last axes. Constrained layout makes room beside them; other layouts would cut the legend off.
        if is_small:
            axes[-1].legend(handles, labels, loc="best", **_STYLE)
        elif figure.get_layout_engine() is None:
            axes[-1].legend(handles, labels, loc="best", fontsize="x-small", framealpha=0.85)
        else:
            axes[-1].legend(handles, labels, loc="upper left", bbox_to_anchor=(1, 1), **_STYLE)
        return
    width, height = figure.get_size_inches()
    if longest > _RIGHT_NAME_MAX:
        columns = max(1, min(len(labels), int(width / (longest * CHARACTER + _HANDLE))))
        rows = -(-len(labels) // columns)
        figure.set_size_inches(width, height + rows * _LINE + 0.1)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, **_STYLE)
    elif len(axes) == 1 and is_small:
        axes[0].legend(handles, labels, loc="best", **_STYLE)
    else:
        figure.set_size_inches(width + longest * CHARACTER + _HANDLE, max(height, len(labels) * _LINE + 0.5))
        if len(axes) == 1:
            axes[0].legend(handles, labels, loc="upper left", bbox_to_anchor=(1, 1), **_STYLE)
        else:
            figure.legend(handles, labels, loc="outside right upper", **_STYLE)


def _entries(axes: Sequence[Axes], looks: Looks) -> tuple[list[Any], list[str]]:
    """Handles and labels: each name once, in the order of the looks, then how many are left out, then others: red ticks, older lines."""
    from matplotlib.lines import Line2D

    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    found = [(name, handles[name]) for name in dict.fromkeys(looks.names) if name in handles]
    if looks.more:
        found.append((f"and {looks.more} more", Line2D([], [], color=FAINT, linewidth=0.8, alpha=0.6)))
    own = {name for name, _ in found}
    found += [(name, handle) for name, handle in handles.items() if name not in own]
    return [handle for _, handle in found], [name for name, _ in found]
