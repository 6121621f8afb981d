"""Windows and token batches: slicing, taking, cutting."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import DnabertError
from dnabert_fast.seq.batch import Windows, cut, spans, tokenize, tokenize_spans
from dnabert_fast.seq.vocab import Vocabulary

texts = st.lists(st.text(alphabet="ACGTN", max_size=20).map(str.encode), max_size=8)


def strings(windows: Windows) -> list[bytes]:
    return [windows[i] for i in range(len(windows))]


@given(texts, st.integers(-9, 9) | st.none(), st.integers(-9, 9) | st.none())
def test_slices_are_those_of_a_list(rows: list[bytes], first: int | None, last: int | None) -> None:
    w = Windows.from_strings(rows)
    assert strings(w) == rows
    part = w[first:last]
    assert strings(part) == rows[first:last]
    assert part.offsets[0] == 0
    assert part.lengths.tolist() == [len(row) for row in rows[first:last]]


@given(texts.filter(len), st.data())
def test_take_and_skip(rows: list[bytes], data: st.DataObject) -> None:
    w = Windows.from_strings(rows)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))
    assert strings(w.take(np.array(chosen, np.int64))) == [rows[i] for i in chosen]
    mask = np.array([i % 2 == 0 for i in range(len(rows))])
    assert strings(w.take(mask)) == rows[::2]
    left = np.array([data.draw(st.integers(0, len(row))) for row in rows])
    right = np.array([data.draw(st.integers(0, len(row) - drop)) for row, drop in zip(rows, left, strict=True)])
    expected = [row[a : len(row) - b] for row, a, b in zip(rows, left, right, strict=True)]
    assert strings(w.skip(left, right)) == expected
    assert strings(w.skip(left)) == [row[a:] for row, a in zip(rows, left, strict=True)]


@given(st.lists(texts, max_size=4))
def test_concatenate(parts: list[list[bytes]]) -> None:
    assert strings(Windows.concatenate([Windows.from_strings(rows) for rows in parts])) == list(chain(*parts))


def test_other_makers() -> None:
    matrix = np.frombuffer(b"ACGTTTGGAACC", np.uint8).reshape(3, 4)
    assert strings(Windows.from_matrix(matrix)) == [b"ACGT", b"TTGG", b"AACC"]
    assert strings(Windows.from_matrix(matrix[:, ::2])) == [b"AG", b"TG", b"AC"]
    assert strings(Windows.from_strings(["ACG", b"T"])) == [b"ACG", b"T"]
    with pytest.raises(DnabertError, match="sequence 2 holds 'é'"):
        Windows.from_strings(["A", "é"])
    with pytest.raises(ValueError, match="step 1"):
        Windows.from_matrix(matrix)[::2]
    with pytest.raises(IndexError):
        Windows.from_matrix(matrix)[3]
    with pytest.raises(ValueError, match="span 0 lies outside the bases"):
        Windows.from_spans(matrix.reshape(-1), np.array([10]), np.array([13]))


@given(texts.filter(len), st.data())
def test_taken_pieces_are_those_pieces(rows: list[bytes], data: st.DataObject) -> None:
    batch = tokenize(Windows.from_strings(rows), 3)
    chosen = np.array(data.draw(st.lists(st.integers(0, len(batch) - 1), max_size=10)), np.int64)
    taken = batch.take(chosen)
    pieces = np.split(batch.ids, batch.cu_seqlens[1:-1])
    assert [piece.tolist() for piece in np.split(taken.ids, taken.cu_seqlens[1:-1])][: len(chosen)] == [
        pieces[j].tolist() for j in chosen
    ]
    assert taken.lengths.tolist() == batch.lengths[chosen].tolist()
    assert taken.owner.tolist() == batch.owner[chosen].tolist()


def test_a_piece_that_is_not_there() -> None:
    batch = tokenize(Windows.from_strings([b"ACGT"]), 3)
    with pytest.raises(IndexError):
        batch.take(np.array([1]))
    with pytest.raises(IndexError, match="no piece -1"):
        batch.take(np.array([-1]))


def test_pieces_know_their_window() -> None:
    batch = tokenize(Windows.from_strings([b"A" * 600, b"", b"ACGT"]), 3)
    assert batch.owner.tolist() == [0, 0, 1, 2]


@given(st.lists(st.integers(2, 512), max_size=60), st.integers(1, 2000))
def test_cut_is_greedy(lengths: list[int], limit: int) -> None:
    parts = cut(np.array(lengths, np.int32), limit)
    covered = [i for part in parts for i in range(part.start, part.stop)]
    assert covered == list(range(len(lengths)))
    for part in parts:
        held = lengths[part]
        assert len(held) == 1 or sum(held) <= limit
        assert part.stop == len(lengths) or sum(held) + lengths[part.stop] > limit


def test_released_kmer_text_gives_the_ids_of_the_vocabulary() -> None:
    # Rows of the original's sample data (CTCF, 101 bases as 6-mers): its tokenizer looks every word up.
    ids = Vocabulary(6).ids()
    with gzip.open(Path(__file__).parents[1] / "data/labelled/ctcf_6mer_40.tsv.gz", "rt") as file:
        texts = [line.split("\t")[0] for line in file][1:]
    assert len(texts) >= 40
    sequences = [words[0] + "".join(word[-1] for word in words[1:]) for words in map(str.split, texts)]
    batch = tokenize(Windows.from_strings(sequences), 6)
    for text, piece in zip(texts, np.split(batch.ids, batch.cu_seqlens[1:-1]), strict=True):
        assert piece.tolist() == [2, *(ids[word] for word in text.split()), 3]


@pytest.mark.parametrize("make", [tokenize_spans, spans])
def test_more_tokens_than_a_batch_counts_are_refused(make: Callable[..., object]) -> None:
    bases = np.full(300_000, ord("A"), np.uint8)
    starts = np.zeros(7200, np.int64)
    with pytest.raises(DnabertError, match=r"7,200 windows of up to 300,000 bases make 2,168,445,600 tokens.*--stride"):
        make(bases, starts, starts + 300_000, False, 6)
