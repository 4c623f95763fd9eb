"""What a store tells of itself: its runs, its size, its health. Plain data, made by the compiled part."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, overload

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class RunInfo(NamedTuple):
    """A run: its id, what it was started with, and how it stands.

    `status` is `running`, `finished`, `failed`, or `lost` (its writer is gone without a word). `labels` are those that all
    its processes share, `participants` how many processes took part. `parent` is the id of the run that it branched off,
    and `parent_step` the last step taken over from it. `rewinds` are the steps that the run went back to, in order. Times are UTC;
    `None` where nobody said.
    """

    # A tuple, since it is made in half the time of a frozen dataclass, and a store may hold ten thousand runs.
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


class Runs(list[RunInfo]):
    """Runs in the order of their ids: a list that also answers to an id.

    >>> for lr in (0.1, 0.01):
    ...     store.run(f"lr-{lr}", params={"lr": lr}).finish()
    >>> runs = store.runs()
    >>> runs["lr-0.1"].params
    {'lr': 0.1}
    >>> runs.to_pandas().sort_values("params.lr")["id"].tolist()
    ['lr-0.01', 'lr-0.1']
    """

    @property
    def ids(self) -> list[str]:
        """The ids, in order."""
        return [run.id for run in self]

    @overload
    def __getitem__(self, key: SupportsIndex | str, /) -> RunInfo: ...
    @overload
    def __getitem__(self, key: slice, /) -> Runs: ...
    def __getitem__(self, key: SupportsIndex | str | slice, /) -> RunInfo | Runs:
        if isinstance(key, str):
            for run in self:
                if run.id == key:
                    return run
            near = get_close_matches(key, self.ids, 3)
            hint = "near it: " + ", ".join(near) if near else "see .ids for those there are"
            raise KeyError(f"no run {key}; {hint}")
        if isinstance(key, slice):
            return Runs(super().__getitem__(key))
        return super().__getitem__(key)

    def __contains__(self, key: object, /) -> bool:
        if isinstance(key, str):
            return any(run.id == key for run in self)
        return super().__contains__(key)

    def to_pandas(self) -> pandas.DataFrame:
        """A row a run: its fields, then a column `labels.<key>` a label and `params.<key>` a param."""
        from . import _run_frames

        return _run_frames.to_pandas(self)

    def to_arrow(self) -> pyarrow.Table:
        """As `to_pandas`. A param that is not of one plain type in all runs is given as JSON text."""
        from . import _run_frames

        return _run_frames.to_arrow(self)

    def to_polars(self) -> polars.DataFrame:
        """As `to_pandas`. A param that is not of one plain type in all runs is given as JSON text."""
        from . import _run_frames

        return _run_frames.to_polars(self)

    def _repr_html_(self) -> str:
        from . import _html

        return _html.runs_html(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a store.

    `kind` is `torn tail` (the end of a log that a crash cut off; no damage), `damage` or `missing`. `path` and `offset` say
    where; `bytes` is 0 where the length is not known. `series` are (run, metric, labels), at most 16 of them; `steps` the
    least and the greatest step concerned. What cannot be told is `None`.
    """

    kind: str
    path: str
    offset: int
    bytes: int
    message: str
    frames: int | None = None
    run: str | None = None
    series: tuple[tuple[str, str, str], ...] = ()
    steps: tuple[int, int] | None = None
    rows: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at, and what was found. `print(report)` says it in words.

    `points` counts those in parts and logs, `log_points` those in logs alone: what a recovery brought back. `bytes` were
    read.
    """

    findings: tuple[Finding, ...] = ()
    parts: int = 0
    logs: int = 0
    points: int = 0
    log_points: int = 0
    bytes: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing durable is lost or changed. The torn tail that a crash leaves is no damage."""
        return all(finding.kind == "torn tail" for finding in self.findings)

    @property
    def summary(self) -> str:
        """The verdict and the counts, on one line."""
        verdict = "sound" if self.sound else "damaged"
        torn = sum(finding.kind == "torn tail" for finding in self.findings)
        counts = [
            _count(self.points, "point"),
            _count(self.parts, "part"),
            _count(self.logs, "log"),
            _count(torn, "torn tail") if torn else "",
            _count(len(self.findings) - torn, "finding of damage", "findings of damage") if not self.sound else "",
        ]
        return f"{verdict}: {', '.join(c for c in counts if c)}"

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"  {finding}" for finding in self.findings)])

    def _repr_html_(self) -> str:
        from . import _html

        return _html.report_html(self)


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and sizes of a store. `points` counts repeats too; `log_points` are those not in parts yet, and `thinned_points` those of
    which thinning left only sums.

    `log_bytes` is what the logs take on the disk, preallocated blocks included; `network` whether the file system is one
    across a network, where not all promises hold.
    """

    runs: int
    series: int
    points: int
    thinned_points: int
    log_points: int
    parts: int
    writers_alive: int
    version: int
    parts_bytes: int
    series_bytes: int
    log_bytes: int
    other_bytes: int
    file_system: str
    network: bool
    free_bytes: int

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return self.parts_bytes + self.series_bytes + self.log_bytes + self.other_bytes


@dataclass(frozen=True, slots=True, repr=False)
class Explain:
    """What an answer was made from. Printed it is a table.

    `series_merged` are series whose points had to be merged, since their parts overlap, or they have repeats, rewound points or history;
    `series_thinned` are those of which few points are left (see `Store.thin`). Summaries are those of whole tiles of a series, buckets those
    of rollups, each with the points that it stands for; `page_points` were decoded and `log_points` taken from logs. `parts`, `tiles`,
    `pages` and `bytes` are all that there are.
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
    """What a flush did: points that went from logs to parts, and parts written."""

    points: int
    parts: int


@dataclass(frozen=True, slots=True)
class CompactStats:
    """What a compaction did: points flushed first, parts that were merged, parts that they became, points in these."""

    flushed: int
    parts_in: int
    parts_out: int
    points: int


@dataclass(frozen=True, slots=True)
class ThinStats:
    """What a thinning did.

    Points flushed first; runs of which a series was thinned, and runs passed over since a process still writes to them; series that were
    thinned, that stay since their outline would take as much room, and that stay since they were thinned before and then written to, or
    rewound, at the same steps; points that the thinned series stand for, points that are left of them, and points that were rewound or
    written again and are gone.
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


class PartFiles(list[str]):
    """Paths of Parquet files that hold all points that were flushed; a consistent set.

    The files stay as long as this list, or a slice of it, lives: a compaction may replace them, but deletes none. A plain
    copy, `list(files)`, keeps nothing.
    """

    def __init__(self, files: Iterable[str] = (), pin: object = None) -> None:
        super().__init__(files)
        self._pin = pin

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> str: ...
    @overload
    def __getitem__(self, key: slice, /) -> PartFiles: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> str | PartFiles:
        if isinstance(key, slice):
            return PartFiles(super().__getitem__(key), self._pin)
        return super().__getitem__(key)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
