"""The files of the verb `motifs`: matrices, strings, sites and matches."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.candidates import BASES, Candidates, base_codes
from ..analysis.matching import Matches
from ..analysis.motifs import Criteria, FoundMotif, consensus, probabilities
from ..io import open_table
from ..io.columns import packed
from ..io.meme import Motif, write_meme
from ..seq.batch import Windows
from ..seq.types import F64, I64, U8, Bool

__all__ = ["FILES", "write_all"]

FILES = (
    "motifs.meme", "trimmed.meme", "motifs.tsv", "strings.tsv", "sites.tsv", "matches.tsv", "summary.json"
)  # fmt: skip
"""What is written into the folder, besides pictures; matches.tsv with a database alone."""

_LIKE = 0.5
"""q from which on a match is not written (that of MEME's tomtom)."""


def write_all(
    folder: Path,
    windows: Windows,
    names: list[str],
    positive: Bool,
    candidates: Candidates,
    found: list[FoundMotif],
    background: F64,
    known: list[Motif],
    matches: Matches | None,
    both_strands: bool,
    criteria: Criteria,
) -> list[dict[str, Any]]:
    """Write the files; returns what motifs.tsv says of each motif.

    motifs.meme has the whole windows, trimmed.meme the motifs less their flanks, as they are compared with a database.
    """
    described = [_describe(i, motif, candidates, positive, background, known, matches) for i, motif in enumerate(found)]
    full = [
        Motif(facts["motif"], facts["consensus"], probabilities(motif.counts, background), len(motif.sites))
        for facts, motif in zip(described, found, strict=True)
    ]
    trimmed = [
        Motif(one.name, one.alt, one.matrix[motif.first : motif.last], one.sites)
        for one, motif in zip(full, found, strict=True)
    ]
    write_meme(folder / "motifs.meme", full, background, both_strands=both_strands)
    write_meme(folder / "trimmed.meme", trimmed, background, both_strands=both_strands)
    kinds = {str: "str", int: "int", float: "str"}
    columns = _COLUMNS + (() if matches is None else _MATCHED)
    with open_table(folder / "motifs.tsv", [(name, kinds[kind]) for name, kind in columns]) as table:
        table.write([_column([facts[name] for facts in described], kind) for name, kind in columns])
    _write_strings(folder / "strings.tsv", candidates, found, criteria)
    _write_sites(folder / "sites.tsv", windows, names, found, criteria.width)
    stale = folder / "matches.tsv"
    if matches is None:
        stale.unlink(missing_ok=True)
    else:
        _write_matches(stale, described, known, matches)
    return described


_COLUMNS: tuple[tuple[str, type], ...] = (
    ("motif", str), ("consensus", str), ("string", str), ("p", float), ("adjusted_p", float), ("sequences", int),
    ("positives", int), ("negatives", int), ("strings", int), ("sites", int), ("sequences_with_sites", int),
    ("first", int), ("last", int),
)  # fmt: skip
_MATCHED: tuple[tuple[str, type], ...] = (("match", str), ("match_name", str), ("match_p", float), ("match_q", float))


def _describe(
    number: int,
    motif: FoundMotif,
    candidates: Candidates,
    positive: Bool,
    background: F64,
    known: list[Motif],
    matches: Matches | None,
) -> dict[str, Any]:
    best = motif.strings[0]
    sequences, positives = int(candidates.sequences[best]), int(candidates.positives[best])
    facts: dict[str, Any] = {
        "motif": f"motif_{number + 1}",
        "consensus": consensus(probabilities(motif.counts, background)[motif.first : motif.last]),
        "string": candidates.strings[best].decode(),
        "p": float(candidates.p[best]),
        "adjusted_p": float(candidates.adjusted[best]),
        "sequences": sequences,
        "positives": positives,
        "negatives": sequences - positives,
        "strings": len(motif.strings),
        "sites": len(motif.sites),
        "sequences_with_sites": len(np.unique(motif.sites.window)),
        "first": motif.first,
        "last": motif.last,
    }
    if matches is not None:
        at = int(matches.p[number].argmin())
        facts |= {"match": known[at].name, "match_name": known[at].alt or "."}
        facts |= {"match_p": float(matches.p[number, at]), "match_q": float(matches.q[number, at])}
    return facts


def _column(values: list[Any], kind: type) -> Any:
    if kind is float:
        return _small(values)
    return packed(values) if kind is str else np.array(values, np.int64)


def _small(values: Iterable[float]) -> tuple[U8, I64]:
    """p-values as text, because tables hold floats of 32 bits and these go below 1e-38."""
    return packed([f"{value:.3g}" for value in values])


def _write_strings(path: Path, candidates: Candidates, found: list[FoundMotif], criteria: Criteria) -> None:
    """The significant strings, the most significant first, and the motifs they are in."""
    motifs_of: dict[int, list[str]] = {}
    for i, motif in enumerate(found, 1):
        for string in motif.strings:
            motifs_of.setdefault(string, []).append(f"motif_{i}")
    rows = np.flatnonzero(candidates.adjusted < criteria.cutoff)
    rows = rows[np.lexsort((rows, -candidates.positives[rows], candidates.p[rows]))]
    regions = np.bincount(candidates.instances.string, minlength=len(candidates))
    columns = [("string", "str"), ("p", "str"), ("adjusted_p", "str"), ("sequences", "int"), ("positives", "int")]
    with open_table(path, [*columns, ("negatives", "int"), ("regions", "int"), ("motifs", "str")]) as table:
        held, by_positives = candidates.sequences[rows], candidates.positives[rows]
        table.write([
            packed([candidates.strings[row].decode() for row in rows]), _small(candidates.p[rows]),
            _small(candidates.adjusted[rows]), held, by_positives, held - by_positives, regions[rows],
            packed([",".join(motifs_of.get(int(row), ["."])) for row in rows]),
        ])  # fmt: skip


def _write_sites(path: Path, windows: Windows, names: list[str], found: list[FoundMotif], width: int) -> None:
    """Every site, half-open from 0 and cut at the ends of its sequence; its bases have "-" where it reaches over them.

    Bases are those of the strand that reads as the motif.
    """
    letters = np.frombuffer(BASES + b"N-", np.uint8)
    columns = [("motif", "str"), ("sequence", "str"), ("start", "int"), ("end", "int"), ("strand", "str")]
    codes = base_codes(windows.bases)
    with open_table(path, [*columns, ("bases", "str")]) as table:
        for i, motif in enumerate(found, 1):
            sites = motif.sites
            length = windows.lengths[sites.window]
            place = sites.start[:, None] + np.arange(width)
            inside = (place >= 0) & (place < length[:, None])
            at = np.where(inside, windows.offsets[sites.window][:, None] + place, 0)
            found_codes = np.where(inside, codes[at], 5)
            turned = np.array([3, 2, 1, 0, 4, 5])[found_codes[:, ::-1]]
            spelt = letters[np.where(sites.reverse[:, None], turned, found_codes)]
            table.write([
                packed([f"motif_{i}"] * len(sites)), packed([names[row] for row in sites.window]),
                np.maximum(sites.start, 0), np.minimum(sites.start + width, length),
                packed(["-" if reverse else "+" for reverse in sites.reverse]),
                (np.ascontiguousarray(spelt).reshape(-1), np.arange(len(sites) + 1) * width),
            ])  # fmt: skip


def _write_matches(path: Path, described: list[dict[str, Any]], known: list[Motif], matches: Matches) -> None:
    """Matches with q of 0.5 at most, motif by motif, the best first; E is p times the number of known motifs."""
    columns = [("motif", "str"), ("target", "str"), ("name", "str"), ("p", "str"), ("E", "str"), ("q", "str")]
    with open_table(path, [*columns, ("offset", "int"), ("overlap", "int"), ("strand", "str")]) as table:
        for i, facts in enumerate(described):
            rows = np.flatnonzero(matches.q[i] <= _LIKE)
            rows = rows[np.lexsort((rows, matches.p[i][rows]))]
            table.write([
                packed([facts["motif"]] * len(rows)), packed([known[row].name for row in rows]),
                packed([known[row].alt or "." for row in rows]), _small(matches.p[i][rows]),
                _small(matches.p[i][rows] * len(known)), _small(matches.q[i][rows]),
                matches.offset[i][rows], matches.overlap[i][rows],
                packed(["-" if matches.reverse[i][row] else "+" for row in rows]),
            ])  # fmt: skip
