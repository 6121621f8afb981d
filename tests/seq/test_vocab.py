"""The vocabularies are the released ones, byte for byte."""

from __future__ import annotations

import hashlib

import pytest
from oracle.kmers import vocabulary

from dnabert_fast.seq.vocab import CLS, KS, MASK, PAD, SEP, UNK, Vocabulary

RELEASED = {
    3: "868b0b1ca9c6dfe72771d7c98b406c21ab712d70b0df65216a19868149934b7d",
    4: "a78f8d49dfd18288b2838dacb207dc71932c078f1c5083df2c4465658ae39c34",
    5: "3d422649f2193de4cb8af321b42dd5b4a98151138ad68653649638fa5aa91101",
    6: "d8f61c247fc10f9b8c7f6baf4d31876f30076d4aaf9f31ff47b9e68badd62e61",
}
"""SHA-256 of vocab.txt as it came with the original models."""


@pytest.mark.parametrize("k", KS)
def test_text_is_the_released_file(k: int) -> None:
    assert hashlib.sha256(Vocabulary(k).text().encode()).hexdigest() == RELEASED[k]


@pytest.mark.parametrize("k", KS)
def test_ids_follow_the_tokens(k: int) -> None:
    vocab = Vocabulary(k)
    special = {"[PAD]": PAD, "[UNK]": UNK, "[CLS]": CLS, "[SEP]": SEP, "[MASK]": MASK}
    assert vocab.ids() == special | vocabulary(k)
    assert vocab.size == len(vocab.tokens()) == len(vocab.ids())


def test_other_k_are_refused() -> None:
    with pytest.raises(ValueError, match="k must be one of"):
        Vocabulary(7)
