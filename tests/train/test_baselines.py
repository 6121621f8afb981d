"""The baselines: what padding, order and strand must not change, that they learn, and parts of training sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dnabert_fast.errors import DnabertError
from dnabert_fast.seq.batch import Windows
from dnabert_fast.train.baselines import BASELINES, OneHotLearner, baseline, codes
from dnabert_fast.train.loop import evaluate, train
from dnabert_fast.train.presets import Recipe
from dnabert_fast.train.sets import LabelledSet
from dnabert_fast.train.subsample import subsample

from .conftest import poly_runs


def of_lengths(*lengths: int, seed: int = 1) -> LabelledSet:
    random = np.random.default_rng(seed)
    windows = Windows.from_strings(["".join(random.choice(list("ACGTN"), n)) for n in lengths])
    return LabelledSet(windows, np.arange(len(lengths), dtype=np.int64) % 2)


def warm(name: str, data: LabelledSet, outputs: int = 2) -> OneHotLearner:
    """A baseline whose normalisation has met some data, so that its running statistics are none to start with."""
    learner = OneHotLearner(baseline(name, outputs, seed=3))
    learner.module.train()
    with torch.no_grad():
        for _ in range(3):
            learner.outputs(data, np.arange(len(data)), np.zeros(len(data), np.bool_))
    return learner


def test_codes_and_reverse_complements() -> None:
    windows = Windows.from_strings(["ACGTn", "acU", ""])
    flags = np.array([False, True, True])
    assert codes(windows, ~flags).tolist() == [[4, 0, 1, 2, 3], [0, 1, 3, 4, 4], [4] * 5]
    assert codes(windows, flags).tolist() == [[0, 1, 2, 3, 4], [0, 2, 3, 4, 4], [4] * 5]


@pytest.mark.parametrize("name", BASELINES)
def test_neither_padding_nor_company_changes_an_answer(name: str) -> None:
    data = of_lengths(70, 1, 31, 12, 70, 200)
    learner = warm(name, data)
    together = learner.answers(data)
    assert together.shape == (6, 2)
    assert together.dtype == np.float32
    for row in range(len(data)):
        alone = learner.answers(data.take(np.array([row])))
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-4, atol=1e-5)
    learner.max_tokens = 80
    np.testing.assert_allclose(learner.answers(data), together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_padding_has_no_part_in_training(name: str) -> None:
    """Loss, gradients and running statistics of a batch are those of the same batch padded further."""
    data = of_lengths(40, 25, 33)
    found = []
    for padding in (0, 30):
        network = baseline(name, 2, seed=1)
        network.dropout.p = 0.0
        letters = torch.from_numpy(codes(data.windows, np.zeros(3, np.bool_)))
        letters = torch.nn.functional.pad(letters, (0, padding), value=4)
        network.train()(letters, torch.from_numpy(data.windows.lengths)).square().sum().backward()
        values = [parameter.grad for parameter in network.parameters()] + list(network.buffers())
        found.append([value.float() for value in values if value is not None])
    assert len(found[0]) == len(list(baseline(name, 2, 1).parameters())) + len(list(baseline(name, 2, 1).buffers()))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_a_reversed_row_is_read_as_its_reverse_complement() -> None:
    data = of_lengths(50, 33, 61)
    learner = warm("cnn-gru", data)
    learner.module.eval()
    letters = str.maketrans("ACGTN", "TGCAN")
    turned = Windows.from_strings([data.windows[i].decode().translate(letters)[::-1] for i in range(3)])
    found = learner.outputs(data, np.arange(3), np.ones(3, np.bool_))
    expected = learner.outputs(LabelledSet(turned, data.labels), np.arange(3), np.zeros(3, np.bool_))
    assert torch.equal(found, expected)
    straight = learner.outputs(data, np.arange(3), np.zeros(3, np.bool_))
    assert not torch.allclose(found, straight)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("classes", [2, 3])
def test_runs_of_letters_are_learnt(name: str, classes: int) -> None:
    data, dev = poly_runs(96, seed=1, classes=classes), poly_runs(60, seed=2, classes=classes)
    recipe = Recipe(learning_rate=3e-3, epochs=8, batch=16, reverse_complement=classes == 2)
    if classes == 2:  # a run of G is one of C on the other strand, and no other class
        recipe = replace(recipe, shift=2)
    learner = OneHotLearner(baseline(name, classes, seed=1))
    assert train(learner, data, dev, recipe, 1).dev["mcc"] > 0.8
    assert evaluate(learner, dev)["mcc"] > 0.8


def test_equal_seeds_give_equal_weights() -> None:
    one, other, third = (baseline("cnn-lstm", 2, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert not torch.equal(one["convolutions.0.weight"], third["convolutions.0.weight"])
    sizes = {name: sum(p.numel() for p in baseline(name, 2, 1).parameters()) for name in BASELINES}
    assert sizes == {"cnn": 436_866, "cnn-lstm": 421_250, "cnn-gru": 396_418}  # as their module says
    with pytest.raises(DnabertError, match="choose one of cnn, cnn-lstm, cnn-gru"):
        baseline("rnn", 2, 1)


def test_a_part_keeps_the_shares_of_classes_and_the_order() -> None:
    random = np.random.default_rng(1)
    labels = random.choice(3, 1000, p=[0.7, 0.2, 0.1]).astype(np.int64)
    data = LabelledSet(Windows.from_strings([f"{'ACGT' * (row + 1)}" for row in range(1000)]), labels)
    part = subsample(data, 100, seed=7)
    assert len(part) == 100
    assert (np.diff(part.windows.lengths) > 0).all()
    shares = np.bincount(labels) / 10
    assert np.abs(np.bincount(part.labels) - shares).max() <= 1
    rows = part.windows.lengths // 4 - 1
    assert np.array_equal(labels[rows], part.labels)
    assert np.array_equal(subsample(data, 100, seed=7).windows.lengths, part.windows.lengths)
    assert not np.array_equal(subsample(data, 100, seed=8).windows.lengths, part.windows.lengths)
    assert subsample(data, 1000, seed=7) is data
    values = LabelledSet(data.windows, labels.astype(np.float32))
    assert len(subsample(values, 9, seed=1)) == 9
