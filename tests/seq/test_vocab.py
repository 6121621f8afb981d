"""The vocabularies are the released ones, byte for byte."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.kmers import vocabulary

from dnabert_fast.errors import FormatError
from dnabert_fast.seq.vocab import CLS, KS, MASK, PAD, SEP, UNK, Vocabulary, bases_of_kmers, k_of

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
    assert k_of(vocab.size) == k


def test_other_k_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="k must be one of"):
        Vocabulary(7)
    with pytest.raises(ValueError, match="no vocabulary has 4096 tokens; those of k = 3 to 6 have 69, 261, 1029, 4101"):
        k_of(4096)


@given(st.text(alphabet="ACGTNacgtn", min_size=3, max_size=60), st.sampled_from(KS))
def test_kmers_give_their_bases_back(bases: str, k: int) -> None:
    kmers = [bases[i : i + k] for i in range(max(1, len(bases) - k + 1))]
    assert bases_of_kmers(" ".join(kmers)) == bases
    assert bases_of_kmers("  " + "\t ".join(kmers) + " \n") == bases


def test_nothing_is_nothing() -> None:
    assert bases_of_kmers(" ") == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AAA AATC", "unequal length: 'AAA' and 'AATC'"),
        ("AAA AA AAAA", "unequal length: 'AAA' and 'AA'"),
        ("AAA AÄA", "unequal length"),
        ("AAA AAT TTC", "k-mer 3 'TTC' does not continue 'AAT'"),
        ("ACGT TTTT", "k-mer 2 'TTTT' does not continue 'ACGT'"),
    ],
)
def test_broken_kmers_are_named(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        bases_of_kmers(text)
