"""Logos: files that open, letters by information, equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.report.logos import logo_picture


@pytest.mark.parametrize("width", [1, 5, 24])
def test_pictures_have_equal_bytes(tmp_path: Path, width: int) -> None:
    matrix = np.random.default_rng(0).dirichlet(np.full(4, 0.3), width)
    found = [logo_picture(tmp_path / name, matrix, "motif", span=(0, max(1, width - 2))) for name in ("a", "b")]
    for one, other in zip(*found, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert found[0][0].read_bytes()[:4] == b"\x89PNG"


def test_a_base_alone_is_one_letter_and_an_even_column_none(tmp_path: Path) -> None:
    sure, even = np.array([[0, 0, 1.0, 0]] * 3), np.full((3, 4), 0.25)
    sizes = [logo_picture(tmp_path / name, matrix)[1].stat().st_size for name, matrix in (("s", sure), ("e", even))]
    assert sizes[0] != sizes[1]
