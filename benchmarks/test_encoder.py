"""The 110 M encoder on a processor: ours, and transformers with SDPA on the same weights, precision and threads.

    python -m pytest benchmarks/test_encoder.py -k ratio -s

`test_ratio` times both in turns and holds the bars: windows of one length (transformers at its best batch size) and of
30 to 512 tokens (transformers pads batches of 32 in the order given, ours are packed in order of length). It also says
which share of a large matrix product's rate our products reach. A pair whose logits differ is not timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch
import transformers
from oracle import bert
from pytest_benchmark.fixture import BenchmarkFixture

from dnabert_fast.engine.predict import MAX_TOKENS
from dnabert_fast.engine.workers import Workers
from dnabert_fast.nn.backends import choose
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Packed
from dnabert_fast.seq.batch import cut

Rows = list[list[int]]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Shape:
    """Windows of `lengths` tokens, the batch sizes that transformers may take, the ratio to reach, turns to time."""

    lengths: list[int]
    batches: list[int]
    bar: float
    turns: int

    def rows(self) -> Rows:
        """Windows over random k-mers; the work does not depend on which."""
        rng = np.random.default_rng(3)
        return [[bert.CLS, *rng.integers(5, 4101, length - 2).tolist(), bert.SEP] for length in self.lengths]


SHAPES = {
    "98": Shape([98] * 32, [8, 16, 32], 1.05, 3),
    "512": Shape([512] * 8, [2, 4, 8], 1.05, 3),
    "mixed": Shape(np.random.default_rng(1).integers(30, 513, 32).tolist(), [32], 1.8, 2),
}


@cache
def network(dtype: str, layers: int = 12) -> Network:
    """The same weights in every precision, twice as wide as BERT's beginning so that logits vary."""
    config = PRESETS["dnabert-6"].with_head("sequence", ("0", "1"))
    config = replace(config, encoder=replace(config.encoder, layers=layers))
    net = build(config, choose("cpu", "cpu", dtype), seed=1).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    return net


@cache
def peer(dtype: str, layers: int = 12) -> transformers.BertForSequenceClassification:
    config = transformers.BertConfig(vocab_size=4101, attn_implementation="sdpa", num_hidden_layers=layers)
    model = transformers.BertForSequenceClassification(config).eval()
    model.load_state_dict(split(network("fp32", layers)))
    return model.to(DTYPES[dtype])


@cache
def workers() -> Workers:
    return Workers(torch.get_num_threads())


@torch.inference_mode()
def ours(rows: Rows, dtype: str, layers: int = 12) -> torch.Tensor:
    """Logits in the order given; as the engine does it: batches cut by tokens in order of length, one a core."""
    lengths = np.array([len(row) for row in rows])
    order = np.argsort(lengths, kind="stable")
    batches = [order[part] for part in cut(lengths[order], MAX_TOKENS)]
    net = network(dtype, layers)
    net.prepare()

    def encoded(batch: np.ndarray) -> torch.Tensor:
        return net(Packed.from_arrays(*bert.packed_arrays([rows[i] for i in batch])))

    logits = torch.empty(len(rows), 2)
    for batch, found in zip(batches, workers().map(encoded, batches), strict=True):
        logits[batch] = found
    return logits


@torch.inference_mode()
def transformers_sdpa(rows: Rows, dtype: str, batch: int, layers: int = 12) -> torch.Tensor:
    """Logits in the order given; batches as they come, padded to their longest."""
    logits = []
    for at in range(0, len(rows), batch):
        ids, mask = bert.padded(rows[at : at + batch])
        logits.append(peer(dtype, layers)(ids, attention_mask=None if mask.all() else mask).logits.float())
    return torch.cat(logits)


def check(rows: Rows, dtype: str) -> None:
    """fp32: the same logits. bf16: errors against fp32 at most twice those of transformers in bf16."""
    exact = transformers_sdpa(rows, "fp32", len(rows))
    found = ours(rows, dtype)
    assert exact.std(0).min() > 0.01
    if dtype == "fp32":
        torch.testing.assert_close(found, exact, atol=1e-5, rtol=0)
    else:
        theirs = transformers_sdpa(rows, dtype, len(rows))
        assert (found - exact).square().mean().sqrt() <= 2 * (theirs - exact).square().mean().sqrt()


def operations(lengths: list[int], layers: int = 12) -> int:
    """Floating-point operations of our products: the last layer beyond keys and values is for [CLS] alone."""
    tokens, windows = sum(lengths), len(lengths)
    square = 2 * 768 * 768
    layer = 12 * square * tokens + sum(4 * 768 * length * length for length in lengths)
    return (layers - 1) * layer + 2 * square * tokens + 10 * square * windows + 4 * 768 * tokens


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def matmul_rate(dtype: str, size: int = 2048) -> float:
    """Operations a second of one large matrix product."""
    a, b = (torch.randn(size, size).to(DTYPES[dtype]) for _ in range(2))
    return 2 * size**3 / min(seconds(lambda: a @ b) for _ in range(8))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("impl", ["ours", "transformers_sdpa"])
def test_encoder(benchmark: BenchmarkFixture, impl: str, dtype: str, shape: str) -> None:
    case = SHAPES[shape]
    rows = case.rows()
    check(rows[:8], dtype)
    run = (lambda: ours(rows, dtype)) if impl == "ours" else lambda: transformers_sdpa(rows, dtype, case.batches[-1])
    benchmark.pedantic(run, rounds=2)
    benchmark.extra_info["tokens_per_second"] = sum(case.lengths) / benchmark.stats.stats.min


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_ratio(dtype: str, shape: str, record_property: Callable[[str, object], None]) -> None:
    case = SHAPES[shape]
    rows = case.rows()
    check(rows[:8], dtype)
    mine, ceiling = seconds(lambda: ours(rows, dtype)), matmul_rate(dtype)
    theirs = {batch: seconds(lambda batch=batch: transformers_sdpa(rows, dtype, batch)) for batch in case.batches}
    best = min(theirs, key=theirs.__getitem__)
    for _ in range(case.turns - 1):
        mine = min(mine, seconds(lambda: ours(rows, dtype)))
        theirs[best] = min(theirs[best], seconds(lambda: transformers_sdpa(rows, dtype, best)))
        ceiling = max(ceiling, matmul_rate(dtype))
    found, share = theirs[best] / mine, operations(case.lengths) / mine / ceiling
    print(
        f"encoder {dtype} {shape}: {found:.2f} times transformers (batch {best}), bar {case.bar}; "
        f"{sum(case.lengths) / mine:.0f} tokens/s on {torch.get_num_threads()} threads, {share:.0%} of a matmul's rate"
    )
    record_property(f"encoder / transformers {dtype} {shape}", found)
    record_property(f"encoder share of matmul {dtype} {shape}", share)
    assert found >= case.bar
