"""Attention scores of mixed sequences against the maps of transformers, and what they must not depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import attention as oracle

from dnabert_fast import DnabertError, Model, Windows, load
from dnabert_fast.engine.attention import base_means, normalised
from dnabert_fast.engine.runner import Runner
from dnabert_fast.nn.backends import available

MakeModel = Callable[..., Path]
STRANDS = ("+", "-", "both")


@pytest.fixture(scope="module")
def watched(make_model: MakeModel) -> oracle.Watched:
    return oracle.Watched(make_model(), 3)


@pytest.fixture(scope="module")
def long_sequences() -> list[bytes]:
    """Sequences of one to three pieces, with one that ends with a piece and one whose last piece is a single k-mer."""
    random = np.random.default_rng(9)
    lengths = (512, 513, 800, 1022, 1300)
    return [random.choice(np.frombuffer(b"ACGT", np.uint8), n).tobytes() for n in lengths]


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("strand", STRANDS)
def test_scores_are_those_of_transformers(
    model: Model, watched: oracle.Watched, sequences: list[bytes], strand: str, raw: bool
) -> None:
    found = model.with_strand(strand).attention(sequences, raw)
    assert found.scores.dtype == np.float32
    assert np.diff(found.offsets).tolist() == [len(sequence) for sequence in sequences]
    for scores, sequence in zip(found, sequences, strict=True):
        assert scores.tolist() == pytest.approx(watched.bases(sequence, strand, raw), abs=2e-6)


@pytest.mark.parametrize("strand", STRANDS)
def test_long_sequences_by_piece(
    model: Model, watched: oracle.Watched, long_sequences: list[bytes], strand: str
) -> None:
    """The model's head takes one piece; its attention any number."""
    for scores, sequence in zip(model.with_strand(strand).attention(long_sequences, True), long_sequences, strict=True):
        assert scores.tolist() == pytest.approx(watched.bases(sequence, strand), abs=2e-6)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_every_backend(make_model: MakeModel, watched: oracle.Watched, sequences: list[bytes], backend: str) -> None:
    found = load(make_model(), device="cpu", backend=backend).attention(sequences, raw=True)
    expected = [score for sequence in sequences for score in watched.bases(sequence)]
    assert found.scores.tolist() == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("precision", [name for name in ("bf16", "int8") if available("cpu")[name] is None])
def test_lower_precisions_are_near(make_model: MakeModel, sequences: list[bytes], precision: str) -> None:
    exact = load(make_model()).attention(sequences).scores
    found = load(make_model(), precision=precision).attention(sequences).scores
    assert not np.array_equal(found, exact)
    assert np.corrcoef(found, exact)[0, 1] > 0.98


@pytest.mark.parametrize("head", ["none", "mlm", "token", "xl-mean"])
def test_any_head_will_do(
    make_model: MakeModel, sequences: list[bytes], long_sequences: list[bytes], head: str
) -> None:
    labels = () if head in ("none", "mlm") else ("no", "yes")
    folder = make_model(head, labels)
    found = load(folder).attention([*sequences, *long_sequences], raw=True)
    expected = oracle.Watched(folder, 3)
    for scores, sequence in zip(found, [*sequences, *long_sequences], strict=True):
        assert scores.tolist() == pytest.approx(expected.bases(sequence), abs=2e-6)


@pytest.mark.parametrize("strand", STRANDS)
def test_logits_and_scores_come_out_of_one_pass(model: Model, sequences: list[bytes], strand: str) -> None:
    read = model.with_strand(strand)
    passes: list[float] = []
    prepared = read.prepare(Windows.from_strings(sequences))
    logits, scores = read.begin_attention(prepared, passes.append)()
    assert logits.tobytes() == read.logits(prepared).tobytes()
    assert scores.tobytes() == read.attention(sequences, raw=True).scores.tobytes()
    assert sum(passes) == pytest.approx(1.0)


def test_no_logits_where_nothing_scores_windows(make_model: MakeModel, sequences: list[bytes]) -> None:
    for folder in (make_model("none", ()), make_model("mlm", ()), make_model("token", ("no", "yes"))):
        model = load(folder)
        logits, scores = model.begin_attention(model.prepare(Windows.from_strings(sequences)))()
        assert logits.shape == (len(sequences), 0)
        assert len(scores) == sum(map(len, sequences))


def test_equal_pieces_are_encoded_once_and_have_equal_bytes(model: Model, sequences: list[bytes]) -> None:
    tokens: list[int] = []
    encoder = type(model.network).attend

    def counted(network: object, packed: object) -> object:
        tokens.append(int(packed.lengths.sum()))  # type: ignore[attr-defined]
        return encoder(network, packed)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model.network), "attend", counted)
        once = model.attention(sequences[8:12])
        alone, tokens[:] = sum(tokens), []
        thrice = model.attention([*sequences[8:12], *reversed(sequences[8:12]), *sequences[8:12]])
    assert sum(tokens) == alone
    assert thrice[0].tobytes() == thrice[7].tobytes() == thrice[8].tobytes() == once[0].tobytes()


