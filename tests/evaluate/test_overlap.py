"""Regions that answer for rows, against every pair looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnabert_fast.evaluate import overlap
from dnabert_fast.evaluate.overlap import Spans, best_overlap


@st.composite
def spans(draw: st.DrawFn, least: int) -> Spans:
    n = draw(st.integers(least, 25))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start = random.integers(-5, 60, n)
    return Spans(
        random.integers(0, 3, n),
        start,
        start + random.integers(1, 30, n),
        np.frombuffer(b"+-.", np.uint8)[random.integers(0, 3, n)],
    )


def slow(rows: Spans, regions: Spans, scores: np.ndarray, share: float) -> list[float]:
    found = []
    for i in range(len(rows)):
        best = -np.inf
        for j in range(len(regions)):
            common = min(rows.end[i], regions.end[j]) - max(rows.start[i], regions.start[j])
            strands = {chr(rows.strand[i]), chr(regions.strand[j])}
            long = max(rows.end[i] - rows.start[i], regions.end[j] - regions.start[j])
            if rows.contig[i] == regions.contig[j] and common > 0 and common >= share * long and strands != {"+", "-"}:
                best = max(best, scores[j])
        found.append(float(best))
    return found


@given(spans(1), spans(0), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([1, 7, 1 << 20]))
@settings(max_examples=150)
def test_the_best_of_every_pair(rows: Spans, regions: Spans, share: float, at_once: int) -> None:
    scores = np.random.default_rng(len(regions)).normal(size=len(regions))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap, "_PAIRS", at_once)
        assert best_overlap(rows, regions, scores, share).tolist() == slow(rows, regions, scores, share)


def test_the_rule_of_half() -> None:
    """501 of 1,001 bases answer, 500 do not; a single base does where the share is 0."""
    row = Spans(np.array([0]), np.array([10_000]), np.array([11_001]), np.frombuffer(b"+", np.uint8))

    def answers(start: int, length: int = 1_001, share: float = 0.5, strand: bytes = b"+") -> bool:
        region = Spans(np.array([0]), np.array([start]), np.array([start + length]), np.frombuffer(strand, np.uint8))
        return bool(np.isfinite(best_overlap(row, region, np.ones(1), share)[0]))

    assert answers(10_500)
    assert not answers(10_501)
    assert not answers(10_500, strand=b"-")
    assert answers(10_500, strand=b".")
    assert not answers(10_400, 1)
    assert answers(10_400, 1, share=0.0)
    assert not answers(9_999, 1, share=0.0)
    assert not answers(11_001, 1, share=0.0)
