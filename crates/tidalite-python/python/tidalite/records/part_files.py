"""`PartFiles`: paths of Parquet files that are kept while the list exists."""
from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex, overload


class PartFiles(list[str]):
    """The paths of Parquet files whose rows together are exactly the visible points.

    The files are kept as long as this list, or a slice of it, exists: a compaction may replace them, but does not delete them. A
    plain copy, `list(files)`, keeps nothing.
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
