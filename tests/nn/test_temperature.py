"""The temperature of a model: written beside the weights, in the hash only where it is not 1, never taken on trust."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnabert_fast.engine.model import load
from dnabert_fast.errors import CheckpointError
from dnabert_fast.nn.checkpoint import network_hash, read_network, write_network
from dnabert_fast.nn.temperature import write_temperature
from dnabert_fast.seq.types import F64

SEQUENCES = ["ACGTTGCAAGGATTACA" * 3, "TTTTTTTTTTCCCCCCCC", "ACGT" * 9]


@pytest.fixture
def folder(make_model: Callable[..., Path], tmp_path: Path) -> Path:
    """A model folder of the test alone."""
    return Path(shutil.copytree(make_model(), tmp_path / "model"))


def test_writing_changes_one_field_and_one_takes_it_out(folder: Path) -> None:
    before, was = json.loads((folder / "config.json").read_text()), network_hash(folder)
    write_temperature(folder, 2.5)
    after = json.loads((folder / "config.json").read_text())
    assert after["dnabert_fast"].pop("temperature") == 2.5
    assert after == before
    assert read_network(folder).config.temperature == 2.5
    assert network_hash(folder) != was
    write_temperature(folder, 1.0)
    assert json.loads((folder / "config.json").read_text()) == before
    assert network_hash(folder) == was
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_a_network_nobody_calibrated_says_nothing_of_it(folder: Path) -> None:
    """Files and hashes of models written before there was a temperature stay as they are."""
    network = read_network(folder)
    assert network.config.temperature == 1.0
    assert "temperature" not in (folder / "config.json").read_text()
    calibrated = replace(network.config, temperature=3.0)
    assert calibrated.with_head("sequence", ("a", "b")).temperature == 1.0
    network.config = calibrated
    write_network(network, folder)
    assert read_network(folder).config == calibrated


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "warm", True, None])
def test_what_is_no_temperature_is_refused(folder: Path, value: Any) -> None:
    fields = json.loads((folder / "config.json").read_text())
    fields["dnabert_fast"] = fields.get("dnabert_fast", {}) | {"temperature": value}
    (folder / "config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match=r"config\.json: dnabert_fast\.temperature is .*greater than 0"):
        read_network(folder)


def test_a_configuration_of_no_temperature() -> None:
    from dnabert_fast.nn.config import PRESETS

    with pytest.raises(ValueError, match="a temperature is a number greater than 0, not 0"):
        replace(PRESETS["tiny"], temperature=0.0)


@pytest.mark.parametrize("labels", [("no", "yes"), ("none", "donor", "acceptor")])
def test_log_odds_and_probabilities_are_those_of_cooled_logits(
    make_model: Callable[..., Path], tmp_path: Path, labels: tuple[str, ...]
) -> None:
    folder = Path(shutil.copytree(make_model(labels=labels), tmp_path / "model"))
    name = None if len(labels) == 2 else "donor"
    old = load(folder, device="cpu")
    logits = np.concatenate(list(old._answers(SEQUENCES)))
    write_temperature(folder, 4.0)
    new = load(folder, device="cpu")
    np.testing.assert_array_equal(np.concatenate(list(new._answers(SEQUENCES))), logits)  # the network is the same

    def softmax(table: F64) -> F64:
        raised = np.exp(table - table.max(axis=1, keepdims=True))
        shares: F64 = raised / raised.sum(axis=1, keepdims=True)
        return shares

    cooled = softmax(logits.astype(np.float64) / 4)
    np.testing.assert_allclose(new.predict(SEQUENCES), cooled, atol=1e-6)
    np.testing.assert_array_equal(new.predict(SEQUENCES).argmax(axis=1), old.predict(SEQUENCES).argmax(axis=1))
    odds = new.readout(name).score(logits)
    np.testing.assert_allclose(odds, np.log(cooled[:, 1] / (1 - cooled[:, 1])), atol=1e-6)
    if len(labels) == 2:
        np.testing.assert_allclose(odds, old.readout(name).score(logits) / 4, rtol=1e-12)


def test_a_regression_has_no_temperature(make_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(make_model(labels=("activity",), regression=True), tmp_path / "model"))
    before = load(folder, device="cpu").predict(SEQUENCES)
    write_temperature(folder, 4.0)
    model = load(folder, device="cpu")
    np.testing.assert_array_equal(model.predict(SEQUENCES), before)
    np.testing.assert_array_equal(model.readout().score(before), before[:, 0].astype(np.float64))
