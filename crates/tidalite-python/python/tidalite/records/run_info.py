"""`RunInfo`: the facts of one run."""
from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple


class RunInfo(NamedTuple):
    """A run: its id, its params, tags and labels, and its status.

    `status` is `running`, `finished`, `failed`, or `lost` (its writer is gone and never reported an end). `labels` are those that
    all its processes share. `participants` is the number of processes that took part. `parent` is the id of the run that this one
    is forked from, and `parent_step` the last step inherited from it. `rewinds` are the steps that the run was rewound to, in order.
    Times are UTC. A value that was not reported is `None`.
    """

    # A named tuple takes half the time of a frozen dataclass to make, and a store may hold ten thousand runs.
    id: str
    status: str
    started: datetime | None
    ended: datetime | None
    params: dict[str, Any]
    tags: tuple[str, ...]
    labels: dict[str, str]
    parent: str | None
    parent_step: int | None
    participants: int
    rewinds: tuple[int, ...] = ()
