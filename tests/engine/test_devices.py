"""A device that takes staged batches and makes ids itself: the same answers as a processor, from bases sent once.

Without a GPU the kernels run in Triton's interpreter, over a link whose streams are the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dnabert_fast import Genome, Model, Windows, load
from dnabert_fast.analysis.scan import ScanSummary, ScanUnit, plan_scan, scan
from dnabert_fast.analysis.variants import ChangeScorer, ScoredUnit, VariantOptions, VariantSummary, score_variants
from dnabert_fast.engine.runner import Runner
from dnabert_fast.io.vcf import VcfSource
from dnabert_fast.nn.backends import triton_backend
from dnabert_fast.nn.checkpoint import read_network
from dnabert_fast.nn.network import Network
from dnabert_fast.nn.staging import Ring, Spans

GPU = torch.cuda.is_available()


class Now:
    """A mark in a stream that is always done."""

    def __init__(self) -> None:
        self.time = time.perf_counter()

    def synchronize(self) -> None:
        pass

    def query(self) -> bool:
        return True

    def elapsed_time(self, end: Now) -> float:
        return 1000 * (end.time - self.time)


class Near:
    """A link to the processor itself; remembers what it was sent apart from batches."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    def pinned(self, nbytes: int) -> Tensor:
        return torch.empty(nbytes, dtype=torch.uint8)

    buffer = pinned

    def copy(self, target: Tensor, source: Tensor) -> None:
        target.copy_(source)

    def mark(self, *, copies: bool) -> Now:
        return Now()

    def hold(self, event: Any, *, copies: bool) -> None:
        pass

    def send(self, array: np.ndarray[Any, Any]) -> Tensor:
        self.sent.append(array.nbytes)
        return torch.from_numpy(array.copy())

    def receive(self, tensor: Tensor) -> Tensor:
        return tensor.clone()

    def scope(self) -> AbstractContextManager[object]:
        return nullcontext()

    def release(self) -> None:
        pass


def staged(folder: Path, link: Near) -> Model:
    """A model whose batches are staged for Triton's kernels."""
    if GPU:
        return load(folder, device="cuda")
    network = read_network(folder, device="cpu")
    backend = triton_backend("cpu", "fp32", "a test")
    on_kernels = Network(network.config, backend).eval()
    on_kernels.load_state_dict(network.state_dict())
    return Model(on_kernels, "staged", runner=Runner("cpu", staging=Ring(link)))


@pytest.fixture(scope="module")
def pair(make_model: Callable[..., Path]) -> tuple[Model, Model, Near]:
    link = Near()
    return staged(make_model(), link), load(make_model(), device="cpu"), link


def test_sequences_as_on_a_processor(pair: tuple[Model, Model, Near], sequences: list[bytes]) -> None:
    device, processor, _ = pair
    some = sequences[:7]
    for strand in ("+", "both"):
        found, expected = (model.with_strand(strand).predict(some) for model in (device, processor))
        assert found == pytest.approx(expected, abs=1e-4)
    for pooling in ("mean", "cls"):
        assert device.embed(some, pooling) == pytest.approx(processor.embed(some, pooling), abs=1e-4)


@pytest.mark.parametrize("strand", ["+", "both"])
def test_a_scan_from_bases_sent_once(
    pair: tuple[Model, Model, Near], grch38: Path, tmp_path: Path, strand: str
) -> None:
    device, processor, link = pair
    with Genome.open(grch38) as genome:
        bases = genome.bases("chr20", 1_000_000, 1_000_400).tobytes()
    path = tmp_path / "g.fa"
    path.write_bytes(b">one\n" + bases[:200] + b"NNNNN" + bases[205:].lower() + b"\n")
    units: dict[str, list[ScanUnit]] = {}
    link.sent.clear()
    for name, model in (("device", device), ("processor", processor)):
        summary, units[name] = ScanSummary(), []
        with Genome.open(path) as genome:
            plan = plan_scan(genome, 60, 10, None, summary)
            scan(
                model.with_strand(strand),
                genome,
                plan,
                units[name].append,
                summary,
                window=60,
                stride=10,
                readout=model.readout(),
            )
    assert 0 < device.facts()["gpu_busy"] <= 1
    assert processor.facts() == {}
    (found,), (expected,) = units["device"], units["processor"]
    assert found.start.tolist() == expected.start.tolist()
    assert found.score == pytest.approx(expected.score, abs=1e-4)
    assert found.mean == pytest.approx(expected.mean, abs=1e-4, nan_ok=True)
    if not GPU:
        assert link.sent[0] == 400  # the codes of the stretch; then which pieces make up the windows
        assert len(link.sent) == 2 * len(("+",) if strand == "+" else ("+", "-"))


