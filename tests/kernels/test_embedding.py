"""Embeddings in Triton against fp64, and k-mer ids made on the device against those of the C++ core."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from dnabert_fast.kernels import reference
from dnabert_fast.kernels.embedding import (
    codes_of,
    embed_bases,
    embed_bases_step,
    embed_ids,
    embed_ids_step,
    ids_of_bases,
)
from interpreted import DEVICE, assert_as_good, draw, gradients, strict  # noqa: F401

from dnabert_fast.seq.batch import kmer_ids, tokenize_spans

pytestmark = pytest.mark.usefixtures("strict")

EPS = 1e-12
FP32, FP16, BF16, FP8 = torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn
SHAPES = [([1], 48), ([63, 63], 64), ([65], 48), ([130, 2, 1, 64], 48), ([17, 2], 768)]
LETTERS = np.frombuffer(b"ACGTUacgtuNRn-", np.uint8)


def bounds(lengths: list[int]) -> Tensor:
    return torch.tensor(list(accumulate(lengths, initial=0)), dtype=torch.int32, device=DEVICE)


def weights(hidden: int, vocabulary: int = 69) -> tuple[Tensor, ...]:
    tables = [draw(rows, hidden, seed=i) for i, rows in enumerate((vocabulary, 140, 2))]
    return (*tables, 1 + draw(hidden, seed=3, scale=0.2), draw(hidden, seed=4, scale=0.2))


def random_ids(tokens: int, below: int = 69) -> Tensor:
    return torch.randint(below, (tokens,), generator=torch.Generator().manual_seed(5)).to(DEVICE)


def places(lengths: list[int]) -> Tensor:
    return torch.cat([torch.arange(length) for length in lengths]).to(DEVICE)


def normal(ids: Tensor, positions: Tensor, types: Tensor | None, *given: Tensor) -> Tensor:
    """The same in plain torch, in the dtype of the tables."""
    word, position, kind, weight, bias = given
    of_type = kind[0] if types is None else kind[types]
    return reference.layer_norm(word[ids] + of_type + position[positions], weight, bias, EPS)


@pytest.mark.parametrize(("lengths", "hidden"), SHAPES, ids=str)
@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("dtype", [FP32, BF16], ids=str)
def test_value_and_gradients(lengths: list[int], hidden: int, typed: bool, dtype: torch.dtype) -> None:
    tokens = sum(lengths)
    ids, positions = random_ids(tokens), places(lengths)
    types = random_ids(tokens, 2) if typed else None
    given, upstream = weights(hidden), draw(tokens, hidden, seed=6, dtype=dtype)

    def op(*x: Tensor) -> Tensor:
        return embed_ids(ids, bounds(lengths), max(lengths), types, x[:3], x[3:], EPS, dtype)

    found = gradients(op, given, upstream)
    exact = gradients(lambda *x: normal(ids, positions, types, *x), tuple(x.double() for x in given), upstream.double())
    plain = gradients(lambda *x: normal(ids, positions, types, *x).to(dtype), given, upstream)
    assert [x.dtype for x in found] == [dtype, *[FP32] * 5]
    for ours, theirs, right in zip(found, plain, exact, strict=True):
        assert_as_good(ours, theirs, right, floor=2e-6)
    again = gradients(op, given, upstream)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))


def test_more_tiles_than_programs_that_sum_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dnabert_fast.kernels.embedding.GROUPS", 3)
    lengths = [20, 7]
    ids, given, upstream = random_ids(27), weights(768), draw(27, 768, seed=6)
    found = gradients(lambda *x: embed_ids(ids, bounds(lengths), 20, None, x[:3], x[3:], EPS, FP32), given, upstream)
    wide = tuple(x.double() for x in given)
    exact = gradients(lambda *x: normal(ids, places(lengths), None, *x), wide, upstream.double())
    for ours, right in zip(found, exact, strict=True):
        assert_as_good(ours, right, right, floor=2e-6)


@pytest.mark.parametrize("kept", [torch.uint16, torch.int32, torch.int64], ids=str)
def test_ids_of_any_integers(kept: torch.dtype) -> None:
    lengths, (*tables, weight, bias) = [3, 130], weights(48, vocabulary=65536)
    ids = random_ids(133, 65536)
    assert ids.max() > 32767
    found = embed_ids(ids.to(kept), bounds(lengths), 130, None, tuple(tables), (weight, bias), EPS, FP32)
    exact = normal(ids, places(lengths), None, *(x.double() for x in (*tables, weight, bias)))
    assert_as_good(found, exact, exact, floor=1e-6)


@pytest.mark.parametrize("hidden", [48, 768])
@pytest.mark.parametrize(
    ("stream", "operand"), [(FP32, FP32), (FP32, FP16), (BF16, BF16), (FP32, BF16), (FP32, FP8)], ids=str
)
def test_step(hidden: int, stream: torch.dtype, operand: torch.dtype) -> None:
    lengths, (*tables, weight, bias) = [65, 2, 9], weights(hidden)
    ids = random_ids(76)
    exact = normal(ids, places(lengths), None, *(x.double() for x in (*tables, weight, bias)))
    state, second, scale = embed_ids_step(
        ids, bounds(lengths), 65, None, tuple(tables), (weight, bias), EPS, stream, operand
    )
    assert (state.dtype, second.dtype) == (stream, operand)
    assert_as_good(state, exact.to(stream), exact, floor=1e-6)
    if operand is FP8:
        assert scale is not None
        torch.testing.assert_close(scale.double(), exact.abs().amax(1) / 448, rtol=1e-6, atol=0)
        # Three bits of mantissa: half a step is 1/16 of a magnitude, and 2^-10 below the smallest normal number.
        distance = (second.double() * scale.double()[:, None] - exact).abs()
        assert (distance <= exact.abs() * 0.0626 + scale.double()[:, None] * 2**-9).all()
    else:
        assert scale is None
        assert (second is state) == (stream is operand)
        assert_as_good(second, exact.to(operand), exact, floor=1e-6)


def test_a_piece_alone_is_the_same_among_others() -> None:
    (*tables, weight, bias), lengths = weights(48), [5, 63, 66]
    ids = random_ids(134)
    together = embed_ids(ids, bounds(lengths), 66, None, tuple(tables), (weight, bias), EPS, FP32)
    alone = embed_ids(ids[5:68], bounds([63]), 63, None, tuple(tables), (weight, bias), EPS, FP32)
    assert torch.equal(together[5:68], alone)


def test_a_piece_longer_than_the_positions_is_refused() -> None:
    *tables, weight, bias = weights(48)
    with pytest.raises(ValueError, match="141 tokens"):
        embed_ids(random_ids(141), bounds([141]), 141, None, tuple(tables), (weight, bias), EPS, FP32)


def windows(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Letters, and overlapping windows of them on both strands: shorter than k, one k-mer, and up to a whole piece."""
    random = np.random.default_rng(k)
    letters = random.choice(LETTERS, 700, p=[0.098] * 10 + [0.005] * 4)
    lengths = np.array([0, 1, k - 1, k, k, k + 1, 63, 63, 64, 130, 509 + k, 509 + k, 0])
    starts = random.integers(0, 700 - lengths + 1)
    starts[-1], starts[3] = 700, 700 - k
    return letters, starts, starts + lengths, np.arange(len(lengths)) % 2 == 1


