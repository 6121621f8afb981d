"""Shares of a unit as whole items."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.engine.meter import Meter


@given(st.integers(0, 5000), st.lists(st.floats(0.001, 1), max_size=20))
def test_every_item_is_told_once(n: int, weights: list[float]) -> None:
    told: list[int] = []
    meter = Meter(n, told.append)
    for weight in weights:
        meter.tick(weight / sum(weights))
        assert sum(told) <= n
    meter.close()
    assert sum(told) == n
    assert all(items > 0 for items in told)


def test_items_are_told_as_shares_come_in() -> None:
    told: list[int] = []
    meter = Meter(10, told.append)
    meter.tick(0.5)
    assert told == [5]
    meter.tick(0.04)
    assert told == [5]
