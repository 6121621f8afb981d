"""Where variants lie among windows and the regions attended to most, and the highest-ranked of them. Plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..engine.predict import runs
from ..seq.batch import Windows
from ..seq.plan import Plan
from ..seq.types import F32, I32, I64, Bool
from .regions import Places

__all__ = ["Ranked", "Ranking", "Sites"]


class Sites:
    """One base each of n alleles: the windows that hold it, the mean of its scores there, and the region it lies in.

    contig i32[n] (-1: nowhere), position i64[n] from 0. `start`, `end` i64[n] are the region's, -1 where there is none;
    `windows` i32[n] counts those that hold the base.
    """

    def __init__(self, contig: I32, position: I64) -> None:
        n = len(contig)
        self.start, self.end = np.full(n, -1), np.full(n, -1)
        self.windows = np.zeros(n, np.int32)
        self._sum = np.zeros(n, np.float64)
        self._span = int(position.max(initial=0)) + 2
        key = contig.astype(np.int64) * self._span + position
        rows = np.flatnonzero(contig >= 0)
        self._order: I64 = rows[np.argsort(key[rows], kind="stable")]
        self._key, self._position = key[self._order], position

    def __len__(self) -> int:
        return len(self.start)

    @property
    def inside(self) -> Bool:
        """Which bases lie in a region."""
        found: Bool = self.start >= 0
        return found

    def score(self, rows: I64) -> F32:
        """The mean score of the bases of some alleles, each over the windows that hold it; each is in one at least."""
        mean: F32 = (self._sum[rows] / self.windows[rows]).astype(np.float32)
        return mean

    def seen(self, plan: Plan, windows: Windows, scores: F32) -> tuple[I64, F32]:
        """The sites in windows i64[m], one row each time that a window holds one, and their scores f32[m] there.

        scores: those of the windows' bases, none of which is missing.
        """
        which, rows = self._within(plan.contig.astype(np.int64), plan.start, plan.end)
        return rows, scores[windows.offsets[:-1][which] + self._position[rows] - plan.start[which]]

    def attend(self, rows: I64, scores: F32) -> None:
        """Take in what was `seen`."""
        np.add.at(self._sum, rows, scores)
        np.add.at(self.windows, rows, 1)

    def enclose(self, regions: Places) -> None:
        """Take in regions, no base of which is another's too."""
        which, rows = self._within(regions.contig, regions.start, regions.end)
        self.start[rows], self.end[rows] = regions.start[which], regions.end[which]

    def _within(self, contig: I64, start: I64, end: I64) -> tuple[I64, I64]:
        """Pairs of a stretch and a site in it."""
        first, last = (
            np.searchsorted(self._key, contig * self._span + np.minimum(border, self._span - 1))
            for border in (start, end)
        )
        which: I64 = np.repeat(np.arange(len(contig)), last - first)
        return which, self._order[runs(first, last - first)]


@dataclass(frozen=True)
class Ranked:
    """Alleles and their scores: row i64[m] among all alleles of a file, the scores f32[m], what the file says of each.

    `numbers` and `texts` are columns by name.
    """

    row: I64
    difference: F32
    numbers: dict[str, F32 | I64]
    texts: dict[str, Windows]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, rows: I64 | Bool) -> Ranked:
        """These alleles, in the order given."""
        numbers: dict[str, F32 | I64] = {name: values[rows] for name, values in self.numbers.items()}
        texts = {name: text.take(rows) for name, text in self.texts.items()}
        return Ranked(self.row[rows], self.difference[rows], numbers, texts)

    @staticmethod
    def concatenate(parts: Sequence[Ranked]) -> Ranked:
        """The alleles of all parts (one at least)."""
        return Ranked(
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.difference for part in parts]),
            {name: np.concatenate([part.numbers[name] for part in parts]) for name in parts[0].numbers},
            {name: Windows.concatenate([part.texts[name] for part in parts]) for name in parts[0].texts},
        )


class Ranking:
    """The alleles of the largest |difference|: the first `top` of them, or with a `threshold` all from there on."""

    def __init__(self, top: int, threshold: float | None) -> None:
        self._top, self._threshold = top, threshold
        self._kept: list[Ranked] = []

    def add(self, alleles: Ranked) -> None:
        """Take in alleles, none of whose differences is missing; holds no more than are kept and a unit's."""
        if self._threshold is not None:
            self._kept.append(alleles.take(np.abs(alleles.difference) >= self._threshold))
            return
        best = _sorted(Ranked.concatenate([*self._kept, alleles]))
        self._kept = [best.take(np.arange(min(self._top, len(best))))]

    def best(self) -> Ranked | None:
        """The alleles kept, the largest |difference| first, of equal ones that of the lower row; None before any."""
        return _sorted(Ranked.concatenate(self._kept)) if self._kept else None


def _sorted(alleles: Ranked) -> Ranked:
    return alleles.take(np.lexsort((alleles.row, -np.abs(alleles.difference))))
