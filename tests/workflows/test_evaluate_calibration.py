"""Temperatures fitted by `evaluate --calibrate`, and where they are used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from oracle import scored
from oracle.labelled_rows import columns_of, judged, labelled_table, labels_of, values
from sklearn import metrics as sk

from dnabert_fast import load
from dnabert_fast.errors import FormatError
from dnabert_fast.evaluate.calibration import fit_temperature
from dnabert_fast.nn.checkpoint import network_hash
from dnabert_fast.workflows.variants import variants

MakeModel = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return labelled_table(tmp_path)


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


def test_a_temperature_of_the_judged_set_is_told_of(make_model: MakeModel, table: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(make_model(), tmp_path / "model"))
    other = Path(shutil.copy(table, tmp_path / "dev.csv"))
    for dev, told in ((table, 1), (other, 0)):
        notes = judged(table, tmp_path / "out", models=[str(folder)], calibrate=dev)["notes"]
        assert sum("fitted on the set that is judged" in note for note in notes) == told


def test_no_temperature_is_written_where_another_file_cannot_be_read(
    make_model: MakeModel, table: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(make_model(), tmp_path / "model"))
    before = (folder / "config.json").read_bytes()
    with pytest.raises(FormatError, match=r"none\.tsv: cannot be read"):
        judged(table, tmp_path / "out", models=[str(folder)], calibrate=table, predictions=[f"x={tmp_path}/none.tsv"])
    assert (folder / "config.json").read_bytes() == before
