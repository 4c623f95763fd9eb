"""Values from other libraries, converted to numbers and params that a run accepts."""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

# The depth below which nested values become text; the store's limit is slightly higher.
_DEPTH_MAX = 30


def number(value: object) -> float | int | None:
    """The value if it is a Python or NumPy number, or an array or tensor of one element; else `None`."""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, bytes)) or value is None:
        return None
    item = getattr(value, "item", None)
    try:
        # `item` refuses arrays of several elements; for some libraries `float` warns and takes the first.
        found = item() if callable(item) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        return None
    return found if isinstance(found, (bool, int, float)) else None


def numbers(values: Mapping[str, Any], prefix: str = "") -> dict[str, float | int]:
    """The values that are numbers, with the prefix added to their names."""
    found = {prefix + str(name): number(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not None}


def params(values: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """The values as params: plain values unchanged, dicts and lists converted item by item, anything else as text."""
    return {prefix + str(name): _plain(value, 1) for name, value in values.items()}


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        # `int` turns an `IntEnum` into a plain int. Beyond 64 bits only text keeps all digits.
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
    """Seconds since 1970 as whole microseconds."""
    # Whole seconds are multiplied separately: a float holds the current time to a quarter of a microsecond, but not a million times it.
    fraction, whole = math.modf(seconds)
    return int(whole) * 1_000_000 + round(fraction * 1e6)
