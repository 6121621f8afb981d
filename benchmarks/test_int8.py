"""The 110 M encoder on a processor in int8 and bf16, against transformers, onnxruntime and OpenVINO, weights the same.

    python -m pytest benchmarks/test_int8.py -s

Peers, which are needed here alone: transformers with SDPA in fp32; onnxruntime with the dynamic quantisation of its own
tools (u8 activations, s8 weights), each at its best batch size; OpenVINO with its hint for bf16, at its best batch size
and one stream a core or one for all. onnx and onnxscript export transformers' model for the last two. Ours and the peer
take turns, and the best turn of each counts. The error of a pair against fp32 is compared before it is timed.

`test_ceiling` says which share of a large int8 product's rate our products reach, and where the rest of the time goes.
With --quick there are two layers and two windows, and no bar is held.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from oracle import bert
from test_encoder import Rows, network, operations, ours, peer, seconds, transformers_sdpa

from dnabert_fast.nn.backends import available, choose
from dnabert_fast.nn.packed import Packed
from dnabert_fast.nn.prepared import PreparedEncoder

pytestmark = pytest.mark.skipif(available("cpu")["int8"] is not None, reason="no fast int8 here")

SHAPES = {"98": (98, 64, (8, 32)), "512": (512, 16, (2, 8))}
"""Tokens of a window, windows, the batch sizes that a peer may take."""

Run = Callable[[], torch.Tensor]


@pytest.fixture(scope="module")
def layers(quick: bool) -> int:
    """Layers of the network."""
    return 2 if quick else 12


def rows_of(shape: str, layers: int) -> Rows:
    """Windows over random k-mers, few for a network that is cut short; the work does not depend on which."""
    length, windows, _ = SHAPES[shape]
    windows = windows if layers == 12 else 2
    rng = np.random.default_rng(3)
    return [[bert.CLS, *rng.integers(5, 4101, length - 2).tolist(), bert.SEP] for _ in range(windows)]


@pytest.fixture(scope="module")
def exported(layers: int) -> Iterator[Path]:
    """transformers' model as ONNX: ids [batch, length] to logits; no mask, as nothing is padded."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        # Warnings are of tracing, and that there is another exporter; the peer may have been made in inference mode.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Logits(peer("fp32", layers)).eval(),  # or it is left in training
                (torch.full((2, 98), 7),),
                str(path),
                input_names=["ids"],
                output_names=["logits"],
                dynamic_axes={"ids": {0: "batch", 1: "length"}},
                dynamo=False,
            )
        yield path


class _Logits(torch.nn.Module):
    def __init__(self, model: transformers.BertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(ids, attention_mask=torch.ones_like(ids)).logits
        return logits


def onnxruntime_int8(path: Path, rows: Rows, batch: int) -> Run:
    """Weights quantised once, a scale a tensor, operands quantised as they come: what quantize_dynamic does."""
    runtime = pytest.importorskip("onnxruntime")
    session = _session(runtime, path)
    ids = np.array(rows)

    def run() -> torch.Tensor:
        parts = [session.run(None, {"ids": ids[at : at + batch]})[0] for at in range(0, len(ids), batch)]
        return torch.from_numpy(np.concatenate(parts))

    return run


@cache
def _session(runtime: Any, path: Path) -> Any:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantised = path.with_name("int8.onnx")
    quantize_dynamic(path, quantised, weight_type=QuantType.QInt8, per_channel=True)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return runtime.InferenceSession(str(quantised), options, providers=["CPUExecutionProvider"])


def openvino_bf16(path: Path, rows: Rows, batch: int, streams: int) -> Run:
    """Batches in as many requests as there are streams."""
    vino = pytest.importorskip("openvino")
    compiled = _compiled(vino, path, streams)
    ids = np.array(rows)
    starts = range(0, len(ids), batch)

    def run() -> torch.Tensor:
        found: dict[int, np.ndarray] = {}
        queue = vino.AsyncInferQueue(compiled, streams)
        queue.set_callback(lambda request, at: found.__setitem__(at, request.get_output_tensor(0).data.copy()))
        for at in starts:
            queue.start_async({0: ids[at : at + batch]}, at)
        queue.wait_all()
        return torch.from_numpy(np.concatenate([found[at] for at in starts])).float()

    return run


@cache
def _compiled(vino: Any, path: Path, streams: int) -> Any:
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    return vino.Core().compile_model(str(path), "CPU", settings)


def rmse(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found - exact).square().mean().sqrt())


def best_of(mine: Run, peers: dict[str, Run], turns: int = 4) -> tuple[float, float, str]:
    """Seconds of ours, of the best peer, and its name: all are tried once, then ours and the best in turns."""
    first = {name: seconds(run) for name, run in peers.items()}
    best = min(first, key=first.__getitem__)
    ours_best, theirs = seconds(mine), first[best]
    for _ in range(turns):
        ours_best, theirs = min(ours_best, seconds(mine)), min(theirs, seconds(peers[best]))
    return ours_best, theirs, best


def compare(
    name: str,
    rows: Rows,
    mine: Run,
    peers: dict[str, Run],
    bar: float | None,
    record: Callable[[str, object], None],
) -> None:
    """Time both in turns, tell and record the ratio and the machine's load, and hold the bar, if there is one."""
    windows, shape = len(rows), len(rows[0])
    load = os.getloadavg()[0]
    own, theirs, which = best_of(mine, peers)
    ratio = theirs / own
    print(
        f"{name} {shape}: {ratio:.2f} times (bar {bar}); ours {windows / own:.1f} windows/s, theirs "
        f"{windows / theirs:.1f} ({which}); {torch.get_num_threads()} threads, load {load:.1f}"
    )
    record(f"{name} {shape}", ratio)
    record(f"{name.split(' / ')[0]} windows/s {shape}", windows / own)
    assert bar is None or ratio >= bar


