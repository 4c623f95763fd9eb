"""Bars: one per group, with its number, which is red if no bar can show it."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._text import short
from .legends import CHARACTER
from .looks import PALETTE
from .names import NAME_MAX, short_names
from .options import Options, invalid
from .panels import RED, Panels, columns_of, is_drawable
from .units import plain_log_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS_MAX = 40
_SLOTS_MIN = 4


def draw_bars(bars: Sequence[tuple[str, tuple[str, ...], float]], what: str, options: Options) -> Any:
    """Draws `bars`, each (panel, group, value), from the top in their order. Values run along x, so `log_y` has the effect of `log_x`."""
    if options.fields or options.label is not None:
        raise invalid("bars have their names beside them and one colour; leave `label` out, and give a colour as `color`")
    panels = list(dict.fromkeys(panel for panel, _, _ in bars))
    groups = list(dict.fromkeys(group for _, group, _ in bars))
    names = dict(zip(groups, short_names(groups), strict=True))
    figure = Panels(panels, options, what=what)
    for panel, axes in zip(panels, figure.axes, strict=False):
        own = [(names[group], value) for name, group, value in bars if name == panel]
        _draw(axes, own, options.color or PALETTE[0], is_log=options.log_x or options.log_y)
    if not figure.given:
        most = max(Counter(panel for panel, _, _ in bars).values())
        height = 1.0 + 0.28 * min(BARS_MAX, most)
        columns = columns_of(len(figure.axes))
        rows = -(-len(figure.axes) // columns)
        # Names that are too much alike to be cut do not take the place of the bars.
        wider = columns * CHARACTER * max(0, max(map(len, names.values())) - NAME_MAX)
        figure.figure.set_size_inches(figure.figure.get_figwidth() + wider, rows * max(2.0, height))
    return figure.finish()


def _draw(ax: Axes, bars: list[tuple[str, float]], colour: Any, *, is_log: bool) -> None:
    shown = bars[:BARS_MAX]
    places = range(len(shown))
    # A logarithmic axis has no place for the bar of 0 or less, but for its number.
    has_bar = [bool(is_drawable(value)) and (value > 0 or not is_log) for _, value in shown]
    lengths = [value if drawn else 0.0 for (_, value), drawn in zip(shown, has_bar, strict=True)]
    drawn = ax.barh(places, lengths, color=colour, height=0.7)
    # As the numbers of the bars, and without a power of ten below the axis, where the note stands.
    ax.xaxis.set_major_formatter(lambda value, _: short(float(value)))
    ax.set_yticks(places, [name for name, _ in shown], fontsize="small")
    texts = ax.bar_label(drawn, [short(value) for _, value in shown], padding=3, fontsize="small")
    for text, (_, value) in zip(texts, shown, strict=True):
        if not is_drawable(value):
            text.set_color(RED)
    # Space for the numbers after the bars; a single bar does not fill the panel.
    ax.margins(x=0.2)
    if is_log:
        for text, place, bar in zip(texts, places, has_bar, strict=True):
            if not bar:
                # At the left end, wherever that is.
                text.xy, text.xycoords = (0.0, place), ax.get_yaxis_transform()
        if not any(has_bar):
            # With no bar to scale it by, matplotlib would warn.
            ax.set_autoscalex_on(False)
            ax.set_xlim(1, 10)
        ax.set_xscale("log")
        plain_log_numbers(ax.xaxis)
    ax.set_ylim(max(len(shown), _SLOTS_MIN) - 0.4, -0.6)
    if len(bars) > len(shown):
        note = f"and {len(bars) - len(shown)} more: sort() and head() choose which are drawn"
        ax.annotate(note, (1, 0), (0, -28), "axes fraction", "offset points", ha="right", va="top", fontsize="small", color=RED)
