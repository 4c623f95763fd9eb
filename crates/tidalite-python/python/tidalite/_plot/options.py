"""Options that all plots have in common, their checks, and the words of other libraries for them."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

_SELECT = "choose what is drawn before: store.select(metrics, runs=…, where=…)"
_AXES = "set it on the Axes that the plot returns: ax.set_ylim(0, 1), ax.set_ylabel(…), ax.grid(True)"
_SAVE = 'save the figure of the Axes that the plot returns: ax.figure.savefig("loss.png")'
_FIGSIZE = "give axes of the size that you want: figure, ax = plt.subplots(figsize=(8, 4)), then ax=ax"
_OTHER_WORDS = {
    **dict.fromkeys(("logx", "xscale", "x_log", "xlog", "semilogx"), "log_x"),
    **dict.fromkeys(("logy", "yscale", "y_log", "ylog", "semilogy"), "log_y"),
    **dict.fromkeys(("c", "colour", "colors", "colours", "hue", "group_by", "color_by"), "color"),
    **dict.fromkeys(("labels", "name", "names"), "label"),
    **dict.fromkeys(("smoothing", "ema", "ewm", "alpha", "rolling", "window", "half_life"), "smooth"),
    **dict.fromkeys(("panel", "subplots", "facet", "facets", "col", "row"), "panels"),
    **dict.fromkeys(("axes", "axis", "axs", "fig", "figure"), "ax"),
    **dict.fromkeys(("bins", "n", "points", "samples", "resolution"), "buckets"),
    **dict.fromkeys(("x_axis", "xaxis", "x_key", "index"), "x"),
    **dict.fromkeys(("fillna", "fill_value"), "fill"),
}
_REMEDIES = {
    **dict.fromkeys(("run", "runs", "metric", "metrics", "where", "steps", "time"), _SELECT),
    **dict.fromkeys(("figsize", "size", "width", "height", "dpi"), _FIGSIZE),
    **dict.fromkeys(("xlim", "ylim", "xlabel", "ylabel", "x_label", "y_label", "xticks", "yticks", "grid", "rot", "fontsize"), _AXES),
    **dict.fromkeys(("save", "savefig", "path", "file", "filename", "fname", "output", "show"), _SAVE),
    **dict.fromkeys(("lw", "linewidth", "ls", "linestyle", "marker", "style", "kind"), "change the lines of the Axes that the plot returns: ax.lines"),
    "smooth": 'smooth before: selection.transform("ema:0.9"), or use Selection.plot(smooth=0.9)',
    "buckets": "give the number of buckets to the call that makes the table, such as chart(500)",
}


@dataclass(frozen=True)
class Options:
    """Where a plot is drawn, its names, colours and scales.

    `color` is a colour for all, or a field of the run: `params.NAME`, `labels.NAME` or `run`. `label` is a name, a name for each run by
    its id, or a field.
    """

    ax: Any = None
    legend: bool = True
    title: str | None = None
    log_x: bool = False
    log_y: bool = False
    label: str | Mapping[str, str] | None = None
    color: str | None = None

    def __post_init__(self) -> None:
        for name in ("legend", "log_x", "log_y"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"`{name}` is {getattr(self, name)!r}; give True or False")
        if self.title is not None and not isinstance(self.title, str):
            raise TypeError(f"`title` is {self.title!r}; give text")
        if self.label is not None and not isinstance(self.label, (str, Mapping)):
            raise TypeError(f"`label` is {self.label!r}; give text, params.NAME, or a dict from run id to name")
        if self.color is not None and not isinstance(self.color, (str, tuple)):
            raise TypeError(f"`color` is {self.color!r}; give a colour, params.NAME, labels.NAME or run")
        if self.color is not None and self.color_field is None and not _is_colour(self.color):
            raise invalid(
                f"`color` is {self.color!r}, which is neither a colour nor a field; "
                f"give a colour such as 'black', or params.NAME, labels.NAME or run"
            )

    @property
    def color_field(self) -> str | None:
        """The field that decides the colour, as a column of an answer: `param:lr`."""
        return field_of(self.color)

    @property
    def label_field(self) -> str | None:
        """The field that names the curves, as a column of an answer."""
        return field_of(self.label)

    @property
    def fields(self) -> list[str]:
        """The fields that colours and names need."""
        return list(dict.fromkeys(field for field in (self.color_field, self.label_field) if field is not None))


def field_of(text: object) -> str | None:
    """The column of an answer that a text names: `param:lr` for `params.lr`. `None` if the text names no field."""
    if not isinstance(text, str):
        return None
    if text == "run":
        return text
    for kind, prefixes in (("param", ("params.", "param:")), ("label", ("labels.", "label:"))):
        for prefix in prefixes:
            if text.startswith(prefix) and len(text) > len(prefix):
                return f"{kind}:{text.removeprefix(prefix)}"
    return None


def refuse_unknown(unknown: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises TypeError for the first option that a plot does not have, with the name of the one that was meant."""
    options = list(known)
    for name in unknown:
        right = _OTHER_WORDS.get(name)
        if right in options:
            value = "=True" if right.startswith("log_") else ""
            raise TypeError(f"this plot has no option `{name}`; give `{right}{value}`")
        if name + "s" in options:
            raise TypeError(f"this plot has no option `{name}`; give `{name}s`")
        remedy = _REMEDIES.get(right or name)
        if remedy is not None:
            raise TypeError(f"this plot has no option `{name}`; {remedy}")
        near = get_close_matches(name, options, 1)
        hint = f"did you mean `{near[0]}`? " if near else ""
        raise TypeError(f"this plot has no option `{name}`; {hint}it has {', '.join(options)}")


def invalid(message: str) -> Exception:
    """An error in an option or in what is to be drawn."""
    from .._tidalite import Invalid

    return Invalid(f"cannot plot: {message}")


def require(found: Any) -> None:
    """Raises NotFound if there is nothing to draw."""
    if not len(found):
        from .._tidalite import NotFound

        raise NotFound("nothing to plot: no point matches; `store.metrics()` and `store.runs().ids` list the names")


def _is_colour(value: Any) -> bool:
    from matplotlib.colors import is_color_like

    return bool(is_color_like(value))
