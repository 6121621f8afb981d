"""Integrated gradients: they add up, and they are those of transformers' network with embeddings put in its way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from dnabert_fast import Model, load
from dnabert_fast.analysis.gradients import attribute, integrated_gradients
from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.keys import split
from dnabert_fast.seq.batch import Windows, tokenize
from dnabert_fast.seq.types import F64

WINDOWS = [b"ACGTTGCAAGTTTTTTCAGGNCATTA", b"GGATTACAGATTA", b"CATCATGGGACCACTAGATCGATTACAGGACC"]


@pytest.fixture
def windows() -> Windows:
    return Windows.from_strings(WINDOWS)


@pytest.mark.parametrize("strand", ["+", "-", "both"])
def test_the_bases_of_a_window_add_up_to_what_it_scores_more(model: Model, windows: Windows, strand: str) -> None:
    model = model.with_strand(strand)
    found = attribute(model, windows, 256)
    score = model.readout().score(model.logits(model.prepare(windows)))
    np.testing.assert_allclose(found.score, score, atol=2e-5)
    unknown = Windows.from_strings([b"N" * len(window) for window in WINDOWS])
    np.testing.assert_allclose(found.baseline, model.readout().score(model.logits(model.prepare(unknown))), atol=2e-5)
    sums = np.add.reduceat(found.bases.astype(np.float64), windows.offsets[:-1])
    assert np.abs(found.score - found.baseline).max() > 0.1
    np.testing.assert_allclose(sums, found.score - found.baseline, atol=2e-3)


def test_they_are_what_transformers_gives(model: Model, windows: Windows) -> None:
    found = integrated_gradients(model, windows, 7)
    for row, window in enumerate(WINDOWS):
        ours = found[windows.offsets[row] : windows.offsets[row + 1]]
        np.testing.assert_allclose(ours, by_transformers(model, window, 7), atol=2e-5)


def by_transformers(model: Model, window: bytes, steps: int) -> F64:
    """The same, a window and a step at a time, with a hook that puts a point of the path behind the embeddings."""
    encoder = model.network.config.encoder
    config = transformers.BertConfig(
        vocab_size=encoder.vocab_size, hidden_size=encoder.hidden_size, num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads, intermediate_size=encoder.intermediate_size,
    )  # fmt: skip
    network = transformers.BertForSequenceClassification(config).eval()
    network.load_state_dict(split(model.network))
    ids = torch.from_numpy(tokenize(Windows.from_strings([window]), model.k).ids.astype(np.int64))[None]
    blank = torch.where((ids == 2) | (ids == 3), ids, 1)
    with torch.no_grad():
        end, begin = (network.bert.embeddings(each) for each in (ids, blank))
    total = torch.zeros_like(end)
    for step in range(steps):
        point = (begin + (step + 0.5) / steps * (end - begin)).requires_grad_(True)
        hook = network.bert.embeddings.register_forward_hook(lambda *_, point=point: point)
        logits = network(ids).logits[0]
        hook.remove()
        total += torch.autograd.grad(logits[1] - logits[0], point)[0] / steps
    shares = (total * (end - begin)).sum(2)[0, 1:-1].double().numpy()
    bases = np.zeros(len(window))
    for place, share in enumerate(shares):
        bases[place : place + model.k] += share / model.k
    return bases


def test_a_window_turned_round_has_its_bases_in_genome_order(model: Model) -> None:
    window = WINDOWS[2]
    turned = window.translate(bytes.maketrans(b"ACGT", b"TGCA"))[::-1]
    one = integrated_gradients(model, Windows.from_strings([window]), 4)
    other = integrated_gradients(model, Windows.from_strings([turned]), 4, reverse=np.array([True]))
    np.testing.assert_allclose(one, other[::-1], atol=1e-6)


def test_windows_of_several_pieces_and_of_more_classes(make_model: Callable[..., Path], data: Path) -> None:
    bases = b"".join((data / "fasta" / "chrM.fasta").read_bytes().split(b"\n")[1:])
    windows = Windows.from_strings([bases[:700], bases[700:760]])
    model = load(make_model("xl-mean", ("a", "b", "c")))
    found = attribute(model, windows, 64, "b")
    sums = np.add.reduceat(found.bases.astype(np.float64), windows.offsets[:-1])
    np.testing.assert_allclose(sums, found.score - found.baseline, atol=5e-3)
    with pytest.raises(DnabertError, match="choose one with --class"):
        attribute(model, windows, 4)


def test_other_windows_of_the_call_do_not_matter_and_nothing_trains(model: Model, windows: Windows) -> None:
    alone = integrated_gradients(model, windows[1:2], 5)
    together = integrated_gradients(model, windows, 5)
    np.testing.assert_allclose(alone, together[windows.offsets[1] : windows.offsets[2]], atol=1e-6)
    assert all(parameter.grad is None for parameter in model.network.parameters())


def test_progress_counts_windows(model: Model, windows: Windows) -> None:
    told: list[int] = []
    integrated_gradients(model.with_strand("both"), windows, 3, progress=told.append)
    assert sum(told) == 3


def test_bad_input_is_refused(model: Model, make_model: Callable[..., Path], windows: Windows) -> None:
    with pytest.raises(DnabertError, match="no classification"):
        integrated_gradients(load(make_model("none", ())), windows)
    with pytest.raises(DnabertError, match="in 0 steps"):
        integrated_gradients(model, windows, 0)
    with pytest.raises(DnabertError, match="window 1 has 2 bases"):
        integrated_gradients(model, Windows.from_strings([b"AC"]), 4)
