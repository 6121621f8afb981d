"""Attention on GPUs against the reference: lengths alone and mixed, wanted rows, every gradient, dropout, the tiles."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from dnabert_fast.kernels import reference
from torch import Tensor

pytest.importorskip("triton")

from dnabert_fast.kernels.attention import attention, attention_rows
from dnabert_fast.kernels.attention_weights import attention_weights
from dnabert_fast.kernels.dropout import STEPS, threshold
from dnabert_fast.kernels.launch import ARCHES, attention_entries, attention_launch

LENGTHS = [[1], [63], [64], [65], [130], [512], [65, 1, 130, 3, 64]]
WANTED = {
    "cls": lambda lengths: [[0] for _ in lengths],
    "some": lambda lengths: [list(range(i % 3, length, 6)) for i, length in enumerate(lengths)],
    "none of some": lambda lengths: [
        [0, length // 2][: min(length, 2)] * (i % 2 == 0) for i, length in enumerate(lengths)
    ],
}
# Sums of 64 products of normal numbers, up to 30, are rounded in fp32 whatever the dtype.
FLOOR = 30 * 2**-23
Op = Callable[..., Tensor]


def gradients(op: Op, inputs: tuple[Tensor, ...], upstream: Tensor, *given: Any) -> tuple[Tensor, ...]:
    """What op makes of the inputs, and the gradients of all of them."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    out = op(*leaves, *given)
    return (out.detach(), *torch.autograd.grad(out, leaves, upstream))


def by_torch(query: Tensor, kv: Tensor, layout: Any, heads: int) -> Tensor:
    """Torch's own attention, piece by piece, in the dtype of the inputs."""
    counts = layout.bounds if layout.row_bounds is None else layout.row_bounds.tolist()
    q, k, v = (x.unflatten(1, (heads, -1)).transpose(0, 1) for x in (query, *kv.chunk(2, dim=1)))
    out = []
    for i, (a, b) in enumerate(zip(layout.bounds[:-1], layout.bounds[1:], strict=True)):
        rows = q[None, :, counts[i] : counts[i + 1]]
        out.append(F.scaled_dot_product_attention(rows, k[None, :, a:b], v[None, :, a:b])[0])
    return torch.cat(out, dim=1).transpose(0, 1).flatten(1)


def by_torch_packed(qkv: Tensor, layout: Any, heads: int) -> Tensor:
    hidden = qkv.shape[1] // 3
    return by_torch(qkv[:, :hidden], qkv[:, hidden:], layout, heads)


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_attention_and_its_gradient(
    lengths: list[int], dtype: torch.dtype, packed: Any, draw: Any, whole: Any, no_worse: Any
) -> None:
    layout, heads = packed(lengths), 1 if max(lengths) > 130 else 2
    qkv = draw(layout.tokens, 3 * heads * 64, dtype=dtype)
    upstream = draw(layout.tokens, heads * 64, seed=1, dtype=dtype)
    exact = gradients(reference.attention, (qkv.double(),), upstream.double(), layout, heads, 0.0)
    torchs = gradients(by_torch_packed, (qkv,), upstream, layout, heads)
    with whole():
        found = gradients(attention, (qkv,), upstream, layout, heads, 0.0)
        assert torch.equal(attention(qkv, layout, heads, 0.0), found[0])
        assert all(map(torch.equal, gradients(attention, (qkv,), upstream, layout, heads, 0.0), found))
    for each in zip(found, torchs, exact, strict=True):
        assert each[0].dtype is dtype
        no_worse(*each, floor=FLOOR)


@pytest.mark.parametrize("lengths", [[1, 1], [65], [65, 1, 130, 3, 64]], ids=str)
@pytest.mark.parametrize("which", WANTED)
def test_attention_of_wanted_rows_and_its_gradient(
    lengths: list[int], which: str, dtype: torch.dtype, packed: Any, draw: Any, whole: Any, no_worse: Any
) -> None:
    layout, heads = packed(lengths, WANTED[which](lengths)), 2
    inputs = draw(len(layout.rows), 128, dtype=dtype), draw(layout.tokens, 256, seed=1, dtype=dtype)
    upstream = draw(len(layout.rows), 128, seed=2, dtype=dtype)
    wide = tuple(x.double() for x in inputs)
    exact = gradients(reference.attention_rows, wide, upstream.double(), layout, heads, 0.0)
    torchs = gradients(by_torch, inputs, upstream, layout, heads)
    with whole():
        found = gradients(attention_rows, inputs, upstream, layout, heads, 0.0)
        assert torch.equal(attention_rows(*inputs, layout, heads, 0.0), found[0])
        assert all(map(torch.equal, gradients(attention_rows, inputs, upstream, layout, heads, 0.0), found))
    for each in zip(found, torchs, exact, strict=True):
        no_worse(*each, floor=FLOOR)


