"""Curves of a selection: over steps from its chart, over time from about as many time buckets."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import _frames
from .curves import Curve, draw, series_slices
from .fields import Facts, selection_facts
from .gaps import Array, gaps
from .names import natural_key, natural_keys
from .options import Options, invalid, refuse_unknown, require

if TYPE_CHECKING:
    from .._tidalite import Bucket, Selection

_KEY = ["run", "metric", "labels"]
_OPTIONS = ("x", "buckets", "smooth", "color", "label", "panels", "ax", "legend", "title", "log_x", "log_y")
_SMOOTHERS = ("ema", "half-life", "mean")
# How a rate or derivative shows in the repr of a selection. It has another unit than its metric's name states.
_OTHER_UNIT = ("transform rate", "transform derivative")


def plot_selection(
    selection: Selection,
    *,
    x: Literal["step", "time", "elapsed"] | str = "step",
    buckets: int = 1000,
    smooth: float | str | None = None,
    color: str | None = None,
    label: str | Mapping[str, str] | None = None,
    panels: Literal["metric", "run"] | None = "metric",
    ax: Any = None,
    legend: bool = True,
    title: str | None = None,
    log_x: bool = False,
    log_y: bool = False,
    **unknown: Any,
) -> Any:
    """Draws one curve per series: the mean of each bucket, its range as an area, red ticks for NaN or ±Inf.

    - `x` is `step`, `time` (UTC), `elapsed` (since the first selected point of the run; `chart(x="elapsed")` counts from the run's
      start), `metric:<name>` (the value of another metric of the run, at the step or
      before) or `next:<name>` (at the step or after). Over time a curve breaks where nothing was logged.
    - `smooth` draws an exponential moving average over the faint raw curve: `0.9` is the weight that remains after each point, and
      `"half-life:100"` or another smoothing transform is computed as by `Selection.transform`.
    - `color` is a colour, or a field that decides it: `params.lr`, `labels.rank`, `run`. Numbers get a colour bar, logarithmic if they
      span orders of magnitude.
    - `label` is the name of the curve, a dict from run id to name, or a field.
    - `panels` is `"metric"` (one Axes per metric), `"run"` (one per run), or `None` (one for all). At most 12 are drawn; a note counts
      the others. They share x, unless one covers less than a tenth of it.
    - `ax` is an Axes to draw in, or one for each panel. `log_x` and `log_y` make an axis logarithmic.

    The legend names at most 12 curves by the parts of their names that differ, those with the best last value first: the lowest if the
    metric is a loss or an error, else the highest. The others are faint. Returns the Axes, or an array of them for several panels.
    """
    refuse_unknown(unknown, _OPTIONS)
    options = Options(ax, legend, title, log_x, log_y, label, color)
    if panels not in ("metric", "run", None):
        raise invalid(f"`panels` is {panels!r}; give 'metric', 'run' or None")
    facts = selection_facts(selection, options.fields)
    word = smoothing(smooth)
    curves, xlabel = _curves(selection, x, buckets, facts)
    require(curves)
    if word is not None:
        smoothed, _ = _curves(selection.transform(word), x, buckets, facts)
        curves = over_raw(smoothed, curves)
    states_unit = not any(text in repr(selection) for text in _OTHER_UNIT)
    return draw(arranged(curves, panels), xlabel, options, what=panels or "metric", units=states_unit)


def smoothing(smooth: object) -> str | None:
    """The transform that smooths as asked. `None` for no smoothing."""
    if smooth is None or (smooth == 0 and not isinstance(smooth, bool)):
        return None
    if isinstance(smooth, str):
        if smooth.partition(":")[0] not in _SMOOTHERS or ":" not in smooth:
            raise invalid(f"`smooth` is {smooth!r}; give a number such as 0.9, or 'half-life:100', 'ema:0.9' or 'mean:50'")
        return smooth
    if isinstance(smooth, bool) or not isinstance(smooth, (int, float, np.integer, np.floating)):
        raise TypeError(f"`smooth` is {smooth!r}; give a number from 0 to 1, or text such as 'half-life:100'")
    if not 0 < smooth < 1:
        raise invalid(f"`smooth` is {smooth!r}; give a number from 0 to below 1: 0.9 keeps 9 tenths of the weight at each point")
    return f"ema:{float(smooth)!r}"


def over_raw(smoothed: Sequence[Curve], raw: Sequence[Curve]) -> list[Curve]:
    """The smoothed curves, each with the raw curve of its series and without an area."""
    lines = {(curve.metric, curve.key): (curve.x, curve.y) for curve in raw}
    return [replace(curve, low=None, high=None, raw=lines.get((curve.metric, curve.key))) for curve in smoothed]


def arranged(curves: Sequence[Curve], panels: str | None) -> list[Curve]:
    """The curves in panels per metric, per run, or in one for all, and in natural order of panels and names."""
    if panels == "run":
        curves = [replace(curve, panel=curve.run, key=(curve.metric, *curve.key[1:])) for curve in curves]
    elif panels is None:
        metrics = {curve.metric for curve in curves}
        curves = [replace(curve, panel=curve.metric if len(metrics) == 1 else "", key=(curve.metric, *curve.key)) for curve in curves]
    return sorted(curves, key=lambda curve: (natural_key(curve.panel), natural_keys(curve.key)))


def chart_curves(rows: dict[str, Array], facts: Facts | None = None, *, over_time: bool | None = None) -> list[Curve]:
    """The curves of the rows of a chart. They break at gaps if x is a time."""
    curves = []
    if over_time is None:
        over_time = "x" in rows and rows["x"].dtype.kind == "M"
    for s in series_slices([rows[k] for k in _KEY], len(rows["run"])):
        run, metric, labels = (rows[k][s.start] for k in _KEY)
        curve = Curve(
            panel=metric,
            key=(run, labels),
            x=bucket_middle(rows, s),
            y=rows["mean"][s],
            bad=rows["nonfinite"][s] > 0,
            low=rows["min"][s],
            high=rows["max"][s],
            run=run,
            metric=metric,
            facts=facts(run, labels) if facts is not None else {},
        )
        curves.append(curve.broken(gaps(bucket_place(rows, s), rows["count"][s])) if over_time else curve)
    return curves


def bucket_place(rows: dict[str, Array], s: slice) -> Array:
    """The numbers of the buckets, counted in widths."""
    x, width = rows["x"][s], rows["width"][s].astype(float)
    seconds = x.astype("datetime64[us]").astype("int64") / 1e6 if x.dtype.kind == "M" else x
    place: Array = np.round((seconds - seconds[0]) / width).astype("int64")
    return place


def bucket_middle(rows: dict[str, Array], s: slice) -> Array:
    """Where buckets are drawn: at their middle."""
    width = rows["width"][s]
    middle: Array
    if "step" in rows:
        middle = rows["step"][s] + (width - 1) / 2
    elif rows["x"].dtype.kind == "M":
        middle = rows["x"][s] + (width * 5e5).astype("timedelta64[us]")
    else:
        middle = rows["x"][s] + width / 2
    return middle


def elapsed_unit(seconds: float) -> tuple[float, str]:
    """The unit for a duration: its length in seconds, and its name."""
    units = [(300, 1.0, "s"), (18_000, 60.0, "min"), (432_000, 3600.0, "h")]
    return next(((one, name) for end, one, name in units if seconds < end), (86_400.0, "d"))


def _curves(selection: Selection, x: str, buckets: int, facts: Facts) -> tuple[list[Curve], str]:
    if x == "step":
        return chart_curves(_frames.to_numpy(selection.chart(buckets)), facts), "step"
    if x in ("time", "elapsed"):
        return _time_curves(selection, x, buckets, facts)
    if isinstance(x, str) and x.startswith(("metric:", "next:")):
        return chart_curves(_frames.to_numpy(selection.chart(buckets, x)), facts), x.partition(":")[2]
    raise invalid(f"`x` is {x!r}; give step, time, elapsed, metric:<name> or next:<name>")


def _time_curves(selection: Selection, x: str, buckets: int, facts: Facts) -> tuple[list[Curve], str]:
    from .._tidalite import time_bucket

    spans = _frames.to_numpy(selection.aggregate("time_min", "time_max", by="run"))
    require(spans["run"])
    first, last = spans["time_min"].astype("int64"), spans["time_max"].astype("int64")
    longest = (last - first).max() if x == "elapsed" else last.max() - first.min()
    width = int(longest // max(buckets, 1) + 1)
    by: list[str | Bucket] = [*_KEY, time_bucket(width)]
    rows = _frames.to_numpy(selection.aggregate("count", "finite", "min", "max", "mean", by=by))
    unit, name = elapsed_unit(longest / 1e6)
    start = dict(zip(spans["run"], first, strict=True))

    def place(run: str, at: Array) -> Array:
        # A bucket's middle is at most half a width away from its points.
        middle = at.astype("int64") + width // 2
        return (middle - start[run]) / 1e6 / unit if x == "elapsed" else middle.astype("datetime64[us]")

    curves = []
    for s in series_slices([rows[k] for k in _KEY], len(rows["run"])):
        run, metric, labels = (rows[k][s.start] for k in _KEY)
        at, count = rows["time_bucket"][s], rows["count"][s]
        curve = Curve(
            panel=metric,
            key=(run, labels),
            x=place(run, at),
            y=rows["mean"][s],
            bad=rows["finite"][s] < count,
            low=rows["min"][s],
            high=rows["max"][s],
            run=run,
            metric=metric,
            facts=facts(run, labels),
        )
        curves.append(curve.broken(gaps(at.astype("int64") // width, count)))
    return curves, "time (UTC)" if x == "time" else f"elapsed ({name})"
