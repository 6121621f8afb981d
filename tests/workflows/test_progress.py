"""Shares of the input that are shown, from what had been read when each unit came in."""

from __future__ import annotations

import pytest

from dnabert_fast.workflows.progress import Follow


def followed(units: list[tuple[int, float | None]], steps: list[int]) -> list[tuple[int, float | None]]:
    seen: list[tuple[int, float | None]] = []
    follow = Follow(lambda done, share=None: seen.append((done, share)))
    for items, share in units:
        follow.unit(items, share)
    for step in steps:
        follow(step)
    return seen


def test_shares_follow_the_units_and_the_items_within() -> None:
    seen = followed([(100, 0.4), (50, 1.0)], [50, 50, 25, 25])
    assert [done for done, _ in seen] == [50, 50, 25, 25]
    assert [share for _, share in seen] == pytest.approx([0.2, 0.4, 0.7, 1.0])


def test_a_step_over_several_units() -> None:
    assert followed([(10, 0.1), (10, 0.2), (10, 0.3)], [25])[0][1] == pytest.approx(0.25)


def test_input_of_unknown_length_has_no_share() -> None:
    assert followed([(10, None), (10, None)], [5, 15]) == [(5, None), (15, None)]
