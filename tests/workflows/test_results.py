"""Models compared over many sets, against scipy on the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dnabert_fast import DnabertError
from dnabert_fast.workflows.results import compare_results

MODELS = ("ours", "cnn", "gru")


@pytest.fixture
def square() -> np.ndarray:
    random = np.random.default_rng(2)
    return np.round(0.7 + 0.05 * random.normal(size=(30, 3)) + [0.03, 0.0, 0.001], 4)


def write(path: Path, square: np.ndarray) -> Path:
    lines = ["Set\tModel\tMCC\tauroc\tseconds"]
    lines += [
        f"set{i}\t{model}\t{'.' if np.isnan(value) else value}\t{1 - i / 100}\t{j}"
        for i, row in enumerate(square)
        for j, (model, value) in enumerate(zip(MODELS, row, strict=True))
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pairs_and_all_together(square: np.ndarray, tmp_path: Path) -> None:
    facts = compare_results(write(tmp_path / "results.tsv", square), output=tmp_path / "out")
    found = facts["metrics"]["mcc"]
    assert (facts["sets"], facts["models"]) == (30, list(MODELS))
    expected = {(a, b): stats.wilcoxon(square[:, a], square[:, b]).pvalue for a, b in ((0, 1), (0, 2), (1, 2))}
    assert [pair["p"] for pair in found["pairs"]] == pytest.approx(list(expected.values()), rel=1e-6)
    adjusted = stats.false_discovery_control(list(expected.values()))
    assert [pair["adjusted"] for pair in found["pairs"]] == pytest.approx(adjusted, rel=1e-6)
    theirs = stats.kruskal(*square.T)
    assert (found["kruskal"]["h"], found["kruskal"]["p"]) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert found["medians"] == pytest.approx(dict(zip(MODELS, np.median(square, axis=0), strict=True)))
    first = found["pairs"][0]
    assert first["wins"] == ((square[:, 0] > square[:, 1]).sum(), (square[:, 0] < square[:, 1]).sum())
    assert first["median"] == pytest.approx(np.median(square[:, 0] - square[:, 1]))
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["metrics"]["mcc"]["pairs"][0]["wins"] == list(first["wins"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.json", "report.html", "report.md"]
    report = (tmp_path / "out" / "report.md").read_text()
    assert f"| ours – cnn | 30 | {first['wins'][0]} : {first['wins'][1]} |" in report


def test_sets_that_a_model_lacks_are_left_out_of_its_pairs(square: np.ndarray, tmp_path: Path) -> None:
    square[:4, 2] = np.nan
    facts = compare_results(write(tmp_path / "results.tsv", square), output=tmp_path / "out", metrics=["MCC", "auroc"])
    pairs = facts["metrics"]["mcc"]["pairs"]
    assert [pair["sets"] for pair in pairs] == [30, 26, 26]
    assert pairs[1]["p"] == pytest.approx(stats.wilcoxon(square[4:, 0], square[4:, 2]).pvalue, rel=1e-6)
    assert facts["notes"] == ["mcc: 4 of 90 numbers are missing; pairs leave those sets out"]
    assert [pair["p"] for pair in facts["metrics"]["auroc"]["pairs"]] == [1.0] * 3  # all alike


CASES = {
    "set,model,mcc\na,x,1\na,x,2\na,y,1\n": r"results\.csv:3: set 'a' and model 'x' are on line 2 too",
    "set,model,mcc\na,x,1\n": r"one model alone \(x\); comparing takes two",
    "set,model,mcc\na,x,good\na,y,1\n": r"results\.csv:2: mcc 'good' is not a finite number",
    "set,model,a,b\na,x,1,2\na,y,1,2\n": r"which column is to go by\? give --metric, one of a, b",
    "set,mcc\na,1\n": "no column 'model' in the first line; there are set, mcc",
    "set,model,mcc,mcc\na,x,1,1\n": "two columns are named 'mcc'",
}


@pytest.mark.parametrize("text", CASES)
def test_tables_that_cannot_be_compared(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(DnabertError, match=CASES[text]):
        compare_results(tmp_path / "results.csv", output=tmp_path / "out")
    assert not (tmp_path / "out" / "report.html").exists()


def test_a_metric_that_is_not_there(square: np.ndarray, tmp_path: Path) -> None:
    path = write(tmp_path / "results.tsv", square)
    with pytest.raises(DnabertError, match=r"--metric f1: .* has mcc, auroc, seconds"):
        compare_results(path, output=tmp_path / "out", metrics=["f1"])
