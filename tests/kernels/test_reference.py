"""The reference operations against torch's own in fp64: they are the oracle of everything else."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dnabert_fast.kernels import reference
from torch import Tensor

from dnabert_fast.seq.batch import tokenize_spans


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_layer_norm() -> None:
    x, weight, bias = draw(7, 12), draw(12, seed=1), draw(12, seed=2)
    expected = F.layer_norm(x, (12,), weight, bias, 1e-12)
    torch.testing.assert_close(reference.layer_norm(x, weight, bias, 1e-12), expected)
    torch.testing.assert_close(
        reference.residual_layer_norm(x - 1, torch.ones_like(x), weight, bias, 1e-12, 0.0), expected
    )


def test_embed() -> None:
    tables = (draw(9, 6), draw(5, 6, seed=1), draw(2, 6, seed=2))
    norm = (draw(6, seed=3), draw(6, seed=4))
    ids, positions, types = torch.tensor([8, 0, 3]), torch.tensor([0, 1, 4]), torch.tensor([0, 1, 1])
    for given in (None, types):
        of_type = tables[2][torch.zeros(3, dtype=torch.long) if given is None else given]
        summed = tables[0][ids] + tables[1][positions] + of_type
        layout = SimpleNamespace(ids=ids, positions=positions, types=given)
        found = reference.embed(layout, tables, norm, 1e-12)  # type: ignore[arg-type]
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
    hidden, word, bias = draw(6, 4), draw(11, 4, seed=1), draw(11, seed=2)
    labels = torch.tensor([0, 10, 3, 3, 7, 1])
    expected = F.cross_entropy(F.linear(hidden, word, bias), labels)
    torch.testing.assert_close(reference.mlm_cross_entropy(hidden, word, bias, labels), expected)


def test_dropout_before_the_sum() -> None:
    x, weight, bias = draw(400, 12), draw(12, seed=1), draw(12, seed=2)
    torch.manual_seed(3)
    dropped = F.dropout(x, 0.25)
    torch.manual_seed(3)
    found = reference.residual_layer_norm(x, x, weight, bias, 1e-12, 0.25)
    torch.testing.assert_close(found, F.layer_norm(dropped + x, (12,), weight, bias, 1e-12))


@pytest.mark.parametrize("k", [3, 6])
def test_ids_of_bases_are_those_of_the_core(k: int) -> None:
    rng = np.random.default_rng(k)
    ascii = rng.choice(np.frombuffer(b"ACGTN", np.uint8), 300, p=[0.24, 0.24, 0.24, 0.24, 0.04])
    starts, ends = np.array([0, 7, 50, 100]), np.array([40, 7 + k, 50 + k - 1, 260])
    reverse = np.array([False, True, False, True])
    batch = tokenize_spans(ascii, starts, ends, reverse, k)
    code = np.full(256, 4, np.uint8)
    code[np.frombuffer(b"ATCG", np.uint8)] = range(4)
    bases = SimpleNamespace(
        codes=torch.from_numpy(code[ascii]), starts=torch.from_numpy(starts), reverse=torch.from_numpy(reverse), k=k
    )
    found = reference.ids_of_bases(SimpleNamespace(bases=bases, bounds=batch.cu_seqlens.tolist()))  # type: ignore[arg-type]
    assert found.tolist() == batch.ids.tolist()


def test_attention_weights_of_the_first_wanted_row() -> None:
    query, kv = draw(3, 8), draw(9, 16, seed=1)
    layout = SimpleNamespace(bounds=[0, 4, 5, 9], row_bounds=torch.tensor([0, 1, 1, 3]))
    found = reference.attention_weights(query, kv, layout, 2)  # type: ignore[arg-type]
    for head in range(2):
        lanes = slice(4 * head, 4 * head + 4)
        for piece, row in ((slice(0, 4), 0), (slice(5, 9), 1)):
            expected = torch.softmax(kv[piece, lanes] @ query[row, lanes] / 2, 0)
            torch.testing.assert_close(found[piece, head].double(), expected)
    assert not found[4].any()
