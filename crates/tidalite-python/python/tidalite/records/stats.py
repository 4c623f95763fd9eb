"""Counts: of a store, of the sources of an answer, and of the work of a flush, compaction or thinning."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .report import Finding


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and sizes of a store.

    `points` includes repeats. `hidden_points` are those of them in files of their own, because they are rewound or a later write of
    their step replaced them; `hidden_bytes` is the size of these files. `replaced_bytes` are files of parts that were replaced; they go
    once the grace time is over and no snapshot pins them. `log_points` are not in parts yet. `thinned_points` were deleted by thinning and remain only in sums.
    `log_bytes` is the space of the logs on disk, preallocated blocks included. `network` is whether the file system is on a network,
    where not all guarantees hold. `damage` is what could not be read and does not count: parts in `series`, places in logs in `points`.
    """

    runs: int
    series: int
    points: int
    thinned_points: int
    log_points: int
    hidden_points: int
    parts: int
    writers_alive: int
    version: int
    parts_bytes: int
    hidden_bytes: int
    series_bytes: int
    replaced_bytes: int
    log_bytes: int
    other_bytes: int
    file_system: str
    network: bool
    free_bytes: int
    damage: tuple[Finding, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of all files in bytes."""
        live = self.parts_bytes + self.hidden_bytes + self.series_bytes
        return live + self.replaced_bytes + self.log_bytes + self.other_bytes


@dataclass(frozen=True, slots=True, repr=False)
class Explain:
    """The sources of an answer. It prints as a table.

    `series_merged` are series whose points were merged, because their parts overlap or they have repeats, rewound points or history.
    `series_thinned` are thinned series (see `Store.thin`). `summaries` are summaries of whole tiles of a series, `buckets` those of
    rollups; `summary_points` and `bucket_points` are the points that they cover. `page_points` were decoded from pages, `log_points`
    come from logs. `parts`, `tiles`, `pages` and `bytes` are totals.
    """

    series: int
    series_merged: int
    series_thinned: int
    summaries: int
    summary_points: int
    buckets: int
    bucket_points: int
    page_points: int
    log_points: int
    parts: int
    parts_skipped: int
    tiles: int
    tiles_read: int
    pages: int
    pages_read: int
    bytes: int
    bytes_read: int
    rollup_pages_read: int
    rollup_bytes_read: int
    pages_cached: int
    elapsed_us: int
    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class FlushStats:
    """The work of a flush: `points` moved from logs to parts, and `parts` written."""

    points: int
    parts: int


@dataclass(frozen=True, slots=True)
class CompactStats:
    """The work of a compaction: points `flushed` first, parts merged (`parts_in`) and written (`parts_out`), `points` in the latter. Of
    these, `hidden` are rewound or replaced by a later write of their step. `dropped` are points of deleted runs that were left out.
    """

    flushed: int
    parts_in: int
    parts_out: int
    points: int
    hidden: int
    dropped: int


@dataclass(frozen=True, slots=True)
class MergeStats:
    """What a merge brought into a store.

    - `runs_new`: runs that the store did not have. `runs_changed`: runs that it had, and of which it learned more than points.
    - `points`: points.
    - `renamed`: the ids of runs that have another id here, by their id in the other store.
    - `damage`: what was damaged in the other store and left out.
    """

    runs_new: int
    runs_changed: int
    points: int
    renamed: dict[str, str]
    damage: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ThinStats:
    """The work of a thinning.

    - `flushed`: points flushed first.
    - `runs`: runs with a thinned series; `runs_running`: runs skipped because a process still writes to them.
    - `series`: series thinned. `series_small`: left unchanged because their outline would take as much space. `series_mixed`: left
      unchanged because they were thinned before and then written to, or rewound, at the same steps.
    - `points`: points that the thinned series cover; `kept`: points that remain of them; `dropped`: rewound and repeated points that
      are gone.
    """

    flushed: int
    runs: int
    runs_running: int
    series: int
    series_small: int
    series_mixed: int
    points: int
    kept: int
    dropped: int
