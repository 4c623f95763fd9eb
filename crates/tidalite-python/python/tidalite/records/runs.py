"""`Runs`: the runs of a store as a list, a table, or HTML."""
from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, SupportsIndex, overload

from .run_info import RunInfo

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Runs(list[RunInfo]):
    """A list of runs in the order of their ids, which may also be indexed by id.

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
            hint = "similar ids: " + ", ".join(near) if near else ".ids lists all ids"
            raise KeyError(f"no run {key}; {hint}")
        if isinstance(key, slice):
            return Runs(super().__getitem__(key))
        return super().__getitem__(key)

    def __contains__(self, key: object, /) -> bool:
        if isinstance(key, str):
            return any(run.id == key for run in self)
        return super().__contains__(key)

    def to_pandas(self) -> pandas.DataFrame:
        """One row per run: its fields (with its totals, if they were asked for), then a column `labels.<key>` per label and a column `params.<key>` per param."""
        from . import run_frames

        return run_frames.to_pandas(self)

    def to_arrow(self) -> pyarrow.Table:
        """Columns as in `to_pandas`. A param whose values do not have one plain type is given as JSON text."""
        from . import run_frames

        return run_frames.to_arrow(self)

    def to_polars(self) -> polars.DataFrame:
        """Columns as in `to_pandas`. A param whose values do not have one plain type is given as JSON text."""
        from . import run_frames

        return run_frames.to_polars(self)

    def _repr_html_(self) -> str:
        from . import runs_html

        return runs_html.runs_html(self)
