"""False calls of a scan become negatives: where they may come from, what they are, and what is told."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.seq.genome import Genome
from dnabert_fast.workflows.finetune import finetune
from dnabert_fast.workflows.hard_negatives import hard_negatives
from dnabert_fast.workflows.prepare import Common, windows

QUICK: dict[str, Any] = {"network": "tiny", "epochs": 2, "batch": 16, "learning_rate": 3e-3, "threads": 1, "seed": 1}
SITES = range(500, 39_500, 500)


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as table:
        return list(csv.DictReader(table))


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40,000 bases; runs of A at the sites, and others, which are none, 200 bases on."""
    random = np.random.default_rng(2)
    bases = random.choice([*b"CGT"], 40_000).astype(np.uint8)
    for at in SITES:
        bases[at : at + 30] = ord("A")
        bases[at : at + 30 : 7] = random.choice([*b"CGT"], 5)
        bases[at + 200 : at + 230] = bases[at : at + 30]
        bases[at + 200 : at + 230 : 5] = random.choice([*b"CGT"], 6)
    path = tmp_path_factory.mktemp("hard") / "g.fa"
    path.write_bytes(b">c\n" + bases.tobytes() + b"\n")
    return path


@pytest.fixture(scope="module")
def folder(genome: Path) -> Path:
    bed = genome.parent / "sites.bed"
    bed.write_text("".join(f"c\t{at}\t{at + 30}\ts{at}\t0\t+\n" for at in SITES))
    common = Common(genome=genome, output=genome.parent / "set", dev=["c:26-33k"], test=["c:33-40k"])
    windows(common, regions=bed, negatives="shuffle")
    return genome.parent / "set"


def test_rounds(tmp_path: Path, genome: Path, folder: Path) -> None:
    regions = tmp_path / "r.bed"
    regions.write_text("c\t0\t20000\nc\t25000\t30000\n")
    asked = {"rounds": 2, "regions": regions, "stride": 10, "threshold": 0.3, "most": 12, "near": 20, **QUICK}
    report = hard_negatives(folder, genome, output=tmp_path / "o", **asked)
    assert json.loads((tmp_path / "o" / "report.json").read_text()) == report
    told = report["rounds"]
    assert [row["round"] for row in told] == [0, 1, 2]
    before = rows(folder / "train.csv.gz")
    held_out = {row["sequence"] for name in ("dev", "test") for row in rows(folder / f"{name}.csv.gz")}
    for number in (1, 2):
        after = rows(tmp_path / "o" / f"train_{number}.csv.gz")
        assert after[: len(before)] == before
        fresh = after[len(before) :]
        assert told[number - 1]["added"] == len(fresh)
        assert told[number]["trained_on"] == len(after)
        with Genome.open(genome) as opened:
            for row in fresh:
                start, end = int(row["start"]), int(row["end"])
                assert (row["label"], end - start, start % 10) == ("0", 30, 0)
                assert end <= 20_000 or (start >= 25_000 and end <= 26_000)  # the regions, as far as they train
                assert all(abs(start - at) >= 20 for at in SITES)
                assert row["sequence"] not in held_out
                assert (row["strand"] == "+") == (row["sequence"].encode() == opened.bases("c", start, end).tobytes())
        assert len({row["sequence"] for row in after}) == len(after)
        before = after
    assert told[0]["added"] > 0
    # (20,000 - 30) / 10 + 1 and (1,000 - 30) / 10 + 1 windows, on two strands.
    assert {row["windows_scanned"] for row in told} == {2 * (1998 + 98)}
    assert all(row["called"] >= row["called_falsely"] >= row.get("added", 0) for row in told)
    assert (tmp_path / "o" / "round_2" / "model.safetensors").exists()
    again = hard_negatives(folder, genome, output=tmp_path / "p", **(asked | {"rounds": 1}))
    assert hard_negatives(folder, genome, output=tmp_path / "p", **(asked | {"rounds": 1})) == again
    same = {"train_1.csv.gz", "round_0/model.safetensors"}
    assert all((tmp_path / "o" / name).read_bytes() == (tmp_path / "p" / name).read_bytes() for name in same)
    assert again["rounds"][0] == told[0]


