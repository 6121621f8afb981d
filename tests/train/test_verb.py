"""The verb from files to a model folder and back, and its refusals."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnabert_fast.engine.model import load
from dnabert_fast.errors import CheckpointError, DnabertError, FormatError
from dnabert_fast.train.learner import NetworkLearner
from dnabert_fast.train.loop import evaluate
from dnabert_fast.train.sets import LabelledSet
from dnabert_fast.workflows.baseline import train_baseline
from dnabert_fast.workflows.finetune import finetune

from .conftest import files_of_at_most, poly_runs

DATA = Path(__file__).parent.parent / "data" / "labelled"


def table(data: LabelledSet, path: Path) -> Path:
    rows = [f"{data.windows[i].decode()},{label}" for i, label in enumerate(data.labels)]
    path.write_text("\n".join(["sequence,label", *rows]) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {
        name: table(poly_runs(48, seed), tmp_path / f"{name}.csv") for seed, name in enumerate(("train", "dev", "test"))
    }


QUICK: dict[str, Any] = {"network": "tiny", "learning_rate": 3e-3, "epochs": 2, "batch": 16, "seed": 3}


def test_the_folder_is_the_model_that_was_measured(tmp_path: Path, files: dict[str, Path]) -> None:
    events: list[Any] = []
    shown: list[tuple[str, str, int | None]] = []
    done: list[int] = []

    def progress(what: str, unit: str, total: int | None) -> Any:
        shown.append((what, unit, total))
        return done.append

    out = tmp_path / "deep" / "out"
    facts = finetune(**files, output=out, **QUICK, report=events.append, progress=progress)
    assert shown == [("training", "sequences", 96)]
    assert sum(done) == 96
    assert json.loads((out / "metrics.json").read_text()) | {"output": str(out)} == facts
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [(e["event"], e["step"]) for e in logged] == [(e["event"], e["step"]) for e in events]
    assert sum(e["event"] == "step" for e in logged) == facts["steps"] == 6
    assert facts["data"]["test"] == {"file": "test.csv", "sequences": 48, "by_class": [24, 24], "also_in_train": 0}
    model = load(str(out))
    assert (model.k, model.labels, model.block.window) == (3, ("0", "1"), 24)
    test = poly_runs(48, 2)
    again = evaluate(NetworkLearner(model.network), test)
    assert {name: facts["test"][name] for name in again} == pytest.approx(again, abs=1e-12)
    answers = model.predict(test.windows)
    assert float(np.mean(answers.argmax(1) == test.labels)) == pytest.approx(facts["test"]["accuracy"])


def test_equal_commands_write_equal_models(tmp_path: Path, files: dict[str, Path]) -> None:
    for name in ("a", "b"):
        finetune(**files, output=tmp_path / name, **QUICK)
    for part in ("model.safetensors", "config.json"):
        assert (tmp_path / "a" / part).read_bytes() == (tmp_path / "b" / part).read_bytes()


def test_training_goes_on_from_a_folder(tmp_path: Path, files: dict[str, Path]) -> None:
    finetune(**files, output=tmp_path / "a", **QUICK)
    again = {**QUICK, "network": None, "epochs": 8}
    facts = finetune(**files, output=tmp_path / "b", model=str(tmp_path / "a"), **again)
    first = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert facts["dev"]["loss"] < first["dev"]["loss"]


def test_real_promoters_under_the_demo_preset(tmp_path: Path) -> None:
    promoters = DATA / "prom_300_tata_60.csv.gz"
    events: list[Any] = []
    facts = finetune(
        train=promoters, dev=promoters, preset="demo", epochs=1, output=tmp_path / "out", report=events.append
    )
    assert facts["data"]["dev"]["also_in_train"] == 60
    assert events[0]["note"].startswith("60 of the 60 dev sequences stand in the training set too; what is measured")
    assert [event["event"] for event in events].count("note") == 1
    model = load(str(tmp_path / "out"))
    assert model.block is not None
    assert (model.block.window, model.labels) == (300, ("background", "promoter"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"preset": "promoters"},
            "--preset promoters: choose one of general, prom-300, prom-core, prom-scan, tf, splice, demo",
        ),
        ({"network": "huge"}, "--network huge: choose one of"),
        ({"model": "x"}, "give one of them"),
        ({"epochs": 0}, "--epochs 0 must be greater than 0"),
        ({"learning_rate": -1.0}, "--learning-rate -1.0 must be greater than 0"),
        ({"preset": "prom-core"}, "windows of 70 bases are asked for"),
        ({"kmer": 9}, "--kmer 9: choose one of 3, 4, 5, 6"),
        ({"seed": -1}, "--seed -1: give a whole number from 0"),
        ({"seed": 1 << 63}, "give a whole number from 0 to 2^63 - 1"),
        ({"task": "label"}, "--task label: choose one of auto, classes, regression, tokens"),
        ({"classes": ("a", "a")}, "--classes a,a: each class needs a name of its own"),
        ({"weight_decay": -0.1}, "--weight-decay -0.1 must not be below 0"),
        ({"max_train": 1}, "--max-train 1 leaves class"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, files: dict[str, Path], wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DnabertError) as caught:
        finetune(**files, output=tmp_path / "out", **{**QUICK, **wrong})
    assert message in str(caught.value)


def test_the_model_that_training_begins_with_stays(tmp_path: Path, files: dict[str, Path]) -> None:
    finetune(**files, output=tmp_path / "a", **QUICK)
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    for start in ({"model": str(tmp_path / "a"), "network": None}, {"network": str(tmp_path / "a")}):
        with pytest.raises(DnabertError, match="is an input too; choose another folder"):
            finetune(**files, output=tmp_path / "b" / ".." / "a", **{**QUICK, **start})
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before


def test_a_model_is_replaced_on_demand_alone(tmp_path: Path, files: dict[str, Path]) -> None:
    """The model of a former run stays unless it is said to go, also where what is trained now is a baseline."""
    out, quick = tmp_path / "a", {**QUICK, "epochs": 1}
    finetune(**files, output=out, **quick)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    of_baseline = {name: value for name, value in quick.items() if name != "network"}
    for train in (partial(finetune, **quick, seeds=2), partial(train_baseline, baseline="cnn", **of_baseline)):
        with pytest.raises(DnabertError, match=r"a: holds a model already; .* replace it with --overwrite$"):
            train(**files, output=out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    facts = finetune(**files, output=out, **{**quick, "seed": 4}, overwrite=True)
    assert json.loads((out / "metrics.json").read_text())["seed"] == facts["seed"] == 4


def test_a_full_disk_leaves_the_former_model(tmp_path: Path, files: dict[str, Path]) -> None:
    out, quick = tmp_path / "a", {**QUICK, "epochs": 1}
    finetune(**files, output=out, **quick)
    before = (out / "model.safetensors").read_bytes()
    of_baseline = {name: value for name, value in quick.items() if name != "network"}
    with files_of_at_most(100_000), pytest.raises(CheckpointError, match=r"a: cannot be written: File too large$"):
        finetune(**files, output=out, **{**quick, "seed": 4}, overwrite=True)
    with files_of_at_most(100_000), pytest.raises((OSError, DnabertError), match="File too large"):
        train_baseline(**files, output=out, baseline="cnn", **of_baseline, overwrite=True)
    assert (out / "model.safetensors").read_bytes() == before


def test_dev_and_test_may_lack_a_class(tmp_path: Path) -> None:
    train = table(poly_runs(48, 1, classes=3), tmp_path / "train.csv")
    some = poly_runs(48, 2, classes=3)
    part = table(some.take(np.flatnonzero(some.labels != 1)), tmp_path / "part.csv")
    facts = finetune(train=train, dev=part, test=part, output=tmp_path / "out", **QUICK)
    assert facts["data"]["dev"]["by_class"] == [16, 0, 16]
    assert load(tmp_path / "out").labels == ("0", "1", "2")
    assert facts["test"]["mcc"] is not None


def test_a_file_a_class_has_one_order(tmp_path: Path) -> None:
    for place in ("train", "dev"):
        (tmp_path / place).mkdir()
        for name in "ab":
            (tmp_path / place / f"{name}.fa").write_text(f">x\nACGTACGT{'AT' if name == 'a' else 'CG'}\n")
    train, dev, other = (",".join(str(tmp_path / part) for part in parts) for parts in (
        ("train/a.fa", "train/b.fa"), ("dev/a.fa", "dev/b.fa"), ("dev/b.fa", "dev/a.fa"),
    ))  # fmt: skip
    with pytest.raises(DnabertError, match=r"classes are b, a, but those of --train a, b; give them in one order"):
        finetune(train=train, dev=other, output=tmp_path / "out", **QUICK)
    finetune(train=train, dev=dev, output=tmp_path / "out", **QUICK)
    assert load(tmp_path / "out").labels == ("a", "b")


def test_what_would_fail_at_the_end_is_refused_before_training(tmp_path: Path, files: dict[str, Path]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DnabertError, match="the test set has label 2"):
        finetune(**{**files, "test": table(poly_runs(9, 1, classes=3), tmp_path / "c")}, output=tmp_path / "o", **QUICK)
    assert not (tmp_path / "o").exists()
    with pytest.raises(FormatError, match="is a file; give a folder name for the output"):
        finetune(**files, output=tmp_path / "file", **QUICK)
    with pytest.raises(CheckpointError):
        finetune(**files, output=tmp_path / "out", model=str(tmp_path / "none"), learning_rate=1e-3)
