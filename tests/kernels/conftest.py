"""What tests of the GPU's kernels share: the device (the interpreter's without one), packed batches, fair tolerances.

Without a GPU they run in Triton's interpreter, whose bf16 products are wrong: bf16 is for GPUs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Packed:
    """A layout as the kernels need it: pieces in the order given, and the rows wanted of each."""

    bounds: tuple[int, ...]
    cu_seqlens: Tensor
    max_len: int
    rows: Tensor | None
    row_bounds: Tensor | None
    max_rows: int
    positions: Tensor
    ids: Tensor | None = None
    bases: None = None
    types: Tensor | None = None
    key_bias: Tensor | None = None
    groups: tuple[()] = ()

    @property
    def tokens(self) -> int:
        return self.bounds[-1]


@pytest.fixture(scope="session")
def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


BF16 = pytest.param(
    torch.bfloat16,
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
)


@pytest.fixture(params=[torch.float32, torch.float16, BF16], ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture
def packed(device: str) -> Callable[..., Packed]:
    """packed(lengths, wanted=None): `wanted` holds the places wanted in each piece (None: all of all)."""

    def make(lengths: Sequence[int], wanted: Sequence[Sequence[int]] | None = None) -> Packed:
        bounds = tuple(accumulate(lengths, initial=0))
        rows = row_bounds = None
        if wanted is not None:
            places = [start + place for start, each in zip(bounds, wanted, strict=False) for place in each]
            rows = torch.tensor(places, device=device)
            counts = list(accumulate(map(len, wanted), initial=0))
            row_bounds = torch.tensor(counts, dtype=torch.int32, device=device)
        return Packed(
            bounds,
            torch.tensor(bounds, dtype=torch.int32, device=device),
            max(lengths),
            rows,
            row_bounds,
            max(lengths if wanted is None else map(len, wanted)),
            torch.cat([torch.arange(length) for length in lengths]).to(device),
        )

    return make


@pytest.fixture
def draw(device: str) -> Callable[..., Tensor]:
    """draw(*shape, seed=0, dtype=fp32): normal numbers that do not depend on the device."""

    def make(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)

    return make


@pytest.fixture(scope="session")
def whole() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """`with whole():` fills memory that torch leaves uninitialised with NaN, so that what is not written is seen."""

    @contextlib.contextmanager
    def fill() -> Iterator[None]:
        before = torch.are_deterministic_algorithms_enabled()
        assert torch.utils.deterministic.fill_uninitialized_memory
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)

    return fill


@pytest.fixture(scope="session")
def no_worse() -> Callable[..., None]:
    """no_worse(found, torchs, exact, floor=1e-6): found errs at most twice as much as torch does in the same dtype.

    Largest error and root of the mean square, against `exact` in fp64; `floor` is of the largest value, or of 1.
    """

    def compare(found: Tensor, torchs: Tensor, exact: Tensor, floor: float = 1e-6) -> None:
        assert found.shape == torchs.shape == exact.shape
        assert exact.dtype is torch.float64
        ours, theirs = (found.double() - exact).abs(), (torchs.double() - exact).abs()
        slack = floor * max(1.0, float(exact.abs().max()))
        assert float(ours.max()) <= 2 * float(theirs.max()) + slack
        assert float(ours.square().mean().sqrt()) <= 2 * float(theirs.square().mean().sqrt()) + slack

    return compare
