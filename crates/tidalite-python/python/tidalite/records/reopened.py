"""What a store that was opened again has kept."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._tidalite import Store


@dataclass(frozen=True, slots=True)
class Reopened:
    """The store that `Store.reopen` opened, and how many writes of the old object are lost: rows and changes to runs, counted
    from the last one on that could be saved."""

    store: Store
    writes_lost: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether everything that the old object had accepted is durable."""
        return self.writes_lost == 0
