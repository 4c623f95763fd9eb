"""Looks: the name and the colour of each curve, by its key, its last value, or a field of its run."""
from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .names import cut_middle, literal, natural_key, natural_keys, short_names
from .options import Options, invalid

if TYPE_CHECKING:
    from .curves import Curve

NAMED_MAX = 12
# No red, which marks NaN and infinities. The first nine are matplotlib's.
PALETTE = [
    "#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
    "#1b2a6b", "#0b5d3b", "#d4a017",
]  # fmt: skip
# On a dark background, in place of the two dark colours.
LIGHT = {"#1b2a6b": "#aebcff", "#0b5d3b": "#a5ecc4"}
FAINT = "#9a9a9a"
# A ratio from which numbers are coloured, and drawn, on a logarithmic scale.
LOG_FROM = 100.0
_LOWER_IS_BETTER = ("loss", "error", "err", "perplexity", "ppl", "mse", "rmse", "mae", "nll", "wer", "cer", "fid", "regret", "latency")

Key = tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """How one curve is drawn. A curve that is not `listed` is not in the legend; a `faint` one stands behind the others."""

    name: str
    colour: Any
    faint: bool = False
    listed: bool = True


@dataclass(frozen=True)
class Looks:
    """The looks of all curves by their keys, the names of the legend in order, how many curves it leaves out, and a colour scale.

    `chosen` is whether the caller chose the names or colours, so that even a single one is shown.
    """

    by_key: Mapping[Key, Look]
    names: Sequence[str]
    more: int = 0
    scale: ColourScale | None = None
    chosen: bool = False


@dataclass(frozen=True)
class ColourScale:
    """Colours for the numbers of a field, from dark to light; logarithmic if they span orders of magnitude."""

    name: str
    mappable: Any

    @classmethod
    def of(cls, name: str, values: Sequence[float], *, is_dark: bool) -> ColourScale:
        """The scale of the range of these values, on a dark background or on a light one."""
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, LogNorm, Normalize

        low, high = min(values), max(values)
        is_log = spans_magnitudes(values)
        # The lightest colours of the map do not stand out from white, nor the darkest from black.
        map = ListedColormap(colormaps["viridis"](np.linspace(0.3, 1, 256) if is_dark else np.linspace(0, 0.9, 256)))
        if low == high:
            low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
        return cls(name, ScalarMappable(LogNorm(low, high) if is_log else Normalize(low, high), map))

    def colour(self, value: float) -> Any:
        """The colour of a value."""
        return self.mappable.to_rgba(value)


def spans_magnitudes(values: Sequence[float]) -> bool:
    """Whether numbers are better shown on a logarithmic scale: all positive, the greatest a hundred times the least."""
    return min(values) > 0 and max(values) / min(values) >= LOG_FROM


def is_dark(ax: Any) -> bool:
    """Whether the background of the axes is dark: of the first that are given, or of new ones."""
    from matplotlib import rcParams
    from matplotlib.colors import to_rgba

    face = rcParams["axes.facecolor"] if ax is None else np.ravel(np.asarray(ax, dtype=object))[0].get_facecolor()
    *rgb, alpha = to_rgba(face)
    return bool(alpha > 0 and np.dot(rgb, (0.299, 0.587, 0.114)) < 0.5)


def palette(ax: Any) -> list[str]:
    """Twelve colours that stand out from the background of the axes."""
    return [LIGHT.get(colour, colour) for colour in PALETTE] if is_dark(ax) else PALETTE


def make_looks(curves: Sequence[Curve], options: Options, taken: Sequence[str]) -> Looks:
    """The looks of the curves. `taken` are colours that lines in the same axes have already."""
    keys = sorted({curve.key for curve in curves}, key=natural_keys)
    ranked = _by_last_value(curves, keys)
    names = _names(curves, keys, options)
    if options.color_field is not None:
        return _by_field(curves, keys, names, options.color_field, options.ax)
    if options.color is not None:
        first = set(ranked[:NAMED_MAX])
        looks = {key: Look(names[key], options.color, listed=key in first) for key in keys}
        return Looks(looks, [names[key] for key in ranked[:NAMED_MAX]], max(0, len(keys) - NAMED_MAX), chosen=options.label is not None)
    listed = ranked[:NAMED_MAX]
    colours = palette(options.ax)
    free = [colour for colour in colours if colour not in taken] or colours
    # Colours follow the order of the names, so that a run keeps its colour while its values change.
    shown = set(listed)
    coloured = {key: free[i % len(free)] for i, key in enumerate(key for key in keys if key in shown)}
    looks = {key: Look(names[key], coloured[key]) if key in coloured else Look(names[key], FAINT, faint=True, listed=False) for key in keys}
    return Looks(looks, [names[key] for key in listed], len(keys) - len(listed), chosen=options.label is not None)