@pytest.mark.parametrize("shape", SHAPES)
def test_int8_against_transformers(
    shape: str, layers: int, quick: bool, record_property: Callable[[str, object], None]
) -> None:
    rows = rows_of(shape, layers)
    exact = transformers_sdpa(rows, "fp32", 8, layers)
    # Of a random network, whose logits shift all alike; real models are the business of the check.
    moved = ours(rows, "int8", layers) - exact
    assert moved.std(0).mean() < 0.5 * exact.std(0).mean()
    peers = {
        f"batch {batch}": lambda batch=batch: transformers_sdpa(rows, "fp32", batch, layers)
        for batch in SHAPES[shape][2]
    }
    bar = None if quick else 3.6
    compare("int8 / transformers fp32", rows, lambda: ours(rows, "int8", layers), peers, bar, record_property)


@pytest.mark.parametrize("shape", SHAPES)
def test_int8_against_onnxruntime(
    shape: str, layers: int, quick: bool, exported: Path, record_property: Callable[[str, object], None]
) -> None:
    rows = rows_of(shape, layers)
    exact = transformers_sdpa(rows, "fp32", 8, layers)
    peers = {f"batch {batch}": onnxruntime_int8(exported, rows, batch) for batch in SHAPES[shape][2]}
    # No less accurate than the peer.
    theirs = rmse(next(iter(peers.values()))(), exact)
    own = rmse(ours(rows, "int8", layers), exact)
    print(f"deviation from fp32 logits: ours {own:.2g}, theirs {theirs:.2g}, of {exact.std(0).mean():.2g}")
    assert quick or own <= 1.1 * theirs
    bar = None if quick else 1.15
    compare("int8 / onnxruntime int8", rows, lambda: ours(rows, "int8", layers), peers, bar, record_property)


@pytest.mark.parametrize("shape", SHAPES)
def test_bf16_against_openvino(
    shape: str, layers: int, quick: bool, exported: Path, record_property: Callable[[str, object], None]
) -> None:
    # Five times over: so many batches that neither waits long for its last one.
    rows = rows_of(shape, layers)
    exact = transformers_sdpa(rows, "fp32", 8, layers).repeat(5, 1)
    rows = rows * 5
    peers = {
        f"batch {batch}, {streams} streams": openvino_bf16(exported, rows, batch, streams)
        for batch in SHAPES[shape][2]
        for streams in sorted({1, torch.get_num_threads()})
    }
    assert quick or rmse(ours(rows, "bf16", layers), exact) <= 2 * rmse(next(iter(peers.values()))(), exact)
    bar = None if quick else 1.0
    compare("bf16 / openvino bf16", rows, lambda: ours(rows, "bf16", layers), peers, bar, record_property)


def int8_rate(rows: int = 512, size: int = 2048) -> float:
    """Operations a second of a large product of codes on one thread."""
    codes, weight = torch.randint(0, 256, (rows, size)).byte(), torch.randint(-127, 128, (size, size)).to(torch.int8)
    packed, scale = torch.ops.onednn.qlinear_prepack(weight, None), torch.ones(size)
    zero = torch.zeros(size, dtype=torch.int32)
    rest = (packed, scale, zero, None, 1.0, 0, torch.float32, "none", [], "")
    each = [processor_seconds(lambda: torch.ops.onednn.qlinear_pointwise(codes, 1.0, 0, *rest)) for _ in range(12)]
    return 2 * rows * size * size / min(each)


def processor_seconds(run: Callable[[], object]) -> float:
    """Of this process: what others do meanwhile hardly counts."""
    start = time.process_time()
    run()
    return time.process_time() - start


@torch.inference_mode()
def test_ceiling(layers: int, record_property: Callable[[str, object], None]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = rows_of("98", layers)[:41]
        packed = Packed.from_arrays(*bert.packed_arrays(rows))
        backend = choose("cpu", "cpu", "int8")
        watch = _Watch(backend.frozen)
        encoder = PreparedEncoder(network("int8", layers).encoder, backend)
        watched = PreparedEncoder(network("int8", layers).encoder, _with(backend, watch))
        whole = min(processor_seconds(lambda: encoder.encode(packed)) for _ in range(4))
        watched.encode(packed)
        parts: dict[str, float] = {}
        for _ in range(4):
            watch.spent = {}
            watched.encode(packed)
            parts = {name: min(spent, parts.get(name, spent)) for name, spent in watch.spent.items()}
        ceiling = int8_rate()
    finally:
        torch.set_num_threads(threads)
    attention = sum(4 * 768 * len(row) ** 2 for row in rows) * (layers - 1) + 4 * 768 * sum(map(len, rows))
    products = operations([len(row) for row in rows], layers) - attention
    share = products / whole / ceiling
    told = ", ".join(f"{name} {spent / whole:.0%}" for name, spent in parts.items())
    print(
        f"int8 98, one thread: {len(rows) / whole:.1f} windows/s of processor time; products alone would take "
        f"{share:.0%} of it at the {ceiling / 1e9:.0f} GOP/s of a large one; steps with their products: {told}"
    )
    record_property("int8 share of ceiling 98", share)
    record_property("int8 share of attention 98", parts["attention"] / whole)


def _with(backend: Any, frozen: Any) -> Any:
    from dataclasses import replace

    return replace(backend, frozen=frozen)


class _Watch:
    """The steps of a backend, and the processor's seconds spent in each."""

    def __init__(self, steps: Any) -> None:
        self.steps = steps
        self.spent: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        step = getattr(self.steps, name)

        def timed(*args: Any) -> Any:
            start = time.process_time()
            found = step(*args)
            self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - start
            return found

        return timed
