"""Adapters, frozen encoders, sweeps, early stopping, class weights and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from dnabert_fast.engine.model import load
from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.checkpoint import read_network, write_network
from dnabert_fast.nn.config import PRESETS
from dnabert_fast.nn.keys import split
from dnabert_fast.nn.network import build
from dnabert_fast.train import loop
from dnabert_fast.train.criterion import Criterion, weights_of_classes
from dnabert_fast.train.finetune import finetune as one_run
from dnabert_fast.train.finetune import starting_network
from dnabert_fast.train.fitting import classifier
from dnabert_fast.train.learner import NetworkLearner
from dnabert_fast.train.loop import train
from dnabert_fast.train.presets import Recipe
from dnabert_fast.train.sets import LabelledSet
from dnabert_fast.workflows.finetune import finetune

from .conftest import poly_runs

QUICK: dict[str, Any] = {"learning_rate": 3e-3, "epochs": 2, "batch": 16, "seed": 3}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for seed, name in enumerate(("train", "dev", "test")):
        data = poly_runs(48, seed)
        rows = [f"{data.windows[i].decode()},{label}" for i, label in enumerate(data.labels)]
        found[name] = tmp_path / f"{name}.csv"
        found[name].write_text("\n".join(["sequence,label", *rows]) + "\n")
    return found


@pytest.fixture
def base(tmp_path: Path) -> str:
    write_network(build(PRESETS["tiny"].with_head("mlm"), seed=1), tmp_path / "base")
    return str(tmp_path / "base")


def encoder_of(folder: str | Path) -> dict[str, torch.Tensor]:
    return {
        name: value for name, value in split(read_network(folder)).items() if ".layer." in name or "embeddings" in name
    }


def test_adapters_are_merged_and_kept(tmp_path: Path, files: dict[str, Path], base: str) -> None:
    facts = finetune(**files, output=tmp_path / "out", model=base, **QUICK, lora=2, lora_alpha=6)
    found, before = encoder_of(tmp_path / "out"), encoder_of(base)
    adapters = safetensors.torch.load_file(tmp_path / "out" / "adapter.safetensors")
    moved = 0
    for name, value in found.items():
        stem = name.removesuffix(".weight")
        if f"{stem}.lora_A.weight" not in adapters:
            assert torch.equal(value, before[name]), name
            continue
        delta = 3 * adapters[f"{stem}.lora_B.weight"] @ adapters[f"{stem}.lora_A.weight"]
        torch.testing.assert_close(value, before[name] + delta, atol=1e-6, rtol=0)
        moved += int(delta.abs().max() > 0)
    assert moved == len(adapters) // 2 == 12
    assert facts["lora"] == 2
    answers = load(tmp_path / "out").predict(poly_runs(48, 2).windows)
    assert float(np.mean(answers.argmax(1) == poly_runs(48, 2).labels)) == pytest.approx(facts["test"]["accuracy"])
    finetune(**files, output=tmp_path / "out", model=base, **QUICK, overwrite=True)
    assert not (tmp_path / "out" / "adapter.safetensors").exists(), "adapters of a former run"


def test_adapters_learn(base: str) -> None:
    recipe = Recipe(learning_rate=1e-2, epochs=20, batch=16)
    data = poly_runs(128, 1)
    network = classifier(starting_network(base, recipe, 1), recipe, data, 1)
    from dnabert_fast.train.finetune import finetune as train_one

    found = train_one(network, data, poly_runs(64, 2), replace(recipe, lora=4), 1)
    assert found.outcome.dev["mcc"] > 0.9


def test_a_frozen_encoder_stays(tmp_path: Path, files: dict[str, Path], base: str) -> None:
    finetune(**files, output=tmp_path / "out", model=base, **QUICK, freeze_encoder=True)
    found, before = encoder_of(tmp_path / "out"), encoder_of(base)
    assert all(torch.equal(found[name], before[name]) for name in before)
    head, start = split(read_network(tmp_path / "out")), split(read_network(base))
    assert not torch.equal(head["bert.pooler.dense.weight"], start["bert.pooler.dense.weight"])


def test_rates_and_seeds_begin_at_one_start(tmp_path: Path, files: dict[str, Path], base: str) -> None:
    rates = [1e-6, 3e-3]
    quick = {**QUICK, "learning_rate": None, "epochs": 6}
    facts = finetune(**files, output=tmp_path / "out", model=base, **quick, learning_rates=rates, seeds=3)
    runs = facts["runs"]
    assert [(run["seed"], run["learning_rate"]) for run in runs] == [(3, 1e-6), (3, 3e-3), (4, 3e-3), (5, 3e-3)]
    assert facts["learning_rate"] == 3e-3
    assert "test" not in runs[0], "the test set does not choose the rate"
    ranks = [(run["dev"]["mcc"], -run["dev"]["loss"]) for run in runs]
    assert facts["seed"] == runs[ranks.index(max(ranks))]["seed"]
    assert facts["dev"] == runs[ranks.index(max(ranks))]["dev"]
    over = facts["over_seeds"]["test"]["mcc"]
    of_seeds = [run["test"]["mcc"] for run in runs[1:]]
    assert over == {"mean": pytest.approx(np.mean(of_seeds)), "sd": pytest.approx(np.std(of_seeds, ddof=1))}
    # The model in the folder is that of the best run, and each run is the one that would have been made alone.
    test = poly_runs(48, 2)
    answers = load(tmp_path / "out").predict(test.windows)
    assert float(np.mean(answers.argmax(1) == test.labels)) == pytest.approx(facts["test"]["accuracy"])
    for run in (runs[0], runs[2]):
        alone = {**quick, "seed": run["seed"], "learning_rate": run["learning_rate"]}
        assert finetune(**files, output=tmp_path / "alone", model=base, **alone, overwrite=True)["dev"] == run["dev"]
    logged = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert {(event["seed"], event["rate"]) for event in logged} == {(run["seed"], run["learning_rate"]) for run in runs}


def test_a_rate_that_fails_is_passed_over(tmp_path: Path, files: dict[str, Path], base: str) -> None:
    quick = {**QUICK, "learning_rate": None}
    facts = finetune(**files, output=tmp_path / "out", model=base, **quick, learning_rates=["1e30", "3e-3"])
    assert "lower the learning rate" in facts["runs"][0]["error"]
    assert facts["learning_rate"] == 3e-3
    with pytest.raises(DnabertError, match="no learning rate trains: step"):
        finetune(**files, output=tmp_path / "out", model=base, **quick, learning_rates=["1e30", "1e32"], overwrite=True)


def test_a_seed_that_fails_costs_itself_alone(
    tmp_path: Path, files: dict[str, Path], base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(base: Any, data: Any, dev: Any, recipe: Any, seed: int, report: Any) -> Any:
        if seed == bad:
            raise DnabertError("the loss is nan")
        return one_run(base, data, dev, recipe, seed, report)

    monkeypatch.setattr("dnabert_fast.train.sweep.finetune", train)
    bad = 4
    facts = finetune(**files, output=tmp_path / "out", model=base, **{**QUICK, "seed": 3, "seeds": 3})
    assert [run.get("error") for run in facts["runs"]] == [None, "the loss is nan", None]
    assert facts["seed"] in (3, 5)
    bad = 3
    with pytest.raises(DnabertError, match=r"^the loss is nan"):
        finetune(**files, output=tmp_path / "out", model=base, **{**QUICK, "seed": 3, "seeds": 2}, overwrite=True)


def test_training_ends_when_patience_does(
    data: LabelledSet, dev: LabelledSet, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = NetworkLearner(classifier(starting_network(None, recipe, 1), recipe, data, 1))
    found = iter([0.2, 0.5, 0.4, 0.6, 0.1, 0.6, 0.3, 0.9])
    monkeypatch.setattr(loop, "evaluate", lambda *rest: {"mcc": next(found), "loss": 1.0, "classes_predicted": 2})
    outcome = train(learner, data, dev, replace(recipe, epochs=8, patience=3), 1)
    assert (outcome.steps, outcome.best_step, outcome.stopped_early) == (7 * 4, 4 * 4, True)
    assert next(found) == 0.9


def test_weighted_classes_are_torchs_weighted_mean() -> None:
    random = torch.Generator().manual_seed(1)
    outputs = torch.randn(30, 3, generator=random)
    labels = torch.arange(30) % 3 % 2 + (torch.arange(30) % 10 == 0) * 1
    data = poly_runs(30, 1)
    data = LabelledSet(data.windows, labels.numpy())
    counts = torch.bincount(labels)
    for given, weights in (("balanced", 30 / (3 * counts)), ((1.0, 2.0, 0.5), torch.tensor([1.0, 2.0, 0.5]))):
        criterion = Criterion("classes", weights_of_classes(data, given))
        found = criterion.total(outputs, labels) / criterion.weight(labels)
        torch.testing.assert_close(found, F.cross_entropy(outputs, labels, weights.float()))
    with pytest.raises(DnabertError, match="2 weights, but the training set has 3 classes"):
        weights_of_classes(data, (1.0, 2.0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": "fp16"}, "--precision fp16 does not train: gradients would need loss scaling"),
        ({"precision": "int8"}, "--precision int8 does not train"),
        ({"kmer": 5}, "--kmer 5: model .* has the vocabulary of 3-mers"),
        ({"lora": 0}, "--lora 0 must be greater than 0"),
        ({"lora": 4, "freeze_encoder": True}, "give one of them"),
        ({"lora_alpha": 4}, "--lora-alpha belongs to --lora"),
        ({"learning_rates": [1e-3]}, "give one flag"),
        ({"learning_rate": None, "learning_rates": ["1e-3", "x"]}, "--learning-rates 1e-3,x: give numbers greater"),
        ({"class_weights": "1,2,3"}, "3 weights, but the training set has 2 classes"),
        ({"class_weights": "heavy"}, "--class-weights heavy: give numbers greater"),
        ({"dropout": 1.0}, "--dropout 1.0 must be from 0 to below 1"),
        ({"task": "tokens"}, "1 labels for 24 bases"),
    ],
)
def test_settings_that_do_not_fit(
    tmp_path: Path, files: dict[str, Path], base: str, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(DnabertError, match=message):
        finetune(**files, output=tmp_path / "out", model=base, **{**QUICK, **wrong})


def test_kmer_of_a_new_network(tmp_path: Path, files: dict[str, Path]) -> None:
    finetune(**files, output=tmp_path / "out", network="tiny", kmer=5, **QUICK)
    assert load(tmp_path / "out").k == 5
