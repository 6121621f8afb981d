"""Fisher's exact test against sums of fractions, and the odds ratio at its edges."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.fisher import fisher

from dnabert_fast.errors import MissingExtra
from dnabert_fast.evaluate import enrichment as module
from dnabert_fast.evaluate.enrichment import enrichment, need_fisher


@given(st.data())
def test_p_values_are_those_of_fractions(data: st.DataObject) -> None:
    n, others = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 90))
    marked, other_marked = data.draw(st.integers(0, n)), data.draw(st.integers(0, others))
    found = enrichment(marked, n, other_marked, others)
    assert (found.p_greater, found.p) == pytest.approx(fisher(marked, n, other_marked, others), rel=1e-9, abs=1e-300)


def test_a_published_table() -> None:
    # R. A. Fisher's tea tasting (The Design of Experiments, 1935): 3 of 4 cups right has a chance of 17/70.
    found = enrichment(3, 4, 1, 4)
    assert (found.odds_ratio, found.p_greater, found.p) == pytest.approx((9, 17 / 70, 34 / 70))


def test_odds_ratios_without_a_divisor() -> None:
    assert enrichment(2, 2, 1, 5).odds_ratio == math.inf
    assert enrichment(0, 5, 2, 9).odds_ratio == 0
    assert math.isnan(enrichment(0, 5, 0, 9).odds_ratio)
    assert math.isnan(enrichment(0, 0, 0, 0).odds_ratio)
    for wrong in ((3, 2, 0, 1), (0, 1, 2, 1), (-1, 1, 0, 1)):
        with pytest.raises(ValueError, match="against"):
            enrichment(*wrong)


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise MissingExtra("scipy", "stats", "judging predictions")

    monkeypatch.setattr(module, "need", missing)
    with pytest.raises(MissingExtra, match=r"counting known variants needs scipy.*dnabert-fast\[stats\]"):
        need_fisher()
