"""A series as a small inline SVG: the range of each bucket, a line through the means, red where values are not finite.

Everything but the red is `currentColor`, so that the picture follows the text's colour in light and dark themes.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 150, 28
# Room for half a line's width, and below the curve for the marks of what is not finite.
_EDGE, _FOOT = 2.0, 5.0
RED = "#e5484d"


class Bucket(NamedTuple):
    """One bucket of a chart, placed at the middle of its steps. Without a finite value the three numbers are NaN."""

    x: float
    low: float
    high: float
    mean: float
    nonfinite: int


def sparkline(buckets: Sequence[Bucket], span: tuple[float, float]) -> str:
    """The picture of one series; `span` is the range of x that the width stands for."""
    finite = [b for b in buckets if math.isfinite(b.mean)]
    low = min((b.low for b in finite), default=0.0)
    high = max((b.high for b in finite), default=0.0)

    def x(bucket: Bucket) -> float:
        return _EDGE + _share(bucket.x, *span) * (WIDTH - 2 * _EDGE)

    def y(value: float) -> float:
        return _EDGE + (1 - _share(value, low, high)) * (HEIGHT - _EDGE - _FOOT)

    shapes = []
    for stretch in _stretches(buckets):
        if len(stretch) == 1:
            b = stretch[0]
            shapes.append(f'<circle cx="{x(b):.1f}" cy="{y(b.mean):.1f}" r="1.5" fill="currentColor"/>')
        upper = [f"{x(b):.1f},{y(b.high):.1f}" for b in stretch]
        lower = [f"{x(b):.1f},{y(b.low):.1f}" for b in reversed(stretch)]
        if upper != lower[::-1]:
            shapes.append(
                f'<polygon points="{" ".join(upper + lower)}" fill="currentColor" fill-opacity="0.25" '
                'stroke="currentColor" stroke-opacity="0.25" stroke-width="0.5"/>'
            )
        if len(stretch) > 1:
            line = " ".join(f"{x(b):.1f},{y(b.mean):.1f}" for b in stretch)
            shapes.append(f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.2"/>')
    for b in buckets:
        if b.nonfinite:
            shapes.append(f'<rect x="{x(b) - 1:.1f}" y="{HEIGHT - 4}" width="2" height="4" fill="{RED}"/>')
    bad = sum(b.nonfinite for b in buckets)
    title = f"<title>{bad:,} NaN or ±Inf</title>" if bad else ""
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'style="vertical-align:middle">{title}{"".join(shapes)}</svg>'
    )


def _share(value: float, low: float, high: float) -> float:
    """How far along from `low` to `high`; the middle where they are the same."""
    # Halves first, so that the difference of two extremes does not overflow.
    return (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5


def _stretches(buckets: Sequence[Bucket]) -> Iterator[list[Bucket]]:
    """Neighbouring buckets that have a finite value each: a line is not drawn across those that have none."""
    stretch: list[Bucket] = []
    for bucket in buckets:
        if math.isfinite(bucket.mean):
            stretch.append(bucket)
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch
