"""Score alleles with many models at once: windows are cut into tokens once for each k, and each encoder runs once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..engine.many import Together
from ..engine.predict import Prepared
from ..engine.scores import Readout
from ..seq.batch import Windows
from ..seq.types import F32, F64
from ..seq.variants import Placed
from .changes import SCORES, change_fields, change_meanings, scores_of_pairs
from .variants import Asked

__all__ = ["Member", "PanelScorer"]


@dataclass(frozen=True)
class Member:
    """A model of a panel: which number of its head is the score, and what its fields begin with ("" for nothing).

    It is the `head`-th of those that the panel's group `group` asks together.
    """

    name: str
    readout: Readout
    group: int
    head: int

    def field(self, key: str) -> str:
        """The name of one of its fields."""
        return f"{self.name}_{key}" if self.name else key


@dataclass(frozen=True)
class PanelScorer:
    """See `analysis.variants.Scorer`. How the answers of several models change from REF to ALT, and that of their mean.

    `keys` are the scores that each model gives. With `ensemble` fields without a model's name are those of the mean of
    all models' scores: of log-odds, or of the values of regressions. The members' readouts are then of one kind.
    """

    groups: Sequence[Together]
    members: Sequence[Member]
    ensemble: bool = False
    keys: Sequence[str] = SCORES
    name: str = ""

    @property
    def meanings(self) -> dict[str, str]:
        """See `Scorer`."""
        found: dict[str, str] = {}
        for member in self.members:
            found |= {member.field(key): said for key, said in self._kept(change_meanings(member.readout)).items()}
        if self.ensemble:
            mean = self._mean
            of = f"mean of {len(self.members)} models' " + ("values" if mean.regression else "log-odds")
            what = f"{'Value' if mean.regression else 'Probability'} ({of})"
            found |= self._kept(change_meanings(mean, what))
        return found

    @property
    def _mean(self) -> Readout:
        """How the scores of the mean are read."""
        return replace(self.members[0].readout, label="mean")

    def _kept(self, meanings: dict[str, str]) -> dict[str, str]:
        return {key: said for key, said in meanings.items() if key in self.keys}

    def prepare(self, placed: Placed) -> Asked:
        """See `Scorer`."""
        both = Windows.concatenate([placed.reference, placed.alternative])
        reverse = np.concatenate([placed.reverse, placed.reverse])
        by_k: dict[int, list[Prepared]] = {}
        for group in self.groups:
            if group.model.k not in by_k:
                by_k[group.model.k] = group.model.prepare(both, reverse)
        asked = [by_k[group.model.k] for group in self.groups]
        return Asked([side for sides in asked for side in sides], asked)

    def begin(self, asked: Asked, tick: Callable[[float], None]) -> Callable[[], dict[str, F64]]:
        """See `Scorer`."""

        def part(share: float) -> None:
            tick(share / len(self.groups))

        pairs = zip(self.groups, asked.rest, strict=True)
        answers = [group.model.begin(prepared, part) for group, prepared in pairs]
        return lambda: self.fields([answer() for answer in answers])

    def fields(self, logits: Sequence[F32]) -> dict[str, F64]:
        """The fields, of logits [2 n, sum of C] of each group: those of n reference windows, then of alternatives."""
        found: dict[str, F64] = {}
        total: list[F64] = []
        for member in self.members:
            own = logits[member.group][:, self.groups[member.group].columns[member.head]]
            scores = scores_of_pairs(member.readout, own)
            if self.ensemble:
                total = [a + b for a, b in zip(total, scores, strict=True)] if total else list(scores)
            values = change_fields(member.readout, *scores, self.keys)
            found |= {member.field(key): value for key, value in values.items()}
        if self.ensemble:
            ref, alt = (sum_of / len(self.members) for sum_of in total)
            found |= change_fields(self._mean, ref, alt, self.keys)
        return found