def test_answers_do_not_depend_on_batches(model: Model, sequences: list[bytes], long_sequences: list[bytes]) -> None:
    everything = [*long_sequences, *sequences]
    expected = model.attention(everything, raw=True).scores
    for tokens in (40, 700):
        assert replace(model, max_tokens=tokens).attention(everything, True).scores == pytest.approx(expected, abs=1e-6)
    threads = replace(model, runner=Runner("cpu", 2), max_tokens=300)
    one = replace(model, max_tokens=300)
    assert threads.attention(everything).scores.tobytes() == one.attention(everything).scores.tobytes()


def test_units_follow_each_other(model: Model, monkeypatch: pytest.MonkeyPatch, sequences: list[bytes]) -> None:
    expected = model.attention(sequences)
    monkeypatch.setattr("dnabert_fast.engine.given.UNIT_SEQUENCES", 7)
    done: list[int] = []
    found = model.attention(iter(sequences), tick=done.append)
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)
    assert found.offsets.tolist() == expected.offsets.tolist()
    assert done == [7] * (len(sequences) // 7) + [len(sequences) % 7] * (len(sequences) % 7 > 0)


def test_windows_turned_round_and_spans(model: Model, sequences: list[bytes]) -> None:
    """A window that is read backwards has its scores in the genome's order, whichever way it was prepared."""
    windows = Windows.from_strings([sequence for sequence in sequences if len(sequence) > 6])
    reverse = np.arange(len(windows)) % 2 == 1
    plus, minus = (model.with_strand(strand).attention(windows, True) for strand in "+-")
    expected = np.concatenate([(minus if back else plus)[i] for i, back in enumerate(reverse)])
    for prepared in (
        model.prepare(windows, reverse),
        model.prepare_spans(windows.bases, windows.offsets[:-1], windows.offsets[1:], reverse),
    ):
        assert model.begin_attention(prepared)()[1] == pytest.approx(expected, abs=1e-6)


def test_memory_that_runs_out(model: Model, sequences: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are halved, logits and scores with them."""
    expected = model.begin_attention(model.prepare(Windows.from_strings(sequences)))()
    attend = type(model.network).attend

    def small(network: object, packed: object) -> object:
        if packed.lengths.sum() > 300:  # type: ignore[attr-defined]
            raise torch.OutOfMemoryError
        return attend(network, packed)  # type: ignore[arg-type]

    monkeypatch.setattr(type(model.network), "attend", small)
    fresh = replace(model, runner=Runner("cpu"))
    found = fresh.begin_attention(fresh.prepare(Windows.from_strings(sequences)))()
    assert fresh.notes
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_several_devices(make_model: MakeModel, sequences: list[bytes]) -> None:
    one, two = load(make_model()), load(make_model(), device="cpu,cpu", threads=1)
    try:
        assert two.with_strand("both").attention(sequences).scores == pytest.approx(
            one.with_strand("both").attention(sequences).scores, abs=1e-6
        )
        logits, _ = two.begin_attention(two.prepare(Windows.from_strings(sequences)))()
        assert two.probabilities(logits) == pytest.approx(one.predict(sequences), abs=1e-6)
    finally:
        assert two.fleet is not None
        two.fleet.stop()


def test_what_has_no_attention(make_model: MakeModel, model: Model) -> None:
    with pytest.raises(DnabertError, match="sequence 2 has 2 bases; the model reads 3-mers"):
        model.attention([b"ACGT", b"AC"])
    empty = model.attention([])
    assert (len(empty), empty.scores.shape, empty.offsets.tolist()) == (0, (0,), [0])


@given(st.data(), st.integers(3, 6))
@settings(max_examples=60)
def test_means_by_base(data: st.DataObject, k: int) -> None:
    values = st.floats(0, 12, width=32)
    windows = data.draw(st.lists(st.lists(values, min_size=1, max_size=20), min_size=1, max_size=6))
    counts = np.array([len(window) for window in windows])
    found = base_means(np.concatenate(windows).astype(np.float32), counts, k)
    expected = [score for window in windows for score in oracle.base_means(window, k)]
    assert found.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-30)
    norms = normalised(found, counts + k - 1)
    ends = np.cumsum(counts + k - 1)
    for part, alone in zip(np.split(norms, ends[:-1]), np.split(found, ends[:-1]), strict=True):
        assert part.tolist() == pytest.approx(oracle.normalised(alone.tolist()), rel=1e-6, abs=1e-30)
        assert part.tobytes() == normalised(alone, np.array([len(alone)])).tobytes()
