"""Models and other tools' predictions judged on labelled tables, against numbers worked out apart."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import scored
from scipy import stats
from sklearn import metrics as sk

from dnabert_fast import DnabertError, load
from dnabert_fast.errors import FormatError, MissingExtra
from dnabert_fast.evaluate import packages
from dnabert_fast.evaluate.calibration import fit_temperature
from dnabert_fast.evaluate.metrics import METRICS, class_metrics
from dnabert_fast.io.labelled import read_labelled
from dnabert_fast.nn.checkpoint import network_hash
from dnabert_fast.workflows.evaluate import evaluate
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]
REPORT = ["confusion.png", "confusion.svg", "curves.png", "curves.svg"]
PAGES = ["metrics.json", "predictions.tsv", "report.html", "report.md"]


def sequences(n: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(random.choice(list("ACGT"), 40)) for _ in range(n)]


def write(path: Path, rows: Sequence[Sequence[Any]], columns: str = "sequence,label") -> Path:
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty sequences of two classes; the 40 bases of row i lie at chr1:1000i, on the forward strand."""
    random = np.random.default_rng(1)
    rows = [
        [bases, int(random.random() < 0.5), f"r{i}", "chr1", 1000 * i, 1000 * i + 40, "+"]
        for i, bases in enumerate(sequences(60))
    ]
    return write(tmp_path / "table.csv", rows, "sequence,label,name,contig,start,end,strand")


def columns_of(path: Path) -> dict[str, list[str]]:
    with open(path, newline="") as file:
        lines = list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    return {name: [line[i] for line in lines[1:]] for i, name in enumerate(lines[0])}


def labels_of(table: Path) -> np.ndarray:
    return np.array(columns_of(table)["label"], np.float64)


def judged(table: Path, out: Path, **options: Any) -> dict[str, Any]:
    facts = evaluate(table, output=out, **{"resamples": 30, "device": "cpu", "threads": 1, **options})
    assert json.loads((out / "metrics.json").read_text()) == {
        name: value for name, value in facts.items() if name != "output"
    }
    return facts


def values(facts: dict[str, Any], name: str) -> dict[str, float]:
    return {metric: found["value"] for metric, found in facts["predictors"][name]["metrics"].items()}


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


def test_calibrating_writes_the_temperature_that_all_verbs_use(
    make_model: MakeModel, make_vcf: Callable[..., Path], grch38: Path, chr20: bytes, table: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(make_model(), tmp_path / "model"))
    vcf = make_vcf(_snvs(chr20))
    before = _scores(vcf, grch38, folder, tmp_path / "before.vcf")
    logits = np.concatenate(list(load(folder, device="cpu")._answers(columns_of(table)["sequence"])))
    fitted = fit_temperature(labels_of(table).astype(np.int64), logits)
    facts = judged(table, tmp_path / "out", models=[f"m={folder}"], calibrate=table)
    about = facts["predictors"]["m"]
    assert about["temperature"] == about["calibrated"]["temperature"] == pytest.approx(fitted.temperature, rel=1e-6)
    assert about["calibrated"]["former"] == 1.0
    assert about["calibrated"]["cross_entropy"] == pytest.approx([fitted.before, fitted.after])
    assert load(folder, device="cpu").network.config.temperature == about["temperature"]
    assert about["hash"] == network_hash(folder)
    cooled = _softmax(logits.astype(np.float64) / fitted.temperature)
    labels = labels_of(table).astype(np.int64)
    assert values(facts, "m")["brier"] == pytest.approx(sk.brier_score_loss(labels, cooled[:, 1]), abs=1e-6)
    after = _scores(vcf, grch38, folder, tmp_path / "after.vcf")
    np.testing.assert_allclose(after, before / fitted.temperature, rtol=2e-4, atol=2e-5)
    twice = judged(table, tmp_path / "twice", models=[f"m={folder}"], calibrate=table)
    assert twice["predictors"]["m"]["temperature"] == pytest.approx(fitted.temperature, rel=1e-6)


