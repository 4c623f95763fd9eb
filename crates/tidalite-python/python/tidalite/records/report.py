"""`Report`: what `verify` or a recovery found."""
from __future__ import annotations

from dataclasses import dataclass

from .._text import count


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a store.

    `kind` is `torn tail` (the end of a log that a crash cut off; not damage), `damage` or `missing`. `path` and `offset` are its
    place. `bytes` is 0 if the length is unknown. `series` are at most 16 affected series as (run, metric, labels). `steps` are the
    first and the last affected step. Other unknown values are `None`.
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
class Unread:
    """A file, or `bytes` at the end of one, that `verify` did not check, and why not."""

    path: str
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What `salvage` brought to a new store, repeats included, and what it could not: empty if everything was sound."""

    runs: int
    points: int
    missing: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and the findings. `print(report)` shows both.

    `points` counts the points in parts and logs, `log_points` those in logs only: the points that a recovery brought back. `bytes`
    is the number of bytes read, and `unread` what was not.
    """

    findings: tuple[Finding, ...] = ()
    parts: int = 0
    logs: int = 0
    points: int = 0
    log_points: int = 0
    bytes: int = 0
    unread: tuple[Unread, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing durable is lost or changed. A torn tail from a crash is not damage."""
        return all(finding.kind == "torn tail" for finding in self.findings)

    @property
    def summary(self) -> str:
        """The verdict and the counts, on one line."""
        verdict = "sound" if self.sound else "damaged"
        torn = sum(finding.kind == "torn tail" for finding in self.findings)
        counts = [
            count(self.points, "point"),
            count(self.parts, "part"),
            count(self.logs, "log"),
            count(torn, "torn tail") if torn else "",
            count(len(self.findings) - torn, "finding of damage", "findings of damage") if not self.sound else "",
        ]
        return f"{verdict}: {', '.join(c for c in counts if c)}"

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"  {finding}" for finding in self.findings)])

    def _repr_html_(self) -> str:
        from .._page import cell, head, note, page, table, text_cell

        verdict = note(self.summary, "dim" if self.sound else "bad")
        if not self.findings:
            return page(verdict)
        heads = [head("what"), head("file"), head("byte", number=True), head("message")]
        return page(verdict, table(heads, [[cell(f.kind), cell(f.path), cell(f.offset), text_cell(f.message)] for f in self.findings]))
