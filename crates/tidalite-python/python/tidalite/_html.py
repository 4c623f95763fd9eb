"""The HTML that notebooks show for stores, selections and tables.

None of it raises: a notebook would show a traceback through this module. The page says what went wrong instead.
"""
from __future__ import annotations

import heapq
import math
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ._page import cell, head, note, page, table
from ._sparkline import SparkBucket, sparkline
from ._text import count, cut, size
from .records.runs_html import runs_pieces

if TYPE_CHECKING:
    from ._tidalite import Selection, Store, Table
    from .records import Stats

ROWS_MAX = 20
SERIES_MAX = 50
RUNS_MAX = 10
# Beyond this, listing all runs to find the newest takes seconds.
_LISTED_MAX = 50_000
_BUCKETS = 60
_TEXT_MAX = 1000


def table_html(answer: Table) -> str:
    """The first rows, the number of rows, and the type of each column."""
    try:
        return _table_page(answer)
    except Exception as error:
        return _error_page(f"a table of {answer.kind}", error)


def selection_html(selection: Selection) -> str:
    """What is selected, then one row per series: its key, its aggregates, and its curve."""
    try:
        return _selection_page(selection)
    except Exception as error:
        return _error_page(_selected(selection), error)


def store_html(store: Store) -> str:
    """The path, what is in the store, and its newest runs."""
    try:
        return _store_page(store)
    except Exception as error:
        return _error_page(repr(store), error)


def _error_page(what: str, error: Exception) -> str:
    return page(note(cut(what.strip("<>"), _TEXT_MAX)), note(cut(f"{type(error).__name__}: {error}", _TEXT_MAX), "bad"))


def _selected(selection: Selection) -> str:
    """The selection in words: `loss, runs='a*'`."""
    return cut(repr(selection).removeprefix("<tidalite.").removesuffix(">"), _TEXT_MAX)


def _store_page(store: Store) -> str:
    # A damaged place is reported and not an error: the rest can be shown.
    snapshot = store.snapshot(on_damage="report")
    stats = snapshot.stats()
    lines = [note(f"store {store.path}"), note(_contents(stats))]
    if stats.damage:
        lines.append(note(f"{count(len(stats.damage), 'damaged place')}: store.verify() names what is damaged", "bad"))
    if stats.runs > _LISTED_MAX:
        return page(*lines, note("store.runs() lists the runs"))
    runs = snapshot.runs()
    if not runs:
        return page(*lines)
    statuses = Counter(run.status for run in runs)
    lines.append(note(", ".join(f"{number:,} {status}" for status, number in statuses.most_common())))
    earliest = datetime.min.replace(tzinfo=timezone.utc)
    newest = heapq.nlargest(RUNS_MAX, runs, key=lambda run: run.started or earliest)
    if len(runs) > len(newest):
        lines.append(note(f"the newest {len(newest)} runs:"))
    return page(*lines, *runs_pieces(newest))


def _contents(stats: Stats) -> str:
    counts = [count(stats.runs, "run"), count(stats.series, "series", "series"), count(stats.points, "point")]
    return ", ".join([*counts, size(stats.bytes)])


def _table_page(answer: Table) -> str:
    # Points may not fit in memory: `len` counts them without reading them, and a slice reads only the first.
    total, first = len(answer), answer[:ROWS_MAX]
    types = {name: "UTC" if word == "time" else word for name, word in answer.types.items()}
    heads = [head(name, detail=word, number=word not in ("text", "UTC")) for name, word in types.items()]
    rows = [[cell(row[name]) for name in types] for row in first]
    shown = f"first {len(rows)} of {total:,} rows" if total > len(rows) else count(total, "row")
    return page(note(f"{shown}, {count(len(types), 'column')}"), table(heads, rows))


def _selection_page(selection: Selection) -> str:
    selected = note(_selected(selection))
    key = ("run", "metric", "labels")
    totals = selection.aggregate("count", "last", "min", "max", "mean", by=list(key))
    series, total = totals[:SERIES_MAX].to_dicts(), len(totals)
    if not series:
        return page(selected, note("no series: nothing in the store matches"))
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
    runs = len(selection.aggregate("count", by="run"))
    return page(selected, note(f"{count(runs, 'run')}, {count(total, 'series', 'series')}"), table(heads, map(cells, series)), more)

