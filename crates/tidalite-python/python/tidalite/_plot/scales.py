"""Scales of params: numbers on a linear or logarithmic scale, other values at even places in natural order."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .gaps import Array
from .looks import is_missing, is_number, spans_magnitudes
from .names import cut_middle, natural_key, short_names

CATEGORIES_MAX = 30
_TICK_MAX = 16
_DISTINCT_MAX = 8
_APART = 0.035


class ParamScale:
    """Places from 0 to 1 for the values of one param. Missing values have none: NaN.

    Numbers are logarithmic if they are positive and span orders of magnitude. With any value that is not a number, all are categories.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        present = [value for value in values if not is_missing(value)]
        self.is_number = bool(present) and all(is_number(value) for value in present)
        self.is_log = self.is_number and spans_magnitudes([float(value) for value in present])
        self.categories: list[str] = []
        if self.is_number:
            numbers = [self._number(value) for value in present]
            self._low, self._high = min(numbers), max(numbers)
            self._distinct = sorted({float(value) for value in present})
        else:
            self.categories = sorted({str(value) for value in present}, key=natural_key)
            self._low, self._high = 0.0, float(max(len(self.categories) - 1, 0))

    def numbers(self, values: Sequence[Any]) -> Array:
        """The values as numbers of the scale: a number itself, the index of a category."""
        index = {name: i for i, name in enumerate(self.categories)}
        return np.array([math.nan if is_missing(v) else float(v) if self.is_number else index[str(v)] for v in values])

    def places(self, values: Sequence[Any]) -> Array:
        """Where the values stand, from 0 to 1; in the middle if all are equal."""
        numbers = self.numbers(values)
        if self.is_log:
            numbers = np.log10(numbers)
        # Halved first, so that the difference of two extremes does not overflow.
        span = self._high / 2 - self._low / 2
        places: Array = np.where(np.isnan(numbers), np.nan, 0.5) if span == 0 else (numbers / 2 - self._low / 2) / span
        return places

    def names(self) -> tuple[list[str], list[str]]:
        """The categories that have a text, at even distances if there are too many, and their texts."""
        every = -(-len(self.categories) // CATEGORIES_MAX) or 1
        names = self.categories[::every]
        return names, [cut_middle(name, _TICK_MAX) for name in short_names([(name,) for name in names])]

    def ticks(self) -> list[tuple[float, str]]:
        """Places with their texts."""
        if not self.is_number:
            names, texts = self.names()
            return list(zip(self.places(names).tolist(), texts, strict=True))
        from matplotlib.ticker import LogLocator, MaxNLocator

        if len(self._distinct) <= _DISTINCT_MAX:
            # The values of a grid say more than round numbers between them.
            numbers = self._distinct
        elif self.is_log:
            numbers = [n for n in LogLocator(numticks=8).tick_values(10**self._low, 10**self._high) if self._covers(math.log10(n))]
        else:
            numbers = [n for n in MaxNLocator(6).tick_values(self._low, self._high) if self._covers(n)]
        ticks = [(float(self.places([n])[0]), f"{n:.6g}") for n in numbers]
        # A tick that would overlap its lower neighbour is left out.
        shown = ticks[:1]
        for tick in ticks[1:]:
            if tick[0] - shown[-1][0] >= _APART:
                shown.append(tick)
        return shown

    def _number(self, value: Any) -> float:
        return math.log10(value) if self.is_log else float(value)

    def _covers(self, number: float) -> bool:
        slack = (self._high / 2 - self._low / 2) * 1e-9
        return self._low - slack <= number <= self._high + slack
