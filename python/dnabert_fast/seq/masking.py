"""Masked-token prediction: which tokens of a packed batch a network has to guess. Knows ids and pieces, no bases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import DnabertError
from .batch import TokenBatch
from .types import I64, U16
from .vocab import KS

__all__ = ["Masked", "Masking", "mask"]


@dataclass(frozen=True)
class Masking:
    """How tokens are masked: as DNABERT was pre-trained, unless `whole_spans` or `span` says otherwise.

    Each token is the centre of a span with probability rate / span; a span are the (span - 1) // 2 tokens before the
    centre, the centre and the span // 2 after it, less what lies outside the piece. As spans overlap, a share of
    1 - (1 - rate / k)^k is masked: 14.3, 14.2, 14.1, 14.1 % for k = 3..6 at rate 0.15, and 18.7, 18.5, 18.5, 18.4 % at
    0.20. span None is k: the fewest tokens that hide a base, and by themselves they hide one; s tokens hide s - k + 1.

    Of the masked tokens 80 % become [MASK], 10 % any id of the vocabulary, 10 % stay as they are. The released models
    drew that for each token, so that of spans of six tokens 1 - 0.9^6 = 47 % hold one that stayed, which spells out the
    base that the others hide. `whole_spans` draws it once for all masked tokens that touch: none of them tells.
    DnabertError for a k, rate or span that cannot be.
    """

    k: int
    rate: float = 0.15
    whole_spans: bool = False
    span: int | None = None

    def __post_init__(self) -> None:
        if self.k not in KS:
            raise DnabertError(f"k must be one of {', '.join(map(str, KS))}, not {self.k}")
        if not 0 < self.rate < 1:
            raise DnabertError(f"the share of tokens to mask must lie between 0 and 1, not be {self.rate}")
        if self.tokens < self.k:
            raise DnabertError(
                f"a masked span of {self.tokens} tokens hides no base for k = {self.k}; give {self.k} or more"
            )

    @property
    def tokens(self) -> int:
        """Tokens of a whole span."""
        return self.k if self.span is None else self.span


@dataclass(frozen=True)
class Masked:
    """A batch's ids u16[T] after masking; rows i64[R], ascending: which of them to predict; labels i64[R]: their ids
    before."""

    ids: U16
    rows: I64
    labels: I64


def mask(batch: TokenBatch, masking: Masking, seed: int, first: int, stream: int = 0) -> Masked:
    """Mask a copy of a batch of k-mers; [CLS] and [SEP] stay.

    All that is drawn for a sample depends on (seed, stream, first + its owner) and its own length alone; 0 <= seed <
    2^64, 0 <= stream < 2^24. Samples of one piece may therefore be masked in any parts of a batch.
    """
    ids = batch.ids.copy()
    rows, labels = _core.mask(
        ids, np.ascontiguousarray(batch.cu_seqlens), np.ascontiguousarray(batch.owner), masking.k, masking.tokens,
        masking.rate, masking.whole_spans, seed, first, stream,
    )  # fmt: skip
    return Masked(ids, rows, labels)
