"""What notebooks show: tables, selections, runs and reports as HTML that follows light and dark themes.

Every name and text of the user's is escaped. Colours are the page's own, but for grey lines and one red.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from ._optional import need
from ._sparkline import RED, Bucket, sparkline

if TYPE_CHECKING:
    from ._tidalite import Selection, Table
    from .records import Report, RunInfo, Runs

ROWS_MAX = 20
SERIES_MAX = 50
RUNS_MAX = 50
_PARAM_COLUMNS_MAX = 8
_TEXT_MAX = 80
_BUCKETS = 60
_STYLE = f"""<style>
.tidalite table {{border-collapse:collapse;font-size:90%;margin:.3em 0;color:inherit}}
.tidalite th,.tidalite td {{padding:.2em .7em;text-align:left;white-space:nowrap;border:0;color:inherit;background:none}}
.tidalite thead tr {{border-bottom:1px solid rgba(128,128,128,.6)}}
.tidalite tbody tr {{border-bottom:1px solid rgba(128,128,128,.2);background:none}}
.tidalite .n {{text-align:right;font-variant-numeric:tabular-nums}}
.tidalite .dim {{opacity:.6;font-weight:normal;font-size:90%}}
.tidalite .bad {{color:{RED};font-weight:bold}}
</style>"""


def table_html(table: Table) -> str:
    """The first rows, how many there are, and the type of each column."""
    try:
        pyarrow = need("pyarrow", "showing rows")
    except ImportError as e:
        return _page(_note(f"a table of {', '.join(table.columns)}: {e}"))
    if table.kind == "points":
        # These may be more than fits in memory: they are counted without being read, and read no further than shown.
        head, total = table.head(ROWS_MAX).to_arrow(), len(table)
    else:
        # Computed once, and kept with the table: its head alone would be a second query.
        answer = table.to_arrow()
        head, total = answer.slice(0, ROWS_MAX), answer.num_rows
    types = {field.name: _type_word(pyarrow, field.type) for field in head.schema}
    heads = [_head(name, note=word, number=word not in ("text", "UTC")) for name, word in types.items()]
    rows = [[_cell(row[name]) for name in types] for row in head.to_pylist()]
    shown = f"first {len(rows)} of {total:,} rows" if total > len(rows) else _count(total, "row")
    return _page(_note(f"{shown}, {_count(len(types), 'column')}"), _table(heads, rows))


def selection_html(selection: Selection) -> str:
    """A row a series: what it is, its numbers, and its curve."""
    try:
        need("pyarrow", "showing a selection")
    except ImportError as e:
        return _page(_note(f"{selection!r}: {e}"))
    key = ("run", "metric", "labels")
    totals = selection.aggregate("count", "last", "min", "max", "mean", by=list(key)).to_arrow()
    series, count = totals.slice(0, SERIES_MAX).to_pylist(), totals.num_rows
    if not series:
        return _page(_note("no series: nothing in the store matches"))
    # Both answers are ordered by the key, and a series has so many buckets at most: these are the buckets of the same series.
    rows = selection.chart(_BUCKETS).head(SERIES_MAX * _BUCKETS).to_arrow().to_pylist()
    buckets: dict[tuple[str, ...], list[Bucket]] = {}
    for row in rows:
        middle = row["step"] + (row["width"] - 1) / 2
        low, high, mean = (math.nan if row[c] is None else row[c] for c in ("min", "max", "mean"))
        buckets.setdefault(tuple(row[k] for k in key), []).append(Bucket(middle, low, high, mean, row["nonfinite"]))
    # One range of steps a metric, so that a curve that stops early is seen to.
    spans: dict[str, tuple[float, float]] = {}
    for (_, metric, _), found in buckets.items():
        begin, end = spans.get(metric, (math.inf, -math.inf))
        spans[metric] = (min(begin, found[0].x), max(end, found[-1].x))
    labelled = any(row["labels"] for row in series)
    texts = ["run", "metric", "labels"] if labelled else ["run", "metric"]
    numbers = ["count", "last", "min", "max", "mean"]
    heads = [_head(name) for name in texts] + [_head(name, number=True) for name in numbers] + [_head("curve")]

    def cells(row: dict[str, Any]) -> list[str]:
        found = buckets.get(tuple(row[k] for k in key), [])
        curve = sparkline(found, spans[row["metric"]]) if found else ""
        return [*(_cell(row[name]) for name in texts + numbers), f"<td>{curve}</td>"]

    more = _note(f"and {count - len(series):,} more series") if count > len(series) else ""
    return _page(_note(_count(count, "series", "series")), _table(heads, map(cells, series)), more)


def runs_html(runs: Runs) -> str:
    """A row a run; a column for each of the first params that differ, and those that all share in a line of their own."""
    if not runs:
        return _page(_note("no runs"))
    names = sorted({name for run in runs for name in run.params})
    shared = [n for n in names if all(n in run.params and run.params[n] == runs[0].params[n] for run in runs)]
    differing = [n for n in names if n not in shared]
    columns = differing[:_PARAM_COLUMNS_MAX]
    optional: dict[str, Callable[[RunInfo], Any]] = {
        "labels": lambda run: ", ".join(f"{k}={v}" for k, v in run.labels.items()),
        "tags": lambda run: ", ".join(run.tags),
        "parent": lambda run: _parent(run),
    }
    present = {name: get for name, get in optional.items() if any(get(run) for run in runs)}
    number = {name: all(_is_number(run.params[name]) for run in runs if name in run.params) for name in columns}
    heads = [_head("run"), _head("status"), _head("started", note="UTC"), _head("took", number=True)]
    heads += [_head(name) for name in present] + [_head(name, note="param", number=number[name]) for name in columns]

    def cells(run: RunInfo) -> list[str]:
        bad = run.status in ("failed", "lost")
        status = f'<td><span class="bad">{run.status}</span></td>' if bad else _cell(run.status)
        started = run.started.replace(microsecond=0) if run.started else ""
        took = run.ended - run.started if run.started and run.ended else None
        fixed = [_cell(run.id), status, _cell(started), f'<td class="n">{_span(took.total_seconds()) if took else ""}</td>']
        return [
            *fixed,
            *(_cell(get(run)) for get in present.values()),
            *(_cell(run.params[name]) if name in run.params else "<td></td>" for name in columns),
        ]

    notes = [f"and {len(runs) - RUNS_MAX:,} more runs"] if len(runs) > RUNS_MAX else []
    if len(differing) > len(columns):
        notes.append("more params that differ: " + ", ".join(differing[len(columns) :]))
    if shared:
        common = ", ".join(f"{name}={short(runs[0].params[name])}" for name in shared)
        notes.append(("params: " if len(runs) == 1 else "the same in all: ") + common)
    return _page(
        _note(_count(len(runs), "run")), _table(heads, map(cells, runs[:RUNS_MAX])), *(_note(_cut(n, 1000)) for n in notes)
    )


def report_html(report: Report) -> str:
    """The verdict, and a row a finding."""
    word = "dim" if report.sound else "bad"
    verdict = f'<div class="{word}">{escape(report.summary)}</div>'
    if not report.findings:
        return _page(verdict)
    heads = [_head("what"), _head("file"), _head("byte", number=True), _head("in words")]
    rows = [[_cell(f.kind), _cell(f.path), _cell(f.offset), f"<td>{escape(f.message)}</td>"] for f in report.findings]
    return _page(verdict, _table(heads, rows))


def short(value: Any) -> str:
    """A value in few characters: five digits of a float, whole numbers in full, times without an empty fraction."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
        return f"{value:.5g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(sep=" ")
        return text.rstrip("0") if value.microsecond else text
    return _cut(str(value), _TEXT_MAX)


