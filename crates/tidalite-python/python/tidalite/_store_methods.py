"""Methods of `Store` that are written in Python: plots over runs, the importance of params, and the HTML of a store."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ._arguments import named
from ._tidalite import Store

if TYPE_CHECKING:
    from .records import Importance


def plot_parallel(self: Store, params: str | Sequence[str], metric: str, **options: Any) -> Any:
    """Draws parallel coordinates with matplotlib: one line per run through its `params` to its value of the metric, which colours it.

    A param of positive numbers that span orders of magnitude is on a logarithmic scale; values that are not numbers are at even places.
    A line has a gap where its run lacks a param. Runs whose value is not finite are red.

    `value` is the value of a run: `last` (the default), `min`, `max`, `mean`, `median` or `first`. `runs` and `where` select runs as in
    `select`. `ax`, `legend` and `title` are as of `Selection.plot`. Returns the Axes.

    >>> for lr in (0.1, 0.01):
    ...     with store.run(f"lr-{lr}", params={"lr": lr, "opt": "adam"}) as run:
    ...         run.log({"val/loss": lr * 2}, step=0)
    >>> ax = store.plot_parallel(["lr", "opt"], "val/loss", value="min")
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['lr', 'opt', 'val/loss (min)']
    """
    from . import _plot

    return _plot.plot_parallel(self, params, metric, **options)


def plot_scatter(self: Store, param: str, metric: str, **options: Any) -> Any:
    """Draws one dot per run with matplotlib: its value of the metric over its param. A note counts the runs without the param.

    `value`, `runs` and `where` are as of `plot_parallel`. `color` is a colour, or another param that decides it: `params.opt`. `log_x`
    is chosen by the values if it is left out. `label`, `log_y`, `ax`, `legend` and `title` are as of `Selection.plot`. Returns the Axes.

    >>> for lr in (0.1, 0.01):
    ...     with store.run(f"lr-{lr}", params={"lr": lr}) as run:
    ...         run.log({"val/loss": lr * 2}, step=0)
    >>> ax = store.plot_scatter("lr", "val/loss")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('lr', 'val/loss (last)')
    """
    from . import _plot

    return _plot.plot_scatter(self, param, metric, **options)


def importance(
    self: Store,
    metric: str,
    params: str | Iterable[str] | None = None,
    *,
    value: Literal["last", "min", "max", "mean", "median", "first"] = "last",
    runs: Any = None,
    where: str | Sequence[str] | None = None,
) -> Importance:
    """How each param and a metric go together over the runs: Spearman's rank correlation, and mutual information in bits.

    These are associations of single params over the runs that there are, and no more: not causes, and blind to params that matter only
    together. `value`, `runs` and `where` are as of `plot_parallel`. A param needs two runs that have it and a finite value. Needs NumPy.

    >>> for i, lr in enumerate((0.1, 0.2, 0.4, 0.8)):
    ...     with store.run(f"r{i}", params={"lr": lr, "seed": i % 2}) as run:
    ...         run.log({"val/loss": lr * 2}, step=0)
    >>> store.importance("val/loss")[0].param
    'lr'
    >>> store.importance("val/loss", "lr")[0].rank_correlation
    1.0
    """
    from ._importance import importance

    return importance(self, metric, params, value=value, runs=runs, where=where)


def _repr_html_(self: Store) -> str:
    """The HTML that notebooks show: what is in the store, and its newest runs."""
    from ._html import store_html

    return store_html(self)


def attach() -> None:
    """Makes the functions of this module methods of `Store`. They stand here since they need no compiled code."""
    for method in (plot_parallel, plot_scatter, importance, _repr_html_):
        method.__qualname__ = f"Store.{method.__name__}"
        setattr(Store, method.__name__, named(method))
