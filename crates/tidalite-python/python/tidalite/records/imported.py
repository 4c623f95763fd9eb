"""What an import has added."""
from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Imported:
    """What `Store.import_from` has added: `points`, and the number of `runs` that got some; of event files also the `files`
    looked at and the `restarts` that rewound their runs. `left_out` counts what was not taken, by what it is; `remarks` say how the
    columns of a table were understood."""

    files: int = 0
    runs: int = 0
    points: int = 0
    restarts: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