@pytest.mark.parametrize("dim", [16, 32, 128])
def test_heads_of_other_dimensions(
    dim: int, dtype: torch.dtype, packed: Any, draw: Any, whole: Any, no_worse: Any
) -> None:
    layout = packed([33, 70])
    qkv, upstream = draw(103, 6 * dim, dtype=dtype), draw(103, 2 * dim, seed=1, dtype=dtype)
    exact = gradients(reference.attention, (qkv.double(),), upstream.double(), layout, 2, 0.0)
    torchs = gradients(by_torch_packed, (qkv,), upstream, layout, 2)
    with whole():
        found = gradients(attention, (qkv,), upstream, layout, 2, 0.0)
    for each in zip(found, torchs, exact, strict=True):
        no_worse(*each, floor=FLOOR)


def test_large_scores_do_not_overflow(dtype: torch.dtype, packed: Any, draw: Any, no_worse: Any) -> None:
    layout = packed([70])
    qkv = draw(70, 192, dtype=dtype) * 30
    found = gradients(attention, (qkv,), torch.ones_like(qkv[:, :64]), layout, 1, 0.0)
    assert all(bool(x.isfinite().all()) for x in found)
    exact = reference.attention(qkv.double(), layout, 1, 0.0)
    no_worse(found[0], by_torch_packed(qkv, layout, 1), exact)


def test_a_piece_alone_is_the_piece_among_others(dtype: torch.dtype, packed: Any, draw: Any) -> None:
    lengths = [130, 7, 129, 140, 66]
    layout = packed(lengths)
    qkv, upstream = draw(layout.tokens, 192, dtype=dtype), draw(layout.tokens, 64, seed=1, dtype=dtype)
    together = gradients(attention, (qkv,), upstream, layout, 1, 0.0)
    for a, b in zip(layout.bounds[:-1], layout.bounds[1:], strict=True):
        if b - a > 128:
            alone = gradients(attention, (qkv[a:b],), upstream[a:b], packed([b - a]), 1, 0.0)
            assert all(torch.equal(one, other[a:b]) for one, other in zip(alone, together, strict=True))


def test_views_and_upstreams_of_any_stride(packed: Any, draw: Any) -> None:
    layout = packed([20, 70])
    wide = draw(90, 400)
    out, dqkv = gradients(attention, (wide[:, 7:199],), draw(64, 90, seed=1).t(), layout, 1, 0.0)
    near, dnear = gradients(
        attention, (wide[:, 7:199].contiguous(),), draw(64, 90, seed=1).t().contiguous(), layout, 1, 0.0
    )
    assert torch.equal(out, near)
    assert torch.equal(dqkv, dnear)
    x = wide[:, :192].clone().requires_grad_()
    attention(x, layout, 1, 0.0).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad[:, 128:].sum(), torch.tensor(90.0 * 64, device=x.device))


def dropped(lengths: list[int], rows: list[int], dropout: float, packed: Any, device: str) -> tuple[Tensor, ...]:
    """Which weights stay, a matrix [r, L] a piece: values that are unit vectors show the weights, of equal scores."""
    wanted = [list(range(r)) for r in rows]
    layout, dim = packed(lengths, wanted), 128
    assert max(lengths) <= dim
    value = torch.cat([torch.eye(length, dim) for length in lengths]).to(device)
    query = torch.zeros(sum(rows), dim, device=device)
    torch.manual_seed(0)
    out = attention_rows(query, torch.cat([torch.zeros_like(value), value], 1), layout, 1, dropout)
    shares = [part[:, :length] * length for part, length in zip(out.split(rows), lengths, strict=True)]
    return tuple(shares)


def test_dropout_drops_its_share_and_keeps_the_mean(packed: Any, device: str) -> None:
    for p in (0.1, 0.5):
        shares = torch.cat([x.flatten() for x in dropped([128, 100, 128], [128, 100, 60], p, packed, device)])
        limit = threshold(p)
        keep = STEPS / (STEPS - limit)
        assert set(shares.mul(1000).round().tolist()) == {0.0, round(keep * 1000)}
        # 34,064 draws: five standard deviations.
        assert abs(float((shares == 0).float().mean()) - limit / STEPS) < 5 * (p * (1 - p) / 34064) ** 0.5
    assert all(bool((x > 0.99).all()) for x in dropped([128], [5], 0.0, packed, device))


