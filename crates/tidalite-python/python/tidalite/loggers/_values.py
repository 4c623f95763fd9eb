"""What other libraries hand to their loggers, as what a run takes: numbers, and params."""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

# A run's params nest so deep at most; what is deeper is given as text.
_DEPTH_MAX = 30


def number(value: object) -> float | int | None:
    """The value as a number, where it is one: a Python or NumPy number, or an array or tensor of one element."""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, bytes)) or value is None:
        return None
    item = getattr(value, "item", None)
    try:
        # `item` refuses arrays of several elements, where `float` of some libraries would warn and take the first.
        found = item() if callable(item) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        return None
    return found if isinstance(found, (bool, int, float)) else None


def numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float | int]:
    """Those values that are numbers, under their names with the prefix before them."""
    found = {prefix + str(name): number(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}


def params(values: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """All values as params: plain ones as they are, maps and lists with theirs made plain, all else as its text."""
    return {prefix + str(name): _plain(value, 1) for name, value in values.items()}


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        # Also an `IntEnum`. Beyond 64 bits only text keeps all digits.
        return int(value) if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping) and depth < _DEPTH_MAX:
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < _DEPTH_MAX:
        items: Iterable[Any] = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [_plain(item, depth + 1) for item in items]
    if isinstance(value, PurePath):
        return str(value)
    found = number(value)
    return str(value) if found is None else found


def microseconds(seconds: float) -> int:
    """Seconds since 1970 as the whole microseconds that a row's time is given in."""
    # Whole seconds apart: a float holds a time of today to a quarter of a microsecond, but not its product with a million.
    fraction, whole = math.modf(seconds)
    return int(whole) * 1_000_000 + round(fraction * 1e6)
