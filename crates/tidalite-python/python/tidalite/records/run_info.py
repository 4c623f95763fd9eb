"""`RunInfo`: the facts of one run, and `Participant`: those of one process in it."""
from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple


class Participant(NamedTuple):
    """A process that takes or took part in a run.

    `labels` are those of its points. `status` is as of a run. `last_step` is the greatest step that it logged, also where it was killed.
    `current` is whether it counts for the run's status: it does not if a later process took over from it. Times are UTC.
    """

    labels: dict[str, str]
    host: str
    pid: int
    started: datetime
    ended: datetime | None
    status: str
    reason: str | None
    last_step: int | None
    current: bool


class RunInfo(NamedTuple):
    """A run: its id, its params, tags and labels, and its status.

    `environment` is what its last start was run with: see `capture` of `Store.run`. `status` is `running`, `finished`, `failed`, or `lost` (its process is gone and never reported an end). `reason` says why it failed.
    `labels` are those that all its current processes share. `participants` are the processes that took part, in the order of their
    starts. `parent` is the id of the run that this one is forked from, and `parent_step` the last step inherited from it. `rewinds` are
    the steps that the run was rewound to, in order. `series`, `points`, `last_step` and `last_time` are of the run's own points, and
    `None` unless totals were asked for. Times are UTC. A value that was not reported is `None`.
    """

    # A named tuple takes half the time of a frozen dataclass to make, and a store may hold ten thousand runs.
    id: str
    status: str
    started: datetime | None
    ended: datetime | None
    params: dict[str, Any]
    environment: dict[str, Any]
    tags: tuple[str, ...]
    labels: dict[str, str]
    parent: str | None
    parent_step: int | None
    participants: tuple[Participant, ...]
    rewinds: tuple[int, ...] = ()
    name: str | None = None
    notes: str | None = None
    group: str | None = None
    reason: str | None = None
    series: int | None = None
    points: int | None = None
    last_step: int | None = None
    last_time: datetime | None = None

    @property
    def duration(self) -> timedelta | None:
        """The time from its start to its end. `None` while it runs."""
        return self.ended - self.started if self.started is not None and self.ended is not None else None
