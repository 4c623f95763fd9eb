"""The HTML that notebooks show for runs."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._page import cell, head, is_number, note, page, table
from .._text import count, cut, duration, short
from .run_info import RunInfo

RUNS_MAX = 50
_PARAM_COLUMNS_MAX = 8
_NOTE_MAX = 1000
_COMMIT_DIGITS = 8


def runs_html(runs: Sequence[RunInfo]) -> str:
    """One row per run, with a column for each of the first params that differ. Params that all runs share have a line below."""
    return page(note(count(len(runs), "run")), *runs_pieces(runs)) if runs else page(note("no runs"))


def runs_pieces(runs: Sequence[RunInfo]) -> list[str]:
    """The table of one or more runs, and the lines below it."""
    names = sorted({name for run in runs for name in run.params})
    shared = [n for n in names if all(n in run.params and run.params[n] == runs[0].params[n] for run in runs)]
    differing = [n for n in names if n not in shared]
    columns = differing[:_PARAM_COLUMNS_MAX]
    optional: dict[str, Callable[[RunInfo], str]] = {
        "name": lambda run: run.name or "",
        "group": lambda run: run.group or "",
        "reason": lambda run: run.reason or "",
        "labels": lambda run: ", ".join(f"{k}={v}" for k, v in run.labels.items()),
        "tags": lambda run: ", ".join(run.tags),
        "parent": _parent,
        "commit": _commit,
        "notes": lambda run: run.notes or "",
    }
    present = {name: get for name, get in optional.items() if any(get(run) for run in runs)}
    number = {name: all(is_number(run.params[name]) for run in runs if name in run.params) for name in columns}
    heads = [head("run"), head("status"), head("started", detail="UTC"), head("took", number=True)]
    heads += [head(name) for name in present] + [head(name, detail="param", number=number[name]) for name in columns]

    def cells(run: RunInfo) -> list[str]:
        return [
            *_fixed_cells(run),
            *(cell(get(run)) for get in present.values()),
            *(cell(run.params[name]) if name in run.params else "<td></td>" for name in columns),
        ]

    notes = [f"and {len(runs) - RUNS_MAX:,} more runs"] if len(runs) > RUNS_MAX else []
    if len(differing) > len(columns):
        notes.append("more params that differ: " + ", ".join(differing[len(columns) :]))
    if shared:
        common = ", ".join(f"{name}={short(runs[0].params[name])}" for name in shared)
        notes.append(("params: " if len(runs) == 1 else "the same in all: ") + common)
    rows = map(cells, runs[:RUNS_MAX])
    return [table(heads, rows), *(note(cut(n, _NOTE_MAX)) for n in notes)]


def _commit(run: RunInfo) -> str:
    git = run.environment.get("git")
    commit = git.get("commit") if isinstance(git, dict) else None
    return commit[:_COMMIT_DIGITS] if isinstance(commit, str) else ""


def _fixed_cells(run: RunInfo) -> list[str]:
    bad = run.status in ("failed", "lost")
    status = f'<td><span class="bad">{run.status}</span></td>' if bad else cell(run.status)
    started: Any = run.started.replace(microsecond=0) if run.started else ""
    took = "" if run.duration is None else duration(run.duration.total_seconds())
    return [cell(run.id), status, cell(started), f'<td class="n">{took}</td>']


def _parent(run: RunInfo) -> str:
    if run.parent is None:
        return ""
    return run.parent if run.parent_step is None else f"{run.parent}, step {run.parent_step}"
