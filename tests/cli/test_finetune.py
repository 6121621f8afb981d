"""`finetune` as users type it, and `predict` after it; and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Cli = Callable[..., tuple[int, str, str]]
QUICK = ("--network", "tiny", "--epochs", 1, "--batch", 8, "--threads", 1)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    rows = ["".join(random.choice(list("ACGT"), 24)) for _ in range(24)]
    path = tmp_path / "labelled.csv"
    path.write_text("sequence,label\n" + "".join(f"{bases},{i % 2}\n" for i, bases in enumerate(rows)))
    return path


def test_several_runs_are_told_as_a_table(cli: Cli, table: Path, out: Path) -> None:
    given = ("--train", table, "--dev", table, "--test", table, "-o", out / "m", *QUICK)
    code, stdout, err = cli("finetune", *given, "--learning-rates", "1e-5,1e-3", "--seeds", 2, "--lora", 2)
    assert (code, stdout) == (0, "")
    for name in ("dev", "test"):
        assert f"note: 24 of the 24 {name} sequences stand in the training set too" in " ".join(err.split())
    assert sum(line.startswith("seed ") for line in err.splitlines()) == 3
    assert "learning rate 1e-05" in err
    assert "(seeds: " in err
    facts = json.loads((out / "m" / "metrics.json").read_text())
    assert len(facts["runs"]) == 3
    assert (out / "m" / "adapter.safetensors").exists()
    code, stdout, err = cli("finetune", *given)
    assert (code, stdout) == (1, "")
    assert "holds a model already; choose another folder, or replace it with --overwrite" in " ".join(err.split())
    assert cli("finetune", *given, "--lora", 2, "--overwrite", "-q") == (0, "", "")
    assert cli("predict", table, "-m", out / "m", "-o", out / "p.tsv", "-q") == (0, "", "")
    assert (out / "p.tsv").read_text().splitlines()[0] == "name\tlength\tp_0\tp_1\tpredicted"


def test_a_file_a_class_names_the_classes(cli: Cli, tmp_path: Path, out: Path) -> None:
    for name, bases in (("background", "ACGTACGTAA"), ("promoter", "TTTTTTTTTT")):
        (tmp_path / f"{name}.fa").write_text("".join(f">{i}\n{bases}\n" for i in range(8)))
    both = f"{tmp_path}/background.fa,{tmp_path}/promoter.fa"
    assert cli("finetune", "--train", both, "--dev", both, "-o", out / "m", *QUICK, "-q") == (0, "", "")
    config = json.loads((out / "m" / "config.json").read_text())
    assert config["dnabert_fast"]["classes"] == ["background", "promoter"]
    facts = json.loads((out / "m" / "metrics.json").read_text())
    assert facts["data"]["train"] == {
        "file": "background.fa,promoter.fa", "sequences": 16, "by_class": [8, 8]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--precision", "fp16"), "--precision fp16 does not train: gradients would need loss scaling"),
        (("--learning-rates", "1e-3,fast"), "--learning-rates 1e-3,fast: give numbers greater than 0"),
        (("--class-weights", "1,2,3"), "3 weights, but the training set has 2 classes"),
        (("--head", "sum"), "--head sum: choose one of auto, concat, rnn, mean"),
        (("--task", "tokens"), "labelled.csv:2: 1 labels for 24 bases"),
        (("--genome", "none.fa"), "none.fa"),
    ],
)
def test_one_line_says_what_is_wrong(cli: Cli, table: Path, out: Path, flags: tuple[str, ...], message: str) -> None:
    code, stdout, err = cli("finetune", "--train", table, "--dev", table, "-o", out / "m", *QUICK, *flags)
    assert (code, stdout) == (1, "")
    assert message in " ".join(err.split())
    assert not (out / "m" / "model.safetensors").exists()
