"""The shipped model: small, whole, the one its card describes, and one that knows a promoter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import dnabert_fast
from dnabert_fast.engine.model import load
from dnabert_fast.evaluate.metrics import class_metrics
from dnabert_fast.io.labelled import read_labelled
from dnabert_fast.nn.checkpoint import network_hash
from dnabert_fast.train.presets import PRESETS

FOLDER = Path(dnabert_fast.__file__).parent / "models" / "demo"
DATA = Path(__file__).parent.parent / "data" / "labelled"


def test_it_is_small_and_says_its_window() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 8_000_000
    model = load("demo")
    preset = PRESETS["demo"]
    assert model.block is not None
    assert (model.block.window, model.block.anchor, model.labels) == (preset.window, preset.anchor, preset.classes)
    assert preset.network is not None
    assert model.network.config.encoder == preset.network.encoder


def test_training_finds_it_by_its_name() -> None:
    assert network_hash("demo") == network_hash(FOLDER) == load("demo").hash()


def test_the_card_gives_the_measured_figures() -> None:
    card = (FOLDER / "README.md").read_text()
    metrics = json.loads((FOLDER / "metrics.json").read_text())
    test = metrics["test"]
    assert all(f"{test[name]:.3f}" in card for name in ("accuracy", "f1", "mcc", "auroc"))
    assert "does not prove" in card
    assert metrics["data"]["test"]["also_in_train"] == 0


def test_it_tells_promoters_from_other_sequence() -> None:
    """On 60 rows of its own training set: this is no measurement, only that these are trained weights."""
    table = read_labelled(DATA / "prom_300_tata_60.csv.gz", 4)
    answers = load("demo").predict(table.windows)
    assert class_metrics(table.labels, answers.astype(np.float64))["auroc"] > 0.8
