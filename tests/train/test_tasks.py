"""Pairs, values, labels of bases and long windows: each is learnt, saved, and answered by predict and transformers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from oracle.kmers import kmer_ids

from dnabert_fast.engine.model import load
from dnabert_fast.errors import DnabertError
from dnabert_fast.seq.batch import Windows, reverse_complement
from dnabert_fast.train.finetune import starting_network
from dnabert_fast.train.fitting import classifier
from dnabert_fast.train.learner import NetworkLearner
from dnabert_fast.train.presets import Recipe
from dnabert_fast.train.sets import LabelledSet, flipped, shared, shifted
from dnabert_fast.workflows.finetune import finetune
from dnabert_fast.workflows.sequences import predict

from .conftest import poly_runs

QUICK: dict[str, Any] = {"network": "tiny", "learning_rate": 3e-3, "batch": 16, "seed": 3}


def run_labels(data: LabelledSet) -> list[str]:
    """1 for the bases of a run of eight T, 0 for others."""
    marked = []
    for i in range(len(data)):
        bases = data.windows[i].decode()
        at = bases.find("T" * 8)
        marked.append("".join("1" if at >= 0 and at <= j < at + 8 else "0" for j in range(len(bases))))
    return marked


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))


def strings(data: LabelledSet) -> list[str]:
    return [data.windows[i].decode() for i in range(len(data))]


@torch.inference_mode()
def test_labels_of_bases(tmp_path: Path) -> None:
    files = {}
    for seed, name in enumerate(("train", "dev")):
        data = poly_runs(160, seed)
        rows = [f"{bases},{labels}" for bases, labels in zip(strings(data), run_labels(data), strict=True)]
        files[name] = write(tmp_path / f"{name}.csv", "sequence,label", rows)
    with torch.inference_mode(False):
        facts = finetune(
            **files, output=tmp_path / "out", **QUICK, epochs=15, classes=("other", "run"), reverse_complement=True
        )
    assert facts["head"] == "token"
    assert facts["dev"]["mcc"] > 0.8
    model = load(tmp_path / "out")
    dev = poly_runs(160, 1)
    answers = model.predict(dev.windows)
    assert answers.shape == (160 * 24, 2)
    # Of k = 3, base t + 1 is that of k-mer t: the first and the last base have none.
    unanswered = np.isnan(answers[:, 0]).reshape(160, 24)
    assert unanswered[:, [0, 23]].all()
    assert not unanswered[:, 1:23].any()
    theirs = transformers.BertForTokenClassification.from_pretrained(tmp_path / "out").eval()
    ids = torch.tensor([[2, *kmer_ids(bases.encode(), 3), 3] for bases in strings(dev)])
    expected = theirs(ids).logits.softmax(-1)[:, 1:-1].flatten(0, 1)
    torch.testing.assert_close(torch.from_numpy(answers[~unanswered.ravel()]), expected, atol=1e-5, rtol=0)
    predict(files["dev"], model=str(tmp_path / "out"), output=tmp_path / "bases.tsv", strand="both")
    rows = read(tmp_path / "bases.tsv")
    assert len(rows) == len(answers)
    assert "".join(row["letter"] for row in rows[:24]) == strings(dev)[0]
    assert [int(row["base"]) for row in rows[24:48]] == list(range(24))
    assert (rows[24]["name"], rows[24]["predicted"]) == ("2", ".")
    # Both strands: the mean, over bases that are the same ones.
    forward = answers[:, 1].reshape(160, 24)
    backward = load(tmp_path / "out").predict(reverse_complement(dev.windows))[:, 1].reshape(160, 24)[:, ::-1]
    logits = [np.log(p / (1 - p)) for p in (forward.astype(float), backward.astype(float))]
    mean = 1 / (1 + np.exp(-(logits[0] + logits[1]) / 2))
    found = np.array([float(row["p_run"]) if row["p_run"] != "." else np.nan for row in rows]).reshape(160, 24)
    np.testing.assert_allclose(found[:, 1:23], mean[:, 1:23], atol=2e-5)
    with pytest.raises(DnabertError, match="scores bases, not windows; use it with predict"):
        model.readout()


@pytest.mark.parametrize("k", [3, 6])
def test_a_reversed_row_asks_about_the_same_bases(k: int) -> None:
    data = poly_runs(12, seed=4, length=40)
    along = np.random.default_rng(1).integers(-1, 3, len(data.windows.bases))
    along[:3] = (0, 1, 2)
    labelled = LabelledSet(data.windows, along)
    recipe = Recipe(learning_rate=1e-3, epochs=1, network=starting_config(k))
    network = classifier(starting_network(None, recipe, 1), recipe, labelled, 1).eval()
    learner = NetworkLearner(network)
    turned = LabelledSet(reverse_complement(data.windows), flipped(data.windows, along, np.ones(len(data), np.bool_)))
    rows = np.array([3, 0, 7])
    here, there = (
        (learner.outputs(part, rows, np.full(3, strand)), learner.targets(part, rows, np.full(3, strand)))
        for part, strand in ((labelled, True), (turned, False))
    )
    assert torch.equal(here[1], there[1])
    torch.testing.assert_close(here[0], there[0], atol=1e-6, rtol=0)
    assert len(here[0]) == len(here[1]) > 30
    # The k-mers' own bases are the ones that are asked about.
    answers = learner.answers(labelled)
    known = ~np.isnan(answers[:, 0]) & (along >= 0)
    every = np.arange(len(data))
    forward = learner.outputs(labelled, every, np.zeros(len(data), np.bool_)).detach()
    torch.testing.assert_close(torch.from_numpy(answers[known]), forward, atol=1e-5, rtol=0)
    assert np.array_equal(learner.targets(labelled, every, np.zeros(len(data), np.bool_)), along[known])


def starting_config(k: int) -> Any:
    from dnabert_fast.nn.config import PRESETS

    return PRESETS["tiny"].with_k(k)


def test_pairs(tmp_path: Path) -> None:
    """The class is what the second sequence holds, whatever the first one does."""
    files = {}
    for seed, name in enumerate(("train", "dev")):
        first, second = poly_runs(160, seed + 10), poly_runs(160, seed)
        order = np.random.default_rng(seed).permutation(160)
        rows = [f"{first.windows[int(a)].decode()},{b},{label}" for a, b, label in
                zip(order, strings(second), second.labels, strict=True)]  # fmt: skip
        files[name] = write(tmp_path / f"{name}.csv", "seq1,seq2,label", rows)
    facts = finetune(**files, output=tmp_path / "out", **QUICK, epochs=25)
    assert facts["dev"]["mcc"] > 0.7
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dnabert_fast"]["pairs"] is True
    model = load(tmp_path / "out")
    table = [line.split(",") for line in files["dev"].read_text().splitlines()[1:]]
    answers = model.predict([row[0] for row in table], [row[1] for row in table])
    halves = [[kmer_ids(text.encode(), 3) for text in row[:2]] for row in table]
    ids = torch.tensor([[2, *a, 3, *b, 3] for a, b in halves])
    types = torch.tensor([[0] * (len(a) + 2) + [1] * (len(b) + 1) for a, b in halves])
    theirs = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    with torch.inference_mode():
        expected = theirs(ids, token_type_ids=types).logits.softmax(1).numpy()
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    predict(files["dev"], model=str(tmp_path / "out"), output=tmp_path / "p.tsv", strand="both")
    found = [float(row["p_1"]) for row in read(tmp_path / "p.tsv")]
    both = load(tmp_path / "out", strand="both").predict([row[0] for row in table], [row[1] for row in table])
    np.testing.assert_allclose(found, both[:, 1], atol=1e-5)
    with pytest.raises(DnabertError, match="takes pairs; give a table with columns sequence and sequence2"):
        model.predict([row[0] for row in table])
    with pytest.raises(DnabertError, match="as many second sequences as first ones"):
        model.predict([row[0] for row in table], ["ACGT"])


def test_values(tmp_path: Path) -> None:
    """Values far from 0 are learnt in their own units."""
    files, measured = {}, {}
    for seed, name in enumerate(("train", "dev", "test")):
        data = poly_runs(160, seed)
        share = [bases.count("G") + bases.count("C") for bases in strings(data)]
        measured[name] = 5000 - 100.5 * np.array(share)
        rows = [f"{bases},{value}" for bases, value in zip(strings(data), measured[name], strict=True)]
        files[name] = write(tmp_path / f"{name}.csv", "sequence,label", rows)
    facts = finetune(**files, output=tmp_path / "out", **QUICK, epochs=15)
    assert facts["test"]["pearson"] > 0.9
    assert facts["test"]["r2"] > 0.7
    assert facts["test"]["rmse"] == pytest.approx(facts["test"]["loss"] ** 0.5)
    model = load(tmp_path / "out")
    found = model.predict(poly_runs(160, 2).windows)[:, 0]
    assert float(np.sqrt(np.mean((found - measured["test"]) ** 2))) == pytest.approx(facts["test"]["rmse"], rel=1e-3)
    theirs = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    assert theirs.config.problem_type == "regression"
    ids = torch.tensor([[2, *kmer_ids(bases.encode(), 3), 3] for bases in strings(poly_runs(160, 2))])
    with torch.inference_mode():
        np.testing.assert_allclose(found, theirs(ids).logits[:, 0].numpy(), rtol=1e-5)
    # Going on from a trained regression begins where it ended.
    again = finetune(**files, output=tmp_path / "again", **{**QUICK, "network": None, "learning_rate": 1e-9},
                     epochs=1, model=str(tmp_path / "out"))  # fmt: skip
    assert again["dev"]["rmse"] == pytest.approx(facts["dev"]["rmse"], rel=1e-3)


@pytest.mark.parametrize("head", ["concat", "rnn", "mean"])
def test_heads_of_long_windows(tmp_path: Path, head: str) -> None:
    data = poly_runs(8, seed=1, length=600)
    rows = [f"{bases},{label}" for bases, label in zip(strings(data), data.labels, strict=True)]
    table = write(tmp_path / "a.csv", "sequence,label", rows)
    facts = finetune(train=table, dev=table, output=tmp_path / "out", **QUICK, epochs=1, head=head, dropout=0.3)
    assert facts["head"] == f"xl-{head}"
    model = load(tmp_path / "out")
    assert model.network.config.head_dropout == 0.3
    assert model.predict(data.windows).shape == (8, 2)


def test_heads_that_do_not_fit(tmp_path: Path) -> None:
    short, long = poly_runs(8, seed=1), poly_runs(8, seed=2, length=600)
    rows = [f"{bases},{i % 2}" for i, bases in enumerate(strings(short) + strings(long))]
    table = write(tmp_path / "a.csv", "sequence,label", rows)
    for head, message in (("concat", "joins a fixed number of pieces, .* have 1 to 2"), ("sum", "choose one of auto")):
        with pytest.raises(DnabertError, match=message):
            finetune(train=table, dev=table, output=tmp_path / "out", **QUICK, epochs=1, head=head)


def test_sets_of_pairs_and_of_bases_are_taken_moved_and_compared() -> None:
    windows = Windows.from_strings(["ACGT", "GGGG"])
    along = LabelledSet(windows, np.array([0, 1, 2, 3, 4, 5, 6, 7]))
    assert along.take(np.array([1, 0])).labels.tolist() == [4, 5, 6, 7, 0, 1, 2, 3]
    assert shifted(along, np.array([1, -2])).labels.tolist() == [-1, 0, 1, 2, 6, 7, -1, -1]
    assert flipped(windows, along.labels, np.array([True, False])).tolist() == [3, 2, 1, 0, 4, 5, 6, 7]
    pairs = LabelledSet(windows, np.array([0, 1]), Windows.from_strings(["TT", "CC"]))
    other = LabelledSet(Windows.from_strings(["acgt", "GGGG"]), np.array([0, 1]), Windows.from_strings(["TT", "TT"]))
    assert shared(pairs, other) == 1
    with pytest.raises(ValueError, match="3 labels for 2 sequences"):
        LabelledSet(windows, np.array([0, 1, 1]))
