"""Other tools' tables and regions judged on labelled tables, against numbers worked out apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from oracle.labelled_rows import columns_of, judged, labelled_table, labels_of, sequences, values, write
from sklearn import metrics as sk

from dnabert_fast import DnabertError
from dnabert_fast.errors import FormatError

MakeModel = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return labelled_table(tmp_path)


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
