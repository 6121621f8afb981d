"""Models beside published figures: what is trained, what is evaluated as it is, and which set is which."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnabert_fast.errors import DnabertError
from dnabert_fast.workflows.bench_gue import PUBLISHED, gue, known_set

torch.set_num_threads(1)

QUICK: dict[str, Any] = {"epochs": 1, "batch": 16, "learning_rate": 3e-3, "device": "cpu"}


def make_set(folder: Path, seed: int, parts: tuple[str, ...] = ("train", "dev", "test")) -> None:
    folder.mkdir(parents=True)
    for part, name in enumerate(parts):
        random = np.random.default_rng(10 * seed + part)
        lines = ["sequence,label"]
        for i in range(32):
            bases = "".join(random.choice(list("ACGT"), 24))
            lines.append(f"{bases[:8] + 'CCCCCCCC' + bases[16:] if i % 2 else bases},{i % 2}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    make_set(tmp_path / "GUE" / "tf" / "0", 1)
    make_set(tmp_path / "GUE" / "prom" / "prom_core_all", 2)
    make_set(tmp_path / "GUE" / "splice" / "reconstructed", 3, ("dev", "test"))
    make_set(tmp_path / "GUE" / "other", 4)
    return tmp_path / "GUE"


def test_models_are_trained_and_then_evaluated_as_they_are(tmp_path: Path, sets: Path) -> None:
    said: list[str] = []
    facts = gue(
        sets,
        output=tmp_path / "out",
        networks=["ours=tiny"],
        baselines=["cnn"],
        say=said.append,
        **QUICK | {"epochs": 8},
    )
    rows = {row["set"]: row for row in facts["rows"]}
    assert list(rows) == ["other", "prom_prom_core_all", "tf_0"]  # splice has nothing to train on
    trained = json.loads((tmp_path / "out" / "ours" / "tf_0" / "metrics.json").read_text())
    assert rows["tf_0"]["mcc"]["ours"] == pytest.approx(100 * trained["test"]["mcc"], abs=0.005)
    assert rows["tf_0"]["mcc"]["ours"] > 0
    assert rows["tf_0"]["published"] == {"DNABERT, k=3": 67.95, "DNABERT, k=6": 66.84, "DNABERT-2": 71.99}
    assert rows["prom_prom_core_all"]["known_as"] == "prom_core_all"
    assert rows["other"]["published"] == {"DNABERT, k=3": None, "DNABERT, k=6": None, "DNABERT-2": None}
    assert facts["notes"] == ["other: no figure was published of a set of this name"]
    mean = np.mean([rows[name]["mcc"]["cnn"] for name in ("tf_0", "prom_prom_core_all")])
    assert facts["means"]["cnn"] == pytest.approx(mean, abs=0.005)
    assert (facts["means"]["sets"], facts["means"]["DNABERT, k=3"]) == (
        2,
        pytest.approx((67.95 + 70.92) / 2, abs=0.006),
    )
    assert json.loads((tmp_path / "out" / "bench.json").read_text()) | {"output": facts["output"]} == facts
    assert r"| tf\_0 |" in (tmp_path / "out" / "bench.md").read_text()
    assert len(said) == 6

    # The models that are there now need no training, and answer as they did.
    again = gue(sets, output=tmp_path / "again", models=[f"ours={tmp_path / 'out' / 'ours'}"], device="cpu")
    assert again["fine_tuned_here"] == []
    assert not (tmp_path / "again" / "results.tsv").exists()
    assert {row["set"]: row["mcc"] for row in again["rows"]} == {
        name: {"ours": row["mcc"]["ours"]} for name, row in rows.items()
    }


def test_seeds_count_as_their_mean(tmp_path: Path) -> None:
    make_set(tmp_path / "tf" / "0", 1)
    facts = gue(tmp_path / "tf", output=tmp_path / "out", baselines=["cnn"], seeds=2, **QUICK)
    files = [tmp_path / "out" / "cnn" / "0" / f"seed-{seed}" / "metrics.json" for seed in (42, 43)]
    values = [100 * json.loads(path.read_text())["test"]["mcc"] for path in files]
    [row] = facts["rows"]
    assert (row["set"], row["known_as"]) == ("0", "tf_0")
    assert row["mcc"]["cnn"] == pytest.approx(np.mean(values), abs=0.006)


def test_a_set_with_more_classes_than_a_model_is_refused(
    tmp_path: Path, sets: Path, make_model: Callable[..., Path]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tf_0").symlink_to(make_model())
    with open(sets / "tf" / "0" / "test.csv", "a") as file:
        file.write("ACGTACGTAC,2\n")
    with pytest.raises(DnabertError, match=r"test\.csv.* 2"):
        gue(sets, output=tmp_path / "out", models=[f"mine={tmp_path / 'mine'}"], device="cpu")
    with pytest.raises(DnabertError, match="give --model"):
        gue(sets, output=tmp_path / "out")
    with pytest.raises(DnabertError, match="holds test as"):
        gue(tmp_path / "mine", output=tmp_path / "out", baselines=["cnn"])


@pytest.mark.parametrize(
    ("name", "folder", "known"),
    [
        ("prom_prom_300_tata", "GUE", "prom_300_tata"),
        ("prom_300_all", "prom", "prom_300_all"),
        ("1", "mouse", "mouse_1"),
        ("GUE_splice_reconstructed", "data", "splice_reconstructed"),
        ("1", "GUE", None),
        ("myprom_300_all", "GUE", None),
    ],
)
def test_a_set_is_known_by_the_end_of_its_name(name: str, folder: str, known: str | None) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert known_set(name, folder, list(published["sets"])) == known


def test_published_figures_are_whole() -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert all(len(row) == len(published["models"]) for row in published["sets"].values())
    assert all(0 < value < 100 for row in published["sets"].values() for value in row)
    assert "2306.15006" in published["source"]
