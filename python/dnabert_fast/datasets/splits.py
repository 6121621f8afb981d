"""Which windows train, which choose and which judge: splits by stretches of the genome."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np

from ..errors import DnabertError
from ..seq.genome import Genome
from ..seq.types import I64
from .spans import Spans

__all__ = ["SPLITS", "Splits"]

SPLITS = ("train", "dev", "test")

_REGION = re.compile(
    r"(?P<contig>.+?)(?::(?P<start>[\d.,]+)(?P<start_unit>[kKmM]?)-(?P<end>[\d.,]+)(?P<unit>[kKmM]?))?"
)
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


@dataclass(frozen=True)
class Splits:
    """The merged stretches of the splits by name, in the order train, dev, test; none overlap."""

    spans: Mapping[str, Spans]

    @staticmethod
    def of(genome: Genome, train: Sequence[str], dev: Sequence[str], test: Sequence[str]) -> Splits:
        """Splits from names of contigs and regions such as chr20:8-9M or chr20:8,000,000-9,000,000.

        Regions are 0-based and half-open; k and M are thousands and millions, and a unit at the end alone is of both
        numbers. What none is named for trains; where `train` is given, only that. Raises DnabertError for a region
        that cannot be read or lies outside its contig, for regions of two splits that overlap, and where nothing is
        left to train on.
        """
        given = {
            name: _spans(genome, words, f"--{name}") for name, words in zip(SPLITS, (train, dev, test), strict=True)
        }
        held_out = Spans.concatenate([given["dev"], given["test"]]).merged()
        overlap = given["dev"].within(given["test"])
        if len(overlap):
            raise DnabertError(f"--dev and --test both have {_shown(genome, overlap)}; give each base to one split")
        if train:
            overlap = given["train"].within(held_out)
            if len(overlap):
                raise DnabertError(
                    f"--train has {_shown(genome, overlap)}, which is held out; give each base to one split"
                )
        else:
            given["train"] = Spans.whole(genome.lengths).merged().less(held_out)
        if not given["train"].bases:
            raise DnabertError("--dev and --test leave nothing of the genome to train on; hold less out")
        return Splits(given)

    def of_windows(self, windows: Spans) -> I64:
        """The split that each window lies wholly in, as its number in SPLITS, i64[n]; -1 for one in none or across."""
        found = np.full(len(windows), -1, np.int64)
        for number, name in enumerate(SPLITS):
            found[windows.inside(self.spans[name])] = number
        return found

    def described(self, genome: Genome) -> dict[str, list[str]]:
        """The stretches of each split as text: the contig's name where all of it, else contig:start-end."""
        return {name: [_one(genome, spans, row) for row in range(len(spans))] for name, spans in self.spans.items()}


def _spans(genome: Genome, words: Sequence[str], flag: str) -> Spans:
    regions = [_region(genome, part, flag) for word in words for part in _parts(word)]
    if not regions:
        return Spans.none()
    contig, start, end = (np.array(values, np.int64) for values in zip(*regions, strict=True))
    return Spans(contig.astype(np.int32), start, end).merged()


def _parts(word: str) -> list[str]:
    """Regions of one word; commas between digits belong to numbers."""
    return [part for part in re.split(r",(?!\d{3}(?:\D|$))", word) if part]


def _region(genome: Genome, text: str, flag: str) -> tuple[int, int, int]:
    if (row := genome.row(text)) >= 0:
        return row, 0, int(genome.lengths[row])
    match = _REGION.fullmatch(text)
    if match is None or match["start"] is None or genome.row(match["contig"]) < 0:
        name = match["contig"] if match is not None else text
        few = ", ".join(genome.names[:4]) + (", ..." if len(genome.names) > 4 else "")
        raise DnabertError(
            f"{flag} {text}: the genome has no contig {name!r} (it has {few}); name one, or contig:start-end"
        )
    unit = match["unit"].lower()
    try:
        start, end = (
            Decimal(match[name].replace(",", "")) * _UNITS[scale]  # 8.2M is no float's 8,200,000
            for name, scale in (("start", match["start_unit"].lower() or unit), ("end", unit))
        )
    except InvalidOperation:
        raise DnabertError(
            f"{flag} {text}: not a region; write it as chr20:8-9M or chr20:8,000,000-9,000,000"
        ) from None
    row = genome.row(match["contig"])
    length = int(genome.lengths[row])
    if not 0 <= start < end <= length or start % 1 or end % 1:
        raise DnabertError(
            f"{flag} {text}: {start:,.0f} to {end:,.0f} is not inside {match['contig']}, which has {length:,} bases"
        )
    return row, int(start), int(end)


def _one(genome: Genome, spans: Spans, row: int) -> str:
    contig, start, end = int(spans.contig[row]), int(spans.start[row]), int(spans.end[row])
    name = genome.names[contig]
    return name if (start, end) == (0, int(genome.lengths[contig])) else f"{name}:{start}-{end}"


def _shown(genome: Genome, spans: Spans) -> str:
    return _one(genome, spans, 0) + (f" and {len(spans) - 1} more" if len(spans) > 1 else "")