def _cell(value: Any) -> str:
    if value is None:
        return '<td class="n"><span class="dim">null</span></td>'
    text = escape(short(value))
    if isinstance(value, float) and not math.isfinite(value):
        text = f'<span class="bad">{text}</span>'
    return f'<td class="n">{text}</td>' if _is_number(value) else f"<td>{text}</td>"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _type_word(pyarrow: Any, kind: Any) -> str:
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind) or pyarrow.types.is_string_view(kind):
        return "text"
    return {"double": "float64"}.get(str(kind), "UTC" if pyarrow.types.is_timestamp(kind) else str(kind))


def _head(name: str, *, note: str = "", number: bool = False) -> str:
    below = f'<br><span class="dim">{escape(note)}</span>' if note else ""
    kind = ' class="n"' if number else ""
    return f"<th{kind}>{escape(_cut(name, _TEXT_MAX))}{below}</th>"


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>"


def _note(text: str) -> str:
    return f'<div class="dim">{escape(text)}</div>'


def _page(*pieces: str) -> str:
    return f'<div class="tidalite">{_STYLE}{"".join(pieces)}</div>'


def _parent(run: RunInfo) -> str:
    if run.parent is None:
        return ""
    return run.parent if run.parent_step is None else f"{run.parent}, step {run.parent_step}"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