def is_lower_better(metric: str) -> bool:
    """Whether a metric is a loss or an error by its name."""
    return any(word in _LOWER_IS_BETTER for word in re.split(r"[^a-z0-9]+", metric.lower()))


def is_number(value: Any) -> bool:
    """Whether a value of a param is a finite number."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and math.isfinite(value)


def is_missing(value: Any) -> bool:
    """Whether a run lacks a param, or has one that no colour and no place shows: NaN or an infinity."""
    return value is None or (isinstance(value, (float, np.floating)) and not math.isfinite(value))


def field_name(field: str) -> str:
    """The name of a field without its kind: `lr` for `param:lr`."""
    return field.partition(":")[2] or field


def _by_last_value(curves: Sequence[Curve], keys: Sequence[Key]) -> list[Key]:
    """The keys by the last finite value of their first curve, the best first: the lowest for a loss or an error, else the highest."""
    last: dict[Key, float] = {}
    metric = ""
    for curve in curves:
        finite = curve.y[np.isfinite(curve.y)]
        if curve.key not in last and len(finite):
            metric = metric or curve.metric or curve.panel
            last[curve.key] = float(finite[-1])
    sign = 1 if is_lower_better(metric) else -1
    return sorted(keys, key=lambda key: sign * last[key] if key in last else math.inf)


def _names(curves: Sequence[Curve], keys: Sequence[Key], options: Options) -> dict[Key, str]:
    short = dict(zip(keys, short_names(keys), strict=True))
    if options.label is None:
        return short
    of_key = {curve.key: curve for curve in reversed(curves)}
    if isinstance(options.label, Mapping):
        runs = {curve.run for curve in curves}
        unknown = [run for run in options.label if run not in runs]
        if unknown:
            raise invalid(f"`label` names the run {unknown[0]!r}, which is not drawn; the runs are {_some(sorted(runs, key=natural_key))}")
        return _distinct({key: options.label.get(of_key[key].run, short[key]) for key in keys}, short)
    if options.label_field is not None:
        return _distinct({key: part(options.label_field, of_key[key].facts.get(options.label_field)) for key in keys}, short)
    if len(keys) == 1:
        return {keys[0]: literal(cut_middle(options.label, 64))}
    return {key: f"{literal(cut_middle(options.label, 64))} {name}" for key, name in short.items()}


def _distinct(names: Mapping[Key, str], short: Mapping[Key, str]) -> dict[Key, str]:
    """The names, each with its short name if several curves have it."""
    found = Counter(names.values())
    return {key: literal(cut_middle(name, 64)) + (f" ({short[key]})" if found[name] > 1 else "") for key, name in names.items()}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def part(field: str, value: Any) -> str:
    """A field in the name of a curve or bar. A label or param includes its key, since its value alone says little."""
    kind, _, key = field.partition(":")
    if kind in ("param", "label") and (value is None or value != value):
        return f"no {key}"
    text = "" if value is None else f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
    return f"{key}={text}" if text and kind in ("label", "param") else text


def _by_field(curves: Sequence[Curve], keys: Sequence[Key], names: Mapping[Key, str], field: str, ax: Any) -> Looks:
    values: dict[Key, Any] = {curve.key: curve.facts.get(field) for curve in curves}
    present = {key: value for key, value in values.items() if not is_missing(value)}
    if not present:
        raise invalid(f"`color` is by {field_name(field)}, which no run that is drawn has; `store.runs()` shows the params")
    absent = Look(literal(f"no {field_name(field)}"), FAINT, faint=True)
    if all(is_number(value) for value in present.values()):
        numbers = [float(value) for value in present.values()]
        scale = ColourScale.of(literal(cut_middle(field_name(field), 40)), numbers, is_dark=is_dark(ax))
        looks = {key: Look(names[key], scale.colour(present[key]), listed=False) if key in present else absent for key in keys}
        return Looks(looks, [absent.name] if len(present) < len(keys) else [], scale=scale, chosen=True)
    texts: dict[Key, Hashable] = {key: part(field, value) for key, value in present.items()}
    found = sorted(set(map(str, texts.values())), key=natural_key)
    listed = dict(zip(found[:NAMED_MAX], palette(ax), strict=False))
    looks = {}
    for key in keys:
        text = str(texts.get(key))
        if key not in texts:
            looks[key] = absent
        elif text in listed:
            looks[key] = Look(literal(cut_middle(text, 64)), listed[text])
        else:
            looks[key] = Look(literal(text), FAINT, faint=True, listed=False)
    shown = [literal(cut_middle(text, 64)) for text in listed] + ([absent.name] if len(present) < len(keys) else [])
    return Looks(looks, shown, len(found) - len(listed), chosen=True)
