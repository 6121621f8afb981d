"""Scores judged by a truth, against scipy, scikit-learn and rows repeated as often as they count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from dnabert_fast.evaluate.judge_scores import FEWEST, Stratum, judge_scores
from dnabert_fast.evaluate.kendall import WeightedKendall
from dnabert_fast.evaluate.significance import delong

RANDOM = np.random.default_rng(11)
TRUTH = (np.arange(80) % 3 == 0).astype(np.float64)
SCORES = {"a": TRUTH + RANDOM.normal(size=80), "b": np.round(RANDOM.normal(size=80), 1), "c": RANDOM.normal(size=80)}
ALL = Stratum("all", "", np.arange(80))


@given(
    st.integers(2, 40),
    st.sampled_from([2, 4, 1000]),
    st.sampled_from([2, 5, 1000]),
    st.integers(0, 2**32 - 1),
)
def test_kendall_of_weighted_rows_is_that_of_repeated_rows(n: int, many: int, others: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = random.integers(0, many, n).astype(float), random.integers(0, others, n).astype(float)
    weights = random.integers(0, 4, (5, n)).astype(np.int32)
    weights[0] = 1
    found = WeightedKendall(one, other)(weights)
    for row, tau in zip(weights, found, strict=True):
        repeated = [np.repeat(values, row) for values in (one, other)]
        defined = all(len(np.unique(values)) > 1 for values in repeated)
        expected = stats.kendalltau(*repeated).statistic if defined else np.nan
        np.testing.assert_allclose(tau, expected, atol=1e-12)


def test_classes_have_areas_and_delongs_tests_adjusted_over_their_pairs() -> None:
    part = Stratum("type", "SNV", np.arange(0, 80, 2))
    whole, some = judge_scores(TRUTH, True, SCORES, [ALL, part], resamples=50)
    for judged, rows in ((whole, ALL.rows), (some, part.rows)):
        assert (judged.rows, judged.positives) == (len(rows), int(TRUTH[rows].sum()))
        for name, values in SCORES.items():
            auroc, auprc = (judged.metrics[name][metric] for metric in ("auroc", "auprc"))
            assert auroc.value == pytest.approx(sk.roc_auc_score(TRUTH[rows], values[rows]))
            assert auprc.value == pytest.approx(sk.average_precision_score(TRUTH[rows], values[rows]))
            assert auroc.low < auroc.value < auroc.high
        assert [(test.one, test.other) for test in judged.tests] == [("a", "b"), ("a", "c"), ("b", "c")]
        p = [delong(TRUTH[rows] == 1, SCORES[t.one][rows], SCORES[t.other][rows]).p for t in judged.tests]
        assert [test.p for test in judged.tests] == pytest.approx(p)
        assert [test.adjusted for test in judged.tests] == pytest.approx(stats.false_discovery_control(p))


def test_numbers_have_rank_correlations() -> None:
    numbers = np.round(SCORES["a"] + RANDOM.normal(size=80), 1)
    (judged,) = judge_scores(numbers, False, SCORES, [ALL], resamples=50, method="bca")
    assert judged.positives is None
    assert judged.tests == ()
    for name, values in SCORES.items():
        found = judged.metrics[name]
        assert found["spearman"].value == pytest.approx(stats.spearmanr(numbers, values).statistic)
        assert found["kendall"].value == pytest.approx(stats.kendalltau(numbers, values).statistic)
        assert found["kendall"].low < found["kendall"].value < found["kendall"].high


def test_a_score_that_is_constant_has_no_correlation() -> None:
    (judged,) = judge_scores(SCORES["a"], False, {"flat": np.ones(80)}, [ALL], resamples=20)
    assert np.isnan([found.value for found in judged.metrics["flat"].values()]).all()


def test_strata_with_few_rows_are_counted_and_not_judged() -> None:
    ticks: list[int] = []
    few = Stratum("type", "MNV", np.flatnonzero(TRUTH == 1)[: FEWEST - 1])
    mixed = Stratum("type", "x", np.concatenate([few.rows, np.flatnonzero(TRUTH == 0)]))
    enough = Stratum("type", "y", np.append(mixed.rows, np.flatnonzero(TRUTH == 1)[FEWEST]))
    found = judge_scores(TRUTH, True, SCORES, [few, mixed, enough], resamples=20, tick=ticks.append)
    assert [bool(judged.metrics) for judged in found] == [False, False, True]
    assert [(judged.rows, judged.positives) for judged in found] == [(4, 4), (57, 4), (58, 5)]
    assert sum(ticks) == 60
    (numbers,) = judge_scores(TRUTH, False, SCORES, [few], resamples=20)
    assert numbers.metrics == {}
