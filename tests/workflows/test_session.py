"""A stream that is read in turns gives the units of one that is read anew each time."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_fast.workflows.session import Reread, those_of


class Stream:
    """Letters, and how often they were opened and read."""

    def __init__(self, letters: str) -> None:
        self.letters = letters
        self.opened = self.closed = self.read = 0

    def __call__(self) -> Generator[str, None, None]:
        self.opened += 1
        try:
            for letter in self.letters:
                self.read += 1
                yield letter
        finally:
            self.closed += 1


@given(turns=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 4)), max_size=8))
def test_units_by_their_numbers(turns: list[tuple[int, int]]) -> None:
    stream = Stream("abcdef")
    reread = Reread(stream)
    backwards, end = 0, 0
    for first, count in turns:
        wanted = list(enumerate("abcdef"))[first : first + count]
        backwards += first < end or not stream.opened
        found = []
        for number, unit in reread.units(first):
            found.append((number, unit))
            if len(found) == count:
                break
        assert found == wanted
        end = first + count if len(found) == count else 6
    assert stream.opened == backwards
    reread.close()
    assert stream.closed == stream.opened


def test_shards_in_order_read_a_stream_once() -> None:
    stream = Stream("abcdef")
    reread = Reread(stream)
    for number in range(6):
        assert next(reread.units(number)) == (number, "abcdef"[number])
    assert (stream.opened, stream.read) == (1, 6)


def test_a_stream_that_failed_is_read_anew() -> None:
    fails = [True, False]

    def opened() -> Generator[str, None, None]:
        yield "a"
        if fails.pop(0):
            raise TimeoutError
        yield "b"

    reread = Reread(opened)
    with pytest.raises(TimeoutError):
        list(reread.units(0))
    assert list(reread.units(1)) == [(1, "b")]


def test_the_arguments_of_an_opening() -> None:
    def opening(a: int, *, b: int) -> None:
        """Takes two of them."""

    assert those_of(opening, {"a": 1, "b": 2, "c": 3}) == {"a": 1, "b": 2}
