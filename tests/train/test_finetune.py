"""Heads, classes and window blocks that fit the data; what a folder gives is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.config import WindowBlock
from dnabert_fast.nn.network import build
from dnabert_fast.seq.batch import Windows
from dnabert_fast.train.finetune import finetune, starting_network
from dnabert_fast.train.fitting import check_fits, classifier, goes_on, shape_of
from dnabert_fast.train.presets import PRESETS, Recipe
from dnabert_fast.train.sets import LabelledSet, shared

from .conftest import network_config, poly_runs


def of_lengths(*lengths: int) -> LabelledSet:
    return LabelledSet(Windows.from_strings(["A" * n for n in lengths]), np.arange(len(lengths)) % 2)


@pytest.mark.parametrize(
    ("lengths", "head", "split"),
    [((24, 30), "sequence", 1), ((512, 512), "sequence", 1), ((513, 1022), "xl-concat", 2), ((100, 600), "xl-mean", 1)],
)
def test_the_head_follows_the_pieces(recipe: Recipe, lengths: tuple[int, int], head: str, split: int) -> None:
    network = classifier(starting_network(None, recipe, 1), recipe, of_lengths(*lengths), 1)
    assert (network.config.head, network.config.split) == (head, split)
    assert network.config.block == WindowBlock(
        k=3, window=max(lengths), anchor="centre", classes=("0", "1"), strand="+"
    )


def test_long_windows_train(recipe: Recipe) -> None:
    data = poly_runs(12, seed=1, length=530)
    found = finetune(starting_network(None, recipe, 1), data, data, replace(recipe, epochs=1, batch=8), 1)
    assert found.network.config.head == "xl-concat"
    assert found.outcome.steps == 2


def test_three_classes(recipe: Recipe) -> None:
    data = poly_runs(48, seed=1, classes=3)
    recipe = replace(recipe, epochs=1, classes=("none", "T", "G"), reverse_complement=True)
    found = finetune(starting_network(None, recipe, 1), data, data, recipe, 1)
    network, outcome = found.network, found.outcome
    assert network.config.labels == ("none", "T", "G")
    assert network.config.block is not None
    assert network.config.block.strand == "both"
    assert 0 <= outcome.dev["auroc"] <= 1


def test_a_pretrained_encoder_is_where_training_begins(tmp_path: Path, data: LabelledSet, recipe: Recipe) -> None:
    mlm = build(network_config().with_head("mlm"), seed=9)
    write_network(mlm, tmp_path / "mlm")
    network = classifier(starting_network(str(tmp_path / "mlm"), recipe, 1), recipe, data, 1)
    assert network.config.head == "sequence"
    assert torch.equal(network.encoder.word, mlm.encoder.word)
    assert torch.equal(network.encoder.layers[1].qkv.weight, mlm.encoder.layers[1].qkv.weight)


def test_a_fitting_head_is_kept_and_another_is_new(tmp_path: Path, data: LabelledSet, recipe: Recipe) -> None:
    first = classifier(starting_network(None, recipe, 1), recipe, data, 1)
    write_network(first, tmp_path / "first")
    again = classifier(read_network(tmp_path / "first"), recipe, data, 2)
    assert torch.equal(again.head.classifier.weight, first.head.classifier.weight)
    three = classifier(read_network(tmp_path / "first"), recipe, poly_runs(9, seed=1, classes=3), 2)
    assert three.head.classifier.weight.shape == (3, 32)
    assert torch.equal(three.encoder.word, first.encoder.word)


def test_what_does_not_fit_is_refused(data: LabelledSet, recipe: Recipe) -> None:
    with pytest.raises(DnabertError, match=r"give --model DIR, or --network"):
        starting_network(None, PRESETS["prom-300"], 1)
    with pytest.raises(DnabertError, match="windows of 300 bases are asked for, but the training set's have 24;"):
        shape_of(data, PRESETS["prom-300"], 6)
    with pytest.raises(DnabertError, match="has 2 classes, but 3 are named: a, b, c"):
        shape_of(data, replace(recipe, classes=("a", "b", "c")), 3)


def test_sets_that_the_classifier_cannot_judge_are_refused(data: LabelledSet, recipe: Recipe) -> None:
    start = starting_network(None, recipe, 1)
    with pytest.raises(DnabertError, match="the dev set has label 2, but the training set's labels end at 1"):
        finetune(start, data, poly_runs(9, seed=1, classes=3), recipe, 1)
    with pytest.raises(DnabertError, match=r"the test set has windows of 2 pieces of 510 k-mers, .* have 1;"):
        check_fits(data, of_lengths(24, 513), 3, "test")
    check_fits(of_lengths(24, 513), of_lengths(2000, 30), 3, "test")
    check_fits(data, of_lengths(24, 512), 3, "test")


def test_sequences_in_both_sets_are_counted() -> None:
    a = LabelledSet(Windows.from_strings(["ACGT", "GGGG", "TTTT"]), np.array([0, 1, 0]))
    b = LabelledSet(Windows.from_strings(["acgt", "CCCC", "ACGT", "TTT"]), np.array([0, 1, 0, 1]))
    assert shared(a, b) == 2


def test_presets_are_consistent() -> None:
    for name, preset in PRESETS.items():
        assert 0 <= preset.warm_up < 1, name
        assert preset.learning_rate <= (1e-3 if preset.network else 5e-5), name
    demo = PRESETS["demo"].network
    assert demo is not None
    build(demo, seed=1)


def test_a_regression_goes_on_from_a_head_of_its_own_shape_alone() -> None:
    """Only then is the head's last layer in the units of the values, and to be scaled."""
    one = network_config().with_head("xl-concat", ("value",), regression=True, split=2)
    assert goes_on(one, replace(one, labels=("other",)))
    assert not goes_on(one, replace(one, split=3))
    assert not goes_on(replace(one, regression=False), one)
