"""BERT the plain way, in fp64, on padded rows with an additive mask, by the original's names. And its inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from oracle.kmers import kmer_ids
from torch import Tensor

CLS, SEP = 2, 3


def real_sequences() -> list[str]:
    """Human sequences of 5 to 515 bases."""
    return (Path(__file__).parent.parent / "data" / "dnabert" / "sequences.txt").read_text().split()


def rows(sequences: Sequence[str], k: int) -> list[list[int]]:
    """[CLS] ids [SEP] of each sequence."""
    return [[CLS, *kmer_ids(sequence.encode(), k), SEP] for sequence in sequences]


def packed_arrays(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """ids u16 [T] and cu_seqlens i32 [m + 1] of rows of any lengths."""
    bounds = np.cumsum([0, *(len(row) for row in rows)])
    return np.concatenate([np.array(row) for row in rows]).astype(np.uint16), bounds.astype(np.int32)


def padded(rows: Sequence[Sequence[int]], length: int | None = None) -> tuple[Tensor, Tensor]:
    """ids int64 [n, L] padded with 0 and mask int64 [n, L], 1 for real tokens; L is the longest where not given."""
    length = length or max(map(len, rows))
    ids, mask = torch.zeros(len(rows), length, dtype=torch.long), torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


def hidden_states(state: Mapping[str, Tensor], ids: Tensor, added: Tensor, heads: int, eps: float = 1e-12) -> Tensor:
    """The last layer's states fp64 [n, L, H]; `added` [n, L] goes onto the scores of each key as it is."""
    weights = {name: tensor.double() for name, tensor in state.items()}

    def dense(x: Tensor, name: str) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + eps)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def by_head(x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)

    table = "bert.embeddings.{}_embeddings.weight"
    x = weights[table.format("word")][ids] + weights[table.format("token_type")][0]
    x = norm(x + weights[table.format("position")][: ids.shape[1]], "bert.embeddings.LayerNorm")
    for i in range(sum(name.endswith("intermediate.dense.weight") for name in state)):
        at = f"bert.encoder.layer.{i}"
        q, k, v = (by_head(dense(x, f"{at}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + added.double()[:, None, None, :]
        context = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = norm(dense(context, f"{at}.attention.output.dense") + x, f"{at}.attention.output.LayerNorm")
        y = dense(x, f"{at}.intermediate.dense")
        y = y * (1 + torch.erf(y / math.sqrt(2))) / 2
        x = norm(dense(y, f"{at}.output.dense") + x, f"{at}.output.LayerNorm")
    return x


def pooled(state: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
    """tanh of the pooler on the first row of each: fp64 [n, H]."""
    weight, bias = (state[f"bert.pooler.dense.{kind}"].double() for kind in ("weight", "bias"))
    return torch.tanh(hidden[:, 0] @ weight.T + bias)
