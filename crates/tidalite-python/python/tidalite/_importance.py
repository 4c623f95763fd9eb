"""Rank correlation and mutual information between the params of runs and a metric, in NumPy alone."""
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._optional import need
from ._sweep import plain_name, sweep
from .records.importance import Importance, ParamImportance

if TYPE_CHECKING:
    import numpy

    from ._tidalite import Store

    _Array = numpy.ndarray[Any, Any]

_RUNS_MIN = 2
_BINS_MAX = 8


def importance(
    store: Store, metric: str, params: str | Iterable[str] | None = None, *, value: str = "last", runs: Any = None, where: Any = None
) -> Importance:
    """`Store.importance` documents it."""
    np = need("numpy", "importance()")
    asked = [params] if isinstance(params, str) else None if params is None else list(params)
    found = sweep(store, metric, asked, value=value, runs=runs, where=where, purpose="compute the importance of params")
    values = np.array(found.values)
    rows = Importance()
    rows.metric, rows.value = metric, value
    for name in found.names() if asked is None else dict.fromkeys(map(plain_name, asked)):
        column = found.column(name)
        # A NaN or infinity of a param has no place among the others.
        used = [i for i, v in enumerate(column) if v is not None and not (isinstance(v, float) and not math.isfinite(v)) and np.isfinite(values[i])]
        if len(used) < _RUNS_MIN:
            continue
        given, y = [column[i] for i in used], values[used]
        has_order = all(isinstance(v, (bool, int, float)) for v in given)
        # Whole numbers may be too large for a float to tell apart, but their ranks are not.
        x = _codes(given if has_order else [str(v) for v in given])
        rank = rank_correlation(x, y) if has_order else None
        rows.append(ParamImportance(name, len(used), rank, mutual_information(x, y, x_has_order=has_order)))
    rows.sort(key=lambda row: (-row.mutual_information, -abs(row.rank_correlation or 0.0), row.param))
    return rows


def rank_correlation(x: _Array, y: _Array) -> float | None:
    """Spearman's: the correlation of the ranks, of which equal values share the mean. `None` if all values of either are equal."""
    import numpy as np

    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    # Rounding may pass 1 by a digit.
    return float(np.clip(float(a @ b) / scale, -1.0, 1.0)) if scale else None


def mutual_information(x: _Array, y: _Array, *, x_has_order: bool) -> float:
    """In bits, from counts in bins of about equal size, less what chance alone gives, and not negative.

    Values of `x` without an order are bins of their own.
    """
    import numpy as np

    bins = max(2, min(_BINS_MAX, round(len(y) ** 0.5 / 1.5)))
    a, b = _bins(x, bins) if x_has_order else np.unique(x, return_inverse=True)[1], _bins(y, bins)
    counts = np.zeros((int(a.max()) + 1, int(b.max()) + 1))
    np.add.at(counts, (a, b), 1)
    bits = _entropy(counts.sum(axis=1)) + _entropy(counts.sum(axis=0)) - _entropy(counts.ravel())
    # What independent values of so few runs give on average.
    chance = (counts.shape[0] - 1) * (counts.shape[1] - 1) / (2 * len(y) * math.log(2))
    return max(0.0, bits - chance)


def _codes(values: list[Any]) -> _Array:
    """The places of the values in their order, equal ones at one place."""
    import numpy as np

    place = {value: i for i, value in enumerate(sorted(set(values)))}
    return np.array([place[value] for value in values])


def _ranks(values: _Array) -> _Array:
    import numpy as np

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: _Array = (last - (counts - 1) / 2)[place]
    return ranks


def _bins(values: _Array, bins: int) -> _Array:
    """The bin of each value. Equal values are in one bin; few distinct values have one each."""
    import numpy as np

    distinct, place = np.unique(values, return_inverse=True)
    if len(distinct) <= bins:
        return place
    ranks = _ranks(values)
    found: _Array = np.unique(np.minimum((ranks - 0.5) * bins // len(values), bins - 1).astype(int), return_inverse=True)[1]
    return found


def _entropy(counts: _Array) -> float:
    import numpy as np

    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())
