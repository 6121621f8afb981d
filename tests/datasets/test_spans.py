"""Sets of bases against sets of Python."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracle.annotated import covered

from dnabert_fast.datasets.spans import Spans

Raw = list[tuple[int, int, int]]
raw = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 25), st.integers(0, 8)).map(lambda s: (s[0], s[1], s[1] + s[2])),
    max_size=12,
)


def spans(values: Raw) -> Spans:
    contig, start, end = (np.array([value[i] for value in values], np.int64) for i in range(3))
    return Spans(contig.astype(np.int32), start, end)


def listed(found: Spans) -> Raw:
    return list(zip(found.contig.tolist(), found.start.tolist(), found.end.tolist(), strict=True))


@given(raw, raw)
def test_joined_cut_and_subtracted(one: Raw, other: Raw) -> None:
    a, b = spans(one).merged(), spans(other).merged()
    assert covered(listed(a)) == covered(one)
    ends = listed(a)
    assert ends == sorted(ends)
    assert all(x[0] < y[0] or x[2] < y[1] for x, y in pairwise(ends))
    assert covered(listed(a.within(b))) == covered(one) & covered(other)
    assert covered(listed(a.less(b))) == covered(one) - covered(other)
    assert a.bases == len(covered(one))


@given(raw, raw)
def test_touching_and_lying_inside(one: Raw, other: Raw) -> None:
    merged = spans(other).merged()
    bases = covered(other)
    assert spans(one).touches(merged).tolist() == [bool(covered([span]) & bases) for span in one]
    some = [span for span in one if span[2] > span[1]]
    assert spans(some).inside(merged).tolist() == [covered([span]) <= bases for span in some]


@given(raw)
def test_those_kept_apart_do_not_overlap(one: Raw) -> None:
    some = [span for span in one if span[2] > span[1]]
    kept = spans(some).take(spans(some).apart())
    assert len(covered(listed(kept))) == int((kept.end - kept.start).sum())
    assert bool(len(kept)) == bool(some)


def test_nothing() -> None:
    none = Spans.none()
    assert len(none.merged()) == len(none.less(none)) == len(none.within(none)) == 0
    assert len(Spans.concatenate([])) == 0
    assert none.apart().tolist() == []
