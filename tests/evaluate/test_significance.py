"""Tests of pairs against their definitions, scipy's, and the patients of DeLong's paper."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.judged import pairwise_covariance
from scipy import stats

from dnabert_fast.evaluate.metrics import auroc
from dnabert_fast.evaluate.significance import (
    areas_and_covariance,
    benjamini_hochberg,
    delong,
    kruskal,
    mcnemar,
    wilcoxon,
)

# The 43 complete patients of the paper's own example (DeLong, DeLong & Clarke-Pearson 1988): albumin, total protein,
# 10 - K-G score, and whether surgery helped; as the documentation of SAS/STAT's LOGISTIC procedure lists them.
PATIENTS = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


def test_the_papers_patients() -> None:
    """Areas, errors and contrasts with the K-G score, to the digits of an independent count over all pairs."""
    table = np.array(PATIENTS.split(), np.float64).reshape(-1, 4)
    positive, albumin, protein, score = table[:, 3] == 1, table[:, 0], table[:, 1], 10 - table[:, 2]
    areas, covariance = areas_and_covariance(positive, np.stack([albumin, score, protein]))
    assert areas == pytest.approx([0.7366, 0.7258, 0.6478], abs=5e-5)
    assert np.sqrt(covariance.diagonal()) == pytest.approx([0.0927, 0.1028, 0.1000], abs=5e-5)
    one, other = delong(positive, albumin, score), delong(positive, protein, score)
    assert (one.difference, one.error, one.z**2, one.p) == pytest.approx((0.0108, 0.0953, 0.0127, 0.9102), abs=5e-5)
    assert (other.difference, other.error) == pytest.approx((-0.0780, 0.1046), abs=5e-5)
    assert (other.z**2, other.p) == pytest.approx((0.5554, 0.4561), abs=5e-5)


@given(st.integers(2, 15), st.integers(2, 15), st.integers(0, 2**32 - 1), st.sampled_from([3, 1000]))
@settings(max_examples=60)
def test_mid_ranks_give_what_all_pairs_give(p: int, q: int, seed: int, grain: int) -> None:
    random = np.random.default_rng(seed)
    positive = random.permutation(np.arange(p + q) < p)
    scores = random.integers(0, grain, (3, p + q)).astype(np.float64)
    areas, covariance = areas_and_covariance(positive, scores)
    expected, of_pairs = pairwise_covariance(positive, scores)
    np.testing.assert_allclose(areas, expected, atol=1e-12)
    np.testing.assert_allclose(areas, [auroc(positive, row) for row in scores], atol=1e-12)
    np.testing.assert_allclose(covariance, of_pairs, atol=1e-12)


def test_delong_of_the_same_order_and_of_too_few() -> None:
    positive = np.array([True, True, False, False, False, True])
    scores = np.array([0.9, 0.4, 0.5, 0.1, 0.3, 0.8])
    same = delong(positive, scores, scores**3)
    assert (same.difference, same.p) == (0.0, 1.0)
    assert np.isnan(delong(np.array([True, False, False]), np.arange(3.0), np.arange(3.0) ** 2).p)
    assert np.isnan(delong(np.zeros(3, np.bool_), np.arange(3.0), np.arange(3.0)).p)


def test_delong_rejects_as_often_as_it_says() -> None:
    """Of 400 pairs of equally good scores, about one in twenty is called different."""
    rejected = 0
    for seed in range(400):
        random = np.random.default_rng((4, seed))
        positive = np.arange(120) % 2 == 0
        shared = random.normal(size=120) + positive
        one, other = shared + random.normal(size=120), shared + random.normal(size=120)
        rejected += delong(positive, one, other).p < 0.05
    assert 6 <= rejected <= 38  # binomial(400, 0.05): 20, and 99.9 % within


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 9))
def test_mcnemar_by_its_binomial(first: int, second: int, both: int) -> None:
    one = np.array([True] * first + [False] * second + [True] * both + [False] * both, np.bool_)
    other = np.array([False] * first + [True] * second + [True] * both + [False] * both, np.bool_)
    n, low = first + second, min(first, second)
    expected = min(1.0, 2 * sum(comb(n, i) for i in range(low + 1)) / 2**n) if n else 1.0
    found = mcnemar(one, other)
    assert found[:2] == (first, second)
    assert found[2] == pytest.approx(expected, rel=1e-9)
    assert mcnemar(other, one)[2] == found[2]


@given(st.integers(1, 10), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_wilcoxon_by_every_sign(n: int, seed: int) -> None:
    """The exact distribution: all 2^n ways to sign the ranks of n differences without ties."""
    random = np.random.default_rng(seed)
    difference = random.permutation(np.arange(1, n + 1)) * random.choice([-1, 1], n) / 10
    total = np.abs(difference).argsort().argsort() + 1
    rank_sum = total[difference > 0].sum()
    signs = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    sums = signs @ np.arange(1, n + 1)
    expected = min(1.0, 2 * min((sums <= rank_sum).mean(), (sums >= rank_sum).mean()))
    base = random.random(n)
    pairs, p = wilcoxon(base + difference, base)
    assert pairs == n
    # Adding to a base and taking it off may tie or order differences anew; without a base it is exact.
    assert wilcoxon(difference, np.zeros(n))[1] == pytest.approx(expected, abs=1e-12)
    assert 0 < p <= 1


def test_wilcoxon_leaves_out_ties_and_what_is_missing() -> None:
    one = np.array([0.9, np.nan, 0.5, 0.7, 0.8])
    other = np.array([0.8, 0.4, 0.5, np.nan, 0.6])
    assert wilcoxon(one, other) == (2, stats.wilcoxon([0.1, 0.2]).pvalue)
    assert wilcoxon(one, one) == (0, 1.0)


def test_kruskal_is_scipys_without_what_is_missing() -> None:
    groups = [np.array([1.0, 2.0, np.nan]), np.array([3.0, 4.0, 5.0]), np.array([np.nan])]
    expected = stats.kruskal([1.0, 2.0], [3.0, 4.0, 5.0])
    assert kruskal(groups) == (expected.statistic, expected.pvalue)
    assert kruskal([np.ones(3), np.ones(2)]) == (0.0, 1.0)
    assert np.isnan(kruskal([np.ones(3), np.full(2, np.nan)])[1])


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(0, 3))
def test_benjamini_hochberg_by_its_definition(values: list[float], missing: int) -> None:
    p = np.array(values + [np.nan] * missing)
    found = benjamini_hochberg(p)
    assert np.isnan(found[len(values) :]).all()
    m = len(values)
    for i, value in enumerate(values):
        expected = min([1.0] + [other * m / sum(q <= other for q in values) for other in values if other >= value])
        assert found[i] == pytest.approx(expected, abs=1e-12)
