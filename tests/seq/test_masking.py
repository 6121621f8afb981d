"""Masking against its slow twin, and against the fractions that the original's recipe has."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import masking as oracle
from oracle import philox

from dnabert_fast.errors import DnabertError
from dnabert_fast.seq.batch import TokenBatch, Windows, tokenize
from dnabert_fast.seq.masking import Masked, Masking, mask
from dnabert_fast.seq.vocab import FIRST_KMER, MASK, SEP, Vocabulary

KMERS = 510


def random_windows(n: int, k: int, kmers: int = KMERS) -> Windows:
    rng = np.random.default_rng(k)
    return Windows.from_matrix(rng.choice(np.frombuffer(b"ACGT", np.uint8), (n, kmers + k - 1)))


def lists(batch: TokenBatch, ids: np.ndarray) -> list[list[int]]:
    return [ids[a:b].tolist() for a, b in pairwise(batch.cu_seqlens)]


def touching(masked: Masked) -> list[np.ndarray]:
    """The masked rows in groups that touch, as positions in `rows`."""
    return np.split(np.arange(len(masked.rows)), np.flatnonzero(np.diff(masked.rows) > 1) + 1)


@settings(max_examples=60)
@given(
    st.lists(st.text(alphabet="ACGTN", max_size=700), min_size=1, max_size=4),
    st.integers(3, 6),
    st.integers(0, 12),
    st.floats(0.01, 0.9),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**63),
    st.integers(0, 2**24 - 1),
)
def test_masking_against_its_twin(
    texts: list[str], k: int, longer: int, rate: float, whole: bool, seed: int, first: int, stream: int
) -> None:
    batch = tokenize(Windows.from_strings(texts), k)
    masking = Masking(k, rate, whole, k + longer if longer else None)
    before = batch.ids.copy()
    masked = mask(batch, masking, seed, first, stream)
    pieces, owner = lists(batch, batch.ids), batch.owner.tolist()
    expected, hidden = oracle.mask(pieces, owner, k, k + longer, rate, whole, seed, first, stream)
    assert lists(batch, masked.ids) == expected
    assert masked.rows.tolist() == [batch.cu_seqlens[j] + t for j, t, _ in hidden]
    assert masked.labels.tolist() == [label for _, _, label in hidden]
    assert (batch.ids == before).all()


def test_the_generator_is_philox() -> None:
    # The known answers of the Random123 library, release 1.14, kat_vectors.
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert philox.philox((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox.philox((2**32 - 1,) * 4, (2**32 - 1,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    assert philox.philox(pi, (0xA4093822, 0x299F31D0)) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


@pytest.mark.parametrize("k", [3, 4, 5, 6])
@pytest.mark.parametrize(("rate", "documented"), [(0.15, (14.3, 14.2, 14.1, 14.1)), (0.20, (18.7, 18.5, 18.5, 18.4))])
def test_the_documented_share_is_masked(k: int, rate: float, documented: tuple[float, ...]) -> None:
    batch = tokenize(random_windows(2000, k), k)
    rows = mask(batch, Masking(k, rate), seed=1, first=0).rows % (KMERS + 2)
    interior = (rows > k) & (rows <= KMERS - k)
    share = np.count_nonzero(interior) / (2000 * (KMERS - 2 * k))
    expected = 1 - (1 - rate / k) ** k
    assert round(100 * expected, 1) == documented[k - 3]
    # Masked tokens come about k at once, so the standard deviation of the share is below 0.1 %.
    assert share == pytest.approx(expected, abs=0.003)
    # At the ends of a piece fewer centres reach a token: clipped, as in the original.
    for end, reach in ((1, (k - 1) // 2 + 1), (KMERS, k // 2 + 1)):
        assert np.count_nonzero(rows == end) / 2000 == pytest.approx(1 - (1 - rate / k) ** reach, abs=0.025)
    assert rows.min() >= 1
    assert rows.max() <= KMERS


@pytest.mark.parametrize("whole", [False, True])
def test_eighty_ten_ten(whole: bool) -> None:
    batch = tokenize(random_windows(4000, 6), 6)
    masked = mask(batch, Masking(6, whole_spans=whole), seed=2, first=0)
    now = masked.ids[masked.rows]
    assert (batch.ids[masked.rows] == masked.labels).all()
    shares = [np.mean(now == MASK), np.mean((now != MASK) & (now != masked.labels)), np.mean(now == masked.labels)]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    others = np.ones(len(batch.ids), np.bool_)
    others[masked.rows] = False
    assert (masked.ids[others] == batch.ids[others]).all()


def test_random_ids_come_from_the_whole_vocabulary() -> None:
    k = 3
    batch = tokenize(random_windows(4000, k), k)
    masked = mask(batch, Masking(k), seed=3, first=0)
    now = masked.ids[masked.rows]
    drawn = now[(now != masked.labels) & (now != MASK)]
    size = Vocabulary(k).size
    counts = np.bincount(drawn, minlength=size)
    assert len(counts) == size
    # [MASK] itself is drawn too, but cannot be told from the 80 %; a k-mer loses where it is drawn for itself.
    expected = len(drawn) / (size - 1)
    assert np.delete(counts, MASK) == pytest.approx(np.full(size - 1, expected), rel=0.2)
    assert counts[SEP] > 0
    assert counts[:FIRST_KMER].sum() > 3 * expected


def test_most_released_spans_give_their_base_away_and_whole_spans_none() -> None:
    """Spans by themselves of k tokens hide one base, which every token of theirs that stayed spells out."""
    k = 6
    batch = tokenize(random_windows(3000, k), k)
    shares = {}
    for whole in (False, True):
        masked = mask(batch, Masking(k, whole_spans=whole), seed=4, first=0)
        now = masked.ids[masked.rows]
        alone = [span for span in touching(masked) if len(span) == k]
        assert len(alone) > 20_000
        stayed = np.array([now[span] == masked.labels[span] for span in alone])
        hidden = np.array([now[span] == MASK for span in alone])
        shares[whole] = (np.mean(stayed.any(axis=1)), np.mean(stayed.any(axis=1) & hidden.any(axis=1)))
    assert shares[False][0] == pytest.approx(1 - 0.9**k, abs=0.01)
    assert shares[False][1] == pytest.approx(1 - 0.9**k, abs=0.01)
    assert shares[True][0] == pytest.approx(0.1, abs=0.01)  # all six stayed; what [MASK] hides is told by none
    assert shares[True][1] == 0


def test_all_that_touch_have_one_fate_in_whole_spans() -> None:
    batch = tokenize(random_windows(500, 5), 5)
    masked = mask(batch, Masking(5, 0.4, whole_spans=True), seed=5, first=0)
    now = masked.ids[masked.rows]
    groups = touching(masked)
    assert max(map(len, groups)) > 10
    for group in groups:
        assert (now[group] == MASK).sum() in (0, len(group)) or (now[group] != masked.labels[group]).all()


@pytest.mark.parametrize("span", [6, 9, 20])
def test_longer_spans_hide_more_bases_and_mask_the_same_share(span: int) -> None:
    k = 6
    batch = tokenize(random_windows(2000, k), k)
    masked = mask(batch, Masking(k, span=span), seed=6, first=0)
    sizes = np.array([len(group) for group in touching(masked)])
    assert np.bincount(sizes).argmax() == span
    assert len(masked.rows) / (2000 * KMERS) == pytest.approx(1 - (1 - 0.15 / span) ** span, abs=0.004)


def test_a_sample_is_masked_alike_in_any_batch() -> None:
    windows = random_windows(40, 6, kmers=100)
    whole = mask(tokenize(windows, 6), Masking(6), seed=7, first=1000)
    parts = [mask(tokenize(windows[a:b], 6), Masking(6), 7, 1000 + a) for a, b in ((0, 1), (1, 17), (17, 40))]
    assert np.concatenate([part.ids for part in parts]).tolist() == whole.ids.tolist()
    assert np.concatenate([part.labels for part in parts]).tolist() == whole.labels.tolist()
    batch, some = tokenize(windows, 6), np.array([31, 2, 7])
    expected = TokenBatch(whole.ids, batch.cu_seqlens, batch.owner).take(some).ids
    assert mask(batch.take(some), Masking(6), 7, 1000).ids.tolist() == expected.tolist()


def test_other_seeds_streams_and_numbers_mask_other_tokens() -> None:
    batch = tokenize(random_windows(20, 6), 6)
    rows = [mask(batch, Masking(6), *key).rows.tolist() for key in ((1, 0, 0), (2, 0, 0), (1, 20, 0), (1, 0, 1))]
    assert all(a != b for i, a in enumerate(rows) for b in rows[:i])


def test_pieces_without_tokens_stay_as_they_are() -> None:
    batch = tokenize(Windows.from_strings(["", "ACG", "ACGTAC"]), 6)
    masked = mask(batch, Masking(6, 0.99), seed=1, first=0)
    assert masked.ids[:4].tolist() == [2, 3, 2, 3]
    empty = mask(tokenize(Windows.from_strings([]), 6), Masking(6), 1, 0)
    assert len(empty.ids) == len(empty.rows) == len(empty.labels) == 0


def test_what_cannot_be_is_refused() -> None:
    for k in (2, 7):
        with pytest.raises(DnabertError, match="k must be one of 3, 4, 5, 6"):
            Masking(k)
    for rate in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(DnabertError, match="must lie between 0 and 1"):
            Masking(6, rate)
    with pytest.raises(DnabertError, match="a masked span of 5 tokens hides no base for k = 6; give 6 or more"):
        Masking(6, span=5)
    batch = tokenize(random_windows(1, 6), 6)
    with pytest.raises(ValueError, match="stream must be below"):
        mask(batch, Masking(6), 1, 0, 2**24)
    with pytest.raises(TypeError):
        mask(batch, Masking(6), -1, 0)
    with pytest.raises(ValueError, match="owner must have one element a piece"):
        mask(TokenBatch(batch.ids, batch.cu_seqlens, batch.owner[:0]), Masking(6), 1, 0)
