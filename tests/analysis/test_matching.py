"""Motifs against a database of real ones: themselves, parts of them, the other strand, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dnabert_fast.analysis.matching import match_motifs
from dnabert_fast.io.meme import Motif, read_motifs


@pytest.fixture(scope="module")
def known(data: Path) -> list[Motif]:
    return read_motifs(data / "motifs" / "jaspar_31.pfm")


def test_motifs_match_themselves_and_their_parts_on_either_strand(known: list[Motif]) -> None:
    targets = [motif.matrix for motif in known]
    own = [motif.alt for motif in known].index("CTCF")
    ctcf = targets[own]
    flanked = np.concatenate([np.full((3, 4), 0.25), ctcf, np.full((2, 4), 0.25)])
    noise = np.random.default_rng(0).dirichlet(np.full(4, 5.0), 15)
    found = match_motifs([ctcf, ctcf[::-1, ::-1], ctcf[3:15], flanked, noise], targets)
    assert found.p[:4].argmin(axis=1).tolist() == [own] * 4
    assert (found.q[:4, own] < 1e-6).all()
    assert found.reverse[:4, own].tolist() == [False, True, False, False]
    assert found.overlap[:4, own].tolist() == [19, 19, 12, 19]
    assert found.offset[:4, own].tolist() == [0, 0, 3, -3]
    assert found.q[4].min() > 0.05
    # Adjusted over the targets of each query.
    order = np.sort(found.p[0])
    assert found.q[0].min() == pytest.approx((order * len(order) / np.arange(1, len(order) + 1)).min())


def test_one_strand_alone(known: list[Motif]) -> None:
    targets = [motif.matrix for motif in known]
    own = [motif.alt for motif in known].index("CTCF")
    found = match_motifs([targets[own][::-1, ::-1]], targets, both_strands=False, threads=999)
    assert found.q[0, own] > 0.01
    assert not found.reverse.any()


def test_nothing_to_match(known: list[Motif]) -> None:
    assert match_motifs([], [motif.matrix for motif in known]).p.shape == (0, 31)
