"""What `evaluate` refuses: tables, settings, places; and what it needs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle.labelled_rows import judged, labelled_table

from dnabert_fast import DnabertError
from dnabert_fast.errors import MissingExtra
from dnabert_fast.evaluate import packages

MakeModel = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return labelled_table(tmp_path)


def test_a_labeller_of_bases_judges_no_sequences(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    with pytest.raises(DnabertError, match="labels bases; sets of labelled sequences do not judge it"):
        judged(table, tmp_path / "out", models=[str(make_model("token"))])


TABLES = {
    "one class": ("sequence,label\nACGTACGT,1\nACGTTTTT,1\n", "every one of the 2 rows has label 1"),
    "too many": (
        "sequence,label\nACGTACGT,0\nACGTTTTT,1\nACGTTTTT,2\n",
        r"label 2, but the models know 2 classes \(no, yes\)",
    ),
    "places": (
        "sequence,label,contig,start,end\nACGTACGT,0,c,9,3\nACGTTTTT,1,c,1,9\n",
        r"table\.csv:2: start 9 does not lie before end 3",
    ),
    "strand": (
        "sequence,label,contig,start,end,strand\nACGTACGT,0,c,1,9,x\nACGTTTTT,1,c,1,9,+\n",
        r"table\.csv:2: strand 'x' is not \+, - or \.",
    ),
    "short": ("sequence,label\nAC,0\nACGTTTTT,1\n", r"table\.csv:2: the sequence has 2 bases, fewer than k = 3"),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_that_cannot_be_used(make_model: MakeModel, tmp_path: Path, case: str) -> None:
    text, message = TABLES[case]
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(DnabertError, match=message):
        judged(tmp_path / "table.csv", tmp_path / "out", models=[str(make_model())])


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"models": []}, "nothing to judge"),
    "twice": (
        {"models": ["a={model}", "a={model}"]},
        "two predictors are named a; tell them apart as in --model a2=PATH",
    ),
    "alone": ({"together": True}, "--ensemble is the mean of several models, and 1 is given"),
    "taken": ({"models": ["ensemble={model}", "b={model}"], "together": True}, "two predictors are named ensemble"),
    "name": ({"models": ["a b={model}"]}, "NAME may hold letters"),
    "no name": ({"thresholds": ["b=0.5"]}, "--threshold b=0.5: no predictor has that name; there are model"),
    "no score": ({"thresholds": ["model"]}, "--threshold model: give NAME=SCORE"),
    "interval": ({"interval": "normal"}, "--interval normal: choose percentile or bca"),
    "level": ({"level": 95}, "--level 95 must lie between 0 and 1"),
    "resamples": ({"resamples": 1}, "--resamples 1"),
    "overlap": ({"overlap": 1.5}, "--overlap 1.5 must lie between 0 and 1"),
    "shipped": (
        {"models": ["demo"], "calibrate": "{table}"},
        "--calibrate writes into the model's folder, and demo is none",
    ),
    "group": ({"group": "least"}, "--group least: choose one of max, mean, second-max"),
    "seed": ({"seed": -1}, "--seed -1: give a whole number from 0"),
    "headless": ({"models": ["{headless}"]}, "has no classification or regression head"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_do_not_fit(make_model: MakeModel, table: Path, tmp_path: Path, case: str) -> None:
    given, message = SETTINGS[case]
    names = {"model": make_model(), "table": table, "headless": make_model("mlm", ())}
    filled = {
        name: [text.format(**names) for text in value] if isinstance(value, list) else
        value.format(**names) if isinstance(value, str) else value
        for name, value in given.items()
    }  # fmt: skip
    with pytest.raises(DnabertError, match=message):
        judged(table, tmp_path / "out", **{"models": [str(make_model())], **filled})


def test_an_input_is_never_replaced(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    own = tmp_path / "predictions.tsv"
    own.write_text("".join(f"r{i}\t0.5\n" for i in range(60)))
    with pytest.raises(DnabertError, match=r"predictions\.tsv is an input and would be replaced"):
        judged(table, tmp_path, predictions=[str(own)])
    folder = Path(shutil.copytree(make_model(), tmp_path / "model"))
    with pytest.raises(DnabertError, match="is an input too; choose another folder"):
        judged(table, folder, models=[str(folder)])


def test_without_the_packages_it_says_what_to_install(
    make_model: MakeModel, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(packages, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"judging predictions needs scipy; .*dnabert-fast\[stats\]"):
        judged(table, tmp_path / "out", models=[str(make_model())])
    assert not (tmp_path / "out").exists()
