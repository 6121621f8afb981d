"""Packed batches, networks and backends that the steps run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .bench import Bench, Missing

MIXED = (30, 512)


def lengths(bench: Bench, shape: str, tokens: int) -> list[int]:
    """Tokens of each piece: about `tokens` in all, each 512 or 98 long or uniformly between 30 and 512."""
    if bench.dry:
        return {"512": [40] * 2, "98": [24] * 2, "mixed": [7, 33, 20]}[shape]
    if shape != "mixed":
        return [int(shape)] * (tokens // int(shape))
    return np.random.default_rng(1).integers(MIXED[0], MIXED[1] + 1, tokens // (sum(MIXED) // 2)).tolist()


def rows(bench: Bench, each: list[int]) -> list[np.ndarray[Any, Any]]:
    """[CLS] random k-mers [SEP] of these lengths, uint16; the work does not depend on which k-mers."""
    rng = np.random.default_rng(3)
    most = config(bench, "sequence").encoder.vocab_size
    return [np.array([2, *rng.integers(5, most, length - 2), 3], np.uint16) for length in each]


def packed(bench: Bench, each: list[int], wanted: Any = "cls") -> Any:
    """These rows as one pack on the device."""
    from dnabert_fast.nn.packed import Packed

    bounds = np.concatenate([[0], np.cumsum(each)]).astype(np.int32)
    return Packed.from_arrays(np.concatenate(rows(bench, each)), bounds, device=bench.device, rows=wanted)


def backend(bench: Bench, precision: str = "bf16", stream: torch.dtype = torch.float32) -> Any:
    """The Triton backend in a precision, its residual in `stream`; dry, in Triton's interpreter in fp32."""
    from dnabert_fast.nn.backends import choose, triton_backend

    if bench.dry:
        return triton_backend("cpu", "fp32", "a dry run")
    try:
        chosen = choose("triton", "cuda", precision)
    except Exception as error:
        raise Missing(str(error)) from error
    return triton_backend(chosen.device, precision, "measured", stream=stream)


def config(bench: Bench, head: str) -> Any:
    """The 110 M network for 6-mers (dry: a tiny one) under a head."""
    from dnabert_fast.nn.config import PRESETS

    return PRESETS[bench.size("dnabert-6", "tiny")].with_head(head, () if head == "mlm" else ("0", "1"))


def network(bench: Bench, backend: Any, head: str = "sequence") -> Any:
    """A network of random weights twice as wide as BERT's beginning, so that logits vary; equal in all precisions."""
    from dnabert_fast.nn.network import build

    net = build(config(bench, head), backend, seed=1).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    return net.to(bench.device)


def layer_operations(config: Any, each: list[int], rows: int) -> float:
    """Floating-point operations of all layers but the last, and of the last for `rows` rows beyond keys and values."""
    hidden, wide, layers = config.hidden_size, config.intermediate_size, config.layers
    tokens, pairs = sum(each), sum(length * length for length in each)
    dense = 2 * (4 * hidden * hidden + 2 * hidden * wide)
    whole = dense * tokens + 4 * hidden * pairs
    keys = 2 * 2 * hidden * hidden * tokens
    rest = 2 * (2 * hidden * hidden + 2 * hidden * wide) * rows + 4 * hidden * pairs * rows / tokens
    return (layers - 1) * whole + keys + rest
