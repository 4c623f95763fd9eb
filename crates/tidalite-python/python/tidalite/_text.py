"""Values and counts as short text for people."""
from __future__ import annotations

import math
from datetime import datetime

TEXT_MAX = 80


def short(value: object) -> str:
    """A value in few characters: five digits of a float, whole numbers in full, times without trailing zeros."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
        return f"{value:.5g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(sep=" ")
        return text.rstrip("0") if value.microsecond else text
    return cut(str(value), TEXT_MAX)


def cut(text: str, length: int) -> str:
    """The text, cut to `length` characters with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 run`, `2 runs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A duration in two units at most: `1.5 s`, `2 min 05 s`, `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def size(bytes: int) -> str:
    """A number of bytes with a fitting prefix: `512 B`, `1.5 MiB`."""
    number = float(bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.4g} {unit}"
        number /= 1024
    return f"{number:,.4g} TiB"
