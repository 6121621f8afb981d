"""The reference operations against torch's own in fp64: they are the oracle of everything else."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from dnabert_fast.kernels import reference
from torch import Tensor


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_layer_norm() -> None:
    x, weight, bias = draw(7, 12), draw(12, seed=1), draw(12, seed=2)
    expected = F.layer_norm(x, (12,), weight, bias, 1e-12)
    torch.testing.assert_close(reference.layer_norm(x, weight, bias, 1e-12), expected)
    torch.testing.assert_close(reference.residual_layer_norm(x - 1, torch.ones_like(x), weight, bias, 1e-12), expected)


def test_embed() -> None:
    tables = (draw(9, 6), draw(5, 6, seed=1), draw(2, 6, seed=2))
    norm = (draw(6, seed=3), draw(6, seed=4))
    ids, positions, types = torch.tensor([8, 0, 3]), torch.tensor([0, 1, 4]), torch.tensor([0, 1, 1])
    for given in (None, types):
        of_type = tables[2][torch.zeros(3, dtype=torch.long) if given is None else given]
        summed = tables[0][ids] + tables[1][positions] + of_type
        found = reference.embed(ids, positions, given, tables, norm, 1e-12)
        torch.testing.assert_close(found, F.layer_norm(summed, (6,), *norm, 1e-12))


def test_linear_and_gelu() -> None:
    x, weight, bias = draw(7, 12), draw(5, 12, seed=1), draw(5, seed=2)
    torch.testing.assert_close(reference.linear(x, weight, bias), F.linear(x, weight, bias))
    torch.testing.assert_close(reference.linear(x, weight, None), F.linear(x, weight))
    torch.testing.assert_close(reference.linear_gelu(x, weight, bias), F.gelu(F.linear(x, weight, bias)))


def test_attend() -> None:
    q, k, v, bias = draw(3, 4, 8), draw(3, 6, 8, seed=1), draw(3, 6, 8, seed=2), draw(6, seed=3)
    for added in (None, bias):
        mask = None if added is None else added.expand(4, 6)
        expected = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask)[0]
        torch.testing.assert_close(reference.attend(q, k, v, added, 0.0), expected)


def test_mlm_cross_entropy() -> None:
    logits, labels = draw(6, 11), torch.tensor([0, 10, 3, 3, 7, 1])
    torch.testing.assert_close(reference.mlm_cross_entropy(logits, labels), F.cross_entropy(logits, labels))
