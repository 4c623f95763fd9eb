"""`Importance`: how params and a metric go together over the runs of a store."""
from __future__ import annotations

from typing import NamedTuple


class ParamImportance(NamedTuple):
    """How one param and a metric go together over `runs` runs: those that have the param and a finite value of the metric.

    `rank_correlation` is Spearman's: from -1 to 1, how well one order of the runs follows the other. It is `None` for a param with
    values that have no order, and if all its values or all values of the metric are equal. `mutual_information` is in bits: how much the
    param tells of the metric, whatever the shape of the relation; 0 if nothing.
    """

    param: str
    runs: int
    rank_correlation: float | None
    mutual_information: float


class Importance(list[ParamImportance]):
    """The params of a sweep, those first that tell most of the metric. A notebook shows them as a table.

    The numbers are associations of single params over the runs that there are: not causes, and blind to params that matter only together.
    """

    metric: str = ""
    value: str = ""

    def _repr_html_(self) -> str:
        from .._page import cell, head, note, page, table

        if not self:
            return page(note(f"no param of two or more runs to compare with {self.metric} ({self.value})"))
        heads = [head("param"), head("runs", number=True), head("rank correlation", number=True), head("mutual information", detail="bits", number=True)]
        rows = [
            [cell(of.param), cell(of.runs), "<td></td>" if of.rank_correlation is None else cell(of.rank_correlation), cell(of.mutual_information)]
            for of in self
        ]
        return page(
            note(f"params and {self.metric} ({self.value})"),
            table(heads, rows),
            note("associations of single params over these runs: not causes, and blind to params that matter only together"),
        )
