"""`finetune --sets` and `--baseline` as users call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnabert_fast.workflows import battery as module

from .conftest import Cli

QUICK = ("--epochs", 1, "--batch", 4)


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        folder = tmp_path / "sets" / name
        folder.mkdir(parents=True)
        for part in ("train", "dev", "test"):
            (folder / f"{part}.csv").write_text("sequence,label\n" + "ACGTACGTACGT,0\nACCCCCCTACGT,1\n" * 4)
    return tmp_path / "sets"


def test_many_sets_then_the_same_command_again(cli: Cli, sets: Path, tmp_path: Path) -> None:
    words = ("finetune", "--sets", sets, "-o", tmp_path / "out", "--baseline", "cnn", "--network", "small=tiny", *QUICK)
    ended = cli(*words)
    assert ended.code == 0
    assert "a  cnn  mcc" in ended.err
    assert len((tmp_path / "out" / "results.tsv").read_text().splitlines()) == 5
    assert "4 of 4 runs are there already" in cli(*words).err
    (sets / "b" / "dev.csv").write_text("sequence,label\nACGT,0\nACGT,no\n")
    ended = cli(*words)
    assert (ended.code, "with another content of the dev set; give" in ended.err) == (1, True)


def test_runs_that_fail_end_with_code_1(cli: Cli, sets: Path, tmp_path: Path) -> None:
    (sets / "a" / "test.csv").write_text("nothing\n")
    ended = cli("finetune", "--sets", sets, "-o", tmp_path / "out", "--baseline", "cnn", *QUICK)
    assert ended.code == 1
    assert "a  cnn  failed:" in ended.err
    assert "b  cnn  mcc" in ended.err
    assert "1 of 2 runs failed" in ended.err


def test_ctrl_c_says_that_one_can_go_on(cli: Cli, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(**given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train_baseline", stopped)
    ended = cli("finetune", "--sets", sets, "-o", tmp_path / "out", "--baseline", "cnn", *QUICK)
    assert ended.code == 130
    assert "goes on from there" in " ".join(ended.err.split())


def test_one_baseline_is_judged_by_its_predictions(cli: Cli, sets: Path, tmp_path: Path) -> None:
    files = [word for part in ("train", "dev", "test") for word in (f"--{part}", sets / "a" / f"{part}.csv")]
    assert cli("finetune", *files, "--baseline", "cnn", "-o", tmp_path / "cnn", *QUICK).code == 0
    predictions = f"cnn={tmp_path / 'cnn' / 'predictions.tsv'}"
    judged = ("evaluate", sets / "a" / "test.csv", "--predictions", predictions, "--resamples", 20)
    assert cli(*judged, "-o", tmp_path / "judged").code == 0
    said = json.loads((tmp_path / "cnn" / "metrics.json").read_text())["test"]["auroc"]
    found = json.loads((tmp_path / "judged" / "metrics.json").read_text())
    assert f"{said:.6f}" in {f"{value:.6f}" for value in numbers(found)}


def numbers(found: object) -> list[float]:
    """All numbers in JSON, at any depth."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list):
        return [number for part in found for number in numbers(part)]
    return [float(found)] if isinstance(found, (int, float)) else []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --train and --dev, or --sets"),
        (("--train", "a", "--dev", "b", "--keep", "metrics"), "--keep belongs to --sets"),
        (("--train", "a", "--dev", "b", "--baseline", "cnn", "--model", "m"), "leave --model and --network out"),
        (("--train", "a", "--dev", "b", "--model", "m", "--model", "n"), "--model is given 2 times"),
        (("--train", "a", "--dev", "b", "--baseline", "cnn", "--seeds", "2"), "with --sets alone"),
        (("--sets", "a", "--train", "b", "--baseline", "cnn"), "--train is about one set"),
    ],
)
def test_flags_that_do_not_go_together(cli: Cli, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    ended = cli("finetune", "-o", tmp_path / "out", *words)
    assert ended.code == 1
    assert message in " ".join(ended.err.split())
