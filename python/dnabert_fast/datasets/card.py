"""The card of a labelled set: what it holds, by split and class, and where it is from. Knows no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .examples import Examples, blocks, gc_counts

__all__ = ["described", "markdown"]

_LETTERS = "ACGT"
_CODES = np.full(256, 4, np.int64)
_CODES[np.frombuffer(_LETTERS.encode(), np.uint8)] = np.arange(4)


def described(splits: Mapping[str, Examples], classes: Sequence[str]) -> dict[str, Any]:
    """Counts by split and class; and by class over all splits lengths, G+C and dinucleotides.

    Lengths are least, median and most; G+C is the mean and the quartiles of the windows' shares; dinucleotides are the
    16 shares of those without N. Numbers are rounded to four places.
    """
    every = Examples.concatenate(list(splits.values()))
    return {
        "sequences": {name: _by_class(data, classes) for name, data in splits.items()},
        "classes": {
            name: _composition(every.take(every.sites.label == number)) | {"label": number}
            for number, name in enumerate(classes)
        },
    }


def _by_class(data: Examples, classes: Sequence[str]) -> dict[str, int]:
    counts = np.bincount(data.sites.label, minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True))


def _composition(data: Examples) -> dict[str, Any]:
    n, lengths = len(data), data.windows.lengths
    if not n:
        return {"sequences": 0}
    share = gc_counts(data.windows) / np.maximum(lengths, 1)
    quartiles = np.quantile(share, [0.25, 0.5, 0.75])
    least, median, most = int(lengths.min()), float(np.median(lengths)), int(lengths.max())
    return {
        "sequences": n,
        "length": {"least": least, "median": median, "most": most},
        "gc": {"mean": _rounded(share.mean())}
        | {name: _rounded(value) for name, value in zip(("q1", "median", "q3"), quartiles, strict=True)},
        "dinucleotides": _dinucleotides(data),
    }


def _dinucleotides(data: Examples) -> dict[str, float]:
    counts = np.zeros(16, np.int64)
    for part in blocks(data.windows):
        windows = data.windows[part]
        codes = _CODES[windows.bases]
        inside = (codes[:-1] < 4) & (codes[1:] < 4)
        ends = windows.offsets[1:-1]
        inside[ends[(ends > 0) & (ends < len(codes))] - 1] = False  # a pair of two windows
        counts += np.bincount((codes[:-1] * 4 + codes[1:])[inside], minlength=16)
    shares = counts / max(1, int(counts.sum()))
    return {a + b: _rounded(shares[4 * i + j]) for i, a in enumerate(_LETTERS) for j, b in enumerate(_LETTERS)}


def _rounded(value: float) -> float:
    return round(float(value), 4)


def markdown(card: Mapping[str, Any]) -> str:
    """A card, with the keys of `described` and those of the run, as a page of text."""
    classes = card["classes"]
    lines = [f"# {card['kind']}", "", "```", card["command"], "```", ""]
    lines += _table(["split", *classes, "where"], [
        [name, *(f"{counts[c]:,}" for c in classes), _few(card["splits"][name])]
        for name, counts in card["sequences"].items()
    ])  # fmt: skip
    lines += _table(
        ["class", "label", "sequences", "length", "G+C mean", "quartiles"],
        [[name, str(facts["label"]), f"{facts['sequences']:,}", *_shown(facts)] for name, facts in classes.items()],
    )
    full = {name: facts for name, facts in classes.items() if facts["sequences"]}
    pairs = next(iter(full.values()))["dinucleotides"]
    lines += _table(
        ["dinucleotide", *full],
        [[pair, *(f"{facts['dinucleotides'][pair]:.4f}" for facts in full.values())] for pair in pairs],
    )
    if card["found"]:
        lines += ["Found:", "", *_listed(card["found"]), ""]
    lines += ["Left out, or not to be had:", "", *_listed(card["left_out"]), ""]
    leak = card["leak_check"]
    lines += [f"Leak check: {leak['rule']}", ""]
    lines += [*_listed({what.replace("_", " "): n for what, n in leak.items() if isinstance(n, int)}), ""]
    lines += _table(
        ["source", "bytes", "sha256"],
        [[name, f"{facts['bytes']:,}", facts["sha256"]] for name, facts in card["sources"].items()],
    )
    lines += [f"Seed {card['seed']}; dnabert_fast {card['version']}, numpy {card['numpy']}."]
    return "\n".join(lines) + "\n"


def _shown(facts: Mapping[str, Any]) -> list[str]:
    if not facts["sequences"]:
        return ["", "", ""]
    length, gc = facts["length"], facts["gc"]
    least, most = length["least"], length["most"]
    lengths = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return [lengths, f"{gc['mean']:.3f}", f"{gc['q1']:.3f} {gc['median']:.3f} {gc['q3']:.3f}"]


def _listed(facts: Mapping[str, int | str]) -> list[str]:
    return [f"- {what}: {value:,}" if isinstance(value, int) else f"- {what}: {value}" for what, value in facts.items()]


def _few(regions: Sequence[str]) -> str:
    return ", ".join(regions[:4]) + (f" and {len(regions) - 4} more" if len(regions) > 4 else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown and an empty line after it."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines] + [""]
