"""Curves of a selection: over steps from its chart, over time from about as many time buckets."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .. import _frames
from .curves import Array, Curve, draw, series_slices

if TYPE_CHECKING:
    from .._tidalite import Bucket, Selection

_KEY = ["run", "metric", "labels"]


def plot_selection(
    selection: Selection,
    *,
    x: Literal["step", "time", "elapsed"] | str = "step",
    buckets: int = 1000,
    ax: Any = None,
    legend: bool = True,
    title: str | None = None,
    logx: bool = False,
    logy: bool = False,
) -> Any:
    """Draws one Axes per metric, one curve per series: the mean of each bucket, its range as an area, red ticks for NaN or ±Inf.

    `x` is `step`, `time` (UTC), `elapsed` (since the first selected point of the run; `chart(x="elapsed")` counts from the run's
    start), or `metric:<name>` (the value of another metric of the run). The legend shows the parts of the names that differ. At most
    12 metrics are drawn; a note counts the others. Returns the Axes, or an array of them for several metrics.
    """
    if x == "step":
        curves, xlabel = chart_curves(_frames.to_numpy(selection.chart(buckets))), "step"
    elif x in ("time", "elapsed"):
        curves, xlabel = _time_curves(selection, x, buckets)
    elif x.startswith("metric:"):
        curves, xlabel = chart_curves(_frames.to_numpy(selection.chart(buckets, x))), x.removeprefix("metric:")
    else:
        raise _invalid(f"`x` is {x!r}; give step, time, elapsed or metric:<name>")
    require(curves)
    return draw(curves, xlabel, ax, title, legend=legend, logx=logx, logy=logy, what="metric")


def chart_curves(rows: dict[str, Array]) -> list[Curve]:
    """The curves of the rows of a chart."""
    return [
        Curve(
            panel=rows["metric"][s.start],
            key=(rows["run"][s.start], rows["labels"][s.start]),
            x=bucket_middle(rows, s),
            y=rows["mean"][s],
            bad=rows["nonfinite"][s] > 0,
            low=rows["min"][s],
            high=rows["max"][s],
        )
        for s in series_slices([rows[k] for k in _KEY], len(rows["run"]))
    ]


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


def require(found: Any) -> None:
    """Raises NotFound if there is nothing to draw."""
    if not len(found):
        from .._tidalite import NotFound

        raise NotFound("nothing to plot: no point matches; `store.metrics()` and `store.runs().ids` list the names")


def elapsed_unit(seconds: float) -> tuple[float, str]:
    """The unit for a duration: its length in seconds, and its name."""
    return (1.0, "s") if seconds < 300 else (60.0, "min") if seconds < 18_000 else (3600.0, "h")


def _time_curves(selection: Selection, x: str, buckets: int) -> tuple[list[Curve], str]:
    from .._tidalite import time_bucket

    spans = _frames.to_numpy(selection.aggregate("time_first", "time_last", by="run"))
    require(spans["run"])
    first, last = (spans[c].astype("int64") for c in ("time_first", "time_last"))
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

    curves = [
        Curve(
            panel=rows["metric"][s.start],
            key=(rows["run"][s.start], rows["labels"][s.start]),
            x=place(rows["run"][s.start], rows["time_bucket"][s]),
            y=rows["mean"][s],
            bad=rows["finite"][s] < rows["count"][s],
            low=rows["min"][s],
            high=rows["max"][s],
        )
        for s in series_slices([rows[k] for k in _KEY], len(rows["run"]))
    ]
    return curves, "time (UTC)" if x == "time" else f"elapsed ({name})"


def _invalid(message: str) -> Exception:
    from .._tidalite import Invalid

    return Invalid(f"cannot plot: {message}")

