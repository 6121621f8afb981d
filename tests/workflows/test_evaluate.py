"""Models judged on labelled tables, against numbers worked out apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from oracle.labelled_rows import columns_of, judged, labelled_table, labels_of, sequences, values, write
from scipy import stats
from sklearn import metrics as sk

from dnabert_fast import DnabertError, load
from dnabert_fast.evaluate.metrics import METRICS, class_metrics
from dnabert_fast.io.labelled import read_labelled
from dnabert_fast.nn.checkpoint import network_hash

MakeModel = Callable[..., Path]
REPORT = ["confusion.png", "confusion.svg", "curves.png", "curves.svg"]
PAGES = ["metrics.json", "predictions.tsv", "report.html", "report.md"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return labelled_table(tmp_path)


def test_a_model_is_judged_as_its_predictions_are(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    folder = make_model()
    facts = judged(table, tmp_path / "out", models=[f"ours={folder}"])
    model = load(folder, device="cpu")
    labels, probabilities = labels_of(table).astype(np.int64), model.predict(columns_of(table)["sequence"])
    expected = class_metrics(labels, probabilities)
    found = values(facts, "ours")
    assert [found[name] for name in METRICS] == pytest.approx([expected[name] for name in METRICS], abs=1e-6)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(labels, probabilities[:, 1]), abs=1e-6)
    about = facts["predictors"]["ours"]
    assert (about["hash"], about["k"], about["temperature"]) == (network_hash(folder), 3, 1.0)
    assert np.array(about["confusion"]).sum() == facts["rows"] == 60
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(REPORT + PAGES)
    written = columns_of(tmp_path / "out" / "predictions.tsv")
    assert written["name"] == [f"r{i}" for i in range(60)]
    np.testing.assert_allclose(np.array(written["ours"], float), probabilities[:, 1], rtol=1e-5)
    assert written["ours:call"] == [str(c) for c in probabilities.argmax(axis=1)]


def test_predictions_written_are_predictions_read(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    """What one run writes, another judges alike; and so a seed gives the same intervals."""
    model = f"a={make_model()}"
    first = judged(table, tmp_path / "one", models=[model])
    probabilities = columns_of(tmp_path / "one" / "predictions.tsv")
    again = tmp_path / "again.tsv"
    again.write_text("".join(f"{n}\t{p}\n" for n, p in zip(probabilities["name"], probabilities["a"], strict=True)))
    second = judged(table, tmp_path / "two", predictions=[f"a={again}"])
    for metric, estimate in first["predictors"]["a"]["metrics"].items():
        assert second["predictors"]["a"]["metrics"][metric] == pytest.approx(estimate, abs=1e-4), metric
    third = judged(table, tmp_path / "three", models=[model])
    assert (tmp_path / "three" / "report.md").read_bytes() == (tmp_path / "one" / "report.md").read_bytes()
    assert third["predictors"] == first["predictors"]


def test_an_ensemble_is_the_mean_of_models_of_several_k(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    folders = [make_model(seed=5), make_model(preset="mini", seed=2)]
    facts = judged(
        table, tmp_path / "out", models=[f"k{i + 3}={path}" for i, path in enumerate(folders)], together=True
    )
    texts = columns_of(table)["sequence"]
    mean = np.mean([load(path, device="cpu").predict(texts) for path in folders], axis=0)
    expected = class_metrics(labels_of(table).astype(np.int64), mean)
    assert values(facts, "ensemble")["auroc"] == pytest.approx(expected["auroc"], abs=1e-6)
    assert values(facts, "ensemble")["mcc"] == pytest.approx(expected["mcc"], abs=1e-6)
    assert [about["kind"] for about in facts["predictors"].values()] == ["model", "model", "ensemble"]
    assert [(test["test"], test["one"], test["other"]) for test in facts["tests"]] == [
        (test, *pair)
        for test in ("DeLong", "McNemar")
        for pair in (("k3", "k4"), ("k3", "ensemble"), ("k4", "ensemble"))
    ]
    for test in ("DeLong", "McNemar"):
        p = [one["p"] for one in facts["tests"] if one["test"] == test]
        adjusted = [one["adjusted"] for one in facts["tests"] if one["test"] == test]
        assert adjusted == pytest.approx(stats.false_discovery_control(p))


def test_models_have_their_classes_in_one_order(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    models = [f"a={make_model()}", f"b={make_model(labels=('yes', 'no'))}"]
    with pytest.raises(DnabertError, match="a and b have the same classes in another order"):
        judged(table, tmp_path / "out", models=models)


def test_fasta_is_judged_by_the_labels_of_its_headers(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    rows = read_labelled(table, 3)
    fasta = tmp_path / "t.fa"
    fasta.write_text("".join(f">{i}:1,000-2,000 label={c}\n{rows.windows[i].decode()}\n"
                             for i, c in enumerate(rows.labels.tolist())))  # fmt: skip
    found = [judged(path, tmp_path / path.stem, models=[str(make_model())]) for path in (table, fasta)]
    assert found[0]["predictors"] == found[1]["predictors"]


def test_splice_sites_have_three_classes(make_model: MakeModel, tmp_path: Path) -> None:
    names = ("none", "donor", "acceptor")
    folder = make_model(labels=names)
    rows = [[bases, i % 3] for i, bases in enumerate(sequences(45))]
    table = write(tmp_path / "splice.csv", rows)
    facts = judged(table, tmp_path / "out", models=[f"a={folder}", f"b={make_model(labels=names, seed=3)}"])
    probabilities = load(folder, device="cpu").predict([row[0] for row in rows])
    expected = class_metrics(np.arange(45) % 3, probabilities)
    assert values(facts, "a")["auroc"] == pytest.approx(expected["auroc"], abs=1e-6)
    assert values(facts, "a")["f1"] == pytest.approx(expected["f1"], abs=1e-6)
    assert facts["classes"] == list(names)
    assert {test["test"] for test in facts["tests"]} == {"McNemar"}
    written = columns_of(tmp_path / "out" / "predictions.tsv")
    np.testing.assert_allclose(np.array(written["a:p_donor"], float), probabilities[:, 1], rtol=1e-5)
    other = tmp_path / "other.tsv"
    other.write_text(
        "name\t" + "\t".join(f"p_{name}" for name in names) + "\n"
        + "".join(f"{i + 1}\t" + "\t".join(map(str, row)) + "\n" for i, row in enumerate(probabilities))
    )  # fmt: skip
    again = judged(table, tmp_path / "again", models=[f"a={folder}"], predictions=[f"same={other}"])
    assert values(again, "same") == pytest.approx(values(again, "a"), abs=1e-6)


def test_a_regression(make_model: MakeModel, tmp_path: Path) -> None:
    one, other = (
        make_model(labels=("activity",), regression=True),
        make_model(labels=("activity",), regression=True, seed=4),
    )
    texts = sequences(50)
    found = load(one, device="cpu").predict(texts)[:, 0]
    measured = np.round(2 * found + np.random.default_rng(3).normal(size=50) * 0.3, 3)
    table = write(tmp_path / "activity.csv", list(zip(texts, measured, strict=True)))
    facts = judged(table, tmp_path / "out", models=[f"one={one}", f"other={other}"], interval="bca")
    shown = values(facts, "one")
    assert shown["pearson"] == pytest.approx(stats.pearsonr(found, measured).statistic, abs=1e-5)
    assert shown["spearman"] == pytest.approx(stats.spearmanr(found, measured).statistic, abs=1e-6)
    assert shown["r2"] == pytest.approx(sk.r2_score(measured, found), abs=1e-5)
    assert shown["rmse"] == pytest.approx(sk.root_mean_squared_error(measured, found), abs=1e-5)
    errors = [np.abs(load(path, device="cpu").predict(texts)[:, 0] - measured) for path in (one, other)]
    (test,) = facts["tests"]
    assert (test["test"], test["p"]) == ("Wilcoxon", pytest.approx(stats.wilcoxon(*errors).pvalue, rel=1e-3))
    assert (tmp_path / "out" / "values.svg").exists()
    with pytest.raises(DnabertError, match="one is a regression, which has no probabilities"):
        judged(table, tmp_path / "no", models=[f"one={one}"], calibrate=table)
    with pytest.raises(DnabertError, match="one and three answer different questions"):
        judged(table, tmp_path / "no", models=[f"one={one}", f"three={make_model(labels=('a', 'b', 'c'))}"])
    scores = write(tmp_path / "scores.csv", [[i + 1, value] for i, value in enumerate(found)], "name,value")
    alone = judged(table, tmp_path / "alone", predictions=[str(scores)])
    assert values(alone, "scores") == pytest.approx(shown, abs=1e-5)
