"""Plots of aggregates: lines over step or time buckets, bars for other groups."""
from __future__ import annotations

from typing import Any

import numpy as np

from .bars import draw_bars
from .curves import Curve, draw
from .fields import table_facts
from .gaps import Array, all_gaps, bucket_numbers, filled
from .looks import part
from .names import natural_keys
from .options import Options, invalid

_BUCKETS = ("step_bucket", "time_bucket")
# Aggregates of which an empty bucket has the value 0.
_COUNTS = ("count", "finite", "nan", "inf")


def draw_aggregate(rows: dict[str, Array], y: list[str] | None, fill: float | None, options: Options, *, in_one: bool) -> Any:
    """Draws one panel per aggregate; per metric too, if metrics are a group, since scales differ. With `in_one` all is in one panel."""
    bucket = next((name for name in rows if name in _BUCKETS), None)
    # Text columns, params and the bucket are the group of a row; the other columns are its aggregates.
    by = [n for n, column in rows.items() if (column.dtype == object or n.startswith("param:")) and n != bucket]
    numbers = y or [n for n, c in rows.items() if n not in by and n != bucket and c.dtype.kind in "iuf"]
    if not numbers:
        raise invalid("none of the aggregates is a number; add one such as mean")
    for name in numbers:
        if rows[name].dtype.kind not in "iuf":
            raise invalid(f"{name} is not a column of numbers; give any of {', '.join(n for n in rows if rows[n].dtype.kind in 'iuf')}")
    parts = [[part(name, value) for value in rows[name]] for name in by]
    keys: list[tuple[str, ...]] = list(zip(*parts, strict=True)) if by else [()] * len(rows[numbers[0]])
    # One panel per metric; but bars of metrics without another group share one panel.
    split = not in_one and "metric" in by and (bucket is not None or len(by) > 1)
    place = by.index("metric") if split else -1

    def panel(name: str, key: tuple[str, ...]) -> str:
        if in_one:
            return numbers[0] if len(numbers) == 1 else ""
        return key[place] if split and len(numbers) == 1 else f"{name} of {key[place]}" if split else name

    def rest(name: str, key: tuple[str, ...]) -> tuple[str, ...]:
        if in_one and len(numbers) > 1:
            return (name, *key)
        return tuple(part for i, part in enumerate(key) if i != place) or ("all",)

    if bucket is None:
        if fill is not None:
            raise invalid("there are no buckets to fill; leave `fill` out, or group by a step or time bucket")
        order = _bar_order(keys, [rows[name] for name in rows if name not in by])
        bars = [(panel(name, keys[i]), rest(name, keys[i]), float(rows[name][i])) for name in numbers for i in order]
        return draw_bars(bars, "panel", options)
    curves = []
    grid = _Grid(rows[bucket])
    for name in numbers:
        for key, at in _groups(keys).items():
            rows_of_key = at[np.argsort(rows[bucket][at], kind="stable")]
            x, y_values, bad = grid.line(rows[bucket][rows_of_key], rows[name][rows_of_key], name, fill)
            run = rows["run"][at[0]] if "run" in by else ""
            facts = table_facts(rows, options.fields, at[0], by)
            curves.append(Curve(panel(name, key), rest(name, key), x, y_values, bad, run=run, facts=facts))
    ylabel = numbers[0] if len(numbers) == 1 else None
    return draw(curves, "step" if bucket == "step_bucket" else "time (UTC)", options, what="panel", ylabel=ylabel)


def _bar_order(keys: list[tuple[str, ...]], values: list[Array]) -> list[int]:
    """The order of the rows; the natural one if they are in the order of text, in which the engine answers: `a10` before `a2`.

    Rows that ascend or descend by a value were sorted by it, and stay.
    """
    places = list(range(len(keys)))
    by_value = any((column[1:] >= column[:-1]).all() or (column[1:] <= column[:-1]).all() for column in values)
    if by_value or keys != sorted(keys):
        return places
    return sorted(places, key=lambda i: natural_keys(keys[i]))


class _Grid:
    """The buckets of a table: where they begin, and their numbers."""

    def __init__(self, buckets: Array) -> None:
        self.kind = buckets.dtype
        self.over_time = buckets.dtype.kind == "M"
        self.starts = np.unique(buckets.astype("int64"))
        self.numbers = bucket_numbers(self.starts, self.over_time)
        self.last = int(self.numbers[-1])

    def line(self, buckets: Array, values: Array, aggregate: str, fill: float | None) -> tuple[Array, Array, Array]:
        """x, y and the marks of one group: with 0 or `fill` in empty buckets, or with NaN, which breaks the line."""
        value = values.astype(float)
        # A group has at least one point. Without an aggregate, none of its points is finite.
        finite = np.isfinite(value)
        y = np.where(finite, value, np.nan)
        place = self.numbers[np.searchsorted(self.starts, buckets.astype("int64"))]
        if fill is None and self.over_time and aggregate in _COUNTS:
            fill = 0.0
        if fill is not None:
            at, y = filled(place, y, self.last, float(fill))
            return self._x(at), y, np.isnan(y)
        gaps = all_gaps(place) if self.over_time else np.array([], dtype=int)
        # The gap stands at the first empty bucket.
        at = np.insert(place, gaps, place[gaps - 1] + 1)
        return self._x(at), np.insert(y, gaps, np.nan), np.insert(~finite, gaps, False)

    def _x(self, place: Array) -> Array:
        # A missing bucket begins between its neighbours.
        x: Array = np.rint(np.interp(place, self.numbers, self.starts)).astype("int64").astype(self.kind)
        return x


def _groups(keys: list[tuple[str, ...]]) -> dict[tuple[str, ...], Array]:
    """Row indexes by key. In a sorted table the rows of a group need not be consecutive."""
    places: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(keys):
        places.setdefault(key, []).append(row)
    return {key: np.array(at) for key, at in places.items()}
