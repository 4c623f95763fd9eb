"""Names and colours of curves: short, distinct, and the same in every panel of a figure."""
from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence

# Matplotlib's default ten without the red, which marks NaN and infinities.
_TEN = ["#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"]
_STYLES = ["-", "--", ":", "-."]
_STYLES_FROM = 18


def short_names(keys: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each key: the parts that differ among the keys, from the fewest leading columns that tell them apart.

    Text loses the words that all texts start or end with; labels (`k=v,k=v`) lose the pairs that all have. A single key is named by
    its first column. The names are `literal`.
    """
    names = [""] * len(keys)
    for i in range(len(keys[0]) if keys else 0):
        if len(set(names)) == len(set(keys)):
            break
        parts = _shortened([key[i] for key in keys])
        names = [" ".join(part for part in pair if part) for pair in zip(names, parts, strict=True)]
    if len(set(names)) < len(set(keys)):
        # Two different keys got the same short name.
        names = [" ".join(part for part in key if part) for key in keys]
    return [literal(name or key[0] or "all") for name, key in zip(names, keys, strict=True)]


def colours(count: int) -> list[str]:
    """`count` distinct colours, none of them red."""
    if count <= len(_TEN):
        return _TEN[:count]

    def colour(i: int) -> str:
        # All hues except red. Every other colour is darker, so that neighbours differ in hue and lightness.
        rgb = colorsys.hls_to_rgb(0.07 + 0.86 * i / count, 0.34 if i % 2 else 0.55, 0.85)
        return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)

    return [colour(i) for i in range(count)]


def line_styles(count: int) -> list[str]:
    """Solid lines up to 18 curves; with more, curves of similar colours differ in style."""
    if count <= _STYLES_FROM:
        return ["-"] * count
    return [_STYLES[i % len(_STYLES)] for i in range(count)]


def literal(text: str) -> str:
    """The text, escaped so that matplotlib shows it as it is: not as a formula, not hidden from legends, on one line."""
    text = " ".join(text.split("\n")).replace("$", r"\$")
    return " " + text if text.startswith("_") else text


def label_pairs(text: str) -> dict[str, str]:
    """The pairs of a label text `k=v,k=v`, in which a backslash escapes `,`, `=` and backslash."""
    pairs = {}
    for pair in re.findall(r"(?:\\.|[^,\\])+", text, re.DOTALL):
        sides = re.findall(r"(?:\\.|[^=\\])+", pair, re.DOTALL)
        if len(sides) != 2:
            raise ValueError(f"not a label text: {text}")
        key, value = (re.sub(r"\\(.)", r"\1", side, flags=re.DOTALL) for side in sides)
        pairs[key] = value
    return pairs


def _shortened(texts: list[str]) -> list[str]:
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < 2:
        return [""] * len(texts)
    try:
        shorter = _differing_pairs(distinct) if any(distinct) and all("=" in t or not t for t in distinct) else None
    except ValueError:
        # A run id with an equals sign looks like labels.
        shorter = None
    if shorter is None:
        shorter = _differing_words(distinct)
    short = dict(zip(distinct, shorter, strict=True))
    return [short[text] for text in texts]


def _differing_pairs(texts: list[str]) -> list[str]:
    sets = [label_pairs(text) for text in texts]
    same = set.intersection(*(set(pairs.items()) for pairs in sets))
    return [",".join(f"{k}={v}" for k, v in pairs.items() if (k, v) not in same) for pairs in sets]


def _differing_words(texts: list[str]) -> list[str]:
    # A dot is not a separator: it would split numbers.
    words = [re.split(r"([-_/ :,=]+)", text) for text in texts]
    # Words are at even indexes, separators between them. The shortest text keeps at least one word.
    spare = (min(map(len, words)) - 1) // 2
    front = 0
    while front < spare and len({tuple(w[: 2 * front + 2]) for w in words}) == 1:
        front += 1
    back = 0
    while back < spare - front and len({tuple(w[len(w) - 2 * back - 2 :]) for w in words}) == 1:
        back += 1
    return ["".join(w[2 * front : len(w) - 2 * back]) for w in words]
