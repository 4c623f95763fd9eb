"""HTML elements for notebooks, which follow light and dark themes.

Every name and text from the user is escaped. Colours are inherited from the page, except grey lines and one red.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from ._sparkline import RED
from ._text import TEXT_MAX, cut, short

_STYLE = f"""<style>
.tidalite table {{border-collapse:collapse;font-size:90%;margin:.3em 0;color:inherit}}
.tidalite th,.tidalite td {{padding:.2em .7em;text-align:left;white-space:nowrap;border:0;color:inherit;background:none}}
.tidalite thead tr {{border-bottom:1px solid rgba(128,128,128,.6)}}
.tidalite tbody tr {{border-bottom:1px solid rgba(128,128,128,.2);background:none}}
.tidalite .n {{text-align:right;font-variant-numeric:tabular-nums}}
.tidalite .dim {{opacity:.6;font-weight:normal;font-size:90%}}
.tidalite .bad {{color:{RED};font-weight:bold}}
</style>"""


def page(*pieces: str) -> str:
    """The pieces, with the style that they need."""
    return f'<div class="tidalite">{_STYLE}{"".join(pieces)}</div>'


def note(text: str, kind: str = "dim") -> str:
    """A line of text, `dim` or `bad`."""
    return f'<div class="{kind}">{escape(text)}</div>'


def table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of head cells and body cells."""
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>"


def head(name: str, *, detail: str = "", number: bool = False) -> str:
    """A head cell; `detail` is a smaller second line."""
    below = f'<br><span class="dim">{escape(detail)}</span>' if detail else ""
    kind = ' class="n"' if number else ""
    return f"<th{kind}>{escape(cut(name, TEXT_MAX))}{below}</th>"


def cell(value: Any) -> str:
    """A body cell: numbers to the right, nulls dimmed, NaN and infinities red."""
    if value is None:
        return '<td class="n"><span class="dim">null</span></td>'
    text = escape(short(value))
    if isinstance(value, float) and not math.isfinite(value):
        text = f'<span class="bad">{text}</span>'
    return f'<td class="n">{text}</td>' if is_number(value) else f"<td>{text}</td>"


def text_cell(text: str) -> str:
    """A body cell with all of a text, however long."""
    return f"<td>{escape(text)}</td>"


def is_number(value: Any) -> bool:
    """Whether a value is shown as a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
