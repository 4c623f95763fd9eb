"""Plots of a sweep: params of runs and one value of a metric."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._sweep import sweep
from .options import Options, invalid, refuse_unknown
from .parallel import draw_parallel
from .scatter import draw_scatter

if TYPE_CHECKING:
    from .._tidalite import Store

_PARALLEL = ("value", "runs", "where", "ax", "legend", "title")
_SCATTER = (*_PARALLEL, "color", "label", "log_x", "log_y")


def plot_parallel(
    store: Store,
    params: str | Sequence[str],
    metric: str,
    *,
    value: str = "last",
    runs: Any = None,
    where: Any = None,
    ax: Any = None,
    legend: bool = True,
    title: str | None = None,
    **unknown: Any,
) -> Any:
    """`Store.plot_parallel` documents it."""
    refuse_unknown(unknown, _PARALLEL)
    names = [params] if isinstance(params, str) else list(params)
    options = Options(ax, legend, title)
    return draw_parallel(sweep(store, metric, names, value=value, runs=runs, where=where, purpose="plot"), names, options)


def plot_scatter(
    store: Store,
    param: str,
    metric: str,
    *,
    value: str = "last",
    runs: Any = None,
    where: Any = None,
    color: str | None = None,
    label: str | Mapping[str, str] | None = None,
    ax: Any = None,
    legend: bool = True,
    title: str | None = None,
    log_x: bool | None = None,
    log_y: bool = False,
    **unknown: Any,
) -> Any:
    """`Store.plot_scatter` documents it."""
    refuse_unknown(unknown, _SCATTER)
    if not (log_x is None or isinstance(log_x, bool)):
        raise TypeError(f"`log_x` is {log_x!r}; give True or False, or leave it out")
    if label is not None and not isinstance(label, str):
        raise TypeError(f"`label` is {label!r}; give text: a dot has no name of its own")
    options = Options(ax, legend, title, False, log_y, label, color)
    if options.label_field is not None or (options.color_field or "").startswith("label:"):
        raise invalid("a dot is a run, whose points may have several labels; give a colour, or params.NAME as `color`")
    found = sweep(store, metric, [param], value=value, runs=runs, where=where, purpose="plot")
    return draw_scatter(found, param, options, log_x=log_x)
