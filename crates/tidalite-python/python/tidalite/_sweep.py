"""The runs of a sweep: the params of each and one value of a metric, for plots and for importance."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._tidalite import Store

VALUES = ("last", "min", "max", "mean", "median", "first")
_NAMES_SHOWN = 8


@dataclass(frozen=True)
class Sweep:
    """Runs that have a metric: their ids, params and one value of the metric each, which may be NaN or infinite.

    The params are plain values: a dict is several params with dots in their names, a list is text. `value` says which value it is.
    """

    runs: list[str]
    params: list[Mapping[str, Any]]
    values: list[float]
    metric: str
    value: str

    @property
    def label(self) -> str:
        """The name of the values: `val/loss (min)`."""
        return f"{self.metric} ({self.value})"

    def names(self) -> list[str]:
        """The params that any of the runs has, in the order in which they appear."""
        return list(dict.fromkeys(name for params in self.params for name in params))

    def column(self, param: str) -> list[Any]:
        """The values of a param, `None` where a run lacks it."""
        return [params.get(param) for params in self.params]


def sweep(
    store: Store, metric: str, params: Iterable[str] | None, *, value: str, runs: Any, where: Any, purpose: str
) -> Sweep:
    """Reads the runs that have the metric. Refuses params that none of them has."""
    from ._tidalite import Invalid, NotFound, exact

    if not isinstance(metric, str):
        raise TypeError(f"`metric` is {metric!r}; give the name of one metric")
    if value not in VALUES:
        raise Invalid(f"cannot {purpose}: `value` is {value!r}; give {', '.join(VALUES[:-1])} or {VALUES[-1]}")
    rows = store.select(exact(metric), runs=runs, where=where).aggregate("count", value, by="run").to_dict()
    if not rows["run"]:
        names = store.metrics()
        hint = _hint(metric, names)
        raise NotFound(f"cannot {purpose}: no run that is selected has the metric {metric!r}; {hint}")
    by_run = {run.id: _flat(run.params) for run in store.runs()}
    # Without a finite point an aggregate is null, except the first and the last.
    values = [float("nan") if number is None else float(number) for number in rows[value]]
    found = Sweep(rows["run"], [by_run.get(run, {}) for run in rows["run"]], values, metric, value)
    known = found.names()
    for name in params or ():
        if not isinstance(name, str):
            raise TypeError(f"a param is {name!r}; give the names of params as text")
        if plain_name(name) not in known:
            raise Invalid(f"cannot {purpose}: no run with {metric} has the param {plain_name(name)!r}; {_hint(plain_name(name), known)}")
    return found


def plain_name(param: str) -> str:
    """The name of a param without the prefix that filters and groups have."""
    return param.removeprefix("params.").removeprefix("param:")


def _hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 3)
    if near:
        return f"similar: {', '.join(near)}"
    if not known:
        return "there is none"
    more = f" and {len(known) - _NAMES_SHOWN} more" if len(known) > _NAMES_SHOWN else ""
    return f"there are {', '.join(known[:_NAMES_SHOWN])}{more}"


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{name}."))
        elif value is not None:
            found[prefix + name] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return found
