"""Windows around start sites, which of them are positive, and how groups of scores are judged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.datasets.prom_scan import REDUCTIONS, group_windows, scan_sites, stretches_of
from dnabert_fast.datasets.promoters import Starts
from dnabert_fast.errors import DnabertError


def starts(*places: tuple[int, int, bool]) -> Starts:
    contig, base, reverse = zip(*places, strict=True)
    return Starts(np.array(contig, np.int32), np.array(base, np.int64), np.array(reverse), [str(p) for p in places])


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(4_000, 16_000), st.booleans()), min_size=1, max_size=4),
    st.booleans(),
)
def test_positive_windows_have_half_in_common_with_a_tss(places: list[tuple[int, int, bool]], both: bool) -> None:
    sites = scan_sites(starts(*places), both_strands=both)
    assert len(sites) == 90 * len(places) * (1 + both)
    plan = sites.plan
    assert (plan.end - plan.start == 1001).all()
    for row in range(0, len(sites), 7):
        span = range(int(plan.start[row]), int(plan.end[row]))
        shares = [
            len(range(max(span.start, base - 500), min(span.stop, base + 501))) / 1001
            for contig, base, reverse in places
            if (contig, reverse) == (plan.contig[row], plan.reverse[row])
        ]
        assert sites.label[row] == (max(shares, default=0) >= 0.5)


def test_a_region_is_ten_thousand_bases_in_steps_of_a_hundred() -> None:
    sites = scan_sites(starts((0, 20_000, False)))
    assert sites.plan.start[:3].tolist() == [15_000, 15_100, 15_200]
    assert sites.plan.end[-1] == 24_901
    # Middles 500 or less from the TSS: starts from 19,000 to 20,000.
    assert sites.plan.start[sites.label == 1].tolist() == list(range(19_000, 20_001, 100))


scored = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 1)), min_size=1, max_size=40)


@given(scored, st.sampled_from(REDUCTIONS))
def test_groups_are_reduced(rows: list[tuple[int, int, int]], how: str) -> None:
    group, score, label = (np.array(column) for column in zip(*rows, strict=True))
    found = group_windows(group, score / 20, label, how)
    for number, name in enumerate(sorted(set(group.tolist()))):
        mine = sorted((s / 20 for g, s, _ in rows if g == name), reverse=True)
        wanted = {"max": mine[0], "mean": sum(mine) / len(mine), "second-max": mine[min(1, len(mine) - 1)]}[how]
        assert found.score[number] == pytest.approx(wanted)
        assert found.called[number] == (found.score[number] >= 0.5)
        assert found.label[number] == max(one for g, _, one in rows if g == name)
    assert np.array_equal(np.unique(group)[found.group], group)


def test_stretches_are_of_a_thousand_bases_and_one_strand() -> None:
    start = np.array([0, 499, 500, 500, 1499], np.int64)
    found = stretches_of(np.zeros(5, np.int32), start, start + 1001, np.array([False, False, False, True, False]))
    assert [np.flatnonzero(np.unique(found) == value)[0] for value in found] == [0, 0, 1, 2, 1]
    with pytest.raises(DnabertError, match="min: windows are reduced by max, mean, second-max"):
        group_windows(found, np.zeros(5), np.zeros(5, np.int64), "min")
