"""Classifiers that have not seen the rows they answer: folds, and answers worked out apart."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dnabert_fast.evaluate.cross_validated import FOLDS, by_blocks, by_groups, cross_validated, features_of

RANDOM = np.random.default_rng(5)
POSITIVE = np.arange(120) % 2 == 0
FIELDS = np.stack([POSITIVE + RANDOM.normal(size=120), RANDOM.normal(size=120)], axis=1)


def test_a_group_is_of_one_fold_and_folds_are_about_equal() -> None:
    groups = np.repeat(np.arange(24), 5)
    folds = by_groups(groups, POSITIVE)
    assert folds is not None
    assert all(len(np.unique(folds[groups == group])) == 1 for group in range(24))
    sizes = np.bincount(folds)
    assert len(sizes) == FOLDS
    assert sizes.max() - sizes.min() <= 5


def test_groups_that_leave_too_little_to_learn_from() -> None:
    assert by_groups(np.zeros(120, np.int64), POSITIVE) is None
    assert by_groups((np.arange(120) < 15).astype(np.int64), POSITIVE) is None  # 7 or 8 of a class in one of two
    assert by_groups(POSITIVE.astype(np.int64), POSITIVE) is None


def test_blocks_are_stretches_and_part_no_position() -> None:
    order = RANDOM.permutation(120)
    position = np.repeat(np.arange(40), 3)
    folds = by_blocks(np.zeros(120, np.int64), position[order], POSITIVE)
    assert folds is not None
    placed = folds[np.argsort(order)]
    assert (np.diff(placed) >= 0).all()
    assert np.unique(placed).tolist() == [0, 1, 2, 3, 4]
    assert np.bincount(placed).tolist() == [24] * 5
    assert all(len(set(placed[position == at])) == 1 for at in range(40))
    assert by_blocks(np.zeros(120, np.int64), np.zeros(120, np.int64), POSITIVE) is None


def test_each_row_is_answered_by_a_classifier_of_the_other_folds() -> None:
    folds = np.arange(120) // 40
    features = features_of(FIELDS)
    assert features.shape == (120, 4)
    found = cross_validated(features, POSITIVE, folds, "logistic")
    rest = folds != 1
    mean, spread = features[rest].mean(axis=0), features[rest].std(axis=0)
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    model.fit((features[rest] - mean) / spread, POSITIVE[rest])
    expected = model.decision_function((features[~rest] - mean) / spread)
    np.testing.assert_allclose(found.scores[~rest], expected, atol=1e-4)
    assert [(rows, ones) for rows, ones, _ in found.folds] == [(40, 20)] * 3
    changed = POSITIVE.copy()
    changed[folds == 1] ^= True  # the truth of a fold has no part in its answers
    again = cross_validated(features, changed, folds, "logistic")
    np.testing.assert_array_equal(again.scores[folds == 1], found.scores[folds == 1])


@pytest.mark.parametrize("kind", ["logistic", "boosting"])
def test_they_learn_what_there_is_to_learn_and_a_seed_gives_the_same(kind: str) -> None:
    folds = np.arange(120) % 3
    one, other = (cross_validated(features_of(FIELDS), POSITIVE, folds, kind, seed=3) for _ in range(2))
    assert all(area > 0.6 for _, _, area in one.folds)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_a_fold_of_one_class_has_no_area_of_its_own() -> None:
    folds = np.where(POSITIVE & (np.arange(120) < 40), 0, 1 + np.arange(120) // 60)
    found = cross_validated(features_of(FIELDS), POSITIVE, folds, "logistic")
    assert np.isnan(found.folds[0][2])
    assert np.isfinite(found.scores).all()
