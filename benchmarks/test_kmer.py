"""K-mer ids in memory, k = 6, one thread: ours, a memcpy that moves as many bytes, NumPy, Hugging Face tokenizers.

    python -m pytest benchmarks/test_kmer.py

Each implementation is timed alone; `test_ratio` times ours and a peer in turns on the same bases and holds the bars.
Before any is timed its ids have to be those of ours, and those of tests/oracle.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from oracle import kmers as oracle
from pytest_benchmark.fixture import BenchmarkFixture

from dnabert_fast import _core
from dnabert_fast.seq.types import U8, U16
from dnabert_fast.seq.vocab import UNK, Vocabulary

K = 6
PIECE = 510


@dataclass(frozen=True)
class Case:
    """One implementation on its own number of bases: `run` does the work, `ids` what it gave (None for memcpy)."""

    bases: int
    run: Callable[[], object]
    ids: Callable[[], U16] | None


def genome(n: int) -> U8:
    """Random bases of mixed case with runs of N, as in a soft-masked assembly."""
    rng = np.random.default_rng(7)
    bases = rng.choice(np.frombuffer(b"ACGTacgt", np.uint8), n)
    for start in range(n // 3, n, n // 3):
        bases[start : start + n // 200] = ord("N")
    return bases


def ours(bases: U8) -> Case:
    out = np.zeros(len(bases) - K + 1, np.uint16)
    return Case(len(bases), lambda: _core.kmer_ids(bases, K, out, False), lambda: out)


def memcpy(bases: U8) -> Case:
    # One byte read and two written a base: as many bytes as a copy of 1.5 bytes a base reads and writes.
    source = np.ones(len(bases) * 3 // 2, np.uint8)
    target = np.zeros_like(source)
    return Case(len(bases), lambda: np.copyto(target, source), None)


def numpy(bases: U8) -> Case:
    digit = np.full(256, 4**K, np.uint16)
    for i, letter in enumerate(b"ATCG"):
        digit[letter] = digit[letter + 32] = i
    digit[list(b"Uu")] = 1
    m = len(bases) - K + 1
    ids = np.zeros(m, np.uint16)

    def run() -> None:
        digits = digit[bases]
        odd = digits > 3
        np.copyto(ids, digits[:m])
        bad = odd[:m].copy()
        for j in range(1, K):
            np.left_shift(ids, 2, out=ids)
            np.bitwise_or(ids, digits[j : j + m], out=ids)
            np.logical_or(bad, odd[j : j + m], out=bad)
        np.add(ids, 5, out=ids)
        ids[bad] = UNK

    return Case(len(bases), run, lambda: ids)


def hugging_face(bases: U8) -> Case:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(Vocabulary(K).ids(), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    text = bases.tobytes().upper().decode()
    sentences = [
        " ".join(text[i : i + K] for i in range(at, min(at + PIECE, len(text) - K + 1)))
        for at in range(0, len(text) - K + 1, PIECE)
    ]
    given: list[object] = []

    def run() -> None:
        given[:] = tokenizer.encode_batch_fast(sentences)

    return Case(len(bases), run, lambda: np.concatenate([np.array(e.ids, np.uint16) for e in given]))


PEERS = {"memcpy": memcpy, "numpy": numpy, "hf": hugging_face}
SIZES = {"ours": 1 << 26, "memcpy": 1 << 26, "numpy": 1 << 24, "hf": 1 << 17}


def checked(make: Callable[[U8], Case], bases: U8) -> Case:
    """The case, run once: its ids are those of ours everywhere, and of the oracle where the N begin."""
    case, reference = make(bases), ours(bases)
    case.run()
    reference.run()
    if case.ids is not None:
        assert reference.ids is not None
        ids, start = case.ids(), len(bases) // 3 - 2000
        assert ids[start : start + 4000].tolist() == oracle.kmer_ids(bases[start : start + 4000 + K - 1].tobytes(), K)
        assert np.array_equal(ids, reference.ids())
    return case


@pytest.mark.parametrize("impl", ["ours", *PEERS])
def test_kmer_ids(benchmark: BenchmarkFixture, impl: str) -> None:
    case = checked({"ours": ours, **PEERS}[impl], genome(SIZES[impl]))
    benchmark.pedantic(case.run, rounds=5, warmup_rounds=1)
    benchmark.extra_info["bases_per_second"] = case.bases / benchmark.stats.stats.min


def best_time(case: Case, at_least: float = 0.02) -> float:
    """Seconds of the fastest run among those that fit into `at_least` seconds, one at least."""
    best, begin = float("inf"), time.perf_counter()
    while True:
        start = time.perf_counter()
        case.run()
        end = time.perf_counter()
        best = min(best, end - start)
        if end - begin > at_least:
            return best


def ratio(peer: str, n: int, turns: int) -> float:
    """How many times as fast as the peer ours is on the same n bases: both in turns, the best of each."""
    bases = genome(n)
    cases = {"ours": checked(ours, bases), peer: checked(PEERS[peer], bases)}
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(turns):
        for name, case in cases.items():
            best[name] = min(best[name], best_time(case))
    return best[peer] / best["ours"]


@pytest.mark.parametrize(
    ("peer", "bases", "turns", "bar"),
    [("memcpy", 1 << 26, 15, 0.6), ("memcpy", 1 << 23, 15, 0.6), ("numpy", 1 << 24, 5, 15), ("hf", 1 << 17, 5, 5000)],
)
def test_ratio(peer: str, bases: int, turns: int, bar: float, record_property: Callable[[str, object], None]) -> None:
    found = ratio(peer, bases, turns)
    print(f"k-mer ids of {bases} bases: {found:.4g} times {peer}, bar {bar}")
    record_property(f"kmer_ids / {peer} at {bases} bases", found)
    assert found >= bar