def test_what_is_dropped_does_not_depend_on_the_tile(packed: Any, device: str) -> None:
    """16 rows and 128 take different tiles, as do keys of up to 32 and more."""
    (all_rows,) = dropped([100], [100], 0.3, packed, device)
    (few_rows,) = dropped([100], [9], 0.3, packed, device)
    (few_keys,) = dropped([30], [9], 0.3, packed, device)
    assert torch.equal(all_rows[:9] > 0, few_rows > 0)
    assert torch.equal(all_rows[:9, :30] > 0, few_keys > 0)
    # Neighbouring rows, keys and the eight draws of one round of Philox agree no more often than by chance.
    stays = (all_rows > 0).float() - 0.7
    for shift in (1, 2, 4, 8, 16):
        for a, b in ((stays[shift:], stays[:-shift]), (stays[:, shift:], stays[:, :-shift])):
            assert abs(float((a * b).mean())) < 5 * 0.21 / a.numel() ** 0.5


@pytest.mark.parametrize("lengths", [[65, 3], [130]], ids=str)
def test_dropout_has_the_gradient_of_what_it_drew(
    lengths: list[int], packed: Any, draw: Any, dtype: torch.dtype
) -> None:
    layout, heads = packed(lengths), 2
    qkv = draw(layout.tokens, 384, dtype=dtype)
    upstream = draw(layout.tokens, 128, seed=1, dtype=dtype)

    # Values that are unit vectors show which weights stay, 64 keys at a time; queries and keys change nothing in it.
    kept = torch.zeros(heads, layout.tokens, max(lengths), device=qkv.device)
    for first in range(0, max(lengths), 64):
        shown = qkv.clone()
        for a, b in zip(layout.bounds[:-1], layout.bounds[1:], strict=True):
            window = torch.eye(b - a, max(lengths), device=qkv.device)[:, first : first + 64]
            shown[a:b, 256:] = F.pad(window, (0, 64 - window.shape[1])).repeat(1, heads)
        shown[:, :256] = 0
        torch.manual_seed(5)
        part = attention(shown, layout, heads, 0.2).unflatten(1, (heads, 64)).transpose(0, 1)
        kept[:, :, first : first + 64] = (part > 0)[:, :, : max(lengths) - first]
    keep = STEPS / (STEPS - threshold(0.2))

    def masked(x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(1, (heads, 64)).transpose(0, 1) for part in x.chunk(3, dim=1))
        out = []
        for a, b in zip(layout.bounds[:-1], layout.bounds[1:], strict=True):
            p = torch.softmax(q[:, a:b] @ k[:, a:b].transpose(1, 2) / 8, -1)
            out.append((p * kept[:, a:b, : b - a].to(p.dtype) * keep) @ v[:, a:b])
        return torch.cat(out, 1).transpose(0, 1).flatten(1)

    torch.manual_seed(5)
    found = gradients(attention, (qkv,), upstream, layout, heads, 0.2)
    exact = gradients(masked, (qkv.double(),), upstream.double())
    tolerance = 40 * torch.finfo(dtype).eps
    for ours, true in zip(found, exact, strict=True):
        torch.testing.assert_close(ours.double(), true, atol=tolerance, rtol=tolerance)
    again = attention(qkv, layout, heads, 0.2)
    assert not torch.equal(again, found[0])
    torch.manual_seed(5)
    assert torch.equal(attention(qkv, layout, heads, 0.2), found[0])


@pytest.mark.parametrize("which", WANTED)
@pytest.mark.parametrize("lengths", [[1, 1], [65, 1, 130, 3, 64]], ids=str)
def test_attention_weights(
    lengths: list[int], which: str, dtype: torch.dtype, packed: Any, draw: Any, whole: Any
) -> None:
    layout, heads = packed(lengths, WANTED[which](lengths)), 3
    query, kv = draw(len(layout.rows), 192, dtype=dtype), draw(layout.tokens, 384, seed=1, dtype=dtype)
    exact = reference.attention_weights(query.double(), kv.double(), layout, heads)
    with whole():
        found = attention_weights(query, kv, layout, heads)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found.double(), exact.double(), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("kernel", "arch"), [*product(("forward", "dquery", "dkey"), ARCHES)])
def test_tiles(kernel: str, arch: int) -> None:
    """Powers of two that tensor cores take; lengths of one class share an entry, which is compiled ahead."""
    ahead = set(attention_entries(kernel, arch))
    for itemsize, dim, rows, keys, dropout in product(
        (2, 4), (16, 32, 64, 128), (1, 16, 17, 77, 500), (1, 32, 33, 500), (False, True)
    ):
        if rows > keys:
            continue
        plan = attention_launch(kernel, arch, itemsize, dim, rows, keys, dropout)
        assert {plan.block_m, plan.block_n} <= {16, 32, 64, 128}
        assert plan.warps in (4, 8)
        assert ("bf16" if itemsize == 2 else "fp32", dim, dropout, plan) in ahead
        assert plan.block_m == 16 or rows > 16
    assert attention_launch(kernel, arch, 2, 64, 129, 129, False) == attention_launch(
        kernel, arch, 2, 64, 512, 512, False
    )
    assert len(ahead) <= 80
