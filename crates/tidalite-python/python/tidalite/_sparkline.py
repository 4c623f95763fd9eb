"""A series as a small inline SVG: the range of each bucket, a line through the means, red marks for NaN and infinities.

Everything but the red is `currentColor`, so that the picture follows the colour of the text in light and dark themes.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 150, 28
# Space for half the width of a line, and below the curve for the red marks.
_EDGE, _FOOT = 2.0, 5.0
RED = "#e5484d"


class SparkBucket(NamedTuple):
    """One bucket of a chart; `x` is the middle of its steps. Without a finite value `low`, `high` and `mean` are NaN."""

    x: float
    low: float
    high: float
    mean: float
    nonfinite: int


def sparkline(buckets: Sequence[SparkBucket], x_range: tuple[float, float]) -> str:
    """Draws one series; `x_range` is the range of x that the width covers."""
    finite = [b for b in buckets if math.isfinite(b.mean)]
    low = min((b.low for b in finite), default=0.0)
    high = max((b.high for b in finite), default=0.0)

    def x(bucket: SparkBucket) -> float:
        return _EDGE + _share(bucket.x, *x_range) * (WIDTH - 2 * _EDGE)

    def y(value: float) -> float:
        return _EDGE + (1 - _share(value, low, high)) * (HEIGHT - _EDGE - _FOOT)

    shapes = []
    for segment in _segments(buckets):
        if len(segment) == 1:
            b = segment[0]
            shapes.append(f'<circle cx="{x(b):.1f}" cy="{y(b.mean):.1f}" r="1.5" fill="currentColor"/>')
        upper = [f"{x(b):.1f},{y(b.high):.1f}" for b in segment]
        lower = [f"{x(b):.1f},{y(b.low):.1f}" for b in reversed(segment)]
        if upper != lower[::-1]:
            shapes.append(
                f'<polygon points="{" ".join(upper + lower)}" fill="currentColor" fill-opacity="0.25" '
                'stroke="currentColor" stroke-opacity="0.25" stroke-width="0.5"/>'
            )
        if len(segment) > 1:
            line = " ".join(f"{x(b):.1f},{y(b.mean):.1f}" for b in segment)
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
    """The position of `value` from `low` (0) to `high` (1); 0.5 if both are equal."""
    # Halved first, so that the difference of two extremes does not overflow.
    return (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5


def _segments(buckets: Sequence[SparkBucket]) -> Iterator[list[SparkBucket]]:
    """Consecutive buckets with finite values. No line is drawn across a bucket without one."""
    segment: list[SparkBucket] = []
    for bucket in buckets:
        if math.isfinite(bucket.mean):
            segment.append(bucket)
        elif segment:
            yield segment
            segment = []
    if segment:
        yield segment
