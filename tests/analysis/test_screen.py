"""Sites, ranks and identities of alleles, against loops over one allele at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.analysis.known import KnownAlleles, identities
from dnabert_fast.analysis.regions import Places
from dnabert_fast.analysis.screen import Ranked, Ranking, Sites
from dnabert_fast.seq.batch import Windows
from dnabert_fast.seq.plan import Plan
from dnabert_fast.seq.variants import Changes


@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 12))
def test_sites_are_those_of_loops(seed: int, n: int, m: int) -> None:
    random = np.random.default_rng(seed)
    contig, position = random.integers(-1, 3, n).astype(np.int32), random.integers(0, 50, n)
    start = random.integers(0, 50, m)
    plan = Plan(
        random.integers(0, 3, m).astype(np.int32), start, start + random.integers(1, 20, m), np.zeros(m, np.bool_)
    )
    windows = Windows.from_strings([b"A" * int(length) for length in plan.end - plan.start])
    scores = random.random(len(windows.bases), np.float32)
    sites = Sites(contig, position)
    for part in (slice(0, m // 2), slice(m // 2, m)):  # units
        few, first, last = plan[part], windows.offsets[part.start], windows.offsets[part.stop]
        sites.attend(*sites.seen(few, windows[part], scores[first:last]))
    borders = np.cumsum(random.integers(1, 7, 12))
    places = Places(np.full(6, 1), borders[::2], borders[1::2], np.zeros(6, np.float32))
    sites.enclose(places)
    for i in range(n):
        held = [j for j in range(m) if plan.contig[j] == contig[i] and plan.start[j] <= position[i] < plan.end[j]]
        assert sites.windows[i] == len(held)
        if held:
            at = [scores[windows.offsets[j] + position[i] - plan.start[j]] for j in held]
            np.testing.assert_allclose(sites.score(np.array([i])), np.mean(at), rtol=1e-6)
        regions = [j for j in range(6) if contig[i] == 1 and places.start[j] <= position[i] < places.end[j]]
        region = (places.start[regions[0]], places.end[regions[0]]) if regions else (-1, -1)
        assert (sites.start[i], sites.end[i]) == region
    assert sites.inside.tolist() == (sites.start >= 0).tolist()


def ranked(row: list[int], difference: list[float]) -> Ranked:
    texts = {"ID": Windows.from_strings([f"rs{i}".encode() for i in row])}
    return Ranked(np.array(row), np.array(difference, np.float32), {"POS": np.array(row) * 10}, texts)


@given(st.lists(st.lists(st.sampled_from([-0.5, -0.2, 0.0, 0.1, 0.2, 0.5]), max_size=8), max_size=5), st.integers(1, 9))
def test_ranks_are_those_of_sorting(units: list[list[float]], top: int) -> None:
    flat = [(-abs(value), row, value) for row, value in enumerate(value for unit in units for value in unit)]
    for threshold, kept in ((None, sorted(flat)[:top]), (0.2, [one for one in sorted(flat) if -one[0] >= 0.2])):
        ranking, row = Ranking(top, threshold), 0
        for unit in units:
            ranking.add(ranked(list(range(row, row + len(unit))), unit))
            row += len(unit)
        best = ranking.best()
        assert (best is None) == (not units)
        if best is None:
            continue
        assert best.row.tolist() == [one[1] for one in kept]
        assert best.numbers["POS"].tolist() == [10 * one[1] for one in kept]
        assert [best.texts["ID"][i].decode() for i in range(len(best))] == [f"rs{one[1]}" for one in kept]


@given(st.integers(0, 2**32 - 1))
def test_equal_changes_are_one_and_others_are_not(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = 40
    contig, start, deleted = (
        random.integers(0, 2, n).astype(np.int32),
        random.integers(0, 3, n),
        random.integers(0, 2, n),
    )
    inserted = [bytes(random.choice(list(b"ACa"), random.integers(0, 3)).astype(np.uint8)) for _ in range(n)]
    keys = identities(contig, Changes(start, deleted, Windows.from_strings(inserted)))
    plain = list(zip(contig.tolist(), start.tolist(), deleted.tolist(), [one.upper() for one in inserted], strict=True))
    for i in range(n):
        assert (keys == keys[i]).tolist() == [one == plain[i] for one in plain]
    known = KnownAlleles("k", np.unique(keys[: n // 2]), n, n)
    assert known.holds(keys).tolist() == [one in plain[: n // 2] for one in plain]
    assert not KnownAlleles("none", keys[:0], 0, 0).holds(keys).any()