@pytest.mark.parametrize("k", [3, 4, 5, 6])
@pytest.mark.parametrize("strands", ["both", "forward"])
def test_ids_are_those_of_the_core(k: int, strands: str) -> None:
    letters, starts, ends, reverse = windows(k)
    expected = tokenize_spans(letters, starts, ends, reverse if strands == "both" else False, k)
    codes = codes_of(torch.from_numpy(letters).to(DEVICE))
    found = ids_of_bases(
        codes,
        torch.from_numpy(starts).to(DEVICE),
        torch.from_numpy(reverse.astype(np.uint8)).to(DEVICE) if strands == "both" else None,
        k,
        torch.from_numpy(expected.cu_seqlens).to(DEVICE),
        int(expected.lengths.max()),
        len(expected.ids),
    )
    np.testing.assert_array_equal(found.cpu().numpy(), expected.ids)
    assert (expected.ids == 1).any()


def test_every_letter_is_coded_as_in_the_core() -> None:
    letters = np.arange(256, dtype=np.uint8)
    codes = codes_of(torch.from_numpy(letters).to(DEVICE)).cpu().numpy()
    # A 3-mer of one letter alone tells its digit.
    ids = kmer_ids(letters.repeat(3), 3)[::3].astype(np.int64)
    np.testing.assert_array_equal(np.where(codes > 3, 1, 5 + 21 * codes.astype(np.int64)), ids)


@pytest.mark.parametrize(("stream", "operand"), [(FP32, FP32), (FP32, BF16), (FP32, FP8)], ids=str)
def test_embedding_of_bases_is_that_of_their_ids(stream: torch.dtype, operand: torch.dtype) -> None:
    k = 3
    letters, starts, ends, reverse = windows(k)
    short = ends - starts <= 130
    batch = tokenize_spans(letters, starts[short], ends[short], reverse[short], k)
    *tables, weight, bias = weights(48)
    where = torch.from_numpy(batch.cu_seqlens).to(DEVICE), int(batch.lengths.max())
    rest = tuple(tables), (weight, bias), EPS, stream
    bases = (
        codes_of(torch.from_numpy(letters).to(DEVICE)),
        torch.from_numpy(starts[short]).to(DEVICE),
        torch.from_numpy(reverse[short].astype(np.uint8)).to(DEVICE),
        k,
    )
    ids = torch.from_numpy(batch.ids).to(DEVICE)
    found = embed_bases_step(*bases, *where, len(ids), *rest, operand)
    expected = embed_ids_step(ids, *where, None, *rest, operand)
    for ours, right in zip(found, expected, strict=True):
        assert (ours is None and right is None) or torch.equal(ours.view(torch.uint8), right.view(torch.uint8))
    assert torch.equal(embed_bases(*bases, *where, len(ids), *rest), expected[0])
