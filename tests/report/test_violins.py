"""Violins: files that open, models without a shape, values that are missing, and equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.report.violins import violins_picture


@pytest.mark.parametrize(("sets", "models"), [(1, 1), (3, 2), (8, 5), (120, 2)])
def test_pictures_of_few_and_many_sets(tmp_path: Path, sets: int, models: int) -> None:
    random = np.random.default_rng(1)
    values = random.uniform(0.3, 0.9, (sets, models))
    values[0, -1] = np.nan
    names = [f"model-{number}" for number in range(models)]
    found = [violins_picture(tmp_path / name, names, {"MCC": values, "AUROC": values}, "sets") for name in ("a", "b")]
    for one, other in zip(*found, strict=True):
        assert one.read_bytes() == other.read_bytes()
    png, svg = found[0]
    assert png.read_bytes()[:4] == b"\x89PNG"
    # As many filled shapes as panels have models of enough values.
    shapes = svg.read_text().count("FillBetweenPolyCollection") + svg.read_text().count("PolyCollection_")
    enough = sum(np.count_nonzero(~np.isnan(values[:, at])) >= 5 for at in range(models))
    assert (shapes > 0) == (enough > 0)


def test_equal_values_make_a_picture(tmp_path: Path) -> None:
    violins_picture(tmp_path / "equal", ["a", "b"], {"MCC": np.full((9, 2), 0.5)}, "sets")
    assert (tmp_path / "equal.png").stat().st_size > 5_000