def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path: Path, genome: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"stride": 10, "threshold": 0.3, "most": 12, "near": 20, **QUICK, "epochs": 1}
    whole = hard_negatives(folder, genome, output=tmp_path / "whole", rounds=2, **asked)
    hard_negatives(folder, genome, output=tmp_path / "o", rounds=1, **asked)
    trained: list[str] = []

    def train(**given: Any) -> dict[str, Any]:
        trained.append(given["output"].name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return finetune(**given)

    monkeypatch.setattr("dnabert_fast.workflows.hard_negatives.finetune", train)
    with pytest.raises(KeyboardInterrupt):
        hard_negatives(folder, genome, output=tmp_path / "o", rounds=2, **asked)
    again = hard_negatives(folder, genome, output=tmp_path / "o", rounds=2, **asked)
    assert trained == ["round_1", "round_2", "round_2"]
    assert again["rounds"] == whole["rounds"]
    for name in ("train_1.csv.gz", "train_2.csv.gz", "round_2/model.safetensors"):
        assert (tmp_path / "o" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert hard_negatives(folder, genome, output=tmp_path / "o", rounds=2, **asked) == again
    assert len(trained) == 3
    with pytest.raises(DnabertError, match=r"o: holds 2 rounds already; give --rounds 2 or more, or another -o"):
        hard_negatives(folder, genome, output=tmp_path / "o", rounds=1, **asked)
    with pytest.raises(DnabertError, match=r"o: its rounds were made with seed 1, now it is 2; give the former"):
        hard_negatives(folder, genome, output=tmp_path / "o", rounds=2, **(asked | {"seed": 2}))
    (tmp_path / "o" / "report.json").write_text("{}")
    with pytest.raises(FormatError, match=r"report\.json: is no report of rounds; choose another -o"):
        hard_negatives(folder, genome, output=tmp_path / "o", rounds=2, **asked)
    (tmp_path / "o" / "report.json").unlink()
    with pytest.raises(DnabertError, match=r"o: holds rounds without their report\.json; choose another -o"):
        hard_negatives(folder, genome, output=tmp_path / "o", rounds=2, **asked)


def test_training_is_on_the_device_asked_for(
    tmp_path: Path, genome: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(**given: Any) -> dict[str, Any]:
        raise DnabertError(f"asked for {given['device']}")

    monkeypatch.setattr("dnabert_fast.workflows.hard_negatives.finetune", train)
    with pytest.raises(DnabertError, match="asked for cuda:1"):
        hard_negatives(folder, genome, output=tmp_path / "o", device="cuda:1", **QUICK)


def test_refusals(tmp_path: Path, genome: Path, folder: Path) -> None:
    with pytest.raises(FormatError, match=r"card\.json: No such file or directory; give a folder that prepare made"):
        hard_negatives(tmp_path, genome, output=tmp_path / "o", **QUICK)
    with pytest.raises(DnabertError, match=r"is the folder of the data"):
        hard_negatives(folder, genome, output=folder, **QUICK)
    with pytest.raises(DnabertError, match=r"--rounds 0: one round at least"):
        hard_negatives(folder, genome, output=tmp_path / "o", rounds=0, **QUICK)
    regions = tmp_path / "r.bed"
    regions.write_text("c\t27000\t28000\n")
    with pytest.raises(DnabertError, match=r"r\.bed: no region lies in the training stretches"):
        hard_negatives(folder, genome, output=tmp_path / "o", regions=regions, **QUICK)
    card = json.loads((folder / "card.json").read_text())
    for name, change, message in (
        ("labels", {"negative": None}, r"its classes have no negative one"),
        ("lengths", {"classes": card["classes"] | {"x": {"length": {"least": 3, "most": 40}}}}, r"windows of 3 to 40"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(json.dumps(card | change))
        with pytest.raises(DnabertError, match=message):
            hard_negatives(tmp_path / name, genome, output=tmp_path / "o", **QUICK)
