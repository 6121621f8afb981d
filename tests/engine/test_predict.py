"""Predictions of mixed sequences against transformers, and what must not depend on how they are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.alleles import reverse_complement
from oracle.variants import Reference

import dnabert_fast.engine.model as engine
from dnabert_fast import DnabertError, Model, Windows, load
from dnabert_fast.engine.predict import logits, pooled, prepare
from dnabert_fast.errors import BackendUnavailable, CheckpointError
from dnabert_fast.seq.batch import tokenize

MakeModel = Callable[..., Path]


def softmax(values: list[float]) -> list[float]:
    exponents = np.exp(np.array(values) - max(values))
    return (exponents / exponents.sum()).tolist()


def test_probabilities_are_those_of_transformers(model: Model, reference: Reference, sequences: list[bytes]) -> None:
    found = model.predict(sequences)
    assert found.dtype == np.float32
    assert found.shape == (len(sequences), 2)
    for row, sequence in zip(found, sequences, strict=True):
        assert row.tolist() == pytest.approx(softmax(reference.logits(sequence)), abs=1e-5)


def test_any_kind_of_sequences(model: Model, sequences: list[bytes]) -> None:
    expected = model.predict(sequences).tobytes()
    kinds: list[Iterable[str | bytes] | Windows] = [
        [sequence.decode() for sequence in sequences],
        tuple(sequences),
        iter(sequences),
        (sequence for sequence in sequences),
        Windows.from_strings(sequences),
    ]
    for kind in kinds:
        assert model.predict(kind).tobytes() == expected
    same = [sequence[:30] for sequence in sequences if len(sequence) >= 30]
    matrix = np.frombuffer(b"".join(same), np.uint8).reshape(-1, 30)
    assert model.predict(matrix).tobytes() == model.predict(same).tobytes()


def test_none_at_all(model: Model) -> None:
    assert model.predict([]).shape == (0, 2)
    assert model.embed(iter([])).shape == (0, 32)
    assert list(model.encode([])) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ACGTACGT", "takes a list of sequences"),
        (b"ACGTACGT", "takes a list of sequences"),
        (["ACGT", "AC"], "sequence 2 has 2 bases; the model reads 3-mers"),
        (["ACGT", ""], "sequence 2 has 0 bases"),
        (["ACGT", "ACGÜ"], "sequence 2 holds 'Ü'"),
        ([5], r"^sequence 1 is of type int; give bases as str or bytes$"),
        (["ACGT", None], r"^sequence 2 is of type NoneType; give bases as str or bytes$"),
        ([["ACGT"]], "sequence 1 is of type list"),
        (5, "a list of sequences is wanted, not int"),
        (np.zeros((3, 9)), "uint8"),
        (np.zeros(9, np.uint8), "uint8"),
    ],
)
def test_wrong_sequences(model: Model, given: Any, message: str) -> None:
    with pytest.raises(DnabertError, match=message):
        model.predict(given)


def test_what_is_wrong_in_a_later_unit_has_its_own_number(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    monkeypatch.setattr("dnabert_fast.engine.given.UNIT_SEQUENCES", 4)
    for wrong in ("ACGÜ", 5, "AC", "A" * 513):
        with pytest.raises(DnabertError, match=r"^sequence 10\b"):
            model.predict([*["ACGT"] * 9, wrong])


def test_units_count_on(monkeypatch: pytest.MonkeyPatch, model: Model, sequences: list[bytes]) -> None:
    whole, vectors = model.predict(sequences), model.embed(sequences)
    monkeypatch.setattr(engine, "UNIT_SEQUENCES", 4)
    assert model.predict(iter(sequences)) == pytest.approx(whole, abs=1e-5)
    assert model.predict(Windows.from_strings(sequences)) == pytest.approx(whole, abs=1e-5)
    assert model.embed(sequences) == pytest.approx(vectors, abs=1e-5)
    assert sum(len(cu_seqlens) - 1 for _, cu_seqlens in model.encode(sequences)) == len(sequences)
    with pytest.raises(DnabertError, match="sequence 10 has 2 bases"):
        model.predict([*sequences[:9], b"AC"])


@pytest.mark.parametrize("max_tokens", [1, 60, 512, 100_000])
def test_the_batch_does_not_matter(model: Model, sequences: list[bytes], max_tokens: int) -> None:
    cut = replace(model, max_tokens=max_tokens)
    assert cut.predict(sequences) == pytest.approx(model.predict(sequences), abs=1e-5)
    for pooling in ("mean", "cls"):
        assert cut.embed(sequences, pooling) == pytest.approx(model.embed(sequences, pooling), abs=1e-5)


@settings(max_examples=20)
@given(st.data())
def test_order_and_neighbours_do_not_matter(model: Model, sequences: list[bytes], data: st.DataObject) -> None:
    expected = model.predict(sequences)
    chosen = data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1, max_size=50))
    found = model.predict([sequences[i] for i in chosen])
    assert found == pytest.approx(expected[chosen], abs=1e-5)


def test_equal_windows_get_equal_bytes(model: Model, sequences: list[bytes]) -> None:
    prepared = prepare(tokenize(Windows.from_strings([*sequences, *sequences[::-1]]), 3), 2 * len(sequences))
    found = logits(model.network, prepared)
    assert found[: len(sequences)].tobytes() == found[len(sequences) :][::-1].tobytes()
    # Case apart, and with U as T, two of the sequences are others again; one comes twice.
    assert len(prepared.distinct.first) == len({s.upper().replace(b"U", b"T") for s in sequences})


def test_the_same_call_gives_the_same_bytes(model: Model, sequences: list[bytes]) -> None:
    assert model.predict(sequences).tobytes() == model.predict(sequences).tobytes()


def test_strands(model: Model, sequences: list[bytes]) -> None:
    turned = [reverse_complement(sequence.replace(b"u", b"t").replace(b"U", b"T")) for sequence in sequences]
    forward, backward, both = (model.with_strand(strand) for strand in ("+", "-", "both"))
    assert backward.predict(sequences).tobytes() == forward.predict(turned).tobytes()
    assert both.predict(sequences) == pytest.approx(both.predict(turned), abs=1e-6)
    windows = Windows.from_strings(sequences)
    sides = [one.logits(one.prepare(windows)) for one in (forward, backward, both)]
    assert sides[2].tolist() == ((sides[0] + sides[1]) / np.float32(2)).tolist()
    some = np.arange(len(sequences)) % 2 == 1
    mixed = forward.logits(forward.prepare(windows, some))
    assert mixed == pytest.approx(np.where(some[:, None], sides[1], sides[0]), abs=1e-5)
    with pytest.raises(DnabertError, match=r"--strand \*: choose one of \+, -, both"):
        model.with_strand("*")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_embeddings_are_states_of_transformers(
    model: Model, reference: Reference, sequences: list[bytes], pooling: str
) -> None:
    found = model.embed(sequences, pooling)
    assert found.dtype == np.float32
    for vector, sequence in zip(found, sequences, strict=True):
        (states,) = reference.states(sequence)
        expected = states[1:-1].mean(0) if pooling == "mean" else states[0]
        assert vector == pytest.approx(expected.numpy(), abs=1e-5)


def test_embeddings_of_several_pieces(model: Model, reference: Reference) -> None:
    long = (b"ACGTTGCAAGGCT" * 200)[:1300]
    pieces = reference.states(long)
    assert [len(piece) for piece in pieces] == [512, 512, 1298 - 2 * 510 + 2]
    mean = torch.cat([piece[1:-1] for piece in pieces]).mean(0).numpy()
    first = torch.stack([piece[0] for piece in pieces]).mean(0).numpy()
    found = model.embed([long, long[:20]])
    assert found[0] == pytest.approx(mean, abs=1e-5)
    assert model.embed([long], "cls")[0] == pytest.approx(first, abs=1e-5)
    assert model.with_strand("both").embed([long])[0] == pytest.approx(
        (found[0] + model.with_strand("-").embed([long])[0]) / 2, abs=1e-6
    )


def test_encode_gives_the_states_of_every_token(model: Model, reference: Reference, sequences: list[bytes]) -> None:
    ((states, cu_seqlens),) = model.encode(sequences)
    assert states.dtype == torch.float32
    assert not states.requires_grad
    assert len(states) == cu_seqlens[-1]
    for i, sequence in enumerate(sequences):
        (expected,) = reference.states(sequence)
        assert torch.allclose(states[cu_seqlens[i] : cu_seqlens[i + 1]], expected, atol=1e-5)


def test_encode_holds_a_batch_and_leaves_the_callers_mode(model: Model, sequences: list[bytes]) -> None:
    small = replace(model, max_tokens=64)
    whole = [states[first:last] for states, bounds in model.encode(sequences) for first, last in pairwise(bounds)]
    parts, longest = [], max(map(len, sequences))
    for states, bounds in small.encode(sequences):
        assert torch.is_grad_enabled()
        assert len(states) <= max(64, longest)
        parts += [states[first:last] for first, last in pairwise(bounds)]
    assert len(parts) == len(whole) == len(sequences)
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    torch.nn.Linear(32, 1)(parts[0]).sum().backward()  # type: ignore[no-untyped-call]


def test_a_window_too_long_for_the_head(model: Model) -> None:
    assert model.predict(["A" * 512]).shape == (1, 2)
    with pytest.raises(DnabertError, match=r"^sequence 2: 513 bases, but this model scores windows of 3 to 512 bases"):
        model.predict(["A" * 3, "A" * 513])
    assert model.embed(["A" * 513]).shape[0] == 1


@pytest.mark.parametrize(("head", "fields"), [("xl-mean", {}), ("xl-concat", {"split": 3}), ("xl-rnn", {})])
def test_pieces_that_windows_share_are_encoded_once(make_model: MakeModel, head: str, fields: dict[str, int]) -> None:
    """Windows of 1,532 bases every 510 of them: three pieces each, two of which the next one has too."""
    model = load(make_model(head, **fields))
    random = np.random.default_rng(1)
    contig = random.choice(np.frombuffer(b"ACGT", np.uint8), size=1532 + 4 * 510).tobytes()
    windows = Windows.from_strings([contig[i : i + 1532] for i in range(0, 4 * 510 + 1, 510)])
    (prepared,) = model.prepare(windows)
    assert (len(prepared.batch), len(prepared.distinct.first)) == (15, 7)
    alone = np.concatenate([model.predict(windows[i : i + 1]) for i in range(5)])
    assert model.predict(windows) == pytest.approx(alone, abs=1e-5)
    assert np.ptp(alone[:, 0]) > 1e-4


def test_classes_and_values(make_model: MakeModel) -> None:
    three = load(make_model("sequence", ("a", "b", "c")))
    assert three.predict(["ACGTACGT"]).sum() == pytest.approx(1, abs=1e-6)
    assert three.labels == ("a", "b", "c")
    value = load(make_model("sequence", ("signal",), regression=True))
    expected = Reference(make_model("sequence", ("signal",), regression=True), 3).logits(b"ACGTACGT")
    assert value.predict(["ACGTACGT"])[0].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("head", ["none", "mlm"])
def test_a_model_without_scores_still_embeds(make_model: MakeModel, head: str) -> None:
    bare = load(make_model(head, ()))
    assert bare.embed(["ACGTACGT"]).shape == (1, 32)
    with pytest.raises(DnabertError, match="no classification or regression head"):
        bare.predict(["ACGTACGT"])


@pytest.mark.parametrize("k", [3, 4])
def test_the_k_of_the_model_is_used(make_model: MakeModel, k: int) -> None:
    folder = make_model(preset={3: "tiny", 4: "mini"}[k])
    found = load(folder).predict(["ACGTTGCATTG"])[0].tolist()
    assert found == pytest.approx(softmax(Reference(folder, k).logits(b"ACGTTGCATTG")), abs=1e-5)
    assert load(folder).k == k


def test_pooling_has_two_ways(model: Model) -> None:
    with pytest.raises(ValueError, match="'mean' or 'cls'"):
        pooled(model.network, model.prepare(Windows.from_strings(["ACGT"]))[0], "max")


def test_a_hash_is_that_of_the_content(make_model: MakeModel, model: Model) -> None:
    assert load(make_model()).hash() == model.hash()
    assert load(make_model(seed=1)).hash() != model.hash()


def test_loading_what_is_not_there(tmp_path: Path, make_model: MakeModel) -> None:
    with pytest.raises(CheckpointError):
        load(tmp_path)
    with pytest.raises(BackendUnavailable, match="int4"):
        load(make_model(), precision="int4")
    with pytest.raises(DnabertError, match="--strand"):
        load(make_model(), strand="x")
    for wrong in ("layers.2.down", "down", "layers.0.query"):
        with pytest.raises(CheckpointError, match=rf"no linear layer is named {wrong}; .* layers\.1\.down"):
            load(make_model(), device="cpu", exceptions=["layers.0.qkv", wrong])