def test_long_windows_share_their_pieces_on_a_device(make_model: Callable[..., Path]) -> None:
    link = Near()
    folder = make_model("xl-mean")
    device, processor = staged(folder, link), load(folder, device="cpu")
    random = np.random.default_rng(1)
    bases = random.choice(np.frombuffer(b"ACGT", np.uint8), size=1022 + 510)
    start = np.array([0, 510], np.int64)
    (of_spans,) = device.prepare_spans(bases, start, start + 1022)
    assert (len(of_spans.batch), len(of_spans.distinct.first)) == (4, 3)
    expected = processor.predict(Windows.from_spans(bases, start, start + 1022))
    assert device.probabilities(device.logits([of_spans])) == pytest.approx(expected, abs=1e-4)


def test_variants_without_a_change_score_exactly_0(pair: tuple[Model, Model, Near]) -> None:
    device, _, _ = pair
    both = Windows.from_strings([b"ACGTTGCATTGACA", b"ACGTTGCATTGACC"] * 2)
    found = device.logits(device.prepare(both))
    assert found[:2].tobytes() == found[2:].tobytes()


def test_the_device_was_busy(pair: tuple[Model, Model, Near]) -> None:
    device, processor, _ = pair
    before = device.busy
    began = time.perf_counter()
    device.predict(["ACGTACGTACGT"])
    after = device.busy
    assert before is not None
    assert after is not None
    assert 0 < after - before <= time.perf_counter() - began
    assert processor.busy is None


def test_staged_packs_give_what_others_give(pair: tuple[Model, Model, Near], sequences: list[bytes]) -> None:
    """Ids, spans, and a pack made for everybody: one network, the same states."""
    device, _, _ = pair
    bases = np.frombuffer(b"ACGTTGCATTGACAGGTTACC" * 3, np.uint8)
    start = np.array([0, 4, 30], np.int64)
    (prepared,) = device.prepare_spans(bases, start, start + 25)
    batch = prepared.batch.tokens()
    vectors = []
    with torch.inference_mode():
        staging = device.runner.staging
        with staging.packed(batch.cu_seqlens, "cls", ids=batch.ids) as packed:
            vectors.append(device.network.pieces(packed).cpu())
        spans = Spans(staging.send(prepared.batch.codes()), prepared.batch.starts, prepared.batch.reverse, device.k)  # type: ignore[union-attr]
        with staging.packed(batch.cu_seqlens, "cls", spans=spans) as packed:
            vectors.append(device.network.pieces(packed).cpu())
    assert torch.equal(vectors[0], vectors[1])
    assert replace(device, max_tokens=30).predict([b"ACGTTGCATTGACAGGTTACC"] * 3).shape == (3, 2)


def variant_scores(model: Model, genome: Path, vcf: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The fields of the first 300 records of a VCF in windows of 99 bases."""
    units: list[ScoredUnit] = []
    with Genome.open(genome) as opened:
        score_variants(
            [ChangeScorer(model, model.readout())],
            model.run,
            opened,
            islice(VcfSource(vcf, 100), 3),
            lambda names: ([opened.names.index(name) for name in names], {}),
            units.append,
            VariantOptions(99),
            VariantSummary(),
        )
    return {name: np.concatenate([unit.fields[name] for unit in units]) for name in units[0].fields}


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="there is no GPU")
def test_variants_on_a_gpu(make_model: Callable[..., Path], grch38: Path) -> None:
    vcf = grch38.parent / "HG002_chr20_piece.vcf.gz"
    found, expected = (variant_scores(load(make_model(), device=device), grch38, vcf) for device in ("cuda", "cpu"))
    assert len(found["REF"]) >= 300
    for name, values in found.items():
        assert values == pytest.approx(expected[name], abs=1e-4, nan_ok=True)


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="there is no GPU")
def test_a_gpu_whose_memory_is_full_runs_smaller_batches(make_model: Callable[..., Path]) -> None:
    model = load(make_model(preset="small"), device="cuda")
    sequences = [bytes(np.random.default_rng(i).choice(list(b"ACGT"), 500).tolist()) for i in range(600)]
    expected = model.predict(sequences)
    hold = torch.empty(torch.cuda.mem_get_info()[0] - (200 << 20), dtype=torch.uint8, device="cuda")
    tight = load(make_model(preset="small"), device="cuda")
    found = replace(tight, max_tokens=300_000).predict(sequences)
    del hold
    assert found == pytest.approx(expected, abs=1e-4)
    assert "ran out of memory" in tight.notes[0]


def test_attention_as_on_a_processor(pair: tuple[Model, Model, Near], sequences: list[bytes]) -> None:
    """Of sequences, and of windows whose bases are sent once."""
    device, processor, _ = pair
    for strand in ("+", "both"):
        found, expected = (model.with_strand(strand).attention(sequences[:7], True) for model in (device, processor))
        assert found.scores == pytest.approx(expected.scores, abs=1e-5)
    bases = np.frombuffer(sequences[12] + sequences[13], np.uint8)
    starts = np.array([0, 5, 11])
    for reverse in (None, np.array([False, True, False])):
        logits, scores = zip(
            *(m.begin_attention(m.prepare_spans(bases, starts, starts + 14, reverse))() for m in (device, processor)),
            strict=True,
        )
        assert logits[0] == pytest.approx(logits[1], abs=1e-4)
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
