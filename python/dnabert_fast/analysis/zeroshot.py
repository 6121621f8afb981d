"""Scores of alleles by a pre-trained model without a task: which allele it expects in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..engine.model import Model
from ..errors import DnabertError
from ..seq.batch import Windows
from ..seq.types import F64
from ..seq.variants import Placed
from .variants import Asked

__all__ = ["LikelihoodScorer"]


@dataclass(frozen=True)
class LikelihoodScorer:
    """See `analysis.variants.Scorer`. How much likelier the masked language model finds ALT than REF.

    In both windows the k-mers that cover the change are hidden, and the mean log-likelihood of REF's is taken from that
    of ALT's: LLR, natural logarithm. Where the alleles differ in length, as many k-mers are hidden in the window of the
    shorter one as in the other's, from the same place on: else the longer allele, which has more hidden from its
    k-mers, would always be the less likely.
    """

    model: Model
    name: str = ""

    def __post_init__(self) -> None:
        if self.model.network.config.head != "mlm":
            raise DnabertError(f"model {self.model.name} has no masked-LM head to find alleles likely with")

    @property
    def meanings(self) -> dict[str, str]:
        """See `Scorer`."""
        said = "Mean natural log-likelihood ratio of the k-mers over ALT to those over REF, all hidden from the model"
        return {"LLR": said}

    def prepare(self, placed: Placed) -> Asked:
        """See `Scorer`."""
        both = Windows.concatenate([placed.reference, placed.alternative])
        k = self.model.k
        first, count = placed.at - k + 1, np.maximum(placed.deleted, placed.inserted) + k - 1
        twice = [np.concatenate([column, column]) for column in (first, count, placed.reverse)]
        blanked = self.model.prepare_blanked(both, *twice)
        return Asked([side.prepared for side in blanked], blanked)

    def begin(self, asked: Asked, tick: Callable[[float], None]) -> Callable[[], dict[str, F64]]:
        """See `Scorer`."""
        likelihood = self.model.begin_likelihood(asked.rest, tick)

        def finish() -> dict[str, F64]:
            ref, alt = np.split(likelihood(), 2)
            return {"LLR": alt - ref}

        return finish
