"""K-mer ids of every kernel against a dictionary look-up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import alleles as allele_oracle
from oracle import kmers as oracle

from dnabert_fast import _core
from dnabert_fast.seq.batch import Windows, kmer_ids, reverse_complement

LEVELS = ["portable", "avx2", "avx512"]
LEVELS = LEVELS[: LEVELS.index(_core.kmer_level()) + 1]

letters = st.text(alphabet="ACGTacgtUuNnRY-*", max_size=300) | st.text(alphabet="ACGT", max_size=300)
bases = letters.map(str.encode) | st.binary(max_size=200)


def ids(text: bytes, k: int, reverse: bool, level: str = "auto", threads: int = 1) -> list[int]:
    out = np.full(max(0, len(text) - k + 1) + 64, 0xFFFF, np.uint16)
    used = out[: max(0, len(text) - k + 1)]
    _core.kmer_ids(np.frombuffer(text, np.uint8), k, used, reverse, threads, level)
    assert (out[len(used) :] == 0xFFFF).all(), "wrote beyond its output"
    return used.tolist()


@given(text=bases, k=st.integers(3, 6), reverse=st.booleans())
@example(text=b"", k=3, reverse=False)
@example(text=b"AC", k=3, reverse=True)
@example(text=bytes(range(256)), k=3, reverse=False)
def test_every_kernel_against_the_dictionary(text: bytes, k: int, reverse: bool) -> None:
    expected = oracle.kmer_ids(text, k, reverse)
    for level in LEVELS:
        assert ids(text, k, reverse, level) == expected, level


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_every_length_to_300(level: str, k: int) -> None:
    # Every remainder of every step, with one bad letter walking through.
    rng = np.random.default_rng(k)
    for n in range(300):
        text = bytearray(rng.choice(np.frombuffer(b"ACGTacgt", np.uint8), n).tobytes())
        if n:
            text[(7 * n) % n] = ord("N")
        for reverse in (False, True):
            assert ids(bytes(text), k, reverse, level) == oracle.kmer_ids(bytes(text), k, reverse), (n, reverse)


@pytest.mark.parametrize("threads", [2, 3, 16])
@pytest.mark.parametrize("reverse", [False, True])
def test_threads_do_not_change_ids(threads: int, reverse: bool) -> None:
    text = np.random.default_rng(1).choice(
        np.frombuffer(b"ACGTN", np.uint8), 1_000_003, p=[0.24, 0.25, 0.25, 0.25, 0.01]
    )
    assert (kmer_ids(text, 6, reverse, threads) == kmer_ids(text, 6, reverse)).all()


@given(text=letters.map(str.encode), k=st.integers(3, 6))
def test_reverse_is_the_forward_of_the_reverse_complement(text: bytes, k: int) -> None:
    turned = allele_oracle.reverse_complement(text)
    array = np.frombuffer(text, np.uint8)
    assert kmer_ids(array, k, reverse=True).tolist() == kmer_ids(np.frombuffer(turned, np.uint8), k).tolist()
    twice = reverse_complement(reverse_complement(Windows.from_strings([text])))
    assert twice[0].upper() == text.upper().replace(b"U", b"T")


def test_arguments_are_checked() -> None:
    text, out = np.frombuffer(b"ACGTACGT", np.uint8), np.empty(3, np.uint16)
    with pytest.raises(ValueError, match="k must be 3, 4, 5 or 6, not 7"):
        _core.kmer_ids(text, 7, out, False)
    with pytest.raises(ValueError, match="must have 4 elements, not 3"):
        _core.kmer_ids(text, 5, out, False)
    with pytest.raises(ValueError, match="level must be auto"):
        _core.kmer_ids(text, 6, out, False, 1, "sse")
    with pytest.raises(TypeError):  # another dtype is refused: writing to a silent copy would lose the ids
        _core.kmer_ids(text, 6, out.astype(np.int64), False)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        _core.kmer_ids(text, 6, out, False)


def test_features_agree_with_the_level() -> None:
    features = _core.cpu_features()
    assert (_core.kmer_level() == "avx512") == (bool(features) and all(features.values()))
    assert (_core.kmer_level() != "portable") == features.get("avx2", False)
