"""Fields of runs that colour and name curves: looked up by the engine, or taken from the columns of a table."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _frames
from .names import label_pairs
from .options import invalid

if TYPE_CHECKING:
    from .._tidalite import Selection

Facts = Callable[[str, str], Mapping[str, Any]]


def selection_facts(selection: Selection, fields: Sequence[str]) -> Facts:
    """A function from run and labels to the values of the fields."""
    params = {field: _param(selection, field) for field in fields if field.startswith("param:")}

    def facts(run: str, labels: str) -> dict[str, Any]:
        return {field: params[field].get(run) if field in params else _own(field, run, labels) for field in fields}

    return facts


def table_facts(rows: Mapping[str, Any], fields: Sequence[str], at: int, columns: Sequence[str]) -> dict[str, Any]:
    """The values of the fields in one row of a table, whose groups are these columns."""
    found = {}
    for field in fields:
        if field in columns:
            found[field] = rows[field][at]
        elif field.startswith("label:") and "labels" in columns:
            found[field] = _own(field, "", rows["labels"][at])
        else:
            raise invalid(
                f"colours and labels are by {field}, which is not in this table; "
                f'group by it, as in by=["run", "{field}"], or plot the selection itself'
            )
    return found


def _own(field: str, run: str, labels: str) -> str | None:
    """A field that the key of a series has."""
    return run if field == "run" else label_pairs(labels).get(field.removeprefix("label:"))


def _param(selection: Selection, field: str) -> dict[str, Any]:
    from .._tidalite import NotFound

    try:
        rows = _frames.to_numpy(selection.aggregate("count", by=["run", field]))
    except NotFound:
        # No run has it: the caller says so by the name of its own option.
        return {}
    # Plain values, so that a bool is not taken for a number.
    return dict(zip(rows["run"].tolist(), np.asarray(rows[field]).tolist(), strict=True))
