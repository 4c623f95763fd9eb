"""The HTML that notebooks show for tables and selections."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ._page import cell, head, note, page, table
from ._sparkline import SparkBucket, sparkline
from ._text import count

if TYPE_CHECKING:
    from ._tidalite import Selection, Table

ROWS_MAX = 20
SERIES_MAX = 50
_BUCKETS = 60


def table_html(answer: Table) -> str:
    """The first rows, the number of rows, and the type of each column."""
    # Points may not fit in memory: `len` counts them without reading them, and a slice reads only the first.
    total, first = len(answer), answer[:ROWS_MAX]
    types = {name: "UTC" if word == "time" else word for name, word in answer.types.items()}
    heads = [head(name, detail=word, number=word not in ("text", "UTC")) for name, word in types.items()]
    rows = [[cell(row[name]) for name in types] for row in first]
    shown = f"first {len(rows)} of {total:,} rows" if total > len(rows) else count(total, "row")
    return page(note(f"{shown}, {count(len(types), 'column')}"), table(heads, rows))


def selection_html(selection: Selection) -> str:
    """One row per series: its key, its aggregates, and its curve."""
    key = ("run", "metric", "labels")
    totals = selection.aggregate("count", "last", "min", "max", "mean", by=list(key))
    series, total = totals[:SERIES_MAX].to_dicts(), len(totals)
    if not series:
        return page(note("no series: nothing in the store matches"))
    # Both answers are ordered by the key, and a series has at most _BUCKETS buckets: these rows cover the shown series.
    rows = selection.chart(_BUCKETS).head(SERIES_MAX * _BUCKETS)
    buckets: dict[tuple[str, ...], list[SparkBucket]] = {}
    for row in rows:
        middle = row["step"] + (row["width"] - 1) / 2
        low, high, mean = (math.nan if row[c] is None else row[c] for c in ("min", "max", "mean"))
        buckets.setdefault(tuple(row[k] for k in key), []).append(SparkBucket(middle, low, high, mean, row["nonfinite"]))
    # All series of a metric share one range of steps, so that a curve that stops early shows.
    ranges: dict[str, tuple[float, float]] = {}
    for (_, metric, _), found in buckets.items():
        begin, end = ranges.get(metric, (math.inf, -math.inf))
        ranges[metric] = (min(begin, found[0].x), max(end, found[-1].x))
    labelled = any(row["labels"] for row in series)
    texts = ["run", "metric", "labels"] if labelled else ["run", "metric"]
    numbers = ["count", "last", "min", "max", "mean"]
    heads = [head(name) for name in texts] + [head(name, number=True) for name in numbers] + [head("curve")]

    def cells(row: dict[str, Any]) -> list[str]:
        found = buckets.get(tuple(row[k] for k in key), [])
        curve = sparkline(found, ranges[row["metric"]]) if found else ""
        return [*(cell(row[name]) for name in texts + numbers), f"<td>{curve}</td>"]

    more = note(f"and {total - len(series):,} more series") if total > len(series) else ""
    return page(note(count(total, "series", "series")), table(heads, map(cells, series)), more)

