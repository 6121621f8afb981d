"""Batches in buckets of shapes: the same states as without, and recordings that are made, kept and given up."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnabert_fast.nn.backends import choose, triton_backend
from dnabert_fast.nn.config import EncoderConfig, NetworkConfig
from dnabert_fast.nn.graphs import MOST_TOKENS, CudaRecorder, Graphs, bucket_of
from dnabert_fast.nn.network import Network, build
from dnabert_fast.nn.packed import Layout, Packed
from dnabert_fast.nn.prepared import PreparedEncoder

GPU = torch.cuda.is_available()


class Again:
    """Records nothing: does the work each time, as a device would with the arrays it was recorded with."""

    def __init__(self) -> None:
        self.recorded = 0

    def record(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.recorded += 1
        return work


def pack(lengths: list[int], rows: str = "cls", seed: int = 0) -> Packed:
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    ids = np.random.default_rng(seed).integers(0, 69, bounds[-1]).astype(np.uint16)
    device = "cuda" if GPU else "cpu"
    return Packed.from_arrays(ids, bounds, device, rows=rows)  # type: ignore[arg-type]


LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=60)


@given(LENGTHS, st.sampled_from(["cls", "all"]))
def test_a_bucket_holds_its_layouts(lengths: list[int], rows: str) -> None:
    layout = pack(lengths, rows).flat
    bucket = bucket_of(layout, 512)
    if sum(lengths) > MOST_TOKENS:
        assert bucket is None
        return
    assert bucket is not None
    assert sum(lengths) <= bucket.tokens <= max(256, sum(lengths) * 3 / 2)
    assert len(lengths) <= bucket.pieces <= max(16, 2 * len(lengths))
    assert max(lengths) <= bucket.max_len <= 512
    assert bucket.cls == (rows == "cls")


def test_there_are_few_buckets() -> None:
    layouts = [pack([100] * n).flat for n in range(1, 82)]
    assert len({bucket_of(layout, 512) for layout in layouts}) <= 14


def test_layouts_that_graphs_do_not_take() -> None:
    ids, bounds = np.zeros(30, np.uint16), np.array([0, 10, 30], np.int32)
    assert bucket_of(Packed.from_arrays(ids, bounds).flat, 512) is not None
    for rows in (np.array([3]), np.array([0, 1, 2]), np.array([0, 1])):
        assert bucket_of(Packed.from_arrays(ids, bounds, rows=rows).flat, 512) is None
    assert bucket_of(Packed.from_arrays(ids, bounds, types=ids).flat, 512) is None
    assert bucket_of(Packed.from_arrays(ids, bounds).padded(40).flat, 512) is None


@given(st.lists(LENGTHS, min_size=1, max_size=8), st.integers(0, 99))
def test_what_is_recorded_sees_each_batch_and_empty_pieces(batches: list[list[int]], seed: int) -> None:
    """Sums of each piece's ids by what is on the device alone, as kernels read it."""

    def sums(layout: Layout) -> Tensor:
        assert layout.ids is not None
        assert layout.rows is not None
        assert layout.row_bounds is not None
        assert len(layout.rows) == len(layout.cu_seqlens) - 1 == len(layout.row_bounds) - 1
        running = torch.cat([torch.zeros(1, dtype=torch.int64, device=layout.ids.device), layout.ids.cumsum(0)])
        edges, bounds = running[layout.cu_seqlens.long()], layout.row_bounds
        assert (bounds.diff() >= 0).all()
        assert (layout.cu_seqlens.diff() >= 0).all()
        assert layout.cu_seqlens[-1] <= len(layout.ids)
        return torch.stack([edges.diff(), bounds.diff(), layout.ids[layout.rows]], 1)

    graphs = Graphs(sums, Again(), 512)
    for i, lengths in enumerate(batches):
        layout = pack(lengths, seed=seed + i).flat
        for _ in range(3):
            assert torch.equal(graphs(layout), sums(layout))


def test_a_graph_is_recorded_the_second_time_and_the_oldest_is_let_go() -> None:
    recorder = Again()

    def run(layout: Layout) -> Tensor:
        assert layout.ids is not None
        return layout.ids[:, None].float()

    graphs = Graphs(run, recorder, 512, most=2)
    small, middle, large = (pack([n], "all").flat for n in (10, 300, 500))
    for layout, recorded in ((small, 0), (small, 1), (small, 1), (middle, 1), (middle, 2), (small, 2), (large, 2)):
        assert torch.equal(graphs(layout), run(layout))
        assert recorder.recorded == recorded
    assert torch.equal(graphs(middle), run(middle))  # has been let go for the large one
    assert recorder.recorded == 2
    huge = pack([512] * 17, "all").flat
    for _ in range(3):
        assert graphs(huge).shape == (17 * 512, 1)
    assert recorder.recorded == 2


