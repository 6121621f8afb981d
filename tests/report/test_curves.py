"""Pictures of judgements: files that open, the same bytes for the same numbers, and every kind of set."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.evaluate.judge import Answers, Judgement, judge
from dnabert_fast.report.curves import confusion_picture, curves_picture, values_picture


def judged(classes: int, predictors: int, *, probabilities: bool = True) -> tuple[Judgement, np.ndarray]:
    random = np.random.default_rng(classes)
    labels = np.arange(90) % classes
    answers = []
    for i in range(predictors):
        scores = random.random((90, classes)) + (labels[:, None] == np.arange(classes)) * 0.4
        scores /= scores.sum(axis=1, keepdims=True)
        answers.append(Answers(f"model {i}", scores, scores.argmax(axis=1), probabilities))
    return judge(labels, answers, resamples=5), labels


@pytest.mark.parametrize(("classes", "predictors", "probabilities"), [(2, 1, True), (2, 9, False), (4, 3, True)])
def test_curves_of_all_kinds(tmp_path: Path, classes: int, predictors: int, probabilities: bool) -> None:
    found, labels = judged(classes, predictors, probabilities=probabilities)
    names = [f"class {c}" for c in range(classes)]
    base = {c: float((labels == c).mean()) for c in range(classes)}
    png, svg = curves_picture(tmp_path / "curves.png", found.predictors, names, base)
    assert png.read_bytes()[:4] == b"\x89PNG"
    ET.fromstring(svg.read_text())
    text = svg.read_text()  # matplotlib writes each text as a comment beside its glyphs
    assert text.count("<!-- recall -->") == 2 * (1 if classes == 2 else classes)
    assert ("<!-- reliability -->" in text) is probabilities
    for one in found.predictors:
        assert f"{one.name}   AUROC {one.metrics['auroc'].value:.3f}" in text
    again = curves_picture(tmp_path / "again.png", found.predictors, names, base)
    assert [path.read_bytes() for path in again] == [png.read_bytes(), svg.read_bytes()]
    _, confusion = confusion_picture(tmp_path / "confusion.png", found.predictors, names)
    assert confusion.read_text().count("<!-- called -->") == predictors
    assert f"<!-- {found.predictors[0].confusion[0, 0]} -->" in confusion.read_text()  # type: ignore[index]


def test_values_and_many_of_them(tmp_path: Path) -> None:
    measured = np.random.default_rng(0).normal(size=20_000)
    png, svg = values_picture(tmp_path / "values.png", measured, [("a", measured + 1), ("b", -measured)])
    assert png.stat().st_size > 10_000
    assert svg.stat().st_size < 2_000_000
    assert svg.read_text().count("<!-- measured -->") == 2


def test_a_key_of_long_names_stays_inside_the_picture(tmp_path: Path) -> None:
    found, _ = judged(2, 3, probabilities=False)
    long = [replace(one, name=f"|DNABERT_of_model_{i}_LOGOR|") for i, one in enumerate(found.predictors)]
    _, svg = curves_picture(tmp_path / "curves.png", long, ["no", "yes"], {1: 0.5})
    text = svg.read_text()
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', text)[1])
    places = re.findall(r"<!-- \|DNABERT_of_model.*? -->\s*<g[^>]*translate\(([\d.]+) ([\d.]+)\)", text)
    assert len(places) == 3
    assert len({height for _, height in places}) == 3  # a line each: two do not fit side by side
    assert all(float(left) < width / 2 for left, _ in places)
