"""Packs and their layout: whatever the order of lengths, each wanted row is found again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.errors import DnabertError
from dnabert_fast.nn.packed import Packed


def pack(lengths: list[int], rows: str | list[int] = "all") -> Packed:
    bounds = np.cumsum([0, *lengths]).astype(np.int32)
    wanted = rows if isinstance(rows, str) else np.array(rows)
    return Packed.from_arrays(np.arange(bounds[-1]).astype(np.uint16), bounds, rows=wanted)


LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=12)


@given(LENGTHS, st.data())
def test_layout_keeps_every_row(lengths: list[int], data: st.DataObject) -> None:
    total = sum(lengths)
    wanted = sorted(data.draw(st.sets(st.integers(0, total - 1), min_size=1)))
    layout = pack(lengths, wanted).layout
    assert layout.rows is not None
    found = layout.ids[layout.rows]
    assert (found if layout.restore is None else found[layout.restore]).tolist() == wanted
    everything = pack(lengths).layout
    restored = everything.ids if everything.restore is None else everything.ids[everything.restore]
    assert restored.tolist() == list(range(total))


@given(LENGTHS, st.data())
def test_groups_are_the_pieces_by_length(lengths: list[int], data: st.DataObject) -> None:
    wanted = sorted(data.draw(st.sets(st.integers(0, sum(lengths) - 1), min_size=1)))
    layout = pack(lengths, wanted).layout
    assert layout.rows is not None
    assert sorted(group.length for group in layout.groups) == sorted(set(lengths))
    rows = 0
    for group in layout.groups:
        tokens = range(group.token, group.token + group.pieces * group.length)
        pieces = layout.ids[tokens.start : tokens.stop].view(group.pieces, group.length)
        assert (pieces.diff(dim=1) == 1).all()
        assert layout.positions[tokens.start : tokens.stop].tolist() == list(range(group.length)) * group.pieces
        mine = layout.rows[group.row : group.row + group.rows]
        assert mine.tolist() == [row for row in layout.rows.tolist() if row in tokens]
        if group.rows and group.pick is not None:
            assert group.keep is not None
            assert torch.equal(layout.rows[group.pick.flatten()[group.keep]], mine)
        elif group.rows:
            piece = (mine - group.token) // group.length
            each = torch.arange(group.pieces)[:, None].expand(-1, len(mine) // group.pieces)
            assert torch.equal(piece.view(group.pieces, -1), each)
        rows += group.rows
    assert rows == len(wanted)


def test_sorted_lengths_are_left_where_they_are() -> None:
    for lengths in ([2, 2, 5], [5, 3, 3], [4, 1, 9]):
        assert pack(lengths).layout.restore is None
    assert pack([2, 5, 2]).layout.restore is not None


def test_cls_rows() -> None:
    packed = pack([3, 1, 4], "cls")
    assert packed.rows is not None
    assert packed.rows.tolist() == [0, 3, 4]
    assert packed.max_len == 4


def test_padded_rows_are_the_same_tokens() -> None:
    packed = pack([3, 1, 2], [1, 3, 5]).padded(4, pad=99)
    assert packed.ids.tolist() == [0, 1, 2, 99, 3, 99, 99, 99, 4, 5, 99, 99]
    assert packed.rows is not None
    assert packed.ids[torch.from_numpy(packed.rows)].tolist() == [1, 3, 5]
    assert packed.key_bias is not None
    assert packed.key_bias.tolist() == [1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0]
    with pytest.raises(DnabertError, match="piece of 3 tokens is longer than the padded length 2"):
        pack([3, 1]).padded(2)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([0, 3], "run from 0 to the 4 ids"),
        ([1, 4], "run from 0"),
        ([0], "run from 0"),
        ([0, 2, 2, 4], "without tokens"),
    ],
)
def test_bounds_that_do_not_fit(bounds: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Packed.from_arrays(np.zeros(4, np.uint16), np.array(bounds, np.int32))


@pytest.mark.parametrize("rows", [[], [2, 1], [1, 1], [-1], [9]])
def test_rows_that_do_not_fit(rows: list[int]) -> None:
    with pytest.raises(ValueError, match="ascending positions in 0 to 8"):
        pack([4, 5], rows)


def test_rows_of_no_known_name() -> None:
    with pytest.raises(ValueError, match="rows are cls, all"):
        pack([4], "first")