def test_a_recording_that_fails_is_told_and_not_tried_again() -> None:
    class Failing:
        tried = 0

        def record(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
            self.tried += 1
            raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    def run(layout: Layout) -> Tensor:
        assert layout.ids is not None
        return layout.ids[:, None]

    recorder = Failing()
    graphs = Graphs(run, recorder, 512)
    for i in range(5):
        layout = pack([5, 6], "all", seed=i).flat
        assert torch.equal(graphs(layout), run(layout))
    assert recorder.tried == 1
    assert graphs.reason == "operation not permitted when stream is capturing"


@pytest.fixture(scope="module")
def network() -> Network:
    encoder = EncoderConfig(
        vocab_size=69,
        hidden_size=64,
        layers=2,
        heads=2,
        intermediate_size=128,
        max_positions=100,
        initializer_range=0.2,
    )
    config = NetworkConfig(encoder=encoder, k=3, head="none", labels=())
    backend = choose("triton") if GPU else triton_backend("cpu", "fp32", "a test")
    return build(config, backend, seed=1).eval()


def test_states_are_those_of_the_batch_alone(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies in memory where a bucket's padding is."""
    prepared = PreparedEncoder(network.encoder, network.backend)
    eager = PreparedEncoder(network.encoder, network.backend)
    eager._graphs = None
    if not GPU:
        prepared._graphs = Graphs(prepared._run, Again(), 100)
    batches = [[9, 41, 2, 17, 100], [30, 30]]
    expected = [[eager.encode(pack(lengths, rows, i)) for i, lengths in enumerate(batches)] for rows in ("cls", "all")]
    empty = torch.empty

    def poisoned(*size: object, **options: object) -> Tensor:
        made: Tensor = empty(*size, **options)  # type: ignore[call-overload]
        return made.fill_(float("nan")) if made.is_floating_point() else made

    monkeypatch.setattr(torch, "empty", poisoned)
    for rows, wanted in zip(("cls", "all"), expected, strict=True):
        for _ in range(2):
            for i, lengths in enumerate(batches):
                found = prepared.encode(pack(lengths, rows, i))
                assert found.shape == wanted[i].shape
                assert torch.allclose(found, wanted[i], atol=1e-5)
    assert prepared.notes == ()


def test_processors_have_no_graphs() -> None:
    encoder = EncoderConfig(vocab_size=69, hidden_size=64, layers=2, heads=2, intermediate_size=128)
    network = build(NetworkConfig(encoder=encoder, k=3, head="none", labels=()), choose("cpu", "cpu"), seed=1).eval()
    assert network.prepare()._graphs is None
    assert network.prepare().notes == ()


def test_weights_are_let_go_with_their_encoder(network: Network) -> None:
    """At once: collections of what refers to itself do not see that a device's memory is full."""
    encoder = PreparedEncoder(network.encoder, replace(network.backend, device="cuda:0"))
    weights = weakref.ref(encoder._tables[0])
    gc.disable()
    try:
        del encoder
        assert weights() is None
    finally:
        gc.enable()


class Streams:
    """torch.cuda's streams as far as a recording uses them; `recorded` are those that graphs were recorded on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
        self.now, self.fails, self.made = self, fails, 0
        self.recorded: list[object] = []
        for name in ("Stream", "stream", "graph", "current_stream"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        for name in ("device", "CUDAGraph", "graph_pool_handle"):
            monkeypatch.setattr(torch.cuda, name, lambda *_: nullcontext())

    def Stream(self) -> Any:
        self.made += 1
        return type("Aside", (), {"wait_stream": self.wait_stream})()

    def current_stream(self) -> Any:
        return self.now

    def wait_stream(self, _: object) -> None:
        pass

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        before, self.now = self.now, stream
        try:
            yield
        finally:
            self.now = before

    @contextmanager
    def graph(self, graph: object, pool: object, stream: Any, capture_error_mode: str) -> Iterator[None]:
        self.recorded.append(stream)
        before, self.now = self.now, stream
        yield
        if self.fails:  # as torch does, which then leaves its stream the current one
            raise RuntimeError("operation failed due to a previous error during capture")
        self.now = before


@pytest.mark.parametrize("fails", [False, True])
def test_a_device_records_on_one_stream_of_its_own(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    streams = Streams(monkeypatch, fails)
    recorder, seen = CudaRecorder("cuda:1"), []

    def work() -> Tensor:
        seen.append(streams.now)
        return torch.zeros(1)

    for _ in range(2):
        with pytest.raises(RuntimeError, match="capture") if fails else nullcontext():
            recorder.record(work)
        assert streams.now is streams
    assert streams.made == 1
    assert len(seen) == 6
    assert len(set(map(id, [*seen, *streams.recorded]))) == 1
    assert streams.recorded[0] is not streams


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two GPUs")
def test_each_of_two_gpus_records_its_own_work() -> None:
    for device in ("cuda:1", "cuda:0"):
        value = torch.zeros(4, device=device)
        replay = CudaRecorder(device).record(lambda value=value: value + 1)
        value.fill_(5)
        assert replay().tolist() == [6.0] * 4


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="there is no GPU")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_gpu_records(network: Network, precision: str) -> None:
    backend = choose("triton", "cuda", precision)
    graphed, eager = (PreparedEncoder(network.encoder, backend) for _ in range(2))
    eager._graphs = None
    for i in range(6):
        packed = pack([9 + i, 41, 2, 17, 100], "cls", i)
        found = graphed.encode(packed)
        assert torch.allclose(found, eager.encode(packed), atol=1e-5 if precision == "fp32" else 5e-2)
        # From the second time on it is a replay, to the same bits.
        first = PreparedEncoder(network.encoder, backend).encode(packed)
        assert torch.equal(found, first)
    assert graphed.notes == ()