def _softmax(table: np.ndarray) -> np.ndarray:
    raised = np.exp(table - table.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _snvs(chr20: bytes) -> list[str]:
    letters = [(at, chr(chr20[at])) for at in range(1_250_000, 1_250_400, 40)]
    return [f"chr20 {at + 1} {ref} {'T' if ref == 'C' else 'C'}" for at, ref in letters]


def _scores(vcf: Path, genome: Path, model: Path, out: Path) -> np.ndarray:
    """LOGOR of every allele."""
    variants(vcf, genome, model=str(model), output=out, window=40, device="cpu", threads=1)
    return np.array([float(allele[4]["LOGOR"]) for allele in scored.alleles(scored.text(out))])


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


def test_a_temperature_of_the_judged_set_is_told_of(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(make_model(), tmp_path / "model"))
    other = Path(shutil.copy(table, tmp_path / "dev.csv"))
    for dev, told in ((table, 1), (other, 0)):
        notes = judged(table, tmp_path / "out", models=[str(folder)], calibrate=dev)["notes"]
        assert sum("fitted on the set that is judged" in note for note in notes) == told


def test_a_labeller_of_bases_judges_no_sequences(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    with pytest.raises(DnabertError, match="labels bases; sets of labelled sequences do not judge it"):
        judged(table, tmp_path / "out", models=[str(make_model("token"))])


def test_no_temperature_is_written_where_another_file_cannot_be_read(
    make_model: MakeModel, table: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(make_model(), tmp_path / "model"))
    before = (folder / "config.json").read_bytes()
    with pytest.raises(FormatError, match=r"none\.tsv: cannot be read"):
        judged(table, tmp_path / "out", models=[str(folder)], calibrate=table, predictions=[f"x={tmp_path}/none.tsv"])
    assert (folder / "config.json").read_bytes() == before


def test_regions_answer_by_their_overlap(table: Path, tmp_path: Path) -> None:
    """Rows 0 to 9 have a region of half their length or more, rows 10 to 19 a shorter one, row 20 one too many."""
    lines = [f"chr1\t{1000 * i + 20}\t{1000 * i + 60}\tx\t{i + 1}\t+" for i in range(10)]
    lines += [f"chr1\t{1000 * i + 21}\t{1000 * i + 61}\tx\t500\t+" for i in range(10, 20)]
    lines += ["chr1\t20000\t20040\tx\t7\t-", "chr7\t0\t40\tx\t9\t+"]
    bed = tmp_path / "firstef.bed"
    bed.write_text("\n".join(lines) + "\n")
    facts = judged(table, tmp_path / "out", predictions=[str(bed)])
    labels = labels_of(table).astype(np.int64)
    calls = (np.arange(60) < 10).astype(np.int64)
    ranks = np.where(calls == 1, np.arange(60) + 1.0, 0.0)
    found = values(facts, "firstef")
    assert found["accuracy"] == sk.accuracy_score(labels, calls)
    assert found["recall"] == pytest.approx(sk.recall_score(labels, calls))
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(labels, calls))
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(labels, ranks))
    assert found["auprc"] == pytest.approx(sk.average_precision_score(labels, ranks))
    assert "brier" not in found  # scores of regions are no probabilities
    assert facts["predictors"]["firstef"]["rows_with_a_region"] == 10
    any_base = judged(table, tmp_path / "any", predictions=[str(bed)], overlap=0.0)
    assert any_base["predictors"]["firstef"]["rows_with_a_region"] == 20
    stricter = judged(table, tmp_path / "strict", predictions=[str(bed)], thresholds=["firstef=6"])
    assert values(stricter, "firstef")["accuracy"] == sk.accuracy_score(labels, ranks >= 6)


def test_stretches_are_judged_as_prom_scan_sets_are(tmp_path: Path) -> None:
    """Windows whose middles lie in one 1,000 bases answer together; any positive one makes the stretch positive."""
    rows, scores = [], []
    for i, bases in enumerate(sequences(24)):
        start = 250 * i  # four windows a stretch
        rows.append([bases, int(i in (5, 6, 13)), f"w{i}", "chr1", start, start + 40, "+"])
        scores.append(0.9 if i in (5, 8, 9) else 0.6 if i == 4 else 0.1)
    table = write(tmp_path / "scan.csv", rows, "sequence,label,name,contig,start,end,strand")
    tool = write(tmp_path / "tool.csv", [[f"w{i}", score] for i, score in enumerate(scores)], "name,score")
    labels = [0, 1, 0, 1, 0, 0]
    for how, called in {
        "max": [0, 1, 1, 0, 0, 0],
        "second-max": [0, 1, 1, 0, 0, 0],
        "mean": [0, 0, 1, 0, 0, 0],
    }.items():
        facts = judged(table, tmp_path / how, predictions=[str(tool)], group=how)
        assert facts["group"] == {"by": how, "groups": 6}
        assert facts["predictors"]["tool"]["confusion"] == sk.confusion_matrix(labels, called).tolist()
        written = columns_of(tmp_path / how / "predictions.tsv")
        assert (written["name"][0], written["label"]) == ("chr1:0-790:+", [str(label) for label in labels])
    with pytest.raises(DnabertError, match="max, mean, second-max"):
        judged(table, tmp_path / "median", predictions=[str(tool)], group="median")


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


