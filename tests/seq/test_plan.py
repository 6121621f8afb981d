"""Plans and the units of scans: every window and every base once, whatever the cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.seq.plan import Plan, Stretch, stretches, tile

SIZES = st.integers(1, 60)


def test_a_part_of_a_plan() -> None:
    plan = Plan.of(2, np.arange(10), np.arange(10) + 5, reverse=True)
    part = plan[3:6]
    assert (len(plan), len(part)) == (10, 3)
    assert part.start.tolist() == [3, 4, 5]
    assert part.end.tolist() == [8, 9, 10]
    assert part.contig.tolist() == [2, 2, 2]
    assert part.reverse.all()


@given(st.integers(0, 30), SIZES, SIZES, SIZES, st.integers(1, 200), st.integers(1, 9))
def test_stretches_own_every_window_and_every_base_once(
    first: int, length: int, window: int, stride: int, max_bases: int, max_windows: int
) -> None:
    last = first + length
    found = list(stretches(7, first, last, stride, max_bases, max_windows))
    bases = [base for s in found for base in range(s.start, s.end)]
    assert bases == list(range(first, last))
    starts = [start for s in found for start in tile(s, window, stride, halo=False).tolist()]
    assert starts == list(range(first, last - window + 1, stride))
    for stretch in found:
        assert len(tile(stretch, window, stride, halo=False)) <= max_windows
        assert stretch.end - stretch.start <= max(max_bases, stride)
        assert (stretch.contig, stretch.first, stretch.last) == (7, first, last)


@given(st.integers(0, 30), SIZES, SIZES, SIZES, st.integers(1, 60))
def test_a_halo_holds_every_window_over_the_bases_of_a_stretch(
    first: int, length: int, window: int, stride: int, max_bases: int
) -> None:
    last = first + length
    everywhere = range(first, last - window + 1, stride)
    for stretch in stretches(0, first, last, stride, max_bases, 10**6):
        over = [start for start in everywhere if start < stretch.end and start + window > stretch.start]
        assert tile(stretch, window, stride, halo=True).tolist() == over


def test_no_window_fits() -> None:
    stretch = Stretch(0, 100, 110, 100, 110)
    assert tile(stretch, 11, 1, halo=False).tolist() == []
    assert tile(stretch, 11, 1, halo=True).tolist() == []
    assert tile(stretch, 10, 1, halo=True).tolist() == [100]
