"""Many sets as one run: what it leaves, going on, refusals, failures that cost only themselves, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dnabert_fast.errors import DnabertError, FormatError
from dnabert_fast.evaluate.metrics import auroc
from dnabert_fast.evaluate.significance import benjamini_hochberg, wilcoxon
from dnabert_fast.io.predictions import read_scored_names
from dnabert_fast.io.text_table import read_text_table
from dnabert_fast.train.baselines import BASELINES, BaselineNetwork, OneHotLearner
from dnabert_fast.train.sets import LabelledSet
from dnabert_fast.workflows import battery as module
from dnabert_fast.workflows.baseline import train_baseline
from dnabert_fast.workflows.battery import battery
from dnabert_fast.workflows.battery_plan import contenders, differences, read_sets, runs_of
from dnabert_fast.workflows.results import compare_results

torch.set_num_threads(1)

QUICK: dict[str, Any] = {"epochs": 1, "batch": 16, "learning_rate": 3e-3}


def rows(n: int, seed: int, classes: int = 2) -> list[str]:
    random = np.random.default_rng(seed)
    found = []
    for i in range(n):
        bases = "".join(random.choice(list("ACGT"), 24))
        label = i % classes
        found.append(f"{bases[:8] + 'TGC'[label - 1] * 8 + bases[16:] if label else bases},{label}")
    return found


def make_set(folder: Path, seed: int, classes: int = 2) -> Path:
    folder.mkdir(parents=True)
    for part, name in enumerate(("train", "dev", "test")):
        lines = ["sequence,label", *rows(48, 10 * seed + part, classes)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    for seed, name in enumerate(("tf/0", "tf/1", "mouse")):
        make_set(tmp_path / "sets" / name, seed)
    return tmp_path / "sets"


def table(out: Path) -> list[dict[str, str]]:
    read = read_text_table(out / "results.tsv")
    return [{name: column[row] for name, column in read.columns.items()} for row in range(len(read))]


def test_all_models_on_all_sets_and_what_is_said_of_them(tmp_path: Path, sets: Path) -> None:
    out, said = tmp_path / "out", []
    facts = battery(
        sets, output=out, networks=["random=tiny"], baselines=["cnn", "cnn-gru"], seeds=2, say=said.append, **QUICK
    )
    found = table(out)
    assert [(r["set"], r["model"], r["seed"]) for r in found] == [
        (name, model, seed)
        for name in ("mouse", "tf_0", "tf_1")
        for model in ("random", "cnn", "cnn-gru")
        for seed in ("42", "43")
    ]
    assert {row["status"] for row in found} == {"done"}
    assert len(said) == 18
    for row in found:
        written = json.loads((out / row["folder"] / "metrics.json").read_text())
        assert float(row["mcc"]) == pytest.approx(written["test"]["mcc"], abs=1e-8)
        assert (written["seed"], written["epochs"], written["learning_rate"]) == (int(row["seed"]), 1, 3e-3)
    # What summary.json says, from the rows.
    values = np.array([float(row["auroc"]) for row in found]).reshape(3, 3, 2).mean(axis=2)
    said_of = facts["metrics"]["auroc"]
    for at, name in enumerate(("random", "cnn", "cnn-gru")):
        assert said_of["models"][name]["mean"] == pytest.approx(values[:, at].mean(), abs=1e-8)
        assert said_of["models"][name]["sd"] == pytest.approx(values[:, at].std(ddof=1), abs=1e-8)
    p = np.array([wilcoxon(values[:, i], values[:, j])[1] for i, j in ((0, 1), (0, 2), (1, 2))])
    assert [pair["p"] for pair in said_of["pairs"]] == pytest.approx(p)
    assert [pair["adjusted"] for pair in said_of["pairs"]] == pytest.approx(benjamini_hochberg(p))
    assert json.loads(json.dumps(facts)) == json.loads((out / "summary.json").read_text()) | {"output": str(out)}
    assert "| random | 3 |" in (out / "summary.md").read_text()
    assert (out / "violins.png").stat().st_size > 10_000
    again = compare_results(out / "sets.tsv", output=tmp_path / "judged", metrics=["auroc"])
    assert [pair["p"] for pair in again["metrics"]["auroc"]["pairs"]] == pytest.approx(p)


def test_runs_that_fall_to_one_class_are_told(tmp_path: Path, sets: Path) -> None:
    still, said = {**QUICK, "learning_rate": 1e-9}, list[str]()
    facts = battery(sets, output=tmp_path / "out", networks=["random=tiny"], seeds=2, say=said.append, **still)
    assert [row["warning"].startswith("one class is predicted for") for row in table(tmp_path / "out")] == [True] * 6
    assert all("one class is predicted for every dev sequence" in line for line in said)
    line = next(note for note in facts["notes"] if "one answer" in note)
    assert line.startswith("6 of 6 runs ended with one answer for every dev sequence: random on mouse (seed 42), ")
    assert line.endswith(" and 1 more, with a warning in results.tsv")


def test_a_stopped_battery_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path: Path, sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    battery(sets, output=whole, baselines=["cnn", "cnn-lstm"], keep="metrics", **QUICK)
    train, made = module.train_baseline, []

    def until_the_fourth(**given: Any) -> dict[str, Any]:
        made.append(given["baseline"])
        if len(made) == 4:
            (given["output"]).mkdir(parents=True)
            raise KeyboardInterrupt
        return train(**given)

    monkeypatch.setattr(module, "train_baseline", until_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        battery(sets, output=stopped, baselines=["cnn", "cnn-lstm"], keep="metrics", **QUICK)
    assert len(table(stopped)) == 3
    assert not list(stopped.rglob("*.partial"))
    said: list[str] = []
    battery(sets, output=stopped, baselines=["cnn", "cnn-lstm"], keep="metrics", say=said.append, **QUICK)
    assert said[0] == "3 of 6 runs are there already"
    assert len(made) == 4 + 3
    one, other = ([{**row, "seconds": ""} for row in table(out)] for out in (whole, stopped))
    assert one == other
    left = {path.name for path in (whole / "cnn" / "mouse").iterdir()}
    assert left == {"metrics.json", "log.jsonl", "predictions.tsv", "settings.json"}
    # Other models and seeds join those that are there.
    battery(sets, output=stopped, baselines=["cnn", "cnn-gru"], keep="metrics", **QUICK)
    assert len(table(stopped)) == 9


def test_rows_of_training_in_a_test_set_are_told_once(tmp_path: Path, sets: Path) -> None:
    (sets / "tf" / "0" / "test.csv").write_text((sets / "tf" / "0" / "train.csv").read_text())
    said: list[str] = []
    battery(sets, output=tmp_path / "out", baselines=["cnn", "cnn-gru"], keep="metrics", say=said.append, **QUICK)
    notes = [line for line in said if "training set" in line]
    assert len(notes) == 1
    assert notes[0].startswith("tf_0: 48 of the 48 test sequences stand in the training set too; ")


def test_other_settings_are_refused_by_their_difference(tmp_path: Path, sets: Path) -> None:
    out = tmp_path / "out"
    battery(sets, output=out, baselines=["cnn"], **QUICK)
    before = (out / "results.tsv").read_bytes()
    with pytest.raises(DnabertError, match=r"cnn was trained on mouse \(seed 42\) with epochs 1, now 2; give"):
        battery(sets, output=out, baselines=["cnn"], **{**QUICK, "epochs": 2})
    with pytest.raises(DnabertError, match=r"learning rate 0.003, now 0.01; max train the preset's, now 20"):
        battery(sets, output=out, baselines=["cnn"], rates=["cnn=0.01"], max_train=20, **QUICK)
    with open(sets / "tf" / "1" / "dev.csv", "a") as file:
        file.write("ACGTACGTAC,0\n")
    with pytest.raises(DnabertError, match=r"trained on tf_1 \(seed 42\) with another content of the dev set"):
        battery(sets, output=out, baselines=["cnn"], **QUICK)
    assert (out / "results.tsv").read_bytes() == before


def test_a_run_is_known_by_the_content_of_its_labels(tmp_path: Path, sets: Path) -> None:
    labels = tmp_path / "labels.tsv"
    found = []
    for text in ("a\t0\n", "a\t1\n", "a\t0\n"):
        labels.write_text(text)
        found.append(runs_of(read_sets(sets), contenders([], [], ["cnn"], []), [1], {"labels": labels})[0])
    assert found[0].hash == found[2].hash != found[1].hash
    assert differences(found[0].settings, found[1].settings) == "another content of the file of labels"
    assert found[0].flags == {"labels": labels}


def test_a_set_that_fails_costs_itself_alone_and_is_tried_again(
    tmp_path: Path, sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = sets / "tf" / "0" / "dev.csv"
    whole = broken.read_text()
    broken.write_text("sequence,label\nACGTACGT,0\nACGTACGA,x\n")
    out = tmp_path / "out"
    train = module.train_baseline

    def diverges(**given: Any) -> dict[str, Any]:
        if given["train"].parent.name == "1":
            raise DnabertError("step 2 of 3: the loss is nan")
        return train(**given)

    monkeypatch.setattr(module, "train_baseline", diverges)
    facts = battery(sets, output=out, baselines=["cnn"], **QUICK)
    assert [(row["set"], row["status"]) for row in table(out)] == [
        ("mouse", "done"),
        ("tf_0", "failed"),
        ("tf_1", "failed"),
    ]
    assert "dev.csv:3: label 'x'" in facts["failed"][0]["reason"]
    assert facts["failed"][1]["reason"] == "step 2 of 3: the loss is nan"
    assert "the loss is nan" in (out / "summary.md").read_text()
    monkeypatch.undo()
    broken.write_text(whole)
    assert battery(sets, output=out, baselines=["cnn"], **QUICK)["failed"] == []
    assert {row["status"] for row in table(out)} == {"done"}


def test_a_table_gives_sets_their_own_flags(tmp_path: Path, sets: Path) -> None:
    make_set(tmp_path / "three", 5, classes=3)
    lines = [
        "name,train,dev,test,epochs,learning-rate,max_train,classes",
        "a,sets/mouse/train.csv,sets/mouse/dev.csv,sets/mouse/test.csv,2,.,20,.",
        'b,three/train.csv,three/dev.csv,three/test.csv,.,0.002,.,"x,y,z"',
    ]
    (tmp_path / "sets.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    battery(tmp_path / "sets.csv", output=out, baselines=["cnn"], **QUICK)
    a, b = (json.loads((out / "cnn" / name / "metrics.json").read_text()) for name in "ab")
    assert (a["epochs"], a["learning_rate"], a["data"]["train"]["by_class"]) == (2, 3e-3, [10, 10])
    assert (b["epochs"], b["learning_rate"], b["data"]["train"]["sequences"]) == (1, 2e-3, 48)
    scored = read_scored_names(out / "cnn" / "b" / "predictions.tsv", ("x", "y", "z"))
    assert scored.scores.shape == (48, 3)
    assert scored.scores.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,train,dev\na,b,c\n", ":1: no column 'test'"),
        ("name,train,dev,test,tf\na,b,c,d,1\n", ":1: column 'tf' is no flag a set may have"),
        ("name,train,dev,test,epochs\na,b,c,d,few\n", ":2: epochs 'few' is not a whole number"),
        ("name,train,dev,test\na/b,b,c,d\n", "set 'a/b': names may hold"),
        ("name,train,dev,test\na,b,c,d\na,b,c,d\n", "two sets are named a"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sets.csv"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        read_sets(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"baselines": []}, "give --model, --network or --baseline"),
        ({"baselines": ["rnn"]}, "--baseline rnn: choose one of"),
        ({"networks": ["cnn=tiny"]}, "two models are named cnn"),
        ({"networks": ["huge"]}, "--network huge: choose one of"),
        ({"rates": ["gru=1"]}, "--rate gru=1: give NAME=RATE"),
        ({"rates": ["cnn=-1"]}, "--rate cnn=-1: give NAME=RATE"),
        ({"keep": "none"}, "--keep none: choose one of"),
        ({"epochs": 0}, "--epochs 0 must be greater than 0"),
        ({"max_train": 0}, "--max-train 0 must be greater than 0"),
        ({"preset": "best"}, "--preset best: choose one of"),
        ({"seed": -1}, "--seed -1: give a whole number from 0"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, sets: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DnabertError) as caught:
        battery(sets, output=tmp_path / "out", **{"baselines": ["cnn"], **QUICK, **wrong})
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_baselines_folder_is_what_was_measured(tmp_path: Path, sets: Path) -> None:
    files = {name: sets / "mouse" / f"{name}.csv" for name in ("train", "dev", "test")}
    facts = train_baseline(baseline="cnn-lstm", **files, output=tmp_path / "out", **QUICK)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["baseline"], config["classes"], config["window"]) == ("cnn-lstm", ["0", "1"], 24)
    network = BaselineNetwork(BASELINES["cnn-lstm"], 2)
    network.load_state_dict(load_file(tmp_path / "out" / "model.safetensors"))
    test = module_set(files["test"])
    answers = OneHotLearner(network).answers(test)
    scored = read_scored_names(tmp_path / "out" / "predictions.tsv", ("0", "1"))
    assert scored.names == [str(row) for row in range(1, 49)]
    expected = 1 / (1 + np.exp((answers[:, 0] - answers[:, 1]).astype(np.float64)))
    np.testing.assert_allclose(scored.scores[:, 0], expected, atol=1e-6)
    assert facts["test"]["auroc"] == pytest.approx(auroc(test.labels == 1, scored.scores[:, 0]))
    with pytest.raises(DnabertError, match="--lora is about DNABERT's network"):
        train_baseline(baseline="cnn", **files, output=tmp_path / "no", lora=4, **QUICK)


def module_set(path: Path) -> LabelledSet:
    from dnabert_fast.io.labelled import read_labelled

    read = read_labelled(path, 3)
    return LabelledSet(read.windows, read.labels)


def test_regressions_are_compared_by_their_correlation(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    folder = tmp_path / "sets" / "a"
    folder.mkdir(parents=True)
    for name in ("train", "dev", "test"):
        lines = ["".join(random.choice(list("ACGT"), 20)) for _ in range(40)]
        text = "".join(f"{line},{50 + line.count('G'):d}\n" for line in lines)
        (folder / f"{name}.csv").write_text("sequence,label\n" + text)
    facts = battery(
        tmp_path / "sets", output=tmp_path / "out", networks=["random=tiny"], baselines=["cnn"], task="regression",
        **QUICK,
    )  # fmt: skip
    assert not facts["failed"]
    assert facts["metrics"]["pearson"]["models"]["cnn"]["sets"] == 1
    answers = read_text_table(tmp_path / "out" / "cnn" / "a" / "predictions.tsv").numbers("score")
    values = read_text_table(folder / "test.csv").numbers("label")
    assert abs(answers.mean() - values.mean()) < 1.0
    assert "mcc" not in facts["metrics"]