def test_rows_without_an_answer_are_left_out_for_all(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    lines = [f"r{i}\t{'.' if i == 7 else i / 60}" for i in range(59)] + ["stray\t0.3"]
    tool = tmp_path / "tool.tsv"
    tool.write_text("name\tscore\n" + "\n".join(lines) + "\n")
    facts = judged(table, tmp_path / "out", models=[f"m={make_model()}"], predictions=[f"tool={tool}"])
    assert (facts["rows"], facts["rows_left_out"]) == (58, 2)
    assert facts["predictors"]["tool"]["names_of_no_row"] == 1
    assert "r7" not in columns_of(tmp_path / "out" / "predictions.tsv")["name"]
    kept = [i for i in range(59) if i != 7]
    labels = labels_of(table)[kept]
    assert values(facts, "tool")["auroc"] == pytest.approx(sk.roc_auc_score(labels, kept))
    with pytest.raises(
        DnabertError, match=r"tool has no answer for 2 of 60 rows \('r7' is the first\).*--max-missing 0.01"
    ):
        judged(table, tmp_path / "no", predictions=[f"tool={tool}"], max_missing=0.01)


FILES = {
    "twice": ("name,score\nr0,1\nr1,1\nr0,0.5\n", r"tool\.csv:4: name 'r0' is on line 2 too"),
    "text": ("name,score\nr0,high\n", r"tool\.csv:2: score 'high' is not a finite number"),
    "infinite": ("name,score\nr0,inf\n", r"tool\.csv:2: score 'inf' is not a finite number"),
    "strange": ("name,score\nq0,0.5\n", r"tool\.csv: none of its 1 names is a row's; rows are named 'r0'"),
    "columns": ("name,a,b\nr0,1,2\n", r"tool\.csv: which column is the score\? there are a, b"),
    "no name": ("id,score\nr0,1\n", r"tool\.csv:1: no column 'name' in the first line; there are id, score"),
    "ragged": ("name,score\nr0\n", r"tool\.csv:2: 1 columns, but the first line has 2"),
    "empty": ("", r"tool\.csv: empty"),
    "no rows": ("name,score\n", r"tool\.csv: no rows after the header"),
    "few": ("name,score\nr0,0.5\nr1,0.4\n", r"tool has no answer for 58 of 60 rows"),
    "nan": ("name,score\n" + "".join(f"r{i},nan\n" for i in range(60)), r"tool has no answer for 60 of 60 rows"),
    "beyond": (
        "name,score\n" + "".join(f"r{i},{i}\n" for i in range(60)),
        r"tool: scores outside 0 to 1 .*--threshold",
    ),
    "sum": ("name,p_0,p_1\n" + "".join(f"r{i},0.6,0.6\n" for i in range(60)), r"do not add up to 1"),
}


@pytest.mark.parametrize("case", FILES)
def test_prediction_files_that_cannot_be_used(table: Path, tmp_path: Path, case: str) -> None:
    text, message = FILES[case]
    (tmp_path / "tool.csv").write_text(text)
    with pytest.raises(DnabertError, match=message):
        judged(table, tmp_path / "out", predictions=[str(tmp_path / "tool.csv")])
    assert not list((tmp_path / "out").iterdir())


def test_regions_that_cannot_be_used(table: Path, tmp_path: Path) -> None:
    bed = tmp_path / "tool.bed"
    bed.write_text("chr1\t0\t40\tx\thigh\n")
    with pytest.raises(FormatError, match=r"tool\.bed:1: score 'high' \(fifth column\) is not a finite number"):
        judged(table, tmp_path / "out", predictions=[str(bed)])
    bed.write_text("1\t0\t40\tx\t3\n")
    with pytest.raises(FormatError, match=r"its contigs \(1\) are not the rows' \(chr1\)"):
        judged(table, tmp_path / "out", predictions=[str(bed)])
    bare = write(tmp_path / "bare.csv", [[bases, i % 2] for i, bases in enumerate(sequences(4))])
    with pytest.raises(DnabertError, match="regions need rows with places"):
        judged(bare, tmp_path / "out", predictions=[str(bed)])
    tool = write(tmp_path / "t.csv", [[i + 1, 0.5] for i in range(4)], "name,score")
    with pytest.raises(DnabertError, match="--group needs to know where windows lie"):
        judged(bare, tmp_path / "out", predictions=[str(tool)], group="max")


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
