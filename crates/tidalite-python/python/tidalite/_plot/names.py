"""Names of curves: short, distinct, in natural order, and the same in every panel of a figure."""
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

NAME_MAX = 32
TITLE_MAX = 72


def short_names(keys: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each key: the parts that differ among the keys, from the fewest leading columns that tell them apart.

    Text loses the words that all texts start or end with; labels (`k=v,k=v`) lose the pairs that all have. A single key is named by
    its first column. Long names are cut in the middle, unless that makes two of them equal. The names are `literal`.
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
    return [literal(name) for name in _cut([name or key[0] or "all" for name, key in zip(names, keys, strict=True)])]


def natural_key(text: str) -> tuple[Any, ...]:
    """Sorts texts by the numbers in them: `agent_2` before `agent_10`, `lr=1e-3` before `lr=0.01`."""
    pieces = re.split(r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)", text)
    # Numbers are at odd places, so that a number is never compared with text.
    return tuple(float(piece) if i % 2 else piece for i, piece in enumerate(pieces)), text


def natural_keys(key: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    """Sorts tuples of texts as `natural_key` sorts texts."""
    return tuple(natural_key(part) for part in key)


def cut_middle(text: str, length: int) -> str:
    """The text, cut to `length` characters with an ellipsis in the middle: names differ most at their ends."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


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


def _cut(names: list[str]) -> list[str]:
    for length in (NAME_MAX, 2 * NAME_MAX):
        cut = [cut_middle(name, length) for name in names]
        if len(set(cut)) == len(set(names)):
            return cut
    return names


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
    if front and all("".join(w[2 * front : len(w) - 2 * back]).isdigit() for w in words):
        # A number alone says too little: `agent_2`, not `2`.
        front -= 1
    return ["".join(w[2 * front : len(w) - 2 * back]) for w in words]
