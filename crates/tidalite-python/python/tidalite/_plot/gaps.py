"""Gaps: where a line over time breaks, because buckets between two points are empty."""
from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# A series that is logged at even times misses a bucket now and then by chance, so a gap is longer than a few intervals.
_INTERVALS = 3.0
_MOST = 0.9


def gaps(place: Array, count: Array | None = None) -> Array:
    """The indexes of the buckets before which the line breaks.

    `place` are the numbers of the buckets with points, ascending; `count` their points. A gap is at least one empty bucket, and longer
    than three times the interval at which the series is logged: the one that nine of ten intervals do not exceed, so that a series of
    irregular times stays whole.
    """
    if len(place) < 2:
        return np.array([], dtype=int)
    apart = np.diff(place)
    interval = float(np.quantile(apart, _MOST, method="lower")) / max(float(np.median(count)) if count is not None else 1.0, 1.0)
    found: Array = np.flatnonzero(apart > max(1.0, _INTERVALS * interval)) + 1
    return found


def time_gaps(times: Array) -> Array:
    """The indexes of the points before which a line over time breaks, as `gaps` finds them. Points of one time count once."""
    micros = times.astype("datetime64[us]").astype("int64")
    first = np.concatenate([[0], np.flatnonzero(np.diff(micros)) + 1])
    found: Array = first[gaps(micros[first])]
    return found


def all_gaps(place: Array) -> Array:
    """The indexes of the buckets before which at least one bucket is empty."""
    found: Array = np.flatnonzero(np.diff(place) > 1) + 1
    return found


def common_width(places: Array) -> int:
    """The width of buckets that begin at these places: their greatest common divisor, and 1 for a single place."""
    distances = np.diff(np.unique(places))
    return int(np.gcd.reduce(distances)) if len(distances) else 1


_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


def bucket_numbers(starts: Array, over_time: bool) -> Array:
    """The numbers of buckets that begin at these places, ascending and distinct, so that the number of a missing one is left out.

    Buckets of a calendar differ in width: by an hour where clocks are changed, by three days from month to month. They are told by
    distances that are near multiples of the usual one. Times are in microseconds.
    """
    width = common_width(starts)
    distances = np.diff(starts)
    usual = float(np.median(distances)) if len(distances) else float(width)
    # Shorter parts of a day are even in every zone.
    if over_time and width < usual and usual > _HOUR:
        numbers = np.maximum(np.rint(distances / usual), 1.0)
        allowed = 3.5 * _DAY if usual > 26 * _DAY else _HOUR
        if (np.abs(distances - numbers * usual) <= allowed * numbers).all():
            calendar: Array = np.concatenate([[0], np.cumsum(numbers)]).astype("int64")
            return calendar
    even: Array = (starts - starts[0]) // width
    return even


def insert_between(values: Array, at: Array, value: float) -> Array:
    """The values with `value` before each index in `at`."""
    changed: Array = np.insert(values.astype(float), at, value)
    return changed


def insert_middles(x: Array, at: Array) -> Array:
    """The places with, before each index in `at`, the middle of it and its predecessor."""
    changed: Array = np.insert(x, at, x[at - 1] + (x[at] - x[at - 1]) / 2)
    return changed


def filled(place: Array, y: Array, last: int, value: float) -> tuple[Array, Array]:
    """Places and values with `value` in every empty bucket from 0 to `last`.

    Of a row of empty buckets only the first and the last are added: the line is the same, however long the row is.
    """
    edges = np.concatenate([[-1], place, [last + 1]])
    begins, ends = edges[:-1] + 1, edges[1:] - 1
    is_empty = begins <= ends
    added = np.unique(np.concatenate([begins[is_empty], ends[is_empty]]))
    places = np.concatenate([place, added])
    order = np.argsort(places, kind="stable")
    return places[order], np.concatenate([y, np.full(len(added), value)])[order]
