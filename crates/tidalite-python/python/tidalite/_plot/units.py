"""Units that the names of metrics state: bytes and seconds with a fitting prefix; percent, watts and others as they are."""
from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

_BYTES = {"bytes": 1.0, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "micros", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanoseconds"), 1e-9),
}
_PERCENT = ("percent", "pct")
_UTILIZATION = ("util", "utilization", "utilisation")
# Shown as they are, without a prefix.
_PLAIN = {
    **dict.fromkeys(("watt", "watts"), "W"),
    **dict.fromkeys(("joule", "joules"), "J"),
    **dict.fromkeys(("hz", "hertz"), "Hz"),
    "celsius": "°C",
}
_BYTE_STEPS = [(2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")]
_SECOND_STEPS = [(18_000.0, 3600.0, "h"), (300.0, 60.0, "min"), (1.0, 1.0, "s"), (1e-3, 1e-3, "ms"), (1e-6, 1e-6, "µs"), (0.0, 1e-9, "ns")]


class Unit(NamedTuple):
    """What an axis shows: `name` is its label without the unit, `word` the unit, and `one` the value as it was logged that is shown as 1."""

    name: str
    word: str
    one: float = 1.0

    @property
    def label(self) -> str:
        """The label of the axis."""
        return f"{self.name} ({self.word})" if self.word else self.name


def unit_of(metric: str, largest: float, *, is_log: bool = False) -> Unit:
    """The unit of a metric by the last word of its name. `largest` is the greatest magnitude of its values.

    A name such as `mem_bytes` or `latency_ms` states a unit; `gpu_util` is a percentage if its values are above 1. On a logarithmic axis
    nothing is scaled, so that powers of ten stay where they are.
    """
    leaf = metric.rpartition("/")[2] or metric
    words = re.split(r"[_\-. ]+", leaf.lower())
    last, before = words[-1], words[:-1]
    # Without a magnitude there is nothing to fit a prefix to.
    is_plain = is_log or not largest > 0
    per_second = len(words) > 2 and words[-2] == "per" and last in ("s", "sec", "second")
    if per_second and words[-3] == "bytes":
        name = _without(leaf, 3)
        return Unit(name, "B/s") if is_plain else _bytes(name, largest, 1.0, "/s")
    if last in _UTILIZATION and 1 < largest <= 100 and "per" not in before:
        return Unit(leaf, "%")
    if "per" in before or not before:
        # A rate in another unit; or one word alone, such as `s`, which may mean anything.
        return Unit(leaf, "")
    if last in _BYTES:
        name = _without(leaf, 1)
        return Unit(name, "B" if last == "bytes" else leaf[-3:]) if is_plain else _bytes(name, largest, _BYTES[last])
    if last in _SECONDS:
        name = _without(leaf, 1)
        base = {1.0: "s", 1e-3: "ms", 1e-6: "µs", 1e-9: "ns"}[_SECONDS[last]]
        return Unit(name, base) if is_plain else _seconds(name, largest, _SECONDS[last])
    if last in _PERCENT:
        return Unit(_without(leaf, 1), "%")
    return Unit(_without(leaf, 1), _PLAIN[last]) if last in _PLAIN else Unit(leaf, "")


def apply_unit(axis: Any, unit: Unit) -> None:
    """Ticks at round numbers of the unit. The data keeps the values as they were logged."""
    if unit.one == 1.0:
        return
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    class _ScaledLocator(MaxNLocator):
        def tick_values(self, vmin: float, vmax: float) -> Any:
            return np.asarray(super().tick_values(vmin / unit.one, vmax / unit.one)) * unit.one

    axis.set_major_locator(_ScaledLocator(nbins="auto", steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit.one:.6g}"))


def whole_numbers(axis: Any) -> None:
    """Ticks at whole numbers alone."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1))


def short_numbers(axis: Any) -> None:
    """Large numbers with a prefix: 200k, 1.5M. Ticks that are too close for it have all digits: 10,000,010 and 10,000,020."""
    from matplotlib.ticker import EngFormatter

    class _ShortFormatter(EngFormatter):
        def format_ticks(self, values: Any) -> list[str]:
            texts = [self(value) for value in values]
            return texts if len(set(texts)) == len(texts) else [f"{value:,.15g}" for value in values]

    axis.set_major_formatter(_ShortFormatter(sep=""))


def plain_log_numbers(axis: Any) -> None:
    """On a logarithmic axis of few decades near 1, numbers such as 0.6 in place of 6 × 10⁻¹."""
    from matplotlib.ticker import LogFormatter

    class _PlainLogFormatter(LogFormatter):
        def __call__(self, value: float, place: Any = None) -> str:
            # Matplotlib decides which ticks have a text: those between decades have one only on a short axis.
            return f"{value:g}" if super().__call__(value, place) else ""

    low, high = axis.get_view_interval()
    if 1e-3 <= low and high <= 1e4:
        axis.set_major_formatter(_PlainLogFormatter(labelOnlyBase=False))
        axis.set_minor_formatter(_PlainLogFormatter(labelOnlyBase=False))


def _bytes(name: str, largest: float, stored: float, rate: str = "") -> Unit:
    size, word = next(step for step in _BYTE_STEPS if largest * stored >= step[0] or step[0] == 1.0)
    return Unit(name, word + rate, size / stored)


def _seconds(name: str, largest: float, stored: float) -> Unit:
    size, word = next((size, word) for begin, size, word in _SECOND_STEPS if largest * stored >= begin)
    return Unit(name, word, size / stored)


def _without(leaf: str, words: int) -> str:
    """The name without its last words, unless nothing else is left."""
    return re.sub(r"(?:[_\-. ]+[^_\-. ]+){%d}$" % words, "", leaf) or leaf
